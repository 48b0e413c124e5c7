"""A DataFrame in words: columns with types, gaps and ranges, and some rows; also of tables with millions of rows.

Everything but shape, types and memory comes from at most 100,000 rows, evenly spaced. Cells are shown by `preview`, and
columns of objects are counted and ordered only where all that was looked at is plain, so nothing of the user's runs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from claude_magic.values.previews import (
    class_name,
    is_kind_of,
    is_of,
    is_plain,
    is_plain_type,
    preview,
    size_words,
    table,
)

MOST_SAMPLED = 100_000
MOST_COLUMNS = 200
_HEAD, _SAMPLED = 5, 5
_MOST_MEASURED = 1000
"""Columns whose memory is added up, which takes microseconds for each."""
_CELL = 60
_WIDEST = 30
"""Columns of the rows that are shown."""


def is_table(value: Any) -> bool:
    """Whether a value is a table of pandas, polars or pyarrow."""
    return is_kind_of(value, "pandas", "DataFrame", "Series") or _is_other_table(value)


def _is_other_table(value: Any) -> bool:
    return is_of(value, "polars", "DataFrame", "Series", "LazyFrame") or is_of(value, "pyarrow", "Table", "RecordBatch")


def shape_words(value: Any) -> str:
    """Return the size of a table, such as `1,000 rows × 5 columns, 41.2 kB`; "" where only code of its own knows it."""
    frame = plain_frame(value)
    if frame is not None:
        rows, columns = frame.shape
        memory = f", {size_words(_memory(frame))}" if columns <= _MOST_MEASURED else ""
        return f"{rows:,} rows × {columns:,} columns{memory}"
    if is_of(value, "polars", "DataFrame"):
        return f"{value.height:,} rows × {value.width:,} columns, {size_words(value.estimated_size())}"
    if is_of(value, "pyarrow", "Table", "RecordBatch"):
        return f"{value.num_rows:,} rows × {value.num_columns:,} columns, {size_words(value.nbytes)}"
    return ""


def plain_frame(value: Any) -> Any:
    """Return a table of pandas as exactly a `DataFrame`, without a copy; `None` for anything else.

    A class that is derived from `DataFrame` may have properties of its own, so its data is taken out of it.
    """
    pandas = sys.modules.get("pandas")
    if pandas is None:
        return None
    if is_of(value, "pandas", "DataFrame"):
        return value
    if is_of(value, "pandas", "Series"):
        name = value.name if is_plain(value.name) and value.name is not None else "value"
        return pandas.DataFrame({name: value}, copy=False)
    if is_kind_of(value, "pandas", "DataFrame"):
        try:
            manager = object.__getattribute__(value, "_mgr")
            return pandas.DataFrame._from_mgr(manager, manager.axes)
        except Exception:  # another pandas keeps its data elsewhere
            return None
    return None


def _memory(frame: Any) -> int:
    return int(frame.memory_usage(index=True, deep=False).sum())


def table_text(value: Any) -> str:
    """Return what there is to know about a table: its size, its columns, and some of its rows."""
    frame = plain_frame(value)
    size = shape_words(value)
    if frame is None:
        return "\n\n".join(filter(None, [size, *_other_table(value)]))
    sample, note = _evenly_spaced(frame)
    words = [f"{size} (objects not counted)" if _has_objects(frame) else size, f"index: {_index_words(frame)}"]
    parts = ["\n".join(words), "\n".join(filter(None, [_columns(sample, frame), note]))]
    return "\n\n".join([*parts, *_rows(frame)])


def _has_objects(frame: Any) -> bool:
    return any(kind.kind == "O" for kind in frame.dtypes if hasattr(kind, "kind"))


def _index_words(frame: Any) -> str:
    index = frame.index
    kind = class_name(type(index)).rpartition(".")[2]
    if len(index) == 0:
        return f"{kind}, empty"
    names = [preview(name, _CELL) for name in index.names if name is not None]
    return f"{kind}{f' {names}' if names else ''}, {preview(index[0], _CELL)} … {preview(index[-1], _CELL)}"


def _evenly_spaced(frame: Any) -> tuple[Any, str]:
    rows = len(frame)
    step = -(-rows // MOST_SAMPLED)
    if step <= 1:
        return frame, ""
    sample = frame.iloc[::step]
    return sample, f"(missing, unique and ranges are of {len(sample):,} evenly spaced rows)"


def _columns(sample: Any, frame: Any) -> str:
    head = ["column", "dtype", "missing", "unique", "min", "median", "max"]
    shown = min(len(frame.columns), MOST_COLUMNS)
    rows = [_column_row(frame.columns[place], sample.iloc[:, place]) for place in range(shown)]
    left = len(frame.columns) - shown
    more = f"\n… and {left:,} more columns" if left > 0 else ""
    return table(head, rows) + more


def _column_row(name: Any, column: Any) -> list[str]:
    kind = str(column.dtype)
    try:
        missing = f"{int(column.isna().sum()):,}"
        return [_label(name), kind, missing, *_facts(column)]
    except Exception:  # an extension type may lack any of these
        return [_label(name), kind, "", "", "", "", ""]


def _label(name: Any) -> str:
    """Return the name of a column or row."""
    return name[:_CELL] if type(name) is str else preview(name, _CELL)


def _facts(column: Any) -> list[str]:
    """Return number of different values, least, middle and greatest one, as far as telling them runs nothing."""
    kind = getattr(column.dtype, "kind", "")
    if kind == "O" and not all(map(is_plain_type, set(map(type, column.tolist())))):
        return ["", "", "", ""]
    unique = f"{int(column.nunique()):,}"
    if kind not in "iufmM":
        return [unique, "", "", ""]
    least, middle, greatest = column.min(), column.median(), column.max()
    return [unique, _number(least), _number(middle), _number(greatest)]


def _number(value: Any) -> str:
    try:
        return f"{value:,.6g}" if isinstance(float(value), float) else ""
    except (TypeError, ValueError):
        return preview(value, _CELL)


def _rows(frame: Any) -> Iterator[str]:
    rows = len(frame)
    if rows == 0:
        return
    yield f"First {min(_HEAD, rows)} rows:\n\n{_rows_text(frame.iloc[:_HEAD])}"
    if rows > 2 * (_HEAD + _SAMPLED):
        step = rows // (_SAMPLED + 1)
        yield f"{_SAMPLED} rows from the middle:\n\n{_rows_text(frame.iloc[step::step][:_SAMPLED])}"


def _rows_text(frame: Any) -> str:
    shown = min(frame.shape[1], _WIDEST)
    names = [_label(name) for name in frame.columns[:shown]]
    columns = [[preview(cell, _CELL) for cell in frame.iloc[:, place].tolist()] for place in range(shown)]
    labels = [_label(label) for label in frame.index]
    more = ["…"] if frame.shape[1] > shown else []
    return table(["", *names, *more], [[label, *cells, *more] for label, *cells in zip(labels, *columns, strict=True)])


def _other_table(value: Any) -> Iterator[str]:
    """Yield columns and rows of a table of polars or pyarrow."""
    if is_of(value, "polars", "LazyFrame"):
        yield "It has not been computed; run_python can collect a part of it."
        return
    if is_of(value, "polars", "Series"):
        value = value.to_frame()
    if is_of(value, "polars", "DataFrame"):
        sample = value.gather_every(-(-max(1, value.height) // MOST_SAMPLED))
        gaps = sample.null_count().row(0)
        rows = [
            [name, str(kind), f"{gap:,}"] for name, kind, gap in zip(value.columns, value.dtypes, gaps, strict=True)
        ]
        yield table(["column", "dtype", "missing"], rows[:MOST_COLUMNS])
        first = value.head(_HEAD)
        names, records = first.columns[:_WIDEST], first.rows()
    else:
        fields = list(value.schema)[:MOST_COLUMNS]
        yield table(["column", "dtype"], [[field.name, str(field.type)] for field in fields])
        names = [field.name for field in fields[:_WIDEST]]
        records = [tuple(record.values()) for record in value.slice(0, _HEAD).to_pylist()]
    cells = [[preview(cell, _CELL) for cell in record[:_WIDEST]] for record in records]
    yield f"First {len(cells)} rows:\n\n{table(names, cells)}"
