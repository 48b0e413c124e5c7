"""What a tool changes in a file: lines with their numbers and what stands around them. No I/O."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from claude_magic.lenient import count, items, mapping, mappings, string
from claude_magic.rendering.text import plural

CONTEXT = 3
_LONGEST = 400  # lines on each side that are compared one by one; the comparison is quadratic
_MOST_HUNKS = 200
_MOST_LINES = 4_000


@dataclass(frozen=True, slots=True)
class Hunk:
    """A place in a file that is changed.

    Attributes:
        old: number of its first line before, from 1; 0 where that is not known.
        new: its text after the edit.
        lines: each begins with `+`, `-` or a space.
    """

    old: int
    new: int
    lines: tuple[str, ...]

    def numbered(self) -> list[tuple[str, int]]:
        """Return the lines with their numbers: of a deleted one the old, else the new."""
        old, new, rows = self.old, self.new, []
        for line in self.lines:
            rows.append((line, old if line[:1] == "-" else new))
            old += bool(old) and line[:1] != "+"
            new += bool(new) and line[:1] != "-"
        return rows


def lines_of(text: str) -> list[str]:
    """Return the lines of a file, without their ends, as an editor counts them."""
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")] if text else []


def compared(before: str, after: str, first: int = 1) -> tuple[Hunk, ...]:
    """Return the places where two texts differ.

    Args:
        before: the old text.
        after: the new text.
        first: number of the first line; 0 where that is not known.
    """
    old, new = lines_of(before), lines_of(after)
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    if head == len(old) == len(new):
        return ()
    start = max(0, head - CONTEXT)
    old, new = (lines[start : len(lines) - max(0, tail - CONTEXT)] for lines in (old, new))
    number = first + start if first else 0
    return tuple(_hunk(group, old, new, number) for group in _groups(old, new, head - start, min(tail, CONTEXT)))


_Opcode = tuple[str, int, int, int, int]


def _groups(old: list[str], new: list[str], head: int, tail: int) -> list[Sequence[_Opcode]]:
    if max(len(old), len(new)) <= _LONGEST:
        return list(difflib.SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(CONTEXT))
    ends = len(old) - tail, len(new) - tail
    return [
        [
            ("equal", 0, head, 0, head),
            ("replace", head, ends[0], head, ends[1]),
            ("equal", ends[0], len(old), ends[1], len(new)),
        ]
    ]


def _hunk(group: Sequence[_Opcode], old: list[str], new: list[str], first: int) -> Hunk:
    lines: list[str] = []
    for kind, from_old, to_old, from_new, to_new in group:
        if kind == "equal":
            lines += [f" {line}" for line in old[from_old:to_old]]
        else:
            lines += [f"-{line}" for line in old[from_old:to_old]] + [f"+{line}" for line in new[from_new:to_new]]
    numbers = (group[0][1] + first, group[0][3] + first) if first else (0, 0)
    return Hunk(*numbers, tuple(lines[:_MOST_LINES]))


def stated(name: str, given: dict[str, Any]) -> tuple[Hunk, ...]:
    """Return what the input of an edit says that it changes, where its file is not known.

    Args:
        name: the tool.
        given: its input.
    """
    if name == "Write":
        return compared("", string(given.get("content")))
    if name == "NotebookEdit":
        return compared("", string(given.get("new_source")), 0)
    edits = {"Edit": [given], "MultiEdit": mappings(given.get("edits"))}.get(name, [])
    pairs = [(string(edit.get("old_string")), string(edit.get("new_string"))) for edit in edits]
    return tuple(hunk for old, new in pairs for hunk in compared(old, new, 0))


def as_text(hunks: Sequence[Hunk], most_lines: int) -> str:
    """Return hunks as lines of text with their numbers, where those are known.

    Args:
        hunks: the places.
        most_lines: where there are more, the rest is counted.
    """
    rows: list[str] = []
    for hunk in hunks:
        rows += ["     ⋮"] if rows else []
        rows += [f"{number or '':>4} {line[:1]} {line[1:]}".rstrip() for line, number in hunk.numbered()]
    left = len(rows) - most_lines
    return "\n".join([*rows[:most_lines], f"     … {plural(left, 'more line')}"] if left > 0 else rows)


def patch_in(outcome: Any) -> list[dict[str, Any]]:
    """Return the hunks that the CLI gives beside the result of an edit (its `tool_use_result`), as data.

    Args:
        outcome: as it came; of a notebook's cell the old source is looked up in the file as it was.
    """
    facts = mapping(outcome)
    if isinstance(facts.get("structuredPatch"), list):
        hunks = mappings(facts["structuredPatch"])[:_MOST_HUNKS]
        return [
            {
                "old": count(hunk.get("oldStart")),
                "new": count(hunk.get("newStart")),
                "lines": [string(line) for line in items(hunk.get("lines")) if string(line)[:1] in ("+", "-", " ")],
            }
            for hunk in hunks
        ]
    if facts.get("original_file") and facts.get("cell_id"):
        new = "" if facts.get("edit_mode") == "delete" else string(facts.get("new_source"))
        old = "" if facts.get("edit_mode") == "insert" else cell_source(facts["original_file"], facts["cell_id"])
        return as_data(compared(old, new))
    return []


def cell_source(notebook: Any, cell_id: Any) -> str:
    """Return the source of a cell of a notebook, which is given as its JSON; "" where it is not in it."""
    try:
        cells = mappings(mapping(json.loads(string(notebook))).get("cells"))
    except (ValueError, RecursionError):
        return ""
    for number, cell in enumerate(cells):
        if cell_id in (cell.get("id"), f"cell-{number}"):
            source = cell.get("source")
            return "".join(map(string, source)) if isinstance(source, list) else string(source)
    return ""


def as_data(hunks: Sequence[Hunk]) -> list[dict[str, Any]]:
    """Return hunks as JSON-like data."""
    return [{"old": hunk.old, "new": hunk.new, "lines": list(hunk.lines)} for hunk in hunks]


def from_data(patch: Any) -> tuple[Hunk, ...]:
    """Return the hunks of what `as_data` or `patch_in` gave."""
    return tuple(
        Hunk(count(one.get("old")), count(one.get("new")), tuple(map(string, items(one.get("lines"))))[:_MOST_LINES])
        for one in mappings(patch)
    )
