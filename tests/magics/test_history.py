"""What the kernel's client keeps for later kernels, and the settings that say so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from IPython.core.error import UsageError

from claude_magic.engine.session_info import SessionInfo
from claude_magic.errors import HistoryError
from claude_magic.records.history import FinishedTurn, History
from claude_magic.records.turns import TurnRecord
from claude_magic.response import Response


def test_loading_writes_no_file(shell: Any, state_folder: Path) -> None:
    """Nor does looking: only a finished turn makes the database."""
    shell.run_cell("%claude\n%claude turns")

    assert not state_folder.exists()


def test_turns_of_cells_are_kept(shell: Any, state_folder: Path) -> None:
    """The kernel's client writes by default; the texts stay out."""
    shell.run_cell_magic("claude", "--quiet", "a prompt nobody shall read")
    frames = shell.magics_manager.registry["ClaudeMagics"].context.client.frames

    assert frames.turns(history=True)["outcome"].tolist() == ["success"]
    assert frames.turns(history=True)["prompt"].isna().all()
    assert not any(b"nobody shall read" in file.read_bytes() for file in state_folder.iterdir())


def test_one_setting_switches_it_off(make_shell: Callable[..., Any], state_folder: Path) -> None:
    """In a configuration file, or in the middle of a notebook."""
    shell = make_shell(history=False)
    shell.run_cell_magic("claude", "--quiet", "one")
    assert not state_folder.exists()

    shell.run_cell("%config ClaudeMagics.history = True")
    shell.run_cell_magic("claude", "--quiet", "two")
    shell.run_cell("%config ClaudeMagics.history = False")
    shell.run_cell_magic("claude", "--quiet", "three")

    client = shell.magics_manager.registry["ClaudeMagics"].context.client
    assert client.frames.turns(history=True)["turn"].tolist() == [2]


def test_one_setting_keeps_the_texts(shell: Any) -> None:
    """From then on."""
    shell.run_cell_magic("claude", "--quiet", "one")
    shell.run_cell("%config ClaudeMagics.history_texts = True")
    shell.run_cell_magic("claude", "--quiet", "two")

    shell.magics_manager.registry["ClaudeMagics"].context.client.close()
    assert [turn.prompt for turn in History().turns()] == [None, "two"]


def test_a_file_of_ones_own_stays_the_file(shell: Any, tmp_path: Path) -> None:
    """Settings say what is kept, not where."""
    client = shell.magics_manager.registry["ClaudeMagics"].context.client
    client.history = History(tmp_path / "mine.sqlite")

    shell.run_cell("%config ClaudeMagics.history_texts = True")

    assert client.history.path == tmp_path / "mine.sqlite"
    assert client.history.texts


def test_tables_of_all_kernels(shell: Any, make_shell: Callable[..., Any]) -> None:
    """`--all` has the turns of earlier kernels too, filtered like others, also of unknown sessions."""
    shell.run_cell_magic("claude", "--quiet -s early", "one")
    magics = shell.magics_manager.registry["ClaudeMagics"]
    magics.context.client.history.write("another kernel", [_turn_of_another_kernel()])

    assert shell.run_cell("%claude turns --all").result["session"].tolist() == ["elsewhere", "early"]
    assert shell.run_cell("%claude turns --all --session elsewhere").result["cost_usd"].tolist() == [0.5]
    assert shell.run_cell("%claude turns --all --since 1h").result["session"].tolist() == ["early"]
    assert shell.run_cell("%claude turns").result["session"].tolist() == ["early"]
    assert shell.run_cell("%claude tools --all").result.empty
    stats = shell.run_cell("%claude stats --all").result
    assert stats["cost_usd"].sum() == pytest.approx(0.51)
    assert "2 turns, 2 sessions" in repr(stats)
    assert stats.by_kind.empty


@pytest.mark.parametrize("line", ["logs --all", "history --all", "turns --all --level error"])
def test_what_is_not_kept_is_said(shell: Any, line: str) -> None:
    """There are no logs and no texts of earlier kernels."""
    with pytest.raises(UsageError, match="are not kept"):
        shell.run_cell(f"%claude {line}")


def test_a_history_that_cannot_be_read_is_one_line(shell: Any, state_folder: Path) -> None:
    """It names the file."""
    state_folder.mkdir()
    (state_folder / "history.sqlite").write_text("no database\n" * 100)

    with pytest.raises(HistoryError, match=r"history\.sqlite' cannot be read"):
        shell.run_cell("%claude stats --all")


def _turn_of_another_kernel() -> FinishedTurn:
    response = Response("", turn_id="1", session="elsewhere", started=1000.0, cost_usd=0.5)
    info = SessionInfo("elsewhere", "", "", "", "", "", None, 1000.0, 1000.0, 1, 0.5, False)
    return FinishedTurn(TurnRecord.from_response(response), [], info)
