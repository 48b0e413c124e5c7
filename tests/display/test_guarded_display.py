"""A view that fails: the answer is there all the same, and the cell says once what happened."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from fakes import FakeCLIs

from claude_magic.display.turn_display import TerminalDisplay
from claude_magic.magics.runner import TurnRunner

Output = pytest.CaptureFixture[str]


def failing(*what: object, **more: object) -> Any:
    raise RuntimeError("cannot draw")


def test_a_view_that_fails_in_the_middle_costs_no_answer(
    shell: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever part of it."""
    for number, name in enumerate(("begin", "add", "refresh", "render_now", "note", "close"), 1):
        with monkeypatch.context() as patch:
            patch.setattr(TerminalDisplay, name, failing)
            shell.run_cell("%claude ask hello")
        assert (shell.user_ns["_claude"].text, shell.user_ns["_claude"].turn) == ("echo: hello", number)

    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(said) == len([words for words in said if words.startswith("The view of this run is switched off")]) == 3


def test_an_answer_that_cannot_be_shown_is_printed(shell: Any, monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    """As plain text, also where the response itself can be shown no more."""
    monkeypatch.setattr(TerminalDisplay, "add", failing)
    monkeypatch.setattr(TerminalDisplay, "finish", failing)
    capsys.readouterr()
    shell.run_cell("%claude ask hello")

    assert "echo: hello" in capsys.readouterr().out


def test_an_error_that_cannot_be_shown_is_raised_whole(
    shell: Any, clis: FakeCLIs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of it is taken for shown."""

    async def fail(cli: Any, message: dict[str, Any]) -> None:
        cli.begin(message)
        cli.result(is_error=True, result="API Error: 529 overloaded", api_error_status=529)

    clis.behave = fail
    monkeypatch.setattr(TerminalDisplay, "fail", failing)
    with pytest.raises(Exception, match="529") as caught:
        shell.run_cell("%claude ask hello")
    assert "see above" not in "".join(caught.value._render_traceback_())  # type: ignore[attr-defined]  # IPython's hook


def test_a_view_that_cannot_begin_is_a_plain_one(
    make_shell: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    """The turn has begun by then, and is not lost."""
    shell = make_shell()
    monkeypatch.setattr(TurnRunner, "_make_display", failing)
    shell.run_cell("%claude ask hello")

    assert shell.user_ns["_claude"].text == "echo: hello"
    assert "echo: hello" in capsys.readouterr().out
