"""`GatheringSelector`: what an event loop waits with, so that many children who speak in turn wake it less often."""

from __future__ import annotations

import selectors
import time
from collections.abc import Callable

_GATHER_S = 0.002
"""How long it waits for more; on a screen a person cannot see it."""
_BUSY_S = 0.005
"""Events that come within this time of each other come one after the other."""
_WAITED_S = 0.0001
"""An event that was there sooner was waiting already: the loop is behind, and must not rest."""


class GatheringSelector(selectors.DefaultSelector):
    """Waits for events as any selector, and while they come one after the other, a moment more.

    Waking costs a loop several times what one line of a child does: with sixteen sessions that stream, this halves it.
    The first event after a pause is handed on at once, and so is what is there without waiting.

    Args:
        clock: tells the time in seconds.
        sleep: waits for so many seconds.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        super().__init__()
        self._clock = clock
        self._sleep = sleep
        self._last_event = -_BUSY_S

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return the events that are there, or the first that come within `timeout` seconds."""
        if timeout is not None and timeout <= 0:
            return super().select(timeout)
        began = self._clock()
        ready = super().select(timeout)
        now = self._clock()
        if not ready:
            return ready
        if now - began > _WAITED_S and now - self._last_event < _BUSY_S:
            self._sleep(_GATHER_S)
            ready = super().select(0)
            now = self._clock()
        self._last_event = now
        return ready
