"""Tables of what session files tell, column by column: quick to store, to load and to make frames of. No pandas."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

NO_COUNT = -1
"""Stands for a whole number that is not known."""


class Words(msgspec.Struct, array_like=True, tag=True):
    """A column of texts; `None` is NA."""

    values: list[str | None]


class Repeated(msgspec.Struct, array_like=True, tag=True):
    """A column of few different texts: each once, and which stands where (int32)."""

    values: list[str | None]
    places: bytes


class Texts(msgspec.Struct, array_like=True, tag=True):
    """A column of long texts, none of them NA: MessagePack lists, and which of all their texts stands where (int32)."""

    parts: list[bytes]
    places: bytes

    @property
    def values(self) -> list[str]:
        """The texts, decoded."""
        texts = list(chain.from_iterable(map(_decode_texts, self.parts)))
        return list(map(texts.__getitem__, memoryview(self.places).cast("i")))


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


Column = Words | Repeated | Texts | Counts | Numbers | Flags | Unknown
Table = dict[str, Column]
"""Columns by name, all of one length."""


def words(values: Iterable[str | None]) -> Words:
    """Make a column of texts."""
    return Words(list(values))


def repeated(values: Sequence[str | None], places: Array) -> Repeated:
    """Make a column of texts that repeat; an empty one is NA."""
    return Repeated([value or None for value in values], places.astype("int32").tobytes())


def texts(parts: Iterable[bytes], places: Array) -> Texts:
    """Make a column of long texts."""
    return Texts(list(parts), places.astype("int32").tobytes())


def counts(values: Array | Iterable[int]) -> Counts:
    """Make a column of whole numbers; `NO_COUNT` is NA."""
    return Counts(np.asarray(values if isinstance(values, np.ndarray) else list(values), "int64").tobytes())


def numbers(values: Array | Iterable[float | None]) -> Numbers:
    """Make a column of numbers; `None` and NaN are NA."""
    return Numbers(np.asarray(values if isinstance(values, np.ndarray) else list(values), "float64").tobytes())


def flags(values: Array | Iterable[bool]) -> Flags:
    """Make a column of yes and no; `NO_COUNT` is NA."""
    return Flags(np.asarray(values if isinstance(values, np.ndarray) else list(values), "int8").tobytes())


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Table).decode
_decode_texts = msgspec.msgpack.Decoder(list[str]).decode


def to_bytes(table: Table) -> bytes:
    """Return a table as bytes."""
    return _encode(
        {name: words(column.values) if isinstance(column, Texts) else column for name, column in table.items()}
    )


def from_bytes(data: bytes) -> Table:
    """Return the table that `to_bytes` made bytes of.

    Raises:
        msgspec.DecodeError: they are something else.
    """
    return _decode(data)


def without_secrets(table: Table, clean: Callable[[str], str]) -> Table:
    """Return a table whose texts are cleaned."""
    return {name: _cleaned(column, clean) for name, column in table.items()}


def _cleaned(column: Column, clean: Callable[[str], str]) -> Column:
    if isinstance(column, Words | Texts):
        return Words([value and clean(value) for value in column.values])
    if isinstance(column, Repeated):
        return Repeated([value and clean(value) for value in column.values], column.places)
    return column


def values_of(table: Table, name: str) -> list[Any]:
    """Return a column of texts or of whole numbers as plain values."""
    column = table[name]
    if isinstance(column, Counts):
        return list(memoryview(column.data).cast("q"))
    if isinstance(column, Repeated):
        return [column.values[place] for place in memoryview(column.places).cast("i")]
    assert isinstance(column, Words | Texts), f"{name} has neither texts nor whole numbers"
    return column.values
