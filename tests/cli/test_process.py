"""`Process` against a child that answers, and that misbehaves in every way we know."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from claude_magic.cli import spawn
from claude_magic.cli.child_protocol import ChildProtocol
from claude_magic.cli.encoder import control_request, user_message
from claude_magic.cli.framing import OutputFramer
from claude_magic.cli.process import Process, kill_all, new_event_loop
from claude_magic.cli.reaper import OWNER_VARIABLE, alive
from claude_magic.cli.transport import Launch
from claude_magic.errors import ProcessError, ProtocolError
from claude_magic.messages import Message
from claude_magic.redaction import NOTHING_SECRET, Redactor

FAKE_CLI = str(Path(__file__).parents[1] / "fake_cli.py")
GUARD_S = 20.0

Begin = Callable[..., Awaitable[Process]]


@pytest.fixture(params=[True, False], ids=["guard", "no guard"])
async def begin(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Begin]:
    """Starts fake CLIs that behave as told, below a guard or as where there is none; closes them after the test."""
    monkeypatch.setattr(spawn, "GUARDED", request.param)
    started: list[Process] = []

    async def start(
        manner: str = "normal", *, ceiling: int = 64 * 2**20, redactor: Redactor | None = None, **settings: str
    ) -> Process:
        environment = {"PATH": os.environ["PATH"], "FAKE_CLI": manner, **settings}
        launch = Launch((sys.executable, FAKE_CLI), tuple(environment.items()), str(tmp_path), redactor or Redactor())
        started.append(await Process.start(launch, line_ceiling=ceiling))
        return started[-1]

    yield start
    for process in started:
        process.kill()
    await asyncio.gather(*(process.close() for process in started))


async def ask(process: Process, prompt: str) -> list[Message]:
    """Send a prompt; return what comes up to the result, or up to the end of the line."""
    await process.send(user_message(prompt, str(uuid.uuid4())))
    return await until(process, "result")


async def until(process: Process, kind: str) -> list[Message]:
    """Return what comes up to a message of a type, or up to the end of the line."""
    messages: list[Message] = []
    async with asyncio.timeout(GUARD_S):
        while batch := await process.receive():
            messages += batch
            if any(message.type == kind for message in batch):
                break
    return messages


async def drained(process: Process) -> None:
    """Take all that comes, up to the end or the failure."""
    while await process.receive():
        pass


def text_of(messages: list[Message]) -> str:
    return "".join(message.text for message in messages if message.type == "text")


async def gone(*pids: int) -> bool:
    """Wait, up to a generous bound, until none of the processes runs any more."""
    watched = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    deadline = time.monotonic() + 5
    while alive(watched) and time.monotonic() < deadline:  # noqa: ASYNC110  no event tells of a stranger's end
        await asyncio.sleep(0.02)
    return not alive(watched)


# Talking.


async def test_process_answers_a_prompt_line_by_line(begin: Begin) -> None:
    """Every line becomes a message, in order, and the deltas join to the answer."""
    process = await begin()

    messages = await ask(process, "hello there")

    assert text_of(messages) == "Echo: hello there"
    assert messages[0].type == "init"
    assert messages[-1].type == "result"
    assert messages[-1].text == "Echo: hello there"


async def test_process_serves_two_turns(begin: Begin) -> None:
    """The process stays for the next prompt."""
    process = await begin()

    await ask(process, "one")

    assert text_of(await ask(process, "count")) == "Prompt 2 of this session."


async def test_process_sends_whole_lines_also_simultaneously(begin: Begin) -> None:
    """Many writers at once: each line arrives whole and is answered."""
    process = await begin()
    wide = "x" * 50_000

    await asyncio.gather(*(process.send(control_request(f"r{n}", "set_model", model=wide)) for n in range(40)))
    answers: list[Message] = []
    async with asyncio.timeout(GUARD_S):
        while len(answers) < 40:
            answers += await process.receive()

    ids = [answer.raw["response"]["request_id"] for answer in answers]
    assert ids == [f"r{n}" for n in range(40)]


async def test_process_send_waits_for_a_reader_that_has_stopped(begin: Begin) -> None:
    """A CLI that does not read holds the sender back; when it is killed the sender gets an error."""
    process = await begin()
    await ask(process, "hello")
    os.kill(process.pid, signal.SIGSTOP)

    sending = asyncio.create_task(process.send(user_message("x" * 5_000_000, "u2")))
    done, _ = await asyncio.wait([sending], timeout=0.2)
    assert not done
    process.kill()

    with pytest.raises(ProcessError):
        await sending


async def test_process_gives_a_burst_of_deltas_complete_and_in_batches(begin: Begin) -> None:
    """20,000 lines written at once arrive all, in far fewer batches."""
    process = await begin("deltas", FAKE_CLI_DELTAS="20000")
    await process.send(user_message("go", "u1"))
    count = batches = 0

    async with asyncio.timeout(GUARD_S):
        while batch := await process.receive():
            batches += 1
            count += sum(message.type == "text" for message in batch)
            if batch[-1].type == "result":
                break

    assert count == 20_000
    assert batches < 2_000


async def test_process_runs_on_a_loop_in_another_thread(tmp_path: Path) -> None:
    """`new_event_loop` gives a loop that starts and reaps children off the main thread."""
    launch = Launch((sys.executable, FAKE_CLI), (), str(tmp_path))
    codes: list[int | None] = []

    async def talk() -> None:
        process = await Process.start(launch)
        await ask(process, "hello")
        await process.close()
        codes.append(process.exit_code)

    def run() -> None:
        loop = new_event_loop()
        loop.run_until_complete(talk())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    await asyncio.to_thread(thread.join, GUARD_S)

    assert codes == [0]


# What the child is given.


async def test_process_sets_the_owner_tag_and_takes_none_from_outside(begin: Begin) -> None:
    """Each child carries an owner tag of its own, whatever its environment said."""
    first, second = await begin(**{OWNER_VARIABLE: "another owner"}), await begin()
    await asyncio.gather(ask(first, "hello"), ask(second, "hello"))

    owner_tags = [psutil.Process(process.pid).environ()[OWNER_VARIABLE] for process in (first, second)]

    owners = {owner_tag.partition(":")[0] for owner_tag in owner_tags}
    assert len(set(owner_tags)) == 2
    assert len(owners) == 1
    assert "another owner" not in owner_tags


async def test_process_leads_a_session_of_its_own(begin: Begin) -> None:
    """An interrupt of our terminal or process group does not reach it."""
    process = await begin()

    assert os.getsid(process.pid) == process.pid


# Children that cannot start.


async def test_process_error_of_a_missing_program(tmp_path: Path) -> None:
    """The error names the program and says that trying again is of no use."""
    with pytest.raises(ProcessError, match="no program") as caught:
        await Process.start(Launch((str(tmp_path / "claude"),), (), str(tmp_path)))

    assert not caught.value.retryable
    assert caught.value.exit_code is None


async def test_process_error_of_a_program_without_permission(tmp_path: Path) -> None:
    """A file that may not be executed is named as such."""
    program = tmp_path / "claude"
    program.write_text("#!/bin/sh\n")

    with pytest.raises(ProcessError, match="may not be executed"):
        await Process.start(Launch((str(program),), (), str(tmp_path)))


async def test_process_error_of_a_file_that_is_not_a_program(tmp_path: Path) -> None:
    """A file of a format that the system cannot run is named as such."""
    program = tmp_path / "claude"
    program.write_bytes(b"\x00\x01\x02\x03")
    program.chmod(0o755)

    with pytest.raises(ProcessError, match="could not be started"):
        await Process.start(Launch((str(program),), (), str(tmp_path)))


async def test_process_starts_without_a_guard_where_none_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interpreter that cannot be run again costs the guard, not the CLI."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    process = await Process.start(Launch(("sh", "-c", "echo hello"), (("PATH", os.environ["PATH"]),), str(tmp_path)))

    assert [message.text for message in await until(process, "result")] == ["hello"]
    assert await process.wait() == 0
    await process.close()


async def test_process_error_of_a_missing_folder(tmp_path: Path) -> None:
    """The folder is named, not the program."""
    with pytest.raises(ProcessError, match="working folder"):
        await Process.start(Launch((sys.executable,), (), str(tmp_path / "nowhere")))


# Children that misbehave.


async def test_process_that_dies_at_start_leaves_code_and_words(begin: Begin) -> None:
    """stderr arrives as a message, then the line ends, then sending fails with what is known."""
    process = await begin("die_at_start")

    messages = await until(process, "result")

    assert [(message.type, message.text) for message in messages] == [
        ("stderr", "Error: the fake CLI does not want to start")
    ]
    assert await process.wait() == process.exit_code == 1
    with pytest.raises(ProcessError) as caught:
        await process.send(user_message("hello", "u1"))
    assert caught.value.exit_code == 1
    assert "does not want to start" in caught.value.stderr_tail


async def test_process_that_dies_in_a_turn_leaves_what_it_said(begin: Begin) -> None:
    """The half answer arrives before the end."""
    process = await begin()

    messages = await ask(process, "die")

    assert text_of(messages) == "half an ans"
    assert process.exit_code == 3
    assert process.stderr_tail == "fatal: the fake CLI fell over"
    assert await process.receive() == []


async def test_process_keeps_half_a_line_as_unknown(begin: Begin) -> None:
    """A line that was never finished is a message too."""
    process = await begin()

    messages = await ask(process, "die_mid_line")

    assert messages[-1].type == "unknown"
    assert messages[-1].text == '{"type":"stream_event","event":{"type":"content_bl'


async def test_process_gives_output_that_is_pending_at_exit(begin: Begin) -> None:
    """A child that wrote everything and left is read to the end."""
    process = await begin()
    await process.send(user_message("exit_with_output now", "u1"))
    await process.wait()

    messages = await until(process, "result")

    assert messages[-1].type == "result"
    assert text_of(messages) == "Echo: now"
    assert await process.receive() == []


async def test_process_ends_although_a_deaf_grandchild_holds_the_pipes(tmp_path: Path) -> None:
    """A grandchild that inherited stdout, and heeds no SIGTERM, neither keeps the line open nor outlives the CLI."""
    script = "import subprocess; print(subprocess.Popen(['sh', '-c', 'trap : TERM; while :; do sleep 1; done']).pid)"
    environment = (("PATH", os.environ["PATH"]),)
    process = await Process.start(Launch((sys.executable, "-c", script), environment, str(tmp_path)))

    messages = await until(process, "result")
    pid = int(messages[0].line)
    await process.close()

    assert process.exit_code == 0
    assert await gone(pid)


async def test_process_gives_the_answer_among_garbage(begin: Begin) -> None:
    """Lines that are no JSON, or of an unknown kind, are kept as unknown, in their place."""
    process = await begin()

    messages = await ask(process, "garbage hello")

    unknown = [message for message in messages if message.type == "unknown"]
    assert [message.text for message in unknown[:2]] == ["this is no JSON", "[1, 2, 3]"]
    assert unknown[2].raw == {"type": "from_the_future", "anything": {"at": "all"}}
    assert unknown[3].raw["message"] == "a shape that no one knows"
    assert "�" in unknown[4].text
    assert text_of(messages) == "Echo: hello"


async def test_process_gives_a_line_of_20_mb(begin: Begin) -> None:
    """There is no practical limit on the length of a line."""
    process = await begin()

    messages = await ask(process, "long_line")

    [result] = [message for message in messages if message.type == "tool_result"]
    assert len(result.text) == 20 * 2**20
    assert text_of(messages) == "That was long."


async def test_process_ends_at_a_line_above_the_ceiling(begin: Begin) -> None:
    """What came before is delivered, then there is a clear error and no process."""
    process = await begin(FAKE_CLI_MB="3", ceiling=2**20)
    await process.send(user_message("long_line", "u1"))
    messages: list[Message] = []

    async def drain() -> None:
        while batch := await process.receive():
            messages.extend(batch)

    with pytest.raises(ProtocolError, match="1048576 bytes") as caught:
        await asyncio.wait_for(drain(), GUARD_S)

    assert any(message.type == "tool_use" for message in messages)
    assert caught.value.line.startswith('{"type":"user"')
    assert len(caught.value.line) < 300
    assert await process.wait() == -signal.SIGKILL


async def test_process_keeps_characters_whole_that_are_split_over_reads(begin: Begin) -> None:
    """An answer that is written byte by byte has its accents and emoji."""
    process = await begin()

    assert text_of(await ask(process, "split_utf8 hello")) == "Echo: hello é€😀"


async def test_process_bounds_and_counts_a_flood_of_stderr(begin: Begin) -> None:
    """The messages are not taken: the first 1000 lines are kept, the rest is counted, the tail is the end."""
    process = await begin("flood_stderr", FAKE_CLI_MB="10")
    async with asyncio.timeout(GUARD_S):
        while "the last line of the flood" not in process.stderr_tail:  # noqa: ASYNC110  to receive would empty it
            await asyncio.sleep(0.02)

    batch = await process.receive()

    assert len(batch) == 1000
    assert len(process.stderr_tail.splitlines()) == 50
    answer = await ask(process, "hello")
    [note] = [message.text for message in answer if message.type == "stderr"]
    assert note == f"[{104_000 + 1 - 1000} more lines of stderr were not kept]"
    assert text_of(answer) == "Echo: hello"


async def test_process_bounds_stderr_although_it_is_taken(begin: Begin) -> None:
    """A reader that is always there gets no more of it than one that is slow."""
    process = await begin()

    messages = await ask(process, "shell yes flood | head -n 200000 >&2")

    stderr = [message for message in messages if message.type == "stderr"]
    assert len(stderr) == 1001
    assert stderr[-1].text == "[199000 more lines of stderr were not kept]"
    assert [message.text for message in await ask(process, "stderr again") if message.type == "stderr"] == ["again"]


async def test_process_ends_a_turn_without_an_end(tmp_path: Path) -> None:
    """What never stops writing costs its process, not the kernel's memory."""
    launch = Launch(("sh", "-c", 'yes \'{"type": "system"}\''), (("PATH", os.environ["PATH"]),), str(tmp_path))
    process = await Process.start(launch, line_ceiling=2**16)

    with pytest.raises(ProtocolError, match="1 MB in one turn"):
        await asyncio.wait_for(drained(process), GUARD_S)

    assert await process.wait() == -signal.SIGKILL
    await process.close()


async def test_process_ends_with_the_reason_when_stdin_is_closed(tmp_path: Path) -> None:
    """A CLI that lives and cannot be spoken to is of no use."""
    launch = Launch(("sh", "-c", "exec <&-; sleep 300"), (("PATH", os.environ["PATH"]),), str(tmp_path))
    process = await Process.start(launch)
    began = time.monotonic()

    with pytest.raises(ProcessError, match="closed its input") as caught:
        await asyncio.wait_for(drained(process), GUARD_S)

    assert not caught.value.retryable
    assert time.monotonic() - began < 2.0
    await process.close()


async def test_process_ends_with_the_reason_when_a_reader_fails(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception where the loop would only log it reaches those that wait."""
    process = await begin()

    def fails(data: bytes, received: float) -> list[Message]:
        raise RecursionError("too deep")

    monkeypatch.setattr(process._protocol.framer, "stdout", fails)
    await process.send(user_message("hello", "u1"))

    with pytest.raises(ProtocolError, match="RecursionError: too deep"):
        await asyncio.wait_for(drained(process), GUARD_S)

    assert await process.wait() == -signal.SIGKILL


async def test_process_cuts_an_endless_line_of_stderr(tmp_path: Path) -> None:
    """A line without an end takes no more than its bound."""
    script = "import sys; sys.stderr.write('y' * 5_000_000)"
    process = await Process.start(Launch((sys.executable, "-c", script), (), str(tmp_path)))

    [message] = await until(process, "result")

    assert 16_000 < len(message.text) < 17_000
    assert message.text.endswith("y...")
    await process.close()


async def test_process_redacts_stderr(begin: Begin) -> None:
    """A secret that the CLI complains about reaches neither the message nor the tail."""
    process = await begin(redactor=Redactor({"API_KEY": "sk-very-secret"}))

    messages = await ask(process, "stderr bad key sk-very-secret!")
    stderr = [message for message in messages if message.type == "stderr"] or await until(process, "stderr")

    assert stderr[0].text == "bad key [redacted API_KEY]!"
    assert process.stderr_tail == "bad key [redacted API_KEY]!"


# The end.


async def test_process_close_ends_an_idle_cli_in_order(begin: Begin) -> None:
    """The end of stdin is enough; the line ends and nothing can be sent any more."""
    process = await begin()
    await ask(process, "hello")

    await process.close()

    assert process.exit_code == 0
    with pytest.raises(ProcessError):
        await process.send(user_message("more", "u2"))
    assert (await until(process, "nothing"))[-1].raw["response"]["subtype"] == "success"


async def test_process_close_interrupts_a_running_turn(begin: Begin) -> None:
    """The turn is cut off, not finished and not killed."""
    process = await begin()
    await process.send(user_message("slow", "u1"))
    await until(process, "text")

    await process.close()

    rest = await until(process, "nothing")
    assert [message.raw["subtype"] for message in rest if message.type == "result"] == ["error_during_execution"]
    assert process.exit_code == 0


async def test_process_close_is_the_same_for_all_callers(begin: Begin) -> None:
    """Closing twice at once, and again afterwards, is safe."""
    process = await begin("stubborn")

    await asyncio.gather(process.close(grace_s=1.0), process.close(grace_s=1.0))
    assert process.exit_code == -signal.SIGKILL

    await process.close()


@pytest.mark.parametrize(("grace_s", "bound_s"), [(4.0, 5.0), (1.5, 2.0)])
async def test_process_close_is_bounded_for_a_child_that_ignores_everything(
    begin: Begin, grace_s: float, bound_s: float
) -> None:
    """Neither the end of stdin nor SIGTERM helps: force does, in time."""
    process = await begin("stubborn")
    await until(process, "stderr")  # its handlers are in place
    started = time.monotonic()

    await process.close(grace_s=grace_s)

    assert process.exit_code == -signal.SIGKILL
    assert time.monotonic() - started < bound_s


async def test_process_close_does_not_hold_up_others(begin: Begin) -> None:
    """While one child is being closed the hard way, another answers."""
    stubborn, other = await begin("stubborn"), await begin()
    closing = asyncio.create_task(stubborn.close(grace_s=2.0))

    assert text_of(await ask(other, "hello")) == "Echo: hello"
    assert not closing.done()

    await closing


async def test_process_close_goes_on_when_it_is_cancelled(begin: Begin) -> None:
    """Who is cancelled while closing leaves no child behind."""
    process = await begin("stubborn")
    closing = asyncio.create_task(process.close(grace_s=0.5))
    await asyncio.sleep(0)
    closing.cancel()

    with pytest.raises(asyncio.CancelledError):
        await closing

    # On a busy machine TERM may come before the child has said that it is deaf to it.
    assert await asyncio.wait_for(process.wait(), GUARD_S) in (-signal.SIGKILL, -signal.SIGTERM)


@pytest.mark.parametrize("forced", [False, True])
async def test_process_close_is_by_force_at_the_end_of_the_loop(tmp_path: Path, forced: bool) -> None:
    """A loop that is shut down in the middle of a close, or right after a kill, leaves no process."""
    pids: list[int] = []

    async def leave_early() -> None:
        environment = (("FAKE_CLI", "stubborn"), ("PATH", os.environ["PATH"]))
        process = await Process.start(Launch((sys.executable, FAKE_CLI), environment, str(tmp_path)))
        pids.append(process.pid)
        await until(process, "stderr")
        if forced:
            process.kill()
        else:
            closing = asyncio.create_task(process.close())
            await asyncio.sleep(0.1)  # it is under way
            closing.cancel()

    await asyncio.to_thread(asyncio.run, leave_early())

    assert await gone(*pids)


async def test_process_close_ends_what_a_tool_started(begin: Begin) -> None:
    """Neither a child in the tree nor one that has detached itself; the latter is known before."""
    process = await begin()
    inside, outside = map(int, text_of(await ask(process, "spawn")).split())
    assert process.detached_pids() == [outside]

    await process.close()

    assert process.exit_code == 0
    assert await gone(inside, outside)


@pytest.mark.skipif(sys.platform != "linux", reason="unix time of the system's start is a fact of Linux")
@pytest.mark.parametrize("by", [-3600, 3600])
async def test_process_tree_is_found_although_the_clock_is_set(
    begin: Begin, monkeypatch: pytest.MonkeyPatch, by: int
) -> None:
    """The time of creation that psutil tells moves with it, for every process."""
    process = await begin()
    inside, outside = map(int, text_of(await ask(process, "spawn")).split())
    start = psutil.boot_time()
    monkeypatch.setattr("psutil._pslinux.boot_time", lambda: start + by)

    assert process.detached_pids() == [outside]
    await process.close()

    assert await gone(inside, outside)


async def test_process_kill_ends_everything(begin: Begin) -> None:
    """`kill` does not wait; the rest follows in the background, and `close` waits for it."""
    process = await begin()
    pids = map(int, text_of(await ask(process, "spawn")).split())

    process.kill()
    await process.close()

    assert process.exit_code == -signal.SIGKILL
    assert await gone(*pids)


async def test_process_that_died_is_swept_up_after(begin: Begin) -> None:
    """The CLI was killed from outside: closing still finds its detached tools."""
    process = await begin()
    pids = list(map(int, text_of(await ask(process, "spawn")).split()))
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()

    await process.close()

    assert await gone(*pids)


async def test_process_kill_all_is_the_last_resort(begin: Begin) -> None:
    """Without the loop's help, and in time, every child and every tool goes."""
    stubborn, other = await begin("stubborn"), await begin()
    await until(stubborn, "stderr")
    pids = list(map(int, text_of(await ask(other, "spawn")).split()))
    started = time.monotonic()

    kill_all()

    assert time.monotonic() - started < 2.0
    assert await gone(stubborn.pid, other.pid, *pids)
    assert await asyncio.wait_for(stubborn.wait(), GUARD_S) == -signal.SIGKILL


class _Pipe:
    max_size = 0


class _Transport(asyncio.SubprocessTransport):
    """A child with one pipe."""

    def __init__(self, pipe: Any) -> None:
        super().__init__()
        self.pipe = pipe

    def get_pipe_transport(self, fd: int) -> Any:
        return self.pipe


async def test_reads_are_as_large_as_what_comes() -> None:
    """Much is asked for after a read that brought much, little after any other; other pipes are left alone."""
    pipe = _Pipe()
    sizes = []
    for one in (pipe, object(), None):
        protocol = ChildProtocol(OutputFramer(NOTHING_SECRET, 2**20))
        protocol.connection_made(_Transport(one))
        for data in (b"{}\n", b"\n" * 2**14, b"{}\n"):
            protocol.pipe_data_received(1, data)
            sizes.append(pipe.max_size)

    assert sizes[:3] == [2**14, 2**18, 2**14]
    assert set(sizes[3:]) == {2**14}
