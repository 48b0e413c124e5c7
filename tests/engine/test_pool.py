"""The pool: who may start a process, who may run, who waits, and what is given up."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from fakes import FakeCLIs, FakeLauncher, FakeTransport, echo, prompt_of

from claude_magic.client import AsyncClaudeClient
from claude_magic.config import SessionConfig
from claude_magic.engine import managed_session, pool
from claude_magic.engine.process_table import WARM_LIFETIME_S
from claude_magic.errors import CLINotFoundError, PoolClosedError, PoolTimeoutError, ProcessError, TurnTimeoutError

Make = Callable[..., AsyncClaudeClient]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes are kept ready as soon as nothing runs."""
    monkeypatch.setattr(pool, "PREWARM_AFTER_S", 0.0)


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    """Makes clients and closes them at the end; nothing may be alive or at work then."""
    made: list[tuple[FakeCLIs, AsyncClaudeClient]] = []

    def client(clis: FakeCLIs, *args: Any, **options: Any) -> AsyncClaudeClient:
        made.append((clis, clis.client(*args, **options)))
        return made[-1][1]

    yield client
    for clis, started in made:
        await started.close()
        assert clis.alive == []
        assert started._pool.processes == 0
        assert started._pool.waiting == 0
        assert started._pool._turn_slots.running == 0


class Gate:
    """A CLI that answers when it may; counts how many turns run at once."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.began: list[str] = []
        self.running = 0
        self.most_running = 0

    async def behave(self, cli: FakeTransport, message: dict[str, Any]) -> None:
        self.began.append(prompt_of(message))
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await self.open.wait()
        finally:
            self.running -= 1
        await echo(cli, message)

    async def until(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.began) < count:  # noqa: ASYNC110  the fake has nothing to wait on
                await asyncio.sleep(0)


async def settle() -> None:
    """Let everything that can go on go on."""
    for _ in range(50):
        await asyncio.sleep(0)


async def no_time(cli: FakeTransport, message: dict[str, Any]) -> None:
    """Answer after a few steps of the loop."""
    for _ in range(5):
        await asyncio.sleep(0)
    await echo(cli, message)


@pytest.mark.parametrize("max_running", [None, 3])
async def test_pool_shares_eight_processes_among_two_hundred_sessions(make: Make, max_running: int | None) -> None:
    """Everybody is served, and there are never more processes or turns than allowed."""
    gate = Gate()
    gate.open.set()
    clis = FakeCLIs(gate.behave, start_s=0.001, end_s=0.001)
    client = make(clis, max_sessions=8, max_running=max_running, acquire_timeout_s=60)
    for number in range(200):
        await client.create_session(name=f"s{number}")

    jobs = [client.execute(f"s{number}", f"p{number}") for number in range(200)]
    responses = await asyncio.gather(*jobs)

    assert [response.text for response in responses] == [f"echo: p{number}" for number in range(200)]
    assert clis.most_alive <= 8
    assert gate.most_running <= (max_running or 8)
    assert client.get_stats().created == 200


async def test_pool_serves_waiters_in_order(make: Make) -> None:
    """With one process, the order of asking is the order of serving."""
    clis = FakeCLIs(no_time, end_s=0.001)
    client = make(clis, max_sessions=1, acquire_timeout_s=60)
    names = [f"s{number}" for number in range(20)]
    for name in names:
        await client.create_session(name=name)

    await asyncio.gather(*(client.execute(name, name) for name in names))

    assert [cli.prompts for cli in clis.started] == [[name] for name in names]


async def test_pool_lets_no_newcomer_overtake_a_waiter(make: Make) -> None:
    """Between the call to the first in line and its look, a newcomer stays behind it."""
    gate = Gate()
    clis = FakeCLIs(gate.behave)
    client = make(clis, max_sessions=1)
    for name in ("first", "second", "late"):
        await client.create_session(name=name)
    late: list[asyncio.Task[Any]] = []

    def slip_in(event: str, fields: dict[str, Any]) -> None:
        if event == "end" and not late:
            late.append(asyncio.create_task(client.execute("late", "late")))

    client._tracer = slip_in
    jobs = [asyncio.create_task(client.execute(name, name)) for name in ("first", "second")]
    await gate.until(1)
    gate.open.set()
    await asyncio.gather(*jobs)
    await asyncio.gather(*late)

    assert gate.began == ["first", "second", "late"]


async def test_pool_does_not_let_one_session_starve_the_others(make: Make) -> None:
    """A session with prompts waiting hands its process on after each turn to those that came before them."""
    clis = FakeCLIs(no_time)
    client = make(clis, max_sessions=1, acquire_timeout_s=60)
    await client.create_session(name="talker")
    await client.create_session(name="other")

    talk = [asyncio.create_task(client.execute("talker", f"t{number}")) for number in range(10)]
    other = asyncio.create_task(client.execute("other", "me too"))
    await asyncio.gather(*talk, other)
    served = [prompt for cli in clis.started for prompt in cli.prompts]

    assert served.index("me too") <= 1


async def test_pool_does_not_let_turn_slots_and_processes_wait_for_each_other(make: Make) -> None:
    """One holds a process and waits to run, the other may run and waits for a process: the process goes over."""
    clis = FakeCLIs(no_time)
    client = make(clis, max_sessions=1, max_running=1, acquire_timeout_s=60)
    await client.create_session(name="a")
    await client.create_session(name="b")

    async with asyncio.timeout(10):
        await asyncio.gather(*(client.execute(name, f"{name}{n}") for n in range(3) for name in ("a", "b")))

    assert clis.most_alive == 1


async def test_pool_timeout_is_an_error_with_the_counts(make: Make) -> None:
    """It says what is full and how many waited; the next try can succeed."""
    gate = Gate()
    client = make(FakeCLIs(gate.behave), max_sessions=1, acquire_timeout_s=0.05)
    await client.create_session(name="busy")
    await client.create_session(name="late")
    busy = asyncio.create_task(client.execute("busy", "x"))
    await gate.until(1)

    with pytest.raises(PoolTimeoutError, match=r"within 0\.05 s: all 1 processes") as caught:
        await client.execute("late", "y")

    assert caught.value.retryable
    assert caught.value.details["processes"] == 1
    assert caught.value.details["waiting"] == 0
    gate.open.set()
    await busy
    assert (await client.execute("late", "y")).text == "echo: y"


@pytest.mark.parametrize("own", [True, False])
async def test_pool_bounds_a_start_by_the_limit_of_the_prompt(make: Make, own: bool) -> None:
    """Of the prompt or of its session; a CLI that hung is started once."""
    clis = FakeCLIs(start_s=60)
    config = SessionConfig(turn_timeout_s=None if own else 0.2)
    client = make(clis, config)
    await client.create_session(name="a")

    with pytest.raises(TurnTimeoutError, match=r"0\.2 s"):
        await client.execute("a", "x", timeout_s=0.2 if own else None)

    assert len(clis.started) == 1


async def test_pool_counts_the_start_as_time_of_the_turn(make: Make) -> None:
    """What the start took is not there any more for the answer."""

    async def silent(cli: FakeTransport, message: dict[str, Any]) -> None:
        cli.begin(message)
        await cli.until_interrupted()

    client = make(FakeCLIs(silent, start_s=1.0))
    await client.create_session(name="a")
    began = time.monotonic()

    with pytest.raises(TurnTimeoutError, match=r"Stopped after 1\.5 s"):
        await client.execute("a", "x", timeout_s=1.5)

    assert time.monotonic() - began < 2.4


async def test_pool_lets_a_patient_prompt_wait_as_long_as_it_takes(make: Make) -> None:
    """Longer than `acquire_timeout_s`: a batch in the background loses no prompt."""
    gate = Gate()
    client = make(FakeCLIs(gate.behave), max_sessions=1, acquire_timeout_s=0.05)
    await client.create_session(name="busy")
    await client.create_session(name="late")
    busy = asyncio.create_task(client.execute("busy", "x"))
    await gate.until(1)

    late = asyncio.create_task(client.execute("late", "y", patient=True))
    with pytest.raises(PoolTimeoutError):
        await client.execute(await client.create_session(name="third"), "z")
    assert not late.done()
    gate.open.set()

    assert (await late).text == "echo: y"
    await busy


async def test_pool_says_what_a_prompt_waits_for(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """The readers of its stream see it, before anything of the CLI."""
    monkeypatch.setattr(pool, "_UNTOLD_S", 0.0)
    gate = Gate()
    client = make(FakeCLIs(gate.behave), max_sessions=1)
    await client.create_session(name="busy")
    await client.create_session(name="late")
    busy = asyncio.create_task(client.execute("busy", "x"))
    await gate.until(1)

    async with client.stream("late", "y") as stream:
        first = await anext(aiter(stream.batches()))
        gate.open.set()
        assert [message.text for message in first] == ["Waiting: all 1 processes are at work (max_sessions)"]
        async for _ in stream.batches():
            pass
    assert stream.response.text == "echo: y"
    await busy


async def test_pool_keeps_a_process_ready_only_when_nothing_runs(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not while the next prompt is answered, nor right after the last one."""
    monkeypatch.setattr(pool, "PREWARM_AFTER_S", 0.3)
    clis = FakeCLIs()
    client = make(clis, prewarm=1)
    await client.create_session(name="a")
    await client.execute("a", "x")
    gate = Gate()
    clis.last.behave = gate.behave

    busy = asyncio.create_task(client.execute("a", "y"))
    await asyncio.sleep(0.5)
    assert len(clis.started) == 1
    gate.open.set()
    await busy
    await asyncio.sleep(0.1)
    assert len(clis.started) == 1

    async with asyncio.timeout(10):
        while len(clis.started) < 2:  # noqa: ASYNC110  the fake has nothing to wait on
            await asyncio.sleep(0.01)


async def test_pool_limits_the_wait_for_a_turn_slot_too(make: Make) -> None:
    """And its own words."""
    gate = Gate()
    client = make(FakeCLIs(gate.behave), max_running=1, acquire_timeout_s=0.05)
    await client.create_session(name="busy")
    await client.create_session(name="late")
    busy = asyncio.create_task(client.execute("busy", "x"))
    await gate.until(1)

    with pytest.raises(PoolTimeoutError, match="max_running"):
        await client.execute("late", "y")
    gate.open.set()
    await busy


async def test_pool_evicts_an_idle_process_for_a_ninth_session(make: Make) -> None:
    """The session that has been idle longest gives its process up, and later resumes by its id."""
    clis = FakeCLIs(end_s=0.001)
    client = make(clis, max_sessions=8)
    for number in range(9):
        await client.create_session(name=f"s{number}")
    for number in (1, 0, 2, 3, 4, 5, 6, 7):
        await client.execute(f"s{number}", "hello")

    assert (await client.execute("s8", "hello")).text == "echo: hello"
    assert [client.get_session(f"s{number}").pid is None for number in range(9)] == [False, True] + [False] * 7
    assert clis.most_alive == 8

    response = await client.execute("s1", "again")
    assert f"--resume={response.session_id}" in clis.last.launch.argv
    assert response.session_id == clis.started[0].session_id
    assert client.get_session("s0").pid is None


async def test_pool_leaves_a_session_with_a_background_task_its_process(make: Make) -> None:
    """Neither is it given up for others, nor reaped; when the task ends, it may be."""
    clis = FakeCLIs()
    client = make(clis, max_sessions=2)
    for name in ("working", "idle", "new"):
        await client.create_session(name=name)
    await client.execute("working", "x")
    clis.last.say({"type": "system", "subtype": "task_started", "task_id": "b1", "is_backgrounded": True})
    await client.execute("idle", "x")
    await settle()

    await client.execute("new", "x")
    assert client.get_session("working").pid is not None
    assert client.get_session("idle").pid is None

    later = time.monotonic() + 10_000
    assert await client._pool.reap(later) == 1
    assert client.get_session("working").pid is not None
    clis.started[0].say({"type": "system", "subtype": "task_notification", "task_id": "b1", "status": "completed"})
    await settle()
    assert await client._pool.reap(later) == 1
    assert client.get_session("working").pid is None


async def test_pool_counts_a_detached_process_as_background(make: Make) -> None:
    """`setsid nohup ... &` in a tool is known by its mark alone."""
    clis = FakeCLIs()
    client = make(clis, max_sessions=1, acquire_timeout_s=0.05)
    await client.create_session(name="a")
    await client.create_session(name="b")
    await client.execute("a", "x")
    clis.last.others = [4711]

    with pytest.raises(PoolTimeoutError):
        await client.execute("b", "x")
    clis.last.others = []
    assert (await client.execute("b", "x")).text == "echo: x"


async def test_a_session_without_a_process_keeps_fewer_messages(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """There may be many of them in a long day; the newest messages stay."""
    monkeypatch.setattr(managed_session, "_KEPT_ASLEEP", 3)
    client = make(FakeCLIs(), idle_timeout_s=600)
    session = await client.create_session(name="main")
    await client.execute("main", "hello")
    before = session.recent
    assert len(before) > 3
    assert await client._pool.reap(time.monotonic() + 601) == 1
    assert session.recent == before[-3:]


async def test_pool_reaps_idle_sessions_which_resume(make: Make) -> None:
    """Time is what it is told."""
    clis = FakeCLIs()
    client = make(clis, idle_timeout_s=600)
    session = await client.create_session(name="a")
    await client.execute("a", "x")

    assert await client._pool.reap(time.monotonic() + 599) == 0
    assert await client._pool.reap(time.monotonic() + 601) == 1
    assert (session.pid, session.state) == (None, "idle")
    await client.execute("a", "y")

    assert f"--resume={session.session_id}" in clis.last.launch.argv
    stats = client.get_stats()
    assert (stats.created, stats.destroyed) == (2, 1)


async def test_pool_resumes_only_when_the_old_process_is_gone(make: Make) -> None:
    """Two processes on one conversation would both write its file."""
    clis = FakeCLIs(end_s=0.05)
    client = make(clis, idle_timeout_s=600)
    await client.create_session(name="a")
    await client.execute("a", "x")
    reaping = asyncio.create_task(client._pool.reap(time.monotonic() + 601))
    await asyncio.sleep(0)

    await client.execute("a", "y")
    await reaping

    assert clis.most_alive == 1


async def test_pool_replaces_a_process_that_died_while_idle(make: Make) -> None:
    """The next prompt resumes; no caller sees an error."""
    clis = FakeCLIs()
    client = make(clis)
    session = await client.create_session(name="a")
    await client.execute("a", "x")
    clis.last.die(-9)
    await settle()

    assert (await client.execute("a", "y")).text == "echo: y"
    assert f"--resume={session.session_id}" in clis.last.launch.argv


async def test_pool_removes_dead_idle_processes(make: Make) -> None:
    """They take no place until a prompt asks."""
    clis = FakeCLIs()
    client = make(clis)
    await client.create_session(name="a")
    await client.execute("a", "x")
    clis.last.die(1)
    await settle()

    assert await client._pool.reap(time.monotonic()) == 1
    assert client._pool.processes == 0


# Warm processes.


async def warm(make: Make, clis: FakeCLIs, **options: Any) -> AsyncClaudeClient:
    """A client with one session that has been prompted, and one warm process."""
    client = make(clis, prewarm=1, **options)
    await client.create_session(name="first")
    await client.execute("first", "x")
    await settle()
    assert len(clis.started) == 2
    return client


async def test_pool_starts_nothing_before_the_first_prompt(make: Make) -> None:
    """Neither a client nor a session starts a process."""
    clis = FakeCLIs()
    client = make(clis, prewarm=2)
    await client.create_session()
    await settle()

    assert clis.started == []


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_pool_keeps_as_many_processes_warm_as_asked_for(make: Make, count: int) -> None:
    """After the first prompts there are `prewarm` unprompted processes."""
    clis = FakeCLIs()
    client = make(clis, prewarm=count)
    await client.create_session(name="a")
    for _ in range(4):
        await client.execute("a", "x")
        await settle()

    assert len([cli for cli in clis.alive if not cli.prompts]) == count


async def test_pool_ends_warm_processes_when_the_way_to_start_changes(make: Make) -> None:
    """A process that was started in the old way serves no session any more, and the next one starts anew."""
    clis = FakeCLIs()
    client = await warm(make, clis)

    client._pool.end_warm()
    await settle()
    assert clis.alive == clis.started[:1]

    await client.create_session(name="second")
    await client.execute("second", "x")
    assert clis.started[2].prompts == ["x"]


async def test_pool_gives_a_warm_process_to_an_equal_session(make: Make) -> None:
    """It is counted as reused, and another one is warmed."""
    clis = FakeCLIs()
    client = await warm(make, clis)
    await client.create_session(name="second")

    await client.execute("second", "hello")
    await settle()

    assert clis.started[1].prompts == ["hello"]
    assert client.get_stats().reused == 1
    assert len(clis.started) == 3


async def test_pool_gives_no_warm_process_to_a_session_of_another_kind(make: Make) -> None:
    """Another model is another command line."""
    clis = FakeCLIs()
    client = await warm(make, clis)
    await client.create_session(SessionConfig(model="other"), name="second")

    await client.execute("second", "hello")

    assert clis.started[1].prompts == []


async def test_pool_gives_no_warm_process_to_a_resumed_session(make: Make) -> None:
    """A warm process has a conversation of its own."""
    clis = FakeCLIs()
    client = await warm(make, clis)
    await client.create_session(SessionConfig(resume="11111111-1111-4111-8111-111111111111"), name="second")

    await client.execute("second", "hello")

    assert clis.started[1].prompts == []
    assert "--resume=11111111-1111-4111-8111-111111111111" in clis.started[2].launch.argv


async def test_pool_replaces_a_stale_warm_process(make: Make) -> None:
    """CLAUDE.md or settings changed since it started."""
    clis = FakeCLIs()
    prints = [1]

    async def compile(config: SessionConfig) -> FakeLauncher:
        command = FakeLauncher(config)
        command.fingerprint = prints[0]
        return command

    client = await warm(make, clis, compile=compile)
    prints[0] = 2
    await client.create_session(name="second")

    await client.execute("second", "hello")
    await settle()

    assert clis.started[1].prompts == []
    assert clis.started[1].exit_code == 0
    assert len([cli for cli in clis.alive if not cli.prompts]) == 1


async def test_pool_does_not_use_an_old_warm_process(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """After ten minutes it may have missed too much; reaping ends it."""
    clis = FakeCLIs()
    client = await warm(make, clis, idle_timeout_s=10_000)
    later = time.monotonic() + WARM_LIFETIME_S + 1

    assert await client._pool.reap(later - 10) == 0
    for process in client._pool._processes:
        process.born -= WARM_LIFETIME_S + 1
    await client.create_session(name="second")
    await client.execute("second", "hello")
    assert clis.started[1].prompts == []


async def test_pool_does_not_use_a_dead_warm_process(make: Make) -> None:
    """No caller sees an error, and another one is warmed."""
    clis = FakeCLIs()
    client = await warm(make, clis)
    clis.started[1].die(1)
    await settle()
    await client.create_session(name="second")

    assert (await client.execute("second", "hello")).text == "echo: hello"
    await settle()
    assert len([cli for cli in clis.alive if not cli.prompts]) == 1


async def test_pool_hands_out_a_warm_process_once(make: Make) -> None:
    """What is handed out is marked in the same step: two sessions at once get two processes."""
    clis = FakeCLIs(start_s=0.001)
    client = make(clis, prewarm=1)
    await client.create_session(name="first")
    await client.execute("first", "x")
    await asyncio.sleep(0.01)
    for name in "ab":
        await client.create_session(name=name)

    await asyncio.gather(*(client.execute(name, name) for name in "ab"))

    assert sorted(prompt for cli in clis.started for prompt in cli.prompts) == ["a", "b", "x"]
    assert all(len(cli.prompts) <= 1 for cli in clis.started)


async def test_pool_evicts_a_warm_process_to_make_room(make: Make) -> None:
    """It goes before any session's process."""
    clis = FakeCLIs()
    client = await warm(make, clis, max_sessions=2)
    await client.create_session(SessionConfig(model="other"), name="second")

    await client.execute("second", "hello")

    assert client.get_session("first").pid is not None
    assert clis.most_alive == 2


async def test_pool_survives_a_failure_of_prewarming(make: Make) -> None:
    """It is traced, and everything goes on."""
    traced: list[str] = []
    clis = FakeCLIs()
    client = make(clis, prewarm=1, tracer=lambda event, fields: traced.append(event))
    await client.create_session(name="a")
    await client.execute("a", "x")
    clis.failures = [CLINotFoundError("gone")] * 9
    await settle()

    assert "prewarm_failed" in traced
    assert (await client.execute("a", "y")).text == "echo: y"


# What goes wrong.


async def test_pool_tries_a_start_that_fails_again(make: Make) -> None:
    """Before the prompt was written, trying again is safe."""
    clis = FakeCLIs()
    clis.failures = [ProcessError("no"), ProcessError("no")]
    client = make(clis)
    await client.create_session(name="a")

    assert (await client.execute("a", "x")).text == "echo: x"
    assert client.get_stats().created == 1


async def test_pool_gets_the_place_of_a_failed_start_back(make: Make) -> None:
    """The error comes at once, and the next session has room."""
    clis = FakeCLIs()
    clis.failures = [CLINotFoundError("nowhere")]
    client = make(clis, max_sessions=1)
    await client.create_session(name="a")

    with pytest.raises(CLINotFoundError):
        await client.execute("a", "x")
    assert client._pool.processes == 0
    assert (await client.execute("a", "x")).text == "echo: x"


async def test_pool_fails_the_waiters_when_it_closes(make: Make) -> None:
    """Who waits for a process learns that there will be none; the running turn is ended."""
    gate = Gate()
    client = make(FakeCLIs(gate.behave), max_sessions=1)
    for name in "ab":
        await client.create_session(name=name)
    jobs = [asyncio.create_task(client.execute(name, name)) for name in "ab"]
    await gate.until(1)

    await client.close()

    outcomes = await asyncio.gather(*jobs, return_exceptions=True)
    assert outcomes[0].outcome == "interrupted"  # type: ignore[union-attr]
    assert isinstance(outcomes[1], PoolClosedError) or outcomes[1].outcome == "interrupted"  # type: ignore[union-attr]
    with pytest.raises(PoolClosedError):
        client.stream("a", "x")


@pytest.mark.parametrize("seed", range(8))
async def test_pool_loses_nothing_when_a_waiter_is_cancelled(make: Make, seed: int) -> None:
    """Turns cancelled at random, in any state, lose no turn slot and no place: all others are served."""
    dice = random.Random(seed)

    async def behave(cli: FakeTransport, message: dict[str, Any]) -> None:
        await asyncio.sleep(dice.random() * 0.004)
        if dice.random() < 0.1:
            cli.die(-9)
        else:
            await echo(cli, message)

    clis = FakeCLIs(behave, start_s=0.001, end_s=0.001)
    client = make(clis, max_sessions=4, max_running=3, acquire_timeout_s=60, prewarm=1)
    for number in range(25):
        await client.create_session(name=f"s{number}")

    async def one(number: int) -> None:
        name = f"s{number % 25}"
        job = asyncio.create_task(client.execute(name, "x"))
        if dice.random() < 0.5:
            await asyncio.sleep(dice.random() * 0.03)
            dice.choice([job.cancel, lambda: asyncio.create_task(client.interrupt(name))])()
        await asyncio.wait([job])
        if not job.cancelled() and job.exception() is not None:
            assert isinstance(job.exception(), ProcessError)

    async with asyncio.timeout(30):
        await asyncio.gather(*(one(number) for number in range(150)))
        gate = [client.execute(f"s{number}", "last") for number in range(25)]
        last = await asyncio.gather(*gate, return_exceptions=True)

    assert all(getattr(response, "text", "echo: last") == "echo: last" for response in last)
    assert clis.most_alive <= 4
    assert client._pool._turn_slots.running == 0
    assert client._pool.processes <= 4


async def test_pool_keeps_the_count_when_a_waiter_leaves_during_eviction(make: Make) -> None:
    """The process that was to give way is still ending when its successor is cancelled: its place counts till then."""
    clis = FakeCLIs(end_s=0.02)
    client = make(clis, max_sessions=1)
    for name in "abc":
        await client.create_session(name=name)
    await client.execute("a", "x")
    leaving = asyncio.create_task(client.execute("b", "x"))
    await settle()
    leaving.cancel()
    await asyncio.wait([leaving])

    assert (await client.execute("c", "x")).text == "echo: x"
    assert clis.most_alive == 1
    assert client._pool.processes == 1


async def test_pool_status_says_how_it_is(make: Make) -> None:
    """Its `repr` is a status line."""
    client = await warm(make, FakeCLIs())

    assert repr(client._pool) == "<SessionPool 2 of 8 processes, 1 warm, 0 waiting>"
