"""Filling `{name}` in: values of variables that exist, and nothing else."""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

LONGEST_VALUE = 10_000
"""Characters of one filled-in value; a longer one is cut, and says so."""
_HEAD_ROWS = 5
_RESEMBLANCE = 0.75

_EXPRESSION = r"[^\W\d]\w*(?:\.[^\W\d]\w*|\[[^\[\]{}]*\])*"
# Left to right: what is code stays as typed; {{name}} is an escaped brace; {name...} may be a value.
_PIECE = re.compile(
    # A fence may stand in a list or a quotation; one that is never closed goes on to the end.
    r"(?P<fence>^(?:[ \t>]|[-*+][ \t]|\d{1,9}[.)][ \t])*(?P<ticks>`{3,}(?=[^`\n]*$)|~{3,})[^\n]*\n"
    r".*?(?:^[ \t>]*(?P=ticks)[`~]*[ \t]*$|\Z))"
    # A code span ends in its own paragraph.
    r"|(?P<code>(?<!`)(?P<span>`+)(?!`)(?:(?!\n[ \t]*\n).)*?(?<!`)(?P=span)(?!`))"
    rf"|\{{\{{(?P<escaped>{_EXPRESSION})\}}\}}"
    rf"|\{{(?P<value>{_EXPRESSION})\}}",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Filled:
    """A prompt with its values.

    Attributes:
        text: the prompt as it is sent.
        template: the prompt as it was typed.
        values: what was filled in: expression and text, in order, each once.
        described: the same for people: expression and a few words, such as `DataFrame 4,870 × 6`.
        left: plain names in braces that are no variable and stayed as typed, in order, each once.
    """

    text: str
    template: str
    values: dict[str, str] = field(default_factory=dict)
    described: dict[str, str] = field(default_factory=dict)
    left: tuple[str, ...] = ()

    @property
    def typed(self) -> str:
        """What was typed, the names in the places of their values."""
        return fill(self.template, {}).text if self.values else self.text

    @property
    def summary(self) -> str:
        """One line that says what was filled in; "" if nothing was."""
        parts = [f"{{{name}}} = {words}" for name, words in self.described.items()]
        return "filled in: " + ", ".join(parts) if parts else ""

    def misspelt(self, names: Iterable[str]) -> str:
        """One line about names that stayed as typed and resemble a variable; "" if there is none.

        Args:
            names: the variables that may have been meant.
        """
        known = list(names)
        near = {name: difflib.get_close_matches(name, known, 1, _RESEMBLANCE) for name in self.left}
        parts = [f"{{{name}}} (there is no {name}; did you mean {best[0]}?)" for name, best in near.items() if best]
        return "not filled in: " + ", ".join(parts) if parts else ""


def fill(template: str, namespace: Mapping[str, Any]) -> Filled:
    """Fill in `{name}`, `{name.attr}` and `{name[...]}` outside backticks and code fences.

    `{{name}}` gives `{name}`; every other brace stays as typed.

    Args:
        template: the prompt as typed.
        namespace: the notebook's variables.

    Raises:
        ValueError: the variable exists, but the attribute or item does not; says which.
    """
    values: dict[str, str] = {}
    described: dict[str, str] = {}
    left: dict[str, None] = {}

    def replace(match: re.Match[str]) -> str:
        if match["escaped"] is not None:
            return "{" + match["escaped"] + "}"
        expression = match["value"]
        if expression is None:
            return match[0]
        if re.match(r"\w+", expression)[0] not in namespace:  # type: ignore[index]  # it matched
            if expression.isidentifier():
                left[expression] = None
            return match[0]
        if expression not in values:
            value = evaluate(expression, namespace)
            try:
                values[expression], described[expression] = value_text(value), _describe(value)
            except Exception as error:
                raise _no_value(expression, error) from None
        return values[expression]

    text = _PIECE.sub(replace, template)
    return Filled(text, template, values, described, tuple(left))


def evaluate(expression: str, namespace: Mapping[str, Any]) -> Any:
    """Return the value of a name with attributes and items; calls and operators are not evaluated.

    Raises:
        ValueError: it has no value; says why.
    """
    try:
        return _walk(ast.parse(expression, mode="eval").body, namespace)
    except SyntaxError:
        raise ValueError(f"{{{expression}}} is no variable with attributes or items") from None
    except Exception as error:  # an attribute may be a property, and an index anything
        raise _no_value(expression, error) from None


def _no_value(expression: str, error: Exception) -> ValueError:
    return ValueError(f"{{{expression}}} has no value ({type(error).__name__}: {error})")


def _walk(node: ast.expr, namespace: Mapping[str, Any]) -> Any:
    if isinstance(node, ast.Name):
        return namespace[node.id]
    if isinstance(node, ast.Attribute):
        return getattr(_walk(node.value, namespace), node.attr)
    if isinstance(node, ast.Subscript):
        return _walk(node.value, namespace)[_index(node.slice, namespace)]
    raise ValueError("only names, attributes and items can be filled in")


def _index(node: ast.expr, namespace: Mapping[str, Any]) -> Any:
    if isinstance(node, ast.Slice):
        bounds = (node.lower, node.upper, node.step)
        return slice(*(None if bound is None else _index(bound, namespace) for bound in bounds))
    if isinstance(node, ast.Tuple):
        return tuple(_index(item, namespace) for item in node.elts)
    if isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
        return _walk(node, namespace)
    return ast.literal_eval(node)


def value_text(value: Any) -> str:
    """Return a value as prompt text: a DataFrame as shape and head, anything else as its `str()`, bounded."""
    if is_frame(value):
        rows, columns = value.shape
        head = bounded(frame_markdown(value))
        return f"DataFrame with {rows:,} rows and {columns:,} columns:\n\n{head}\n"
    return bounded(str(value))


def bounded(text: str, limit: int = LONGEST_VALUE) -> str:
    """Return a text of at most `limit` characters, with a word about what was left out."""
    return text if len(text) <= limit else f"{text[:limit]}… [{len(text) - limit:,} characters left out]"


def _describe(value: Any) -> str:
    if is_frame(value):
        return f"DataFrame {value.shape[0]:,} × {value.shape[1]:,}"
    text = " ".join(str(value).split())
    return text if len(text) <= 40 else f"{text[:39]}… ({len(str(value)):,} characters)"


def is_frame(value: Any) -> bool:
    """Whether a value is a DataFrame (of pandas, or of a library with the same shape and head)."""
    is_named_so = any(kind.__name__ == "DataFrame" for kind in type(value).__mro__)
    return is_named_so and not isinstance(value, type) and hasattr(value, "shape") and hasattr(value, "head")


def frame_markdown(frame: Any, rows: int = _HEAD_ROWS) -> str:
    """Return the first rows of a DataFrame as a Markdown table, its index first where it has a meaning.

    Args:
        frame: the DataFrame.
        rows: how many rows.
    """
    head = frame.head(rows)
    if hasattr(head, "reset_index") and not _is_plain_index(frame):
        head = head.reset_index(allow_duplicates=True)
    columns = [table_cell(name) for name in head.columns]
    # Row by row: an array would have one type for all columns, and show 1 as 1.0.
    records = list(head.itertuples(index=False, name=None) if hasattr(head, "itertuples") else head.rows())
    lines = [columns, ["---"] * len(columns), *([table_cell(value) for value in record] for record in records)]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    left = frame.shape[0] - len(records)
    return f"{table}\n\n… and {left:,} more rows" if left > 0 else table


def _is_plain_index(frame: Any) -> bool:
    return type(frame.index).__name__ == "RangeIndex" and frame.index.name is None


def table_cell(value: Any) -> str:
    """Return a value as the text of a cell of a Markdown table."""
    text = " ".join(str(value).split())
    return (text if len(text) <= 200 else text[:199] + "…").replace("|", "\\|")
