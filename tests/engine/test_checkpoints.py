"""What is kept of the turns that one can go back to: enough, and not more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from claude_magic.engine import checkpoints
from claude_magic.engine.checkpoints import Checkpoint, Checkpoints, TurnEdits, changed_by_commands


def turns(count: int, text: str = "") -> list[TurnEdits]:
    made = (Checkpoint(number, f"turn-{number}", "x", float(number)) for number in range(count))
    return [TurnEdits(checkpoint, {"a.py": False}, {"a.py": text}) for checkpoint in made]


def test_the_oldest_turns_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "_MOST_TURNS", 3)
    kept = Checkpoints()
    kept.put_back(turns(5))
    assert [one.turn for one in kept.listed] == [2, 3, 4]


def test_texts_are_kept_of_the_newest_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """The turns themselves stay, and their files can still be restored by the CLI."""
    monkeypatch.setattr(checkpoints, "_MOST_TEXTS", 25)
    kept = Checkpoints()
    kept.put_back(turns(4, "0123456789"))
    assert [bool(turn.before) for turn in kept.since("turn-0")] == [False, False, True, True]
    assert all(turn.created for turn in kept.since("turn-0"))


def test_a_folder_with_very_many_files_is_looked_at_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even its list is read to the end."""
    read: list[Any] = []
    scandir = checkpoints.os.scandir

    def counting(path: str) -> Any:
        class Listed:
            def __enter__(self) -> Any:
                self._entries = scandir(path)
                return self

            def __exit__(self, *error: object) -> None:
                self._entries.close()

            def __iter__(self) -> Any:
                return self

            def __next__(self) -> Any:
                read.append(path)
                return next(self._entries)

        return Listed()

    for number in range(30):
        (tmp_path / f"{number}.txt").touch()
    monkeypatch.setattr(checkpoints, "_MOST_LOOKED_AT", 10)
    monkeypatch.setattr(checkpoints.os, "scandir", counting)
    assert len(changed_by_commands(str(tmp_path), [(0.0, float("inf"))], [])) == 10
    assert len(read) == 10
