"""`--attach`: values of the notebook as content blocks: text, tables, pictures."""

from __future__ import annotations

import base64
import codecs
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from claude_magic.magics.filling import LONGEST_VALUE, bounded, frame_markdown, is_frame, table_cell
from claude_magic.paths import open_regular
from claude_magic.rendering.text import plural

_SAMPLE_ROWS = 10
_LARGEST_PICTURE = 5 * 2**20
"""The API takes pictures of up to 5 MB."""
_LONGEST_TEXT = 10 * LONGEST_VALUE
_PICTURES = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}

Block = dict[str, Any]


def attachment(name: str, value: Any) -> list[Block]:
    """Return the content blocks that carry a value.

    Args:
        name: the expression it came from, as its title.
        value: text; a DataFrame or Series (schema and a sample); a matplotlib figure or axes, a PIL image, picture
            bytes or anything with `_repr_png_` (a picture); a `Path` (the file's text or picture); anything else as
            its `str()`.

    Raises:
        ValueError: a file cannot be read, or a picture is too large.
    """
    if isinstance(value, Path):
        value = value.expanduser()
        name = str(value)
    picture = _picture(value)
    if picture is not None:
        return [_text_block(f"Attached picture `{name}`:"), _picture_block(name, picture)]
    if isinstance(value, Path):
        return [_text_block(f"Attached file `{name}`:\n\n{_fenced(_read(value))}")]
    if is_frame(value):
        return [_text_block(f"Attached table `{name}`:\n\n{_frame_text(value)}")]
    if type(value).__name__ == "Series" and hasattr(value, "to_frame"):
        return [_text_block(f"Attached series `{name}`:\n\n{_frame_text(value.to_frame())}")]
    words = _fenced(bounded(str(value), _LONGEST_TEXT))
    return [_text_block(f"Attached `{name}` ({type(value).__name__}):\n\n{words}")]


def attached_words(value: Any, blocks: list[Block]) -> str:
    """Return in a few words what was attached, such as `table, 12 rows`.

    Args:
        value: the value.
        blocks: the content blocks that carry it.
    """
    if any(block["type"] == "image" for block in blocks):
        return "picture"
    if isinstance(value, Path):
        return "file"
    if is_frame(value):
        return f"table, {plural(value.shape[0], 'row')}"
    if type(value).__name__ == "Series" and hasattr(value, "to_frame"):
        return f"series, {plural(len(value), 'row')}"
    return f"text, {plural(len(value), 'character')}" if isinstance(value, str) else type(value).__name__


def _text_block(text: str) -> Block:
    return {"type": "text", "text": text}


def _picture_block(name: str, data: bytes) -> Block:
    if len(data) > _LARGEST_PICTURE:
        size, limit = len(data) / 2**20, _LARGEST_PICTURE // 2**20
        raise ValueError(f"{name} is a picture of {size:.1f} MB; at most {limit} MB can be sent: make it smaller")
    kind = next((kind for magic, kind in _PICTURES.items() if data.startswith(magic)), "image/webp")
    source = {"type": "base64", "media_type": kind, "data": base64.b64encode(data).decode("ascii")}
    return {"type": "image", "source": source}


def _picture(value: Any) -> bytes | None:
    """Return the bytes of what is, or can draw, a picture; else `None`."""
    if isinstance(value, bytes | bytearray):
        return bytes(value) if _is_picture(bytes(value)) else None
    if isinstance(value, Path):
        with _opened(value) as file:
            return file.read() if _is_picture(file.read(12)) and file.seek(0) == 0 else None
    figure = getattr(value, "figure", None) if not hasattr(value, "savefig") else value
    if hasattr(figure, "savefig"):
        return _drawn(figure)
    save = getattr(value, "save", None)
    if callable(save) and hasattr(value, "mode") and hasattr(value, "size"):
        buffer = io.BytesIO()
        save(buffer, format="PNG")
        return buffer.getvalue()
    data = getattr(value, "data", None)
    if isinstance(data, bytes) and _is_picture(data):
        return data
    draw = getattr(value, "_repr_png_", None)
    return _bytes_of(draw()) if callable(draw) else None


def _drawn(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", bbox_inches="tight", dpi=100)
    return buffer.getvalue()


def _bytes_of(drawn: Any) -> bytes | None:
    if isinstance(drawn, tuple):
        drawn = drawn[0]
    if isinstance(drawn, str):
        return base64.b64decode(drawn)
    return drawn if isinstance(drawn, bytes) else None


def _is_picture(data: bytes) -> bool:
    return any(data.startswith(magic) for magic in _PICTURES) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        with open_regular(path) as file:
            yield file
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror})") from None


def _read(path: Path) -> str:
    """Return the text of a file; of a long one not much more than is sent."""
    most = 4 * _LONGEST_TEXT
    with _opened(path) as file:
        data = file.read(most)
        left = max(0, path.stat().st_size - most)
    try:
        # The last character of what was read may be cut in two.
        text = codecs.getincrementaldecoder("utf-8")().decode(data, final=left == 0)
    except UnicodeDecodeError:
        kinds = "PNG, JPEG, GIF, WebP"
        raise ValueError(f"{path} is neither text in UTF-8 nor a picture that can be sent ({kinds})") from None
    return bounded(text, _LONGEST_TEXT) if left == 0 else f"{text[:_LONGEST_TEXT]}… [the rest of the file is left out]"


def _fenced(text: str) -> str:
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}\n{text}\n{fence}"


def _frame_text(frame: Any) -> str:
    """Schema and a sample: what one needs to write code for a table without seeing all of it."""
    rows, columns = frame.shape
    lines = [f"{rows:,} rows × {columns:,} columns"]
    if hasattr(frame, "isna"):
        lines += ["", "| column | dtype | missing |", "| --- | --- | --- |"]
        missing = frame.isna().sum().tolist()
        kinds = [str(kind) for kind in frame.dtypes]
        facts = zip(frame.columns, kinds, missing, strict=True)
        lines += [f"| {table_cell(name)} | {kind} | {gap:,} |" for name, kind, gap in facts]
    sample = [f"First {min(rows, _SAMPLE_ROWS)} rows:", "", frame_markdown(frame, _SAMPLE_ROWS)]
    return bounded("\n".join([*lines, "", *sample]), _LONGEST_TEXT)
