"""Frames that are asked for again and again."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_magic.records import frames
from claude_magic.records.frames import IncrementalFrame, overlap, turns_frame
from claude_magic.records.turns import TurnRecord

from .lines import turn


class Converter:
    """Makes frames of turns, and counts what it is given."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def __call__(self, records: Sequence[TurnRecord]) -> pd.DataFrame:
        self.sizes.append(len(records))
        return turns_frame(records)


def turns(count: int, begin: int = 0) -> list[TurnRecord]:
    return [turn(turn=number, ttft_s=None if number % 2 else 0.5) for number in range(begin, begin + count)]


def test_incremental_frame_converts_only_what_is_new() -> None:
    """And nothing at all if nothing is."""
    convert = Converter()
    frame, records = IncrementalFrame(convert), turns(50)
    frame.update(list(records))
    frame.update(list(records))
    records += turns(2, begin=50)
    made = frame.update(list(records))

    assert convert.sizes == [50, 2]
    pd.testing.assert_frame_equal(made, turns_frame(records))


def test_incremental_frame_drops_records_without_converting_the_rest() -> None:
    """A bounded deque loses its oldest."""
    convert = Converter()
    frame, records = IncrementalFrame(convert), deque(turns(50), maxlen=50)
    frame.update(list(records))
    records.extend(turns(2, begin=50))
    made = frame.update(list(records))

    assert convert.sizes == [50, 2]
    pd.testing.assert_frame_equal(made, turns_frame(list(records)))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.sampled_from(["add", "drop", "change", "remove", "clear", "ask"]), max_size=30), st.randoms())
def test_incremental_frame_is_right_whatever_happened_between_two_calls(steps: list[str], random: Any) -> None:
    """The same as one made anew, dtypes and index included."""
    frame, records, made = IncrementalFrame(turns_frame), list[TurnRecord](), 0
    for step in [*steps, "ask"]:
        place = random.randrange(len(records)) if records else 0
        if step == "add":
            new = turns(random.randint(1, 3), begin=made)
            made += len(new)
            records = records + new
        elif step == "drop":
            records = records[1:]
        elif step == "change" and records:
            records = [*records[:place], turn(turn=-made), *records[place + 1 :]]
        elif step == "remove":
            records = records[:place] + records[place + 1 :]
        elif step == "clear":
            records = []
        else:
            pd.testing.assert_frame_equal(frame.update(records), turns_frame(records))


@pytest.mark.parametrize("appended", [False, True])
def test_incremental_frame_may_be_changed_by_its_caller(appended: bool) -> None:
    """In place, down to the arrays of its columns; the next frame is as it should be."""
    frame, records = IncrementalFrame(turns_frame), turns(3)
    if appended:
        frame.update(records[:2])
    mine = frame.update(records)
    mine.loc[0, "text"] = "changed"
    mine["prompt"].array[1] = "changed"
    mine["output_tokens"].array[1] = 0
    del mine["model"]
    mine.attrs["dropped"] = 7

    again = frame.update(records)
    pd.testing.assert_frame_equal(again, turns_frame(records))
    assert again.attrs == {}


def test_incremental_frame_has_few_pieces_and_never_converts_all_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand times one more, from some point on with the oldest dropped."""
    monkeypatch.setattr(frames, "_WHOLE_PIECE", 100)
    convert = Converter()
    frame, records = IncrementalFrame(convert), deque(turns(500), maxlen=700)
    frame.update(list(records))
    most = 0
    for number in range(1_000):
        records.append(turn(turn=500 + number))
        made = frame.update(list(records))
        most = max(most, len(frame._last[1]))

    assert max(convert.sizes[1:]) < 130
    assert sum(convert.sizes) < 20_000
    assert most < 15
    pd.testing.assert_frame_equal(made, turns_frame(list(records)))


def test_the_frame_of_no_records_has_its_columns() -> None:
    """Before the first, and after all were forgotten."""
    frame = IncrementalFrame(turns_frame)
    pd.testing.assert_frame_equal(frame.update([]), turns_frame([]))
    frame.update(turns(3))
    pd.testing.assert_frame_equal(frame.update([]), turns_frame([]))


@pytest.mark.parametrize(
    ("known", "records", "found"),
    [
        ("", "", (0, 0)),
        ("", "ab", (0, 0)),
        ("ab", "", (2, 0)),
        ("ab", "ab", (0, 2)),
        ("ab", "abc", (0, 2)),
        ("abc", "bcd", (1, 2)),
        ("abc", "axc", (0, 1)),
        ("abc", "xyz", (3, 0)),
        ("abcd", "bd", (1, 1)),
    ],
)
def test_overlap_is_what_two_calls_have_in_common(known: str, records: str, found: tuple[int, int]) -> None:
    """From where, and how far."""
    assert overlap(list(known), list(records)) == found
