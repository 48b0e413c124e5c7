"""Colours for code: five hues mixed into the text's own colour, so that they read in light and dark."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from claude_magic.rendering import style

_LONGEST = 30_000
"""Longer code stays plain: colouring takes about a second per megabyte, and far longer for some hostile inputs."""


def highlight(code: str, language: str) -> str:
    """Return code as HTML for the inside of a `pre`, coloured where the language is known.

    Args:
        code: the code, as it is.
        language: the word after the fence, such as `python`.
    """
    lexer = _lexer(language.lower()) if language and len(code) <= _LONGEST else None
    if lexer is None:
        return style.escape_code(code)
    return "".join(_piece(words, text) for words, text in _runs(lexer, code))


@lru_cache(maxsize=64)
def _lexer(language: str) -> Any:
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        return get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None


def _runs(lexer: Any, code: str) -> list[tuple[str, str]]:
    """Join neighbours of one style: fewer elements, a smaller notebook."""
    runs: list[tuple[str, str]] = []
    for token, text in lexer.get_tokens(code):
        words = _style_of(token)
        if runs and (runs[-1][0] == words or not text.strip()):
            runs[-1] = (runs[-1][0], runs[-1][1] + text)
        else:
            runs.append((words, text))
    return runs


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
    return next((words for kind, words in kinds if token in kind), "")


def _piece(words: str, text: str) -> str:
    escaped = style.escape_code(text)
    return f'<span style="{words}">{escaped}</span>' if words else escaped
