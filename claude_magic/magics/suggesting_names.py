"""`NameSuggester`: what may stand in the braces of a prompt: names, columns, attributes and items."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from typing import Any

from claude_magic.strings import opening
from claude_magic.values.placeholders import LONGEST, is_in_code
from claude_magic.values.references import LookError, follow, kind_words, next_attributes, next_items

_MOST = 300
_PREVIEW = 60
_OPEN = re.compile(r"(?<!\{)\{([^{}\n`]*)\Z")
"""A brace that is open at the end, and what stands in it; a doubled one stands for itself."""
_BEGUN = re.compile(r"\A[^\W\d]\w*\Z")
_ATTRIBUTE = re.compile(r"\A(?P<owner>.+)\.(?P<typed>\w*)\Z")
_ITEM = re.compile(r"""\A(?P<owner>.+)\[(?P<typed>(?P<quote>["']?)[^"'\[\]]*)\Z""")

_CELLS = (("In[", "a cell, as it was run"), ("Out[", "the value that a cell has shown"), ("Err", "the last error"))

Found = list[tuple[str, str]]
"""Texts, and words about each."""


class NameSuggester:
    """Says what may stand in the braces of a prompt. Nothing of the user's runs.

    Args:
        variables: the variables that are filled in.
        own: names of the user's own among them, the oldest first.
        inputs: the cells that were run, by number.
    """

    def __init__(self, variables: Mapping[str, Any], own: list[str], inputs: Sequence[str] = ()) -> None:
        self._variables = variables
        self._inputs = inputs
        self._own = own

    def after(self, typed: str) -> tuple[int, Found]:
        """Return what may stand at the end of a text, and where the part of it begins that one would replace.

        Args:
            typed: the prompt up to the cursor.
        """
        end = len(typed)
        brace = _OPEN.search(typed, max(0, end - LONGEST))
        if brace is None or is_in_code(typed, brace.start()):
            return end, []
        inner = brace[1]
        if not inner or _BEGUN.match(inner):
            return end - len(inner), self._names(inner)
        if found := _ATTRIBUTE.match(inner):
            typed, steps = found["typed"], next_attributes(self._value(found["owner"]))
            return end - len(typed), [(name, words) for name, words in steps.items() if _begins(name, typed)][:_MOST]
        if found := _ITEM.match(inner):
            return end - len(found["typed"]), self._items(found["owner"], found["typed"], found["quote"])
        return end, []

    def _names(self, typed: str) -> Found:
        """Return the variables that begin so, the youngest first, and what stands for cells."""
        names = [name for name in reversed(self._own) if _begins(name, typed)][:_MOST]
        cells = [pair for pair in _CELLS if pair[0] not in self._own and _begins(pair[0], typed)] if typed else []
        return [*((name, kind_words(name, self._variables[name])) for name in names), *cells]

    def _items(self, owner: str, typed: str, quote: str) -> Found:
        if owner in ("In", "Out") and owner not in self._own:
            return self._cells(owner, typed)
        found = []
        for key, words in next_items(self._value(owner), _MOST).items():
            text = repr(key)
            if quote == '"' and text.startswith("'") and '"' not in text:
                text = f'"{text[1:-1]}"'
            if _begins(text.lstrip("\"'"), typed.lstrip("\"'")):
                found.append((f"{text}]", words))
        return found

    def _cells(self, name: str, typed: str) -> Found:
        """Return the numbers of the cells that were run, or have shown a value, the latest first."""
        if name == "Out":
            values = self._variables.get("Out") or {}
            known = [(number, kind_words("", value)) for number, value in values.items()]
        else:
            known = [(number, opening(source, _PREVIEW)) for number, source in enumerate(self._inputs) if source]
        return [(f"{number}]", words) for number, words in reversed(known) if str(number).startswith(typed)][:_MOST]

    def _value(self, reference: str) -> Any:
        """Return what a reference leads to; `None` where it leads nowhere, or only code would tell."""
        try:
            return follow(ast.parse(reference.strip(), mode="eval").body, self._variables)[0]
        except (LookError, SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def _begins(text: str, typed: str) -> bool:
    return text.lower().startswith(typed.lower())
