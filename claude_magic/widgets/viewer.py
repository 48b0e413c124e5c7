"""`StreamViewer`: a session's runs as a widget, for dashboards and for front ends without the extension.

Small by design: the name of the session and its state are traits, everything else is custom messages.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import Any, cast

import traitlets
from ipywidgets import GridBox, Layout

from claude_magic.blocking import ClaudeClient, get_client
from claude_magic.errors import SessionNotFoundError
from claude_magic.messages import Batch
from claude_magic.permissions import Decision, PermissionRequest
from claude_magic.rendering import RunView, run_data
from claude_magic.response import Response
from claude_magic.widgets.facts import facts_of
from claude_magic.widgets.live import LiveRun
from claude_magic.widgets.protocol import RunData
from claude_magic.widgets.run_channel import RunChannel
from claude_magic.widgets.run_widget import RunWidget, WidgetTransport, bridge_here
from claude_magic.widgets.undoing import undo_on_page

_BATCH_S = 0.05
_AS_MANY_AS_FIT = "repeat(auto-fit, minmax(min(100%, 320px), 1fr))"
_GAP = "8px 24px"


class StreamViewer(RunWidget):
    """Shows what a session does, as it happens, with a stop button; before that, its last finished turn.

    Args:
        session: name of the session to follow; it may be created later.
        client: whose session; the kernel's client by default.
    """

    state = traitlets.Unicode("idle", help="running, or how the last turn ended.").tag(sync=True)

    def __init__(self, session: str = "main", client: ClaudeClient | None = None, **kwargs: Any) -> None:
        super().__init__(session=session, **kwargs)
        self._client = client or get_client()
        self._channel: RunChannel | None = None
        self._turn_id = ""
        self._flush_planned = False
        self._client.observers.append(self._messages)
        self._client.response_observers.append(self._response)
        self._show_last()

    @classmethod
    def grid(cls, *sessions: str, client: ClaudeClient | None = None, columns: int | None = None) -> GridBox:
        """Return a grid of viewers, one for each session.

        Args:
            sessions: their names.
            client: whose sessions; the kernel's client by default.
            columns: viewers side by side; without it as many as fit, each at least 320 px wide.
        """
        template = _AS_MANY_AS_FIT if columns is None else f"repeat({columns}, minmax(0, 1fr))"
        viewers = [cls(session, client=client) for session in sessions]
        return GridBox(viewers, layout=Layout(grid_template_columns=template, grid_gap=_GAP))

    def close(self) -> None:
        """Stop following, and take the widget off the page."""
        if self._messages in self._client.observers:
            self._client.observers.remove(self._messages)
        if self._response in self._client.response_observers:
            self._client.response_observers.remove(self._response)
        super().close()

    def show(self, run: RunData) -> None:
        """Show a run that is over, such as the stored data of a notebook."""
        channel = self._begin(RunView(session=str(run.get("session", ""))), {})
        channel.finish(run, {})
        self.state = str(run.get("outcome") or "idle")

    def ask(self, request: PermissionRequest) -> Future[Decision]:
        """Put a question on the page; the future brings the answer.

        Raises:
            RuntimeError: nothing runs that could ask.
        """
        if self._channel is None:
            raise RuntimeError("This viewer shows no running turn.")
        return self._channel.ask(request)

    def _show_last(self) -> None:
        """Show the session's last finished turn, if it has one, until the next one begins."""
        try:
            session = self._client.get_session(self.session)
        except SessionNotFoundError:
            return  # it may be created later
        response = session.last_response
        if response is not None and self._channel is None:
            self._turn_id = response.turn_id
            self.show(self._final(response))

    # What the session does; on the client's loop thread.

    def _messages(self, batch: Batch) -> None:
        if batch.session != self.session or not batch.turn_id:
            return
        if self._channel is None or batch.turn_id != self._turn_id:
            self._turn_id = batch.turn_id
            session = self._client.get_session(self.session)
            view = RunView(self.session, session.model, session.source)
            self._begin(view, {"mode": session.config.permission_mode})
        assert self._channel is not None
        self._channel.add(batch.messages)
        if not self._flush_planned:
            self._flush_planned = True
            asyncio.get_running_loop().call_later(_BATCH_S, self._flush, self._channel)

    def _begin(self, view: RunView, facts: RunData) -> RunChannel:
        self._channel = RunChannel(LiveRun(view, facts), WidgetTransport(self), self._stop, self._undo)
        bridge = bridge_here()
        if bridge is not None:
            bridge.add(self._channel)
        self._channel.open()
        self.state = "running"
        return self._channel

    def _flush(self, channel: RunChannel) -> None:
        self._flush_planned = False
        channel.flush()

    def _response(self, response: Response) -> None:
        if response.session != self.session or self._channel is None or response.turn_id != self._turn_id:
            return
        self._channel.finish(self._final(response), {})
        self.state = str(response.outcome)

    def _final(self, response: Response) -> RunData:
        session = self._client.get_session(self.session)
        mode = self._channel.run.mode if self._channel is not None else session.config.permission_mode
        extra: RunData = {"session_cost_usd": session.cost_usd, "mode": mode}
        run: Any = {**run_data(response), **facts_of(response), **extra, "live": False}
        return cast(RunData, run)

    # What the page asks; on whatever thread the kernel handles it.

    def _stop(self) -> None:
        self._client.interrupt_soon(self.session)

    def _undo(self, dry_run: bool) -> None:
        if self._channel is not None:
            undo_on_page(self._client, self._client.get_session(self.session), self._channel, dry_run)
