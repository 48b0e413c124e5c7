"""Pictures that were sent or that a tool gave back: what they are, and whether they are small enough to be shown."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from claude_magic.lenient import items, mapping, mappings, string
from claude_magic.rendering.text import plural

MOST_BYTES = 500_000
"""Of one picture; it is kept twice in a notebook, as data and as HTML."""
MOST_PIXELS = 25_000_000
MOST_SHOWN = 4
"""In one tool use, or in one part of a prompt."""
_KINDS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/gif": "GIF", "image/webp": "WebP"}
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that was sent, or that a tool gave back.

    Attributes:
        kind: its MIME type.
        data: the picture in base64; "" where it is not shown.
        words: what it is, for who does not see it.
    """

    kind: str
    data: str
    words: str

    @property
    def url(self) -> str:
        """The picture as an address that nothing is fetched from; "" where it is not shown."""
        return f"data:{self.kind};base64,{self.data}" if self.data else ""


def pictures_in(raw: dict[str, Any]) -> tuple[Picture, ...]:
    """Return the pictures in a line of the CLI that brings tool results.

    Args:
        raw: the line.
    """
    results = mappings(mapping(raw.get("message")).get("content"))
    return pictures_among(block for result in results for block in mappings(items(result.get("content"))))


def pictures_among(blocks: Iterable[Mapping[str, Any]]) -> tuple[Picture, ...]:
    """Return the pictures among content blocks; of many the first few."""
    sources = [mapping(block.get("source")) for block in blocks if block.get("type") == "image"]
    shown = [_picture(source) for source in sources[:MOST_SHOWN]]
    if len(sources) > MOST_SHOWN:
        shown.append(Picture("", "", f"{plural(len(sources) - MOST_SHOWN, 'more picture')} not shown"))
    return tuple(shown)


def _picture(source: dict[str, Any]) -> Picture:
    kind, data = string(source.get("media_type")), string(source.get("data"))
    if kind not in _KINDS:
        return Picture("", "", "picture of a kind that is not shown here")
    if not _BASE64.fullmatch(data):
        return Picture(kind, "", f"{_KINDS[kind]} picture that is not here")
    size = len(data) * 3 // 4
    try:
        width, height = _pixels(base64.b64decode(data[: 4 * (MOST_BYTES // 3 + 1)], validate=True))
    except (binascii.Error, IndexError):
        width = height = 0
    if not width:
        return Picture(kind, "", f"{_KINDS[kind]} picture that cannot be read")
    description = f"{_KINDS[kind]} picture, {width:,} × {height:,} pixels"
    if size > MOST_BYTES or width * height > MOST_PIXELS:
        return Picture(kind, "", f"{description}, {size // 1000:,} kB: too large to be shown here")
    return Picture(kind, data, description)


def _pixels(data: bytes) -> tuple[int, int]:
    """Return width and height by a picture's own word; zeros where it is none of the four kinds."""
    if data[:8] == b"\x89PNG\r\n\x1a\n" and data[12:16] == b"IHDR":
        return _big(data[16:20]), _big(data[20:24])
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return _little(data[6:8]), _little(data[8:10])
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _of_webp(data)
    return _of_jpeg(data) if data[:2] == b"\xff\xd8" else (0, 0)


def _of_webp(data: bytes) -> tuple[int, int]:
    if data[12:16] == b"VP8X":
        return _little(data[24:27]) + 1, _little(data[27:30]) + 1
    if data[12:16] == b"VP8L":
        bits = _little(data[21:25])
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return _little(data[26:28]) & 0x3FFF, _little(data[28:30]) & 0x3FFF


def _of_jpeg(data: bytes) -> tuple[int, int]:
    at = 2
    while at + 9 < len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return _big(data[at + 7 : at + 9]), _big(data[at + 5 : at + 7])
        at += 2 + _big(data[at + 2 : at + 4])
    return 0, 0


def _big(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _little(data: bytes) -> int:
    return int.from_bytes(data, "little")
