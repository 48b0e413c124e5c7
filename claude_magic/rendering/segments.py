"""Markdown in segments that cost little to render: what would take a parser too long is to be shown as plain text.

Code in fences is a segment of its own as soon as there is plain text to part from, so that it is beyond doubt for the
parser where code begins. `labextension/src/segments.ts` does the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from claude_magic.rendering.limits import DEEPEST, LONGEST_PARAGRAPH, MOST_CELLS, MOST_SIGNS, MOST_SIGNS_IN_A_ROW

_SIGN = re.compile(r"[*_~\[\]<`@&]")
_BEGINS_ITEM = re.compile(r"[ \t>]*(?:[-*+]|\d{1,9}[.)])[ \t]+\S| {0,3}#{1,6}[ \t]| {0,3}\|")
_NESTING = re.compile(r"(?:[ \t]|>|[-*+](?=[ \t])|\d{1,9}[.)](?=[ \t]))*")
_MARKER = re.compile(r">|[-*+]|\d{1,9}[.)]")
_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})")


class Segment(NamedTuple):
    """A stretch of a text.

    Attributes:
        text: its lines.
        is_plain: whether it is to be shown as it is, and not to be parsed.
    """

    text: str
    is_plain: bool


def segments(text: str) -> list[Segment]:
    """Divide a text; joined by line feeds, the segments are the text again."""
    lines = text.split("\n")
    plain = set(_plain_lines(lines))
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


def _plain_lines(lines: Sequence[str]) -> Iterator[int]:
    at = 0
    while at < len(lines):
        after = _fence_end(lines, at)
        if after > at:
            at = after
            continue
        end = at
        while end < len(lines) and lines[end].strip() and (end == at or not _FENCE.match(lines[end])):
            end += 1
        row = lines[at:end]
        if _signs(row) > MOST_SIGNS_IN_A_ROW:
            yield from range(at, end)
        else:
            for first, last in _paragraphs(row):
                if _is_costly(row[first:last]):
                    yield from range(at + first, at + last)
        at = max(end, at + 1)


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


def _depth(line: str) -> int:
    """Return how deep a line may be nested: by its markers, and by its indentation, which stands for markers above."""
    match = _NESTING.match(line)
    prefix = match[0] if match else ""
    markers = len(_MARKER.findall(prefix))
    indent = len(prefix.expandtabs(4)) - len(prefix.expandtabs(4).lstrip(" "))
    return markers + indent // 2 if markers else 0
