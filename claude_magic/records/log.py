"""The log: what sessions did, as entries with level and source, bounded in memory. No pandas."""

from __future__ import annotations

import logging
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from claude_magic.messages import Batch, MessageType
from claude_magic.records.blocks import BlockJoiner
from claude_magic.records.describe import Level, Said, describe
from claude_magic.records.ring import Ring, shortened
from claude_magic.redaction import NOTHING_SECRET, Redactor

logger = logging.getLogger("claude_magic")

LONGEST_MESSAGE = 2_000
"""Characters of an entry's `message`; a longer one is cut and ends in "…"."""
_LONGEST_SECRET = 10_000
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
        warning_count: entries of level `warning`, likewise.
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
    entries: Ring[LogEntry]
    session_id: str = ""
    turn_id: str = ""
    total_lines: int = 0
    error_count: int = 0
    warning_count: int = 0
    tool_usages: Counter[str] = field(default_factory=Counter)

    @property
    def dropped(self) -> int:
        """How many entries are no longer kept."""
        return self.entries.dropped

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
            self.dropped,
        )


class LogAggregator:
    """Keeps the log of every session; an observer of message batches, on the loop's thread.

    Streamed text is counted piece by piece and becomes one entry when its block ends.

    Args:
        max_entries: entries kept for each session; older ones are dropped and counted.
        redactor: secrets to hide in what comes from raw lines and from `note`.
        keep_events: keep an entry of level `debug` for each of the CLI's technical events as well.

    Attributes:
        sinks: they get every entry when it is made, whole and redacted; one that raises is left out, and the log
            says so.
    """

    def __init__(
        self, max_entries: int = 10_000, *, redactor: Redactor = NOTHING_SECRET, keep_events: bool = False
    ) -> None:
        if max_entries < 1:
            raise ValueError(f"max_entries must be at least 1, not {max_entries}.")
        self._max_entries = max_entries
        self._redactor = redactor
        self._joiner = BlockJoiner(keep_events=keep_events)
        self._sessions: dict[str, SessionLogs] = {}
        self.sinks: list[Sink] = []

    def add(self, batch: Batch) -> None:
        """Take a batch as it came from the CLI."""
        self.count(batch)
        for whole in self._joiner.join(batch):
            self.add_joined(whole)

    def count(self, batch: Batch) -> None:
        """Add a batch to its session's `total_lines`; for a caller who joins blocks itself and uses `add_joined`."""
        # Decisions are put among the CLI's lines by us.
        self._logs(batch.session).total_lines += sum(message.type is not _DECISION for message in batch.messages)

    def add_joined(self, batch: Batch) -> None:
        """Take a batch of whole blocks, as a `BlockJoiner` makes it; its lines are not counted."""
        logs = self._logs(batch.session)
        logs.session_id, logs.turn_id = batch.session_id, batch.turn_id
        for message in batch.messages:
            if message.type is _TOOL_USE:
                logs.tool_usages[message.tool_name] += 1
            said = describe(message)
            if said is not None:
                self._append(logs, message.received, batch.turn_id, said, str(message.type))
            if message.type is _RESULT:
                logs.turn_id = ""

    def note(
        self, session: str, level: Level | str, message: str, source: str = "engine", turn_id: str | None = None
    ) -> None:
        """Log something that is no message of the CLI: a process started, exited or was reaped, a new try.

        Args:
            session: name of the session it concerns, or "".
            level: how much it matters.
            message: what happened; secrets that the aggregator knows are redacted.
            source: who says so.
            turn_id: id of the prompt it belongs to; `None` is the one that is worked on, if any.

        Raises:
            ValueError: there is no such level.
        """
        for whole in self._joiner.end(session):
            self.add_joined(whole)
        logs = self._logs(session)
        turn_id = logs.turn_id if turn_id is None else turn_id
        self._append(logs, time.time(), turn_id, Said(Level(level), source, message), "note")

    def turn_over(self, session: str) -> None:
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

    def forget(self, session: str) -> None:
        """Drop all that is known of a session, its counts too."""
        self._sessions.pop(session, None)
        self._joiner.forget(session)

    def _logs(self, session: str) -> SessionLogs:
        logs = self._sessions.get(session)
        if logs is None:
            logs = self._sessions[session] = self._logs_or_empty(session)
        return logs

    def _logs_or_empty(self, session: str) -> SessionLogs:
        known = self._sessions.get(session)
        return known or SessionLogs(session, Ring(self._max_entries, _MAX_TEXT_BYTES, _bytes_of))

    def _append(self, logs: SessionLogs, when: float, turn_id: str, said: Said, kind: str) -> None:
        # Cut after hiding secrets, lest the cut leaves half of one; a huge result need not be searched to its end.
        words = self._redactor.text(said.words[: LONGEST_MESSAGE + _LONGEST_SECRET])
        words = shortened(words, LONGEST_MESSAGE)
        entry = LogEntry(when, logs.session, logs.session_id, turn_id, said.level, said.source, kind, words)
        logs.append(entry)
        if self.sinks:
            self._tell(msgspec.structs.replace(entry, message=self._redactor.text(said.words)))

    def _tell(self, entry: LogEntry) -> None:
        for sink in list(self.sinks):
            try:
                sink(entry)
            except Exception as error:
                logger.exception("a sink of the log failed and is left out from now on")
                self.sinks.remove(sink)
                self.note("", Level.ERROR, f"{sink!r} gets no more of this log: {error}", turn_id="")
