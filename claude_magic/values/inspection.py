"""What Claude sees of the variables of a namespace: a list of all, and one of them in detail. Nothing of them runs."""

from __future__ import annotations

import ast
import fnmatch
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from claude_magic.values.content import LONGEST_RESULT, cut_in_the_middle
from claude_magic.values.frames import is_table, shape_words, table_text
from claude_magic.values.hiding import SecretFilter, hides
from claude_magic.values.previews import (
    LONGEST_PREVIEW,
    bases_of,
    class_name,
    corner,
    fields_of,
    first_items,
    first_pairs,
    is_kind_of,
    is_of,
    is_one_of,
    members_of,
    preview,
    size_words,
    type_name,
)
from claude_magic.values.references import LookError as LookError
from claude_magic.values.references import column_names, follow, is_class, isinstance_of
from claude_magic.values.sources import source_of, source_of_class

MOST_NAMES = 500
_LINE = 160
_MOST_FIELDS = 60
_CONTAINERS = (list, tuple, set, frozenset, dict)
_FUNCTIONS = (types.FunctionType, types.MethodType, types.BuiltinFunctionType)


# ---- the list ----


def list_variables(namespace: Mapping[str, Any], names: Iterable[str], secrets: SecretFilter, pattern: str = "") -> str:
    """Return a line for each variable: name, type, size, and of small data what it is; tables first.

    Args:
        namespace: the variables.
        names: those of them to list, the oldest first.
        secrets: takes out what must not be shown.
        pattern: list only names that contain this, or match it where it has a `*` or a `?`.
    """
    wanted = [name for name in names if name in namespace and _matches(name, pattern)]
    if not wanted:
        return f"There is no variable that matches {pattern!r}." if pattern else "There are no variables yet."
    wanted.sort(key=lambda name: _rank(namespace[name]))
    lines = [_line(name, namespace[name]) for name in wanted[:MOST_NAMES]]
    left = len(wanted) - len(lines)
    if left > 0:
        lines.append(f"… and {left:,} more; ask for a part with pattern.")
    return _answer(secrets.text("\n".join(lines)))


def _answer(text: str) -> str:
    """Return a text of at most 64 KiB in UTF-8; what is left out is said."""
    limit, shown = LONGEST_RESULT, text
    while len(shown.encode("utf-8", "replace")) > LONGEST_RESULT:
        limit = limit * 9 // 10
        shown = cut_in_the_middle(text, limit)
    return shown


def _matches(name: str, pattern: str) -> bool:
    if any(sign in pattern for sign in "*?["):
        return fnmatch.fnmatchcase(name, pattern)
    return pattern.lower() in name.lower()


def _rank(value: Any) -> int:
    """Tables come first, then other data, then functions, classes and modules."""
    if is_table(value):
        return 0
    if isinstance_of(value, types.ModuleType):
        return 4
    if is_one_of(type(value), _FUNCTIONS) or is_class(value):
        return 3
    return 1 if is_one_of(type(value), _CONTAINERS) or is_kind_of(value, "numpy", "ndarray") else 2


def _line(name: str, value: Any) -> str:
    kind = type_name(value)
    if hides(name, value):
        return f"{name}: {kind} (secret: only its type is shown)"
    try:
        return f"{name}: {kind}{_summary(value)}"
    except Exception:  # one odd value must not hide the others
        return f"{name}: {kind}"


def _summary(value: Any) -> str:
    """Return a few words about a value, after its type."""
    if is_table(value):
        names = ", ".join(column_names(value))
        return f", {shape_words(value)}" + (f": {names[:_LINE]}{'…' if len(names) > _LINE else ''}" if names else "")
    if is_of(value, "numpy", "ndarray"):
        return f", shape {value.shape}, {value.dtype}, {size_words(value.nbytes)}"
    if is_kind_of(value, "torch", "Tensor"):
        return ""
    if is_one_of(type(value), _CONTAINERS):
        return f", {len(value):,} items: {preview(value, _LINE)}"
    if type(value) is str and len(value) > _LINE:
        return f", {len(value):,} characters: {preview(value[:_LINE], _LINE)}…"
    if isinstance_of(value, types.ModuleType) or is_one_of(type(value), _FUNCTIONS) or is_class(value):
        return ""
    shown = preview(value, LONGEST_PREVIEW)
    return "" if shown == f"<{type_name(value)}>" else f" = {shown}"


# ---- one of them ----


def inspect_variable(namespace: Mapping[str, Any], path: str, secrets: SecretFilter) -> str:
    """Return in detail what a value is.

    Args:
        namespace: the variables.
        path: a name, or a path such as `df["price"]`, `config["db"]`, `rows[0]` or `model.layers`.
        secrets: takes out what must not be shown.

    Raises:
        LookError: there is no such value, or getting at it would run code.
    """
    try:
        tree = ast.parse(path.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise LookError(f"{path[:_LINE]!r} is neither a name nor a path such as df['price'] or rows[0].") from None
    try:
        value, names = follow(tree, namespace)
        head = f"{path.strip()}: {type_name(value)}"
        if any(hides(name, value) for name in names) and not is_table(value):
            return f"{head} (secret: only its type is shown)"
        return _answer(secrets.text(f"{head}{_details(value)}"))
    except LookError as error:
        raise LookError(secrets.text(str(error))) from None
    except RecursionError:
        raise LookError("The path is too long.") from None


def _details(value: Any) -> str:
    if is_table(value):
        return f", {table_text(value)}"
    for is_kind, describe in _DESCRIBERS:
        if is_kind(value):
            return describe(value)
    return _object(value)


def _array(value: Any) -> str:
    words = f", shape {value.shape}, {value.dtype}, {size_words(value.nbytes)}"
    if value.size == 0:
        return words
    flat = value.ravel(order="K") if value.flags.forc else corner(value).ravel()
    sample = flat[:: max(1, flat.size // 100_000)]
    if value.dtype.kind in "iuf":
        import numpy as np

        finite = sample[np.isfinite(sample)] if value.dtype.kind == "f" else sample
        if finite.size:
            with np.errstate(all="ignore"):
                words += f"\nmin {finite.min():.6g}, mean {finite.mean():.6g}, max {finite.max():.6g}"
            words += f" (of {sample.size:,} evenly spaced values)" if sample.size < value.size else ""
        if finite.size < sample.size:
            words += f"\n{sample.size - finite.size:,} of {sample.size:,} are not finite"
    return f"{words}\nfirst values: {preview(flat[:10].tolist())}"


def _tensor(value: Any) -> str:
    return f", shape {tuple(value.shape)}, {value.dtype}, on {value.device}"


def _function(value: Any) -> str:
    function = value.__func__ if type(value) is types.MethodType else value
    if not is_one_of(type(function), (types.FunctionType, types.BuiltinFunctionType)):
        return f", of {type_name(function)}"
    if type(function) is types.BuiltinFunctionType:
        signature = vars(type(function))["__text_signature__"].__get__(function) or "(…)"
        signature = signature.replace("$module, ", "").replace("$self, ", "")
        return f"\n{function.__name__}{signature}\n{_first_line(function.__doc__)}"
    return f"\n{source_of(function.__code__)}"


def _class(value: Any) -> str:
    bases = ", ".join(class_name(base) for base in bases_of(value)[1:-1])
    members = [name for name in members_of(value) if type(name) is str and not name.startswith("_")]
    source = source_of_class(value) or f"members: {', '.join(members)}"
    return f"{f', derived from {bases}' if bases else ''}\n{source}"


def _module(value: Any) -> str:
    fields = fields_of(value)
    version, file = fields.get("__version__"), fields.get("__file__")
    names = sorted(name for name in fields if type(name) is str and not name.startswith("_"))
    parts = [
        f"version {version}" if type(version) is str else "",
        file if type(file) is str else "",
        _first_line(fields.get("__doc__")),
        f"names: {', '.join(names[:_MOST_FIELDS])}{'…' if len(names) > _MOST_FIELDS else ''}",
    ]
    return "\n".join(["", *filter(None, parts)])


def _first_line(text: Any) -> str:
    return text.strip().partition("\n")[0] if type(text) is str else ""


def _container(value: Any) -> str:
    kinds: dict[str, int] = {}
    is_dict = type(value) is dict
    for item in [item for _, item in first_pairs(value, 1000)] if is_dict else first_items(value, 1000):
        kind = type_name(item)
        kinds[kind] = kinds.get(kind, 0) + 1
    words = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items(), key=lambda pair: -pair[1])[:8])
    of = f" ({words}{' among the first 1,000' if len(value) > 1000 else ''})" if words else ""
    if is_dict:
        lines = [f"  {preview(key, 80)}: {_short(item, key)}" for key, item in first_pairs(value, _MOST_FIELDS)]
    else:
        lines = [f"  {_short(item)}" for item in first_items(value, 20)]
    left = len(value) - len(lines)
    more = [f"  … and {left:,} more"] if left > 0 else []
    return "\n".join([f", {len(value):,} items{of}", *lines, *more])


def _short(value: Any, key: Any = "") -> str:
    if type(key) is str and hides(key, value):
        return f"{type_name(value)} (secret)"
    shown = preview(value, 200)
    return f"{type_name(value)}{_summary(value)}" if shown.startswith("<") and shown.endswith(">") else shown


def _text(value: Any) -> str:
    if len(value) <= 4000:
        return f", {len(value):,} characters\n{value}"
    return f", {len(value):,} characters; the first 3,000 and the last 500:\n{value[:3000]}\n…\n{value[-500:]}"


def _engine(value: Any) -> str:
    return f", {value.url.render_as_string(hide_password=True)}"


def _object(value: Any) -> str:
    """Return what an object of any class keeps, and what its class has, without asking it anything."""
    shown = preview(value)
    if shown != f"<{type_name(value)}>":
        return f" = {shown}"
    kinds = [class_name(kind) for kind in bases_of(type(value))[1:-1]]
    fields = fields_of(value)
    lines = [f"  {name}: {_short(fields[name], name)}" for name in list(fields)[:_MOST_FIELDS] if type(name) is str]
    methods = [
        name
        for kind in bases_of(type(value))[:-1]
        for name, member in members_of(kind).items()
        if type(member) is types.FunctionType and type(name) is str and not name.startswith("_")
    ]
    parts = [
        f", derived from {', '.join(kinds[:6])}" if kinds else "",
        "attributes:\n" + "\n".join(lines) if lines else "",
        f"methods: {', '.join(dict.fromkeys(methods[:_MOST_FIELDS]))}" if methods else "",
    ]
    return parts[0] + "".join(f"\n{part}" for part in parts[1:] if part)


_DESCRIBERS: tuple[tuple[Callable[[Any], bool], Callable[[Any], str]], ...] = (
    (lambda value: is_of(value, "numpy", "ndarray"), _array),
    (lambda value: is_of(value, "torch", "Tensor") or is_of(value, "torch.nn", "Parameter"), _tensor),
    (lambda value: isinstance_of(value, types.ModuleType), _module),
    (lambda value: is_one_of(type(value), _FUNCTIONS), _function),
    (is_class, _class),
    (lambda value: is_one_of(type(value), _CONTAINERS), _container),
    (lambda value: type(value) is str, _text),
    (lambda value: is_of(value, "sqlalchemy.engine", "Engine"), _engine),
)
