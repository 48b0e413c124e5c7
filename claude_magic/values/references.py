"""References such as `df["price"]` or `model.layers[0]`: the value they lead to, what may come next, what a value is.

Nothing of the user's runs: what only code of its own knows is not looked at.
"""

from __future__ import annotations

import ast
import keyword
import types
from collections.abc import Mapping
from typing import Any

from claude_magic.values.frames import dimensions, plain_frame
from claude_magic.values.hiding import hides
from claude_magic.values.previews import (
    are_plain,
    bases_of,
    fields_of,
    first_items,
    first_pairs,
    is_of,
    is_one_of,
    is_plain,
    members_of,
    preview,
    type_name,
)


class LookError(ValueError):
    """Something cannot be looked at without running code; says what can be done instead."""


def isinstance_of(value: Any, kind: type) -> bool:
    """Whether a value's type is a class or derived from it; unlike `isinstance`, this believes no `__class__`."""
    return is_one_of(kind, bases_of(type(value)))


def is_class(value: Any) -> bool:
    """Whether a value is a class."""
    return isinstance_of(value, type)


# ---- from a name to a value ----


def follow(node: ast.expr, namespace: Mapping[str, Any]) -> tuple[Any, list[str]]:
    """Return the value that a path leads to, and the names on the way, which may say that it is secret."""
    if isinstance(node, ast.Name):
        if node.id not in namespace:
            raise LookError(f"There is no variable {node.id!r}; list_variables tells which there are.")
        return namespace[node.id], [node.id]
    if isinstance(node, ast.Attribute):
        owner, names = follow(node.value, namespace)
        return _attribute(owner, node.attr), [*names, node.attr]
    if isinstance(node, ast.Subscript):
        owner, names = follow(node.value, namespace)
        try:
            key = ast.literal_eval(node.slice)
        except (ValueError, TypeError, MemoryError):
            raise LookError("An index must be written out, such as rows[0] or df['price'].") from None
        return _item(owner, key), [*names, key] if type(key) is str else names
    raise LookError(
        "Looking runs no code: only names, attributes and items can be looked at; run_python runs the rest."
    )


def _attribute(owner: Any, name: str) -> Any:
    if is_of(owner, "pandas", "DataFrame") and (column := _column(owner, name)) is not None:
        return column
    fields = members_of(owner) if is_class(owner) else fields_of(owner)
    if name in fields:
        return fields[name]
    raise LookError(f"{name!r} is not kept in a {type_name(owner)}; it may be computed, which run_python can do.")


def _item(owner: Any, key: Any) -> Any:
    kind = type(owner)
    try:
        if kind is dict:
            return _value_of(owner, key)
        if is_of(owner, "pandas", "DataFrame"):
            return _columns(owner, key) if type(key) is list else _wanted(_column(owner, key))
        if is_of(owner, "pandas", "Series"):
            frame = plain_frame(owner)
            labels = frame.index.tolist() if frame.index.dtype.kind == "O" else []
            return frame.iloc[:, 0].loc[key] if are_plain(labels) else _wanted(None)
        if is_one_of(kind, (list, tuple, str)) or is_of(owner, "numpy", "ndarray"):
            return owner[key]
        if is_of(owner, "polars", "DataFrame"):
            return owner[key]
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        raise LookError(f"It has no item {key!r}: {preview_keys(owner)}") from None
    raise LookError(f"Items of a {type_name(owner)} are made by its own code; run_python can get them.")


def _value_of(owner: dict[Any, Any], key: Any) -> Any:
    """Return what a dict has under a key, without asking its keys of unknown classes whether they are equal."""
    parts = key if type(key) is tuple else (key,)
    for one, value in first_pairs(owner, len(owner)):
        if type(one) is tuple and type(key) is tuple:
            if len(one) == len(parts) and are_plain(list(one)) and one == key:
                return value
        elif is_plain(one) and one == key:
            return value
    raise KeyError(key)


def _column(frame: Any, name: Any) -> Any:
    """Return a column of a DataFrame by its name; `None` if there is none that can be looked at."""
    plain = plain_frame(frame)
    names = list(plain.columns) if plain is not None else []
    place = next((place for place, one in enumerate(names) if _is_label(one) and one == name), None)
    return None if place is None else plain.iloc[:, place]


def _columns(frame: Any, names: list[Any]) -> Any:
    plain = plain_frame(frame)
    known = list(plain.columns) if plain is not None else []
    places = [place for name in names for place, one in enumerate(known) if _is_label(one) and one == name]
    return plain.iloc[:, places] if len(places) >= len(names) else _wanted(None)


def _is_label(name: Any) -> bool:
    return is_plain(name) or (type(name) is tuple and are_plain(list(name)))


def _wanted(value: Any) -> Any:
    if value is None:
        raise KeyError
    return value


def preview_keys(owner: Any) -> str:
    """Return which items there are, in a few words."""
    if type(owner) is dict:
        return f"its keys are {preview(list(first_items(owner, 20)))}"
    if is_of(owner, "pandas", "DataFrame"):
        return f"its columns are {', '.join(column_names(owner))}"
    return f"it has {len(owner):,} items" if is_one_of(type(owner), (list, tuple, str)) else "it has others"


def column_names(value: Any) -> list[str]:
    if is_of(value, "pandas", "DataFrame") or is_of(value, "polars", "DataFrame"):
        frame = value if is_of(value, "polars", "DataFrame") else plain_frame(value)
        return [preview(name, 40).strip("'") for name in list(frame.columns[:40])] if frame is not None else []
    return []


# ---- what a value is, and what may come next ----

_FUNCTIONS = (types.FunctionType, types.MethodType, types.BuiltinFunctionType)
_SIZED = (list, tuple, set, frozenset, dict)
_OF_FRAMES = ("columns", "dtypes", "shape")
"""Attributes of a DataFrame whose text is worth a place in a prompt."""


def kind_words(name: str, value: Any) -> str:
    """Return type and size of what a name stands for, such as `DataFrame 4,870 × 6`; of a secret, the type alone.

    Args:
        name: its name, which may say that it is secret.
        value: the value.
    """
    kind = type_name(value).rpartition(".")[2]
    if hides(name, value):
        return f"{kind} (secret)"
    shape = dimensions(value)
    if shape:
        dtype = str(value.dtype) if is_of(value, "numpy", "ndarray") else ""
        return " ".join(filter(None, (kind, " × ".join(f"{size:,}" for size in shape), dtype)))
    if is_one_of(type(value), _SIZED):
        return f"{kind}, 1 item" if len(value) == 1 else f"{kind}, {len(value):,} items"
    if type(value) is str:
        return f"str, {len(value):,} characters"
    return "class" if is_class(value) else kind


def next_attributes(value: Any) -> dict[str, str]:
    """Return what may follow a value and a dot, with what each is; methods are left out.

    Args:
        value: of a DataFrame, the columns come first.
    """
    found = {name: kind for name, kind in _columns_of(value).items() if _is_identifier(name)}
    if plain_frame(value) is not None and is_of(value, "pandas", "DataFrame"):
        return found | dict.fromkeys(_OF_FRAMES, "of the DataFrame")
    fields = members_of(value) if is_class(value) else fields_of(value)
    found |= {name: kind_words(name, field) for name, field in fields.items() if _is_public(name)}
    for kind in bases_of(type(value))[:-1]:
        for name, member in members_of(kind).items():
            if type(member) is property and _is_public(name):
                found.setdefault(name, "property")
    return {name: words for name, words in found.items() if words not in ("function", "method")}


def next_items(value: Any, count: int) -> dict[Any, str]:
    """Return what may stand in brackets after a value, with what each is: columns of a table, keys of a dict.

    Args:
        value: the value.
        count: how many at most.
    """
    if type(value) is not dict:
        return dict(list(_columns_of(value).items())[:count])
    pairs = [(key, item) for key, item in first_pairs(value, count) if is_one_of(type(key), (str, int, bool))]
    return {key: kind_words(key if type(key) is str else "", item) for key, item in pairs}


def _columns_of(value: Any) -> dict[Any, str]:
    """Return the columns of a DataFrame with their types, in order."""
    if is_of(value, "polars", "DataFrame"):
        return {name: str(dtype) for name, dtype in zip(value.columns, value.dtypes, strict=True)}
    frame = plain_frame(value) if is_of(value, "pandas", "DataFrame") else None
    if frame is None:
        return {}
    return {
        name: str(dtype) for name, dtype in zip(frame.columns, frame.dtypes, strict=True) if type(name) in (str, int)
    }


def _is_public(name: Any) -> bool:
    return type(name) is str and not name.startswith("_") and _is_identifier(name)


def _is_identifier(name: Any) -> bool:
    return type(name) is str and name.isidentifier() and not keyword.iskeyword(name)
