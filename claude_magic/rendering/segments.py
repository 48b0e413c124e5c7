"""Markdown in segments that a parser renders soon and whole; the rest is to be shown as plain text.

Plain is what would take a parser too long, and a table with more cells in a row than columns: parsers drop those cells.
Code in fences is a segment of its own as soon as there is plain text to part from, so that it is beyond doubt for the
parser where code begins. `labextension/src/segments.ts` does the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from claude_magic.rendering.limits import (
    DEEPEST,
    LONGEST_PARAGRAPH,
    MOST_CELLS,
    MOST_SIGNS,
    MOST_SIGNS_IN_A_ROW,
    MOST_WORK,
)

_SIGN = re.compile(r"[*_~\[\]<`@&]")
_BEGINS_ITEM = re.compile(r"[ \t>]*(?:[-*+]|\d{1,9}[.)])[ \t]+\S| {0,3}#{1,6}[ \t]| {0,3}\|")
_NESTING = re.compile(r"(?:[ \t]|>|[-*+](?=[ \t])|\d{1,9}[.)](?=[ \t]))*")
_MARKER = re.compile(r">|[-*+]|\d{1,9}[.)]")
_COSTS = re.compile(r"[*_~\[\]<`@&|$\\]")
_QUOTED = " \t>"
_DELIMITER = re.compile(r"(?=[^-]*-)(?=[^|:]*[|:])[ \t>]*[-|: \t]+$")
_ESCAPED = re.compile(r"\\[\\|]")
_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})")


class Segment(NamedTuple):
    """A stretch of a text.

    Attributes:
        text: its lines.
        is_plain: whether it is to be shown as it is, and not to be parsed.
    """

    text: str
    is_plain: bool


class Work:
    """What may still be rendered of one text, or of several that share it; once it does not do, nothing more is."""

    def __init__(self) -> None:
        self._left = MOST_WORK

    def take(self, amount: int) -> bool:
        """Take an amount; return whether there was as much."""
        self._left = self._left - amount if amount <= self._left else 0
        return self._left > 0


def segments(text: str, work: Work | None = None) -> list[Segment]:
    """Divide a text; joined by line feeds, the segments are the text again.

    Args:
        text: the text; its lines end with line feeds.
        work: what may be rendered of it, where several texts share that.
    """
    lines = text.split("\n")
    plain = set(_plain_lines(lines, work or Work()))
    if not plain:
        return [Segment(text, False)]
    found: list[Segment] = []
    begin = 0
    for first, end in _stretches(lines, plain):
        if first > begin:
            found.append(Segment("\n".join(lines[begin:first]), False))
        found.append(Segment("\n".join(lines[first:end]), first in plain))
        begin = end
    if begin < len(lines):
        found.append(Segment("\n".join(lines[begin:]), False))
    return found


def _stretches(lines: Sequence[str], plain: set[int]) -> Iterator[tuple[int, int]]:
    """Yield the fences and the plain stretches, as places of their first line and of the line after them."""
    at = 0
    while at < len(lines):
        end = at
        if at in plain:
            while end in plain:
                end += 1
        else:
            end = _fence_end(lines, at)
        if end > at:
            yield at, end
        at = max(end, at + 1)


def _fence_end(lines: Sequence[str], at: int) -> int:
    """Return the place after the fence that begins in a line; the line's own place if none does."""
    match = _FENCE.match(lines[at])
    if match is None:
        return at
    closes = re.compile(rf" {{0,3}}{match[1]}{match[1][0]}*[ \t]*$")
    return next((place + 1 for place in range(at + 1, len(lines)) if closes.match(lines[place])), len(lines))


def _plain_lines(lines: Sequence[str], work: Work) -> Iterator[int]:
    at = 0
    while at < len(lines):
        after = _fence_end(lines, at)
        end = after
        if after == at:
            while end < len(lines) and lines[end].strip() and (end == at or not _FENCE.match(lines[end])):
                end += 1
        if not work.take(_cost(lines[at:end] if after == at else lines[at : at + 1])):
            yield from range(at, len(lines))
            return
        if after == at:
            yield from (at + place for place in _plain_places(lines[at:end]))
        at = max(end, at + 1)


def _plain_places(row: Sequence[str]) -> Iterator[int]:
    """Yield the places of plain lines among lines without an empty one between them."""
    if _signs(row) > MOST_SIGNS_IN_A_ROW:
        yield from range(len(row))
        return
    for first, last in _paragraphs(row):
        if _is_costly(row[first:last]):
            yield from range(first, last)
    yield from _ragged_tables(row)


def _ragged_tables(row: Sequence[str]) -> Iterator[int]:
    """Yield the places of tables in which a row has more cells than there are columns."""
    for part in _parted_by_empty_quotes(row):
        columns = MOST_CELLS
        begin = -1
        for place in part[1:]:
            if _DELIMITER.match(row[place]):
                columns = min(columns, sum("-" in cell for cell in row[place].split("|")))
                begin = place - 1 if begin < 0 else begin
            elif begin >= 0 and _has_more_cells(row[place], columns):
                yield from range(begin, part.stop)
                break


def _parted_by_empty_quotes(row: Sequence[str]) -> Iterator[range]:
    ends = [place for place, line in enumerate(row) if not line.strip(_QUOTED)]
    return (range(first, last) for first, last in pairwise([0, *ends, len(row)]))


def _has_more_cells(line: str, columns: int) -> bool:
    """Whether a parser may find more cells than columns; what looks like an item's marker may be one, or a cell."""
    if line.count("|") < columns:
        return False
    readings = (line.lstrip(_QUOTED), line[len(_prefix(line)) :])
    return any(cell.strip() for one in readings for cell in _cells(one)[columns:])


def _cells(line: str) -> list[str]:
    cells = _ESCAPED.sub("..", line).split("|")
    return cells if cells[0].strip() else cells[1:]


def fits(lines: Sequence[str]) -> bool:
    """Return whether a text of these lines, as a whole, costs no more than one text may."""
    return _cost(lines) <= MOST_WORK


def _cost(lines: Sequence[str]) -> int:
    return sum(2 + 2 * _markers(line) + len(_COSTS.findall(line)) + line.count("[") for line in lines if line)


def _paragraphs(row: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Divide lines where one begins an item, a heading or a row of a table."""
    starts = [place for place, line in enumerate(row) if place == 0 or _BEGINS_ITEM.match(line)]
    return pairwise([*starts, len(row)])


def _is_costly(lines: Sequence[str]) -> bool:
    return (
        sum(map(len, lines)) > LONGEST_PARAGRAPH
        or _signs(lines) > MOST_SIGNS
        or any(_depth(line) > DEEPEST or line.count("|") > MOST_CELLS for line in lines)
    )


def _signs(lines: Sequence[str]) -> int:
    return sum(len(_SIGN.findall(line)) for line in lines)


def _markers(line: str) -> int:
    return len(_MARKER.findall(_prefix(line)))


def _prefix(line: str) -> str:
    match = _NESTING.match(line)
    return match[0] if match else ""


def _depth(line: str) -> int:
    """Return how deep a line may be nested: by its markers, and by its indentation, which stands for markers above."""
    markers = _markers(line)
    prefix = _prefix(line).expandtabs(4)
    return markers + (len(prefix) - len(prefix.lstrip(" "))) // 2 if markers else 0
