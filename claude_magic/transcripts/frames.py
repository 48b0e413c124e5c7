"""Frames of tables that were read from session files, with the columns and dtypes of the live frames."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from claude_magic.records.columns import SESSIONS, TOOLS, TURNS, Schema, to_frame
from claude_magic.records.columns import boolean_column as flag
from claude_magic.records.columns import float_column as number
from claude_magic.records.columns import integer_column as count
from claude_magic.records.columns import optional_string_column as word
from claude_magic.records.columns import string_column as text
from claude_magic.records.columns import timestamp_column as moment
from claude_magic.transcripts.history import FoundProblem
from claude_magic.transcripts.tables import (
    NO_COUNT,
    Column,
    Counts,
    Flags,
    Numbers,
    Repeated,
    Table,
    Texts,
    Unknown,
    Words,
)

USAGE: Schema = {
    "time": moment,
    "session_id": word,
    "turn_id": word,
    "message_id": word,
    "request_id": word,
    "model": word,
    "is_sidechain": flag,
    "input_tokens": count,
    "output_tokens": count,
    "cache_read_tokens": count,
    "cache_write_5m_tokens": count,
    "cache_write_1h_tokens": count,
    "cost_usd": number,
    "estimated": flag,
}
PROBLEMS: Schema = {"file": text, "line": count, "offset": count, "reason": text}
SCHEMAS: dict[str, Schema] = {"sessions": SESSIONS, "turns": TURNS, "tools": TOOLS, "usage": USAGE}


def table_frame(table: Table, schema: Schema) -> pd.DataFrame:
    """Return a frame with exactly the columns of `schema`.

    Args:
        table: a column for each.
        schema: names of the columns in order, and what makes each.
    """
    return pd.DataFrame({name: _array(table[name], schema[name]) for name in schema}, copy=False)


def problems_frame(problems: list[FoundProblem]) -> pd.DataFrame:
    """Return one row per line that could not be used."""
    return to_frame(problems, PROBLEMS)


def _array(column: Column, make: Callable[[list[Any]], Any]) -> Any:
    """Return a column as the array that `make` would make of its values."""
    if isinstance(column, Words | Texts):
        return text(column.values)
    if isinstance(column, Repeated):
        return text(column.values).take(np.frombuffer(column.places, "int32"))
    if isinstance(column, Unknown):
        return make([None] * column.length)
    if isinstance(column, Numbers):
        values = np.frombuffer(column.data, "float64")
        return make(values) if make is moment else values.copy()  # type: ignore[arg-type]  # an array is as good
    if isinstance(column, Counts):
        return _masked(np.frombuffer(column.data, "int64"), pd.arrays.IntegerArray)
    assert isinstance(column, Flags)
    return _masked(np.frombuffer(column.data, "int8"), pd.arrays.BooleanArray)


def _masked(values: Any, kind: Any) -> Any:
    missing = values == NO_COUNT
    whole = values.astype("bool") if kind is pd.arrays.BooleanArray else values.copy()
    return kind(whole, missing)
