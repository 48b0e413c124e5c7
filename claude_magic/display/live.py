"""The live view as a display: what the page draws while the cell runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any

from IPython.display import DisplayHandle, display

from claude_magic.display.surfaces import ExtensionSurface, Surface
from claude_magic.display.turn_display import ALREADY_SHOWN, TurnDisplay, session_cost, with_note
from claude_magic.errors import ClaudeError
from claude_magic.messages import Message
from claude_magic.permissions import Decision, PermissionRequest
from claude_magic.rendering import RunView, error_bundle, response_bundle, run_bundle
from claude_magic.response import AnswerSource, Outcome, Response
from claude_magic.strings import utf8_safe
from claude_magic.widgets.facts import facts_of
from claude_magic.widgets.kernel_bridge import KernelBridge
from claude_magic.widgets.live import LiveRun
from claude_magic.widgets.protocol import MIME_TYPE, RunData, SentValue
from claude_magic.widgets.run_channel import RunChannel

BATCH_S = 0.05
"""At most 20 batches a second go to the page: the server drops what comes faster than 1000 messages a second."""


class LiveDisplay(TurnDisplay):
    """Feeds the pages that show this cell, and leaves the finished run in the cell.

    Args:
        bridge: the kernel's line to its pages.
        session: name of the session.
        model: the model, as far as it is known.
        source: who answers.
        mode: permission mode, for the header.
        kernel: what Claude may do in the kernel, for the header.
        on_stop: called when a page asks to stop.
        on_undo: called with `dry_run` when a page asks to undo the turn's edits.
        surface: where the run stands; in the extension's view if not given.
    """

    def __init__(
        self,
        bridge: KernelBridge,
        *,
        session: str,
        model: str,
        source: AnswerSource,
        mode: str,
        kernel: str = "",
        on_stop: Callable[[], object],
        on_undo: Callable[[RunChannel, bool], object],
        surface: Surface | None = None,
    ) -> None:
        self._bridge = bridge
        self._surface = surface or ExtensionSurface()
        self._facts: RunData = {"mode": mode, "kernel": kernel}
        self._run = LiveRun(RunView(session=session, model=model, source=source), self._facts)
        self._channel = bridge.channel(
            self._run, self._surface.transport, on_stop, lambda dry_run: on_undo(self._channel, dry_run)
        )
        self._handle: DisplayHandle | None = None
        self._granted: list[str] = []
        self._flushed = 0.0
        self._is_over = False

    @property
    def can_ask(self) -> bool:
        """Whether an answer that is given on the page arrives while the cell runs."""
        return self._surface.can_ask

    def begin(self) -> None:
        self._channel.open()
        self._handle = display(self._surface.bundle(dict(self._run.snapshot())), raw=True, display_id=True)

    def add(self, messages: Iterable[Message]) -> None:
        self._channel.add(messages)
        self.refresh()

    def refresh(self) -> None:
        now = time.monotonic()
        if now - self._flushed >= BATCH_S:
            self._channel.flush()
            self._flushed = now

    def render_now(self) -> None:
        self._channel.flush()

    def note(self, words: str) -> None:
        filled = with_note(self._facts.get("filled", ""), words)
        self._run.view.notes = filled
        self._facts = {**self._facts, "filled": filled}
        self._channel.set({"filled": filled})

    def show_sent(self, values: list[SentValue]) -> None:
        self._facts = {**self._facts, "sent": values}
        self._channel.set({"sent": values})

    def ask(self, request: PermissionRequest) -> Future[Decision]:
        """Put a question on the page."""
        return self._channel.ask(request, remembers=True)

    def offer_cell_undo(self, undo: Callable[[], str]) -> None:
        """Let a page have the cells put back that the turn changed.

        Args:
            undo: puts them back, waiting for the page, and returns in words what became of it.
        """

        def tell() -> None:
            self._channel.set({"cells_undone": undo()})

        # It waits for answers that come on the thread which calls this.
        self._channel.on_undo_cells(
            lambda: threading.Thread(target=tell, daemon=True, name="claude-magic-undo").start()
        )

    def show_granted(self, granted: list[str], revoke: Callable[[str], object]) -> None:
        """Show what runs in this session without asking because a person said so.

        Args:
            granted: what was granted, in words.
            revoke: called when a page takes one of them back, or with "" all of them.
        """
        self._channel.on_revoke(revoke)
        if granted != self._granted:
            self._granted = granted
            self._channel.set({"granted": granted})

    def finish(self, response: Response, extra: RunData) -> None:
        bundle = response_bundle(response, session_cost(extra), self._run.view.notes)
        self._end(bundle, {**facts_of(response), **self._facts, **extra})

    def fail(self, error: ClaudeError, extra: RunData) -> str:
        facts = facts_of(error.response) if error.response is not None else {}
        bundle = error_bundle(error, None, session_cost(extra), self._run.view.notes)
        self._end(bundle, {**facts, **self._facts, **extra})
        return ALREADY_SHOWN

    def close(self) -> None:
        if not self._is_over:
            self._end(run_bundle(self._run.view, final=True), {})

    def _end(self, bundle: dict[str, Any], facts: RunData) -> None:
        ended: RunData = {"run": self._run.id, "live": False, "mode": self._run.mode}
        if MIME_TYPE in bundle:
            run: RunData = {**bundle[MIME_TYPE], **utf8_safe(facts), **ended}
            # Where the view stays, it asks by the id for the edits to be undone.
            bundle[MIME_TYPE] = run if self._surface.is_persistent else {**run, "run": ""}
        else:
            # It failed before there was anything to keep as data: the pages are told, the cell keeps the words.
            run = {**self._run.snapshot(), **facts, **ended, "outcome": str(Outcome.ERROR)}
        # What is granted is a fact of the kernel, not of the notebook, where it would be read later.
        self._channel.finish({**run, "granted": self._granted}, bundle if self._surface.is_persistent else {})
        if self._handle is not None:
            self._handle.update(bundle, raw=True)
        self._bridge.close_when_replaced(self._channel, self._surface.close)
        self._is_over = True
