"""What happened, as pandas DataFrames: one function per frame, and `Frames`, which converts only what is new."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import pandas as pd

from claude_magic.engine.session_info import SessionInfo
from claude_magic.records.columns import (
    CELLS,
    LOG_SUMMARY,
    LOGS,
    MESSAGES,
    METRICS,
    SESSIONS,
    SPANS,
    TOOLS,
    TURNS,
    VARIABLES,
    to_frame,
)
from claude_magic.records.describe import Level
from claude_magic.records.history import History
from claude_magic.records.kernel_changes import CellChange, VariableChange
from claude_magic.records.log import LogEntry, LogSummary
from claude_magic.records.message_records import MessageRecord
from claude_magic.records.metrics import Stats
from claude_magic.records.spans import SpanRecord
from claude_magic.records.tool_uses import ToolRecord
from claude_magic.records.turns import TurnRecord

_WHOLE_PIECE = 4_096
"""A piece of so many rows is not converted again, which would take longer than anybody waits."""
_TIMES_LONGER = 4
"""How much longer each piece is than the next one at least, until it is whole: so there are only few."""


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


class IncrementalFrame:
    """Keeps the frames of the last call, and converts only the records that are new.

    Records are known by themselves and not by a count, so that the frame is right whatever happened between two
    calls: oldest ones dropped, one replaced by a changed copy, those of a session forgotten.

    What it keeps is in pieces, each several times as long as the next, so that neither one record more nor one dropped
    costs what all of them do.

    It may be called on several threads: what it remembers is exchanged in one step, and at worst work is done twice.

    Args:
        convert: makes the frame of some records, its index from 0.
    """

    def __init__(self, convert: Callable[[Sequence[Any]], pd.DataFrame]) -> None:
        self._convert = convert
        self._last: tuple[Sequence[Any], list[pd.DataFrame]] = ([], [])

    def update(self, records: Sequence[Any]) -> pd.DataFrame:
        """Return one row per record; the frame is the caller's own.

        Args:
            records: all of them, oldest first; this sequence does not change any more.
        """
        known, pieces = self._last
        begin, same = overlap(known, records)
        pieces = self._grown(cut(pieces, begin, begin + same), records, same)
        self._last = (records, pieces)
        if len(pieces) > 1:
            return pd.concat(pieces, ignore_index=True)
        return pieces[0].reset_index(drop=True).copy() if pieces else self._convert([])

    def _grown(self, pieces: list[pd.DataFrame], records: Sequence[Any], done: int) -> list[pd.DataFrame]:
        """Return the pieces with what is new, converted together with those before it that are not much longer.

        Args:
            pieces: of the first records.
            records: all of them.
            done: how many are in the pieces.
        """
        if done == len(records):
            return pieces
        begin = done
        while pieces and len(pieces[-1]) < min(_WHOLE_PIECE, _TIMES_LONGER * (len(records) - begin)):
            *pieces, last = pieces
            begin -= len(last)
        return [*pieces, self._convert(records[begin:])]


def cut(pieces: Iterable[pd.DataFrame], begin: int, end: int) -> list[pd.DataFrame]:
    """Return the rows from `begin` to `end` of frames that follow each other, still in pieces; none is empty."""
    kept, at = [], 0
    for piece in pieces:
        first, last = max(begin - at, 0), min(end - at, len(piece))
        if first < last:
            kept.append(piece.iloc[first:last] if last - first < len(piece) else piece)
        at += len(piece)
    return kept


def overlap(known: Sequence[Any], records: Sequence[Any]) -> tuple[int, int]:
    """Return where in `known` the first of `records` stands, and how many of them go on alike from there."""
    first = records[0] if records else None
    begin = next((place for place, record in enumerate(known) if record is first), len(known))
    same = min(len(known) - begin, len(records))
    # Comparing lists looks at identity first, so that nothing is looked into but what has changed.
    if list(known[begin : begin + same]) != list(records[:same]):
        pairs = zip(known[begin:], records, strict=False)
        same = next(place for place, (old, new) in enumerate(pairs) if old is not new)
    return begin, same


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

    def variable_changes(self) -> Sequence[VariableChange]:
        """What turns changed in the kernel, oldest first."""

    def cell_changes(self) -> Sequence[CellChange]:
        """What turns changed in the notebook, oldest first."""

    def log_entries(self, session: str | None) -> Sequence[LogEntry]:
        """The log of one session, or of all; oldest first."""

    def log_summaries(self) -> Sequence[LogSummary]:
        """The counts of each session's log."""

    def stats(self) -> Stats:
        """The metrics as they are now."""

    def stored_history(self) -> History:
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
        self._turns = IncrementalFrame(turns_frame)
        self._messages = IncrementalFrame(messages_frame)
        self._tools = IncrementalFrame(tools_frame)
        self._spans = IncrementalFrame(spans_frame)
        self._logs = IncrementalFrame(logs_frame)

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
        return self._turns.update(self._read(self._source.turn_records))

    def messages(self) -> pd.DataFrame:
        """Return one row per message that a person would read."""
        return self._messages.update(self._read(self._source.message_records))

    def tools(self, *, history: bool = False) -> pd.DataFrame:
        """Return one row per tool use; one that runs has no duration yet, and one that was denied never has.

        A person's time for the permission does not count; `spans` has it.

        Args:
            history: those that are kept of all kernels; their input is NA unless the user asked to keep it.
        """
        if history:
            return tools_frame(self._past().tools())
        return self._tools.update(self._read(self._source.tool_records))

    def spans(self) -> pd.DataFrame:
        """Return one row per stretch of a turn's time, in the order they ended: what it was spent on, and how long.

        `kind` is `queue`, `spawn`, `model`, `thinking`, `text`, `tool` or `person`; see `SpanRecord`. Only tools
        overlap, each other and a person who is asked, so that sums by kind say where the time went.
        """
        return self._spans.update(self._read(self._source.span_records))

    def variables(self) -> pd.DataFrame:
        """Return one row per variable that a turn created, replaced, changed in place or deleted in the kernel."""
        return to_frame(self._read(self._source.variable_changes), VARIABLES)

    def cells(self) -> pd.DataFrame:
        """Return one row per cell of the notebook that a turn added, edited or deleted."""
        return to_frame(self._read(self._source.cell_changes), CELLS)

    def logs(self, session: str | None = None, level: str | None = None) -> pd.DataFrame:
        """Return one row per log entry; `frame.attrs["dropped"]` says how many older ones are gone.

        Args:
            session: name of the only session to show; `None` is all.
            level: the least level to show: debug, info, warning or error; `None` is all.

        Raises:
            ValueError: there is no such level.
        """
        least = _level(level).rank if level is not None else 0
        frame = self._logs.update(self._read(lambda: self._source.log_entries(None)))
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
        return self._source.stored_history()


def _level(name: str) -> Level:
    try:
        return Level(name)
    except ValueError:
        raise ValueError(f"There is no log level {name!r}; the levels are {', '.join(Level)}.") from None
