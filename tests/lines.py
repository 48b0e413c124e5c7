"""Lines as the CLI writes them, in short."""

from __future__ import annotations

import json
from typing import Any

from claude_magic.cli.decoder import Decoder
from claude_magic.messages import Message
from claude_magic.redaction import NOTHING_SECRET, Redactor

Line = dict[str, Any]


def event(kind: str, **fields: Any) -> Line:
    outer = {key: fields.pop(key) for key in ("abandoned_blocks", "parent_tool_use_id") if key in fields}
    return {"type": "stream_event", "event": {"type": kind, **fields}, **outer}


def delta(text: str, index: int = 0) -> Line:
    return event("content_block_delta", index=index, delta={"type": "text_delta", "text": text})


def thought(text: str, index: int = 0) -> Line:
    return event("content_block_delta", index=index, delta={"type": "thinking_delta", "thinking": text})


def assistant(*blocks: Line, **fields: Any) -> Line:
    return {"type": "assistant", "message": {"role": "assistant", "content": list(blocks)}, **fields}


def text_block(text: str) -> Line:
    return {"type": "text", "text": text}


def tool_use(name: str = "Bash", use_id: str = "toolu_1", **given: Any) -> Line:
    return {"type": "tool_use", "id": use_id, "name": name, "input": given}


def tool_result(content: Any, use_id: str = "toolu_1", *, is_error: bool = False, **fields: Any) -> Line:
    block = {"type": "tool_result", "tool_use_id": use_id, "content": content, "is_error": is_error}
    return {"type": "user", "message": {"role": "user", "content": [block]}, **fields}


def system(subtype: str, **fields: Any) -> Line:
    return {"type": "system", "subtype": subtype, **fields}


def result(text: str = "", **fields: Any) -> Line:
    return {"type": "result", "subtype": "success", "is_error": False, "result": text, **fields}


def streamed(text: str, index: int = 0) -> list[Line]:
    """A whole block: its deltas, two characters each, then the block itself."""
    pieces = [text[place : place + 2] for place in range(0, len(text), 2)]
    return [*(delta(piece, index) for piece in pieces), assistant(text_block(text))]


def decode(*lines: Line | bytes, redactor: Redactor = NOTHING_SECRET, decoder: Decoder | None = None) -> list[Message]:
    raw = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    return (decoder or Decoder(redactor)).decode(raw, 1_700_000_000.0)


def text_of(messages: list[Message]) -> str:
    return "".join(message.text for message in messages if message.type == "text")
