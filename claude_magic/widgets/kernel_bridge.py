"""`KernelBridge`: the kernel's end of the line to its pages: comms out, control messages and comm messages in.

A page's click arrives on the thread "Control", on the kernel's main thread or on a subshell's, depending on the
versions of ipykernel and front end (measured on ipykernel 6.31, 7.3 and 7.4). So everything here takes one lock, and
does nothing but settle futures and send.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Protocol, cast

from comm import create_comm

from claude_magic.widgets.front_ends import FrontEnd, FrontEnds
from claude_magic.widgets.live import LiveRun
from claude_magic.widgets.notebook_page import NotebookPage, PromptCell
from claude_magic.widgets.protocol import COMM_TARGET, REPLY, REQUEST, VERSION, Request
from claude_magic.widgets.run_channel import CommTransport, OnStop, OnUndo, RunChannel, RunTransport

logger = logging.getLogger(__name__)

EXTENSION_TIMEOUT_S = 0.5
"""The extension answers within 0.05 s on a page at rest; after this, widgets are asked as well."""
WIDGET_TIMEOUT_S = 0.7
"""How long the first cell of a page waits for either of them, once a widget was made."""
_REMEMBERED_RUNS = 50
_MOST_REPLACEABLE = 3


PageAnswer = Callable[[Request], dict[str, Any]]
"""Answers a page; what it returns goes into the reply."""


class WidgetProbe(Protocol):
    """A widget whose front end says hello, if there is one."""

    def close(self) -> None:
        """Take it away."""


class KernelBridge:
    """All runs of a kernel that pages may watch.

    Args:
        kernel: the ipykernel.

    Attributes:
        page: the open notebook, through the page that shows it.
        answers: what answers other actions of pages than those about runs, by the action. It may wait; what it returns
            goes into the reply.
    """

    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel
        self._channels: dict[str, RunChannel] = {}
        self._front_ends = FrontEnds()
        self.page = NotebookPage()
        self.answers: dict[str, PageAnswer] = {}
        self._asked: set[str] = set()
        self._probe: WidgetProbe | None = None
        self._greeted: set[str] = set()
        self._replaceable: dict[str, Callable[[], object]] = {}
        handlers = getattr(kernel, "control_handlers", None)
        self.has_control = handlers is not None
        if handlers is not None:
            handlers[REQUEST] = self._control

    def close(self) -> None:
        """Listen no more."""
        self._dismiss()
        handlers = getattr(self._kernel, "control_handlers", None)
        if handlers is not None:
            handlers.pop(REQUEST, None)

    def front_end(self, make_probe: Callable[[], WidgetProbe | None] = lambda: None) -> FrontEnd:
        """Return what the page that runs this cell can draw.

        A page that has not run a cell before is asked, which takes a second where no page answers. One that answers
        later counts from then on.

        Args:
            make_probe: makes a widget that is not shown; `None` where there are no widgets.
        """
        parent = self._kernel.get_parent() or {}
        client = _client_of(parent)
        takes_input = bool(parent.get("content", {}).get("allow_stdin", False))
        if not takes_input or not self.has_control:
            return FrontEnd.PLAIN  # nbclient and papermill: no one watches
        if client not in self._asked:
            self._asked.add(client)
            self._ask(client, make_probe)
        if client in self._greeted:
            self._dismiss()
        return self._front_ends.get(client)

    def prompt_cell(self) -> PromptCell | None:
        """Return the cell that runs, where its page can be asked for the notebook's cells."""
        parent = self._kernel.get_parent() or {}
        client, cell = _client_of(parent), _cell_of(parent)
        if not cell or self._front_ends.get(client) is not FrontEnd.EXTENSION:
            return None
        return PromptCell(self.page, client, cell)

    def register_widget(self) -> None:
        """A widget of the page whose message is being handled said hello by its own comm."""
        client = _client_of(self._kernel.get_parent() or {})
        self._greeted.add(client)
        self._front_ends.register(client, FrontEnd.WIDGET_NO_INPUT)

    def _ask(self, client: str, make_probe: Callable[[], WidgetProbe | None]) -> None:
        comm = create_comm(target_name=COMM_TARGET, data={"version": VERSION, "hello": True})
        if (
            not self._front_ends.wait(client, FrontEnd.EXTENSION, EXTENSION_TIMEOUT_S)
            and self._front_ends.get(client) is FrontEnd.PLAIN
        ):
            self._dismiss()
            self._probe = make_probe()
            self._front_ends.wait(client, FrontEnd.WIDGET_NO_INPUT, WIDGET_TIMEOUT_S)
        comm.close()

    def _dismiss(self) -> None:
        """Take the probe away. One that has not spoken may be starting on a slow page, which would be an error."""
        if self._probe is not None:
            self._probe.close()
            self._probe = None

    def channel(self, run: LiveRun, transport: RunTransport, on_stop: OnStop, on_undo: OnUndo) -> RunChannel:
        """Return a channel for a new run."""
        channel = RunChannel(run, transport, on_stop, on_undo)
        channel.cell_source = self.page.source
        if isinstance(transport, CommTransport):
            channel.cell = _cell_of(self._kernel.get_parent() or {})
        self.add(channel)
        return channel

    def add(self, channel: RunChannel) -> None:
        """Take the requests of pages for this channel too; the oldest whose runs are over are forgotten."""
        self._channels[channel.run.id] = channel
        known = list(self._channels.items())
        over = [run for run, channel in known if channel.is_over]
        for run in over[: max(0, len(known) - _REMEMBERED_RUNS)]:
            self._channels.pop(run, None)

    def close_when_replaced(self, channel: RunChannel, close: Callable[[], object]) -> None:
        """Close what a run stood on as soon as a page says that it has replaced it.

        A page that was loaded again in the middle of the run cannot, and still needs it. Only the last few are kept.
        """
        self._replaceable[channel.run.id] = close
        channel.on_replaced(lambda: self._close(channel.run.id))
        while len(self._replaceable) > _MOST_REPLACEABLE:
            self._close(next(iter(self._replaceable)))

    def _close(self, run: str) -> None:
        close = self._replaceable.pop(run, None)
        if close is not None:
            close()

    async def _control(self, stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        """Handle a control message of a page, and acknowledge it."""
        request = cast(Request, parent.get("content") or {})
        reply: dict[str, Any] = {"status": "ok", "found": False}
        try:
            reply["found"] = self._handle(request, _client_of(parent))
            answer = self.answers.get(request.get("action", ""))
            if answer is not None and request.get("version") == VERSION:
                reply |= {"found": True, **await asyncio.to_thread(answer, request)}
        except Exception:
            logger.exception("a request of a page failed")
        if request.get("action") == "runs":
            reply["runs"] = self._live_runs()
        self._kernel.session.send(stream, REPLY, reply, parent, ident=ident)

    def nudge(self) -> None:
        """Tell the pages that the sessions have changed. Called on any thread."""
        create_comm(target_name=COMM_TARGET, data={"version": VERSION, "changed": True}).close()

    def cells_of_runs(self) -> dict[str, str]:
        """Return the id of the cell that the run of each session stands below, by the session's name."""
        channels = [channel for channel in list(self._channels.values()) if channel.cell and not channel.is_over]
        return {channel.run.view.session: channel.cell for channel in channels}

    def _live_runs(self) -> list[dict[str, str]]:
        """The runs that go on, and their cells: a page that was loaded before its notebook was saved lacks them."""
        going_on = [channel for channel in list(self._channels.values()) if channel.cell and not channel.is_over]
        return [{"run": channel.run.id, "cell": channel.cell} for channel in going_on]

    def _handle(self, request: Request, client: str) -> bool:
        if request.get("version") != VERSION:
            return False
        if not request.get("widget"):
            self.page.note_client(client)
        if request.get("action") == "runs":
            return True
        if request.get("action") == "cells":
            return self.page.receive(str(request.get("question")), request.get("cells"))
        if request.get("action") == "hello":
            is_widget = bool(request.get("widget"))
            if is_widget:
                self._greeted.add(client)
            self._front_ends.register(client, FrontEnd.WIDGET if is_widget else FrontEnd.EXTENSION)
            return True
        channel = self._channels.get(str(request.get("run")))
        return channel.receive(request) if channel is not None else False


def _client_of(message: dict[str, Any]) -> str:
    return str(message.get("header", {}).get("session", ""))


def _cell_of(message: dict[str, Any]) -> str:
    return str((message.get("metadata") or {}).get("cellId") or "")


def bridge_of(kernel: Any) -> KernelBridge:
    """Return the bridge that listens on a kernel; a new one, if none does."""
    handler = (getattr(kernel, "control_handlers", None) or {}).get(REQUEST)
    listening = getattr(handler, "__self__", None)
    return listening if isinstance(listening, KernelBridge) else KernelBridge(kernel)
