"""`MessageRecorder`: the messages that a person would read, whole. No pandas."""

from __future__ import annotations

import sys
from collections.abc import Collection

import msgspec

from claude_magic.messages import Batch, Message, MessageType
from claude_magic.records.buffer import BoundedBuffer
from claude_magic.records.describe import describe
from claude_magic.records.tool_uses import input_text
from claude_magic.strings import shortened

LONGEST_TEXT = 100_000
"""Characters of one record's text; a longer one is cut and ends in "…"."""
_MAX_TEXT_BYTES = 16_000_000

# Looking a member up in its class takes longer than the rest of a step.
_TEXT, _THINKING, _TASK = MessageType.TEXT, MessageType.THINKING, MessageType.TASK
_TOOL_USE, _TOOL_RESULT, _RESULT = MessageType.TOOL_USE, MessageType.TOOL_RESULT, MessageType.RESULT
_DECISION, _RATE_LIMIT = MessageType.DECISION, MessageType.RATE_LIMIT


class MessageRecord(msgspec.Struct, frozen=True, gc=False):
    """One message that a person would read; one row of `frames.messages()`.

    Attributes:
        session: name of the session.
        turn: number of the turn in its session, from 1, or `None` where it is not known.
        turn_id: id of the prompt it belongs to.
        time: when it was complete, in unix seconds.
        role: `user`, `assistant`, `tool` or `system` (the CLI).
        kind: `text`, `thinking`, `tool_use`, `tool_result` or `note`.
        text: what it says. Joining it over the assistant's `text` records of a turn gives the turn's answer.
    """

    session: str
    turn: int | None
    turn_id: str
    time: float
    role: str
    kind: str
    text: str


def _bytes_of(record: MessageRecord) -> int:
    return sys.getsizeof(record.text)


class MessageRecorder:
    """Keeps what was said in every session; an observer of message batches, on the loop's thread.

    Prompts are not messages of the CLI: `begin_turn` records them.

    Args:
        max_records: records that are kept, of all sessions together; older ones are dropped.
    """

    def __init__(self, max_records: int = 20_000) -> None:
        self._records: BoundedBuffer[MessageRecord] = BoundedBuffer(max_records, _MAX_TEXT_BYTES, _bytes_of)
        self._turns: dict[str, tuple[str, int]] = {}

    def begin_turn(self, session: str, turn: int, turn_id: str, prompt: str, started: float) -> None:
        """Record a prompt.

        Args:
            session: name of the session.
            turn: number of the turn in its session, from 1.
            turn_id: id of the prompt.
            prompt: its text, secrets redacted; "" for an unprompted turn.
            started: when it was sent, in unix seconds.
        """
        self._turns[session] = (turn_id, turn)
        if prompt:
            text = shortened(prompt, LONGEST_TEXT)
            self._records.append(MessageRecord(session, turn, turn_id, started, "user", "text", text))

    def add_message(self, batch: Batch, message: Message) -> None:
        """Take a whole block, or a message that is not part of one, of a batch."""
        announced, number = self._turns.get(batch.session, ("", 0))
        turn = number if announced == batch.turn_id and batch.turn_id else None
        if message.withdrawn:
            self._withdraw(batch, message.withdrawn)
        read = _read(message)
        if read is not None and not self._repeats(batch, message):
            role, kind, text = read
            text = shortened(text, LONGEST_TEXT)
            self._records.append(MessageRecord(batch.session, turn, batch.turn_id, message.received, role, kind, text))

    def _repeats(self, batch: Batch, message: Message) -> bool:
        """Whether a turn's result only repeats the failure that the message before it told."""
        if message.type is not _RESULT:
            return False
        last = next(reversed(self._records), None)
        return last is not None and (last.session, last.kind, last.text) == (batch.session, "note", message.error)

    def records(self) -> list[MessageRecord]:
        """Return the records that are kept, of all sessions, in the order they were complete."""
        return list(self._records)

    def forget_closed(self, open_sessions: Collection[str]) -> None:
        """Let go of what goes on in all other sessions; what was said there stays."""
        for session in self._turns.keys() - set(open_sessions):
            del self._turns[session]

    def _withdraw(self, batch: Batch, count: int) -> None:
        """Take back the last `count` characters of the turn's answer: the CLI asks again for a broken stream."""
        records = list(self._records)
        for place in range(len(records) - 1, -1, -1):
            record = records[place]
            if record.session != batch.session or (record.role, record.kind) != ("assistant", "text"):
                continue
            if count <= 0 or record.turn_id != batch.turn_id:
                break
            kept = record.text[: max(0, len(record.text) - count)]
            count -= len(record.text)
            records[place : place + 1] = [msgspec.structs.replace(record, text=kept)] if kept else []
        self._records.replace_all(records)


def _read(message: Message) -> tuple[str, str, str] | None:
    """Return role, kind and text of a message, or `None` where a person has nothing to read."""
    kind = message.type
    if kind is _TEXT or kind is _THINKING:
        return ("assistant", str(kind), message.text) if message.text else None
    if kind is _TOOL_USE:
        return "assistant", str(kind), f"{message.tool_name} {input_text(message.tool_input)}"
    if kind is _TOOL_RESULT:
        return "tool", str(kind), message.text
    if kind is _DECISION:
        return ("user", "note", f"{message.text}: {input_text(message.tool_input)}") if message.edited else None
    if kind in _NOT_FOR_READING or (kind is _TASK and not _is_news(message)):
        return None
    line = describe(message)
    if line is None or (kind is _RATE_LIMIT and line.level == "info"):
        return None
    if kind is _RESULT and line.level == "info":
        return None
    return "assistant" if line.source == "assistant" else "system", "note", line.text


def _is_news(message: Message) -> bool:
    """Whether a task's message is what a subagent says or the end of a background task, and not its progress."""
    return bool(message.parent_tool_use_id) or message.raw.get("subtype") == "task_notification"


_NOT_FOR_READING = (
    MessageType.INIT,
    MessageType.EVENT,
    MessageType.PERMISSION,
    MessageType.STDERR,
    MessageType.UNKNOWN,
)
