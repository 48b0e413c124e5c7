"""Colours for code: five hues mixed into the text's own colour, so that they read in light and dark."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from claude_magic.rendering import style
from claude_magic.rendering.limits import COLOURING_OF_A_TURN_S, COLOURING_S, LONGEST_CODE


class ColouringBudget:
    """Time for the colours of code: so much for one block, so much for all of a turn. What comes later stays plain."""

    def __init__(self) -> None:
        self._left_s = COLOURING_OF_A_TURN_S

    def within(self, tokens: Iterable[Any]) -> Iterator[Any]:
        """Yield tokens as long as there is time; the worst single token that was found took 0.13 s."""
        began = time.monotonic()
        limit_s = min(COLOURING_S, self._left_s)
        try:
            for token in tokens:
                if time.monotonic() - began > limit_s:
                    return
                yield token
        finally:
            self._left_s -= time.monotonic() - began


def highlight(code: str, language: str, budget: ColouringBudget) -> str:
    """Return code as HTML for the inside of a `pre`, coloured where the language is known and as far as time allows.

    Args:
        code: the code, as it is.
        language: the word after the fence, such as `python`.
        budget: the time.
    """
    lexer = _lexer(language.lower()) if language and len(code) <= LONGEST_CODE else None
    if lexer is None:
        return style.escape_code(code)
    runs, end = _runs(budget.within(lexer.get_tokens_unprocessed(code)))
    return "".join(_piece(css, text) for css, text in runs) + style.escape_code(code[end:])


def is_known(language: str) -> bool:
    """Return whether a word is the name of a language that `highlight` colours."""
    return bool(language) and _lexer(language.lower()) is not None


@lru_cache(maxsize=64)
def _lexer(language: str) -> Any:
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        return get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None


def _runs(tokens: Iterable[Any]) -> tuple[list[tuple[str, str]], int]:
    """Join neighbours of one style: fewer elements, a smaller notebook. Also return where the last token ends."""
    runs: list[tuple[str, str]] = []
    end = 0
    for place, token, text in tokens:
        end = place + len(text)
        css = _style_of(token)
        if runs and (runs[-1][0] == css or not text.strip()):
            runs[-1] = (runs[-1][0], runs[-1][1] + text)
        else:
            runs.append((css, text))
    return runs, end


@lru_cache(maxsize=512)
def _style_of(token: Any) -> str:
    from pygments.token import Comment, Generic, Keyword, Name, Number, Operator, String

    kinds = (
        (Comment, f"{style.tone('comment')};font-style:italic"),
        (Keyword, f"{style.tone('keyword')};font-weight:600"),
        (Operator.Word, f"{style.tone('keyword')};font-weight:600"),
        (String, style.tone("string")),
        (Number, style.tone("number")),
        (Name.Function, style.tone("name")),
        (Name.Class, style.tone("name")),
        (Name.Decorator, style.tone("name")),
        (Name.Tag, style.tone("name")),
        (Generic.Inserted, style.tone("good")),
        (Generic.Deleted, style.tone("bad")),
        (Generic.Heading, "font-weight:600"),
    )
    return next((css for kind, css in kinds if token in kind), "")


def _piece(css: str, text: str) -> str:
    escaped = style.escape_code(text)
    return f'<span style="{css}">{escaped}</span>' if css else escaped
