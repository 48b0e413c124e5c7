"""Completion in prompts: what the Tab key offers in a `%%claude` cell and on a `%claude` line, in every front end.

IPython's own matchers cannot say that there is nothing to complete (9.18 falls back to Jedi then), and prose is full of
such places. So the completer itself is asked first whether a text is a prompt: terminal IPython and ipykernel both go
through its `completions`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from claude_magic.magics.context import NotebookContext
    from claude_magic.magics.suggesting import Suggestions

_FIRST = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\n)*[ \t]*%%[ \t]*claude(?=[ \t\n]|\Z)", re.IGNORECASE)
"""What comes before the options of a prompt cell; as `transform.first_line` reads it."""
_LINE = re.compile(r"[ \t]*(?:[^\W\d]\w*[ \t]*=[ \t]*)?%claude(?=[ \t]|\Z)")
"""What comes before the command on a line."""

_UNBROKEN = {ord(" "): "\u00a0", ord("-"): "\u2011"}
"""JupyterLab breaks the line at a space or a hyphen, and then one suggestion covers the next."""


def install(shell: Any, magics: Any) -> None:
    """Have a shell complete prompts.

    Args:
        shell: the shell.
        magics: its `ClaudeMagics`.
    """
    completer = shell.Completer
    own = completer.completions

    def completions(text: str, offset: int) -> Iterator[Any]:
        found = suggestions(lambda: magics.context, text, offset)
        if found is None:
            return own(text, offset)  # type: ignore[no-any-return]  # IPython publishes no types
        return _as_completions(found, offset)

    completer.completions = completions


def uninstall(shell: Any) -> None:
    """Leave completion to the shell alone again."""
    shell.Completer.__dict__.pop("completions", None)


def _as_completions(found: Suggestions, offset: int) -> Iterator[Any]:
    from IPython.core.completer import Completion

    for item in found.items:
        words = item.words.translate(_UNBROKEN)
        yield Completion(found.start, offset, item.text, type=words, _origin="claude_magic", signature="")


def suggestions(context: Callable[[], NotebookContext], text: str, offset: int) -> Suggestions | None:
    """Return what may stand at a place of a cell; `None` where that is not a prompt.

    Args:
        context: returns what the magics of the notebook share.
        text: the cell.
        offset: where the cursor stands, in characters.
    """
    if "claude" not in text.lower():
        return None
    first = _FIRST.match(text)
    if first is not None:
        return None if offset <= first.end() else _in_cell(context, text[first.end() : offset], first.end())
    begin = text.rfind("\n", 0, offset) + 1
    line = _LINE.match(text, begin)
    if line is None or offset <= line.end():
        return None
    from claude_magic.magics.suggesting import Suggester

    return Suggester(context()).on_line(text[line.end() : offset]).moved(line.end())


def _in_cell(context: Callable[[], NotebookContext], typed: str, begin: int) -> Suggestions:
    """Return what may stand in a prompt cell after what was typed there."""
    from claude_magic.magics.suggesting import Suggester

    options, below, prompt = typed.partition("\n")
    suggester = Suggester(context())
    if not below:
        return suggester.among_options(options).moved(begin)
    return suggester.in_prompt(prompt).moved(begin + len(options) + 1)
