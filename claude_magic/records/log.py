"""The log: what sessions did, as entries with level and source, bounded in memory. No pandas."""

from __future__ import annotations

import logging
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from claude_magic.messages import Batch, Message, MessageType
from claude_magic.records.blocks import BlockJoiner
from claude_magic.records.ring import Ring, shortened
from claude_magic.records.tools import input_text
from claude_magic.redaction import NOTHING_SECRET, Redactor

logger = logging.getLogger("claude_magic")

LONGEST_MESSAGE = 2_000
"""Characters of an entry's `message`; a longer one is cut and ends in "…"."""
_LONGEST_SECRET = 10_000
_MAX_TEXT_BYTES = 16_000_000
"""What the texts of one session's entries may take, so that 10,000 long ones stay under 20 MB."""


class Level(StrEnum):
    """How much an entry matters, in rising order."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"

    @property
    def rank(self) -> int:
        """0 for `debug` to 3 for `error`; a higher one matters more."""
        return _RANKS[self]


_RANKS = {level: rank for rank, level in enumerate(Level)}

# For the loops that see every message: looking a member up in its class takes longer than the rest of a step.
_ERROR, _WARNING = Level.ERROR, Level.WARNING
_TOOL_USE, _RESULT = MessageType.TOOL_USE, MessageType.RESULT


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


class Said(msgspec.Struct, frozen=True, gc=False):
    """What a message says to a person who reads the log."""

    level: Level
    source: str
    words: str


def describe(message: Message) -> Said | None:
    """Return what a message says, or `None` where it says nothing to a person.

    The level comes from what the message means, and from words only for lines that have no meaning for us.
    Words from `Message.text` are redacted already; names and numbers from the raw line are not.
    """
    describer = _DESCRIBERS.get(message.type)
    return describer(message) if describer is not None else None


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
        self.count(batch.session, len(batch.messages))
        for whole in self._joiner.join(batch):
            self.add_joined(whole)

    def count(self, session: str, lines: int) -> None:
        """Add to a session's `total_lines`; for a caller who joins blocks itself and uses `add_joined`."""
        self._logs(session).total_lines += lines

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


# What each type of message says. Streamed pieces have been joined to whole blocks before.


def _spoken(message: Message) -> Said | None:
    words = message.text.strip("\n")
    return Said(Level.INFO, "assistant", words) if words else None


def _init(message: Message) -> Said:
    raw = message.raw
    return Said(Level.INFO, "system", f"turn starts: {raw.get('model')}, CLI {raw.get('claude_code_version')}")


def _tool_use(message: Message) -> Said:
    return Said(Level.INFO, "assistant", f"{message.tool_name} {input_text(message.tool_input)}")


def _tool_result(message: Message) -> Said:
    return Said(Level.WARNING if message.is_error else Level.INFO, "tool", message.text)


def _permission(message: Message) -> Said:
    if not message.is_error:
        return Said(Level.INFO, "system", message.text)
    return Said(Level.WARNING, "system", f"{message.tool_name} was denied: {message.text}")


def _decision(message: Message) -> Said:
    words = f"{message.text}: {input_text(message.tool_input)}" if message.edited else message.text
    return Said(Level.INFO, "system", words)


def _status(message: Message) -> Said | None:
    raw = message.raw
    subtype = raw.get("subtype")
    if raw.get("type") == "stream_event":
        # A broken or interrupted stream; it matters where text was taken back, which the joiner says in words.
        return Said(Level.WARNING, "system", message.text) if message.text else None
    if not message.text or subtype == "session_state_changed" or raw.get("status") == "requesting":
        return None  # routine of every turn
    if subtype in ("model_fallback", "model_refusal_no_fallback") or raw.get("level") in ("warning", "error"):
        return Said(Level.WARNING, "system", message.text)
    return Said(Level.INFO, "system", message.text)


def _retry(message: Message) -> Said:
    return Said(Level.WARNING, "system", message.text)


def _rate_limit(message: Message) -> Said:
    near = message.text.endswith(("allowed_warning", "rejected"))
    return Said(Level.WARNING if near else Level.INFO, "system", message.text)


def _task(message: Message) -> Said | None:
    if not message.text:
        return None
    if message.tool_name:
        return Said(Level.INFO, "tool", message.text)
    if message.parent_tool_use_id:
        return Said(Level.INFO, "assistant", message.text)
    raw = message.raw
    step = str(raw.get("subtype") or "").removeprefix("task_")
    level = Level.WARNING if raw.get("status") == "failed" else Level.INFO
    return Said(level, "system", f"task {step}: {message.text}")


def _stderr(message: Message) -> Said:
    level = level_of_words(message.text)
    return Said(Level.ERROR if level is Level.ERROR else Level.WARNING, "stderr", message.text)


def _error(message: Message) -> Said:
    return Said(Level.ERROR, "system", message.error or message.text)


def _result(message: Message) -> Said:
    """The answer itself is an entry already: the end of a turn is told by its outcome."""
    raw = message.raw
    if str(raw.get("terminal_reason") or "").startswith("aborted"):
        return Said(Level.WARNING, "system", "turn ended: interrupted")
    subtype = str(raw.get("subtype") or "")
    if message.is_error:
        # A limit that the user set is no failure: such a turn returns.
        level = Level.WARNING if subtype in ("error_max_turns", "error_max_budget_usd") else Level.ERROR
        return Said(level, "system", f"turn ended: {message.error or subtype}")
    took = raw.get("duration_ms")
    seconds = f", {took / 1000:.1f} s" if isinstance(took, int | float) else ""
    return Said(Level.INFO, "system", f"turn ended: {subtype}, {raw.get('num_turns')} steps{seconds}")


def _unknown(message: Message) -> Said:
    if message.text:
        return Said(level_of_words(message.text), "system", message.text)
    raw = message.raw
    names = "/".join(str(raw[key]) for key in ("type", "subtype") if raw.get(key))
    return Said(Level.INFO, "system", f"a message of a type we do not know: {names}")


def _event(message: Message) -> Said:
    raw = message.raw
    event = raw.get("event")
    name = event.get("type") if isinstance(event, dict) else raw.get("subtype")
    return Said(Level.DEBUG, "system", "/".join(str(part) for part in (raw.get("type"), name) if part))


_DESCRIBERS: dict[MessageType, Callable[[Message], Said | None]] = {
    MessageType.INIT: _init,
    MessageType.TEXT: _spoken,
    MessageType.THINKING: _spoken,
    MessageType.TOOL_USE: _tool_use,
    MessageType.TOOL_RESULT: _tool_result,
    MessageType.PERMISSION: _permission,
    MessageType.DECISION: _decision,
    MessageType.STATUS: _status,
    MessageType.RETRY: _retry,
    MessageType.RATE_LIMIT: _rate_limit,
    MessageType.TASK: _task,
    MessageType.STDERR: _stderr,
    MessageType.ERROR: _error,
    MessageType.RESULT: _result,
    MessageType.UNKNOWN: _unknown,
    MessageType.EVENT: _event,
}

_ERROR_WORDS = re.compile(r"\b(?:error|exception|traceback)\b", re.IGNORECASE)
_WARNING_WORDS = re.compile(r"\b(?:warning|deprecated)\b", re.IGNORECASE)


def level_of_words(text: str) -> Level:
    """Return the level that the words of a line speak of: whole words, in any case."""
    if _ERROR_WORDS.search(text):
        return Level.ERROR
    return Level.WARNING if _WARNING_WORDS.search(text) else Level.INFO
