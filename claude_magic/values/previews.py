"""Short texts of values that never run the values' own code.

A `repr`, a `len`, a property, an `==` of an unknown class may do anything: print, raise, wait for ever. So a value is
judged by its exact type, which cannot be disguised as `__class__` can, and only types of Python itself and of known
libraries are asked for more than their names.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any

from claude_magic.strings import shortened

LONGEST_PREVIEW = 512
"""Characters of one preview, and bytes in UTF-8."""
_MOST_ITEMS = 6
_DEEPEST = 3
_LONGEST_NUMBER = 64
_MOST_VALUES = 100_000

_SCALARS = (bool, int, float, complex, type(None), type(Ellipsis), type(NotImplemented))
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
_WITH_ZONE = (("datetime", "datetime"), ("datetime", "time"), ("pandas", "Timestamp"))


# What `type` itself says of a class. `kind.__mro__`, `kind == other` and `hash(kind)` may be a metaclass's own code.
bases_of: Callable[[type], tuple[type, ...]] = vars(type)["__mro__"].__get__
members_of: Callable[[type], Mapping[str, Any]] = vars(type)["__dict__"].__get__
flags_of: Callable[[type], int] = vars(type)["__flags__"].__get__
_module_of = vars(type)["__module__"].__get__
_name_of = vars(type)["__qualname__"].__get__
_fields_of_module = vars(types.ModuleType)["__dict__"].__get__


def is_one_of(kind: type, kinds: Iterable[type]) -> bool:
    """Whether a class is one of several; they are not compared, which a metaclass may do in its own way."""
    return any(kind is one for one in kinds)


def types_of(values: Iterable[Any]) -> list[type]:
    """Return the types of values, each once."""
    return list({id(kind): kind for kind in map(type, values)}.values())


def class_name(kind: type) -> str:
    """Return the name of a class with its module, whatever its metaclass says; `int` for one of Python's own."""
    module, name = _module_of(kind), _name_of(kind)
    parts = [part for part in (module, name) if type(part) is str and part not in ("builtins", "__main__")]
    return ".".join(parts) or "object"


def type_name(value: Any) -> str:
    """Return the name of a value's type; its `__class__` is not asked."""
    return class_name(type(value))


def _named(module: str, name: str) -> Any:
    """Return what a module has under a name; `None` if it is not imported, or only will be when it is used."""
    home = sys.modules.get(module)
    if home is None or not is_one_of(types.ModuleType, bases_of(type(home))):
        return None
    return _fields_of_module(home).get(name)


def is_of(value: Any, module: str, *names: str) -> bool:
    """Whether a value's type is exactly one of a module's classes, if that module is imported at all."""
    return any(type(value) is _named(module, name) for name in names)


def is_kind_of(value: Any, module: str, *names: str) -> bool:
    """Whether a value's type is one of a module's classes, or derived from one."""
    kinds = [kind for kind in (_named(module, name) for name in names) if kind is not None]
    return any(is_one_of(kind, bases_of(type(value))) for kind in kinds)


def is_from(kind: type, package: str) -> bool:
    """Whether a class is one of a package's own."""
    module, name = _module_of(kind), _name_of(kind)
    return type(module) is str and f"{module}.".startswith(f"{package}.") and _named(module, name) is kind


def fields_of(value: Any) -> dict[str, Any]:
    """Return the attributes that an object keeps in its own dictionary; empty where it has none.

    A class may have a property of that name, as proxies do: then there are none.
    """
    for kind in bases_of(type(value)):
        member = members_of(kind).get("__dict__")
        if member is None:
            continue
        if not is_one_of(type(member), (types.GetSetDescriptorType, types.MemberDescriptorType)):
            return {}
        try:
            fields = member.__get__(value)
        except AttributeError:
            return {}
        return dict(fields) if type(fields) is dict else {}
    return {}


def preview(value: Any, limit: int = LONGEST_PREVIEW) -> str:
    """Return what a value is, in at most about `limit` characters.

    Plain data is written as Python writes it, long data in part. Of anything else only the type is named.
    """
    return _within(shortened(_preview(value, limit, _DEEPEST), limit), limit)


def _within(text: str, limit: int) -> str:
    """Return a text that takes at most `limit` bytes in UTF-8."""
    data = text.encode("utf-8", "replace")
    return text if len(data) <= limit else data[: limit - 3].decode("utf-8", "ignore") + "…"


def _preview(value: Any, limit: int, depth: int) -> str:
    kind = type(value)
    if kind is str:
        return repr(value[:limit]) if len(value) <= limit else f"{value[:limit]!r}… ({len(value):,} characters)"
    if kind is bytes or kind is bytearray:
        return f"{kind.__name__} of {len(value):,} bytes" if len(value) > 40 else repr(value)
    if kind is int:
        return repr(value) if value.bit_length() <= 4 * _LONGEST_NUMBER else f"int of {value.bit_length():,} bits"
    if is_one_of(kind, _SCALARS):
        return repr(value)
    if kind is slice:
        return f"slice({', '.join(_preview(part, limit, 0) for part in (value.start, value.stop, value.step))})"
    if is_one_of(kind, _CONTAINERS):
        return _container(value, limit, depth)
    if is_of(value, "numpy", "str_"):
        return _preview(
            str.__getitem__(value, slice(None)) if len(value) <= limit else value[: limit + 1], limit, depth
        )
    if kind is range or is_plain(value):
        try:
            return shortened(str(value), limit)
        except ValueError:  # a number of thousands of digits
            pass
    return f"<{class_name(kind)}>"


def is_plain(value: Any) -> bool:
    """Whether a value is a scalar of Python, numpy, pandas or another known library."""
    return is_plain_type(type(value)) and (not _may_have_zone(type(value)) or is_plain_zone(value.tzinfo))


def are_plain(values: list[Any]) -> bool:
    """Whether all values are scalars of known libraries: comparing and hashing them runs no other code."""
    kinds = types_of(values)
    if not all(map(is_plain_type, kinds)):
        return False
    return not any(map(_may_have_zone, kinds)) or all(map(is_plain, values))


def is_plain_type(kind: type) -> bool:
    """Whether values of a type are scalars of Python, numpy, pandas or another known library."""
    if kind is str or is_one_of(kind, _SCALARS):
        return True
    if any(kind is _named(module, name) for module, names in _LIBRARY_SCALARS.items() for name in names):
        return True
    return _is_missing_type(kind) or _is_numpy_type(kind)


def _may_have_zone(kind: type) -> bool:
    return any(kind is _named(module, name) for module, name in _WITH_ZONE)


def is_plain_zone(zone: Any) -> bool:
    """Whether a time zone is none, or one of a known library: the offset of a date is what its zone computes."""
    kind = type(zone)
    if zone is None or is_of(zone, "datetime", "timezone") or is_of(zone, "zoneinfo", "ZoneInfo"):
        return True
    module = _module_of(kind)
    return is_from(kind, "dateutil") or (
        is_kind_of(zone, "pytz.tzinfo", "BaseTzInfo") and type(module) is str and f"{module}.".startswith("pytz.")
    )


def _is_missing_type(kind: type) -> bool:
    """Whether it is the type of one of pandas' words for a missing value."""
    missing = (_named("pandas", name) for name in ("NaT", "NA"))
    return any(kind is type(one) for one in missing if one is not None)


def _is_numpy_type(kind: type) -> bool:
    """Whether it is a number, flag, text or date of numpy, and not a class derived from one."""
    generic = _named("numpy", "generic")
    if generic is None or not is_one_of(generic, bases_of(kind)):
        return False
    name = type.__dict__["__name__"].__get__(kind)
    return kind is _named("numpy", name) and name not in ("void", "record", "object_")  # which hold any object


def _container(value: Any, limit: int, depth: int) -> str:
    size = len(value)
    opening, closing = _CONTAINERS[type(value)]
    if size == 0:
        return "set()" if type(value) is set else opening + closing
    if depth == 0:
        return f"{opening}… {size:,} items{closing}"
    each = max(20, limit // min(size, _MOST_ITEMS))
    if type(value) is dict:
        pairs = first_pairs(value, _MOST_ITEMS)
        shown = [f"{_part(key, each, depth - 1)}: {_part(item, each, depth - 1)}" for key, item in pairs]
    else:
        shown = [_part(item, each, depth - 1) for item in first_items(value, _MOST_ITEMS)]
    rest = f", … {size - len(shown):,} more" if size > len(shown) else ""
    comma = "," if type(value) is tuple and size == 1 else ""
    return f"{opening}{', '.join(shown)}{comma}{rest}{closing}"


def _part(value: Any, limit: int, depth: int) -> str:
    return shortened(_preview(value, limit, depth), limit)


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


def first_pairs(value: dict[Any, Any], count: int) -> list[tuple[Any, Any]]:
    """Return the first keys of a dict with their values; no key is looked up, which would ask it for its hash."""
    return first_items(value.items(), count)


def size_of(value: Any) -> str:
    """Return how large data is, such as `12 × 3` or `1,000`; "" for what has no size that can be told."""
    if is_one_of(type(value), (*_CONTAINERS, str, bytes)):
        return f"{len(value):,}"
    if is_of(value, "numpy", "ndarray") or is_of(value, "pandas", "DataFrame", "Series"):
        return " × ".join(f"{size:,}" for size in value.shape)
    return ""


def corner(array: Any) -> Any:
    """Return the first part of an array of numpy, of at most 100,000 values: a view may pretend to have any number."""
    return array[(slice(0, int(_MOST_VALUES ** (1 / max(1, array.ndim)))),) * array.ndim]


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
