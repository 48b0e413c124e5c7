"""`--attach`: values of the notebook as content blocks: text, tables, pictures."""

from __future__ import annotations

import codecs
import inspect
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from claude_magic.magics.filling import LONGEST_VALUE, bounded, is_address, without_addresses
from claude_magic.paths import open_regular
from claude_magic.rendering.text import one_line, plural
from claude_magic.values.pictures import Block, picture_block, pictures_of, shown_as
from claude_magic.values.tables import frame_text, is_frame, is_series

_SAMPLE_ROWS = 10
_LONGEST_TEXT = 10 * LONGEST_VALUE
_DATA = (str, bytes, bytearray, int, float, complex, list, tuple, dict, set, frozenset)
"""What is data through and through; the `repr` of anything else may be long and say little."""
_NO_FORMATTERS: Mapping[str, Any] = MappingProxyType({})


def attachment(name: str, value: Any, formatters: Mapping[str, Any] = _NO_FORMATTERS) -> list[Block]:
    """Return the content blocks that carry a value.

    Args:
        name: the expression it came from, as its title.
        value: text; a DataFrame or Series (schema and a sample); what is or shows itself as a picture, see
            `pictures_of`; a `Path` (the file's text or picture); a function or class (its source); what shows itself
            as Markdown; anything else as its `str()`.
        formatters: the shell's formatters by MIME type.

    Raises:
        ValueError: a file cannot be read, a picture is too large, or the value has no words of its own.
    """
    if isinstance(value, Path):
        value = value.expanduser()
        name = str(value)
    if is_frame(value):
        return [_text_block(f"Attached table `{name}`:\n\n{_table(value)}")]
    if is_series(value):
        return [_text_block(f"Attached series `{name}`:\n\n{_table(value.to_frame())}")]
    if is_frame(styled := getattr(value, "data", None)):
        return [_text_block(f"Attached table `{name}`:\n\n{_table(styled)}")]
    if pictures := pictures_of(value, formatters):
        return [_text_block(f"Attached picture `{name}`:"), *map(picture_block, pictures)]
    if isinstance(value, Path):
        return [_text_block(f"Attached file `{name}`:\n\n{_fenced(_read(value))}")]
    return [_text_block(f"Attached `{name}` ({type(value).__name__}):\n\n{_words(value, formatters)}")]


def attached_words(value: Any, blocks: list[Block]) -> str:
    """Return in a few words what was attached, such as `table, 12 rows`.

    Args:
        value: the value.
        blocks: the content blocks that carry it.
    """
    if pictures := sum(block["type"] == "image" for block in blocks):
        return "picture" if pictures == 1 else plural(pictures, "picture")
    if isinstance(value, Path):
        return "file"
    frame: Any = value if is_frame(value) else getattr(value, "data", None)
    if is_frame(frame):
        return f"table, {plural(frame.shape[0], 'row')}"
    if is_series(value):
        return f"series, {plural(len(value), 'row')}"
    return f"text, {plural(len(value), 'character')}" if isinstance(value, str) else type(value).__name__


def _text_block(text: str) -> Block:
    return {"type": "text", "text": text}


def _words(value: Any, formatters: Mapping[str, Any]) -> str:
    """Return the text that a value is, shows itself as, or prints."""
    if isinstance(value, _DATA):
        text = str(value)
        return _fenced(bounded(text if isinstance(value, str) else without_addresses(text), _LONGEST_TEXT))
    if inspect.isfunction(value) or inspect.ismethod(value) or inspect.isclass(value):
        return _fenced(_source(value))
    shown = shown_as(value, ["text/markdown"], formatters)
    if not isinstance(shown, str):
        # HTML, SVG or LaTeX that IPython was given to display.
        shown = value.data if type(value).__module__.startswith("IPython.") and hasattr(value, "data") else None
    if isinstance(shown, str):
        return _fenced(bounded(shown, _LONGEST_TEXT))
    text = str(value)
    if is_address(text):
        words = one_line(without_addresses(text), 60)
        raise ValueError(
            f"a value of type {type(value).__name__} has no text of its own (it prints as {words}); "
            "attach what is in it, or a text about it"
        )
    return _fenced(bounded(without_addresses(text)))


def _source(value: Any) -> str:
    try:
        return bounded(inspect.getsource(value), _LONGEST_TEXT)
    except (OSError, TypeError):
        raise ValueError(f"the source of {value.__name__} is not known; attach it as a text") from None


def _read(path: Path) -> str:
    """Return the text of a file; of a long one not much more than is sent."""
    most = 4 * _LONGEST_TEXT
    try:
        with open_regular(path) as file:
            data = file.read(most)
            left = max(0, path.stat().st_size - most)
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror})") from None
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


def _table(frame: Any) -> str:
    rows, columns = frame.shape
    text = frame_text(frame, _SAMPLE_ROWS, _LONGEST_TEXT // 2)
    return bounded(f"{rows:,} rows × {columns:,} columns\n\n{text}", _LONGEST_TEXT)
