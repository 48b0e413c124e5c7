"""`SpanRecorder`: where the time of each turn went. No pandas."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from claude_magic.messages import Batch, Message, MessageType
from claude_magic.records.blocks import WholeBlock

_SHORTEST_S = 0.001
"""A shorter wait is none: messages that were read together have no time between them."""

# Looking a member up in its class takes longer than the rest of a step.
_TOOL_USE, _TOOL_RESULT, _RESULT = MessageType.TOOL_USE, MessageType.TOOL_RESULT, MessageType.RESULT
_PERMISSION, _DECISION, _THINKING = MessageType.PERMISSION, MessageType.DECISION, MessageType.THINKING


class SpanKind(StrEnum):
    """What a stretch of time was spent on."""

    QUEUE = "queue"
    SPAWN = "spawn"
    MODEL = "model"
    THINKING = "thinking"
    TEXT = "text"
    TOOL = "tool"
    PERSON = "person"


KIND_WORDS = {
    "queue": "waiting for its turn",
    "spawn": "starting the CLI",
    "model": "waiting for the model",
    "thinking": "thinking",
    "text": "writing",
    "tool": "tools at work",
    "person": "waiting for a person",
}
"""The kinds in words."""


class SpanRecord(msgspec.Struct, frozen=True, gc=False):
    """One stretch of a turn's time; one row of `frames.spans()`.

    The stretches of a turn follow each other. Only tools may overlap, each other and a person who is asked.

    Attributes:
        session: name of the session.
        turn: number of the turn in its session, from 1, or `None` where it is not known.
        turn_id: id of the prompt.
        kind: `queue` (its place in the order, a free process), `spawn` (a new process starts), `model` (nothing has
            come yet from the model, or what comes is a tool's input), `thinking`, `text` (the answer is written),
            `tool` (it runs; a subagent's tools are inside of the tool that started it), or `person` (a person is
            asked for permission).
        name: the tool, for `tool` and `person`; else "".
        started: when, in unix seconds.
        duration_s: how long, in seconds.
    """

    session: str
    turn: int | None
    turn_id: str
    kind: str
    name: str
    started: float
    duration_s: float


@dataclass(slots=True)
class _OpenTurn:
    """The turn of a session that is going on.

    Attributes:
        since: when the last thing ended; what follows until the next one begins is the model's time.
        seen: when its last message came.
        tools: name and start of each tool that runs, by the id of its use.
        asked: name and time of each open question, by the id of the tool's use.
        allowed: when a question was answered whose tool has not been shown yet.
    """

    turn_id: str
    turn: int | None
    since: float
    seen: float
    tools: dict[str, tuple[str, float]] = field(default_factory=dict)
    asked: dict[str, tuple[str, float]] = field(default_factory=dict)
    allowed: dict[str, float] = field(default_factory=dict)


class SpanRecorder:
    """Follows what each turn's time goes to; an observer of joined batches, on the loop's thread.

    Args:
        max_records: spans that are kept, of all sessions together; older ones are dropped.
    """

    def __init__(self, max_records: int = 20_000) -> None:
        self._records: deque[SpanRecord] = deque(maxlen=max_records)
        self._spawned: dict[str, float] = {}
        self._open: dict[str, _OpenTurn] = {}

    def note_spawn(self, session: str, took_s: float) -> None:
        """Say that a process was started for a session's next turn, and how long that took, in seconds."""
        self._spawned[session] = took_s

    def begin_turn(self, session: str, turn: int, turn_id: str, asked: float, started: float) -> None:
        """Say that a turn begins.

        Args:
            session: name of the session.
            turn: number of the turn in its session, from 1.
            turn_id: id of the prompt.
            asked: when the prompt was handed in, in unix seconds.
            started: when it is sent, in the same form.
        """
        current = self._open[session] = _OpenTurn(turn_id, turn, started, started)
        spawn_s = min(self._spawned.pop(session, 0.0), started - asked)
        self._keep(session, current, SpanKind.QUEUE, "", asked, started - spawn_s)
        self._keep(session, current, SpanKind.SPAWN, "", started - spawn_s, started)

    def add_message(self, batch: Batch, message: Message) -> None:
        """Take a whole block, or a message that is not part of one, of a batch."""
        if not batch.turn_id:
            return
        session, current = batch.session, self._open.get(batch.session)
        if current is None or current.turn_id != batch.turn_id:
            # It was not announced: a background task reports.
            current = self._open[session] = _OpenTurn(batch.turn_id, None, message.received, message.received)
        self._take(session, current, message)
        current.seen = message.received

    def end_turn(self, session: str) -> None:
        """Say that a turn is over; what still ran, ran until the last message."""
        current = self._open.pop(session, None)
        if current is not None:
            self._close(session, current, current.seen)

    def records(self) -> list[SpanRecord]:
        """Return the spans that are kept, of all sessions, in the order they ended."""
        return list(self._records)

    def forget_closed(self, open_sessions: Collection[str]) -> None:
        """Let go of what goes on in all other sessions; their spans stay."""
        for session in self._open.keys() - set(open_sessions):
            del self._open[session]
        for session in self._spawned.keys() - set(open_sessions):
            del self._spawned[session]

    def _take(self, session: str, current: _OpenTurn, message: Message) -> None:
        kind = message.type
        if isinstance(message, WholeBlock):
            self._model_until(session, current, message.began)
            what = SpanKind.THINKING if kind is _THINKING else SpanKind.TEXT
            self._keep(session, current, what, "", message.began, message.received)
            current.since = message.received
        elif kind is _TOOL_USE and not message.parent_tool_use_id:
            self._model_until(session, current, message.received)
            begun = current.allowed.pop(message.tool_use_id, message.received)
            current.tools[message.tool_use_id] = (message.tool_name, begun)
        elif kind is _PERMISSION and message.tool_use_id and not message.is_error:
            if not current.tools:
                self._model_until(session, current, message.received)
            current.asked[message.tool_use_id] = (message.tool_name, message.received)
        elif kind is _DECISION:
            self._decided(session, current, message)
        elif kind is _TOOL_RESULT:
            self._tool_over(session, current, message)
        elif kind is _RESULT:
            self._close(session, current, message.received)

    def _decided(self, session: str, current: _OpenTurn, message: Message) -> None:
        """A person has answered: the tool runs from here on."""
        use_id, now = message.tool_use_id, message.received
        if use_id not in current.asked:
            return
        name, asked = current.asked.pop(use_id)
        self._keep(session, current, SpanKind.PERSON, name, asked, now)
        if use_id in current.tools:
            current.tools[use_id] = (name, now)
        else:
            current.allowed[use_id] = now

    def _tool_over(self, session: str, current: _OpenTurn, message: Message) -> None:
        current.asked.pop(message.tool_use_id, None)
        known = current.tools.pop(message.tool_use_id, None)
        if known is not None:
            self._keep(session, current, SpanKind.TOOL, known[0], known[1], message.received)
            current.since = message.received

    def _close(self, session: str, current: _OpenTurn, at: float) -> None:
        for name, asked in current.asked.values():
            self._keep(session, current, SpanKind.PERSON, name, asked, at)
        for use_id, (name, begun) in current.tools.items():
            if use_id not in current.asked:
                self._keep(session, current, SpanKind.TOOL, name, begun, at)
        if not current.tools and not current.asked:
            self._model_until(session, current, at)
        current.tools.clear()
        current.asked.clear()
        current.since = at

    def _model_until(self, session: str, current: _OpenTurn, at: float) -> None:
        """What is not spent on anything else, the model is waited for; while tools run, it is not."""
        if not current.tools and not current.asked:
            self._keep(session, current, SpanKind.MODEL, "", current.since, at)
            current.since = max(current.since, at)

    def _keep(self, session: str, current: _OpenTurn, kind: SpanKind, name: str, begin: float, end: float) -> None:
        if end - begin >= _SHORTEST_S:
            span = SpanRecord(session, current.turn, current.turn_id, str(kind), name, begin, end - begin)
            self._records.append(span)
