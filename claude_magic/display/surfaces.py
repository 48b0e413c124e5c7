"""Where a live run stands below its cell: in the view of the JupyterLab extension, or in a widget."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, Protocol

from claude_magic.widgets.facts import headline
from claude_magic.widgets.front_ends import FrontEnd
from claude_magic.widgets.protocol import MIME_TYPE
from claude_magic.widgets.run_channel import CommTransport, RunTransport

if TYPE_CHECKING:
    from claude_magic.widgets.run_widget import RunWidget

_WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


class Surface(Protocol):
    """Where a live run stands.

    Attributes:
        transport: tells the pages how it goes on.
        can_ask: whether an answer given there arrives while the cell runs.
        is_persistent: whether what stands there goes on to draw the run when it is over, and can ask for it by its id.
    """

    transport: RunTransport
    can_ask: bool
    is_persistent: bool

    def bundle(self, run: dict[str, Any]) -> dict[str, Any]:
        """What is displayed below the cell while the run is live; later it is replaced."""

    def close(self) -> None:
        """The run is over, and no page shows it here any more."""


class ExtensionSurface:
    """The view of the JupyterLab extension."""

    can_ask = True
    is_persistent = True

    def __init__(self) -> None:
        self.transport: RunTransport = CommTransport()

    def bundle(self, run: dict[str, Any]) -> dict[str, Any]:
        return {MIME_TYPE: {**run, "parts": []}, "text/plain": headline(run)}

    def close(self) -> None:
        """The view stays."""


class WidgetSurface:
    """A widget for this run only: a notebook that is saved with one would show an error where its model is gone.

    The words beside it are for a notebook that was saved in the middle of the run.

    Args:
        widget: the widget.
        can_ask: whether what is said in it arrives while the cell runs.
    """

    is_persistent = False

    def __init__(self, widget: RunWidget, *, can_ask: bool) -> None:
        from claude_magic.widgets.run_widget import WidgetTransport

        self.transport: RunTransport = WidgetTransport(widget)
        self.can_ask = can_ask
        self._widget = widget

    def bundle(self, run: dict[str, Any]) -> dict[str, Any]:
        words = (
            f"How this run of session {run.get('session', '')} ended was not saved here: the page was loaded again, "
            "or the kernel went away, before it was over. While the kernel runs, `_claude` in a cell shows the last "
            "answer."
        )
        shown = {"version_major": 2, "version_minor": 0, "model_id": self._widget.model_id}
        return {_WIDGET_VIEW: shown, "text/html": f"<p>{escape(words)}</p>", "text/plain": words}

    def close(self) -> None:
        self._widget.close()


def surface_for(page: FrontEnd, session: str) -> Surface | None:
    """Return the best surface that a page can draw; `None` if there is none.

    Args:
        page: what the page said of itself.
        session: name of the session that is shown.
    """
    if page is FrontEnd.EXTENSION:
        return ExtensionSurface()
    widget = make_widget(session) if page is not FrontEnd.PLAIN else None
    return WidgetSurface(widget, can_ask=page is FrontEnd.WIDGET) if widget is not None else None


def make_widget(session: str = "") -> RunWidget | None:
    """Return a widget for a cell, not shown yet; `None` where the packages for widgets are not installed."""
    try:
        from claude_magic.widgets.run_widget import RunWidget
    except ModuleNotFoundError:
        return None
    return RunWidget(session, in_cell=True)
