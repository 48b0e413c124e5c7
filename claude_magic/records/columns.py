"""The columns of the frames: their names and dtypes, and how each is made of plain values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any

import numpy as np
import pandas as pd

from claude_magic.records.history import within_int64
from claude_magic.strings import utf8_safe

_LAST_MOMENT_S = 9.2e9
"""In the year 2261; nanoseconds in 64 bit reach no further."""

Column = Callable[[list[Any]], Any]
"""Turns the plain values of one column into an array of its dtype."""


def string_column(values: list[Any]) -> Any:
    """Words as they are: dtype `string`, `None` is NA."""
    if pd.StringDtype().storage == "python":
        # They are strings already, so pandas need not look at each one whether it can become one.
        return pd.arrays.StringArray(object_column(values))
    try:
        return pd.array(values, dtype="string")
    except UnicodeEncodeError:
        # Strings kept by pyarrow are UTF-8: half a surrogate pair (from a broken file) cannot be one.
        clean = utf8_safe(values)
        return pd.array(clean, dtype="string")


def optional_string_column(values: list[Any]) -> Any:
    """Words where an empty one means that there is none: dtype `string`, `None` and "" are NA."""
    return string_column([str(value) if value else None for value in values])


def integer_column(values: list[Any]) -> Any:
    """Whole numbers: dtype `Int64`, `None` is NA; one that is too large becomes the largest there is."""
    try:
        if None in values:
            return pd.array(values, dtype="Int64")
        return pd.array(np.array(values, dtype="int64"), dtype="Int64")
    except OverflowError:
        return integer_column([None if value is None else within_int64(value) for value in values])


def float_column(values: list[Any]) -> Any:
    """Money and seconds: dtype `float64`, `None` is NaN."""
    try:
        return np.array(values, dtype="float64")
    except OverflowError:
        return np.array([None if value is None else within_int64(int(value)) for value in values], dtype="float64")


def boolean_column(values: list[Any]) -> Any:
    """Yes or no: dtype `boolean`, `None` is NA."""
    if None in values:
        return pd.array(values, dtype="boolean")
    return pd.array(np.array(values, dtype="bool"), dtype="boolean")


def timestamp_column(values: list[Any]) -> Any:
    """Unix seconds: dtype `datetime64[ns, UTC]`, exact to the microsecond, `None` and what is out of range is NaT."""
    seconds = float_column(values)
    known = np.abs(seconds) < _LAST_MOMENT_S
    micros = np.round(np.where(known, seconds, 0.0) * 1e6).astype("int64")
    stamps = (micros * 1000).astype("datetime64[ns]")
    stamps[~known] = np.datetime64("NaT")
    return pd.DatetimeIndex(stamps, tz="UTC")


def object_column(values: list[Any]) -> Any:
    """Python objects: dtype `object`."""
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


Schema = dict[str, Column]

SESSIONS: Schema = {
    "name": string_column,
    "session_id": optional_string_column,
    "workspace_id": optional_string_column,
    "state": optional_string_column,
    "model": optional_string_column,
    "working_dir": optional_string_column,
    "pid": integer_column,
    "created": timestamp_column,
    "last_used": timestamp_column,
    "turns": integer_column,
    "cost_usd": float_column,
    "simulated": boolean_column,
}
TURNS: Schema = {
    "session": string_column,
    "session_id": optional_string_column,
    "turn": integer_column,
    "turn_id": optional_string_column,
    "model": optional_string_column,
    "started": timestamp_column,
    "duration_s": float_column,
    "ttft_s": float_column,
    "outcome": optional_string_column,
    "error": optional_string_column,
    "num_steps": integer_column,
    "input_tokens": integer_column,
    "output_tokens": integer_column,
    "cache_read_tokens": integer_column,
    "cache_write_tokens": integer_column,
    "cost_usd": float_column,
    "estimated": boolean_column,
    "tool_uses": integer_column,
    "prompt": string_column,
    "text": string_column,
    "simulated": boolean_column,
    "prompted": boolean_column,
    "map_id": optional_string_column,
}
MESSAGES: Schema = {
    "session": string_column,
    "turn": integer_column,
    "turn_id": optional_string_column,
    "time": timestamp_column,
    "role": optional_string_column,
    "kind": optional_string_column,
    "text": string_column,
}
TOOLS: Schema = {
    "session": string_column,
    "turn": integer_column,
    "turn_id": optional_string_column,
    "tool_use_id": optional_string_column,
    "parent_tool_use_id": optional_string_column,
    "name": optional_string_column,
    "input": string_column,
    "started": timestamp_column,
    "duration_s": float_column,
    "is_error": boolean_column,
    "permission": optional_string_column,
    "result_chars": integer_column,
}
SPANS: Schema = {
    "session": string_column,
    "turn": integer_column,
    "turn_id": optional_string_column,
    "kind": optional_string_column,
    "name": optional_string_column,
    "started": timestamp_column,
    "duration_s": float_column,
}
VARIABLES: Schema = {
    "session": string_column,
    "turn": integer_column,
    "turn_id": optional_string_column,
    "name": string_column,
    "change": string_column,
    "type": optional_string_column,
    "size": optional_string_column,
}
CELLS: Schema = {
    "session": string_column,
    "turn": integer_column,
    "turn_id": optional_string_column,
    "cell_id": optional_string_column,
    "change": string_column,
    "accepted": boolean_column,
    "source": string_column,
}
LOGS: Schema = {
    "time": timestamp_column,
    "session": string_column,
    "session_id": optional_string_column,
    "turn_id": optional_string_column,
    "level": optional_string_column,
    "source": optional_string_column,
    "type": optional_string_column,
    "message": string_column,
}
LOG_SUMMARY: Schema = {
    "session": string_column,
    "total_lines": integer_column,
    "error_count": integer_column,
    "warning_count": integer_column,
    "tool_usages": object_column,
}
METRICS: Schema = {
    "total_requests": integer_column,
    "success_requests": integer_column,
    "failed_requests": integer_column,
    "avg_response_time_s": float_column,
    "p50_response_time_s": float_column,
    "p95_response_time_s": float_column,
    "active_sessions": integer_column,
    "created": integer_column,
    "reused": integer_column,
    "destroyed": integer_column,
    "waiting": integer_column,
}


def to_frame(records: Iterable[Any], schema: Schema) -> pd.DataFrame:
    """Return one row per record, with exactly the columns of `schema`, made column by column.

    Args:
        records: objects that have an attribute for each column.
        schema: names of the columns in order, and what makes each.
    """
    rows = records if isinstance(records, Sequence) else list(records)
    columns = {name: column(list(map(attrgetter(name), rows))) for name, column in schema.items()}
    return pd.DataFrame(columns, copy=False)
