"""The prompt of a map: a text with the names of columns in braces, and the values of one row in their place."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from claude_magic.values.placeholders import Braces, Finder

_MOST_NAMED = 12
_NOTHING_SENT = "Nothing was sent."


class Template:
    """A prompt in which `{column}` stands for a value of the row.

    Braces are read as in a cell: those in code, of LaTeX and of JSON stay as typed, and `{{column}}` gives `{column}`.
    A value is a value: a `/command` or an `@path` in it does nothing.

    Args:
        text: the prompt.
        columns: the columns there are.

    Attributes:
        text: the prompt as given.
        columns: the columns that it uses, in order, each once.

    Raises:
        ValueError: the prompt is empty, names a column that does not exist, or none at all.
    """

    def __init__(self, text: str, columns: Sequence[str]) -> None:
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"The prompt is empty: say what Claude should do with each row. {_NOTHING_SENT}")
        self.text = text.replace("\r\n", "\n").replace("\r", "\n")
        self._parts: list[str] = []
        self._names: list[str | None] = []
        self._split(set(columns), columns)
        self.columns = list(dict.fromkeys(name for name in self._names if name is not None))
        if not self.columns:
            raise ValueError(
                "The prompt names no column, so that every row would get the same: write one in braces, such as "
                f"{{{next(iter(columns), 'column')}}}. {_NOTHING_SENT}"
            )

    def fill(self, row: Mapping[str, Any]) -> str:
        """Return the prompt of a row.

        Args:
            row: the values of `columns`, as `plain_value` makes them.
        """
        texts = {name: value_text(row[name]) for name in self.columns}
        return "".join(
            part if name is None else texts[name] for part, name in zip(self._parts, self._names, strict=True)
        )

    def _split(self, known: set[str], columns: Sequence[str]) -> None:
        finder = Finder(self.text)
        begin = done = 0
        while (found := finder.after(begin)) is not None:
            name = self._meant(found, known, columns)
            if name is None:
                begin = found.start + 1  # what stands inside, as in {"rows": {rows}}, may be meant
                continue
            self._add(self.text[done : found.start])
            if found.is_doubled:
                self._add("{" + found.placeholder.inner + "}")
            else:
                self._parts.append("")
                self._names.append(name)
            begin = done = found.end
        self._add(self.text[done:])

    def _add(self, text: str) -> None:
        self._parts.append(text)
        self._names.append(None)

    def _meant(self, found: Braces, known: set[str], columns: Sequence[str]) -> str | None:
        """Return the column that braces stand for; `None` where they are braces and nothing else.

        Raises:
            ValueError: they look like a column, and there is none of this name.
        """
        placeholder = found.placeholder
        for name in (placeholder.inner, placeholder.inner.strip()):
            if name in known:
                return name
        if found.is_doubled or found.is_tex or not placeholder.names:
            return None
        if placeholder.root in known and placeholder.is_path and placeholder.has_format:
            raise ValueError(
                f"{{{placeholder.inner}}} is more than the name of a column: write {{{placeholder.root}}}, and prepare "
                f"the values in the data, or {{{{{placeholder.inner}}}}} for braces. {_NOTHING_SENT}"
            )
        if not (placeholder.is_path and placeholder.is_plain):
            return None
        raise ValueError(_unknown(placeholder.inner, columns))


def _unknown(name: str, columns: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, columns, 1)
    hint = f" Did you mean {{{near[0]}}}?" if near else ""
    shown = ", ".join(columns[:_MOST_NAMED]) + (
        f" and {len(columns) - _MOST_NAMED} more" * (len(columns) > _MOST_NAMED)
    )
    return (
        f"There is no column {name!r}.{hint} Columns: {shown or 'none'}. For braces in the prompt itself write "
        f"{{{{{name}}}}}. {_NOTHING_SENT}"
    )


def plain_value(value: Any) -> Any:
    """Return a value of a table as JSON has it: text, number, boolean, list, object, or `None` where it is missing.

    Equal values are equal here whatever library they come from; what JSON does not know is its `str()`.
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain_value(item) for key, item in value.items()}
    if hasattr(value, "to_list"):
        value = value.to_list()  # a Series of polars
    elif hasattr(value, "tolist"):
        value = value.tolist()  # a number or an array of numpy
    if isinstance(value, list | tuple):
        return [plain_value(item) for item in value]
    if isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None if math.isnan(value) else str(value)
    return None if _is_missing(value) else str(value)


def _is_missing(value: Any) -> bool:
    return type(value).__name__ in ("NAType", "NaTType") or value != value


def value_text(value: Any) -> str:
    """Return a plain value as it stands in a prompt; a missing one is empty."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return str(value)
