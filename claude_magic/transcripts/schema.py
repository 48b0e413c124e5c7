"""What stands on a line of a session file: only the fields that are needed, decoded by type; and what a person typed.

Facts of both CLI versions (2.1.197 and 2.1.330), measured: each block of an answer is a record of its own that repeats
the message's id and usage; the uuid of a prompt is the uuid that was sent; a fork copies records with their uuids into
a file of its own; a compaction of the older CLI writes records again, with their uuids; a resumed session goes on in
its file. Records other than `user`, `assistant` and `system` say nothing that the frames show. Calls that the CLI makes
for itself (a compaction, a title) are not in the files.
"""

from __future__ import annotations

import json
import math
import re
from datetime import datetime
from typing import Annotated, Any, TypeVar

import msgspec

from claude_magic.lenient import LARGEST_COUNT, mapping, mappings

SYNTHETIC = "<synthetic>"
"""Model of the answers that the CLI writes itself; no call was made for them."""


NOTHING = msgspec.Raw()
"""Stands for JSON that is not there."""


Count = Annotated[int, msgspec.Meta(ge=0, le=LARGEST_COUNT)]
"""A number of tokens; one that is beyond belief is not as it is known."""


_Struct = TypeVar("_Struct", bound=msgspec.Struct)


class CacheCreation(msgspec.Struct, gc=False):
    """Tokens written to the cache, by how long it lasts."""

    ephemeral_1h_input_tokens: Count | None = None
    ephemeral_5m_input_tokens: Count | None = None


class ServerTools(msgspec.Struct, gc=False):
    """What the API did by itself."""

    web_search_requests: Count | None = None


class Iteration(msgspec.Struct, gc=False):
    """One of several calls that an answer took, where the API lists them; `model` where another model answered it."""

    model: str | None = None
    input_tokens: Count | None = None
    cache_creation_input_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    output_tokens: Count | None = None
    cache_creation: CacheCreation | None = None


class Usage(Iteration, gc=False):
    """Token counts of an answer as the API reports them."""

    server_tool_use: ServerTools | None = None
    inference_geo: str | None = None
    speed: str | None = None
    iterations: list[Iteration] | None = None


class Part(msgspec.Struct, gc=False):
    """One block inside a tool's result."""

    text: str | None = None


class Block(msgspec.Struct, gc=False):
    """One content block of a message; `content` is a tool's result."""

    tool_use_id: str | None = None
    type: str = ""
    text: str | None = None
    content: str | list[Part | str] | None = None
    is_error: bool | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = NOTHING
    thinking: msgspec.Raw = NOTHING

    @property
    def result(self) -> str:
        """The text of a tool's result."""
        if isinstance(self.content, list):
            return "\n".join((part if isinstance(part, str) else part.text) or "" for part in self.content)
        return self.content or ""


class APIMessage(msgspec.Struct, gc=False):
    """The message of a `user` or `assistant` record."""

    model: str | None = None
    id: str | None = None
    content: str | list[Block] | None = None
    usage: Usage | None = None

    @property
    def blocks(self) -> list[Block]:
        """What it holds; a text alone is one block."""
        return self.content if isinstance(self.content, list) else [Block(type="text", text=self.content)]

    @property
    def results(self) -> list[Block]:
        """The results of tools that it holds."""
        return [block for block in self.blocks if block.type == "tool_result"]


class Attachment(msgspec.Struct, gc=False):
    """What the CLI adds to a conversation: of one kind, what was typed while Claude was at work."""

    type: str = ""
    commandMode: str = ""
    isMeta: bool | None = None
    prompt: str | list[Block] | None = None


class Record(msgspec.Struct, gc=False):
    """One line of a session file."""

    isSidechain: bool | None = None
    agentId: str | None = None
    promptId: str | None = None
    message: APIMessage | None = None
    requestId: str | None = None
    type: str | None = None
    uuid: str | None = None
    timestamp: str | None = None
    isMeta: bool | None = None
    isCompactSummary: bool | None = None
    isApiErrorMessage: bool | None = None
    cwd: str | None = None
    sessionId: str | None = None
    forkedFrom: msgspec.Raw = NOTHING
    content: msgspec.Raw = NOTHING
    customTitle: str | None = None
    aiTitle: str | None = None
    attachment: msgspec.Raw = NOTHING

    @property
    def time(self) -> float | None:
        """When it was written, in unix seconds; `None` where it does not say, or not in ISO 8601."""
        try:
            return datetime.fromisoformat(self.timestamp or "").timestamp()
        except ValueError:
            return None


UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for a line that is not as it should be."""
decode_record = msgspec.json.Decoder(Record).decode
decode_records = msgspec.json.Decoder(Record).decode_lines
_decode_attachment = msgspec.json.Decoder(Attachment).decode
_decode_any = msgspec.json.Decoder().decode
_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_DEEPEST = 200
_LONGEST_NUMBER = 400


def read_leniently(line: bytes) -> dict[str, Any]:
    """Return the object on a line that is not quite as JSON should be, or is nested too deeply for a quick look.

    What is nested deeper than any record of the CLI is left out, bytes that are not UTF-8 are replaced, and numbers
    beyond any use are infinite.

    Raises:
        ValueError: it is not JSON, or not an object.
    """
    raw = _loads(line)
    if not isinstance(raw, dict):
        raise ValueError("it is not an object")
    return raw


def _loads(data: bytes) -> Any:
    text = _without_depths(data).decode("utf-8-sig", "replace")
    return _with_whole_characters(json.loads(text, parse_int=_whole_number))


def lenient_record(raw: dict[str, Any]) -> Record:
    """Return a record of which some field is not as it is known: that field is lost, the rest is read."""
    record = _lenient(Record, raw)
    message = mapping(raw.get("message"))
    if record.message is None and message:
        record.message = _lenient(APIMessage, message)
    if record.message is not None and record.message.content is None:
        content = message.get("content")
        record.message.content = [_lenient_block(block) for block in mappings(content) or mappings([content])]
    usage = mapping(message.get("usage"))
    if record.message is not None and record.message.usage is None and usage:
        record.message.usage = _lenient(Usage, usage)
    return record


def _without_depths(line: bytes) -> bytes:
    """Return a line of JSON with `null` in place of what is nested deeper than any record of the CLI."""
    parts: list[bytes] = []
    depth = begin = 0
    for found in _STRING_OR_BRACKET.finditer(line):
        sign = found[0]
        if sign in (b"[", b"{"):
            depth += 1
            if depth == _DEEPEST:
                parts.append(line[begin : found.start()])
        elif sign in (b"]", b"}"):
            depth -= 1
            if depth == _DEEPEST - 1:
                begin = found.end()
                parts.append(b"null")
    return b"".join([*parts, line[begin:]]) if depth < _DEEPEST else line


def _with_whole_characters(value: Any) -> Any:
    """Return a value whose texts can be written as UTF-8: half a surrogate pair becomes U+FFFD."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_with_whole_characters(item) for item in value]
    if isinstance(value, dict):
        return {_with_whole_characters(name): _with_whole_characters(item) for name, item in value.items()}
    return value


def _whole_number(digits: str) -> float:
    return int(digits) if len(digits) < _LONGEST_NUMBER else math.inf


def _lenient_block(raw: dict[str, Any]) -> Block:
    block = _lenient(Block, raw)
    content = raw.get("content")
    if block.content is None and content is not None:
        # The result of a tool of the server's, or one in a new shape: its texts are what can be shown.
        parts = mappings(content) or mappings([content])
        block.content = [Part(part["text"]) for part in parts if isinstance(part.get("text"), str)]
    return block


def _lenient(kind: type[_Struct], raw: dict[str, Any]) -> _Struct:
    made = kind()
    for field in msgspec.structs.fields(kind):
        value = raw.get(field.encode_name)
        if value is None:
            continue
        try:
            if field.type is msgspec.Raw:
                setattr(made, field.name, msgspec.Raw(msgspec.json.encode(value)))
            else:
                setattr(made, field.name, msgspec.convert(value, field.type, strict=False))
        except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError, TypeError):
            continue
    return made


def queued_prompt(record: Record) -> APIMessage | None:
    """Return what a person typed while Claude was at work, which stands in an attachment; `None` if it is none."""
    if record.type != "attachment" or not record.attachment or record.isMeta:
        return None
    try:
        found = _decode_attachment(record.attachment)
    except UNREADABLE:
        return None
    is_prompt = found.type == "queued_command" and found.commandMode == "prompt" and not found.isMeta
    return APIMessage(content=found.prompt) if is_prompt and found.prompt else None


def plain(raw: msgspec.Raw) -> Any:
    """Return the value of JSON that was passed over, `None` where there is none; a second look at a few fields."""
    if not raw:
        return None
    try:
        return _decode_any(raw)
    except UNREADABLE:  # what is passed over is checked to be JSON, but not to be UTF-8, nor for numbers without end
        return _loads(bytes(raw))


# ---- what a person typed ----

INTERRUPTED = "[Request interrupted by user"
COMMAND_OUTPUT = "<local-command-stdout>"
_COMMAND = re.compile(r"<command-name>(.*?)</command-name>.*?(?:<command-args>(.*?)</command-args>)?\s*$", re.DOTALL)
_SAID_BY_THE_CLI = (COMMAND_OUTPUT, "<local-command-stderr>", "<local-command-caveat>", "<bash-")
_OF_OTHERS = ("<task-notification>", "<teammate-message", "<agent-message")
"""How the text begins that a task or another agent says where a person's stands."""
_LOOKED_AT = 100
_REMINDERS = re.compile(r"(?:\s*<system-reminder>.*?</system-reminder>)+\s*", re.DOTALL)
"""What the CLI puts before a person's words, in the same block or in one of its own."""


def typed_text(message: APIMessage) -> str:
    """Return the text of a message without what the CLI has put before it.

    A block that is only a line feed marks a prompt as literal, and was not typed.
    """
    texts = [block.text for block in message.blocks if block.type == "text"]
    return "\n".join(typed for text in texts if text and text != "\n" and (typed := without_reminders(text)))


def without_reminders(text: str) -> str:
    """Return a text without the reminders of the CLI at its beginning."""
    reminders = _REMINDERS.match(text) if "<system-reminder>" in text[:_LOOKED_AT] else None
    return text if reminders is None else text[reminders.end() :]


def is_prompt(record: Record, text: str) -> bool:
    """Whether a `user` record of the main thread begins a turn: a person, or a task that ended, asked for an answer."""
    written_by_the_cli = record.isMeta or record.isCompactSummary or text.startswith(_SAID_BY_THE_CLI)
    return not record.isSidechain and not written_by_the_cli


def prompt_of(text: str) -> str:
    """Return a prompt as it was typed; "" for an unprompted turn."""
    if text.startswith(_OF_OTHERS):
        return ""
    command = _COMMAND.search(text) if text.startswith("<command-") else None
    if command is None:
        return text
    return f"{command[1]} {command[2] or ''}".strip()
