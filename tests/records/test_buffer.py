"""The newest records, bounded in number and size."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_magic.records.buffer import BoundedBuffer


@given(st.lists(st.text(max_size=9)), st.integers(1, 8), st.integers(1, 30))
def test_bounded_buffer_keeps_the_newest_and_counts_the_rest(texts: list[str], number: int, size: int) -> None:
    """What is kept is the end of what came, within both bounds, and nothing is lost without being counted."""
    buffer: BoundedBuffer[str] = BoundedBuffer(number, size, len)
    for text in texts:
        buffer.append(text)

    kept = list(buffer)
    assert kept == texts[len(texts) - len(kept) :]
    assert bool(kept) == bool(texts)
    assert buffer.dropped + len(buffer) == len(texts)
    assert len(kept) <= number
    assert sum(map(len, kept)) <= size or len(kept) == 1


def test_bounded_buffer_goes_on_counting_its_size_when_all_is_replaced() -> None:
    """After a change in the middle the bounds still hold."""
    buffer: BoundedBuffer[str] = BoundedBuffer(10, 6, len)
    for text in ("aa", "bb", "cc"):
        buffer.append(text)
    buffer.replace_all(["aa", "c"])
    buffer.append("dddd")

    assert list(buffer) == ["c", "dddd"]
    assert buffer.dropped == 1


def test_bounded_buffer_that_keeps_nothing_is_refused() -> None:
    """At least one record must fit."""
    with pytest.raises(ValueError, match="At least 1"):
        BoundedBuffer(0, 1, len)
