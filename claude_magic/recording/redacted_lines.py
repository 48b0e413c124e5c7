"""Lines of a CLI as they may be kept: without secrets, also where one came split over several deltas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from claude_magic.messages import Message, MessageType
from claude_magic.redaction import Redactor, StreamRedactor


class RedactedLines:
    """Lines of a CLI with the secrets taken out, also those that come split over several deltas.

    Args:
        redactor: knows the secrets.
        write: gets each line that is worth keeping, with its time.
    """

    def __init__(self, redactor: Redactor, write: Callable[[float, dict[str, Any]], None]) -> None:
        self._redactor = redactor
        self._write = write
        self._delta = StreamRedactor(redactor)
        self._pending: tuple[float, dict[str, Any]] | None = None

    def add(self, message: Message, at: float) -> None:
        """Take the next message.

        Args:
            message: as it came; what is only between the CLI and us is left out.
            at: its time, for `write`.
        """
        raw = message.raw
        if not raw or message.type is MessageType.STDERR or raw.get("type") == "control_response":
            return
        piece = _delta_key(raw)
        if piece is None:
            self.flush()
            self._write(at, self._redactor.value(raw))
            return
        self._write_pending()
        delta = raw["event"]["delta"]
        delta[piece] = self._delta.feed(delta[piece])
        self._pending = (at, raw)

    def flush(self) -> None:
        """A block is complete: what was held back belongs to its last delta."""
        rest = self._delta.flush()
        if self._pending is not None and rest:
            line = self._pending[1]
            line["event"]["delta"][_delta_key(line)] += rest
        self._write_pending()

    def _write_pending(self) -> None:
        if self._pending is not None:
            self._write(*self._pending)
            self._pending = None


def _delta_key(raw: dict[str, Any]) -> str | None:
    """Return which field of a line streams text, or `None` for every other line."""
    if raw.get("type") != "stream_event":
        return None
    event = raw.get("event")
    delta = event.get("delta") if isinstance(event, dict) else None
    if not isinstance(delta, dict):
        return None
    return next((key for key in ("text", "thinking", "partial_json") if isinstance(delta.get(key), str)), None)
