"""The records of a session file: only the fields that are needed, decoded by type. And the facts kept of them.

Facts of both CLI versions (2.1.197 and 2.1.330), measured: each block of an answer is a record of its own that repeats
the message's id and usage; the uuid of a prompt is the uuid that was sent; a fork copies records with their uuids into
a file of its own; a compaction of the older CLI writes records again, with their uuids; a resumed session goes on in
its file. Records other than `user`, `assistant` and `system` say nothing that the frames show. Calls that the CLI makes
for itself (a compaction, a title) are not in the files.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

SYNTHETIC = "<synthetic>"
"""Model of the answers that the CLI writes itself; no call was made for them."""


NOTHING = msgspec.Raw()
"""Stands for JSON that is not there."""


class CacheCreation(msgspec.Struct, gc=False):
    """Tokens written to the cache, by how long it lasts."""

    ephemeral_1h_input_tokens: int | None = None
    ephemeral_5m_input_tokens: int | None = None


class ServerTools(msgspec.Struct, gc=False):
    """What the API did by itself."""

    web_search_requests: int | None = None


class Usage(msgspec.Struct, gc=False):
    """Token counts of an answer as the API reports them."""

    input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens: int | None = None
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


class Call(msgspec.Struct, array_like=True, gc=False):
    """One API message: its tokens as the last of its records tells them.

    Attributes:
        turn: place of its turn in the file, -1 before the first.
        seen: when the record was written that told the tokens, in unix seconds.
        time: when its first record was written, in unix seconds.
        prompt_id: the CLI's id of the prompt, where it is not clear from the place.
    """

    message_id: str
    request_id: str | None
    model: str
    turn: int
    time: float | None
    seen: float | None
    is_sidechain: bool
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    web_searches: int = 0
    is_fast: bool = False
    is_us: bool = False

    def count(self, usage: Usage) -> None:
        """Take the token counts of a later record: the last one is right, the earlier ones stand as it streamed."""
        self.input_tokens = usage.input_tokens or 0
        self.output_tokens = usage.output_tokens or 0
        self.cache_read_tokens = usage.cache_read_input_tokens or 0
        written, split = usage.cache_creation_input_tokens or 0, usage.cache_creation
        hour = (split.ephemeral_1h_input_tokens or 0) if split is not None else 0
        short = (split.ephemeral_5m_input_tokens or 0) if split is not None else 0
        # Older files tell the sum only; what is not said to last an hour lasts five minutes.
        self.cache_write_1h_tokens = hour
        self.cache_write_5m_tokens = max(short, written - hour)
        tools = usage.server_tool_use
        self.web_searches = (tools.web_search_requests or 0) if tools is not None else 0
        self.is_fast = usage.speed == "fast"
        self.is_us = usage.inference_geo == "us"


class ToolUse(msgspec.Struct, array_like=True, gc=False):
    """One use of a tool and its result; `turn` as in `Call`."""

    id: str
    turn: int
    name: str
    input: str
    started: float | None
    is_sidechain: bool
    ended: float | None = None
    is_error: bool | None = None
    result_chars: int | None = None


class Turn(msgspec.Struct, array_like=True):
    """One prompt and what came of it, on the main thread.

    Attributes:
        texts: the answer's blocks.
        uuids: of the records they come from, so that one written twice counts once.
        last: `text`, `tool_use`, `error` or `interrupted`: how it stands at the end of the file.
    """

    id: str
    prompt_id: str | None
    prompt: str
    started: float | None
    ended: float | None = None
    texts: list[str] = []
    uuids: list[str] = []
    last: str = ""
    error: str = ""
    model: str = ""
