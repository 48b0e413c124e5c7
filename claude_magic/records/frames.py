"""Records as pandas DataFrames, with the same columns and dtypes whether there are rows or not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any, Protocol

import numpy as np
import pandas as pd

from claude_magic.engine.session_info import SessionInfo
from claude_magic.records.describe import Level
from claude_magic.records.growing import GrowingFrame
from claude_magic.records.history import History, within_int64
from claude_magic.records.log import LogEntry, LogSummary
from claude_magic.records.message_records import MessageRecord
from claude_magic.records.metrics import Stats
from claude_magic.records.spans import SpanRecord
from claude_magic.records.tool_uses import ToolRecord
from claude_magic.records.turns import TurnRecord

_LAST_MOMENT_S = 9.2e9
"""In the year 2261; nanoseconds in 64 bit reach no further."""

Column = Callable[[list[Any]], Any]
"""Turns the plain values of one column into an array of its dtype."""


def text(values: list[Any]) -> Any:
    """Words as they are: dtype `string`, `None` is NA."""
    if pd.StringDtype().storage == "python":
        # They are strings already, so pandas need not look at each one whether it can become one.
        return pd.arrays.StringArray(thing(values))
    try:
        return pd.array(values, dtype="string")
    except UnicodeEncodeError:
        # Strings kept by pyarrow are UTF-8: half a surrogate pair (from a broken file) cannot be one.
        clean = [None if value is None else value.encode("utf-8", "replace").decode() for value in values]
        return pd.array(clean, dtype="string")


def word(values: list[Any]) -> Any:
    """Words where an empty one means that there is none: dtype `string`, `None` and "" are NA."""
    return text([str(value) if value else None for value in values])


def count(values: list[Any]) -> Any:
    """Whole numbers: dtype `Int64`, `None` is NA; one that is too large becomes the largest there is."""
    try:
        if None in values:
            return pd.array(values, dtype="Int64")
        return pd.array(np.array(values, dtype="int64"), dtype="Int64")
    except OverflowError:
        return count([None if value is None else within_int64(value) for value in values])


def number(values: list[Any]) -> Any:
    """Money and seconds: dtype `float64`, `None` is NaN."""
    try:
        return np.array(values, dtype="float64")
    except OverflowError:
        return np.array([None if value is None else within_int64(int(value)) for value in values], dtype="float64")


def flag(values: list[Any]) -> Any:
    """Yes or no: dtype `boolean`, `None` is NA."""
    if None in values:
        return pd.array(values, dtype="boolean")
    return pd.array(np.array(values, dtype="bool"), dtype="boolean")


def moment(values: list[Any]) -> Any:
    """Unix seconds: dtype `datetime64[ns, UTC]`, exact to the microsecond, `None` and what is out of range is NaT."""
    seconds = number(values)
    known = np.abs(seconds) < _LAST_MOMENT_S
    micros = np.round(np.where(known, seconds, 0.0) * 1e6).astype("int64")
    stamps = (micros * 1000).astype("datetime64[ns]")
    stamps[~known] = np.datetime64("NaT")
    return pd.DatetimeIndex(stamps, tz="UTC")


def thing(values: list[Any]) -> Any:
    """Python objects: dtype `object`."""
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


Schema = dict[str, Column]

SESSIONS: Schema = {
    "name": text,
    "session_id": word,
    "workspace_id": word,
    "state": word,
    "model": word,
    "working_dir": word,
    "pid": count,
    "created": moment,
    "last_used": moment,
    "turns": count,
    "cost_usd": number,
    "simulated": flag,
}
TURNS: Schema = {
    "session": text,
    "session_id": word,
    "turn": count,
    "turn_id": word,
    "model": word,
    "started": moment,
    "duration_s": number,
    "ttft_s": number,
    "outcome": word,
    "error": word,
    "num_steps": count,
    "input_tokens": count,
    "output_tokens": count,
    "cache_read_tokens": count,
    "cache_write_tokens": count,
    "cost_usd": number,
    "estimated": flag,
    "tool_uses": count,
    "prompt": text,
    "text": text,
    "simulated": flag,
}
MESSAGES: Schema = {
    "session": text,
    "turn": count,
    "turn_id": word,
    "time": moment,
    "role": word,
    "kind": word,
    "text": text,
}
TOOLS: Schema = {
    "session": text,
    "turn": count,
    "turn_id": word,
    "tool_use_id": word,
    "parent_tool_use_id": word,
    "name": word,
    "input": text,
    "started": moment,
    "duration_s": number,
    "is_error": flag,
    "permission": word,
    "result_chars": count,
}
SPANS: Schema = {
    "session": text,
    "turn": count,
    "turn_id": word,
    "kind": word,
    "name": word,
    "started": moment,
    "duration_s": number,
}
LOGS: Schema = {
    "time": moment,
    "session": text,
    "session_id": word,
    "turn_id": word,
    "level": word,
    "source": word,
    "type": word,
    "message": text,
}
LOG_SUMMARY: Schema = {
    "session": text,
    "total_lines": count,
    "error_count": count,
    "warning_count": count,
    "tool_usages": thing,
}
METRICS: Schema = {
    "total_requests": count,
    "success_requests": count,
    "failed_requests": count,
    "avg_response_time_s": number,
    "p50_response_time_s": number,
    "p95_response_time_s": number,
    "active_sessions": count,
    "created": count,
    "reused": count,
    "destroyed": count,
    "waiting": count,
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


def sessions_frame(infos: Iterable[SessionInfo]) -> pd.DataFrame:
    """Return one row per session."""
    return to_frame(infos, SESSIONS)


def turns_frame(records: Iterable[TurnRecord]) -> pd.DataFrame:
    """Return one row per finished turn."""
    return to_frame(records, TURNS)


def messages_frame(records: Iterable[MessageRecord]) -> pd.DataFrame:
    """Return one row per message; the line feeds that set paragraphs of an answer apart are left out."""
    frame = to_frame(records, MESSAGES)
    frame["text"] = frame["text"].str.strip("\n")
    return frame


def tools_frame(records: Iterable[ToolRecord]) -> pd.DataFrame:
    """Return one row per tool use."""
    return to_frame(records, TOOLS)


def spans_frame(records: Iterable[SpanRecord]) -> pd.DataFrame:
    """Return one row per stretch of a turn's time."""
    return to_frame(records, SPANS)


def logs_frame(entries: Iterable[LogEntry]) -> pd.DataFrame:
    """Return one row per log entry."""
    return to_frame(entries, LOGS)


def log_summary_frame(summaries: Iterable[LogSummary]) -> pd.DataFrame:
    """Return one row per session with its counts; `tool_usages` holds dicts."""
    return to_frame(summaries, LOG_SUMMARY)


def metrics_frame(stats: Stats) -> pd.DataFrame:
    """Return the counts as a frame of one row."""
    return to_frame([stats], METRICS)


class FrameSource(Protocol):
    """Where the records come from: each call returns a snapshot that does not change any more."""

    def session_infos(self) -> Sequence[SessionInfo]:
        """The sessions as they are now."""

    def turn_records(self) -> Sequence[TurnRecord]:
        """The finished turns, oldest first."""

    def message_records(self) -> Sequence[MessageRecord]:
        """What was said, oldest first."""

    def tool_records(self) -> Sequence[ToolRecord]:
        """The tool uses, oldest first."""

    def span_records(self) -> Sequence[SpanRecord]:
        """The stretches of the turns' time, in the order they ended."""

    def log_entries(self, session: str | None) -> Sequence[LogEntry]:
        """The log of one session, or of all; oldest first."""

    def log_summaries(self) -> Sequence[LogSummary]:
        """The counts of each session's log."""

    def stats(self) -> Stats:
        """The metrics as they are now."""

    def past(self) -> History:
        """What is kept of earlier kernels, and of this one."""


class Frames:
    """What happened, as DataFrames; every call returns a new one of how things are now.

    It may be called again and again: what was converted before is kept, and only what is new is converted.

    Args:
        source: where the records come from.
        read: calls one of its functions on the thread where the records live; this one if not given.
        flush: called before what is kept of all kernels is read, so that the newest turns are there.
    """

    def __init__(
        self,
        source: FrameSource,
        *,
        read: Callable[[Callable[[], Any]], Any] = lambda function: function(),
        flush: Callable[[], None] = lambda: None,
    ) -> None:
        self._source = source
        self._read = read
        self._flush = flush
        self._turns = GrowingFrame(turns_frame)
        self._messages = GrowingFrame(messages_frame)
        self._tools = GrowingFrame(tools_frame)
        self._spans = GrowingFrame(spans_frame)
        self._logs = GrowingFrame(logs_frame)

    def sessions(self, *, history: bool = False) -> pd.DataFrame:
        """Return one row per session.

        Args:
            history: those that are kept of all kernels, as they were after their last turn, instead of the open ones;
                they have no pid and no state.

        Raises:
            HistoryError: what is kept cannot be read; the same holds for `turns` and `tools`.
        """
        if history:
            return sessions_frame(self._past().sessions())
        return sessions_frame(self._read(self._source.session_infos))

    def turns(self, *, history: bool = False) -> pd.DataFrame:
        """Return one row per finished turn: time, tokens, cost, prompt and answer.

        Args:
            history: those that are kept of all kernels, instead of this client's. Simulated turns are not among them,
                and prompt and text are NA unless the user asked to keep them (`History(texts=True)`).
        """
        if history:
            return turns_frame(self._past().turns())
        return self._turns.of(self._read(self._source.turn_records))

    def messages(self) -> pd.DataFrame:
        """Return one row per message that a person would read."""
        return self._messages.of(self._read(self._source.message_records))

    def tools(self, *, history: bool = False) -> pd.DataFrame:
        """Return one row per tool use; one that runs has no duration yet, and one that was denied never has.

        A person's time for the permission does not count; `spans` has it.

        Args:
            history: those that are kept of all kernels; their input is NA unless the user asked to keep it.
        """
        if history:
            return tools_frame(self._past().tools())
        return self._tools.of(self._read(self._source.tool_records))

    def spans(self) -> pd.DataFrame:
        """Return one row per stretch of a turn's time, in the order they ended: what it was spent on, and how long.

        `kind` is `queue`, `spawn`, `model`, `thinking`, `text`, `tool` or `person`; see `SpanRecord`. Only tools
        overlap, each other and a person who is asked, so that sums by kind say where the time went.
        """
        return self._spans.of(self._read(self._source.span_records))

    def logs(self, session: str | None = None, level: str | None = None) -> pd.DataFrame:
        """Return one row per log entry; `frame.attrs["dropped"]` says how many older ones are gone.

        Args:
            session: name of the only session to show; `None` is all.
            level: the least level to show: debug, info, warning or error; `None` is all.

        Raises:
            ValueError: there is no such level.
        """
        least = _level(level).rank if level is not None else 0
        frame = self._logs.of(self._read(lambda: self._source.log_entries(None)))
        if session is not None:
            frame = frame[frame["session"] == session]
        if least > 0:
            frame = frame[frame["level"].isin([one.value for one in Level if one.rank >= least])]
        frame = frame.reset_index(drop=True)
        summaries = self._read(self._source.log_summaries)
        frame.attrs["dropped"] = sum(one.dropped for one in summaries if session in (None, one.session))
        return frame

    def log_summary(self) -> pd.DataFrame:
        """Return one row per session: lines, errors, warnings, and how often each tool was used."""
        return log_summary_frame(self._read(self._source.log_summaries))

    def metrics(self) -> pd.DataFrame:
        """Return one row: how many turns, how fast, and what the pool does."""
        return metrics_frame(self._read(self._source.stats))

    def _past(self) -> History:
        self._flush()
        return self._source.past()


def _level(name: str) -> Level:
    try:
        return Level(name)
    except ValueError:
        raise ValueError(f"There is no log level {name!r}; the levels are {', '.join(Level)}.") from None
