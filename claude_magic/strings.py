"""Texts cut to a length, and made fit to be stored."""

from __future__ import annotations

from typing import Any


def shortened(text: str, longest: int) -> str:
    """Return `text`, cut to `longest` characters; a cut is marked by "…" at the end."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def opening(text: str, longest: int) -> str:
    """Return the first words of `text` on one line of at most `longest` characters; a cut is marked by "…"."""
    line = " ".join(text[: 4 * longest].split())
    return line if len(line) <= longest else f"{line[: longest - 1].rstrip()}…"


def utf8_safe(value: Any) -> Any:
    """Return a text, or JSON-like data, that can be written as UTF-8: half a surrogate pair cannot, and becomes "?"."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {utf8_safe(key): utf8_safe(item) for key, item in value.items()}
    return [utf8_safe(item) for item in value] if isinstance(value, list | tuple) else value
