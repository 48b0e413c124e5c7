"""What an edit would change, as its file is now: for the question that is asked before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from claude_magic.lenient import mappings, string
from claude_magic.paths import open_regular
from claude_magic.rendering.patches import as_data, cell_source, compared

_LARGEST_FILE = 1_000_000


def preview(name: str, given: dict[str, Any], working_dir: Path | str = ".") -> list[dict[str, Any]]:
    """Return the places in a file that a tool would change, with the lines around them.

    Args:
        name: the tool.
        given: its input.
        working_dir: folder that a relative path starts from.

    Returns:
        Hunks as data; empty where the file, or the place in it, is not found.
    """
    path = string(given.get("notebook_path" if name == "NotebookEdit" else "file_path"))
    if name not in ("Edit", "MultiEdit", "NotebookEdit", "Write") or not path:
        return []
    before = _read(Path(working_dir, path))
    if before is None:
        return []
    if name == "NotebookEdit":
        old = "" if given.get("edit_mode") == "insert" else cell_source(before, given.get("cell_id"))
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
