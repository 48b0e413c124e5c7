"""`ScratchPad`: code that sees everything in the kernel and leaves nothing behind but what it changed in place."""

from __future__ import annotations

import ast
import io
import linecache
import os
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from IPython.core.displaypub import DisplayPublisher

from claude_magic.values.content import Block, Content, content_of, picture_blocks, shortened, text_block
from claude_magic.values.fingerprints import fingerprints
from claude_magic.values.pictures import pictures_of
from claude_magic.values.tables import is_frame, is_series

LONGEST_TEXT = 10_000
"""Characters of text that the model is told of one run; the middle of a longer text is left out."""
_FINGERPRINTS_S = 0.5
_FILE = "<claude-{}>"
_PACKAGE = str(Path(__file__).parents[1])
_NO_MAGICS = (
    "IPython's %magics, !commands and ?help do not run here. Write Python: time.perf_counter() in place of %time, "
    "subprocess.run in place of !. A cell that is added may use them."
)
_NO_AWAIT = (
    "Code that awaits at its top level cannot run here: the cell that waits for you holds the event loop. Add a cell, "
    "which can await, or run the coroutine on a loop of its own in a thread: "
    "concurrent.futures.ThreadPoolExecutor().submit(asyncio.run, coroutine).result()."
)
_NO_INPUT = "input() cannot ask the user from here. Ask in your answer."


class ScratchPad:
    """Runs code against a copy of the kernel's namespace; on the main thread only.

    Args:
        shell: the IPython shell.
        names: returns the names of the user's own variables.
    """

    def __init__(self, shell: Any, names: Any) -> None:
        self._shell = shell
        self._names = names
        self._count = 0

    def run(self, code: str) -> tuple[Content, bool]:
        """Run code, and return what it printed, drew and came to, with whether it failed.

        An interrupt ends it; what was printed until then is returned. Nothing that the code raises gets out.

        Args:
            code: Python; a last line that is an expression is shown, as in a cell.
        """
        problem = _problem(code)
        if problem:
            return Content([text_block(problem)]), True
        self._count += 1
        file = _FILE.format(self._count)
        linecache.cache[file] = (len(code), None, code.splitlines(keepends=True), file)
        output = _Output()
        before = _Before(self._shell.user_ns, self._names())
        with self._capturing(output):
            failed = self._execute(code, file, output)
            output.figures(before.figures)
        notes = before.changes(self._shell.user_ns, self._names())
        return output.content(notes), failed

    def _execute(self, code: str, file: str, output: _Output) -> bool:
        tree = ast.parse(code)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        scratch = {**self._shell.user_ns, "input": _refuse_input, "exit": sys.exit, "quit": sys.exit}
        try:
            exec(compile(tree, file, "exec", dont_inherit=True), scratch)
            if isinstance(last, ast.Expr):
                value = eval(compile(ast.Expression(last.value), file, "eval", dont_inherit=True), scratch)
                if value is not None and not code.rstrip().endswith(";"):
                    output.value(value, self._shell.display_formatter.formatters)
        except SystemExit:
            output.write("exit() ends nothing here; the code after it did not run.\n")
        except KeyboardInterrupt:
            output.write("\nKeyboardInterrupt: the code was stopped here.\n")
            return True
        except BaseException as error:
            output.write(_traceback(error))
            return True
        return False

    @contextmanager
    def _capturing(self, output: _Output) -> Iterator[None]:
        """Have what this thread prints and displays go to `output`, and what the code leaves set put back."""
        shell = self._shell
        streams, publisher, folder = (sys.stdout, sys.stderr), shell.display_pub, _folder()
        sys.stdout, sys.stderr = _Tee(streams[0], output), _Tee(streams[1], output)
        shell.display_pub = _Publisher(output)
        try:
            yield
        finally:
            sys.stdout, sys.stderr = streams
            shell.display_pub = publisher
            if folder and _folder() != folder:
                os.chdir(folder)


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


# ---- what comes out ----


class _Output:
    """What code prints and shows, in order."""

    def __init__(self) -> None:
        self._parts: list[str | Block] = []

    def write(self, text: str) -> None:
        if self._parts and isinstance(self._parts[-1], str):
            self._parts[-1] += text
        else:
            self._parts.append(text)

    def value(self, value: Any, formatters: Mapping[str, Any]) -> None:
        """Show the value of the last expression: tables and pictures as what they are, the rest as a cell would."""
        try:
            if is_frame(value) or is_series(value) or pictures_of(value, formatters):
                self._parts += content_of(value, formatters)
                return
        except ValueError:  # a picture that cannot be had
            pass
        text = formatters["text/plain"](value)
        self.write(text if isinstance(text, str) else repr(value))

    def display(self, data: Mapping[str, Any]) -> None:
        """Show what `display` was given."""
        for kind in ("image/png", "image/jpeg"):
            if kind in data:
                picture = data[kind]
                self._parts.append({"type": "image", "data": _base64(picture), "mimeType": kind})
                return
        text = data.get("text/markdown") or data.get("text/plain") or ""
        self.write(f"{text}\n")

    def figures(self, before: set[int]) -> None:
        """Show the figures of matplotlib that were drawn and not shown, and close them."""
        pyplot = sys.modules.get("matplotlib.pyplot")
        if pyplot is None:
            return
        for number in [number for number in pyplot.get_fignums() if number not in before]:
            figure = pyplot.figure(number)
            try:
                self._parts += picture_blocks(pictures_of(figure, {}))
            except Exception as error:
                self.write(f"A figure cannot be drawn: {type(error).__name__}: {error}\n")
            pyplot.close(figure)

    def content(self, notes: list[str]) -> Content:
        """Return all of it as blocks: texts and pictures in order, at most three pictures, and the notes."""
        pictures = [part for part in self._parts if not isinstance(part, str) and part["type"] == "image"]
        kept = [part for part in self._parts if isinstance(part, str) or part not in pictures[3:]]
        if len(pictures) > 3:
            notes = [*notes, f"{len(pictures) - 3} more pictures were left out."]
        room = LONGEST_TEXT // max(1, sum(isinstance(part, str) or part["type"] == "text" for part in kept))
        blocks = [
            text_block(part, room) if isinstance(part, str)
            else {**part, "text": shortened(part["text"], room)} if part["type"] == "text" else part
            for part in kept
        ]  # fmt: skip
        blocks += [text_block("\n".join(notes))] if notes else []
        return Content(blocks or [text_block("(It printed nothing, and its last line has no value.)")])


def _base64(data: Any) -> str:
    import base64

    return data if isinstance(data, str) else base64.b64encode(data).decode("ascii")


class _Tee(io.TextIOBase):
    """A stream that takes what the main thread writes; what other threads write goes where it went before."""

    def __init__(self, before: Any, output: _Output) -> None:
        self._before = before
        self._output = output

    def write(self, text: str) -> int:
        if threading.current_thread() is threading.main_thread():
            self._output.write(text)
            return len(text)
        return int(self._before.write(text) or 0)

    def flush(self) -> None:
        self._before.flush()

    def writable(self) -> bool:
        return True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._before, name)


class _Publisher(DisplayPublisher):  # type: ignore[misc]  # IPython publishes no types
    """Takes what `display` is given."""

    def __init__(self, output: _Output) -> None:
        super().__init__()
        self._output = output

    def publish(self, data: Any, metadata: Any = None, **options: Any) -> None:
        self._output.display(data)

    def clear_output(self, wait: bool = False) -> None:
        return


# ---- what it changed ----


class _Before:
    """The kernel before code runs: its variables, tables, threads and figures."""

    def __init__(self, namespace: Mapping[str, Any], names: list[str]) -> None:
        self._ids = {name: id(namespace[name]) for name in names}
        self._kept = [namespace[name] for name in names]  # an id says something only while its object lives
        self._prints = fingerprints(namespace, names, _FINGERPRINTS_S)
        self._threads = set(threading.enumerate())
        pyplot = sys.modules.get("matplotlib.pyplot")
        self.figures: set[int] = set(pyplot.get_fignums()) if pyplot is not None else set()

    def changes(self, namespace: Mapping[str, Any], names: list[str]) -> list[str]:
        """Return what is different now, in sentences."""
        now = {name: id(namespace[name]) for name in names}
        same = [name for name in self._prints if now.get(name) == self._ids[name]]
        prints = fingerprints(namespace, same, 2 * _FINGERPRINTS_S)
        changed = [name for name in prints if prints[name] != self._prints[name]]
        sides = [
            ("Changed in place, in the user's kernel: {}.", changed),
            ("New in the user's kernel: {}.", [name for name in now if name not in self._ids]),
            ("Gone from the user's kernel: {}.", [name for name in self._ids if name not in now]),
            ("Set anew in the user's kernel: {}.", [n for n in now if n in self._ids and now[n] != self._ids[n]]),
            (
                "Still running in the background: the thread {}.",
                [thread.name for thread in threading.enumerate() if thread not in self._threads and not _ours(thread)],
            ),
        ]
        return [words.format(", ".join(found)) for words, found in sides if found]


def _ours(thread: threading.Thread) -> bool:
    return thread.name.startswith("claude-magic")
