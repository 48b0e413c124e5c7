"""`%claude` lines arrive as typed: no variable is expanded, no question mark becomes help."""

from __future__ import annotations

from typing import Any

from IPython.core.inputtransformer2 import (
    TokenTransformBase,
    assemble_continued_line,
    find_end_of_continued_line,
)

_NAME = "claude"


class ClaudeLine(TokenTransformBase):  # type: ignore[misc]  # IPython publishes no types
    """Rewrites `%claude ...` and `name = %claude ...` before IPython's own rules for `%` and a trailing `?` see it."""

    priority = 1

    def __init__(self, start: tuple[int, int], column: int) -> None:
        super().__init__(start)
        self.column = column

    @classmethod
    def find(cls, tokens_by_line: list[list[Any]]) -> ClaudeLine | None:
        """Return the first such line, or `None`."""
        for line in tokens_by_line:
            words = [token for token in line if token.string.strip()]
            for before, sign, name in zip([None, *words], words, words[1:], strict=False):
                is_first = before is None or before.string == "="
                if is_first and (sign.string, name.string) == ("%", _NAME) and sign.end == name.start:
                    if sign.line[name.end[1] :].strip() not in ("?", "??"):
                        # IPython takes the transformer that begins leftmost: it must not be the one of the `?`.
                        return cls((sign.start[0], words[0].start[1]), sign.start[1])
                    break
        return None

    def transform(self, lines: list[str]) -> list[str]:
        """Replace the line by a call of the magic with the rest of the line as it is."""
        index = self.start_line
        last = find_end_of_continued_line(lines, index)
        rest = assemble_continued_line(lines, (index, self.column + 1 + len(_NAME)), last)
        call = f"get_ipython().run_line_magic({_NAME!r}, {rest.strip()!r})\n"
        return [*lines[:index], lines[index][: self.column] + call, *lines[last + 1 :]]


def install(shell: Any) -> None:
    """Put the transform into a shell, once."""
    transformers = shell.input_transformer_manager.token_transformers
    if ClaudeLine not in transformers:
        transformers.insert(0, ClaudeLine)


def uninstall(shell: Any) -> None:
    """Take it out again."""
    transformers = shell.input_transformer_manager.token_transformers
    if ClaudeLine in transformers:
        transformers.remove(ClaudeLine)
