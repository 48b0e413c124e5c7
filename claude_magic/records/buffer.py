"""`BoundedBuffer`: the newest records, bounded in number and in memory; what was dropped is counted."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

Record = TypeVar("Record")


class BoundedBuffer(Generic[Record]):
    """The newest records in the order they came.

    Args:
        max_records: how many are kept, at least 1.
        max_bytes: how much memory their texts may take together; the newest record is always kept.
        size_of: bytes that a record counts for; the same for the same record at any time.
    """

    def __init__(self, max_records: int, max_bytes: int, size_of: Callable[[Record], int]) -> None:
        if max_records < 1:
            raise ValueError(f"At least 1 record must be kept, not {max_records}.")
        self.dropped = 0
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._size_of = size_of
        self._records: deque[Record] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records)

    def __reversed__(self) -> Iterator[Record]:
        return reversed(self._records)

    @property
    def size(self) -> int:
        """Bytes that the records count for."""
        return self._bytes

    def append(self, record: Record) -> None:
        """Keep `record`; the oldest ones make room."""
        records = self._records
        records.append(record)
        self._bytes += self._size_of(record)
        if len(records) > self._max_records or self._bytes > self._max_bytes:
            self._make_room()

    def _make_room(self) -> None:
        records = self._records
        while len(records) > self._max_records or (self._bytes > self._max_bytes and len(records) > 1):
            self._bytes -= self._size_of(records.popleft())
            self.dropped += 1

    def replace_all(self, records: list[Record]) -> None:
        """Keep these instead of all there are; for the rare change in the middle. Nothing counts as dropped."""
        self._records = deque(records)
        self._bytes = sum(map(self._size_of, records))
