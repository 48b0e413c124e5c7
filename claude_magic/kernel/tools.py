"""`KernelTools`: the tools named `kernel`, for each level of what Claude may do here."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Annotated, Any

from claude_magic.background_loop import Inbox
from claude_magic.kernel.cells import CellTools
from claude_magic.kernel.level import KernelLevel
from claude_magic.kernel.main_thread import LONGEST_RUN_S, MainThread
from claude_magic.kernel.scratch import ScratchPad
from claude_magic.messages import Message, MessageType
from claude_magic.records.kernel_changes import CellChange, VariableChange
from claude_magic.redaction import Redactor
from claude_magic.tools import CallContext, Tool, ToolFailedError, ToolServer, as_tool, current_call
from claude_magic.values.content import Content, content_of
from claude_magic.values.hiding import SecretFilter
from claude_magic.values.inspection import LookError, inspect_variable, list_variables

SERVER = "kernel"
DEFAULT_RUN_S = 120.0
_MOST_REMEMBERED = 500


_INSTRUCTIONS = """\
You work inside a Jupyter notebook whose Python kernel holds the user's data. These tools see that kernel; Bash and \
files do not. Look before you guess: list_variables, then inspect the tables that matter. Looking runs no code."""
_RUN_INSTRUCTIONS = """\
 run_python is a scratch pad in that kernel: it reads every variable, and what it assigns is gone afterwards. Use it \
to check and to compute, not to change the user's data. What should last, such as a figure or a result, becomes a cell \
of the notebook: add_cell runs it in the user's namespace, edit_cell and delete_cell change cells by their ids. Edit, \
Write and NotebookEdit cannot change the file of the notebook that is open here: its page would not see it."""


class KernelTools:
    """Makes the tool servers of one kernel.

    Args:
        shell: the IPython shell.
        names: returns the names of the user's own variables, the oldest first.
        record: told of every change to variables and cells.

    Attributes:
        main_thread: where the code runs.
        cells: the tools that read and change cells.
    """

    def __init__(
        self, shell: Any, names: Callable[[], list[str]], record: Callable[[CellChange | VariableChange], None]
    ) -> None:
        self.main_thread = MainThread(shell)
        self.cells = CellTools(shell, names, self.main_thread, self.secrets, record)
        self._shell = shell
        self._names = names
        self._scratch = ScratchPad(shell, names)
        self._record = record
        self._seen: dict[tuple[str, str], str] = {}
        self._servers: dict[KernelLevel, ToolServer] = {}

    @contextmanager
    def serve(self, turn_id: str, inbox: Inbox | None) -> Iterator[None]:
        """Let Claude use the kernel for a prompt.

        Args:
            turn_id: id of the prompt.
            inbox: work for the cell's thread; `None` if the cell does not wait, and code runs between cells.
        """
        with self.main_thread.serve(turn_id, inbox) if inbox is not None else nullcontext():
            try:
                yield
            finally:
                self.cells.end(turn_id)

    def server(self, level: KernelLevel) -> ToolServer | None:
        """Return the tools of a level; `None` for `off`."""
        if level is KernelLevel.OFF:
            return None
        if level not in self._servers:
            runs = level.rank >= KernelLevel.ASK.rank
            tools = list(self._looking())
            if runs:
                is_allowed = level is KernelLevel.RUN
                tools.append(replace(as_tool(self._run_python), name="run_python", is_allowed=is_allowed))
                changing = (self.cells.add_cell, self.cells.edit_cell, self.cells.delete_cell)
                tools += [replace(as_tool(change), is_allowed=is_allowed) for change in changing]
            words = _INSTRUCTIONS + (_RUN_INSTRUCTIONS if runs else "")
            self._servers[level] = ToolServer(SERVER, tools, instructions=words)
        return self._servers[level]

    def stale_names(self, messages: Iterable[Message]) -> list[str]:
        """Return what a turn looked at in detail and would see differently now; an old answer depends on it.

        Args:
            messages: those of the turn.
        """
        looked: dict[str, str] = {}
        stale: list[str] = []
        for message in messages:
            if message.type is MessageType.TOOL_USE and message.tool_name == f"mcp__{SERVER}__inspect":
                looked[message.tool_use_id] = str(message.tool_input.get("name", ""))
            elif message.type is MessageType.TOOL_RESULT and message.tool_use_id in looked:
                name = looked.pop(message.tool_use_id)
                if not message.is_error and message.text != self._looks_now(name) and "unchanged" not in message.text:
                    stale.append(name)
        return list(dict.fromkeys(stale))

    def _looks_now(self, name: str) -> str:
        try:
            return inspect_variable(dict(self._shell.user_ns), name, self.secrets())
        except LookError:
            return ""

    async def run_function(self, call: Callable[[], Any]) -> Any:
        """Call a function of the notebook on the main thread, as in a cell, and return what shows its value."""
        context = current_call()

        def attempt() -> tuple[Any, BaseException | None]:
            try:
                value = call()
                # Showing a value runs its own code, which belongs on the same thread.
                return value if inspect.isawaitable(value) else content_of(value), None
            except BaseException as error:
                return None, error

        turn_id = context.turn_id if context is not None else ""
        value, error = await self.main_thread.run(attempt, turn_id, LONGEST_RUN_S)
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise ToolFailedError(f"The function was ended by {type(error).__name__}.")
        if error is not None:
            raise error
        if inspect.isawaitable(value):
            return value
        more = context.content if context is not None else []
        return Content([*self.secrets().blocks(value), *more])

    # Looking.

    def _looking(self) -> Iterable[Tool]:
        for function, name in ((self._list_variables, "list_variables"), (self._inspect, "inspect")):
            yield replace(as_tool(function), name=name, read_only=True, is_allowed=True)
        yield replace(as_tool(self.cells.read_cells), read_only=True, is_allowed=True)

    def secrets(self) -> SecretFilter:
        return SecretFilter(self._shell.user_ns, Redactor())

    def _list_variables(self, pattern: str = "") -> str:
        """List the variables of the user's kernel: name, type, size, small values; tables first. Runs no code.

        Args:
            pattern: list only names that contain this, or match it where it has a * or a ?.
        """
        namespace = dict(self._shell.user_ns)
        return list_variables(namespace, self._names(), self.secrets(), pattern)

    def _inspect(self, name: str, again: bool = False) -> str:
        """Look at one variable in detail. Runs no code.

        A table shows columns with types, missing and unique values and ranges, and sample rows; a function its source.

        Args:
            name: a variable, or a path such as df["price"], config["db"], rows[0] or model.weights.
            again: show it in full although it is unchanged since you looked.
        """
        try:
            text = inspect_variable(dict(self._shell.user_ns), name, self.secrets())
        except LookError as error:
            raise ToolFailedError(str(error)) from None
        call = current_call()
        key = (call.session_id if call is not None else "", name.strip())
        digest = hashlib.blake2b(text.encode(errors="replace")).hexdigest()
        if self._seen.get(key) == digest and not again:
            return f"{name} is unchanged since you looked at it (again=true shows it in full once more)."
        if len(self._seen) >= _MOST_REMEMBERED:
            self._seen.clear()
        self._seen[key] = digest
        return text

    # Running.

    async def _run_python(
        self,
        code: str,
        purpose: Annotated[str, "One line for the user who is asked: what the code is for."] = "",
        timeout_s: Annotated[float, "Seconds it may run, at most 600."] = DEFAULT_RUN_S,
    ) -> Content:
        """Run Python in the user's kernel, as a scratch pad: it sees every variable; what it assigns is gone after it.

        Returns what was printed, the value of a last line that is an expression, and figures as pictures. Changes in
        place to the user's data do last, and are reported. No input(), no %magics, no await at the top level.

        Args:
            code: the code.
        """
        call = current_call() or CallContext("", "", "", "")
        limit_s = min(max(float(timeout_s), 1.0), LONGEST_RUN_S)
        result = await self.main_thread.run(lambda: self._scratch.run(code, call), call.turn_id, limit_s)
        for change in result.changes:
            self._record(change)
        shown = self.secrets().blocks(result.content)
        if result.failed:
            raise ToolFailedError("the code failed", content=shown)
        return shown
