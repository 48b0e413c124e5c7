"""`NameSuggester`: what may stand in the braces of a prompt: names, columns, attributes and items."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any

from claude_magic.magics.placeholders import LONGEST, is_in_code
from claude_magic.values.references import LookError, follow, kind_words, next_attributes, next_items

_MOST = 300
_OPEN = re.compile(r"(?<!\{)\{([^{}\n`]*)\Z")
"""A brace that is open at the end, and what stands in it; a doubled one stands for itself."""
_BEGUN = re.compile(r"\A[^\W\d]\w*\Z")
_ATTRIBUTE = re.compile(r"\A(?P<owner>.+)\.(?P<typed>\w*)\Z")
_ITEM = re.compile(r"""\A(?P<owner>.+)\[(?P<typed>(?P<quote>["']?)[^"'\[\]]*)\Z""")

Found = list[tuple[str, str]]
"""Texts, and words about each."""


class NameSuggester:
    """Says what may stand in the braces of a prompt. Nothing of the user's runs.

    Args:
        variables: the variables that are filled in.
        own: names of the user's own among them, the oldest first.
    """

    def __init__(self, variables: Mapping[str, Any], own: list[str]) -> None:
        self._variables = variables
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
        """Return the variables that begin so, the youngest first."""
        names = [name for name in reversed(self._own) if _begins(name, typed)][:_MOST]
        return [(name, kind_words(name, self._variables[name])) for name in names]

    def _items(self, owner: str, typed: str, quote: str) -> Found:
        found = []
        for key, words in next_items(self._value(owner), _MOST).items():
            text = repr(key)
            if quote == '"' and text.startswith("'") and '"' not in text:
                text = f'"{text[1:-1]}"'
            if _begins(text.lstrip("\"'"), typed.lstrip("\"'")):
                found.append((f"{text}]", words))
        return found

    def _value(self, reference: str) -> Any:
        """Return what a reference leads to; `None` where it leads nowhere, or only code would tell."""
        try:
            return follow(ast.parse(reference.strip(), mode="eval").body, self._variables)[0]
        except (LookError, SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def _begins(text: str, typed: str) -> bool:
    return text.lower().startswith(typed.lower())
