"""`%claude rewind`, `redo` and `undo`: what is shown, what is asked, and what comes back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fakes import FakeCLIs
from IPython.core.error import UsageError

Prompts = Callable[[], list[Any]]
Output = pytest.CaptureFixture[str]


@pytest.fixture
def talked(shell: Any) -> Any:
    """A shell with two turns in `main`."""
    shell.user_ns["x"] = 7
    for cell in ("%%claude --quiet\nfirst {x}", "%%claude --quiet\nsecond"):
        shell.run_cell(cell, store_history=True)
    return shell


def test_the_turns_as_a_table(talked: Any) -> None:
    """Number, prompt, and what each did to files."""
    table = talked.run_cell("%claude rewind").result

    assert table["prompt"].tolist() == ["first 7", "second"]
    assert table["turn"].tolist() == [1, 2]
    assert table["files"].tolist() == ["", ""]


def test_going_back_gives_the_prompt_back(talked: Any, clis: FakeCLIs, capsys: Output) -> None:
    """As the cell was typed; the next prompt begins from there, and `redo` goes forward again."""
    talked.set_next_input = lambda text, replace=False: given.append(text)
    given: list[str] = []

    talked.run_cell("%claude rewind 1")

    shown = capsys.readouterr().out
    assert "Going back before turn 1 (first 7) takes back 2 turns of main:" in shown
    assert "Claude forgets what was said" in shown
    assert "Back before turn 1: 0 files restored, the next prompt goes on from there." in shown
    assert given == ["%%claude --quiet\nfirst {x}"]
    talked.run_cell("%claude redo")
    assert "Forward again" in capsys.readouterr().out
    talked.run_cell("%claude ask --quiet third")
    assert any(argument.startswith("--resume=") for argument in clis.last.launch.argv)
    with pytest.raises(UsageError, match="nothing to go forward to"):
        talked.run_cell("%claude redo")


def test_a_dry_run_changes_nothing(talked: Any, clis: FakeCLIs, capsys: Output) -> None:
    """Nor does a person who is asked and says no."""
    talked.run_cell("%claude rewind 2 --dry-run")

    assert "takes back 1 turn of main" in capsys.readouterr().out
    assert len(talked.run_cell("%claude rewind").result) == 2
    assert len(clis.alive) == 1


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("rewind 9", "main has no turn 9 to go back to. Turns: 1, 2."),
        ("rewind nosuch", "'nosuch' is not a whole number"),
        ("rewind 1 -s other", "There is no session 'other'"),
        ("redo", "nothing to go forward to"),
    ],
)
def test_mistakes(talked: Any, line: str, words: str) -> None:
    """One clear sentence; nothing changes."""
    with pytest.raises(UsageError) as caught:
        talked.run_cell(f"%claude {line}")

    assert words in str(caught.value)


def test_kept_answers_do_not_follow_one_that_was_taken_back(talked: Any, prompts: Prompts) -> None:
    """After going back the same cell is asked again: the conversation is another one."""
    talked.run_cell("%%claude --quiet --keep\nthird")
    talked.run_cell("%claude rewind 3")
    talked.run_cell("%%claude --quiet --keep\nthird")

    assert prompts().count("third") == 2
