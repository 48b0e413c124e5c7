"""A DataFrame in words: columns with types, gaps and ranges, and some rows; also of tables with millions of rows.

Everything but shape, types and memory comes from at most 100,000 rows, evenly spaced. Cells are shown by `preview`, and
columns of objects are counted and ordered only where all that was looked at is plain, so nothing of the user's runs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from claude_magic.secret_values import may_be_secret
from claude_magic.values.hiding import is_secret_column
from claude_magic.values.previews import (
    are_plain,
    class_name,
    fields_of,
    is_from,
    is_kind_of,
    is_of,
    is_one_of,
    is_plain,
    is_plain_zone,
    preview,
    size_words,
    table,
)

MOST_SAMPLED = 100_000
MOST_COLUMNS = 200
_MANAGERS = "pandas.core.internals.managers"
_HEAD, _SAMPLED = 5, 5
_MOST_MEASURED = 1000
"""Columns whose memory is added up, which takes microseconds for each."""
_CELL = 60
_WIDEST = 30
"""Columns of the rows that are shown."""


def is_table(value: Any) -> bool:
    """Whether a value is a table of pandas, polars or pyarrow."""
    return _manager(value) is not None or _is_other_table(value)


def _is_other_table(value: Any) -> bool:
    return is_of(value, "polars", "DataFrame", "Series", "LazyFrame") or is_of(value, "pyarrow", "Table", "RecordBatch")


def shape_words(value: Any) -> str:
    """Return the size of a table, such as `1,000 rows × 5 columns, 41.2 kB`; "" where only code of its own knows it."""
    frame = plain_frame(value)
    if frame is not None:
        rows, columns = len(frame), frame.shape[1] + len(unseen_columns(value))
        memory = f", {size_words(_memory(frame))}" if columns <= _MOST_MEASURED else ""
        return f"{rows:,} rows × {columns:,} columns{memory}"
    if is_of(value, "polars", "DataFrame"):
        return f"{value.height:,} rows × {value.width:,} columns, {size_words(value.estimated_size())}"
    if is_of(value, "pyarrow", "Table", "RecordBatch"):
        return f"{value.num_rows:,} rows × {value.num_columns:,} columns, {size_words(value.nbytes)}"
    return ""


def dimensions(value: Any) -> tuple[int, ...]:
    """Return the sizes of a table or an array, rows first; `()` of anything else."""
    manager = _manager(value)
    if manager is not None:
        axes = manager.axes[::-1]
        return tuple(map(len, axes)) if all(map(_is_plain_index, axes)) else ()
    if is_of(value, "numpy", "ndarray") or is_of(value, "polars", "DataFrame"):
        return tuple(value.shape)
    return (value.num_rows, value.num_columns) if is_of(value, "pyarrow", "Table", "RecordBatch") else ()


def plain_frame(value: Any) -> Any:
    """Return a table of pandas as exactly a `DataFrame`, without a copy; `None` for anything else.

    A class that is derived from `DataFrame` may have properties of its own, so its data is taken out of it. So may the
    type of a column: such columns are left out (`unseen_columns` names them), and an index of such a type becomes
    numbers. Nor does it have the `attrs` of the table, which pandas copies with their own code.
    """
    pandas = sys.modules.get("pandas")
    manager = _manager(value)
    if pandas is None or manager is None:
        return None
    kept, unseen = _split(manager)
    columns, index = (None, manager.axes[0]) if len(manager.axes) == 1 else manager.axes
    if columns is None:
        name = fields_of(value).get("_name")
        labels = [name if is_plain(name) and name is not None else "value"]
    elif not _is_plain_index(columns):
        return None
    elif not unseen and _is_plain_index(index):
        return pandas.DataFrame._from_mgr(manager, manager.axes)
    # With its type an array of objects is taken as it is, without asking them what they are.
    series = {place: pandas.Series(kept[place], dtype=kept[place].dtype, copy=False) for place in sorted(kept)}
    frame = pandas.DataFrame(series, copy=False)
    frame.columns = labels[: len(kept)] if columns is None else columns.take(sorted(kept))
    if _is_plain_index(index) and len(index) == len(frame):
        frame.index = index
    return frame


def numbered(frame: Any) -> Any:
    """Return a DataFrame with numbers for the names of its columns: pandas takes the hash of the name of a Series."""
    made = frame.copy(deep=False)
    made.columns = range(frame.shape[1])
    return made


def unseen_columns(value: Any) -> list[str]:
    """Return the columns of a table of pandas that are not looked at, as the code of their types is not pandas' own."""
    manager = _manager(value)
    if manager is None:
        return []
    names = list(manager.axes[0]) if len(manager.axes) == 2 and _is_plain_index(manager.axes[0]) else []
    return [
        f"{_label(names[place]) if names else 'values'} ({class_name(type(array))})"
        for place, array in sorted(_split(manager)[1].items())
    ]


def _manager(value: Any) -> Any:
    """Return where a DataFrame or Series of pandas, or of a class derived from it, has its data."""
    if not is_kind_of(value, "pandas", "DataFrame", "Series"):
        return None
    manager = fields_of(value).get("_mgr")
    return manager if is_of(manager, _MANAGERS, "BlockManager", "SingleBlockManager") else None


def _split(manager: Any) -> tuple[dict[int, Any], dict[int, Any]]:
    """Return the arrays of the columns by place: those of known types, and those of other ones."""
    kept: dict[int, Any] = {}
    unseen: dict[int, Any] = {}
    for block in manager.blocks:
        array = block.values
        places = block.mgr_locs.as_array.tolist() if len(manager.axes) == 2 else [0]
        if not _is_plain_array(array):
            unseen |= dict.fromkeys(places, array)
        elif len(manager.axes) == 2 and array.ndim == 2:
            kept |= {place: array[row] for row, place in enumerate(places)}
        else:
            kept |= dict.fromkeys(places, array)
    return kept, unseen


def _is_plain_array(array: Any) -> bool:
    """Whether the values of a column are in an array of numpy or pandas, whose code is theirs alone."""
    if is_of(array, "numpy", "ndarray"):
        return True
    if not is_from(type(array), "pandas"):
        return False
    if is_of(array, "pandas.arrays", "DatetimeArray"):
        return is_plain_zone(array.tz)
    arrow = fields_of(array).get("_pa_array")
    return arrow is None or is_from(type(arrow.type), "pyarrow")


def _is_plain_index(index: Any) -> bool:
    if not is_from(type(index), "pandas"):
        return False
    fields = fields_of(index)
    levels = fields.get("_levels") or ()
    return ("_data" not in fields or _is_plain_array(fields["_data"])) and all(map(_is_plain_index, levels))


def _memory(frame: Any) -> int:
    return int(frame.memory_usage(index=True, deep=False).sum())


def table_text(value: Any) -> str:
    """Return what there is to know about a table: its size, its columns, and some of its rows."""
    frame = plain_frame(value)
    size = shape_words(value)
    if frame is None and not _is_other_table(value):
        return "its columns cannot be looked at without code of its own"
    if frame is None:
        return "\n\n".join(filter(None, [size, *_other_table(value)]))
    sample, note = _evenly_spaced(frame)
    words = [f"{size} (objects not counted)" if _has_objects(frame) else size, f"index: {_index_words(frame)}"]
    unseen = unseen_columns(value)
    other = (
        f"not looked at, as their types have code of their own: {', '.join(unseen[:MOST_COLUMNS])}" if unseen else ""
    )
    parts = ["\n".join(words), "\n".join(filter(None, [_columns(sample, frame), note, other]))]
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
    shown, sample = min(len(frame.columns), MOST_COLUMNS), numbered(sample)
    rows = [_column_row(frame.columns[place], sample.iloc[:, place]) for place in range(shown)]
    left = len(frame.columns) - shown
    more = f"\n… and {left:,} more columns" if left > 0 else ""
    return table(head, rows) + more


def _column_row(name: Any, column: Any) -> list[str]:
    kind = str(column.dtype)
    try:
        if column.dtype.kind == "O" and not are_plain(values := column.tolist()):
            return [_label(name), kind, f"{sum(map(_is_missing, values)):,}", "", "", "", ""]
        missing = f"{int(column.isna().sum()):,}"
        return [_label(name), kind, missing, *_facts(column)]
    except Exception:  # an extension type may lack any of these
        return [_label(name), kind, "", "", "", "", ""]


def _is_missing(value: Any) -> bool:
    return value is None or (type(value) is float and value != value) or is_of(value, "pandas", "NaT", "NA")


def _label(name: Any) -> str:
    """Return the name of a column or row."""
    return name[:_CELL] if type(name) is str else preview(name, _CELL)


def _facts(column: Any) -> list[str]:
    """Return number of different values, least, middle and greatest one."""
    kind = column.dtype.kind
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
    cells = numbered(frame)
    columns = [
        [cell_text(name, cell) for cell in cells.iloc[:, place].tolist()]
        for place, name in enumerate(frame.columns[:shown])
    ]
    labels = [_label(label) for label in frame.index]
    more = ["…"] if frame.shape[1] > shown else []
    return table(["", *names, *more], [[label, *cells, *more] for label, *cells in zip(labels, *columns, strict=True)])


def cell_text(name: Any, cell: Any) -> str:
    """Return a cell of a column; of a column that is called `password` only what cannot be one."""
    is_text = is_one_of(type(cell), (str, bytes))
    if is_text and type(name) is str and is_secret_column(name) and may_be_secret(str(cell)):
        return "(secret)"
    return preview(cell, _CELL)


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
        known = [place for place, kind in enumerate(value.schema.types) if is_from(type(kind), "pyarrow")]
        if len(known) < value.num_columns:
            yield f"{value.num_columns - len(known)} columns are not looked at: their types have code of their own."
        value = value.select(known)
        fields = list(value.schema)[:MOST_COLUMNS]
        yield table(["column", "dtype"], [[field.name, str(field.type)] for field in fields])
        names = [field.name for field in fields[:_WIDEST]]
        records = [tuple(record.values()) for record in value.slice(0, _HEAD).to_pylist()]
    cells = [[cell_text(name, cell) for name, cell in zip(names, record, strict=False)] for record in records]
    yield f"First {len(cells)} rows:\n\n{table(names, cells)}"
