"""The CLI's stream-json wire format, what comes: lines to messages. No I/O.

Facts about the format were measured on CLI 2.1.197 and 2.1.330; the fixtures in `tests/fixtures` show both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from claude_magic.cli.line_text import StreamedBlock, block_text, content_blocks, failed_at_the_api, system_text
from claude_magic.lenient import count, items, mapping, string
from claude_magic.messages import NO_DETAILS, Message, MessageDetails, MessageType, decode_json
from claude_magic.redaction import NOTHING_SECRET, Redactor

Content = str | list[dict[str, Any]]
"""A prompt: text, or a list of the API's content blocks."""


class _Delta(msgspec.Struct, gc=False):
    type: str = ""
    text: str = ""
    thinking: str = ""


class _Event(msgspec.Struct, gc=False):
    type: str = ""
    index: int = 0
    delta: _Delta = msgspec.field(default_factory=_Delta)


class _Line(msgspec.Struct, gc=False):
    """The few fields that decide what a line is; the rest of the line is not decoded."""

    type: str = ""
    event: _Event | None = None
    parent_tool_use_id: str | None = None
    abandoned_blocks: msgspec.Raw | None = None


_decode_line = msgspec.json.Decoder(_Line).decode

# Looking a member up in its class takes longer than making a message.
_TEXT, _THINKING, _EVENT = MessageType.TEXT, MessageType.THINKING, MessageType.EVENT


class Decoder:
    """Turns the lines of one CLI process into messages; remembers what the stream already showed.

    Args:
        redactor: secrets that must not reach any `Message.text`, `tool_input` or `error`.

    Attributes:
        results: how many turns have ended.
    """

    def __init__(self, redactor: Redactor = NOTHING_SECRET) -> None:
        self.results = 0
        self._redactor = redactor
        self._text = StreamedBlock(redactor)
        self._thinking = StreamedBlock(redactor)
        self._tool_names: dict[str, str] = {}
        self._shown: dict[int, int] = {}
        self._block = 0
        self._paragraph_due = False
        self._has_spoken = True
        self._whole_blocks: list[str] = []
        self._before_break: list[str] = []

    def decode(self, lines: Iterable[bytes], received: float) -> list[Message]:
        """Return one message per line, in order; blank lines are skipped.

        A result whose words nothing else has said (a hook that blocks a prompt says why there alone) is two messages:
        its words, as a text without a line of its own, and the result.

        Args:
            lines: whole lines without their ends.
            received: when they arrived, in unix seconds.
        """
        # Nearly all lines are pieces of the block that is being streamed. Each becomes a message at once, as it is;
        # pieces that follow each other are a run, and what they say is looked at together, when the run is over.
        messages: list[Message] = []
        append = messages.append
        running, index, begin = _EVENT, 0, 0
        for line in lines:
            try:
                decoded = _decode_line(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                running = self._end_run(running, index, messages, begin)
                if line and not line.isspace():
                    append(self._unparsed(line, received))
                continue
            event = decoded.event
            if event is None or decoded.parent_tool_use_id is not None or decoded.type != "stream_event":
                running = self._end_run(running, index, messages, begin)
                if decoded.type == "result":
                    messages += self._unsaid(line, received)
                append(self._whole(decoded.type, line, received))
                continue
            delta = event.delta
            if delta.type == "text_delta":
                if running is not _TEXT or event.index != index:
                    self._end_run(running, index, messages, begin)
                    running, index, begin = _TEXT, event.index, len(messages)
                append(Message(_TEXT, delta.text, line, received))
            elif delta.type == "thinking_delta":
                if running is not _THINKING:
                    self._end_run(running, index, messages, begin)
                    running, begin = _THINKING, len(messages)
                append(Message(_THINKING, delta.thinking, line, received))
            else:
                running = self._end_run(running, index, messages, begin)
                if decoded.abandoned_blocks is None and event.type not in ("", "message_start"):
                    append(Message(_EVENT, "", line, received, _STREAM.get(event.type, NO_DETAILS)))
                else:
                    append(self._whole(decoded.type, line, received))
        self._end_run(running, index, messages, begin)
        return messages

    def _end_run(self, kind: MessageType, index: int, messages: list[Message], begin: int) -> MessageType:
        """Give the pieces of a run the text that can be shown of them; return what runs now, which is nothing.

        Args:
            kind: whose pieces they are; an event's are none.
            index: the block they belong to.
            messages: they are its last.
            begin: where they begin.
        """
        if kind is _EVENT:
            return _EVENT
        run = messages[begin:]
        pieces = [message.text for message in run]
        shown = (self._text if kind is _TEXT else self._thinking).feed(pieces)
        if kind is _TEXT:
            shown = self._show(index, shown)
        if shown is not pieces:
            for message, text in zip(run, shown, strict=True):
                message.text = text
        return _EVENT

    def _unsaid(self, line: bytes, received: float) -> list[Message]:
        """Return the words of a result as a text, if its turn has said nothing."""
        if self._has_spoken:
            return []
        try:
            raw = mapping(decode_json(line))
        except (ValueError, RecursionError):
            return []
        text = string(raw.get("result"))
        is_answer = raw.get("structured_output") is None and not raw.get("is_error") and not raw.get("origin")
        if not is_answer or text in ("", _NOTHING_SAID):
            return []
        return [Message(_TEXT, self._redactor.text(text), b"", received)]

    def _show(self, index: int, pieces: list[str]) -> list[str]:
        """Count what a block shows; it is the open one now. After an earlier one and tools, it is a new paragraph."""
        self._block = index
        size = sum(map(len, pieces))
        if size:
            self._has_spoken = True
            if self._paragraph_due:
                self._paragraph_due = False
                first = next(place for place, text in enumerate(pieces) if text)
                pieces = [*pieces[:first], "\n\n" + pieces[first], *pieces[first + 1 :]]
                size += 2
        self._shown[index] = self._shown.get(index, 0) + size
        return pieces

    def _unparsed(self, line: bytes, received: float) -> Message:
        """A line that is not JSON is kept with its text; one with a surprise in it still means what it says."""
        try:
            raw = decode_json(line)
        except (ValueError, RecursionError):
            raw = None
        if isinstance(raw, dict):
            return self._whole(raw.get("type"), line, received, raw)
        return Message(MessageType.UNKNOWN, self._redactor.text(line.decode("utf-8", "replace")), line, received)

    def _whole(self, word: Any, line: bytes, received: float, raw: dict[str, Any] | None = None) -> Message:
        handler = _HANDLERS.get(word) if isinstance(word, str) else None
        if handler is None:
            return Message(MessageType.UNKNOWN, "", line, received)
        try:
            kind, text, details = handler(self, decode_json(line) if raw is None else raw)
        except (AttributeError, KeyError, TypeError, ValueError, IndexError, ArithmeticError, RecursionError):
            # A known type in a shape we have never seen must not end the stream; `raw` still has all of it.
            return Message(MessageType.UNKNOWN, "", line, received)
        return Message(kind, text, line, received, details)

    # What each type of line means. Every handler returns (type, text, details).

    def _stream_event(self, raw: dict[str, Any]) -> _Meaning:
        kind = raw["event"]["type"]
        if kind == "message_start":
            self._shown = {}
            self._whole_blocks = []
            self._text.restart()
            self._thinking.restart()
        delta = raw["event"].get("delta") or {}
        if not raw.get("parent_tool_use_id") and delta.get("type") == "text_delta":
            # Only a delta that the fast path could not read comes here.
            [text] = self._show(raw["event"].get("index", 0), self._text.feed([delta["text"]]))
            return MessageType.TEXT, text, NO_DETAILS
        abandoned = raw.get("abandoned_blocks")
        if not abandoned:
            return MessageType.EVENT, "", _STREAM.get(kind, NO_DETAILS)
        # 2.1.330 mends a broken stream by asking again: blocks from this index on never happened.
        first = count(mapping(abandoned).get("from_block_index"))
        gone = sum(self._shown.pop(index) for index in list(self._shown) if index >= first)
        self._text.restart()
        self._before_break += self._whole_blocks
        self._whole_blocks = []
        return MessageType.STATUS, "", MessageDetails(withdrawn=gone)

    def _assistant(self, raw: dict[str, Any]) -> _Meaning:
        parent = string(raw.get("parent_tool_use_id"))
        blocks = content_blocks(raw)
        uses = [block for block in blocks if block.get("type") in _TOOL_USES]
        if uses:
            return self._tool_use(uses[0], parent)
        # A tool that the API runs itself answers in the same message of the assistant, not in one of the user.
        results = [block for block in blocks if str(block.get("type")).endswith("_tool_result")]
        if results:
            return self._tool_result(results, parent)
        text = "".join(block.get("text") or "" for block in blocks if block.get("type") == "text")
        if raw.get("error"):
            clean = self._redactor.text(text)
            return MessageType.ERROR, clean, MessageDetails(parent_tool_use_id=parent, error=clean or str(raw["error"]))
        if parent:
            return MessageType.TASK, self._redactor.text(text), MessageDetails(parent_tool_use_id=parent)
        if any(block.get("type") == "thinking" for block in blocks):
            thought = "".join(block.get("thinking") or "" for block in blocks)
            return self._finished(MessageType.THINKING, self._thinking, thought)
        kind, new, details = self._finished(MessageType.TEXT, self._text, text)
        if text in self._before_break:
            # The model begins once more: what it had said whole before the stream broke is not said twice.
            self._paragraph_due = True
            return MessageType.STATUS, "", MessageDetails(withdrawn=self._shown.pop(self._block, 0))
        [new] = self._show(self._block, [new]) if new else [""]
        self._paragraph_due = self._paragraph_due or bool(text)
        self._whole_blocks += [text] if text else []
        return kind, new, details

    def _finished(self, kind: MessageType, block: StreamedBlock, whole: str) -> _Meaning:
        """The completed block repeats its deltas: only what they did not show is new."""
        rest = block.finish(whole)
        return (kind if rest else MessageType.BLOCK), rest, NO_DETAILS

    def _tool_use(self, block: dict[str, Any], parent: str) -> _Meaning:
        name, use_id = str(block.get("name") or ""), str(block.get("id") or "")
        if len(self._tool_names) > _REMEMBERED_TOOLS:
            self._tool_names.pop(next(iter(self._tool_names)))
        self._tool_names[use_id] = name
        given = block.get("input")
        safe = self._redactor.value(given) if isinstance(given, dict) else {}
        return (
            MessageType.TOOL_USE,
            "",
            MessageDetails(tool_name=name, tool_use_id=use_id, tool_input=safe, parent_tool_use_id=parent),
        )

    def _user(self, raw: dict[str, Any]) -> _Meaning:
        parent = string(raw.get("parent_tool_use_id"))
        blocks = content_blocks(raw)
        results = [block for block in blocks if block.get("type") == "tool_result"]
        if not results:
            if raw.get("isSynthetic"):
                self._paragraph_due = False
            event = "replay" if raw.get("isReplay") else ""
            return MessageType.EVENT, "", MessageDetails(parent_tool_use_id=parent, event=event)
        beside = mapping(raw.get("tool_use_result"))
        known = {name: beside[name] for name in _OF_AN_EDIT if beside.get(name)}
        return self._tool_result(results, parent, self._redactor.value(known) if known else {})

    def _tool_result(
        self, results: list[dict[str, Any]], parent: str, outcome: dict[str, Any] | None = None
    ) -> _Meaning:
        text = self._redactor.text("\n".join(block_text(block.get("content")) for block in results))
        use_id = str(results[0].get("tool_use_id") or "")
        failed = any(bool(block.get("is_error")) or failed_at_the_api(block) for block in results)
        name = self._tool_names.get(use_id, "")
        details = MessageDetails(
            tool_name=name,
            tool_use_id=use_id,
            parent_tool_use_id=parent,
            is_error=failed,
            error=text if failed else "",
            outcome=outcome or {},
        )
        return MessageType.TOOL_RESULT, text, details

    def _result(self, raw: dict[str, Any]) -> _Meaning:
        self._new_turn()
        self._has_spoken = True
        self.results += 1
        text = raw.get("result")
        errors = "; ".join(str(error) for error in items(raw.get("errors")))
        failed = bool(raw.get("is_error"))
        shown = self._redactor.text(text if isinstance(text, str) else errors)
        return MessageType.RESULT, shown, MessageDetails(is_error=failed, error=shown if failed else "", event="result")

    def _system(self, raw: dict[str, Any]) -> _Meaning:
        subtype = str(raw.get("subtype") or "")
        if subtype == "init":
            self._new_turn()
            self._has_spoken = False
        kind = _SYSTEM.get(subtype, MessageType.EVENT if subtype.startswith("hook_") else MessageType.UNKNOWN)
        details = _ACTED_ON.get(subtype, NO_DETAILS)
        if subtype == "permission_denied":
            details = MessageDetails(
                tool_name=str(raw.get("tool_name") or ""), tool_use_id=str(raw.get("tool_use_id") or ""), is_error=True
            )
        return kind, self._redactor.text(system_text(subtype, raw)), details

    def _control_request(self, raw: dict[str, Any]) -> _Meaning:
        request = raw["request"]
        if request.get("subtype") != "can_use_tool":
            return MessageType.EVENT, "", _ACTED_ON["control_request"]
        given = request.get("input")
        safe = self._redactor.value(given) if isinstance(given, dict) else {}
        name, use_id = str(request.get("tool_name") or ""), str(request.get("tool_use_id") or "")
        details = MessageDetails(tool_name=name, tool_use_id=use_id, tool_input=safe, event="can_use_tool")
        return MessageType.PERMISSION, f"{name} asks for permission", details

    def _decision(self, raw: dict[str, Any]) -> _Meaning:
        name, use_id, allowed = str(raw["tool_name"]), str(raw["tool_use_id"]), bool(raw["allowed"])
        given = raw.get("edited_input")
        edited = isinstance(given, dict)
        text = f"{name} was {'allowed' if allowed else 'denied'}" + (", edited by you" if edited else "")
        safe = self._redactor.value(given) if edited else {}
        details = MessageDetails(
            tool_name=name, tool_use_id=use_id, tool_input=safe, is_error=not allowed, edited=edited
        )
        return MessageType.DECISION, text, details

    def _rate_limit(self, raw: dict[str, Any]) -> _Meaning:
        info = mapping(raw.get("rate_limit_info"))
        return MessageType.RATE_LIMIT, f"rate limit: {info.get('status', 'unknown')}", NO_DETAILS

    def _event(self, raw: dict[str, Any]) -> _Meaning:
        return MessageType.EVENT, "", NO_DETAILS

    def _lifecycle(self, raw: dict[str, Any]) -> _Meaning:
        return MessageType.EVENT, "", _ACTED_ON["command_lifecycle"]

    def _control_response(self, raw: dict[str, Any]) -> _Meaning:
        return MessageType.EVENT, "", _ACTED_ON["control_response"]

    def _cancelled(self, raw: dict[str, Any]) -> _Meaning:
        return MessageType.PERMISSION, "the question was withdrawn", _ACTED_ON["control_cancel_request"]

    def _progress(self, raw: dict[str, Any]) -> _Meaning:
        # The id of a heartbeat is "<tool use>-heartbeat-<n>" (2.1.330); the tool use itself stands as its parent.
        name, use_id = str(raw.get("tool_name") or ""), str(raw.get("parent_tool_use_id") or "")
        text = f"{name} running, {raw.get('elapsed_time_seconds', 0)} s"
        return MessageType.TASK, text, MessageDetails(tool_name=name, tool_use_id=use_id)

    def _reset(self, raw: dict[str, Any]) -> _Meaning:
        return MessageType.STATUS, "the conversation was cleared", _ACTED_ON["conversation_reset"]

    def _new_turn(self) -> None:
        self._paragraph_due = False
        self._whole_blocks, self._before_break = [], []
        self._shown = {}
        self._text.restart()
        self._thinking.restart()


_Meaning = tuple[MessageType, str, MessageDetails]
_TOOL_USES = ("tool_use", "server_tool_use", "mcp_tool_use")
_OF_AN_EDIT = ("structuredPatch", "original_file", "cell_id", "new_source", "edit_mode")
_REMEMBERED_TOOLS = 4096
_NOTHING_SAID = "(no content)"  # what 2.1.202 says after `/clear`

_HANDLERS: dict[str, Callable[[Decoder, dict[str, Any]], _Meaning]] = {
    "stream_event": Decoder._stream_event,
    "assistant": Decoder._assistant,
    "user": Decoder._user,
    "result": Decoder._result,
    "system": Decoder._system,
    "control_request": Decoder._control_request,
    "control_response": Decoder._control_response,
    "control_cancel_request": Decoder._cancelled,
    "claude_magic_decision": Decoder._decision,
    "rate_limit_event": Decoder._rate_limit,
    "command_lifecycle": Decoder._lifecycle,
    "transcript_mirror": Decoder._event,
    "keep_alive": Decoder._event,
    "tool_progress": Decoder._progress,
    "conversation_reset": Decoder._reset,
}

_STREAM = {word: MessageDetails(event=word) for word in ("message_start", "message_delta")}
# What the engine acts on, besides what people read.
_ACTED_ON = {
    word: MessageDetails(event=word)
    for word in (
        "init", "status", "command_lifecycle", "control_request", "control_response", "control_cancel_request",
        "conversation_reset",
        "session_state_changed", "background_tasks_changed", "task_started", "task_updated", "task_notification",
    )
}  # fmt: skip

_SYSTEM: dict[str, MessageType] = {
    "init": MessageType.INIT,
    "status": MessageType.STATUS,
    "thinking_tokens": MessageType.EVENT,
    "api_retry": MessageType.RETRY,
    "model_fallback": MessageType.STATUS,
    "permission_denied": MessageType.PERMISSION,
    "compact_boundary": MessageType.STATUS,
    "task_started": MessageType.TASK,
    "task_progress": MessageType.TASK,
    "task_updated": MessageType.TASK,
    "task_notification": MessageType.TASK,
    "background_tasks_changed": MessageType.TASK,
    "session_state_changed": MessageType.STATUS,
    "informational": MessageType.STATUS,
    "model_refusal_no_fallback": MessageType.STATUS,
    "ui_invalidate": MessageType.EVENT,
}
