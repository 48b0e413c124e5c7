"""Records as DataFrames: columns, dtypes and values."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_magic.engine.session_info import SessionInfo
from claude_magic.records import columns
from claude_magic.records.describe import Level
from claude_magic.records.frames import Frames, turns_frame
from claude_magic.records.log import LogEntry, LogSummary
from claude_magic.records.message_records import MessageRecord
from claude_magic.records.metrics import Stats
from claude_magic.records.spans import SpanRecord
from claude_magic.records.tool_uses import ToolRecord
from claude_magic.records.turns import TurnRecord

from .lines import turn

TIME, COUNT, NUMBER, FLAG, WORD = "datetime64[ns, UTC]", "Int64", "float64", "boolean", "string"
COLUMNS = {
    "sessions": {
        "name": WORD,
        "session_id": WORD,
        "workspace_id": WORD,
        "state": WORD,
        "model": WORD,
        "working_dir": WORD,
        "pid": COUNT,
        "created": TIME,
        "last_used": TIME,
        "turns": COUNT,
        "cost_usd": NUMBER,
        "simulated": FLAG,
    },
    "turns": {
        "session": WORD,
        "session_id": WORD,
        "turn": COUNT,
        "turn_id": WORD,
        "model": WORD,
        "started": TIME,
        "duration_s": NUMBER,
        "ttft_s": NUMBER,
        "outcome": WORD,
        "error": WORD,
        "num_steps": COUNT,
        "input_tokens": COUNT,
        "output_tokens": COUNT,
        "cache_read_tokens": COUNT,
        "cache_write_tokens": COUNT,
        "cost_usd": NUMBER,
        "estimated": FLAG,
        "tool_uses": COUNT,
        "prompt": WORD,
        "text": WORD,
        "simulated": FLAG,
        "prompted": FLAG,
        "map_id": WORD,
    },
    "messages": {
        "session": WORD,
        "turn": COUNT,
        "turn_id": WORD,
        "time": TIME,
        "role": WORD,
        "kind": WORD,
        "text": WORD,
    },
    "tools": {
        "session": WORD,
        "turn": COUNT,
        "turn_id": WORD,
        "tool_use_id": WORD,
        "parent_tool_use_id": WORD,
        "name": WORD,
        "input": WORD,
        "started": TIME,
        "duration_s": NUMBER,
        "is_error": FLAG,
        "permission": WORD,
        "result_chars": COUNT,
    },
    "spans": {
        "session": WORD,
        "turn": COUNT,
        "turn_id": WORD,
        "kind": WORD,
        "name": WORD,
        "started": TIME,
        "duration_s": NUMBER,
    },
    "logs": {
        "time": TIME,
        "session": WORD,
        "session_id": WORD,
        "turn_id": WORD,
        "level": WORD,
        "source": WORD,
        "type": WORD,
        "message": WORD,
    },
    "log_summary": {
        "session": WORD,
        "total_lines": COUNT,
        "error_count": COUNT,
        "warning_count": COUNT,
        "tool_usages": "object",
    },
    "metrics": {
        "total_requests": COUNT,
        "success_requests": COUNT,
        "failed_requests": COUNT,
        "avg_response_time_s": NUMBER,
        "p50_response_time_s": NUMBER,
        "p95_response_time_s": NUMBER,
        "active_sessions": COUNT,
        "created": COUNT,
        "reused": COUNT,
        "destroyed": COUNT,
        "waiting": COUNT,
    },
}

SESSION = SessionInfo("main", "sid", "default", "idle", "opus", "/home", 4711, 1.5, 2.5, 3, 0.25, False)
COLD_SESSION = SessionInfo("cold", "", "default", "idle", "", "/home", None, 1.5, 2.5, 0, 0.0, True)
TOOL = ToolRecord("main", 1, "t1", "x", "", "Bash", "{}", 1.5, 0.5, True, "denied", 7)
RUNNING_TOOL = ToolRecord("main", None, "t1", "y", "x", "Read", "{}", 2.5)
MESSAGE = MessageRecord("main", None, "t1", 1.5, "assistant", "text", "\n\nhello")
ENTRIES = [
    LogEntry(1.0, "main", "sid", "t1", Level.INFO, "tool", "tool_result", "fine"),
    LogEntry(2.0, "main", "", "", Level.ERROR, "engine", "note", "bad"),
    LogEntry(3.0, "other", "", "", Level.WARNING, "engine", "note", "odd"),
]
SUMMARIES = [LogSummary("main", 9, 1, 0, {"Bash": 2}, 4), LogSummary("other", 1, 0, 1, {}, 1)]


class Snapshot:
    """A source of records that has some of everything, or nothing."""

    def __init__(self, *, empty: bool = False) -> None:
        self._empty = empty

    def _some(self, *records: Any) -> Sequence[Any]:
        return [] if self._empty else records

    def session_infos(self) -> Sequence[SessionInfo]:
        return self._some(SESSION, COLD_SESSION)

    def turn_records(self) -> Sequence[TurnRecord]:
        return self._some(turn(), turn(ttft_s=None, error="broken", outcome="error"))

    def message_records(self) -> Sequence[MessageRecord]:
        return self._some(MESSAGE)

    def tool_records(self) -> Sequence[ToolRecord]:
        return self._some(TOOL, RUNNING_TOOL)

    def span_records(self) -> Sequence[SpanRecord]:
        return self._some(SpanRecord("main", None, "t1", "model", "", 1.5, 0.5))

    def log_entries(self, session: str | None) -> Sequence[LogEntry]:
        return self._some(*(entry for entry in ENTRIES if session in (None, entry.session)))

    def log_summaries(self) -> Sequence[LogSummary]:
        return self._some(*SUMMARIES)

    def stats(self) -> Stats:
        return Stats()


@pytest.mark.parametrize("empty", [False, True])
@pytest.mark.parametrize("name", COLUMNS)
def test_frames_have_their_columns_and_dtypes_also_with_no_rows(name: str, empty: bool) -> None:
    """Names, order and dtypes are fixed."""
    frame = getattr(Frames(Snapshot(empty=empty)), name)()

    assert {column: str(dtype) for column, dtype in frame.dtypes.items()} == COLUMNS[name]
    assert list(frame.columns) == list(COLUMNS[name])
    assert len(frame) == (1 if name == "metrics" else 0) or not empty
    assert list(frame.index) == list(range(len(frame)))


@pytest.mark.parametrize("name", COLUMNS)
def test_frames_with_and_without_rows_can_be_joined(name: str) -> None:
    """Appending nothing changes no dtype."""
    some = getattr(Frames(Snapshot()), name)()
    none = getattr(Frames(Snapshot(empty=True)), name)().iloc[:0]

    pd.testing.assert_frame_equal(pd.concat([none, some], ignore_index=True), some)


def test_frames_have_the_values_of_a_turn() -> None:
    """Each under its own name; what there is none of is NA."""
    frame = Frames(Snapshot()).turns()

    moment = pd.Timestamp("2023-11-14 22:13:20.25", tz="UTC")
    expected = vars(turn()) | {"started": moment, "error": pd.NA, "prompted": True, "map_id": pd.NA}
    assert {column: frame.loc[0, column] for column in frame} == expected
    assert (frame.loc[1, "error"], frame.loc[1, "outcome"]) == ("broken", "error")
    assert pd.isna(frame.loc[1, "ttft_s"])


def test_a_turn_that_no_prompt_asked_for_is_told_apart() -> None:
    """Such as the report of a background task; where prompts were not kept it is not known."""
    kept: list[Any] = [turn(), turn(prompt=""), turn(prompt=None)]
    frame = turns_frame(kept)

    assert frame["prompted"].tolist() == [True, False, pd.NA]


def test_frames_have_na_for_what_is_not_known() -> None:
    """Neither zero nor an empty word."""
    made = Frames(Snapshot())

    cold = made.sessions().iloc[1]
    assert cold[["pid", "session_id", "model"]].isna().all()
    running = made.tools().iloc[1]
    assert running[["turn", "duration_s", "is_error", "permission", "result_chars"]].isna().all()
    assert made.tools()["parent_tool_use_id"].isna().tolist() == [True, False]
    assert made.metrics().loc[0, ["avg_response_time_s", "p50_response_time_s"]].isna().all()


def test_frames_strip_the_line_feeds_between_paragraphs() -> None:
    """A message is shown as its own text."""
    assert Frames(Snapshot()).messages()["text"].tolist() == ["hello"]


@pytest.mark.parametrize(
    ("session", "level", "messages", "dropped"),
    [
        (None, None, ["fine", "bad", "odd"], 5),
        ("main", None, ["fine", "bad"], 4),
        (None, "warning", ["bad", "odd"], 5),
        ("other", "error", [], 1),
    ],
)
def test_frames_of_logs_can_be_filtered(
    session: str | None, level: str | None, messages: list[str], dropped: int
) -> None:
    """By session and by the least level; the frame says how many entries are gone."""
    frame = Frames(Snapshot()).logs(session, level)

    assert frame["message"].tolist() == messages
    assert frame.attrs["dropped"] == dropped


def test_frames_refuse_an_unknown_level() -> None:
    """The message names those there are."""
    with pytest.raises(ValueError, match="debug, info, warning, error"):
        Frames(Snapshot()).logs(level="loud")


def test_frames_have_tool_usages_as_dicts() -> None:
    """One for each session."""
    assert Frames(Snapshot()).log_summary()["tool_usages"].tolist() == [{"Bash": 2}, {}]


@given(st.lists(st.none() | st.floats(0, 4e9)))
def test_timestamp_column_is_exact_to_the_microsecond(seconds: list[float | None]) -> None:
    """An unknown time is NaT."""
    for moment, second in zip(columns.timestamp_column(seconds), seconds, strict=True):
        if second is None:
            assert moment is pd.NaT
        else:
            assert abs(moment.timestamp() - second) <= 1e-6


@given(st.lists(st.none() | st.text(st.characters(exclude_categories=[]))))
def test_string_column_takes_any_text(values: list[str | None]) -> None:
    """Also half a surrogate pair, which a prompt from a broken file may have."""
    column = columns.string_column(values)

    assert [value is pd.NA for value in column] == [value is None for value in values]


@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1)))
def test_integer_column_is_exact(values: list[int | None]) -> None:
    """Large numbers do not pass through floats, with or without NA beside them."""
    assert [None if value is pd.NA else value for value in columns.integer_column(values)] == values


def test_records_import_no_pandas() -> None:
    """Only the frames and the tables need it."""
    program = "import sys, claude_magic.records.recorder, claude_magic.records.metrics; print('pandas' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "False\n"
