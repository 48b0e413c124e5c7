"""The rows of all files as arrays: what is a copy of what, and what calls are paid for. No pandas."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from itertools import chain, count
from typing import Generic, TypeVar

import numpy as np

from claude_magic.engine.prices import PriceTable
from claude_magic.transcripts.packs import COUNTED, Pack
from claude_magic.transcripts.tables import Array

K = TypeVar("K", bound=Hashable)


class Rows(Generic[K]):
    """The calls, or the tool uses, of all files.

    Attributes:
        places: the first row of each, by its key.
        copies: rows that are not the first of theirs, and which is.
        turns: of each row, the place of its turn.
        files: of each row, the place of its file.
    """

    def __init__(self) -> None:
        self.places: dict[K, int] = {}
        self.copies: list[tuple[int, int]] = []
        self.turns: list[int] = []
        self.files: list[int] = []

    def add(self, keys: Iterable[K], turns: Iterable[int], file: int) -> None:
        """Add the rows of a file; those that another has already are copies."""
        before, known = len(self.turns), len(self.places)
        firsts = list(map(self.places.setdefault, keys, count(before)))
        if len(self.places) < known + len(firsts):
            self.copies += [(row, first) for row, first in enumerate(firsts, before) if row != first]
        self.turns += turns
        self.files += [file] * len(firsts)

    def counting(self) -> Array:
        """Return the rows that count, in their order."""
        return np.fromiter(self.places.values(), "int64", len(self.places))


class PaidCalls:
    """The calls that count, each in the order it was first met, with what they are paid for as arrays.

    Of the copies of a call in several files, the one that was written last tells the tokens.

    Attributes:
        rows: the place of each among the calls of all files.
        times: when their first record was written, in unix seconds.
        models: names of models, and of each call which it is: `model`.
    """

    def __init__(self, packs: Sequence[Pack], calls: Rows[tuple[str, str | None]]) -> None:
        self.rows = calls.counting()
        times = columns("float64", 2, (pack.calls.times for pack in packs))
        facts = columns("int64", 3 + len(COUNTED), (pack.calls.counts for pack in packs))
        self.times = times[0, self.rows]
        self.is_sidechain = facts[2, self.rows]
        models = [pack.calls.models for pack in packs]
        self.models, self.model = named(models, np.array(calls.files, "int64")[self.rows], facts[1, self.rows])
        counted = facts[3:, _latest(times[1], calls)[self.rows]]
        (
            self.input_tokens, self.output_tokens, self.cache_read_tokens, self.cache_write_5m_tokens,
            self.cache_write_1h_tokens, self.web_searches, self.is_fast, self.is_us,
        ) = counted  # fmt: skip

    def costs(self, prices: PriceTable) -> Array:
        """Return what each cost in US dollars, NaN where its model has no price."""
        costs = np.full(len(self.rows), np.nan)
        for place, name in enumerate(self.models):
            cost = prices.cost(name, self, np.where)
            if cost is not None:
                costs = np.where(self.model == place, cost, costs)
        return costs

    def unpriced(self, costs: Array) -> dict[str, int]:
        """Return the models without a price, and how many calls they answered."""
        found = np.bincount(self.model[np.isnan(costs)], minlength=len(self.models)).tolist()
        return {name or "(no name)": count for name, count in zip(self.models, found, strict=True) if count}


def _latest(seen: Array, calls: Rows[tuple[str, str | None]]) -> Array:
    """Return of each row the place of the copy of its call that was written last."""
    latest = np.arange(len(seen))
    moments = np.nan_to_num(seen)
    for copy, first in calls.copies:
        if moments[copy] > moments[latest[first]]:
            latest[first] = copy
    return latest


def columns(kind: str, count: int, parts: Iterable[bytes]) -> Array:
    """Return the columns of all parts, joined: a row for each of the `count` columns."""
    found = [np.frombuffer(part, kind).reshape(count, -1) for part in parts]
    return np.concatenate(found, axis=1) if found else np.empty((count, 0), kind)


def named(parts: Sequence[Sequence[str]], files: Array, places: Array) -> tuple[list[str], Array]:
    """Return the different names in all parts, and of each row which of them it has.

    Args:
        parts: the different names in each file.
        files: of each row, the place of its file.
        places: of each row, the place of its name among those of its file.
    """
    begins = np.cumsum([0, *map(len, parts)])
    names, number = numbered(chain.from_iterable(parts))
    return names, number[begins[files] + places]


def numbered(values: Iterable[str]) -> tuple[list[str], Array]:
    """Return the different values, and of each value which of them it is."""
    found = list(values)
    known = {value: place for place, value in enumerate(dict.fromkeys(found))}
    return list(known), np.fromiter(map(known.__getitem__, found), "int64", len(found))
