"""An answer as data (the CLI's StructuredOutput): as a table of its records, or as names and values."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

STRUCTURED_TOOL = "StructuredOutput"
_MOST_ROWS = 20
_MOST_COLUMNS = 12
_MOST_KEYS = 200


@dataclass(frozen=True, slots=True)
class Table:
    """What an answer as data looks like.

    Attributes:
        name: what the records are called; "" where there are none, and the rows are names and values.
        columns: their names; empty for names and values.
        rows: as text.
        left_out: how many rows are not among them.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left_out: int = 0


def table_of(given: dict[str, Any]) -> Table:
    """Return the table of an answer.

    Args:
        given: the answer; of one list of records these are the rows.
    """
    (name, records) = next(iter(given.items())) if len(given) == 1 else ("", None)
    if isinstance(records, list) and records and all(isinstance(one, dict) for one in records):
        columns = tuple(dict.fromkeys(str(key) for one in records[:_MOST_ROWS] for key in one))[:_MOST_COLUMNS]
        rows = tuple(tuple(words_of(one.get(key, "")) for key in columns) for one in records[:_MOST_ROWS])
        return Table(str(name), columns, rows, max(0, len(records) - _MOST_ROWS))
    pairs = tuple((str(key), words_of(value)) for key, value in given.items())
    return Table("", (), pairs[:_MOST_ROWS], max(0, len(pairs) - _MOST_ROWS))


def words_of(value: Any) -> str:
    """Return a value as a reader wants it: a text as it is, a list of texts with commas, anything else as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        return ", ".join(value)
    return json.dumps(value, ensure_ascii=False, default=str)


def keys_in_order(value: Any) -> list[str]:
    """Return every key in a value, each once, in the order they came: a notebook file sorts them."""
    keys: dict[str, None] = {}
    for key in _keys(value):
        keys.setdefault(key)
        if len(keys) >= _MOST_KEYS:
            break
    return list(keys)


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from map(str, value)
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _keys(item)
