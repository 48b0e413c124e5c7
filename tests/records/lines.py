"""Lines as the CLI writes them, decoded by the real decoder into batches."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from claude_magic.cli.decoder import Decoder
from claude_magic.cli.encoder import decision_line
from claude_magic.messages import Batch, Message, MessageType
from claude_magic.records.turns import TurnRecord

Line = dict[str, Any]


def delta(text: str) -> Line:
    """One piece of streamed text."""
    return _piece({"type": "text_delta", "text": text})


def thought(text: str) -> Line:
    """One piece of streamed thinking."""
    return _piece({"type": "thinking_delta", "thinking": text})


def stop() -> Line:
    """The technical event at the end of a block."""
    return {"type": "stream_event", "event": {"type": "content_block_stop", "index": 0}, "parent_tool_use_id": None}


def said(text: str, kind: str = "text") -> Line:
    """A completed block of the assistant, as it follows its pieces."""
    return _assistant({"type": kind, kind: text})


def use(use_id: str, name: str = "Bash", parent: str | None = None, **given: Any) -> Line:
    """The assistant uses a tool."""
    return _assistant({"type": "tool_use", "id": use_id, "name": name, "input": given}, parent)


def tool_result(use_id: str, content: str, is_error: bool = False) -> Line:
    """What a tool brought back."""
    block = {"type": "tool_result", "tool_use_id": use_id, "content": content, "is_error": is_error}
    return {"type": "user", "message": {"role": "user", "content": [block]}, "parent_tool_use_id": None}


def asks(use_id: str, name: str = "Bash", **given: Any) -> Line:
    """The CLI asks whether a tool may run."""
    request = {"subtype": "can_use_tool", "tool_name": name, "tool_use_id": use_id, "input": given}
    return {"type": "control_request", "request_id": "r1", "request": request}


def decides(use_id: str, allowed: bool = True, edited: Line | None = None) -> Line:
    """A line of ours: a person has decided."""
    line: Line = msgspec.json.decode(decision_line("Bash", use_id, allowed, edited))
    return line


def system(subtype: str, **fields: Any) -> Line:
    """A system message."""
    return {"type": "system", "subtype": subtype, **fields}


def result(text: str | None = "done", **fields: Any) -> Line:
    """The end of a turn."""
    base = {"type": "result", "subtype": "success", "is_error": False, "result": text, "num_turns": 2}
    return base | {"duration_ms": 1500} | fields


def batch(*lines: Line | bytes, at: float = 100.0, turn_id: str = "t1", session: str = "main") -> Batch:
    """Decode lines that arrive together."""
    return Stream(session, turn_id).batch(*lines, at=at)


class Stream:
    """Lines of one session over several batches: the decoder remembers what was streamed."""

    def __init__(self, session: str = "main", turn_id: str = "t1") -> None:
        self.session = session
        self.turn_id = turn_id
        self._decoder = Decoder()

    def batch(self, *lines: Line | bytes, at: float = 100.0) -> Batch:
        """Decode the next lines, which arrive together."""
        raw = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
        return Batch(self.session, "sid", self.turn_id, self._decoder.decode(raw, at))


def stderr(text: str) -> Batch:
    """A line of stderr, which is no JSON and comes by another way."""
    return Batch("main", "sid", "", [Message(MessageType.STDERR, text, text.encode(), 100.0)])


def turn(**fields: Any) -> TurnRecord:
    """A finished turn; every field has a value that can be told from the others."""
    base: dict[str, Any] = {
        "session": "main",
        "session_id": "sid",
        "turn": 1,
        "turn_id": "t1",
        "model": "claude-test",
        "started": 1_700_000_000.25,
        "duration_s": 2.5,
        "ttft_s": 0.5,
        "outcome": "success",
        "error": "",
        "num_steps": 3,
        "input_tokens": 10,
        "output_tokens": 20,
        "cache_read_tokens": 30,
        "cache_write_tokens": 40,
        "cost_usd": 0.0125,
        "estimated": False,
        "tool_uses": 2,
        "prompt": "a prompt",
        "text": "an answer",
        "simulated": True,
    }
    return TurnRecord(**base | fields)


def _piece(piece: Line) -> Line:
    event = {"type": "content_block_delta", "index": 0, "delta": piece}
    return {"type": "stream_event", "event": event, "parent_tool_use_id": None}


def _assistant(block: Line, parent: str | None = None) -> Line:
    return {"type": "assistant", "message": {"role": "assistant", "content": [block]}, "parent_tool_use_id": parent}
