"""Pictures that a tool gave back: shown where they are small, told where not, never fetched."""

from __future__ import annotations

import base64
import struct
from typing import Any

import pytest

from claude_magic.rendering import MIME_TYPE, response_bundle
from claude_magic.rendering.images import MOST_BYTES, MOST_SHOWN, pictures_in

from .builders import message, response, use


def png(width: int, height: int, more: int = 0) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height) + b"x" * more


def image(data: bytes | str, kind: str = "image/png") -> dict[str, Any]:
    told = data if isinstance(data, str) else base64.b64encode(data).decode()
    return {"type": "image", "source": {"type": "base64", "media_type": kind, "data": told}}


def line(*blocks: object) -> dict[str, Any]:
    return {
        "type": "user",
        "message": {"content": [{"type": "tool_result", "tool_use_id": "r", "content": list(blocks)}]},
    }


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (png(640, 480), "image/png", "PNG picture, 640 × 480 pixels"),
        (b"GIF89a" + struct.pack("<HH", 10, 20), "image/gif", "GIF picture, 10 × 20 pixels"),
        (
            b"\xff\xd8\xff\xe0\x00\x04xx\xff\xc0\x00\x0b\x08" + struct.pack(">HH", 30, 40) + b"xxxx", "image/jpeg",
            "JPEG picture, 40 × 30 pixels",
        ),
        (b"RIFFxxxxWEBPVP8X" + b"x" * 8 + b"\x09\0\0\x13\0\0", "image/webp", "WebP picture, 10 × 20 pixels"),
    ],
)  # fmt: skip
def test_pictures_are_read_from_a_result(data: bytes, kind: str, words: str) -> None:
    """Kind and size, by its own word."""
    (picture,) = pictures_in(line(image(data, kind)))

    assert (picture.words, picture.url[: len(kind) + 5]) == (words, f"data:{kind}")


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (image(png(9, 9, MOST_BYTES)), "too large"),
        (image(png(50_000, 50_000)), "too large"),
        (image(b"no picture at all"), "cannot be read"),
        (image("javascript:alert(1)"), "not here"),
        (image("<svg onload=x>", "image/svg+xml"), "of a kind that is not shown"),
        ({"type": "image", "source": {"type": "url", "url": "http://x/y.png"}}, "of a kind that is not shown"),
        ({"type": "image", "source": 3}, "of a kind that is not shown"),
    ],
)
def test_pictures_that_are_not_shown_are_told(block: dict[str, Any], words: str) -> None:
    """Too many bytes or pixels, another kind, an address."""
    (picture,) = pictures_in(line(block))

    assert picture.url == ""
    assert words in picture.words


def test_pictures_are_in_the_card_in_every_form() -> None:
    """Data that nothing is fetched for; the text beside it stays."""
    good = image(png(64, 48))
    raw = line({"type": "text", "text": "a plot"}, good)
    back = message("tool_result", "a plot\n[image]", raw=raw, tool_use_id="r")
    bundle = response_bundle(response(use("r", "mcp__kernel__plot"), back))

    data = good["source"]["data"]
    assert f'<img src="data:image/png;base64,{data}" alt="PNG picture, 64 × 48 pixels"' in bundle["text/html"]
    assert bundle["text/html"].count("<img") == 1
    assert bundle[MIME_TYPE]["parts"][0]["pictures"] == [
        {"kind": "image/png", "data": data, "words": "PNG picture, 64 × 48 pixels"}
    ]
    assert "a plot" in bundle["text/html"]


def test_pictures_are_bounded() -> None:
    """In one tool use, and in a run."""
    large = image(png(64, 48, MOST_BYTES - 1000))
    assert len(pictures_in(line(*[large] * 9))) == MOST_SHOWN + 1

    back = [message("tool_result", "[image]", raw=line(large), tool_use_id=f"r{at}") for at in range(5)]
    uses = [use(f"r{at}", "Read", {"file_path": "x"}) for at in range(5)]
    bundle = response_bundle(response(*[one for pair in zip(uses, back, strict=True) for one in pair]))

    assert bundle["text/html"].count("<img") == 2
    assert sum(len(part["pictures"][0]["data"]) > 0 for part in bundle[MIME_TYPE]["parts"]) == 2
