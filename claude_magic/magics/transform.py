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
    """Rewrites a line that begins with `%claude` before IPython's own rules for `%` and a trailing `?` see it."""

    priority = 1

    @classmethod
    def find(cls, tokens_by_line: list[list[Any]]) -> ClaudeLine | None:
        """Return the first such line, or `None`."""
        for line in tokens_by_line:
            words = [token for token in line if token.string.strip()]
            is_ours = [word.string for word in words[:2]] == ["%", _NAME] and words[0].end == words[1].start
            if is_ours and words[0].line[words[1].end[1] :].strip() not in ("?", "??"):
                return cls(words[0].start)
        return None

    def transform(self, lines: list[str]) -> list[str]:
        """Replace the line by a call of the magic with the rest of the line as it is."""
        index, column = self.start_line, self.start_col
        last = find_end_of_continued_line(lines, index)
        rest = assemble_continued_line(lines, (index, column + 1 + len(_NAME)), last)
        call = f"get_ipython().run_line_magic({_NAME!r}, {rest.strip()!r})\n"
        return [*lines[:index], lines[index][:column] + call, *lines[last + 1 :]]


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
