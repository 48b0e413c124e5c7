"""What of a value is a picture: bytes, files, figures, charts, and whatever the notebook itself shows as one."""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from claude_magic.paths import open_regular

Block = dict[str, Any]

_LARGEST_PICTURE = 5 * 2**20
"""The API takes pictures of up to 5 MB."""
_MOST_PICTURES = 10
_MOST_PARTS = 1000
_PICTURES = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}
_SHOWN = ("image/png", "image/jpeg", "image/gif", "image/webp")
_CHARTS = {
    "plotly": ("to_image", "kaleido"),
    "altair": ("save", "vl-convert-python"),
}
"""Libraries whose charts a page draws: the method that makes a picture, and the package it needs for that."""


def pictures_of(value: Any, formatters: Mapping[str, Any]) -> list[bytes]:
    """Return what is, or can draw, pictures; nothing is fetched.

    Args:
        value: picture bytes; a file; a matplotlib figure, what is drawn in one, or an array or list of these; a PIL
            image; a Plotly or Altair chart; whatever shows itself as a picture in a notebook.
        formatters: the shell's formatters by MIME type; they know how values of other libraries show themselves.

    Returns:
        The pictures; none if it is something else.

    Raises:
        ValueError: it is a picture that cannot be had; says why, and what to do.
    """
    if isinstance(value, str | int | float | complex | None):
        return []
    if isinstance(value, bytes | bytearray):
        return [bytes(value)] if is_picture(bytes(value)) else []
    if isinstance(value, Path):
        return _of_file(value)
    if figures := figures_in(value):
        if len(figures) > _MOST_PICTURES:
            raise ValueError(f"it has {len(figures)} figures; at most {_MOST_PICTURES} can be attached at once")
        return [_drawn(figure) for figure in figures]
    if callable(getattr(value, "save", None)) and hasattr(value, "mode") and hasattr(value, "size"):
        return [_saved(value)]
    data = getattr(value, "data", None)
    if isinstance(data, bytes) and is_picture(data):
        return [data]
    if (picture := _chart(value) or _shown(value, formatters)) is not None:
        return [picture]
    if isinstance(getattr(value, "url", None), str) and data is None and type(value).__name__ == "Image":
        raise ValueError("it is a picture on the web, which is not fetched; load it, and attach its bytes")
    return []


def picture_block(data: bytes) -> Block:
    """Return the content block of a picture.

    Raises:
        ValueError: it is too large, or no picture after all; the CLI would leave it out without a word.
    """
    if len(data) > _LARGEST_PICTURE:
        size, limit = len(data) / 2**20, _LARGEST_PICTURE // 2**20
        raise ValueError(f"it is a picture of {size:.1f} MB; at most {limit} MB can be sent: make it smaller")
    _check_whole(data)
    source = {"type": "base64", "media_type": media_type(data), "data": base64.b64encode(data).decode("ascii")}
    return {"type": "image", "source": source}


def is_picture(data: bytes) -> bool:
    """Whether bytes begin as a picture that can be sent."""
    return any(data.startswith(magic) for magic in _PICTURES) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")


def media_type(data: bytes) -> str:
    """Return the MIME type of a picture that can be sent."""
    return next((kind for magic, kind in _PICTURES.items() if data.startswith(magic)), "image/webp")


def _check_whole(data: bytes) -> None:
    try:
        from PIL import Image
    except ImportError:  # comes with matplotlib, which is an extra
        return
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.verify()
    except Exception:
        raise ValueError("it begins as a picture, but cannot be read as one") from None


def _of_file(path: Path) -> list[bytes]:
    try:
        with open_regular(path) as file:
            return [file.read()] if is_picture(file.read(12)) and file.seek(0) == 0 else []
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror})") from None


def figures_in(value: Any) -> list[Any]:
    """Return the figures that a value is, is drawn in, or has only parts of; each once."""
    figure = _figure(value)
    if figure is not None:
        return [figure]
    parts = _parts(value)
    figures = [_figure(part) for part in parts]
    if not figures or any(figure is None for figure in figures):
        return []
    return list({id(figure): figure for figure in figures}.values())


def _parts(value: Any) -> list[Any]:
    """Return what a container has, arrays and lists within it flat; [] for anything else and for much."""
    if type(value).__name__ == "ndarray" and value.dtype.kind == "O":
        found = list(value.flat) if value.size <= _MOST_PARTS else []
    elif isinstance(value, dict):
        found = list(value.values()) if len(value) <= _MOST_PARTS else []
    elif isinstance(value, list | tuple):
        found = list(value) if len(value) <= _MOST_PARTS else []
    else:
        return []
    return [part for outer in found for part in (_parts(outer) or [outer])]


def _figure(value: Any) -> Any:
    """Return the matplotlib figure of what is drawn in one, or what saves itself as one does; else `None`."""
    for _ in range(5):  # a part of a figure may be in a part of it
        if callable(getattr(value, "savefig", None)):
            return None if isinstance(value, type) else value
        value = getattr(value, "figure", None)
        if value is None:
            return None
    return None


def _drawn(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", bbox_inches="tight", dpi=100)
    return buffer.getvalue()


def _saved(image: Any) -> bytes:
    buffer = io.BytesIO()
    try:
        image.save(buffer, format="PNG")
    except OSError:  # a mode that PNG does not have, such as CMYK
        buffer = io.BytesIO()
        image.convert("RGB").save(buffer, format="PNG")
    return buffer.getvalue()


def _chart(value: Any) -> bytes | None:
    library = type(value).__module__.partition(".")[0]
    method, package = _CHARTS.get(library, ("", ""))
    draw = getattr(value, method, None) if method else None
    if draw is None or isinstance(value, type):
        return None
    buffer = io.BytesIO()
    try:
        drawn = draw(format="png") if method == "to_image" else draw(buffer, format="png")
    except Exception:
        raise ValueError(
            f"a chart of {library} becomes a picture with {package} only (pip install {package}); "
            "or attach the data it is made of"
        ) from None
    return drawn if isinstance(drawn, bytes) else buffer.getvalue()


def _shown(value: Any, formatters: Mapping[str, Any]) -> bytes | None:
    """Return the picture that a notebook shows for a value."""
    for kind in _SHOWN:
        drawn = shown_as(value, [kind], formatters)
        if drawn is None:
            continue
        try:
            data = base64.b64decode(drawn) if isinstance(drawn, str) else drawn
        except (binascii.Error, ValueError):
            continue
        if isinstance(data, bytes) and is_picture(data):
            return data
    return None


def shown_as(value: Any, kinds: Iterable[str], formatters: Mapping[str, Any]) -> Any:
    """Return what a notebook shows for a value, without metadata; `None` if it does not show itself so.

    Args:
        value: the value.
        kinds: MIME types, the best first.
        formatters: the shell's formatters by MIME type, also those that are switched off in a terminal.
    """
    if isinstance(value, type):
        return None
    kinds = list(kinds)
    bundle = _real_method(value, "_repr_mimebundle_")
    shown = bundle(include=kinds, exclude=None) if bundle is not None else None
    shown = shown[0] if isinstance(shown, tuple) else shown
    for kind in kinds:
        if isinstance(shown, Mapping) and shown.get(kind) is not None:
            return shown[kind]
        draw = _printer(value, kind, formatters)
        drawn = draw() if draw is not None else None
        drawn = drawn[0] if isinstance(drawn, tuple) else drawn
        if drawn is not None:
            return drawn
    return None


_METHODS = {"image/png": "_repr_png_", "image/jpeg": "_repr_jpeg_", "text/markdown": "_repr_markdown_"}


def _printer(value: Any, kind: str, formatters: Mapping[str, Any]) -> Any:
    formatter = formatters.get(kind)
    if formatter is not None:
        try:
            registered = formatter.lookup(value)
        except KeyError:
            pass
        else:
            return lambda: registered(value)
    method = _METHODS.get(kind)
    return _real_method(value, method) if method else None


def _real_method(value: Any, name: str) -> Any:
    """Return a method that a value really has; `None` for a class, and for what answers to any name."""
    if isinstance(value, type):
        return None
    try:
        if getattr(value, "_method_that_no_class_has_", None) is not None:
            return None
        method = getattr(value, name, None)
    except Exception:  # `__getattr__` is the value's own code
        return None
    return method if callable(method) else None
