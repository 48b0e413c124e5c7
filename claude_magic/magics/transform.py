"""`%claude` lines arrive as typed, and a cell that is nearly a `%%claude` cell is one, or says what to do."""

from __future__ import annotations

import ast
import re
import warnings
from typing import Any

from IPython.core.inputtransformer2 import (
    TokenTransformBase,
    assemble_continued_line,
    find_end_of_continued_line,
)

_NAME = "claude"
_SENT = "Nothing was sent."


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


def first_line(lines: list[str]) -> list[str]:
    """Let a cell be a prompt that nearly is one, and say what to do where that is not clear.

    Comments and blank lines before `%%claude`, its indentation and its capitals do not matter. `%%claude --help` with
    nothing below it is `%claude --help`, as IPython refuses a cell without a body.
    """
    index = next((n for n, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#")), len(lines))
    if index == len(lines):
        return lines
    line, rest = lines[index], lines[index + 1 :]
    if match := re.match(rf"\s*%%\s*{_NAME}(?=\s|$)", line, re.IGNORECASE):
        options = line[match.end() :]
        if options.strip() in ("--help", "-h") and not "".join(rest).strip():
            return [f"%{_NAME} --help\n"]
        return [f"%%{_NAME}{options}", *rest]
    words = _advice(line, rest) if line.lstrip().startswith("%") else _advice_below(lines)
    return [f"raise __import__('IPython').core.error.UsageError({words!r})\n"] if words else lines


def _advice(line: str, rest: list[str]) -> str:
    """Return what to do about a cell that begins with a magic which is not quite ours; "" if there is nothing."""
    if line.lstrip().startswith("%%"):
        import difflib  # few cells begin with another magic

        match = re.match(r"\s*%%\s*([A-Za-z]+)(?=\s|$)", line)
        is_near = match and difflib.get_close_matches(match[1].lower(), [_NAME], 1, 0.8)
        return f"%%{match[1]} is unknown; did you mean %%{_NAME}? {_SENT}" if match and is_near else ""
    is_prompt = re.match(rf"\s*%{_NAME}(?:\s+(?:-.*|ask\b.*))?\s*$", line)
    if is_prompt and "".join(rest).strip() and not _is_code(rest):
        return f"%{_NAME} takes its line only: for a prompt of several lines, begin the cell with %%{_NAME}. {_SENT}"
    return _advice_below([line, *rest])


def _advice_below(lines: list[str]) -> str:
    """Return what to do about a `%%claude` in the middle of a cell, but not about one in a text."""
    for index, line in enumerate(lines):
        if re.match(rf"\s*%%{_NAME}(?=\s|$)", line) and _is_code(lines[:index]):
            return f"%%{_NAME} comes first in its cell: put the code above it into a cell of its own. {_SENT}"
    return ""


def _is_code(lines: list[str]) -> bool:
    """Whether lines are whole statements, apart from those that only IPython knows."""
    plain = [re.sub(r"^(\s*)(?:\w+\s*=\s*)?[%!].*", r"\1pass", line) for line in lines]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse("".join(plain))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def prompt_line(lines: list[str]) -> list[str]:
    """Let `%%claude What is this?` with nothing below it reach the magic; IPython refuses a cell without a body.

    It must come after IPython has decided whether a cell is complete: in a terminal the prompt may still follow.
    """
    is_alone = bool(lines) and re.match(rf"%%{_NAME}(?=\s|$)", lines[0]) and not "".join(lines[1:]).strip()
    if not is_alone:
        return lines
    line = lines[0][len(_NAME) + 2 :].strip()
    return [f"get_ipython().run_cell_magic({_NAME!r}, {line!r}, {chr(10)!r})\n"]


def install(shell: Any) -> None:
    """Put the transforms into a shell, once."""
    manager = shell.input_transformer_manager
    if ClaudeLine not in manager.token_transformers:
        manager.token_transformers.insert(0, ClaudeLine)
        manager.cleanup_transforms.append(first_line)
        manager.line_transforms.insert(0, prompt_line)


def uninstall(shell: Any) -> None:
    """Take them out again."""
    manager = shell.input_transformer_manager
    if ClaudeLine in manager.token_transformers:
        manager.token_transformers.remove(ClaudeLine)
        manager.cleanup_transforms.remove(first_line)
        manager.line_transforms.remove(prompt_line)
