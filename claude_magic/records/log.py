"""The log: what sessions did, as entries with level and source, bounded in memory. No pandas."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial

import msgspec

from claude_magic.clock import unix_time
from claude_magic.messages import Batch, Message, MessageType
from claude_magic.observers import ObserverGuard, name_of
from claude_magic.records.buffer import BoundedBuffer
from claude_magic.records.describe import Level, LogLine, describe
from claude_magic.redaction import NOTHING_SECRET, Redactor
from claude_magic.strings import shortened

LONGEST_MESSAGE = 2_000
"""Characters of an entry's `message`; a longer one is cut and ends in "…"."""
_LONGEST_SECRET = 10_000
_MAX_CLOSED = 100
_MAX_TEXT_BYTES = 16_000_000
"""What the texts of one session's entries may take, so that 10,000 long ones stay under 20 MB."""

# For the loops that see every message: looking a member up in its class takes longer than the rest of a step.
_ERROR, _WARNING = Level.ERROR, Level.WARNING
_TOOL_USE, _DECISION, _RESULT = MessageType.TOOL_USE, MessageType.DECISION, MessageType.RESULT


class LogEntry(msgspec.Struct, frozen=True, gc=False):
    """One thing that happened; one row of `frames.logs()`.

    Attributes:
        time: when, in unix seconds.
        session: name of the session; "" for what concerns none.
        session_id: the CLI's id of the conversation, "" before it is known.
        turn_id: id of the prompt it belongs to; "" between turns.
        level: how much it matters.
        source: who speaks: `assistant`, `user`, `tool`, `system` (the CLI), `stderr` or `engine` (this package).
        type: the message's type, or `note` for the engine's own.
        message: what happened, in at most 2,000 characters.
    """

    time: float
    session: str
    session_id: str
    turn_id: str
    level: Level
    source: str
    type: str
    message: str


Sink = Callable[[LogEntry], None]
"""Gets every entry when it is made, its message not cut; on the loop's thread."""


@dataclass(frozen=True)
class LogSummary:
    """Counts of one session, or of all; `frames.log_summary()` has one row for each session.

    Attributes:
        session: name of the session; "" for all together.
        total_lines: lines of the CLI, pieces of streamed text included.
        error_count: entries of level `error` ever made, dropped ones included.
        warning_count: entries of level `warning`.
        tool_usages: how often each tool was used, by its name.
        dropped: entries that are no longer kept.
    """

    session: str
    total_lines: int
    error_count: int
    warning_count: int
    tool_usages: dict[str, int]
    dropped: int


def _bytes_of(entry: LogEntry) -> int:
    return sys.getsizeof(entry.message)


@dataclass(slots=True)
class SessionLogs:
    """The log of one session: its newest entries, and counts of all there were."""

    session: str
    entries: BoundedBuffer[LogEntry]
    session_id: str = ""
    turn_id: str = ""
    total_lines: int = 0
    error_count: int = 0
    warning_count: int = 0
    tool_usages: Counter[str] = field(default_factory=Counter)

    @property
    def last_time(self) -> float:
        """When the newest entry was made, in unix seconds; 0 if none is kept."""
        newest = next(reversed(self.entries), None)
        return newest.time if newest is not None else 0.0

    def append(self, entry: LogEntry) -> None:
        """Keep an entry and count its level."""
        self.entries.append(entry)
        if entry.level is _ERROR:
            self.error_count += 1
        elif entry.level is _WARNING:
            self.warning_count += 1

    def summary(self) -> LogSummary:
        """Return the counts as they are now."""
        return LogSummary(
            self.session,
            self.total_lines,
            self.error_count,
            self.warning_count,
            dict(self.tool_usages),
            self.entries.dropped,
        )


class LogAggregator:
    """Keeps the log of every session; fed by a `Recorder`, on the loop's thread.

    Streamed text is counted piece by piece and becomes one entry when its block ends.

    Args:
        max_entries: entries kept for each session; older ones are dropped and counted.
        redactor: secrets to hide in what comes from raw lines and from `add_note`.
        guard: calls the sinks; one of its own if not given.

    Attributes:
        sinks: they get every entry when it is made, whole and redacted; one that raises is switched off.
    """

    def __init__(
        self,
        max_entries: int = 10_000,
        *,
        redactor: Redactor = NOTHING_SECRET,
        guard: ObserverGuard | None = None,
    ) -> None:
        if max_entries < 1:
            raise ValueError(f"max_entries must be at least 1, not {max_entries}.")
        self._max_entries = max_entries
        self._redactor = redactor
        self._guard = guard or ObserverGuard()
        self._sessions: dict[str, SessionLogs] = {}
        self.sinks: list[Sink] = []

    def count_lines(self, batch: Batch) -> None:
        """Count the lines of a batch as it came; what goes on from here on belongs to its turn."""
        logs = self._logs(batch.session)
        logs.session_id, logs.turn_id = batch.session_id, batch.turn_id
        logs.total_lines += len(batch.messages)

    def add_message(self, batch: Batch, message: Message) -> None:
        """Take a whole block, or a message that is not part of one, of a batch whose lines were counted."""
        logs = self._logs(batch.session)
        if message.type is _TOOL_USE:
            logs.tool_usages[message.tool_name] += 1
        elif message.type is _DECISION:
            logs.total_lines -= 1  # it was put among the CLI's lines by us
        elif message.type is _RESULT and logs.turn_id == batch.turn_id:
            logs.turn_id = ""
        line = describe(message)
        if line is not None:
            self._append(logs, message.received, batch.session_id, batch.turn_id, line, str(message.type))

    def add_note(
        self, session: str, level: Level | str, message: str, source: str = "engine", turn_id: str | None = None
    ) -> None:
        """Log something that is not a message of the CLI: a process started, exited or was reaped, a new try.

        Args:
            session: name of the session it concerns, or "".
            level: how much it matters.
            message: what happened; secrets that the aggregator knows are redacted.
            source: who says so.
            turn_id: id of the prompt it belongs to; `None` is the one that is worked on, if any.

        Raises:
            ValueError: there is no such level.
        """
        logs = self._logs(session)
        turn_id = logs.turn_id if turn_id is None else turn_id
        self._append(logs, unix_time(), logs.session_id, turn_id, LogLine(Level(level), source, message), "note")

    def end_turn(self, session: str) -> None:
        """Say that a turn is over also where no result came; later notes belong to no turn."""
        if session in self._sessions:
            self._sessions[session].turn_id = ""

    def entries(self, session: str | None = None) -> list[LogEntry]:
        """Return the entries that are kept, oldest first; of one session, or of all (`None`)."""
        if session is not None:
            logs = self._sessions.get(session)
            return list(logs.entries) if logs is not None else []
        everything = [entry for logs in self._sessions.values() for entry in logs.entries]
        everything.sort(key=lambda entry: entry.time)
        return everything

    def summary(self, session: str | None = None) -> LogSummary:
        """Return the counts of one session, or of all together (`None`); zeros for a session never seen."""
        chosen = self.summaries() if session is None else [self._logs_or_empty(session).summary()]
        tools: Counter[str] = Counter()
        for one in chosen:
            tools.update(one.tool_usages)
        return LogSummary(
            session or "",
            sum(one.total_lines for one in chosen),
            sum(one.error_count for one in chosen),
            sum(one.warning_count for one in chosen),
            dict(tools),
            sum(one.dropped for one in chosen),
        )

    def summaries(self) -> list[LogSummary]:
        """Return the counts of each session, in the order they were first seen."""
        return [logs.summary() for logs in self._sessions.values()]

    def forget_closed(self, open_sessions: Collection[str]) -> None:
        """Drop the logs of other sessions, their counts too, that are too many: the longest silent ones first.

        All closed sessions together may keep as much as one open session, and there may be 100 of them.

        Args:
            open_sessions: names of the sessions that are open.
        """
        closed = [logs for name, logs in self._sessions.items() if name and name not in open_sessions]
        closed.sort(key=lambda logs: logs.last_time, reverse=True)
        entries = size = gone = 0
        for place, logs in enumerate(closed):
            entries, size = entries + len(logs.entries), size + logs.entries.size
            if place >= _MAX_CLOSED or entries > self._max_entries or size > _MAX_TEXT_BYTES:
                del self._sessions[logs.session]
                gone += len(logs.entries) + logs.entries.dropped
        if gone:
            self._logs("").entries.dropped += gone

    def _logs(self, session: str) -> SessionLogs:
        logs = self._sessions.get(session)
        if logs is None:
            logs = self._sessions[session] = self._logs_or_empty(session)
        return logs

    def _logs_or_empty(self, session: str) -> SessionLogs:
        known = self._sessions.get(session)
        return known or SessionLogs(session, BoundedBuffer(self._max_entries, _MAX_TEXT_BYTES, _bytes_of))

    def _append(self, logs: SessionLogs, when: float, session_id: str, turn_id: str, line: LogLine, kind: str) -> None:
        # Cut after hiding secrets, lest the cut leaves half of one; a huge result need not be searched to its end.
        text = self._redactor.text(line.text[: LONGEST_MESSAGE + _LONGEST_SECRET])
        text = shortened(text, LONGEST_MESSAGE)
        entry = LogEntry(when, logs.session, session_id, turn_id, line.level, line.source, kind, text)
        logs.append(entry)
        if self.sinks:
            whole = msgspec.structs.replace(entry, message=self._redactor.text(line.text))
            for sink in list(self.sinks):
                self._guard.call(f"The log to {name_of(sink)}", sink, whole, off=partial(self._take_off, sink))

    def _take_off(self, sink: Sink) -> None:
        if sink in self.sinks:
            self.sinks.remove(sink)
