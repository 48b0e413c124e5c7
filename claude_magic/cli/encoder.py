"""The CLI's stream-json wire format, what goes out: prompts, control requests and answers, each as one line. No I/O.

Facts about the format were measured on CLI 2.1.197 and 2.1.330.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from claude_magic.cli.decoder import Content


def encode(message: dict[str, Any]) -> bytes:
    """Return one stdin line. The CLI exits on anything but one whole JSON object a line, so nothing else goes out."""
    # A lone surrogate (a str from a broken file) cannot be encoded by msgspec; the CLI takes it escaped.
    try:
        return msgspec.json.encode(message) + b"\n"
    except (UnicodeEncodeError, TypeError):
        return json.dumps(message, default=str).encode("ascii") + b"\n"


def user_message(prompt: Content, turn_id: str, *, literal: bool = True) -> dict[str, Any]:
    """Return a prompt as the CLI wants it.

    Args:
        prompt: text, or content blocks.
        turn_id: a fresh uuid; the CLI swallows a message whose uuid it has seen.
        literal: make a leading `/command` and any `@path` plain text. The CLI looks for them in the last text
            block only, so a last block of one line feed disarms all of them (both versions).
    """
    blocks: Content = prompt
    if literal:
        first = [{"type": "text", "text": prompt}] if isinstance(prompt, str) else list(prompt)
        blocks = [*first, {"type": "text", "text": "\n"}]
    return {
        "type": "user",
        "message": {"role": "user", "content": blocks},
        "parent_tool_use_id": None,
        "session_id": "",
        "uuid": turn_id,
    }


def decision_line(tool_name: str, tool_use_id: str, allowed: bool, edited_input: dict[str, Any] | None) -> bytes:
    """Return a line of ours that says how a question about a tool was decided: the CLI's lines do not.

    Args:
        tool_name: the tool.
        tool_use_id: id of its use.
        allowed: whether it may run.
        edited_input: what it runs with in place of the input that was asked about; `None` is with that.
    """
    facts = {"tool_name": tool_name, "tool_use_id": tool_use_id, "allowed": allowed, "edited_input": edited_input}
    return encode({"type": "claude_magic_decision", **facts}).rstrip(b"\n")


def control_request(request_id: str, subtype: str, **fields: Any) -> dict[str, Any]:
    """Return a control request of the host to the CLI."""
    return {"type": "control_request", "request_id": request_id, "request": {"subtype": subtype, **fields}}


def control_success(request_id: str, response: dict[str, Any]) -> dict[str, Any]:
    """Return the host's good answer to a control request of the CLI."""
    inner = {"subtype": "success", "request_id": request_id, "response": response}
    return {"type": "control_response", "response": inner}


def control_error(request_id: str, error: str) -> dict[str, Any]:
    """Return the host's refusal of a control request of the CLI; the CLI fails closed on it."""
    return {"type": "control_response", "response": {"subtype": "error", "request_id": request_id, "error": error}}
