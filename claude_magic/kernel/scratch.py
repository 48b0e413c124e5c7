"""`ScratchPad`: code that sees everything in the kernel and leaves nothing behind but what it changed in place."""

from __future__ import annotations

import ast
import linecache
import os
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from claude_magic.kernel.outputs import MOST_PICTURES, OutputRecorder, content_of_outputs, open_figures, recording
from claude_magic.records.kernel_changes import VariableChange
from claude_magic.tools import CallContext
from claude_magic.values.content import Content, table_of, text_block
from claude_magic.values.fingerprints import fingerprints
from claude_magic.values.pictures import media_type, pictures_of
from claude_magic.values.previews import size_of, type_name

_FINGERPRINTS_S = 0.5
_FILE = "<claude-{}>"
_PACKAGE = str(Path(__file__).parents[1])
_NO_MAGICS = (
    "IPython's %magics, !commands and ?help do not run here. Write Python: time.perf_counter() in place of %time, "
    "subprocess.run in place of !. A cell that is added may use them."
)
_NO_AWAIT = (
    "Code that awaits at its top level cannot run here: the cell that waits for you holds the event loop. Add a cell, "
    "which can await when the user runs it, or run the coroutine on a loop of its own in a thread: "
    "concurrent.futures.ThreadPoolExecutor().submit(asyncio.run, coroutine).result()."
)
_STOPPED = "\nKeyboardInterrupt: the code was stopped here.\n"
_NO_INPUT = "input() cannot ask the user from here. Ask in your answer."


@dataclass(frozen=True)
class ScratchResult:
    """What became of code on the scratch pad.

    Attributes:
        content: what the model is shown.
        failed: whether it ended with an error or an interrupt.
        changes: what it changed of the user's variables.
    """

    content: Content
    failed: bool
    changes: list[VariableChange] = field(default_factory=list)


class ScratchPad:
    """Runs code against a copy of the kernel's namespace; on the main thread only.

    Args:
        shell: the IPython shell.
        names: returns the names of the user's own variables.
    """

    def __init__(self, shell: Any, names: Callable[[], list[str]]) -> None:
        self._shell = shell
        self._names = names
        self._count = 0

    def run(self, code: str, call: CallContext) -> ScratchResult:
        """Run code, and return what it printed, drew and came to.

        An interrupt ends it; what was printed until then is returned. Nothing that the code raises gets out.

        Args:
            code: Python; a last line that is an expression is shown, as in a cell.
            call: whose code it is.
        """
        problem = _problem(code)
        if problem:
            return ScratchResult(Content([text_block(problem)]), failed=True)
        self._count += 1
        file = _FILE.format(self._count)
        linecache.cache[file] = (len(code), None, [f"{line}\n" for line in code.split("\n")], file)
        recorder, figures, folder = OutputRecorder(MOST_PICTURES), open_figures(), _folder()
        changes: list[VariableChange] = []
        notes: list[str] = []
        try:
            before = NamespaceSnapshot(self._shell.user_ns, self._names())
            with recording(self._shell, recorder):
                failed = self._execute(code, file, recorder)
                recorder.add_figures(figures)
            changes = before.changes(call, self._shell.user_ns, self._names())
            notes = _notes(changes, before.threads_left())
        except KeyboardInterrupt:  # while figures were drawn, or what has changed was looked for
            recorder.write(_STOPPED)
            failed = True
        if folder and _folder() != folder:
            os.chdir(folder)
        content = content_of_outputs(recorder.outputs)
        if notes:
            content.append(text_block("\n".join(notes)))
        content = content or Content([text_block("(It printed nothing, and its last line has no value.)")])
        return ScratchResult(content, failed, changes)

    def _execute(self, code: str, file: str, recorder: OutputRecorder) -> bool:
        tree, process = ast.parse(code), os.getpid()
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        scratch = {**self._shell.user_ns, "input": _refuse_input, "exit": sys.exit, "quit": sys.exit}
        try:
            exec(compile(tree, file, "exec", dont_inherit=True), scratch)
            if isinstance(last, ast.Expr):
                value = eval(compile(ast.Expression(last.value), file, "eval", dont_inherit=True), scratch)
                if value is not None and not code.rstrip().endswith(";"):
                    _show(value, self._shell.display_formatter.formatters, recorder)
        except SystemExit:
            recorder.write("exit() ends nothing here; the code after it did not run.\n")
        except KeyboardInterrupt:
            recorder.write(_STOPPED)
            return True
        except BaseException as error:
            recorder.write(_traceback(error))
            return True
        finally:
            if os.getpid() != process:  # a fork that came to its end would go on as a second kernel
                os._exit(0)
        return False


def _show(value: Any, formatters: Mapping[str, Any], recorder: OutputRecorder) -> None:
    """Show the value of the last expression: tables and pictures as what they are, the rest as a cell would."""
    table = table_of(value)
    if table:
        recorder.result({"text/markdown": table})
        return
    try:
        pictures = pictures_of(value, formatters)
    except ValueError:  # a picture that cannot be had
        pictures = []
    for picture in pictures:
        recorder.display({media_type(picture): picture})
    if not pictures:
        text = formatters["text/plain"](value)
        recorder.result({"text/plain": text if isinstance(text, str) else repr(value)})


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:
        return ""


def _refuse_input(prompt: object = "") -> str:
    raise RuntimeError(_NO_INPUT)


def _problem(code: str) -> str:
    """Return why code cannot run here, and what to do instead; "" if it can."""
    try:
        tree = ast.parse(code)
    except SyntaxError as error:
        line = (error.text or "").strip()
        if line.startswith(("%", "!", "?")) or line.endswith("?"):
            return _NO_MAGICS
        return "".join(traceback.format_exception_only(error)).strip()
    except (ValueError, RecursionError, MemoryError) as error:
        return f"The code cannot be read: {error}"
    return _NO_AWAIT if any(_awaits(node) for node in tree.body) else ""


def _awaits(node: ast.AST) -> bool:
    """Whether a statement awaits, outside of the functions that it defines."""
    if isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncWith):
        return True
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        return False
    return any(_awaits(child) for child in ast.iter_child_nodes(node))


def _traceback(error: BaseException) -> str:
    """Return a traceback with the frames of the code itself, and the place in a library where it ended."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(_PACKAGE)]
    own = [frame for frame in frames if frame.filename.startswith("<claude-") or _is_cell(frame.filename)]
    shown = own + [frame for frame in frames[-1:] if frame not in own]
    try:
        words = "".join(traceback.format_exception_only(error))
    except Exception:  # an error may fail to say what it is
        words = f"{type(error).__name__}\n"
    return f"Traceback (most recent call last):\n{''.join(traceback.format_list(shown))}{words}"


def _is_cell(file: str) -> bool:
    """Whether a file is what a kernel or a terminal calls the code of a cell."""
    return "ipykernel_" in file or file.startswith("<ipython-input-")


class NamespaceSnapshot:
    """The variables, tables and threads of a kernel before code runs.

    Args:
        namespace: the variables.
        names: those of the user's own.
    """

    def __init__(self, namespace: Mapping[str, Any], names: list[str]) -> None:
        self._ids = {name: id(namespace[name]) for name in names}
        self._kept = [namespace[name] for name in names]  # an id says something only while its object lives
        self._prints = fingerprints(namespace, names, _FINGERPRINTS_S)
        self._threads = set(threading.enumerate())

    def changes(self, call: CallContext, namespace: Mapping[str, Any], names: list[str]) -> list[VariableChange]:
        """Return what became of the variables: created, replaced, changed in place or deleted.

        Args:
            call: whose code has run.
            namespace: the variables now.
            names: those of the user's own now.
        """
        now = {name: id(namespace[name]) for name in names}
        same = [name for name in self._prints if now.get(name) == self._ids[name]]
        prints = fingerprints(namespace, same, 2 * _FINGERPRINTS_S)
        changed = {name: "changed" for name in prints if prints[name] != self._prints[name]}
        changed |= {name: "created" for name in now if name not in self._ids}
        changed |= {name: "replaced" for name in now if name in self._ids and now[name] != self._ids[name]}
        changed |= {name: "deleted" for name in self._ids if name not in now}
        return [
            VariableChange(
                call.session, call.turn_id, name, change,
                type_name(namespace[name]) if name in now else "", size_of(namespace[name]) if name in now else "",
            )
            for name, change in changed.items()
        ]  # fmt: skip

    def threads_left(self) -> list[str]:
        """Return the names of the threads that were not there before; none of ours."""
        new = [thread.name for thread in threading.enumerate() if thread not in self._threads]
        return [name for name in new if not name.startswith("claude-magic")]


_CHANGES = {
    "changed": "Changed in place, in the user's kernel: {}.",
    "created": "New in the user's kernel: {}.",
    "replaced": "Set anew in the user's kernel: {}.",
    "deleted": "Gone from the user's kernel: {}.",
}


def _notes(changes: list[VariableChange], threads: list[str]) -> list[str]:
    """Return what code has left behind, in sentences."""
    notes = []
    for change, words in _CHANGES.items():
        names = [one.name for one in changes if one.change == change]
        notes += [words.format(", ".join(names))] if names else []
    return [*notes, f"Still running in the background: the thread {', '.join(threads)}."] if threads else notes
