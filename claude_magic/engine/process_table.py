"""`ProcessTable`: which processes there are, whose they are, and which of them is evicted first.

Only decides: nothing here starts, ends or waits for a process; that is the pool's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field

from claude_magic.engine.connection import Connection
from claude_magic.engine.managed_session import ManagedSession

WARM_LIFETIME_S = 600.0
"""A warm process has read CLAUDE.md and settings when it started; it is never used when older than this."""


@dataclass(eq=False)
class PooledProcess:
    """One process, or the place of one that is starting or ending.

    Attributes:
        key: its launch key; processes with equal keys are interchangeable.
        permission_mode: the mode it is started in.
        fingerprint: state of the files that it read when it started.
        connection: the process; `None` while it starts and once it ends.
        owner: the session that has it; `None` for a warm one.
        busy: a turn of the owner is on it, or about to be.
        ending: the work of ending it, once that has begun.
        replaced: it ends to make room, and its place is taken already.
        born: when it was made, as of `time.monotonic()`.
    """

    key: Hashable
    permission_mode: str
    fingerprint: Hashable
    connection: Connection | None = None
    owner: ManagedSession | None = None
    busy: bool = False
    ending: asyncio.Task[None] | None = None
    replaced: bool = False
    born: float = field(default_factory=time.monotonic)

    @property
    def is_warm(self) -> bool:
        """Whether it is ready and not in use."""
        return self.owner is None and self.connection is not None and self.ending is None

    @property
    def idle_since(self) -> float:
        """Since when nothing was asked of it, as of `time.monotonic()`."""
        return self.owner.idle_since if self.owner is not None else self.born

    def is_evictable(self) -> bool:
        """Whether no turn is at work on the process, and nothing it started still runs.

        A session whose next prompt waits, for its place in an order, can lose it too: else that prompt might
        wait for a turn slot, and the holder of the slot for the process.
        """
        if self.owner is None or self.connection is None or self.ending is not None or self.busy:
            return False
        return not self.connection.is_busy and not self.connection.has_background

    def is_usable(self, now: float, fingerprint: Hashable) -> bool:
        """Whether the process lives and knows the files as they are."""
        fresh = now - self.born < WARM_LIFETIME_S and self.fingerprint == fingerprint
        return fresh and self.connection is not None and self.connection.is_alive

    def is_expired(self, now: float, idle_timeout_s: float) -> bool:
        """Whether the process has been idle for too long, or has died while it was not in use."""
        if self.connection is None:
            return False
        if self.is_warm:
            return not self.connection.is_alive or now - self.born >= min(WARM_LIFETIME_S, idle_timeout_s)
        if not self.busy and not self.connection.is_alive:
            return True
        return now - self.idle_since >= idle_timeout_s and self.is_evictable()


@dataclass
class PoolCounts:
    """Processes created, reused (warm or kept) and destroyed so far."""

    created: int = 0
    reused: int = 0
    destroyed: int = 0


class ProcessTable:
    """The processes of a pool, in the order they were made."""

    def __init__(self) -> None:
        self._processes: list[PooledProcess] = []

    def __iter__(self) -> Iterator[PooledProcess]:
        """Go through the processes there are now; they may be added and removed meanwhile."""
        return iter(list(self._processes))

    @property
    def processes(self) -> int:
        """How many processes live, start or end; one whose place is taken already does not count."""
        return sum(not process.replaced for process in self._processes)

    @property
    def warm(self) -> list[PooledProcess]:
        """Those that are ready and not in use."""
        return [process for process in self._processes if process.is_warm]

    def add(self, process: PooledProcess) -> None:
        """Take a process in."""
        self._processes.append(process)

    def remove(self, process: PooledProcess) -> None:
        """Forget a process; nothing happens if it is forgotten already."""
        if process in self._processes:
            self._processes.remove(process)

    def owned_by(self, session: ManagedSession) -> list[PooledProcess]:
        """Return every process that a session has, those that end among them."""
        return [process for process in self._processes if process.owner is session]

    def in_use_by(self, session: ManagedSession) -> PooledProcess | None:
        """Return the process that a session works with."""
        return next((process for process in self.owned_by(session) if process.ending is None), None)

    def usable(self, key: Hashable, fingerprint: Hashable) -> PooledProcess | None:
        """Return a warm process for a launch key that knows the files as they are."""
        now = time.monotonic()
        return next(
            (process for process in self.warm if process.key == key and process.is_usable(now, fingerprint)), None
        )

    def unowned(self, key: Hashable) -> list[PooledProcess]:
        """Return the warm processes of a launch key, those that are starting among them."""
        return [
            process
            for process in self._processes
            if process.key == key and process.owner is None and process.ending is None
        ]

    def eviction_candidate(self) -> PooledProcess | None:
        """Return the process to end when room is needed: a warm one, else that of the session idle longest."""
        owned = sorted((process for process in self._processes if process.owner is not None), key=_eviction_order)
        return next((process for process in [*self.warm, *owned] if process.is_warm or process.is_evictable()), None)

    def expired(self, now: float, idle_timeout_s: float) -> list[PooledProcess]:
        """Return those that have been idle for too long or have died.

        Args:
            now: the time to judge by, as of `time.monotonic()`.
            idle_timeout_s: how long a process may be idle, in seconds.
        """
        return [process for process in self._processes if process.is_expired(now, idle_timeout_s)]


def _eviction_order(process: PooledProcess) -> tuple[bool, float]:
    """Those of sessions with a prompt waiting come last; else the one idle longest comes first."""
    return process.owner is not None and process.owner.waiting > 0, process.idle_since
