"""`--bg`: the cell is over at once, its run goes on, and its handle brings what the cell would have brought."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from cells import Cell
from fakes import FakeCLIs, prompt_of
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.error import UsageError
from widgets.stand_ins import FakeComms, FakeKernel

from claude_magic import get_client
from claude_magic.background_loop import until_done
from claude_magic.display import live as live_screen
from claude_magic.display import turn_display
from claude_magic.display.turn_display import TerminalDisplay
from claude_magic.errors import ClaudeError, ModelNotFoundError
from claude_magic.magics import runner, turns
from claude_magic.magics.background import BackgroundRun
from claude_magic.response import AnswerSource
from claude_magic.widgets import kernel_bridge, run_channel
from claude_magic.widgets.front_ends import FrontEnd
from claude_magic.widgets.kernel_bridge import bridge_of

GUARD_S = 20


@pytest.fixture
def gate(clis: FakeCLIs) -> Iterator[threading.Event]:
    """A prompt that begins with "wait" is answered when this is set; "stop me" sets it when it has begun."""
    opened = threading.Event()

    async def behave(cli: Any, message: dict[str, Any]) -> None:
        if prompt_of(message).startswith("wait"):
            await asyncio.to_thread(opened.wait, GUARD_S)
        if prompt_of(message) == "stop me":
            cli.begin(message)
            opened.set()
            await cli.until_interrupted()
        else:
            await cli.answer(message, f"said: {prompt_of(message)}")

    clis.behave = behave
    yield opened
    opened.set()


def test_the_cell_does_not_wait(shell: Any, gate: threading.Event) -> None:
    """Other cells run meanwhile; the handle tells how it stands, then brings the response, as does `_claude`."""
    shell.run_cell("%%claude --bg -s away -o run\nwait")
    shell.run_cell("before = run.is_done")
    shell.run_cell("%%claude\nhello")
    run = shell.user_ns["run"]

    assert shell.user_ns["before"] is False
    assert shell.user_ns["_claude"].text == "said: hello"
    assert re.fullmatch(r"<BackgroundRun of session 'away': working for \d+ s>", repr(run))
    with pytest.raises(TimeoutError, match=r"'away' still works after 0\.01 s; stop"):
        run.result(timeout_s=0.01)
    gate.set()
    assert run.result(GUARD_S).text == "said: wait"
    assert shell.user_ns["_claude"] is run.result()
    assert repr(run) == "<BackgroundRun of session 'away': success>"


async def test_it_can_be_awaited(shell: Any, gate: threading.Event) -> None:
    """As any future, in a cell with `await`."""
    gate.set()
    shell.run_cell("%claude ask --bg -o run wait")

    assert (await shell.user_ns["run"]).text == "said: wait"


def test_runs_of_one_session_follow_one_another(shell: Any, gate: threading.Event) -> None:
    """A prompt that comes while one is in the background waits for it."""
    shell.run_cell("%claude ask --bg -o first wait")
    shell.run_cell("%claude ask --bg -o second next")
    assert not shell.user_ns["second"].is_done
    gate.set()
    shell.run_cell("%claude ask third")

    answers = [shell.user_ns[name] for name in ("first", "second")]
    assert [answer.result(GUARD_S).turn for answer in answers] == [1, 2]
    assert shell.user_ns["_claude"].turn == 3


@pytest.mark.parametrize("how", ["handle", "command"])
def test_it_can_be_stopped(shell: Any, gate: threading.Event, how: str) -> None:
    """By its handle or by name; it has a response too, and the session goes on."""
    shell.run_cell("%claude ask --bg -o run -s away stop me")
    run: BackgroundRun = shell.user_ns["run"]
    assert gate.wait(GUARD_S)
    if how == "handle":
        run.stop()
    else:
        shell.run_cell("%claude stop away")

    assert run.result(GUARD_S).outcome == "interrupted"
    shell.run_cell("%claude ask -s away go on")
    assert shell.user_ns["_claude"].text == "said: go on"
    run.stop()


def test_what_goes_wrong_is_raised_by_the_handle(shell: Any, clis: FakeCLIs) -> None:
    """The cell that asks for the result shows one readable block."""

    async def fail(cli: Any, message: dict[str, Any]) -> None:
        cli.begin(message)
        cli.die(1)

    clis.behave = fail
    shell.run_cell("%claude ask --bg -o run hello")

    with pytest.raises(ClaudeError) as caught:
        shell.user_ns["run"].result(GUARD_S)
    assert "hello" not in "".join(caught.value._render_traceback_())  # type: ignore[attr-defined]
    assert "failed" in repr(shell.user_ns["run"])


@pytest.mark.parametrize("quiet", ["", "--quiet"])
def test_a_failure_that_nobody_saw_is_told(
    shell: Any, clis: FakeCLIs, capsys: pytest.CaptureFixture[str], quiet: str
) -> None:
    """Also of a run that is to show nothing."""

    async def fail(cli: Any, message: dict[str, Any]) -> None:
        cli.begin(message)
        cli.die(1)

    clis.behave = fail
    shell.run_cell(f"%claude ask --bg {quiet} -o run hello")
    until_done(shell.user_ns["run"]._answer, timeout_s=GUARD_S)
    capsys.readouterr()
    shell.run_cell("x = 1")
    told = capsys.readouterr().out

    assert told.startswith("In the background, session 'main':\n")
    assert "ProcessError" in told


@pytest.mark.parametrize("wait", ["run.result()", "await run"])
def test_a_failure_that_was_raised_is_not_told_again(
    shell: Any, clis: FakeCLIs, capsys: pytest.CaptureFixture[str], wait: str
) -> None:
    """Whoever waited for it has seen it."""

    async def fail(cli: Any, message: dict[str, Any]) -> None:
        cli.die(1)

    clis.behave = fail
    shell.run_cell("%claude ask --bg --quiet -o run hello")
    with pytest.raises(ClaudeError):
        shell.run_cell(wait)
    shell.run_cell("x = 1")

    assert "In the background" not in capsys.readouterr().out


def test_a_captured_run_shows_nothing(
    shell: Any, gate: threading.Event, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A display that was captured could not be updated later."""
    cell = Cell()
    monkeypatch.setattr(turn_display, "display", cell.display)
    shell.kernel = FakeKernel()
    with monkeypatch.context() as patch:
        patch.setattr(shell, "display_pub", CapturingDisplayPublisher(parent=shell))
        shell.run_cell("%claude ask --bg -o run hello")
    shell.run_cell("text = run.result().text")

    assert (cell.shown, capsys.readouterr().out, shell.user_ns["text"]) == ([], "", "said: hello")


def test_a_notebook_without_a_page_is_shown_the_end_in_the_next_cell(
    shell: Any, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What runs a notebook there takes what comes for the cell that runs just then, and on its thread."""
    cell = Cell()
    monkeypatch.setattr(turn_display, "display", cell.display)
    shell.kernel = FakeKernel(takes_input=False)
    shell.run_cell("%claude ask --bg -o run hello")
    until_done(shell.user_ns["run"]._answer, timeout_s=GUARD_S)
    before = len(cell.shown)
    shell.run_cell("x = 1")
    shell.run_cell("x = 2")

    assert cell.shown[before:] == [cell.shown[-1]]
    assert cell.shown[-1] is cell.shown[before - 1]
    assert cell.shown[-1]["text/plain"].startswith("→ run\n\nsaid: hello")


def test_a_schema_brings_its_object(shell: Any, clis: FakeCLIs) -> None:
    """`result()` is what the variable would have been without `--bg`."""

    async def point(cli: Any, message: dict[str, Any]) -> None:
        await cli.answer(message, "done", structured_output={"x": 1})

    clis.behave = point
    shell.run_cell("""%claude ask --bg --schema {"type":"object"} -o run a point""")

    assert shell.user_ns["run"].result(GUARD_S) == {"x": 1}


def test_a_terminal_is_told_of_the_end(shell: Any, gate: threading.Event, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is written over what a person types: the next cell's end tells of it, once."""
    shell.run_cell("%claude ask --bg -s away -o run wait")
    assert capsys.readouterr().out == "The session 'away' works in the background: `%claude stop away` ends it.\n"
    gate.set()
    shell.user_ns["run"].result(GUARD_S)
    assert capsys.readouterr().out == ""
    shell.run_cell("x = 1")
    assert capsys.readouterr().out.startswith("In the background, session 'away':\n→ run\n\nsaid: wait\n")
    shell.run_cell("x = 2")
    assert capsys.readouterr().out == ""


def test_a_kept_answer_is_a_run_that_is_over(shell: Any, gate: threading.Event) -> None:
    """With `--keep` too `-o VAR` is a handle."""
    gate.set()
    sources = []
    for _ in range(2):
        shell.run_cell("%claude ask --new --bg --keep -o run wait")
        sources.append(shell.user_ns["run"].result(GUARD_S).source)

    assert sources == [AnswerSource.MODEL, AnswerSource.CACHE]


def test_what_follows_an_unknown_answer_is_not_kept(shell: Any, gate: threading.Event) -> None:
    """The same prompt after another answer would be another question."""
    gate.set()
    shell.run_cell("%claude ask --keep hello")
    gate.clear()
    shell.run_cell("%claude ask --new --bg -o run wait")
    shell.run_cell("%claude ask --bg --keep -o next hello")
    gate.set()

    assert shell.user_ns["next"].result(GUARD_S).source is AnswerSource.MODEL


def test_a_page_stops_its_own_run_only(
    shell: Any, clis: FakeCLIs, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that waits behind another one of its session is dropped, and that one goes on."""
    comms = FakeComms()
    for module in (kernel_bridge, run_channel):
        monkeypatch.setattr(module, "create_comm", comms.create)
    monkeypatch.setattr(live_screen, "display", Cell().display)
    shell.kernel = FakeKernel()
    bridge_of(shell.kernel)._front_ends.register("page-1", FrontEnd.EXTENSION)
    shell.run_cell("%claude ask --bg -o first wait")
    shell.run_cell("%claude ask --bg -o second next")
    comms[-1].say(action="stop")

    assert shell.user_ns["second"].result(GUARD_S).outcome == "interrupted"
    assert clis.last.requests("interrupt") == []
    gate.set()
    assert shell.user_ns["first"].result(GUARD_S).outcome == "success"


def test_a_failure_closes_its_own_session_only(shell: Any, clis: FakeCLIs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another one may have taken the name before the failure is dealt with."""
    failed, replaced = threading.Event(), threading.Event()

    def offered(session: Any) -> str:
        failed.set()
        replaced.wait(GUARD_S)
        return ""

    monkeypatch.setattr(runner, "_offered", offered)
    clis.failures = [ModelNotFoundError("no such model")]
    shell.run_cell("%claude ask --bg -s away -o run hello")
    assert failed.wait(GUARD_S)
    shell.run_cell("%claude new away")
    replaced.set()

    with pytest.raises(ModelNotFoundError):
        shell.user_ns["run"].result(GUARD_S)
    assert [info.name for info in get_client().list_sessions()] == ["away"]


def test_the_last_response_stays_the_last(shell: Any, gate: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run in the background may be shown later than one that came after it."""
    shown = threading.Event()
    add = TerminalDisplay.add

    def late(terminal: TerminalDisplay, messages: Any) -> None:
        if terminal._held is not None:
            shown.wait(GUARD_S)
        add(terminal, messages)

    monkeypatch.setattr(TerminalDisplay, "add", late)
    shell.run_cell("%claude ask --bg -o run first")
    shell.run_cell("%claude ask second")
    shown.set()

    assert shell.user_ns["run"].result(GUARD_S).text == "said: first"
    assert shell.user_ns["_claude"].text == "said: second"


def test_a_run_that_nobody_can_follow_is_ended(
    shell: Any, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No thread is left, or the cell is interrupted just then: no turn goes on that nothing shows."""

    def no_thread(work: Any, name: str) -> None:
        assert gate.wait(GUARD_S)
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(turns, "in_thread", no_thread)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        shell.run_cell("%claude ask --bg stop me")

    assert get_client().get_session("main").state == "idle"


def test_background_prompts_wait_for_their_turn(shell: Any, clis: FakeCLIs, gate: threading.Event) -> None:
    """A batch that is larger than the pool loses none, however long it takes."""
    client = get_client()
    client.pool = replace(client.pool, max_sessions=1, acquire_timeout_s=0.05)
    for number in range(3):
        shell.run_cell(f"%claude ask --bg --quiet -s s{number} -o run{number} wait")
    time.sleep(0.2)  # longer than a prompt in a cell would wait
    gate.set()

    assert [shell.user_ns[f"run{number}"].result(GUARD_S).outcome for number in range(3)] == ["success"] * 3


def test_a_session_at_work_is_not_forked(shell: Any, clis: FakeCLIs, gate: threading.Event) -> None:
    """Also while its process starts, or a prompt waits: the copy would know less than was asked before."""
    shell.run_cell("%claude ask hi")
    client = get_client()
    client.pool = replace(client.pool, max_sessions=1)
    shell.run_cell("%claude ask -s other hi")
    clis.start_s = GUARD_S
    shell.run_cell("%claude ask --bg -o run hello")

    with pytest.raises(UsageError, match="main is at work"):
        shell.run_cell("%claude fork copy main")
    shell.user_ns["run"].stop()


def test_what_ran_unasked_is_told_after_the_next_cell(
    shell: Any, clis: FakeCLIs, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such as the report of a background task: whose it is, what it cost, how it begins; once."""
    shell.run_cell("%claude ask --quiet hi")
    client = shell.magics_manager.registry["ClaudeMagics"].context.client
    turns = client.get_session("main").turns
    cli = clis.last
    client._loop.run(lambda: cli.say({"type": "system", "subtype": "init", "model": "fake-model", "tools": []}))
    client._loop.run(lambda: cli.text("The tests pass."))
    client._loop.run(lambda: cli.result(origin={"kind": "task-notification"}))
    deadline = time.monotonic() + 10
    while client.get_session("main").turns == turns:
        assert time.monotonic() < deadline
        time.sleep(0.01)

    shell.run_cell("1 + 1")
    shell.run_cell("1 + 1")

    told = "Session 'main', unasked (a background task reported, $0.0100): The tests pass."
    assert capsys.readouterr().out.count(told) == 1
    assert client.frames.turns()["prompted"].tolist() == [True, False]
