"""The variables where a magic stands: of the notebook, and of the function that it is called in."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

_CALLS = ("run_line_magic", "run_cell_magic")
_INLINE = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")
"""Frames of their own before Python 3.12, which see what is around them."""


def variables_here(shell: Any) -> dict[str, Any]:
    """Return the variables where the magic that runs was typed; those of a function win over the notebook's.

    IPython gives `local_ns` to line magics only, see `run_cell_magic` of IPython 9.18; hence the look at the stack.

    Args:
        shell: the shell.
    """
    variables = {**shell.user_global_ns, **shell.user_ns}
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_name not in _CALLS:
        frame = frame.f_back
    while frame is not None and str(frame.f_globals.get("__name__", "")).startswith("IPython."):
        frame = frame.f_back
    around: list[FrameType] = []
    while frame is not None and frame.f_code.co_name in _INLINE:
        around.append(frame)
        frame = frame.f_back
    if frame is not None:
        around.append(frame)
    for scope in reversed(around):
        if scope.f_locals is not scope.f_globals:
            variables.update(scope.f_locals)
    return variables
