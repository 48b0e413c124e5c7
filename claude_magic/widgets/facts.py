"""What the view shows besides the messages: how full the window is, how many files were edited."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from claude_magic.edits import edited_files
from claude_magic.messages import Message, MessageType
from claude_magic.response import Response
from claude_magic.widgets.protocol import Context, RunData


def facts_of(response: Response) -> RunData:
    """Return the fields of `RunData` that the messages of a turn tell, but the stored turn does not name."""
    facts: RunData = {"started": response.started, "edits": len(edited_files(response.messages))}
    context = context_of(response.messages)
    if context is not None:
        facts["context"] = context
    return facts


def context_of(messages: Iterable[Message]) -> Context | None:
    """Return how full the model's window is after a turn: what the last call read and wrote, of what fits.

    The size of the window is in the result's `modelUsage`; `None` where the CLI did not say.
    """
    used, size = 0, 0
    for message in messages:
        if message.parent_tool_use_id:
            continue  # a subagent has a window of its own
        if message.wire == "message_start":
            used = _tokens(message.raw["event"].get("message", {}).get("usage") or {})
        elif message.wire == "message_delta":
            used += int((message.raw["event"].get("usage") or {}).get("output_tokens") or 0)
        elif message.type is MessageType.RESULT:
            models = (message.raw.get("modelUsage") or {}).values()
            size = max((int(model.get("contextWindow") or 0) for model in models), default=0)
    return {"used": used, "max": size} if used and size else None


def _tokens(usage: dict[str, Any]) -> int:
    return sum(
        int(usage.get(name) or 0) for name in ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    )


def headline(run: dict[str, Any]) -> str:
    """Return one line for where a live view cannot be drawn."""
    return f"Claude is at work in session {run.get('session', '')}."
