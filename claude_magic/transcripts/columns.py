"""Columns as Arrow has them: quick to store, to load and to make frames of, without a look at single values."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd

from claude_magic.records.columns import (
    SESSIONS,
    TOOLS,
    TURNS,
    Schema,
    boolean_column,
    float_column,
    integer_column,
    optional_string_column,
    string_column,
    timestamp_column,
)

Array = npt.NDArray[Any]


class String(msgspec.Struct, array_like=True, tag=True):
    """Texts; `None` is NA."""

    values: list[str | None]


class Dictionary(msgspec.Struct, array_like=True, tag=True):
    """Texts of which few are different: each of them once, and the index of the one in each row (int32)."""

    values: list[str | None]
    indices: bytes


class Primitive(msgspec.Struct, array_like=True, tag=True):
    """Numbers or flags, and for each row whether it is NA (bool); no mask where none is. A float's NaN is NA, too."""

    dtype: str
    data: bytes
    mask: bytes = b""


Column = String | Dictionary | Primitive
Table = dict[str, Column]
"""Columns by name, all of one length."""

USAGE: Schema = {
    "time": timestamp_column,
    "session_id": optional_string_column,
    "turn_id": optional_string_column,
    "message_id": optional_string_column,
    "request_id": optional_string_column,
    "model": optional_string_column,
    "is_sidechain": boolean_column,
    "input_tokens": integer_column,
    "output_tokens": integer_column,
    "cache_read_tokens": integer_column,
    "cache_write_5m_tokens": integer_column,
    "cache_write_1h_tokens": integer_column,
    "cost_usd": float_column,
    "estimated": boolean_column,
}
SCHEMAS: dict[str, Schema] = {"sessions": SESSIONS, "turns": TURNS, "tools": TOOLS, "usage": USAGE}
PROBLEMS: Schema = {"file": string_column, "line": integer_column, "offset": integer_column, "reason": string_column}


# ---- from values ----


def string(values: Iterable[str | None]) -> String:
    """Make a column of texts; an empty one stays what it is."""
    return String(list(values))


def dictionary(values: Iterable[str | None], indices: Array | None = None) -> Dictionary:
    """Make a column of texts that repeat; an empty one is NA.

    Args:
        values: the text of each row, or what `indices` point at.
        indices: of each row, the place of its text among the values.
    """
    if indices is not None:
        return Dictionary([value or None for value in values], indices.astype("int32").tobytes())
    places: dict[str | None, int] = {}
    found = [places.setdefault(value or None, len(places)) for value in values]
    return Dictionary(list(places), np.array(found, "int32").tobytes())


def unknown(count: int) -> Dictionary:
    """Make a column of texts of which the session files know nothing."""
    return dictionary([None] * count)


def int64(values: Array | Iterable[int | None]) -> Primitive:
    """Make a column of whole numbers; `None` is NA."""
    return _masked("int64", values)


def boolean(values: Iterable[bool | None]) -> Primitive:
    """Make a column of flags; `None` is NA."""
    return _masked("bool", values)


def float64(values: Array | Iterable[float | None]) -> Primitive:
    """Make a column of numbers or of unix seconds; `None` and NaN are NA."""
    return Primitive("float64", _array("float64", values).tobytes())


def _masked(dtype: str, values: Array | Iterable[Any]) -> Primitive:
    listed = values if isinstance(values, np.ndarray) else list(values)
    if isinstance(listed, np.ndarray) or None not in listed:
        return Primitive(dtype, _array(dtype, listed).tobytes())
    known = [0 if value is None else value for value in listed]
    mask = [value is None for value in listed]
    return Primitive(dtype, _array(dtype, known).tobytes(), _array("bool", mask).tobytes())


def _array(dtype: str, values: Array | Iterable[Any]) -> Array:
    return np.asarray(values if isinstance(values, np.ndarray) else list(values), dtype)


# ---- to bytes and back ----

encode_table = msgspec.msgpack.Encoder().encode
decode_table = msgspec.msgpack.Decoder(Table).decode
"""Return the table that `encode_table` made bytes of.

Raises:
    msgspec.DecodeError: they are something else.
"""


def redacted(table: Table, clean: Callable[[str], str]) -> Table:
    """Return a table whose texts are without secrets."""
    return {name: _redacted(column, clean) for name, column in table.items()}


def _redacted(column: Column, clean: Callable[[str], str]) -> Column:
    if isinstance(column, String | Dictionary):
        return msgspec.structs.replace(column, values=[value and clean(value) for value in column.values])
    return column


# ---- to frames ----


def table_frame(table: Table, schema: Schema) -> pd.DataFrame:
    """Return a frame with exactly the columns of `schema`, and its dtypes."""
    return pd.DataFrame({name: _extension_array(table[name], schema[name]) for name in schema}, copy=False)


def _extension_array(column: Column, make: Callable[[list[Any]], Any]) -> Any:
    """Return a column as the array that `make` would make of its values."""
    if isinstance(column, String):
        return string_column(column.values)
    if isinstance(column, Dictionary):
        return string_column(column.values).take(np.frombuffer(column.indices, "int32"))
    values = np.frombuffer(column.data, column.dtype).copy()  # the frame's own: a buffer of bytes cannot be changed
    if column.dtype == "float64":
        return make(values) if make is timestamp_column else values  # type: ignore[arg-type]  # an array is as good as a list
    mask = np.frombuffer(column.mask, "bool").copy() if column.mask else np.zeros(len(values), "bool")
    return (pd.arrays.IntegerArray if column.dtype == "int64" else pd.arrays.BooleanArray)(values, mask)
