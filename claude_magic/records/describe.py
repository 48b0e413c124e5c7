"""What a message says to a person who reads the log: level, source, words. No pandas."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum

import msgspec

from claude_magic.messages import Message, MessageType
from claude_magic.records.tool_uses import input_text


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
# Looking a member up in its class takes longer than making a line.
_DEBUG, _INFO, _WARNING, _ERROR = Level


class LogLine(msgspec.Struct, frozen=True, gc=False):
    """What a message says to a person who reads the log."""

    level: Level
    source: str
    text: str


def describe(message: Message) -> LogLine | None:
    """Return what a message says, or `None` where it says nothing to a person.

    The level comes from what the message means, and from words only for lines that have no meaning for us.
    Words from `Message.text` are redacted already; names and numbers from the raw line are not.
    """
    describer = _DESCRIBERS.get(message.type)
    return describer(message) if describer is not None else None


# What each type of message says. Streamed pieces have been joined to whole blocks before.


def _spoken(message: Message) -> LogLine | None:
    text = message.text.strip("\n")
    return LogLine(_INFO, "assistant", text) if text else None


def _init(message: Message) -> LogLine:
    raw = message.raw
    return LogLine(_INFO, "system", f"turn starts: {raw.get('model')}, CLI {raw.get('claude_code_version')}")


def _tool_use(message: Message) -> LogLine:
    return LogLine(_INFO, "assistant", f"{message.tool_name} {input_text(message.tool_input)}")


def _tool_result(message: Message) -> LogLine:
    return LogLine(_WARNING if message.is_error else _INFO, "tool", message.text)


def _permission(message: Message) -> LogLine:
    if not message.is_error:
        return LogLine(_INFO, "system", message.text)
    return LogLine(_WARNING, "system", f"{message.tool_name} was denied: {message.text}")


def _decision(message: Message) -> LogLine:
    text = f"{message.text}: {input_text(message.tool_input)}" if message.edited else message.text
    return LogLine(_INFO, "system", text)


def _status(message: Message) -> LogLine | None:
    raw = message.raw
    subtype = raw.get("subtype")
    if raw.get("type") == "stream_event":
        # A broken or interrupted stream; it matters where text was taken back, which the assembler says in words.
        return LogLine(_WARNING, "system", message.text) if message.text else None
    if not message.text or subtype == "session_state_changed" or raw.get("status") == "requesting":
        return None  # routine of every turn
    if subtype in ("model_fallback", "model_refusal_no_fallback") or raw.get("level") in ("warning", "error"):
        return LogLine(_WARNING, "system", message.text)
    return LogLine(_INFO, "system", message.text)


def _retry(message: Message) -> LogLine:
    return LogLine(_WARNING, "system", message.text)


def _rate_limit(message: Message) -> LogLine:
    near = message.text.endswith(("allowed_warning", "rejected"))
    return LogLine(_WARNING if near else _INFO, "system", message.text)


def _task(message: Message) -> LogLine | None:
    if not message.text:
        return None
    if message.tool_name:
        return LogLine(_INFO, "tool", message.text)
    if message.parent_tool_use_id:
        return LogLine(_INFO, "assistant", message.text)
    raw = message.raw
    step = str(raw.get("subtype") or "").removeprefix("task_")
    level = _WARNING if raw.get("status") == "failed" else _INFO
    return LogLine(level, "system", f"task {step}: {message.text}")


def _stderr(message: Message) -> LogLine:
    level = level_of_text(message.text)
    return LogLine(_ERROR if level is _ERROR else _WARNING, "stderr", message.text)


def _error(message: Message) -> LogLine:
    return LogLine(_ERROR, "system", message.error or message.text)


def _result(message: Message) -> LogLine:
    """The answer itself is an entry already: the end of a turn is told by its outcome."""
    raw = message.raw
    if str(raw.get("terminal_reason") or "").startswith("aborted"):
        return LogLine(_WARNING, "system", "turn ended: interrupted")
    subtype = str(raw.get("subtype") or "")
    if message.is_error:
        # A limit that the user set is not a failure: such a turn returns.
        level = _WARNING if subtype in ("error_max_turns", "error_max_budget_usd") else _ERROR
        return LogLine(level, "system", f"turn ended: {message.error or subtype}")
    took = raw.get("duration_ms")
    seconds = f", {took / 1000:.1f} s" if isinstance(took, int | float) else ""
    return LogLine(_INFO, "system", f"turn ended: {subtype}, {raw.get('num_turns')} steps{seconds}")


def _unknown(message: Message) -> LogLine:
    if message.text:
        return LogLine(level_of_text(message.text), "system", message.text)
    raw = message.raw
    names = "/".join(str(raw[key]) for key in ("type", "subtype") if raw.get(key))
    return LogLine(_INFO, "system", f"a message of a type we do not know: {names}")


def _event(message: Message) -> LogLine:
    raw = message.raw
    event = raw.get("event")
    name = event.get("type") if isinstance(event, dict) else raw.get("subtype")
    return LogLine(_DEBUG, "system", "/".join(str(part) for part in (raw.get("type"), name) if part))


_DESCRIBERS: dict[MessageType, Callable[[Message], LogLine | None]] = {
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


def level_of_text(text: str) -> Level:
    """Return the level that the words of a line speak of: whole words, in any case."""
    if _ERROR_WORDS.search(text):
        return _ERROR
    return _WARNING if _WARNING_WORDS.search(text) else _INFO
