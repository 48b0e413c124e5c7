"""A finished message as the server-sent events of a stream."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from claude_magic.simulator.answers import Answer

__all__ = ["Event", "chunks", "events", "events_until_cut"]

_MAX_JSON_PIECES = 200


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event. `paced` is true for those a model takes its time for."""

    data: Mapping[str, Any]
    paced: bool = False

    def encode(self) -> bytes:
        """The bytes on the wire."""
        name, data = self.data["type"], json.dumps(self.data, ensure_ascii=False, separators=(",", ":"))
        return f"event: {name}\ndata: {data}\n\n".encode("utf-8", "surrogatepass")


def chunks(text: str, size: int) -> list[str]:
    """`text` in pieces of about `size` characters that end between words; only long words are cut."""
    pieces: list[str] = []
    current = ""
    for word in re.findall(rf"\s{{1,{size}}}|\S{{1,{size}}}\s?", text):
        if current and len(current) + len(word) > size:
            pieces.append(current)
            current = ""
        current += word
    return [*pieces, current] if current else pieces


def events(answer: Answer, chunk_chars: int) -> Iterator[Event]:
    """All events of the answer, in the order the API sends them."""
    yield _start(answer)
    for index, block in enumerate(answer.content):
        yield from _block(index, block, chunk_chars)
        if index == 0:
            yield Event({"type": "ping"})
    yield Event(
        {
            "type": "message_delta",
            "delta": {"stop_reason": answer.stop_reason, "stop_sequence": None},
            "usage": dict(answer.usage),
        }
    )
    yield Event({"type": "message_stop"})


def events_until_cut(answer: Answer, chunk_chars: int) -> Iterator[Event]:
    """The events up to the middle of the last block: what arrives before a stream breaks."""
    yield _start(answer)
    last = len(answer.content) - 1
    for index, block in enumerate(answer.content):
        whole = list(_block(index, block, chunk_chars))
        yield from whole if index < last else whole[: max(2, len(whole) // 2)]


def _start(answer: Answer) -> Event:
    message = {**answer.as_json(), "content": [], "stop_reason": None, "usage": {**answer.usage, "output_tokens": 1}}
    return Event({"type": "message_start", "message": message})


def _block(index: int, block: Mapping[str, Any], chunk_chars: int) -> Iterator[Event]:
    yield Event({"type": "content_block_start", "index": index, "content_block": _opening(block)})
    for delta in _deltas(block, chunk_chars):
        paced = delta["type"] != "signature_delta"
        yield Event({"type": "content_block_delta", "index": index, "delta": delta}, paced)
    yield Event({"type": "content_block_stop", "index": index})


def _opening(block: Mapping[str, Any]) -> dict[str, Any]:
    """The block as it is announced, before its first delta."""
    empty: dict[str, dict[str, Any]] = {
        "text": {"text": ""},
        "thinking": {"thinking": "", "signature": ""},
        "tool_use": {"input": {}},
    }
    return {**block, **empty[block["type"]]}


def _deltas(block: Mapping[str, Any], chunk_chars: int) -> Iterator[dict[str, Any]]:
    if block["type"] == "text":
        yield from ({"type": "text_delta", "text": piece} for piece in chunks(block["text"], chunk_chars))
    elif block["type"] == "thinking":
        yield from ({"type": "thinking_delta", "thinking": piece} for piece in chunks(block["thinking"], chunk_chars))
        yield {"type": "signature_delta", "signature": block["signature"]}
    else:
        yield {"type": "input_json_delta", "partial_json": ""}
        yield from ({"type": "input_json_delta", "partial_json": piece} for piece in _json_pieces(block, chunk_chars))


def _json_pieces(block: Mapping[str, Any], chunk_chars: int) -> list[str]:
    whole = json.dumps(block["input"], ensure_ascii=False)
    size = max(min(chunk_chars, math.ceil(len(whole) / 2)), math.ceil(len(whole) / _MAX_JSON_PIECES))
    return [whole[start : start + size] for start in range(0, len(whole), size)]
