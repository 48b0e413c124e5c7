"""What an edit would change, as its file is now: for the question that is asked before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from claude_magic.lenient import mappings, string
from claude_magic.paths import open_regular
from claude_magic.rendering import patches
from claude_magic.rendering.patches import as_data, compared

_CELL_TOOLS = ("mcp__kernel__edit_cell", "mcp__kernel__delete_cell")
_LARGEST_FILE = 1_000_000


CellSource = Callable[[str, str], str | None]
"""Returns the source of a cell, by its id and version."""


def preview(
    name: str,
    given: dict[str, Any],
    working_dir: Path | str = ".",
    cell_source: CellSource = lambda cell, version: None,
) -> list[dict[str, Any]]:
    """Return the places in a file or a cell that a tool would change, with the lines around them.

    Args:
        name: the tool.
        given: its input.
        working_dir: folder that a relative path starts from.
        cell_source: knows the cells of the open notebook.

    Returns:
        Hunks as data; empty where the file, the cell, or the place in it, is not found.
    """
    if name in _CELL_TOOLS:
        cell = cell_source(string(given.get("cell_id")), string(given.get("version")))
        return as_data(compared(cell, string(given.get("source")))) if cell is not None else []
    path = string(given.get("notebook_path" if name == "NotebookEdit" else "file_path"))
    if name not in ("Edit", "MultiEdit", "NotebookEdit", "Write") or not path:
        return []
    before = _read(Path(working_dir, path))
    if before is None:
        return []
    if name == "NotebookEdit":
        old = "" if given.get("edit_mode") == "insert" else patches.cell_source(before, given.get("cell_id"))
        new = "" if given.get("edit_mode") == "delete" else string(given.get("new_source"))
        return as_data(compared(old, new))
    if name == "Write":
        return as_data(compared(before, string(given.get("content"))))
    after = before
    for edit in [given] if name == "Edit" else mappings(given.get("edits")):
        old, new = string(edit.get("old_string")), string(edit.get("new_string"))
        if not old or old not in after:
            return []
        after = after.replace(old, new, -1 if edit.get("replace_all") is True else 1)
    return as_data(compared(before, after))


def _read(path: Path) -> str | None:
    try:
        with open_regular(path, limit=_LARGEST_FILE) as file:
            return file.read().decode("utf-8").replace("\r\n", "\n")
    except (OSError, ValueError):
        return None
