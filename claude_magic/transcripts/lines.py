"""The records of a session file: only the fields that are needed, decoded by type.

Facts of both CLI versions (2.1.197 and 2.1.330), measured: each block of an answer is a record of its own that repeats
the message's id and usage; the uuid of a prompt is the uuid that was sent; a fork copies records with their uuids into
a file of its own; a compaction of the older CLI writes records again, with their uuids; a resumed session goes on in
its file. Records other than `user`, `assistant` and `system` say nothing that the frames show. Calls that the CLI makes
for itself (a compaction, a title) are not in the files.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any, TypeVar

import msgspec

from claude_magic.lenient import mapping, mappings

SYNTHETIC = "<synthetic>"
"""Model of the answers that the CLI writes itself; no call was made for them."""


NOTHING = msgspec.Raw()
"""Stands for JSON that is not there."""


Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""A number of tokens; one that no column could hold is not as it is known."""


_Struct = TypeVar("_Struct", bound=msgspec.Struct)


class CacheCreation(msgspec.Struct, gc=False):
    """Tokens written to the cache, by how long it lasts."""

    ephemeral_1h_input_tokens: Count | None = None
    ephemeral_5m_input_tokens: Count | None = None


class ServerTools(msgspec.Struct, gc=False):
    """What the API did by itself."""

    web_search_requests: Count | None = None


class Usage(msgspec.Struct, gc=False):
    """Token counts of an answer as the API reports them."""

    input_tokens: Count | None = None
    cache_creation_input_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    output_tokens: Count | None = None
    server_tool_use: ServerTools | None = None
    cache_creation: CacheCreation | None = None
    inference_geo: str | None = None
    speed: str | None = None


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

    @property
    def time(self) -> float | None:
        """When it was written, in unix seconds."""
        return unix_seconds(self.timestamp)


class Kind(msgspec.Struct, gc=False):
    """The type of a line, and nothing else of it."""

    type: str | None = None


decode_record = msgspec.json.Decoder(Record).decode
decode_records = msgspec.json.Decoder(Record).decode_lines
decode_kind = msgspec.json.Decoder(Kind).decode
_decode_any = msgspec.json.Decoder().decode


def lenient_record(line: bytes) -> Record:
    """Return a record of which some field is not as it is known: that field is lost, the rest is read.

    Raises:
        ValueError: it is not JSON, or not an object.
    """
    raw = json.loads(line)
    if not isinstance(raw, dict):
        raise ValueError("it is not an object")
    record = _lenient(Record, raw)
    message = mapping(raw.get("message"))
    if record.message is None and message:
        record.message = _lenient(APIMessage, message)
    if record.message is not None and record.message.content is None:
        record.message.content = [_lenient_block(block) for block in mappings(message.get("content"))]
    usage = mapping(message.get("usage"))
    if record.message is not None and record.message.usage is None and usage:
        record.message.usage = _lenient(Usage, usage)
    return record


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


def unix_seconds(words: str | None) -> float | None:
    """Return a moment in ISO 8601 as unix seconds, or `None` where it is none."""
    if not words:
        return None
    try:
        return datetime.fromisoformat(words).timestamp()
    except ValueError:
        return None


def plain(raw: msgspec.Raw) -> Any:
    """Return the value of JSON that was passed over, `None` where there is none; a second look at a few fields."""
    if not raw:
        return None
    try:
        return _decode_any(raw)
    except UnicodeDecodeError:  # what is passed over is checked to be JSON, but not to be UTF-8
        return _decode_any(bytes(raw).decode("utf-8", "replace"))
