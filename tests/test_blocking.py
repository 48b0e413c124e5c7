"""The waiting client and the one loop behind it: threads, interrupts, forks, and the end of the interpreter."""

from __future__ import annotations

import asyncio
import concurrent.futures
import itertools
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeCLIs, FakeTransport, compile_fake, echo

from claude_magic import blocking
from claude_magic.background_loop import BackgroundLoop, Inbox, background_loop, in_thread
from claude_magic.blocking import ClaudeClient, get_client
from claude_magic.config import PoolConfig
from claude_magic.errors import PoolClosedError, ProcessError
from claude_magic.permissions import Allow, PermissionRequest

GUARD_S = 20
HERE = Path(__file__).parent
Make = Callable[..., tuple[ClaudeClient, FakeCLIs]]


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes clients with one session, `main`, and closes them."""
    made: list[ClaudeClient] = []

    def client(behave: Any = echo, **options: Any) -> tuple[ClaudeClient, FakeCLIs]:
        clis = FakeCLIs(behave)
        names = {item.name for item in fields(PoolConfig)}
        pool = PoolConfig(**{"prewarm": 0, **{name: options.pop(name) for name in list(options) if name in names}})
        made.append(ClaudeClient(pool=pool, start=clis.start, compile=compile_fake, **options))
        made[-1].create_session(name="main")
        return made[-1], clis

    yield client
    for started in made:
        started.close()


async def talk(cli: FakeTransport, message: dict[str, Any]) -> None:
    cli.begin(message)
    cli.text("So far")
    await cli.until_interrupted()


def test_the_verbs_wait(make: Make) -> None:
    """The same names as on the asynchronous client, each returning what that one's coroutine returns."""
    client, _ = make()

    assert client.execute("main", "hello").text == "echo: hello"
    with client.stream("main", "again") as stream:
        assert "".join(message.text for message in stream if message.type == "text") == "echo: again"
    assert stream.response.turn == 2
    assert client.submit("main", "later").result(GUARD_S).text == "echo: later"
    assert [info.turns for info in client.list_sessions()] == [3]
    assert client.get_stats().total_requests == 3
    assert len(client.frames.turns()) == 3
    assert client.interrupt("main") is False
    client.close_session("main")
    assert client.list_sessions() == []


def test_from_several_threads(make: Make) -> None:
    """Every thread gets its own answers."""
    client, _ = make()
    for number in range(8):
        client.create_session(name=f"s{number}")

    with ThreadPoolExecutor(8) as threads:
        texts = list(threads.map(lambda n: client.execute(f"s{n % 8}", f"p{n}").text, range(40)))

    assert texts == [f"echo: p{number}" for number in range(40)]


def test_on_the_loops_own_thread_it_refuses(make: Make) -> None:
    """Waiting there would wait for itself: a clear error instead."""
    client, _ = make()
    seen: list[str] = []

    def observe(batch: Any) -> None:
        for verb in (client.execute, client.submit, lambda *_: client.get_stats()):
            try:
                verb("main", "x")
            except RuntimeError as error:
                seen.append(str(error))

    client.observers.append(observe)
    client.execute("main", "hello")

    assert seen
    assert len(seen) % 3 == 0
    assert all("AsyncClaudeClient" in words for words in seen)


def test_an_error_comes_to_the_caller(make: Make) -> None:
    """With what there was; from a stream, after its last message."""

    async def dies(cli: FakeTransport, message: dict[str, Any]) -> None:
        cli.begin(message)
        cli.text("So far")
        cli.die(-9)

    client, _ = make(dies)
    seen: list[str] = []
    with pytest.raises(ProcessError) as caught, client.stream("main", "x") as stream:  # noqa: PT012  reading raises
        for message in stream:
            seen.append(message.text)

    assert "".join(seen) == "So far"
    assert caught.value.response is stream.response


def test_leaving_a_stream_early_interrupts(make: Make) -> None:
    """The turn is over when the block is left, and the session goes on."""
    client, clis = make(talk)
    with client.stream("main", "x") as stream:
        for message in stream:
            if message.type == "text":
                break

    assert stream.response.outcome == "interrupted"
    clis.last.behave = echo
    assert client.execute("main", "y").text == "echo: y"
    assert len(clis.started) == 1


def test_a_slow_reader_gets_batches_joined(make: Make) -> None:
    """All that came since the last one is one batch; nothing is lost."""
    told = threading.Event()

    async def chatter(cli: FakeTransport, message: dict[str, Any]) -> None:
        cli.begin(message)
        for number in range(50):
            cli.text(f"{number} ")
            await asyncio.sleep(0)
        cli.result()

    client, _ = make(chatter, tracer=lambda event, fields: told.set() if event == "turn_over" else None)
    with client.stream("main", "x") as stream:
        batches = stream.batches()
        first = next(batches)
        told.wait(GUARD_S)
        rest = list(batches)

    assert len(rest) <= 2
    assert [message.line for message in itertools.chain(first, *rest)] == [
        message.line for message in stream.response.messages
    ]


def test_cancelling_a_future_interrupts_its_turn(make: Make) -> None:
    """And only its own."""
    client, clis = make(talk)
    future = client.submit("main", "x")
    waiting = client.submit("main", "y")
    while not (clis.started and clis.last.prompts):
        pass
    clis.last.behave = echo

    future.cancel()

    assert waiting.result(GUARD_S).text == "echo: y"
    assert client.list_sessions()[0].turns == 2


def test_ctrl_c_interrupts_the_turn_and_leaves_the_session_usable(make: Make) -> None:
    """The wait ends at once with KeyboardInterrupt, the turn as interrupted; the process stays."""
    client, clis = make(talk)
    main = threading.main_thread().ident
    assert main is not None

    def observe(batch: Any) -> None:
        if any(message.type == "text" for message in batch.messages):
            client.observers.clear()
            threading.Timer(0.05, signal.pthread_kill, (main, signal.SIGINT)).start()

    client.observers.append(observe)
    with pytest.raises(KeyboardInterrupt):
        client.execute("main", "x")
    clis.last.behave = echo

    assert client.execute("main", "y").text == "echo: y"
    assert list(client.frames.turns()["outcome"]) == ["interrupted", "success"]
    assert len(clis.started) == 1


def test_an_inbox_is_served_by_the_thread_that_waits(make: Make) -> None:
    """A dialog runs there; its answer goes back; its exception is a denial."""
    inbox = Inbox()
    threads: list[threading.Thread] = []

    def dialog() -> Allow:
        threads.append(threading.current_thread())
        return Allow()

    async def asks(cli: FakeTransport, message: dict[str, Any]) -> None:
        cli.begin(message)
        cli.text((await cli.ask("Bash", {}))["response"]["behavior"])
        cli.result()

    client, _ = make(asks, ask=lambda request: inbox.run(dialog))

    assert client.execute("main", "x", inbox=inbox).text == "allow"
    with client.stream("main", "x", inbox=inbox) as stream:
        assert [message.text for message in stream if message.type == "text"] == ["allow"]
    assert threads == [threading.main_thread()] * 2


def test_who_waits_for_an_inbox_that_is_left_is_sent_away() -> None:
    """A question that nobody will answer any more does not hold a thread for ever."""
    loop, inbox = BackgroundLoop(), Inbox()
    asked = threading.Event()

    def ask() -> str:
        asked.set()
        return inbox.run(lambda: "never")

    async def fail_when_asked() -> None:
        await asyncio.to_thread(asked.wait, GUARD_S)
        await asyncio.sleep(0.05)

    with ThreadPoolExecutor(1) as threads:
        inbox_was_served = loop.submit(fail_when_asked())
        question = threads.submit(ask)
        inbox_was_served.result(GUARD_S)
        inbox.leave()
        with pytest.raises(concurrent.futures.CancelledError):
            question.result(GUARD_S)


def test_the_work_of_a_thread_cannot_be_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even before it has begun: who gives up waiting for it must not keep it from being done."""
    threads: list[threading.Thread] = []
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", lambda thread: threads.append(thread))
        done = in_thread(lambda: "done", name="late")

    assert not done.cancel()
    threads[0].start()
    assert done.result(GUARD_S) == "done"


def test_ask_runs_on_a_worker_thread(make: Make) -> None:
    """It may block; the loop goes on."""
    seen: list[tuple[str, str]] = []

    def ask(request: PermissionRequest) -> Allow:
        seen.append((threading.current_thread().name, client.execute("other", "meanwhile").text))
        return Allow()

    async def asks(cli: FakeTransport, message: dict[str, Any]) -> None:
        if "meanwhile" in str(message):
            await echo(cli, message)
            return
        cli.begin(message)
        await cli.ask("Bash", {})
        cli.result()

    client, _ = make(asks, ask=ask)
    client.create_session(name="other")
    client.execute("main", "x")

    assert seen[0][1] == "echo: meanwhile"
    assert seen[0][0] not in ("MainThread", "claude-magic")


def test_closing_twice_and_using_it_afterwards(make: Make) -> None:
    """Records stay readable; a prompt is refused; the loop forgets the client."""
    client, clis = make()
    client.execute("main", "x")
    client.close()
    client.close()

    assert clis.alive == []
    assert len(client.frames.turns()) == 1
    assert client.is_closed
    with pytest.raises(PoolClosedError):
        client.execute("main", "x")
    assert client._client.close not in background_loop()._before_exit


def test_the_kernels_one_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same each time, until it is closed."""
    monkeypatch.setattr(blocking, "_client", None)
    client = get_client()
    assert get_client() is client

    client.close()

    assert get_client() is not client
    get_client().close()


def test_a_forked_copy_refuses() -> None:
    """A child of multiprocessing has no loop thread: an error, not a hang; a client of its own works."""
    code = """
        import os, sys
        from fakes import FakeCLIs, compile_fake
        from claude_magic import ClaudeClient
        client = ClaudeClient(start=FakeCLIs().start, compile=compile_fake)
        client.create_session(name="main")
        client.execute("main", "x")
        pid = os.fork()
        if pid == 0:
            try:
                client.execute("main", "y")
            except RuntimeError as error:
                own = ClaudeClient(start=FakeCLIs().start, compile=compile_fake)
                own.create_session(name="main")
                good = "forked" in str(error) and own.execute("main", "z").text == "echo: z"
                os._exit(7 if good else 1)
            os._exit(2)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    """
    assert script(code) == "7"


def test_the_end_of_the_interpreter_closes_everything(tmp_path: Path) -> None:
    """Without a word of the user, with a turn running, and even with a question that nobody answers."""
    code = f"""
        import threading, time
        from pathlib import Path
        from fakes import FakeCLIs, FakeTransport, compile_fake
        from claude_magic import ClaudeClient
        asked = threading.Event()
        class Told(FakeTransport):
            def die(self, code):
                super().die(code)
                with Path({str(tmp_path / "ends")!r}).open("a") as file:
                    file.write("end ")
        async def start(launch):
            return Told(launch, behave)
        async def behave(cli, message):
            cli.begin(message)
            await cli.ask("Bash", {{}})
        def ask(request):
            asked.set()
            threading.Event().wait()
        client = ClaudeClient(start=start, compile=compile_fake, ask=ask)
        client.create_session(name="main")
        client.submit("main", "x")
        asked.wait()
    """
    script(code)

    assert (tmp_path / "ends").read_text().startswith("end")


def script(code: str) -> str:
    """Run a program in the tests' folder; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(code)],
        cwd=HERE, env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parent), str(HERE)])},
        capture_output=True, text=True, timeout=GUARD_S, check=True,
    )  # fmt: skip
    return done.stdout.strip()
