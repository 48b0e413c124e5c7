"""Filling `{name}` in: values of variables that exist, and nothing else."""

from __future__ import annotations

import ast
import difflib
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from claude_magic.rendering.text import one_line
from claude_magic.values.pictures import figures_in
from claude_magic.values.placeholders import Braces, Finder, Placeholder
from claude_magic.values.tables import frame_text, is_frame

LONGEST_VALUE = 10_000
"""Characters of one filled-in value; a longer one is cut, and says so."""
_HEAD_ROWS = 5
_RESEMBLANCE = 0.75
_MOST_NOTED = 5
_CONVERSIONS: dict[str, Callable[[Any], str]] = {"r": repr, "s": str, "a": ascii}
_CALLS = "calls are not filled in; assign the value to a name first"
_ANY = (Exception, SystemExit)
"""What the code of a value may raise; an interrupt is the person's."""
_FILLABLE = "only names with attributes and items are filled in; assign the value to a name first"


@dataclass(frozen=True)
class Filled:
    """A prompt with its values.

    Attributes:
        text: the prompt as it is sent.
        template: the prompt as it was typed.
        typed: what was typed, with the placeholders in the places of their values and escaped braces resolved.
        values: what was filled in: placeholder and text, in order, each once.
        described: the same for people: placeholder and a few words, such as `DataFrame 4,870 × 6`.
        roots: the variables whose values were filled in.
        left: placeholders that look meant and stayed as typed, in order, each once with the reason.
    """

    text: str
    template: str
    typed: str
    values: dict[str, str] = field(default_factory=dict)
    described: dict[str, str] = field(default_factory=dict)
    roots: frozenset[str] = frozenset()
    left: dict[str, str] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """One line that says what was filled in; "" if nothing was."""
        parts = [f"{{{name}}} = {words}" for name, words in self.described.items()]
        return "filled in: " + ", ".join(parts) if parts else ""

    @property
    def left_words(self) -> str:
        """One line about what looks meant and was not filled in; "" if there is nothing."""
        parts = [f"{{{one_line(inner, 60)}}} ({reason})" for inner, reason in self.left.items()]
        more = [f"and {len(parts) - _MOST_NOTED} more"] if len(parts) > _MOST_NOTED else []
        return "left as typed: " + ", ".join(parts[:_MOST_NOTED] + more) if parts else ""


def unfilled(text: str) -> Filled:
    """Return a prompt that is sent as typed."""
    return Filled(text, text, text)


def fill(template: str, namespace: Mapping[str, Any], names: Iterable[str] | None = None) -> Filled:
    """Fill in `{name}`, `{name.attr}` and `{name[...]}` outside backticks and code fences.

    Conversions and formats (`{x!r}`, `{x:.2f}`, `{x=}`) work as in an f-string; nothing is called. `{{name}}` gives
    `{name}`; every other brace stays as typed, and where it looks meant `left` says why.

    Args:
        template: the prompt as typed, its lines ended by line feeds.
        namespace: the variables that are filled in.
        names: the variables of the user's own among them, which may have been meant; `None` is all.

    Raises:
        ValueError: the variable exists, but the attribute or item does not; says which.
    """
    filling = _Filling(namespace, list(namespace if names is None else names))
    finder = Finder(template)
    sent: list[str] = []
    typed: list[str] = []
    begin = done = 0
    while (found := finder.after(begin)) is not None:
        texts = filling.texts(template[found.start : found.end], found)
        if texts is None:
            begin = found.start + 1  # what stands inside, as in {"rows": {rows}}, may be meant
            continue
        before = template[done : found.start]
        sent += before, texts[0]
        typed += before, texts[1]
        begin = done = found.end
    rest = template[done:]
    values, described, roots = filling.values, filling.described, frozenset(filling.roots)
    return Filled("".join(sent) + rest, template, "".join(typed) + rest, values, described, roots, filling.left)


class _Filling:
    """The values of one prompt, as they are met."""

    def __init__(self, namespace: Mapping[str, Any], names: list[str]) -> None:
        self._namespace = namespace
        self._names = names
        self._near: dict[str, str] = {}
        self.values: dict[str, str] = {}
        self.described: dict[str, str] = {}
        self.left: dict[str, str] = {}
        self.roots: set[str] = set()

    def texts(self, text: str, found: Braces) -> tuple[str, str] | None:
        """Return a pair of braces as it is sent, and as it was typed; `None` if it is not a placeholder."""
        inside = found.placeholder
        if found.is_doubled:
            # `{{ x }}` is a template of another language.
            is_escape = inside.inner == inside.inner.strip() and self._is_placeholder(inside)
            text = "{" + inside.inner + "}" if is_escape else text
            return text, text
        if self._is_filled(inside) and not found.is_argument:
            value = self._value(inside)
            return (text if value is None else value), text
        is_known = self._is_filled(inside) and found.is_argument
        reason = "taken for LaTeX" if is_known else self._reason(inside, found.is_tex)
        if not reason:
            return None
        self.left.setdefault(inside.inner, reason)
        return text, text

    def _is_placeholder(self, found: Placeholder) -> bool:
        if found.is_path and found.is_plain:
            return True
        is_readable = found.is_path or found.expression.endswith(")")  # `{{x | upper}}` is another language's
        return is_readable and bool(found.names & set(self._names))

    def _is_filled(self, found: Placeholder) -> bool:
        return found.is_path and found.root in self._namespace and found.has_format

    def _value(self, found: Placeholder) -> str | None:
        """Return the text of a value; `None` where it stays as typed, which is noted."""
        if found.inner in self.values or found.inner in self.left:
            return self.values.get(found.inner)
        try:
            value = evaluate(found.expression, self._namespace)
        except NotFillableError as error:
            self.left[found.inner] = str(error)
            return None
        try:
            if why := _textless(value):
                self.left[found.inner] = why.format(found.expression)
                return None
            if found.is_plain:
                text, words = _text_and_words(value)
            else:
                text = self._formatted(found, value)
                words = _few(text.removeprefix(found.debug))
        except _ANY as error:  # the value's own code says what it is
            if found.is_plain:
                raise _no_value(found.expression, error) from None
            self.left[found.inner] = f"a value of type {type(value).__name__} cannot be shown so: {error_text(error)}"
            return None
        self.values[found.inner], self.described[found.inner] = text, words
        self.roots.add(found.root)
        return text

    def _formatted(self, found: Placeholder, value: Any) -> str:
        spec = re.sub(r"\{([^{}]*)\}", lambda part: str(evaluate(part[1], self._namespace)), found.spec)
        if re.search(r"\d{5}", spec):
            raise ValueError("the width is too large")
        conversion = found.conversion or ("r" if found.debug and not spec else "")
        if conversion:
            value = _CONVERSIONS[conversion](value)
        return found.debug + bounded(format(value, spec))

    def _reason(self, found: Placeholder, is_tex: bool) -> str:
        """Return why a placeholder stays as typed; "" if it does not look meant."""
        is_known = bool(found.names & set(self._names))
        if not found.has_format:
            return "its format cannot be used" if is_known and not found.spec[:1].isspace() else ""
        if re.match(r"[^\W\d]\w*\s*!", found.expression) and found.root in self._names:
            return "its format cannot be used"
        if is_known:
            return _not_filled(found.expression)
        if is_tex:
            return ""
        for name in sorted(found.names):
            if meant := self._meant(name):
                return f"there is no {name}; did you mean {meant}?"
        looks_meant = found.is_path and not found.spec and found.names and len(found.root) > 1
        return f"there is no variable {found.root}" if looks_meant else ""

    def _meant(self, name: str) -> str:
        """Return the variable that a name resembles; "" if there is none, or it is a variable itself."""
        if name not in self._near:
            self._near[name] = "" if name in self._namespace else resembling(name, self._names)
        return self._near[name]


def resembling(name: str, names: Iterable[str]) -> str:
    """Return the one of several names that resembles a name, and was probably meant; "" if none does."""
    near = difflib.get_close_matches(name, list(names), 1, _RESEMBLANCE)
    return near[0] if near else ""


def _not_filled(expression: str) -> str:
    try:
        tree = ast.parse(expression, mode="eval")
    except (SyntaxError, ValueError):
        return _FILLABLE
    is_call = any(isinstance(node, ast.Call) for node in ast.walk(tree))
    return _CALLS if is_call else _FILLABLE


class NotFillableError(ValueError):
    """An expression is more than a name with attributes and items; says what can be filled in."""


def evaluate(expression: str, namespace: Mapping[str, Any]) -> Any:
    """Return the value of a name with attributes and items; calls and operators are not evaluated.

    Raises:
        NotFillableError: it is something else.
        ValueError: it has no value; says why.
    """
    try:
        return _walk(ast.parse(expression, mode="eval").body, namespace)
    except NotFillableError:
        raise
    except SyntaxError:
        raise NotFillableError(_FILLABLE) from None
    except _ANY as error:  # an attribute may be a property, and an index anything
        raise _no_value(expression, error) from None


def _no_value(expression: str, error: BaseException) -> ValueError:
    return ValueError(f"{{{expression}}} has no value ({error_text(error)})")


def error_text(error: BaseException) -> str:
    """Return type and message of an error of other code in one bounded line, whatever its own methods do."""
    try:
        words = one_line(str(error), 200)
    except _ANY:
        words = ""
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def _walk(node: ast.expr, namespace: Mapping[str, Any]) -> Any:
    if isinstance(node, ast.Name):
        return namespace[node.id]
    if isinstance(node, ast.Attribute):
        return getattr(_walk(node.value, namespace), node.attr)
    if isinstance(node, ast.Subscript):
        return _walk(node.value, namespace)[_index(node.slice, namespace)]
    raise NotFillableError(_not_filled(ast.unparse(node)))


def _index(node: ast.expr, namespace: Mapping[str, Any]) -> Any:
    if isinstance(node, ast.Slice):
        bounds = (node.lower, node.upper, node.step)
        return slice(*(None if bound is None else _index(bound, namespace) for bound in bounds))
    if isinstance(node, ast.Tuple):
        return tuple(_index(item, namespace) for item in node.elts)
    if isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
        return _walk(node, namespace)
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise NotFillableError(_not_filled(ast.unparse(node))) from None


def _textless(value: Any) -> str:
    """Return what to do about a value whose text says nothing, with a place for its name; "" for any other."""
    if isinstance(value, str | int | float | bytes) or is_frame(value):
        return ""
    if figures_in(value):
        return "a picture; send it with --attach {}"
    if inspect.isroutine(value) and not inspect.isfunction(value):
        return _CALLS
    return "it has no text of its own; try --attach {}" if is_address(str(value)) else ""


def value_text(value: Any) -> str:
    """Return a value as prompt text: a DataFrame as columns and head, anything else as its `str()`, bounded."""
    return _text_and_words(value)[0]


def _text_and_words(value: Any) -> tuple[str, str]:
    """Return a value as prompt text, and a few words about it."""
    if is_frame(value):
        rows, columns = value.shape
        size = f"DataFrame with {rows:,} rows and {columns:,} columns"
        text = bounded(frame_text(value, _HEAD_ROWS, LONGEST_VALUE // 3))
        return f"{size}:\n\n{text}\n", f"DataFrame {rows:,} × {columns:,}"
    text = value if isinstance(value, str) else without_addresses(str(value))
    return bounded(text), _few(text)


def _few(text: str) -> str:
    words = " ".join(text[:200].split())
    return words if len(words) <= 40 and len(text) <= 200 else f"{words[:39]}… ({len(text):,} characters)"


def bounded(text: str, limit: int = LONGEST_VALUE) -> str:
    """Return a text of at most `limit` characters, with a word about what was left out."""
    return text if len(text) <= limit else f"{text[:limit]}… [{len(text) - limit:,} characters left out]"


def without_addresses(text: str) -> str:
    """Return what a value prints without addresses in memory, which mean nothing and change with each run."""
    return re.sub(r" at 0x[0-9a-fA-F]{4,}", "", text)


def is_address(text: str) -> bool:
    """Whether all that a value prints is what it is and where it lies in memory."""
    text = text.strip()
    return re.fullmatch(r"<(?:[^<>\n]* object|[^\n]* at 0x[0-9a-fA-F]{4,}[^\n]*)>", text) is not None
