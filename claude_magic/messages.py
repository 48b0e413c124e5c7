"""`Message`: one line of the CLI, with what it means and its text ready, and everything else on demand."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import msgspec

from claude_magic.strings import shortened

_LONGEST_IN_REPR = 60


class MessageType(StrEnum):
    """What a message means to a reader; the values are plain strings and may be compared as such."""

    INIT = "init"
    TEXT = "text"
    THINKING = "thinking"
    TOOL_USE = "tool_use"
    TOOL_RESULT = "tool_result"
    PERMISSION = "permission"
    DECISION = "decision"
    STATUS = "status"
    RETRY = "retry"
    RATE_LIMIT = "rate_limit"
    TASK = "task"
    EVENT = "event"
    BLOCK = "block"
    STDERR = "stderr"
    ERROR = "error"
    RESULT = "result"
    UNKNOWN = "unknown"


class MessageDetails(msgspec.Struct, frozen=True, gc=False):
    """What only some messages have; the others share one empty instance."""

    tool_name: str = ""
    tool_use_id: str = ""
    tool_input: dict[str, Any] = {}
    parent_tool_use_id: str = ""
    is_error: bool = False
    error: str = ""
    withdrawn: int = 0
    event: str = ""
    edited: bool = False
    outcome: dict[str, Any] = {}


NO_DETAILS = MessageDetails()


# gc=False: a stream makes a hundred thousand of these in a second, and none can be part of a cycle.
class Message(msgspec.Struct, gc=False):
    """One line of the CLI, in the order it came; a `decision` is a line of ours, put where it was made.

    Example::

        with client.stream("analysis", "Hello") as stream:
            text = "".join(message.text for message in stream if message.type is MessageType.TEXT)

    Attributes:
        type: what it means; a `MessageType`.
        text: only what is new. Joining `text` over the messages of type `text` gives `Response.text`; where the
            CLI takes back a half-sent block, a `status` says in `withdrawn` how many characters go.
            Other types carry their words here: a tool's result, a note for people, the line that is not JSON.
        line: the line as it came, without its end; nothing is redacted in it.
        received: when it arrived, in unix seconds.
        details: what only some messages have; read them through the properties.
    """

    type: MessageType
    text: str
    line: bytes
    received: float
    details: MessageDetails = NO_DETAILS

    def __repr__(self) -> str:
        """The type and the beginning of the text: the line as it came may hold secrets."""
        named = f" {self.tool_name}" if self.tool_name else ""
        return f"<{type(self).__name__} {self.type}{named} {shortened(self.text, _LONGEST_IN_REPR)!r}>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("type", str(self.type)), ("text", shortened(self.text, _LONGEST_IN_REPR))]

    @property
    def tool_name(self) -> str:
        """Name of the tool for `tool_use`, `tool_result`, `permission` and `decision`; else ""."""
        return self.details.tool_name

    @property
    def tool_input(self) -> dict[str, Any]:
        """Input of a `tool_use` or `permission`, or of an edited `decision`, secrets redacted; else empty."""
        return self.details.tool_input

    @property
    def tool_use_id(self) -> str:
        """The id that joins a tool's use, permission, decision and result; else ""."""
        return self.details.tool_use_id

    @property
    def parent_tool_use_id(self) -> str:
        """The id of the tool use that started the subagent this message is from; "" on the main thread."""
        return self.details.parent_tool_use_id

    @property
    def is_error(self) -> bool:
        """Whether this is a tool result, or a turn's result, that reports failure; or a decision that is a denial."""
        return self.details.is_error

    @property
    def edited(self) -> bool:
        """Whether this is a `decision` to run the tool with another input than the model's: `tool_input`."""
        return self.details.edited

    @property
    def outcome(self) -> dict[str, Any]:
        """What the CLI says of an edit beside its result: which lines were changed, secrets redacted; else empty."""
        return self.details.outcome

    @property
    def error(self) -> str:
        """The failure in words; "" where there is none."""
        return self.details.error

    @property
    def withdrawn(self) -> int:
        """How many characters of earlier `text` this message takes back."""
        return self.details.withdrawn

    @property
    def event(self) -> str:
        """The CLI's own word where the engine acts on it, such as `control_response` or `task_started`; else ""."""
        return self.details.event

    @property
    def raw(self) -> dict[str, Any]:
        """The line as a dict, exactly as it came; decoded anew each time, and empty for a line that is not JSON."""
        try:
            value = decode_json(self.line)
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}

    @property
    def session_id(self) -> str:
        """The CLI's id of the conversation; "" on messages that carry none."""
        return str(self.raw.get("session_id") or "")

    @property
    def timestamp(self) -> datetime:
        """When it happened, in UTC: the CLI's own time where the line has one, else the time of arrival."""
        stamp = self.raw.get("timestamp")
        if isinstance(stamp, str):
            try:
                return datetime.fromisoformat(stamp).astimezone(UTC)
            except ValueError:
                pass  # a time in a form we do not know: the arrival is the next best
        return datetime.fromtimestamp(self.received, UTC)


def decode_json(line: bytes) -> Any:
    """Return the value of a line of JSON, also where JavaScript was more lenient than the standard.

    A string cut in the middle of a surrogate pair is written as half an escape, which msgspec refuses, as it does
    bytes that are not UTF-8 and numbers beyond a double: the broken character becomes U+FFFD, the line survives.

    Raises:
        ValueError: this is not JSON.
    """
    try:
        return msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        lenient = json.dumps(json.loads(line.decode("utf-8", "replace")), ensure_ascii=False)
        return json.loads(lenient.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


class Batch(msgspec.Struct, frozen=True, gc=False):
    """Messages of one session that arrived together; what observers are handed.

    Attributes:
        session: name of the session.
        session_id: the CLI's id of the conversation, "" before it is known.
        turn_id: id of the prompt that is worked on; "" between turns.
        messages: in the order they came.
    """

    session: str
    session_id: str
    turn_id: str
    messages: list[Message]

    def __repr__(self) -> str:
        return f"<Batch session={self.session!r} turn_id={self.turn_id!r} {len(self.messages)} messages>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("session", self.session), ("turn_id", self.turn_id), ("messages", len(self.messages))]
