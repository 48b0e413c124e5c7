"""`SessionWatch`: pages that show the sessions are told when these have changed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from claude_magic.background_loop import in_thread
from claude_magic.engine.session_info import SessionState
from claude_magic.widgets.protocol import SessionData

_AT_WORK = (SessionState.STARTING, SessionState.RUNNING, "waiting")
_LOOK_EVERY_S = 0.5
"""How often it is looked, while something runs, whether the pages must be told."""


class SessionWatch:
    """Tells pages that what they know of the sessions is old, soon after it is. It costs nothing while no page watches.

    Args:
        nudge: tells the pages; called on any thread.
    """

    def __init__(self, nudge: Callable[[], object]) -> None:
        self._nudge = nudge
        self._read: Callable[[], list[SessionData]] | None = None
        self._told: list[Any] = []
        self._lock = threading.Lock()
        self._is_looking = False
        self._closed = threading.Event()

    def begin(self, read: Callable[[], list[SessionData]]) -> None:
        """A page wants to be told from now on.

        Args:
            read: returns what the sessions do now.
        """
        self._read = read
        self.look()

    def look(self) -> None:
        """Something may have changed, or begun: look until nothing runs any more."""
        with self._lock:
            if self._read is None or self._is_looking or self._closed.is_set():
                return
            self._is_looking = True
            read = self._read
        in_thread(lambda: self._follow(read), name="claude-magic-watch")

    def close(self) -> None:
        """Look no more."""
        self._closed.set()

    def _follow(self, read: Callable[[], list[SessionData]]) -> None:
        try:
            while not self._closed.is_set():
                states = read()
                with self._lock:
                    now = [_visible(one) for one in states]
                    is_new, self._told = now != self._told, now
                    self._is_looking = any(one["state"] in _AT_WORK or one["queue"] for one in states)
                if is_new:
                    self._nudge()
                if not self._is_looking:
                    return
                self._closed.wait(_LOOK_EVERY_S)
        except BaseException:  # the client was closed meanwhile
            self._is_looking = False
            raise


def _visible(one: SessionData) -> Any:
    """Return what a nudge is worth: all but what changes with every piece of text."""
    return {name: value for name, value in one.items() if name not in ("last_used", "doing")}
