"""Short texts of values that never run the values' own code.

A `repr`, a `len`, a property, an `==` of an unknown class may do anything: print, raise, wait for ever. So a value is
judged by its exact type, which cannot be disguised as `__class__` can, and only types of Python itself and of known
libraries are asked for more than their names.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from itertools import islice
from typing import Any

from claude_magic.strings import shortened

LONGEST_PREVIEW = 512
"""Characters of one preview."""
_MOST_ITEMS = 6
_DEEPEST = 3
_LONGEST_NUMBER = 64

_SCALARS = frozenset({bool, int, float, complex, type(None), type(Ellipsis), type(NotImplemented)})
_CONTAINERS: dict[type, tuple[str, str]] = {
    list: ("[", "]"), tuple: ("(", ")"), set: ("{", "}"), frozenset: ("frozenset({", "})"), dict: ("{", "}"),
}  # fmt: skip
_LIBRARY_SCALARS = {
    "datetime": ("date", "datetime", "time", "timedelta"),
    "decimal": ("Decimal",),
    "fractions": ("Fraction",),
    "uuid": ("UUID",),
    "pathlib": ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath"),
    "pandas": ("Timestamp", "Timedelta", "Period", "Interval"),
}
"""Types whose text is short and made by their library alone."""


def class_name(kind: type) -> str:
    """Return the name of a class with its module, whatever its metaclass says; `int` for one of Python's own."""
    module = type.__getattribute__(kind, "__module__")
    name = type.__getattribute__(kind, "__qualname__")
    parts = [part for part in (module, name) if type(part) is str and part not in ("builtins", "__main__")]
    return ".".join(parts) or "object"


def type_name(value: Any) -> str:
    """Return the name of a value's type; its `__class__` is not asked."""
    return class_name(type(value))


def is_of(value: Any, module: str, *names: str) -> bool:
    """Whether a value's type is exactly one of a module's classes, if that module is imported at all."""
    home = sys.modules.get(module)
    return home is not None and any(type(value) is vars(home).get(name) for name in names)


def is_kind_of(value: Any, module: str, *names: str) -> bool:
    """Whether a value's type is one of a module's classes, or derived from one."""
    home = sys.modules.get(module)
    kinds = [vars(home).get(name) for name in names] if home is not None else []
    return any(kind in type.__getattribute__(type(value), "__mro__") for kind in kinds if kind is not None)


def fields_of(value: Any) -> dict[str, Any]:
    """Return the attributes that an object keeps in its own dictionary; empty where it has none."""
    try:
        fields = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}
    return dict(fields) if type(fields) is dict else {}


def preview(value: Any, limit: int = LONGEST_PREVIEW) -> str:
    """Return what a value is, in at most about `limit` characters.

    Plain data is written as Python writes it, long data in part. Of anything else only the type is named.
    """
    return shortened(_preview(value, limit, _DEEPEST), limit)


def _preview(value: Any, limit: int, depth: int) -> str:
    kind = type(value)
    if kind is str:
        return repr(value[:limit]) if len(value) <= limit else f"{value[:limit]!r}… ({len(value):,} characters)"
    if kind is bytes or kind is bytearray:
        return f"{kind.__name__} of {len(value):,} bytes" if len(value) > 40 else repr(value)
    if kind is int:
        return repr(value) if value.bit_length() <= 4 * _LONGEST_NUMBER else f"int of {value.bit_length():,} bits"
    if kind in _SCALARS:
        return repr(value)
    if kind is range or kind is slice:
        return repr(value)
    if kind in _CONTAINERS:
        return _container(value, limit, depth)
    if is_plain(value):
        return shortened(str(value), limit)
    return f"<{class_name(kind)}>"


def is_plain(value: Any) -> bool:
    """Whether a value is a scalar of Python, numpy, pandas or another known library."""
    return is_plain_type(type(value))


def is_plain_type(kind: type) -> bool:
    """Whether all values of a type are scalars of Python, numpy, pandas or another known library."""
    if kind in _SCALARS or kind is str:
        return True
    for module, names in _LIBRARY_SCALARS.items():
        home = sys.modules.get(module)
        if home is not None and any(kind is vars(home).get(name) for name in names):
            return True
    return _is_missing_type(kind) or _is_numpy_type(kind)


def _is_missing_type(kind: type) -> bool:
    """Whether it is the type of one of pandas' words for a missing value."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and any(kind is type(vars(pandas).get(name)) for name in ("NaT", "NA"))


def _is_numpy_type(kind: type) -> bool:
    """Whether it is a number, flag, text or date of numpy, and not a class derived from one."""
    numpy = sys.modules.get("numpy")
    if numpy is None or vars(numpy)["generic"] not in type.__getattribute__(kind, "__mro__"):
        return False
    return kind is vars(numpy).get(type.__getattribute__(kind, "__name__"))


def _container(value: Any, limit: int, depth: int) -> str:
    size = len(value)
    opening, closing = _CONTAINERS[type(value)]
    if size == 0:
        return "set()" if type(value) is set else opening + closing
    if depth == 0:
        return f"{opening}… {size:,} items{closing}"
    each = max(20, limit // min(size, _MOST_ITEMS))
    shown = [_item(value, item, each, depth - 1) for item in first_items(value, _MOST_ITEMS)]
    rest = f", … {size - len(shown):,} more" if size > len(shown) else ""
    comma = "," if type(value) is tuple and size == 1 else ""
    return f"{opening}{', '.join(shown)}{comma}{rest}{closing}"


def _item(container: Any, item: Any, limit: int, depth: int) -> str:
    shown = shortened(_preview(item, limit, depth), limit)
    if type(container) is not dict:
        return shown
    return f"{shown}: {shortened(_preview(dict.get(container, item), limit, depth), limit)}"


def first_items(value: Any, count: int) -> list[Any]:
    """Return the first items of a container of Python's own; of a dict its keys.

    Another thread may change it meanwhile: then what was there is tried once more, and given up.
    """
    for _ in range(2):
        try:
            return list(islice(iter(value), count))
        except RuntimeError:
            continue
    return []


def size_of(value: Any) -> str:
    """Return how large data is, such as `12 × 3` or `1,000`; "" for what has no size that can be told."""
    if type(value) in _CONTAINERS or type(value) in (str, bytes):
        return f"{len(value):,}"
    if is_of(value, "numpy", "ndarray") or is_of(value, "pandas", "DataFrame", "Series"):
        return " × ".join(f"{size:,}" for size in value.shape)
    return ""


def size_words(count: float) -> str:
    """Return a number of bytes in words, such as `3.8 GB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:,.0f} {unit}" if unit == "bytes" else f"{count:,.1f} {unit}"
        count /= 1000
    return ""


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return rows of text as a Markdown table."""
    columns = list(head)
    lines = [
        columns,
        ["---"] * len(columns),
        *([cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows),
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
