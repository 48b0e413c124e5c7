"""`ToolRecorder`: tool uses, followed from use over permission to result. No pandas."""

from __future__ import annotations

import json
import sys
from collections import OrderedDict
from collections.abc import Collection
from typing import Any

import msgspec

from claude_magic.messages import Batch, Message, MessageType
from claude_magic.strings import shortened

ALLOWED, EDITED, DENIED, ASKED, STOPPED = "allowed", "edited", "denied", "asked", "stopped"
LONGEST_STRING = 10_000
"""Characters of one string in a recorded input: a written file is cut, the input stays JSON."""
_MAX_INPUT_BYTES = 8_000_000

# Looking a member up in its class takes longer than the rest of a step.
_TOOL_USE, _TOOL_RESULT, _RESULT = MessageType.TOOL_USE, MessageType.TOOL_RESULT, MessageType.RESULT
_PERMISSION, _DECISION = MessageType.PERMISSION, MessageType.DECISION


class ToolRecord(msgspec.Struct, frozen=True, gc=False):
    """One use of a tool; one row of `frames.tools()`.

    Attributes:
        session: name of the session.
        turn: number of the turn in its session, from 1, or `None` where it is not known.
        turn_id: id of the prompt that is worked on.
        tool_use_id: the API's id of the use.
        parent_tool_use_id: the use that started the subagent it belongs to; "" on the main thread.
        name: the tool.
        input: what it ran with, as compact JSON text; secrets redacted, strings cut at 10,000 characters.
        started: when its use arrived, in unix seconds.
        duration_s: from use to result in seconds; where a person was asked, from their decision on. `None` while it
            runs, when no result came, or when it was denied and never ran.
        is_error: whether the result reports failure; `None` without a result.
        permission: `allowed` or `denied`; `edited` where it was allowed with an `input` that was edited by you; `asked`
            while that is open, `stopped` where the turn was stopped before you answered, "" where no one was asked.
        result_chars: length of the result's text in characters; `None` without a result.
    """

    session: str
    turn: int | None
    turn_id: str
    tool_use_id: str
    parent_tool_use_id: str
    name: str
    input: str
    started: float
    duration_s: float | None = None
    is_error: bool | None = None
    permission: str = ""
    result_chars: int | None = None


class ToolRecorder:
    """Follows the tools of every session; an observer of message batches, on the loop's thread.

    Args:
        max_records: tool uses that are kept; older ones are dropped and counted.

    Attributes:
        dropped: tool uses that are no longer kept.
    """

    def __init__(self, max_records: int = 10_000) -> None:
        if max_records < 1:
            raise ValueError(f"max_records must be at least 1, not {max_records}.")
        self.dropped = 0
        self._max_records = max_records
        self._records: OrderedDict[int, ToolRecord] = OrderedDict()
        self._bytes = 0
        self._made = 0
        self._places: dict[tuple[str, str], int] = {}
        self._allowed: dict[tuple[str, str], float] = {}
        self._turns: dict[str, tuple[str, int]] = {}

    def begin_turn(self, session: str, turn: int, turn_id: str) -> None:
        """Say which turn of a session `turn_id` is; tools of turns that were not announced have no `turn`."""
        self._turns[session] = (turn_id, turn)

    def add_message(self, batch: Batch, message: Message) -> None:
        """Take a message of a batch."""
        kind = message.type
        if kind is _TOOL_USE:
            self._use(batch, message)
        elif kind is _PERMISSION:
            self._permission(batch, message)
        elif kind is _DECISION:
            self._decided(batch.session, message)
        elif kind is _TOOL_RESULT:
            self._result(batch.session, message)
        elif kind is _RESULT:
            self._turn_over(batch, message)

    def records(self) -> list[ToolRecord]:
        """Return the tool uses that are kept, of all sessions, in the order they began."""
        return list(self._records.values())

    def records_of_turn(self, session: str, turn_id: str) -> list[ToolRecord]:
        """Return the tool uses of the last turn of a session, if `turn_id` is its id, in the order they began."""
        found: list[ToolRecord] = []
        for record in reversed(self._records.values()):
            if record.session == session:
                if record.turn_id != turn_id:
                    break
                found.append(record)
        return found[::-1]

    def forget_closed(self, open_sessions: Collection[str]) -> None:
        """Let go of what goes on in all other sessions; their tool uses stay."""
        for session in self._turns.keys() - set(open_sessions):
            del self._turns[session]

    def _use(self, batch: Batch, message: Message) -> None:
        """A use begins. 2.1.330 may ask for permission before it shows the use: then the record is there already."""
        known = self._record(batch.session, message.tool_use_id)
        if known is not None and known.turn_id == batch.turn_id and known.is_error is None:
            self._change(batch.session, known.tool_use_id, parent_tool_use_id=message.parent_tool_use_id)
            return
        announced, turn = self._turns.get(batch.session, ("", 0))
        record = ToolRecord(
            session=batch.session,
            turn=turn if announced == batch.turn_id and batch.turn_id else None,
            turn_id=batch.turn_id,
            tool_use_id=message.tool_use_id,
            parent_tool_use_id=message.parent_tool_use_id,
            name=message.tool_name,
            input=input_text(message.tool_input),
            started=message.received,
        )
        self._made += 1
        self._places[batch.session, message.tool_use_id] = self._made
        self._records[self._made] = record
        self._bytes += sys.getsizeof(record.input)
        while len(self._records) > self._max_records or (self._bytes > _MAX_INPUT_BYTES and len(self._records) > 1):
            self._drop(next(iter(self._records)))
            self.dropped += 1

    def _permission(self, batch: Batch, message: Message) -> None:
        if not message.tool_use_id:
            return  # a question was withdrawn; it does not say which
        if self._record(batch.session, message.tool_use_id) is None and not message.is_error:
            self._use(batch, message)
        self._change(batch.session, message.tool_use_id, permission=DENIED if message.is_error else ASKED)

    def _decided(self, session: str, message: Message) -> None:
        """A person has decided; without that, it is read from how the turn goes on."""
        record = self._record(session, message.tool_use_id)
        if record is None:
            return
        if not message.is_error:
            self._allowed[session, message.tool_use_id] = message.received
        if message.edited:
            given = input_text(message.tool_input)
            self._bytes += sys.getsizeof(given) - sys.getsizeof(record.input)
            self._change(session, message.tool_use_id, permission=EDITED, input=given)
        else:
            self._change(session, message.tool_use_id, permission=DENIED if message.is_error else ALLOWED)

    def _result(self, session: str, message: Message) -> None:
        record = self._record(session, message.tool_use_id)
        if record is None or record.is_error is not None:
            return
        began = self._allowed.pop((session, message.tool_use_id), record.started)
        # A failed result after a question may be the tool's failure or the denial: the end of the turn tells.
        allowed = record.permission == ASKED and not message.is_error
        self._change(
            session,
            message.tool_use_id,
            duration_s=None if record.permission == DENIED else max(0.0, message.received - began),
            is_error=message.is_error,
            result_chars=len(message.text),
            permission=ALLOWED if allowed else record.permission,
        )

    def _turn_over(self, batch: Batch, message: Message) -> None:
        """The result lists every denied use; what was asked, has a result and is not among them was allowed.

        The CLI lists what was open when it was stopped as denied, too: only what you decided counts then.
        """
        was_stopped = str(message.raw.get("terminal_reason") or "").startswith("aborted")
        listed = message.raw.get("permission_denials")
        denials = [denial for denial in listed if isinstance(denial, dict)] if isinstance(listed, list) else []
        denied = {str(denial.get("tool_use_id")) for denial in denials}
        for record in reversed(self._records.values()):
            if record.session != batch.session:
                continue
            if record.turn_id != batch.turn_id:
                break
            if was_stopped and record.permission == ASKED:
                self._change(batch.session, record.tool_use_id, permission=STOPPED, duration_s=None)
            elif record.tool_use_id in denied:
                self._change(batch.session, record.tool_use_id, permission=DENIED, duration_s=None)
            elif record.permission == ASKED and record.is_error is not None:
                self._change(batch.session, record.tool_use_id, permission=ALLOWED)

    def _record(self, session: str, tool_use_id: str) -> ToolRecord | None:
        return self._records.get(self._places.get((session, tool_use_id), 0))

    def _change(self, session: str, tool_use_id: str, **changes: Any) -> None:
        """Put a changed copy in the record's place: a snapshot taken earlier stays as it was."""
        record = self._record(session, tool_use_id)
        if record is not None:
            self._records[self._places[session, tool_use_id]] = msgspec.structs.replace(record, **changes)

    def _drop(self, place: int) -> None:
        record = self._records.pop(place)
        self._bytes -= sys.getsizeof(record.input)
        key = (record.session, record.tool_use_id)
        if self._places.get(key) == place:
            del self._places[key]
            self._allowed.pop(key, None)


def input_text(value: dict[str, Any]) -> str:
    """Return a tool's input as compact JSON text; strings are cut at 10,000 characters, so it stays valid JSON."""
    text = _compact_json(value)
    # No string in it is longer than all of it: nearly every input is done here.
    return text if len(text) <= LONGEST_STRING else _compact_json(_with_short_strings(value))


def _compact_json(value: Any) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except (OverflowError, UnicodeEncodeError, TypeError):  # a number over 64 bit, half a surrogate pair
        return json.dumps(value, separators=(",", ":"), default=str)


def _with_short_strings(value: Any) -> Any:
    if isinstance(value, str):
        return shortened(value, LONGEST_STRING)
    if isinstance(value, dict):
        return {key: _with_short_strings(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_short_strings(item) for item in value]
    return value
