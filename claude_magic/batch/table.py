"""The data of a map: a DataFrame, a Series or a list in; rows out, and a result of the same kind back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from claude_magic.batch.template import plain_value
from claude_magic.values.tables import is_frame, is_series

VALUE = "value"
"""Name of the one column of a Series without a name, and of a list of plain values."""


@dataclass(frozen=True)
class MapData:
    """The rows of some data, whatever it is.

    Attributes:
        columns: the names that a template may use.
        rows: how many rows there are.
        kind: "pandas", "polars" or "list".
        index: the index of pandas data, else `None`.
    """

    columns: list[str]
    rows: int
    kind: str
    index: Any
    _column: Callable[[str], Sequence[Any]]

    def values(self, names: Iterable[str]) -> Callable[[int], dict[str, Any]]:
        """Return what brings the plain values of some columns for a position."""
        columns = {name: self._column(name) for name in names}
        return lambda position: {name: plain_value(column[position]) for name, column in columns.items()}

    def label(self, position: int) -> Any:
        """Return the label of a row: of its index, else its position."""
        return self.index[position] if self.index is not None else position


def table_of(data: Any) -> MapData:
    """Return data as a table. Nothing of it is copied but what a template uses.

    Args:
        data: a DataFrame or Series of pandas or polars, or a list (of values, or of dicts).

    Raises:
        ValueError: it is none of these, or two columns have the same name.
    """
    if is_frame(data):
        return _of_pandas(data) if hasattr(data, "iloc") else _of_polars(data)
    if is_series(data):
        name = VALUE if data.name in (None, "") else data.name
        return table_of(data.to_frame(name) if hasattr(data, "iloc") else data.alias(name).to_frame())
    if isinstance(data, list | tuple):
        return _of_list(list(data))
    raise ValueError(
        f"A map takes a DataFrame or a Series of pandas or polars, or a list; not {type(data).__name__}. "
        "Nothing was sent."
    )


def _of_pandas(frame: Any) -> MapData:
    names = _unique([str(name) for name in frame.columns])
    levels = [level for level in frame.index.names if level is not None and str(level) not in names]

    def column(name: str) -> Any:
        values = frame.iloc[:, names.index(name)] if name in names else frame.index.get_level_values(name)
        return values.array

    return MapData(names + [str(level) for level in levels], len(frame), "pandas", frame.index, column)


def _of_polars(frame: Any) -> MapData:
    return MapData(list(frame.columns), frame.height, "polars", None, lambda name: frame[name])


def _of_list(rows: list[Any]) -> MapData:
    if rows and all(isinstance(row, Mapping) for row in rows):
        names = list(dict.fromkeys(str(name) for row in rows for name in row))
        return MapData(names, len(rows), "list", None, lambda name: [row.get(name) for row in rows])
    return MapData([VALUE], len(rows), "list", None, lambda name: rows)


def _unique(names: list[str]) -> list[str]:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(
            f"Two columns have the name {twice!r}: rename one, or select the one to use. Nothing was sent."
        )
    return names


def given_back(frame: Any, table: MapData) -> Any:
    """Return the result in the form of the data.

    Args:
        frame: the result as a pandas DataFrame, one row per row of the data.
        table: the data.
    """
    if table.kind == "polars":
        import polars

        return (
            polars.DataFrame({name: _for_polars(frame[name]) for name in frame.columns}, strict=False)
            if len(frame.columns)
            else polars.DataFrame()
        )
    if table.kind == "list":
        plain = frame.astype(object).where(frame.notna(), None)
        return plain.to_dict("records")
    return frame


def _for_polars(column: Any) -> Any:
    import polars

    values = [None if _is_na(value) else value for value in column.astype(object)]
    kinds = {"string": polars.String, "Int64": polars.Int64, "float64": polars.Float64, "boolean": polars.Boolean}
    kind: Any = kinds.get(str(column.dtype))
    if str(column.dtype) == "category":
        kind = polars.Enum([str(word) for word in column.cat.categories])
    return polars.Series(column.name, values, dtype=kind, strict=False)


def _is_na(value: Any) -> bool:
    return (
        value is None or type(value).__name__ in ("NAType", "NaTType") or (isinstance(value, float) and value != value)
    )
