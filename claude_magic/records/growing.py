"""`GrowingFrame`: a frame of records that is asked for again and again, made from only what is new."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

_MOST_PIECES = 200
"""Columns that pyarrow keeps grow by chunks; with too many of them everything else gets slow."""


class GrowingFrame:
    """Remembers the frame of the last call, and converts only the records that were not there then.

    Records are known by themselves and not by a count, so that the frame is right whatever happened between two
    calls: oldest ones dropped, one replaced by a changed copy, those of a session forgotten.

    It may be called on several threads: what it remembers is exchanged in one step, and at worst work is done twice.

    Args:
        convert: makes the frame of some records, its index from 0.
    """

    def __init__(self, convert: Callable[[Sequence[Any]], pd.DataFrame]) -> None:
        self._convert = convert
        self._last: tuple[Sequence[Any], pd.DataFrame, int] = ([], convert([]), 1)

    def of(self, records: Sequence[Any]) -> pd.DataFrame:
        """Return one row per record; the frame is the caller's own.

        Args:
            records: all of them, oldest first; this sequence does not change any more.
        """
        known, frame, pieces = self._last
        begin, same = overlap(known, records)
        if same == 0 or pieces >= _MOST_PIECES:
            frame, pieces = self._convert(records), 1
        else:
            if same < len(known):
                frame = frame.iloc[begin : begin + same].reset_index(drop=True)
            if same < len(records):
                frame = pd.concat([frame, self._convert(records[same:])], ignore_index=True)
                pieces += 1
        self._last = (records, frame, pieces)
        return frame.copy()


def overlap(known: Sequence[Any], records: Sequence[Any]) -> tuple[int, int]:
    """Return where in `known` the first of `records` stands, and how many of them go on alike from there."""
    first = records[0] if records else None
    begin = next((place for place, record in enumerate(known) if record is first), len(known))
    same = min(len(known) - begin, len(records))
    # Comparing lists looks at identity first, so that nothing is looked into but what has changed.
    if list(known[begin : begin + same]) != list(records[:same]):
        pairs = zip(known[begin:], records, strict=False)
        same = next(place for place, (old, new) in enumerate(pairs) if old is not new)
    return begin, same
