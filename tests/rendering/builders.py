"""Messages and responses for the tests of the rendering, made by hand."""

from __future__ import annotations

import json
from typing import Any

from claude_magic.messages import NO_DETAILS, Message, MessageDetails, MessageType
from claude_magic.response import Response, Usage


def message(kind: str, text: str = "", at: float = 0.0, raw: dict[str, Any] | None = None, **about: Any) -> Message:
    line = json.dumps(raw or {}).encode()
    return Message(MessageType(kind), text, line, at, MessageDetails(**about) if about else NO_DETAILS)


def use(tool_id: str, name: str, given: dict[str, Any] | None = None, parent: str = "", at: float = 0.0) -> Message:
    about = {"tool_name": name, "tool_use_id": tool_id, "tool_input": given or {}, "parent_tool_use_id": parent}
    return message("tool_use", at=at, **about)


def result(tool_id: str, text: str = "", failed: bool = False, at: float = 0.0) -> Message:
    return message("tool_result", text, at, tool_use_id=tool_id, is_error=failed)


def permission(tool_id: str) -> Message:
    return message("permission", "asks", tool_use_id=tool_id)


def decision(tool_id: str, allowed: bool = True, edited: dict[str, Any] | None = None, at: float = 0.0) -> Message:
    given = {"tool_input": edited, "edited": True} if edited is not None else {}
    return message("decision", at=at, tool_use_id=tool_id, is_error=not allowed, **given)


def response(*messages: Message, **facts: Any) -> Response:
    text = "".join(m.text for m in messages if m.type is MessageType.TEXT)
    given = {
        "text": text,
        "messages": messages,
        "session": "cleanup",
        "model": "claude-opus-4-8",
        "duration_s": 8.4,
        "ttft_s": 0.3,
        "usage": Usage(900, 842, 11_000, 200),
        "cost_usd": 0.0213,
    }
    return Response(**(given | facts))
