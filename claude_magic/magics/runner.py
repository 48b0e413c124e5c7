"""A turn and what shows it: submits a prompt to a session, and shows below the cell what comes."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from io import StringIO
from typing import Any

from claude_magic.background_loop import Inbox
from claude_magic.blocking import ClaudeClient
from claude_magic.blocking_stream import Stream
from claude_magic.display.asking import Asker
from claude_magic.display.kernel_status import BusyKernel
from claude_magic.display.live import BATCH_S, LiveDisplay
from claude_magic.display.surfaces import make_widget, surface_for
from claude_magic.display.turn_display import (
    ALREADY_SHOWN,
    GuardedDisplay,
    NotebookDisplay,
    TerminalDisplay,
    TurnDisplay,
    in_notebook,
    is_captured,
    plain_display,
)
from claude_magic.engine.rewind import edited_files
from claude_magic.engine.session import Session, managed
from claude_magic.errors import ClaudeError, ControlError, ModelNotFoundError
from claude_magic.kernel.level import KernelLevel
from claude_magic.kernel.tools import KernelTools
from claude_magic.magics.background import Finished
from claude_magic.magics.options import Options
from claude_magic.magics.prompting import Prompt, shorten
from claude_magic.observers import described
from claude_magic.response import AnswerSource, Outcome, Response
from claude_magic.tools import ToolServer
from claude_magic.widgets.front_ends import FrontEnd
from claude_magic.widgets.kernel_bridge import KernelBridge, PageAnswer, bridge_of
from claude_magic.widgets.undoing import undo_on_page

logger = logging.getLogger("claude_magic")

_MOST_INTERRUPTS = 10
_NOTEBOOK_CHANGED = (
    "The file of this open notebook was changed on disk. The page still shows what was there before: load it again "
    "with File > Reload Notebook from Disk, and do not save before that."
)


class TurnRunner:
    """Submits the turns of a shell's cells, and shows them.

    Args:
        shell: the shell; `_claude` is set in its namespace.
        asker: asks the person at the notebook.
        kernel_tools: what Claude may do in this kernel.
        busy: keeps the kernel's word true; `None` outside a kernel.

    Attributes:
        finished: shows what has ended in the background, as far as that could not be shown before.
        busy: as given.
        page_answers: what answers the pages beside their runs, by the action that they ask for.
    """

    def __init__(self, shell: Any, asker: Asker, kernel_tools: KernelTools, busy: BusyKernel | None = None) -> None:
        self._shell = shell
        self._kernel_tools = kernel_tools
        self._asker = asker
        self._bridge: KernelBridge | None = None
        self.finished = Finished()
        self.page_answers: dict[str, PageAnswer] = {}
        self.busy = busy

    def close(self) -> None:
        """Listen to the pages no more."""
        if self._bridge is not None:
            self._bridge.close()

    def submit(
        self,
        client: ClaudeClient,
        session: Session,
        options: Options,
        prompt: Prompt,
        *,
        literal: bool,
        kernel: KernelLevel = KernelLevel.OFF,
        tool_servers: Iterable[ToolServer] = (),
    ) -> RunningTurn:
        """Send a prompt, and make room below the cell for what comes.

        Args:
            client: the kernel's client.
            session: the session.
            options: the options of the cell.
            prompt: what is sent.
            literal: whether a `/command` and an `@path` in it are plain text.
            kernel: what Claude may do in the kernel.
            tool_servers: tools that the prompt is offered beside the client's own and those of the kernel.

        Returns:
            The turn; it must be waited for, or closed.

        Raises:
            ClaudeError: the turn cannot begin.
            KeyboardInterrupt: the cell was stopped; the turn is over.
        """
        shown: Future[TurnDisplay] = Future()
        view: list[GuardedDisplay] = []
        with ExitStack() as cleanup:
            inbox = Inbox(lambda: view[0].refresh() if view else None)
            cleanup.callback(inbox.close)
            servers = [*filter(None, [self._kernel_tools.server(kernel)]), *tool_servers]
            stream = _open_stream(client, session, options, prompt, literal=literal, tool_servers=servers, inbox=inbox)
            cleanup.enter_context(self._kernel_tools.serve(stream.turn_id, None if options.bg else inbox))
            asking = self._asker.begin(session, stream.turn_id, None if options.bg else inbox, shown)
            cleanup.callback(self._asker.end, asking)
            # The turn begins here, so that its process starts while a new page is asked what it can draw.
            cleanup.enter_context(stream)
            if self.busy is not None:
                cleanup.enter_context(self.busy.prompt())
            display = GuardedDisplay(self._ready_display(client, options, session, stream, kernel))
            cleanup.callback(display.close)
            if self._bridge is not None and (cell := self._bridge.prompt_cell()) is not None:
                self._kernel_tools.cells.begin(stream.turn_id, cell)
            view.append(display)
            shown.set_result(display.inner)
            self._begin_display(display, session, prompt, stream.turn_id)
            return RunningTurn(
                self._shell, stream, display, session, self._kernel_tools, cleanup.pop_all(), in_background=options.bg
            )

    def _begin_display(self, display: GuardedDisplay, session: Session, prompt: Prompt, turn_id: str) -> None:
        for note in prompt.notes:
            display.note(note)
        if prompt.values:
            hide = managed(session).redactor.text
            display.show_sent([{**value, "text": hide(value["text"])} for value in prompt.values])
        display.begin()
        if isinstance(display.inner, LiveDisplay):
            self._asker.show_granted_on(session, display.inner)
            display.inner.offer_cell_undo(lambda: self._kernel_tools.cells.undo(turn_id))

    def _ready_display(
        self, client: ClaudeClient, options: Options, session: Session, stream: Stream, kernel: KernelLevel
    ) -> TurnDisplay:
        try:
            return self._make_display(client, options, session, stream, kernel)
        except KeyboardInterrupt:
            _stop(stream)
            raise
        except Exception as error:
            logger.warning("The live view cannot begin, and a plain one takes its place: %s", described(error))
            return TerminalDisplay(StringIO() if options.bg else None)

    def _make_display(
        self, client: ClaudeClient, options: Options, session: Session, stream: Stream, kernel: KernelLevel
    ) -> TurnDisplay:
        model = options.model or session.model
        bridge = self.bridge
        surface = None
        captured = is_captured(self._shell)
        if bridge is not None and not options.quiet and not captured:
            surface = surface_for(bridge.front_end(make_widget), session.name)
        if bridge is None or surface is None:
            return plain_display(
                self._shell,
                session=session.name,
                model=model,
                source=session.source,
                quiet=options.quiet or (options.bg and captured),
                late=options.bg,
            )
        return LiveDisplay(
            bridge,
            session=session.name,
            model=model,
            mode=options.permission_mode or session.config.permission_mode,
            kernel=str(kernel),
            source=session.source,
            on_stop=stream.stop_soon,
            on_undo=lambda channel, dry_run: undo_on_page(client, session, channel, dry_run),
            surface=surface,
        )

    def page_words(self) -> str:
        """Return what the page that runs this cell can draw, and what would mend it; "" outside a kernel."""
        if self.bridge is None:
            return ""
        found = self.bridge.front_end(make_widget)
        if found is FrontEnd.EXTENSION:
            return "the live view, with its extension"
        if found is FrontEnd.PLAIN:
            return "no live view here: plain HTML. JupyterLab draws it; reload the page after an installation"
        return (
            "a widget in place of the extension: pip install claude-magic where JupyterLab runs, then reload the page"
        )

    def nudge_pages(self) -> None:
        """Tell the pages that the sessions have changed."""
        if self._bridge is not None:
            self._bridge.nudge()

    def cells_of_runs(self) -> dict[str, str]:
        """Return the id of the cell that the run of each session stands below, where a page shows it."""
        return self._bridge.cells_of_runs() if self._bridge is not None else {}

    @property
    def bridge(self) -> KernelBridge | None:
        """The kernel's line to its pages; `None` outside a kernel."""
        if self._bridge is None and in_notebook(self._shell):
            self._bridge = bridge_of(self._shell.kernel)
            self._bridge.answers = self.page_answers
        return self._bridge


@dataclass
class RunningTurn:
    """A turn that was submitted, and what shows it.

    Attributes:
        shell: the shell.
        stream: what comes.
        display: what shows it.
        session: its session.
        kernel_tools: what Claude may do in this kernel.
        in_background: whether its cell does not wait for it.
        left: what is left to be said of the error it ended with; "" is all of it.
    """

    shell: Any
    stream: Stream
    display: GuardedDisplay
    session: Session
    kernel_tools: KernelTools
    _cleanup: ExitStack
    in_background: bool
    left: str = ""

    def wait(self) -> Response:
        """Show what comes to its end. The first interrupt stops the turn and keeps all; a second ends the process.

        Raises:
            ClaudeError: the turn failed.
            KeyboardInterrupt: the cell was stopped; text and session are kept.
        """
        try:
            with self._cleanup:
                response = self._follow()
        except ClaudeError as error:
            if self.left and not self.in_background:
                shorten(error, f"{error.type}: {self.left}")
            raise
        if response.outcome is Outcome.INTERRUPTED and not self.in_background:
            raise self.stopped()
        return response

    def close(self) -> None:
        """End a turn that is not waited for."""
        self._cleanup.close()

    def _follow(self) -> Response:
        noted = stopped = False
        try:
            for batch in self.stream.batches(BATCH_S):
                if not noted and self.session.notice:
                    self.display.note(self.session.notice)
                noted = True
                self.display.add(batch)
        except KeyboardInterrupt:
            stopped = True
            _stop(self.stream)
        except ClaudeError as error:
            self._fail(error)
            raise
        response: Response = self.stream.response
        self._set_last(response)
        if response.source is AnswerSource.RECORDING:
            self.kernel_tools.cells.replay(self.stream.turn_id, response.messages)
        if words := _hidden_words(response, self.session):
            self.display.note(words)
        if _edits_open_notebook(response, self.session):
            self.display.note(_NOTEBOOK_CHANGED)
        self.display.finish(response, {"session_cost_usd": self.session.cost_usd})
        if stopped:
            raise self.stopped()
        return response

    def stopped(self) -> KeyboardInterrupt:
        """Return what a cell that was stopped raises, so that Run All stops."""
        interrupt = KeyboardInterrupt("stopped; the text is kept and the session goes on with the next prompt")
        is_said = isinstance(self.display.inner, NotebookDisplay | LiveDisplay)
        shorten(interrupt, f"KeyboardInterrupt: {f'stopped, {ALREADY_SHOWN}' if is_said else interrupt}")
        return interrupt

    def _fail(self, error: ClaudeError) -> None:
        if isinstance(error, ModelNotFoundError):
            error.message = f"{error.message} {_offered(self.session)}".strip()
        if isinstance(error, ControlError):
            error.message = f"{error.message.rstrip('.')}. A new session may take it: use --new, or -s NAME."
        if error.response is not None:
            self._set_last(error.response)
        self.left = self.display.fail(error, {"session_cost_usd": self.session.cost_usd})

    def _set_last(self, response: Response) -> None:
        """Set `_claude`; a background run may be shown later than one that ended after it."""
        last = self.shell.user_ns.get("_claude")
        if not isinstance(last, Response) or _ended(last) <= _ended(response):
            self.shell.user_ns["_claude"] = response


def _hidden_words(response: Response, session: Session) -> str:
    """Say which secrets were left out of the code of an answer, which does not run as it stands; "" if none were."""
    hidden = managed(session).redactor.hidden_in("\n".join(code.text for code in response.code))
    if not hidden:
        return ""
    return f"The code was changed: it says [redacted NAME] in place of the value of {', '.join(hidden)}."


def _edits_open_notebook(response: Response, session: Session) -> bool:
    """Whether a tool has changed the file of this kernel's notebook, whose path is JPY_SESSION_NAME."""
    notebook = os.environ.get("JPY_SESSION_NAME", "")
    if not notebook.endswith(".ipynb"):
        return False
    folder = str(session.config.working_dir)
    edited = {os.path.realpath(os.path.join(folder, path)) for path in edited_files(response.messages)}
    return os.path.realpath(notebook) in edited


def _ended(response: Response) -> float:
    return response.started + response.duration_s


def _open_stream(
    client: ClaudeClient,
    session: Session,
    options: Options,
    prompt: Prompt,
    *,
    literal: bool,
    tool_servers: list[ToolServer],
    inbox: Inbox,
) -> Stream:
    return client.stream(
        session,
        prompt.content,
        literal=literal,
        model=options.model,
        permission_mode=options.permission_mode,
        timeout_s=options.timeout,
        json_schema=prompt.schema,
        patient=options.bg,
        steer=options.steer,
        tool_servers=tool_servers,
        inbox=inbox,
    )


def _stop(stream: Stream) -> None:
    """End the turn and wait for it; each further interrupt while waiting ends the process by force."""
    for _ in range(_MOST_INTERRUPTS):
        try:
            return stream.stop()
        except KeyboardInterrupt:
            continue


def _offered(session: Session) -> str:
    """Return the models the CLI offers, in words; it lists the one it was started with too, whatever it is."""
    names = [str(model.get("value") or model.get("name") or "") for model in session.models]
    others = [name for name in names if name and name != session.config.model]
    return f"Models on offer: {', '.join(others)}." if others else ""
