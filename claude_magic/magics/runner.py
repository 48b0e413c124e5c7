"""From a prompt to its response: sends it to a session, and shows below the cell what comes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from io import StringIO
from typing import Any

from claude_magic.background_loop import Inbox, in_thread
from claude_magic.blocking import ClaudeClient, Stream
from claude_magic.display.asking import Asker
from claude_magic.display.kernel_status import BusyKernel
from claude_magic.display.live import LiveScreen
from claude_magic.display.screen import (
    SEE_ABOVE,
    GuardedScreen,
    NotebookScreen,
    Screen,
    TerminalScreen,
    in_notebook,
    is_captured,
    plain_screen,
)
from claude_magic.display.surfaces import make_widget, stage_for
from claude_magic.engine.session import Session
from claude_magic.errors import ClaudeError, ControlError, ModelNotFoundError
from claude_magic.magics.background import BackgroundRun, Finished
from claude_magic.magics.options import Options
from claude_magic.magics.prompting import Prompt, brief_errors, shorten
from claude_magic.observers import described
from claude_magic.response import Outcome, Response
from claude_magic.widgets.hub import Hub, hub_of
from claude_magic.widgets.undoing import undo_on_page

logger = logging.getLogger("claude_magic")

_MOST_INTERRUPTS = 10

Finish = Callable[[Callable[[], Response]], Any]


class Runner:
    """Runs prompts for the cells of a shell.

    Args:
        shell: the shell; `_claude` is set in its namespace.
        client: returns the kernel's client.
        asker: asks the person at the notebook.

    Attributes:
        finished: shows what has ended in the background, as far as that could not be shown before.
        busy: keeps the kernel's word true; `None` outside a kernel.
    """

    def __init__(self, shell: Any, client: Callable[[], ClaudeClient], asker: Asker) -> None:
        self._shell = shell
        self._client = client
        self._asker = asker
        self._hub: Hub | None = None
        self.finished = Finished()
        self.busy = BusyKernel(shell.kernel) if in_notebook(shell) else None

    def close(self) -> None:
        """Listen to the pages no more."""
        if self._hub is not None:
            self._hub.close()
        if self.busy is not None:
            self.busy.close()

    def run(self, session: Session, options: Options, prompt: Prompt, *, literal: bool) -> Response:
        """Send a prompt and show what comes, until it is over.

        Args:
            session: the session.
            options: the options of the cell.
            prompt: what is sent.
            literal: whether a `/command` and an `@path` in it are plain text.

        Raises:
            ClaudeError: the turn failed.
            KeyboardInterrupt: the cell was stopped; text and session are kept.
        """
        with self._begun(session, options, prompt, literal=literal) as run:
            try:
                response = run.follow()
            except ClaudeError as error:
                if run.left:
                    shorten(error, f"{error.type}: {run.left}")
                raise
        if response.outcome is Outcome.INTERRUPTED:
            raise run.stopped()
        return response

    def start(
        self, session: Session, options: Options, prompt: Prompt, *, literal: bool, finish: Finish
    ) -> BackgroundRun:
        """Send a prompt and return while it runs; what comes goes on to be shown below the cell.

        Args:
            session: the session.
            options: the options of the cell.
            prompt: what is sent.
            literal: whether a `/command` and an `@path` in it are plain text.
            finish: called on another thread with what waits for the response; what it returns is the run's result.

        Raises:
            RuntimeError: no thread could be started; the turn is ended.
        """
        cell = ExitStack()
        run = cell.enter_context(self._begun(session, options, prompt, literal=literal))

        def follow() -> Response:
            with cell, brief_errors():
                return run.follow()

        try:
            answer = in_thread(lambda: finish(follow), name=f"claude-magic-{session.name}")
        except BaseException:
            cell.close()
            raise
        away = BackgroundRun(session.name, answer, run.stream.stop_soon)
        if isinstance(run.screen.screen, TerminalScreen):
            print(f"The session {session.name!r} works in the background: `%claude stop {session.name}` ends it.")
        self.finished.watch(away, lambda: run.screen.show_late() + ("" if run.left else away.failure))
        return away

    @contextmanager
    def _begun(self, session: Session, options: Options, prompt: Prompt, *, literal: bool) -> Iterator[_Run]:
        """Send a prompt and make room for what comes; after the block the turn is over, and all is in order."""
        shown: Future[Screen] = Future()
        view: list[GuardedScreen] = []
        inbox = Inbox(lambda: view[0].tick() if view else None)
        stream = self._client().stream(
            session,
            prompt.content,
            literal=literal,
            model=options.model,
            permission_mode=options.permission_mode,
            timeout_s=options.timeout,
            json_schema=prompt.schema,
            patient=options.bg,
            inbox=inbox,
        )
        asking = self._asker.begin(session, stream.turn_id, None if options.bg else inbox, shown)
        try:
            # The turn begins here, so that its process starts while a new page is asked what it can draw.
            with stream, self.busy.prompt() if self.busy is not None else nullcontext():
                screen = GuardedScreen(self._ready_screen(options, session, stream))
                view.append(screen)
                shown.set_result(screen.screen)
                try:
                    for words in prompt.notes:
                        screen.note(words)
                    screen.begin()
                    if isinstance(screen.screen, LiveScreen):
                        self._asker.show_granted_on(session, screen.screen)
                    yield _Run(self._shell, stream, screen, session)
                finally:
                    screen.close()
        finally:
            self._asker.end(asking)
            inbox.close()

    def _ready_screen(self, options: Options, session: Session, stream: Stream) -> Screen:
        try:
            return self._screen(options, session, stream)
        except KeyboardInterrupt:
            _stop(stream)
            raise
        except Exception as error:
            logger.warning("The live view cannot begin, and a plain one takes its place: %s", described(error))
            return TerminalScreen(StringIO() if options.bg else None)

    def _screen(self, options: Options, session: Session, stream: Stream) -> Screen:
        model, simulated = options.model or session.model, session.is_simulated
        hub = self.hub
        stage = None
        captured = is_captured(self._shell)
        if hub is not None and not options.quiet and not captured:
            stage = stage_for(hub.page(make_widget), session.name)
        if hub is None or stage is None:
            return plain_screen(
                self._shell,
                session=session.name,
                model=model,
                simulated=simulated,
                quiet=options.quiet or (options.bg and captured),
                late=options.bg,
            )
        client = self._client()
        return LiveScreen(
            hub,
            session=session.name,
            model=model,
            simulated=simulated,
            mode=options.permission_mode or session.config.permission_mode,
            source=session.source,
            on_stop=stream.stop_soon,
            on_undo=lambda channel, dry_run: undo_on_page(client, session, channel, dry_run),
            stage=stage,
        )

    @property
    def hub(self) -> Hub | None:
        """The kernel's line to its pages; `None` outside a kernel."""
        if self._hub is None and in_notebook(self._shell):
            self._hub = hub_of(self._shell.kernel)
        return self._hub


@dataclass
class _Run:
    """A prompt that was sent, and what shows it.

    Attributes:
        left: what is left to be said of the error it ended with; "" is all of it.
    """

    shell: Any
    stream: Stream
    screen: GuardedScreen
    session: Session
    left: str = ""

    def follow(self) -> Response:
        """Show the stream to its end. The first interrupt stops the turn and keeps all; a second ends the process."""
        noted = stopped = False
        try:
            for batch in self.stream.batches():
                if not noted and self.session.notice:
                    self.screen.note(self.session.notice)
                noted = True
                self.screen.add(batch)
        except KeyboardInterrupt:
            stopped = True
            _stop(self.stream)
        except ClaudeError as error:
            self._fail(error)
            raise
        response: Response = self.stream.response
        self._set_last(response)
        if words := _hidden_words(response, self.session):
            self.screen.note(words)
        self.screen.finish(response, {"session_cost_usd": self.session.cost_usd})
        if stopped:
            raise self.stopped()
        return response

    def stopped(self) -> KeyboardInterrupt:
        """Return what a cell that was stopped raises, so that Run All stops."""
        interrupt = KeyboardInterrupt("stopped; the text is kept and the session goes on with the next prompt")
        is_said = isinstance(self.screen.screen, NotebookScreen | LiveScreen)
        shorten(interrupt, f"KeyboardInterrupt: {f'stopped, {SEE_ABOVE}' if is_said else interrupt}")
        return interrupt

    def _fail(self, error: ClaudeError) -> None:
        if isinstance(error, ModelNotFoundError):
            error.message = f"{error.message} {_offered(self.session)}".strip()
        if isinstance(error, ControlError):
            error.message = f"{error.message.rstrip('.')}. A new session may take it: use --new, or -s NAME."
        if error.response is not None:
            self._set_last(error.response)
        self.left = self.screen.fail(error, {"session_cost_usd": self.session.cost_usd})

    def _set_last(self, response: Response) -> None:
        """Set `_claude`; a background run may be shown later than one that ended after it."""
        last = self.shell.user_ns.get("_claude")
        if not isinstance(last, Response) or _ended(last) <= _ended(response):
            self.shell.user_ns["_claude"] = response


def _hidden_words(response: Response, session: Session) -> str:
    """Say which secrets were left out of the code of an answer, which does not run as it stands; "" if none were."""
    hidden = session.redactor.hidden_in("\n".join(code.text for code in response.code))
    if not hidden:
        return ""
    return f"The code was changed: it says [redacted NAME] in place of the value of {', '.join(hidden)}."


def _ended(response: Response) -> float:
    return response.started + response.duration_s


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
