"""What a function returned, as content for the model: text, tables and pictures as the blocks of an MCP tool result."""

from __future__ import annotations

import base64
import dataclasses
import io
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from claude_magic.values.pictures import media_type, pictures_of
from claude_magic.values.tables import frame_text, is_frame, is_series

Block = dict[str, Any]

LONGEST_RESULT = 64 * 1024
"""Characters of text in one result; what is longer the CLI puts into a file, and the model sees 2 kB of it."""
_ROWS = 20
_LARGEST_EDGE = 1024
"""Pixels. The API scales larger pictures down, after they were paid for in time and bytes."""
_MOST_PICTURES = 3
_NO_FORMATTERS: Mapping[str, Any] = MappingProxyType({})


class Content(list[Block]):
    """What a tool returns that makes the blocks of its result itself."""


def content_of(value: Any, formatters: Mapping[str, Any] = _NO_FORMATTERS) -> list[Block]:
    """Return the blocks of a tool result that show a value.

    Args:
        value: a text, as it is; a DataFrame or Series, its columns and first 20 rows; a figure, a chart, a PIL image
            or the bytes of a picture, as a picture; `None`; anything else as JSON where it is plain data, else as its
            `str()`.
        formatters: the shell's formatters by MIME type, for values that draw themselves.
    """
    try:
        pictures = pictures_of(value, formatters)
    except ValueError as error:
        return [text_block(f"{type(value).__name__}: {error}")]
    if pictures:
        return picture_blocks(pictures)
    return [text_block(_text(value))]


def text_block(text: str, limit: int = LONGEST_RESULT) -> Block:
    """Return a block of text, cut in its middle where it is too long; it then says how much was left out."""
    return {"type": "text", "text": cut_in_the_middle(text, limit)}


def picture_blocks(pictures: Iterable[bytes]) -> list[Block]:
    """Return pictures as blocks, at most three, each at most 1,024 pixels wide and high; what is left out is said."""
    given = list(pictures)
    blocks = [scaled_picture(data) for data in given[:_MOST_PICTURES]]
    left = len(given) - _MOST_PICTURES
    return [*blocks, text_block(f"… and {left} more pictures, which are left out")] if left > 0 else blocks


def cut_in_the_middle(text: str, limit: int) -> str:
    """Return a text of about `limit` characters: its beginning and its end, with a word about what is between."""
    if len(text) <= limit:
        return text
    head, tail = limit * 2 // 3, limit // 3
    return f"{text[:head]}\n… [{len(text) - head - tail:,} characters left out] …\n{text[-tail:]}"


def _text(value: Any) -> str:
    if value is None:
        return "None"
    if isinstance(value, str):
        return value
    table = table_of(value)
    if table:
        return table
    if isinstance(value, dict | list | tuple | set | frozenset | bool | int | float) or dataclasses.is_dataclass(value):
        try:
            return msgspec.json.encode(value, enc_hook=str).decode()
        except (TypeError, ValueError, RecursionError, OverflowError):
            pass
    return str(value)


def table_of(value: Any) -> str:
    """Return the columns and first 20 rows of a DataFrame or Series as Markdown; "" for anything else."""
    frame = value.to_frame() if is_series(value) else value
    if not is_frame(frame):
        return ""
    rows, columns = frame.shape
    return f"{rows:,} rows × {columns:,} columns\n\n{frame_text(frame, _ROWS, LONGEST_RESULT // 4)}"


def scaled_picture(data: bytes) -> Block:
    """Return a picture as a block, at most 1,024 pixels wide and high."""
    small = _scaled(data)
    return {"type": "image", "data": base64.b64encode(small).decode("ascii"), "mimeType": media_type(small)}


def _scaled(data: bytes) -> bytes:
    """Return a picture no larger than the model is shown; as it is without PIL, which comes with matplotlib."""
    try:
        from PIL import Image
    except ImportError:
        return data
    try:
        with Image.open(io.BytesIO(data)) as image:
            if max(image.size) <= _LARGEST_EDGE:
                return data
            image.thumbnail((_LARGEST_EDGE, _LARGEST_EDGE))
            buffer = io.BytesIO()
            image.save(buffer, format="PNG")
            return buffer.getvalue()
    except Exception:  # an odd picture goes as it is: the CLI says what is wrong with it
        return data
