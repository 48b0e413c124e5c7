"""What the view shows besides the messages: how full the window is, how many files were edited."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from claude_magic.engine.rewind import edited_files
from claude_magic.messages import Message
from claude_magic.rendering.footer import context_tokens
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
    """Return how full the model's window is after a turn; `None` where the CLI did not say."""
    known = context_tokens(messages)
    return {"used": known[0], "max": known[1]} if known is not None else None


def headline(run: dict[str, Any]) -> str:
    """Return one line for where a live view cannot be drawn."""
    return f"Claude is at work in session {run.get('session', '')}."
