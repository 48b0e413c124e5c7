"""What a line of the CLI says to a person: its content blocks as text, whole or streamed, or a system message."""

from __future__ import annotations

from typing import Any

from claude_magic.lenient import items, mapping, mappings, number
from claude_magic.redaction import Redactor, StreamRedactor

_SAYING = ("title", "url", "stdout", "stderr", "error_code", "error_message")
"""Fields that say something in the results of the tools that the API runs itself: search, fetch, code."""


def system_text(subtype: str, raw: dict[str, Any]) -> str:
    """Return what a system message says to a person; "" where it says nothing."""
    if subtype == "api_retry":
        cause = raw.get("error_status") or raw.get("error") or "connection failed"
        wait_s = number(raw.get("retry_delay_ms")) / 1000
        return f"the API failed ({cause}): retry {raw.get('attempt')} of {raw.get('max_retries')} in {wait_s:.1f} s"
    if subtype == "model_fallback":
        return f"{raw.get('original_model')} is not available: {raw.get('fallback_model')} answers"
    if subtype == "compact_boundary":
        return "the conversation was compacted"
    if subtype == "status":
        return str(raw.get("status") or "")
    if subtype == "session_state_changed":
        return str(raw.get("state") or "")
    for key in ("message", "summary", "description", "content"):
        if isinstance(raw.get(key), str):
            return str(raw[key])
    return ""


def content_blocks(raw: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the content blocks of an `assistant` or `user` line; a plain text is one of them."""
    content = raw["message"].get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return mappings(content)


def failed_at_the_api(block: dict[str, Any]) -> bool:
    """Say whether the result of a tool that the API runs itself is an error."""
    return str(mapping(block.get("content")).get("type")).endswith("_error")


def block_text(content: Any) -> str:
    """Return the readable text of a tool result's `content`: a string, or blocks of which pictures are named."""
    if isinstance(content, str):
        return content
    blocks = [content] if isinstance(content, dict) else items(content)
    return "\n".join(_shown_text(block) for block in blocks if isinstance(block, dict))


def _shown_text(block: dict[str, Any]) -> str:
    """Return what a block says to a person: its text, an address that was found, what a program wrote, or its kind."""
    if block.get("type") == "text":
        return str(block.get("text") or "")
    texts = [str(block[name]) for name in _SAYING if isinstance(block.get(name), str | int) and block[name] != ""]
    return "\n".join(texts) if texts else f"[{block.get('type', 'block')}]"


class StreamedBlock:
    """The text of the block that is being streamed: what was shown, and what is held back, as it may begin a secret.

    Args:
        redactor: the secrets.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._stream = StreamRedactor(redactor) if redactor else None
        self._started = False

    def feed(self, pieces: list[str]) -> list[str]:
        """Take deltas that follow each other, and return what can be shown of each now: they themselves, if all can."""
        self._started = True
        return pieces if self._stream is None else self._stream.feed_all(pieces)

    def finish(self, whole: str) -> str:
        """Return what of the whole block its deltas have not shown."""
        rest = self._stream.flush() if self._stream is not None else ""
        if not self._started:
            rest = self._redactor.text(whole)
        self._started = False
        return rest

    def restart(self) -> None:
        """Begin a new block; what was held back is dropped."""
        self._started = False
        if self._stream is not None:
            self._stream.flush()
