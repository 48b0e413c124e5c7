"""`WaitingLine` and `Limiter`: first come, first served, on one loop thread."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager


class WaitingLine:
    """People waiting, first come first served.

    A waiter that is woken stays in line until it has looked, so that a newcomer cannot overtake it.
    """

    def __init__(self) -> None:
        self._places: dict[int, asyncio.Future[None]] = {}
        self._tickets = itertools.count()

    def __len__(self) -> int:
        return len(self._places)

    def ticket(self) -> int:
        """Return the number that says who came first."""
        return next(self._tickets)

    async def wait(self, give_back: Callable[[], object], ticket: int | None = None) -> None:
        """Wait to be called.

        Args:
            give_back: called when we leave (cancelled, timed out) although we have just been called.
            ticket: the place to take again, if we were called for nothing.
        """
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        number = self.ticket() if ticket is None else ticket
        self._places[number] = place
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.exception() is None:
                give_back()
            raise
        finally:
            del self._places[number]

    def advance(self) -> bool:
        """Call the first in line that is not called yet; return whether there was one."""
        waiting = [number for number, place in self._places.items() if not place.done()]
        if waiting:
            self._places[min(waiting)].set_result(None)
        return bool(waiting)

    def dismiss(self, error: Exception) -> None:
        """Send everybody away."""
        for place in self._places.values():
            if not place.done():
                place.set_exception(error)


class Limiter:
    """Lets so many in at once; the others wait in line. The limit may be another one each time.

    Attributes:
        running: how many are in.
    """

    def __init__(self) -> None:
        self.running = 0
        self._line = WaitingLine()

    @property
    def waiting(self) -> int:
        """How many wait in line."""
        return len(self._line)

    @asynccontextmanager
    async def hold(
        self, limit: int | None, patience: Callable[[], AbstractAsyncContextManager[None]]
    ) -> AsyncIterator[None]:
        """Be one of those who are in.

        Args:
            limit: how many there may be; `None` means no limit.
            patience: makes what bounds the wait, if there is one.
        """
        if limit is not None and self.running >= limit:
            async with patience():
                await self._line.wait(self._leave)
        else:
            self.running += 1
        try:
            yield
        finally:
            self._leave()

    def _leave(self) -> None:
        """Hand the slot to the next waiter directly, so that a newcomer cannot overtake it."""
        if not self._line.advance():
            self.running -= 1

    def dismiss(self, error: Exception) -> None:
        """Send everybody away who waits."""
        self._line.dismiss(error)
