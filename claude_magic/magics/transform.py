"""`%claude` lines arrive as typed: no variable is expanded, no question mark becomes help; `%%claude --help` is one."""

from __future__ import annotations

from typing import Any

from IPython.core.inputtransformer2 import (
    TokenTransformBase,
    assemble_continued_line,
    find_end_of_continued_line,
)

_NAME = "claude"
_HELP = ([f"%%{_NAME}", "--help"], [f"%%{_NAME}", "-h"])


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


def help_cell(lines: list[str]) -> list[str]:
    """Let `%%claude --help` with nothing below it be `%claude --help`: IPython refuses a cell without a body."""
    is_alone = bool(lines) and lines[0].split() in _HELP and not "".join(lines[1:]).strip()
    return [f"%{_NAME} --help\n"] if is_alone else lines


def install(shell: Any) -> None:
    """Put the transforms into a shell, once."""
    transformers = shell.input_transformer_manager.token_transformers
    if ClaudeLine not in transformers:
        transformers.insert(0, ClaudeLine)
        shell.input_transformer_manager.cleanup_transforms.append(help_cell)


def uninstall(shell: Any) -> None:
    """Take them out again."""
    transformers = shell.input_transformer_manager.token_transformers
    if ClaudeLine in transformers:
        transformers.remove(ClaudeLine)
        shell.input_transformer_manager.cleanup_transforms.remove(help_cell)
