"""`WaitQueue` and `CapacityLimiter`: first come, first served, on one loop thread."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager


class WaitQueue:
    """A first-in, first-out queue of waiters.

    A waiter that is woken stays in the queue until it has looked, so that a newcomer cannot overtake it.
    """

    def __init__(self) -> None:
        self._waiters: dict[int, asyncio.Future[None]] = {}
        self._positions = itertools.count()

    def __len__(self) -> int:
        return len(self._waiters)

    def position(self) -> int:
        """Return the next position; lower ones are woken first."""
        return next(self._positions)

    async def wait(self, on_abandon: Callable[[], object], position: int | None = None) -> None:
        """Wait to be woken.

        Args:
            on_abandon: called when the waiter leaves (cancelled, timed out) just after it was woken.
            position: its position, if it was woken for nothing and waits again; else the next one.
        """
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        number = self.position() if position is None else position
        self._waiters[number] = waiter
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                on_abandon()
            raise
        finally:
            del self._waiters[number]

    def wake_next(self) -> bool:
        """Wake the first waiter that is not woken yet; return whether there was one."""
        waiting = [number for number, waiter in self._waiters.items() if not waiter.done()]
        if waiting:
            self._waiters[min(waiting)].set_result(None)
        return bool(waiting)

    def fail_all(self, error: Exception) -> None:
        """Raise an error in every waiter."""
        for waiter in self._waiters.values():
            if not waiter.done():
                waiter.set_exception(error)


class CapacityLimiter:
    """Lets so many run at once; the others wait in order. The limit may be another one each time.

    Attributes:
        running: how many hold a slot.
    """

    def __init__(self) -> None:
        self.running = 0
        self._queue = WaitQueue()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._queue)

    @asynccontextmanager
    async def hold(
        self, limit: int | None, timeout: Callable[[], AbstractAsyncContextManager[None]]
    ) -> AsyncIterator[None]:
        """Hold a slot.

        Args:
            limit: how many there may be; `None` means no limit.
            timeout: makes what bounds the wait, if there is one.
        """
        if limit is not None and self.running >= limit:
            async with timeout():
                await self._queue.wait(self._leave)
        else:
            self.running += 1
        try:
            yield
        finally:
            self._leave()

    def _leave(self) -> None:
        """Hand the slot to the next waiter directly, so that a newcomer cannot overtake it."""
        if not self._queue.wake_next():
            self.running -= 1

    def fail_all(self, error: Exception) -> None:
        """Raise an error in every waiter."""
        self._queue.fail_all(error)
