"""Running code as a cell of its own while another cell waits: in the user's namespace, with a number, In and Out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from claude_magic.kernel.outputs import OutputRecorder, open_figures, recording

_PROMPT = re.compile(r"^[ \t]*(?:[\w, ]+=[ \t]*)?%%?claude\b", re.MULTILINE)


class UnrunnableCellError(ValueError):
    """A cell can be added, but not run from here; says why."""


def run_real_cell(shell: Any, source: str) -> tuple[list[dict[str, Any]], int, bool]:
    """Run a cell on the main thread while the cell of a prompt waits there.

    IPython counts a cell when it begins (9.x) or when it ends (before); the next free place of `In` is right for both.
    The prompt's own number must not change, so what was counted here counts from the next cell on.

    Args:
        shell: the IPython shell.
        source: the cell.

    Returns:
        Its outputs in nbformat 4, its number, and whether it failed.

    Raises:
        UnrunnableCellError: it awaits, or prompts.
    """
    if _PROMPT.search(source):
        raise UnrunnableCellError("a cell that prompts Claude runs when the user runs it, not from within a prompt")
    if shell.should_run_async(source, transformed_cell=shell.transform_cell(source)):
        raise UnrunnableCellError(
            "a cell that awaits runs when the user runs it: the prompt's cell holds the event loop"
        )
    recorder, figures = OutputRecorder(), open_figures()
    number = len(shell.history_manager.input_hist_parsed)
    before, shell.execution_count = shell.execution_count, number
    try:
        with recording(shell, recorder), _results_and_errors(shell, recorder, number):
            result = shell.run_cell(source, store_history=True)
            recorder.add_figures(figures)
    finally:
        shell.execution_count = before
        _count_later(shell)
    return recorder.outputs, number, not result.success


@contextmanager
def _results_and_errors(shell: Any, recorder: OutputRecorder, number: int) -> Iterator[None]:
    """Record values and errors, which the shell of a kernel sends to the page by itself."""
    hook = shell.displayhook

    def finish() -> None:
        message, hook.msg = getattr(hook, "msg", None), None
        if message is not None and message["content"]["data"]:
            recorder.result(message["content"]["data"], number, message["content"].get("metadata"))

    def write(data: dict[str, Any], metadata: Any = None) -> None:
        recorder.result(data, number, metadata)

    def show_error(kind: Any, value: Any, traceback: list[str]) -> None:
        recorder.error(str(kind.__name__), _words(value), traceback)

    # The hook of a kernel keeps a message until it is finished; that of a terminal writes at once.
    changes = {"finish_displayhook": finish} if hasattr(hook, "session") else _at_once(write)
    vars(hook).update(changes)
    vars(shell)["_showtraceback"] = show_error
    try:
        yield
    finally:
        for name in changes:
            vars(hook).pop(name, None)
        vars(shell).pop("_showtraceback", None)


def _at_once(write: Callable[..., None]) -> dict[str, Callable[..., None]]:
    """Return what a terminal's hook does with a value; its prompt "Out[7]:" is printed, and not a part of the value."""
    return {"write_format_data": write, "write_output_prompt": lambda: None}


def _words(error: Any) -> str:
    try:
        return str(error)
    except Exception:  # an error may fail to say what it is
        return ""


def _count_later(shell: Any) -> None:
    """Let the next cell have the next free number, once the reply to the present one is sent."""

    def count(*_: Any) -> None:
        shell.execution_count = max(shell.execution_count, len(shell.history_manager.input_hist_parsed))

    kernel = getattr(shell, "kernel", None)
    if kernel is not None:
        kernel.io_loop.add_callback(count)
        return

    def once(*_: Any) -> None:
        shell.events.unregister("post_run_cell", once)
        count()

    shell.events.register("post_run_cell", once)  # of the cell of the prompt
