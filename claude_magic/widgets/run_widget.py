"""`RunWidget`: the live view as a widget, and the transport that feeds it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets
from IPython import get_ipython

from claude_magic.widgets.kernel_bridge import KernelBridge, bridge_of
from claude_magic.widgets.protocol import Request

_FRONT_END = Path(__file__).parent / "static" / "viewer.js"
_NO_FRONT_END = """\
const words = "The front end of this viewer was not built: install claude_magic from a wheel, or with Node.js in PATH.";
export default { render({ el }) { el.textContent = words; } };
"""


class RunWidget(anywidget.AnyWidget):
    """Draws one run at a time.

    Its front end says hello as soon as it is loaded, drawn or not: from then on the page is known to draw widgets.

    Args:
        session: name of the session that is shown.
        in_cell: whether a running cell shows it, so that its own messages are not read before the cell is over.

    Attributes:
        run: the run that is shown, by which a page that missed its beginning can ask for it.
    """

    _esm = _FRONT_END if _FRONT_END.exists() else _NO_FRONT_END
    session = traitlets.Unicode("main", help="The session that is shown.").tag(sync=True)
    run = traitlets.Unicode("", help="Id of the run that is shown.").tag(sync=True)
    in_cell = traitlets.Bool(False, help="Whether it is shown by the cell that runs.").tag(sync=True)

    def __init__(self, session: str = "main", **kwargs: Any) -> None:
        self.receive: Callable[[Request], object] | None = None
        bridge_here()  # must listen before the front end says hello
        super().__init__(session=session, **kwargs)
        self.on_msg(self._from_page)

    def _from_page(self, widget: Any, content: Request, buffers: Any) -> None:
        """Take a custom message of the page; on whatever thread the kernel handles it."""
        if content.get("action") == "hello":
            bridge = bridge_here()
            if bridge is not None:
                bridge.register_widget()
        elif self.receive is not None:
            self.receive(content)


def bridge_here() -> KernelBridge | None:
    """Return the bridge of the kernel that this code runs in; `None` outside a kernel.

    It takes what comes on the control channel, which a running cell does not block.
    """
    kernel = getattr(get_ipython(), "kernel", None)
    return bridge_of(kernel) if kernel is not None else None


class WidgetTransport:
    """The custom messages of a widget.

    Args:
        widget: the widget.
    """

    def __init__(self, widget: RunWidget) -> None:
        self._widget = widget

    def open(self, run: str, receive: Callable[[Request], object]) -> None:
        """Listen to the widget, which is open as long as it lives."""
        self._widget.receive, self._widget.run = receive, run

    def send(self, message: dict[str, Any]) -> None:
        """Send a message to the pages."""
        self._widget.send(message)
