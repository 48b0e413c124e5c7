"""`CellUndo`: puts back the cells that a turn edited or deleted, all at once."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass

from claude_magic.rendering.text import plural
from claude_magic.widgets.notebook_page import ANSWERS_WITHIN_S, PromptCell
from claude_magic.widgets.protocol import CellData, CellsReply

_MOST_TURNS = 100


@dataclass(frozen=True)
class ChangedCell:
    """A cell as it was before a turn changed it.

    Attributes:
        cell: the whole cell if it was deleted, else its id and its source.
        after: the source that it got; `None` if it was deleted.
        index: its place in the notebook; of a cell that was deleted.
    """

    cell: CellData
    after: str | None = None
    index: int = 0


class CellUndo:
    """Keeps what turns changed, as far as the page can put it back. May be used on any thread."""

    def __init__(self) -> None:
        self._changes: dict[str, list[tuple[PromptCell, ChangedCell]]] = {}

    def remember(self, turn_id: str, place: PromptCell, change: ChangedCell) -> None:
        """A turn has changed a cell, and the person agreed.

        Args:
            turn_id: id of the prompt.
            place: its cell, and the page that did it.
            change: what there was before.
        """
        while len(self._changes) >= _MOST_TURNS and turn_id not in self._changes:
            self._changes.pop(next(iter(self._changes)))
        self._changes.setdefault(turn_id, []).append((place, change))

    def undo(self, turn_id: str) -> str:
        """Put back what a turn changed, the last change first, and return in words what became of it.

        A cell in which the person has typed since is left as it is. Waits for the page.
        """
        changes = self._changes.pop(turn_id, [])
        if not changes:
            return "There is nothing to restore."
        done: dict[str, bool] = {}
        for place, change in reversed(changes):
            cell_id = change.cell.get("id", "")
            if done.get(cell_id, True):
                try:
                    done[cell_id] = "refused" not in _put_back(place, change).result(ANSWERS_WITHIN_S)
                except TimeoutError:
                    return "No page that shows the notebook answers; it may have been closed."
        restored = sum(done.values())
        left = len(done) - restored
        words = f"Restored {plural(restored, 'cell')}." if restored else "Nothing was restored."
        if not left:
            return words
        return f"{words} {plural(left, 'cell')} {'was' if left == 1 else 'were'} changed since: left alone."


def _put_back(place: PromptCell, change: ChangedCell) -> Future[CellsReply]:
    if change.after is None:
        return place.page.request(place.client, place.cell, "restore", cell=change.cell, index=change.index)
    return place.page.request(place.client, place.cell, "replace", cell=change.cell, expected=change.after)
