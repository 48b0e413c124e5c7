"""Tables of what session files tell, column by column: quick to store, to load and to make frames of. No pandas."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Any

import msgspec

NO_COUNT = -1
"""Stands for a whole number that is not known."""


class Words(msgspec.Struct, array_like=True, tag=True):
    """A column of texts; `None` is NA."""

    values: list[str | None]


class Repeated(msgspec.Struct, array_like=True, tag=True):
    """A column of few different texts: each once, and which stands where (int32)."""

    values: list[str | None]
    places: bytes


class Counts(msgspec.Struct, array_like=True, tag=True):
    """A column of whole numbers (int64); `NO_COUNT` is NA."""

    data: bytes


class Numbers(msgspec.Struct, array_like=True, tag=True):
    """A column of numbers or of unix seconds (float64); NaN is NA."""

    data: bytes


class Flags(msgspec.Struct, array_like=True, tag=True):
    """A column of yes and no (int8); `NO_COUNT` is NA."""

    data: bytes


class Unknown(msgspec.Struct, array_like=True, tag=True):
    """A column of which the files know nothing: so many NA."""

    length: int


Column = Words | Repeated | Counts | Numbers | Flags | Unknown
Table = dict[str, Column]
"""Columns by name, all of one length."""


def words(values: Iterable[str | None]) -> Words:
    """Make a column of texts."""
    return Words(list(values))


def repeated(values: Iterable[str | None]) -> Repeated:
    """Make a column of texts that repeat."""
    known: dict[str | None, int] = {}
    places = array("i", [known.setdefault(value, len(known)) for value in values])
    return Repeated(list(known), places.tobytes())


def counts(values: Iterable[int | None]) -> Counts:
    """Make a column of whole numbers."""
    return Counts(array("q", [NO_COUNT if value is None else value for value in values]).tobytes())


def numbers(values: Iterable[float | None]) -> Numbers:
    """Make a column of numbers."""
    nan = float("nan")
    return Numbers(array("d", [nan if value is None else value for value in values]).tobytes())


def flags(values: Iterable[bool | None]) -> Flags:
    """Make a column of yes and no."""
    return Flags(array("b", [NO_COUNT if value is None else value for value in values]).tobytes())


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Table).decode


def to_bytes(table: Table) -> bytes:
    """Return a table as bytes."""
    return _encode(table)


def from_bytes(data: bytes) -> Table:
    """Return the table that `to_bytes` made bytes of.

    Raises:
        msgspec.DecodeError: they are something else.
    """
    return _decode(data)


def values_of(table: Table, name: str) -> list[Any]:
    """Return a column of texts or of whole numbers as plain values."""
    column = table[name]
    if isinstance(column, Counts):
        return list(memoryview(column.data).cast("q"))
    if isinstance(column, Repeated):
        return [column.values[place] for place in memoryview(column.places).cast("i")]
    assert isinstance(column, Words), f"{name} has neither texts nor whole numbers"
    return column.values
