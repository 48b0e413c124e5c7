"""What the front ends of a kernel can draw, as far as they have said so."""

from __future__ import annotations

import threading
from enum import IntEnum


class FrontEnd(IntEnum):
    """What a page can draw of a run. A page may say several things, and the highest of them counts."""

    PLAIN = 0
    """Displays that are updated."""
    WIDGET_NO_INPUT = 1
    """Widgets; what is said in them arrives when the cell is over."""
    WIDGET = 2
    """Widgets, and what is said in them arrives while the cell runs."""
    EXTENSION = 3
    """The live view of the JupyterLab extension."""


class FrontEnds:
    """Remembers what the pages said; may be used on any thread.

    A page is known by the session id in the headers of its messages, which it makes anew when it is loaded.
    """

    def __init__(self) -> None:
        self._said: dict[str, FrontEnd] = {}
        self._heard = threading.Condition()

    def register(self, client: str, page: FrontEnd) -> None:
        """A page said what it can draw."""
        with self._heard:
            self._said[client] = max(page, self._said.get(client, FrontEnd.PLAIN))
            self._heard.notify_all()

    def get(self, client: str) -> FrontEnd:
        """What this page can draw, as far as it has said so."""
        return self._said.get(client, FrontEnd.PLAIN)

    def wait(self, client: str, page: FrontEnd, timeout_s: float) -> bool:
        """Wait until this page has said that it can draw so much, or more; return whether it has."""
        with self._heard:
            return self._heard.wait_for(lambda: self.get(client) >= page, timeout_s)
