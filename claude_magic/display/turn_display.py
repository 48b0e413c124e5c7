"""Where a turn is shown: a notebook's cell, a terminal, or nowhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from io import StringIO
from typing import TYPE_CHECKING, Any

from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.display import DisplayHandle, display

from claude_magic.errors import ClaudeError
from claude_magic.messages import Message
from claude_magic.observers import ObserverGuard
from claude_magic.response import AnswerSource, Response
from claude_magic.widgets.facts import facts_of
from claude_magic.widgets.protocol import MIME_TYPE, RunData, SentValue

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

UPDATE_S = 0.05
"""At most 20 updates a second; a longer answer gets fewer, so that drawing never takes half of the time."""
_SECONDS_TICK_S = 1.0
ALREADY_SHOWN = "see above."
"""What is left to be said of an error that the cell shows already."""


class TurnDisplay:
    """Shows one turn: notes on it, `begin`, then what comes, then `finish` or `fail`, and `close` in any case.

    This one shows nothing but what went wrong; the others say what they show.
    """

    def begin(self) -> None:
        """Make room below the cell."""

    def add(self, messages: Iterable[Message]) -> None:
        """Show what is new."""

    def refresh(self) -> None:
        """Time has passed: show what could not be shown yet."""

    def render_now(self) -> None:
        """Show all there is: a person is going to be asked."""

    def note(self, words: str) -> None:
        """Show one line that is not the CLI's."""

    def show_sent(self, values: list[SentValue]) -> None:
        """Show what went into the prompt beside the typed text."""

    def finish(self, response: Response, extra: RunData) -> None:
        """The turn is over: show it as it stays. `extra` is what only the session knows."""

    def fail(self, error: ClaudeError, extra: RunData) -> str:
        """The turn failed: show what there was. Return what is left to be said of the error; "" is all of it."""
        return ""

    def close(self) -> None:
        """The cell is over: nothing that is shown may need it any longer."""

    def replay_output(self) -> str:
        """A background turn is over, and so is another cell: show there what its own cell did not get.

        Returns:
            What is to be printed; "" is nothing.
        """
        return ""


def in_notebook(shell: InteractiveShell) -> bool:
    """Whether the shell is a kernel, whose displays can be updated."""
    return getattr(shell, "kernel", None) is not None


def is_captured(shell: InteractiveShell) -> bool:
    """Whether displays go to `%%capture`, where a question is not seen."""
    return isinstance(shell.display_pub, CapturingDisplayPublisher)


def plain_display(
    shell: InteractiveShell, *, session: str, model: str, source: AnswerSource, quiet: bool, late: bool = False
) -> TurnDisplay:
    """Return the display for a shell without the live view.

    Args:
        shell: the shell.
        session: name of the session.
        model: the model, as far as it is known.
        source: who answers.
        quiet: show nothing.
        late: the cell is over while the run lasts: a display must be there before, and a terminal is not written to.
    """
    if quiet:
        return TurnDisplay()
    if in_notebook(shell):
        return NotebookDisplay(session, model, source, at_once=late)
    return TerminalDisplay(StringIO() if late else None)


class NotebookDisplay(TurnDisplay):
    """A display below the cell that is updated while the run lasts, and at the end replaced by what is kept.

    Args:
        session: name of the session.
        model: the model, as far as it is known.
        source: who answers.
        at_once: display something before anything has come.
    """

    def __init__(self, session: str, model: str, source: AnswerSource, *, at_once: bool = False) -> None:
        from claude_magic.rendering import RunView

        self._view = RunView(session=session, model=model, source=source)
        self._handle: DisplayHandle | None = None
        self._bundle: dict[str, Any] = {}
        self._drawn = 0.0
        self._cost_s = 0.0
        self._changed = False
        self._at_once = at_once
        self._sent: list[SentValue] = []

    def begin(self) -> None:
        if self._at_once:
            self._draw()

    def add(self, messages: Iterable[Message]) -> None:
        self._view.add(messages)
        self._changed = True
        self.refresh()

    def refresh(self) -> None:
        since_s = time.monotonic() - self._drawn
        moves = any(not tool.is_over for tool in self._view.tools)
        due = since_s >= max(UPDATE_S, 3 * self._cost_s) if self._changed else moves and since_s >= _SECONDS_TICK_S
        if due:
            self._draw()

    def render_now(self) -> None:
        if self._changed:
            self._draw()

    def note(self, words: str) -> None:
        self._view.notes = with_note(self._view.notes, words)
        self._changed = True

    def show_sent(self, values: list[SentValue]) -> None:
        self._sent = values

    def finish(self, response: Response, extra: RunData) -> None:
        from claude_magic.rendering import response_bundle

        bundle = response_bundle(response, session_cost(extra), self._view.notes)
        self._show(_with_facts(bundle, response, {**extra, **self._facts()}))

    def fail(self, error: ClaudeError, extra: RunData) -> str:
        from claude_magic.rendering import error_bundle

        bundle = error_bundle(error, None, session_cost(extra), self._view.notes)
        self._show(_with_facts(bundle, error.response, {**extra, **self._facts()}))
        return ALREADY_SHOWN

    def _facts(self) -> RunData:
        facts: RunData = {"filled": self._view.notes}
        return {**facts, "sent": self._sent} if self._sent else facts

    def replay_output(self) -> str:
        # nbclient, and so papermill, takes only what comes for the cell that runs just then.
        self._show(self._bundle)
        return ""

    def _draw(self) -> None:
        from claude_magic.rendering import run_bundle

        began = time.monotonic()
        self._show(run_bundle(self._view, final=False))
        self._drawn = time.monotonic()
        self._cost_s = self._drawn - began
        self._changed = False

    def _show(self, bundle: dict[str, Any]) -> None:
        self._bundle = bundle
        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)


class TerminalDisplay(TurnDisplay):
    """Prints the answer as it comes, tool uses as one line each.

    Args:
        held: gets what would be printed.
    """

    def __init__(self, held: StringIO | None = None) -> None:
        from claude_magic.rendering import TerminalPrinter

        self._held = held
        self._printer = TerminalPrinter(_write if held is None else held.write)

    def add(self, messages: Iterable[Message]) -> None:
        self._printer.feed(messages)

    def render_now(self) -> None:
        self._printer.end_line()

    def note(self, words: str) -> None:
        self._printer.note(words)

    def finish(self, response: Response, extra: RunData) -> None:
        self._printer.finish(response)

    def fail(self, error: ClaudeError, extra: RunData) -> str:
        self._printer.fail(error.response)
        return ""

    def replay_output(self) -> str:
        return self._held.getvalue() if self._held is not None else ""


class GuardedDisplay(TurnDisplay):
    """A display that cannot fail the run it shows: what it raises is said once, and the run goes on unseen.

    Args:
        inner: what shows the run.

    Attributes:
        inner: what shows the run.
    """

    def __init__(self, inner: TurnDisplay) -> None:
        self.inner = inner
        self._guard = ObserverGuard()
        self._is_off = False

    def begin(self) -> None:
        self._show(self.inner.begin)

    def add(self, messages: Iterable[Message]) -> None:
        self._show(self.inner.add, messages)

    def refresh(self) -> None:
        self._show(self.inner.refresh)

    def render_now(self) -> None:
        self._show(self.inner.render_now)

    def note(self, words: str) -> None:
        self._show(self.inner.note, words)

    def show_sent(self, values: list[SentValue]) -> None:
        self._show(self.inner.show_sent, values)

    def finish(self, response: Response, extra: RunData) -> None:
        """The end is worth a second try: it is made from the response alone. Else the plain answer is printed."""
        if not self._call(self.inner.finish, response, extra):
            print(response.text)

    def fail(self, error: ClaudeError, extra: RunData) -> str:
        left = [""]

        def fail() -> None:
            left[0] = self.inner.fail(error, extra)

        self._call(fail)
        return left[0]

    def close(self) -> None:
        self._call(self.inner.close)

    def replay_output(self) -> str:
        words = [""]

        def show() -> None:
            words[0] = self.inner.replay_output()

        self._call(show)
        return words[0]

    def _show(self, show: Callable[..., None], *what: object) -> None:
        if not self._is_off:
            self._call(show, *what)

    def _call(self, show: Callable[..., None], *what: object) -> bool:
        off = None if self._is_off else self._switch_off
        return self._guard.call("The view of this run", show, *what, off=off)

    def _switch_off(self) -> None:
        self._is_off = True


_OF_THE_PROMPT = ("filled in: ", "left as typed: ", "attached: ", "→ ")
"""How the notes begin that share a line."""


def with_note(notes: str, words: str) -> str:
    """Return the notes on a run with one more.

    Args:
        notes: those before, line by line.
        words: the next one.
    """
    shares = words.startswith(_OF_THE_PROMPT) and notes.rpartition("\n")[2].startswith(_OF_THE_PROMPT)
    return (" · " if shares else "\n").join(filter(None, (notes, words)))


def session_cost(extra: RunData) -> float:
    """Return what a session has cost so far, in US dollars; 0 where that is not said."""
    return extra.get("session_cost_usd") or 0.0


def _with_facts(bundle: dict[str, Any], response: Response | None, extra: RunData) -> dict[str, Any]:
    if MIME_TYPE in bundle and response is not None:
        bundle[MIME_TYPE] = {**bundle[MIME_TYPE], **facts_of(response), **extra, "run": "", "live": False}
    return bundle


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
