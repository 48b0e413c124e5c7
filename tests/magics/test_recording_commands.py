"""`%claude record` and `%claude replay`: what is recorded in one kernel plays in another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fakes import FakeCLIs
from IPython.core.error import UsageError

from claude_magic.errors import ResultError
from claude_magic.recording import read_tape
from claude_magic.response import AnswerSource


@pytest.fixture
def tape(shell: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A tape with one run, made by the magics."""
    path = tmp_path / "talk on data.jsonl"
    shell.run_cell(f"%claude record on {path}")
    shell.run_cell_magic("claude", "", "hello")
    shell.run_cell("%claude record off")
    shell.run_cell_magic("claude", "", "not on the tape")
    capsys.readouterr()
    return path


def test_only_what_runs_while_it_is_on_is_recorded(tape: Path) -> None:
    """Nothing before, nothing after."""
    assert [run.prompt for run in read_tape(tape)] == ["hello"]


def test_recording_says_where_to(shell: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line when it begins, one when it ends, and one when there was nothing to end."""
    for line in ("on 'runs.jsonl'", "off", "off"):
        shell.run_cell(f"%claude record {line}")

    began, ended, nothing = capsys.readouterr().out.splitlines()
    assert f"recorded to {tmp_path / 'runs.jsonl'}" in began
    assert ended == f"Recorded to {tmp_path / 'runs.jsonl'}."
    assert nothing == "Nothing was being recorded."


@pytest.mark.parametrize("line", ["record", "record on", "record maybe", "record off now", "replay"])
def test_what_makes_no_sense_is_one_line(shell: Any, line: str) -> None:
    """The line says how it is written."""
    with pytest.raises(UsageError, match=r"%claude re(cord|play) "):
        shell.run_cell(f"%claude {line}")


@pytest.mark.parametrize("line", ["replay none.jsonl", "replay {tape} -1", "record on pyproject"])
def test_a_file_that_is_no_tape_is_one_line(shell: Any, tape: Path, line: str) -> None:
    """The file is named, and answers come from where they came from before."""
    Path("pyproject").write_text("[project]\n")

    with pytest.raises(UsageError, match=r"tape"):
        shell.run_cell(f"%claude {line.format(tape=tape)}")

    shell.run_cell_magic("claude", "", "still real")
    assert shell.user_ns["_claude"].source is AnswerSource.MODEL


def test_a_tape_answers(shell: Any, clis: FakeCLIs, tape: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No CLI is prompted, the answer says that it was played and costs nothing, and sessions before are closed."""
    before = [list(cli.prompts) for cli in clis.started]

    shell.run_cell(f"%claude replay {tape} 0")
    shell.run_cell_magic("claude", "", "hello")
    shell.run_cell("%claude")

    played = shell.user_ns["_claude"]
    assert (played.text, played.cost_usd, played.simulated) == ("echo: hello", 0.0, True)
    assert [cli.prompts for cli in clis.started] == before
    out = capsys.readouterr().out
    assert "(1 run) from now on; no model is called and nothing is spent. Closed: main (" in out
    assert "played answers" in out


def test_out_of_the_machine_again(shell: Any, tape: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Off, the CLI answers in a new session."""
    shell.run_cell(f'%claude replay "{tape}" 0')
    shell.run_cell_magic("claude", "", "hello")
    shell.run_cell("%claude replay off")
    shell.run_cell_magic("claude", "", "anything")
    shell.run_cell("%claude replay off")

    assert shell.user_ns["_claude"].text == "echo: anything"
    assert shell.user_ns["_claude"].source is AnswerSource.MODEL
    out = capsys.readouterr().out
    assert "The tape is out: Claude answers from now on. Closed: main." in out
    assert "No tape was being played." in out


def test_out_of_the_machine_into_the_simulator(shell: Any, tape: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the simulator is on, it is said that it answers, not Claude."""
    shell.run_cell("%claude simulate on")
    shell.run_cell(f"%claude replay {tape} 0")
    shell.run_cell("%claude replay off")
    shell.run_cell("%claude simulate off")

    assert "The tape is out: answers are simulated from now on." in capsys.readouterr().out


def test_a_prompt_that_the_tape_does_not_know(shell: Any, tape: Path) -> None:
    """One line says so and what it knows; the next prompt is answered."""
    shell.run_cell(f"%claude replay {tape} 0")

    with pytest.raises(ResultError, match=r"^This prompt is not on the tape\. It knows: hello\.$"):
        shell.run_cell_magic("claude", "", "something else")

    shell.run_cell_magic("claude", "", "hello")
    assert shell.user_ns["_claude"].text == "echo: hello"


def test_a_tape_is_no_account(make_shell: Any, tape: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where answers are simulated for want of an account, nobody asks the tape who is logged in."""
    monkeypatch.setenv("CLAUDE_MAGIC_SIMULATE", "auto")
    shell = make_shell()
    magics = shell.magics_manager.registry["ClaudeMagics"]
    shell.run_cell(f"%claude replay {tape} 0")
    shell.run_cell_magic("claude", "", "hello")

    asked: list[bool] = []
    magics.context.simulation.decide(lambda: asked.append(True) or {"account": {"tokenSource": "claude.ai"}})
    assert asked == [True]
