"""`Slots`: which processes there are, whose they are, and which of them is missed least.

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
class Slot:
    """One process, or the place of one that is starting or ending.

    Attributes:
        key: its launch key: equal keys can serve each other.
        permission_mode: the mode it is started in.
        fingerprint: state of the files that it read when it started.
        connection: the process; `None` while it starts and once it ends.
        owner: the session that has it; `None` for a warm one.
        at_work: a turn of the owner is on it, or about to be.
        ending: the work of ending it, once that has begun.
        replaced: it ends to make room, and its place is taken already.
        born: when it was made, as of `time.monotonic()`.
    """

    key: Hashable
    permission_mode: str
    fingerprint: Hashable
    connection: Connection | None = None
    owner: ManagedSession | None = None
    at_work: bool = False
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

    def can_give_up(self) -> bool:
        """Whether no turn is at work on the process, and nothing it started still runs.

        A session whose next prompt waits, for its place in an order, can give it up too: else that prompt might
        wait for a turn slot, and the holder of the slot for the process.
        """
        if self.owner is None or self.connection is None or self.ending is not None or self.at_work:
            return False
        return not self.connection.is_busy and not self.connection.has_background

    def is_usable(self, now: float, fingerprint: Hashable) -> bool:
        """Whether the process lives and knows the files as they are."""
        fresh = now - self.born < WARM_LIFETIME_S and self.fingerprint == fingerprint
        return fresh and self.connection is not None and self.connection.is_alive

    def is_over(self, now: float, idle_timeout_s: float) -> bool:
        """Whether the process has been idle for too long, or has died while it was not in use."""
        if self.connection is None:
            return False
        if self.is_warm:
            return not self.connection.is_alive or now - self.born >= min(WARM_LIFETIME_S, idle_timeout_s)
        if not self.at_work and not self.connection.is_alive:
            return True
        return now - self.idle_since >= idle_timeout_s and self.can_give_up()


class Slots:
    """The slots of a pool, in the order they were made."""

    def __init__(self) -> None:
        self._slots: list[Slot] = []

    def __iter__(self) -> Iterator[Slot]:
        """Go through the slots there are now; they may be added and removed meanwhile."""
        return iter(list(self._slots))

    @property
    def processes(self) -> int:
        """How many processes live, start or end; one whose place is taken already does not count."""
        return sum(not slot.replaced for slot in self._slots)

    @property
    def warm(self) -> list[Slot]:
        """Those that are ready and not in use."""
        return [slot for slot in self._slots if slot.is_warm]

    def add(self, slot: Slot) -> None:
        """Take a slot in."""
        self._slots.append(slot)

    def remove(self, slot: Slot) -> None:
        """Forget a slot; nothing happens if it is forgotten already."""
        if slot in self._slots:
            self._slots.remove(slot)

    def owned_by(self, session: ManagedSession) -> list[Slot]:
        """Return every slot that a session has, those that end among them."""
        return [slot for slot in self._slots if slot.owner is session]

    def in_use_by(self, session: ManagedSession) -> Slot | None:
        """Return the slot of the process that a session works with."""
        return next((slot for slot in self.owned_by(session) if slot.ending is None), None)

    def usable(self, key: Hashable, fingerprint: Hashable) -> Slot | None:
        """Return a warm process for a launch key that knows the files as they are."""
        now = time.monotonic()
        return next((slot for slot in self.warm if slot.key == key and slot.is_usable(now, fingerprint)), None)

    def unowned(self, key: Hashable) -> list[Slot]:
        """Return the warm processes of a launch key, those that are starting among them."""
        return [slot for slot in self._slots if slot.key == key and slot.owner is None and slot.ending is None]

    def surplus(self) -> Slot | None:
        """Return the process that is missed least: a warm one, else that of the session idle longest."""
        owned = sorted((slot for slot in self._slots if slot.owner is not None), key=_missed)
        return next((slot for slot in [*self.warm, *owned] if slot.is_warm or slot.can_give_up()), None)

    def over(self, now: float, idle_timeout_s: float) -> list[Slot]:
        """Return those that have been idle for too long or have died.

        Args:
            now: the time to judge by, as of `time.monotonic()`.
            idle_timeout_s: how long a process may be idle, in seconds.
        """
        return [slot for slot in self._slots if slot.is_over(now, idle_timeout_s)]


def _missed(slot: Slot) -> tuple[bool, float]:
    """Order of giving up: a session with a prompt waiting misses its process sooner than one that is just idle."""
    return slot.owner is not None and slot.owner.waiting > 0, slot.idle_since
