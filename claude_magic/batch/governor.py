"""`Governor`: how many rows may be on their way, by what the service says of its limits. One for a client's pool."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import datetime
from weakref import WeakKeyDictionary

from claude_magic.lenient import count, mapping, number, string
from claude_magic.messages import Batch, Message, MessageType

_LEAST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0
_ONE_CUT_S = 2.0
"""Refusals within this time are one: many rows are on their way when a limit is reached."""
_BUSY = (429, 529)


class Governor:
    """Additive up, multiplicative down, as TCP does it; nothing starts before a limit resets that was reached.

    Args:
        clock: the time in unix seconds; the real one by default.

    Attributes:
        allowed: rows that may be on their way; not a whole number while it grows.
        paused_until: nothing starts before this time, in unix seconds.
        resets_at: when the limit ends that was reached, in unix seconds, as the service said; 0.0 if none was.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self.allowed = float("inf")
        self.paused_until = 0.0
        self.resets_at = 0.0
        self._cut_at = 0.0
        self._pause_s = _LEAST_PAUSE_S

    def begin(self, workers: int) -> None:
        """A map begins with so many workers; what was refused a moment ago still counts."""
        is_fresh = self.wait_s() <= 0 and self._clock() - self._cut_at > _LONGEST_PAUSE_S
        self.allowed = float(workers) if is_fresh else min(self.allowed, float(workers))

    def may_start(self, running: int) -> bool:
        """Whether one more row may start beside those that run."""
        return self.wait_s() <= 0 and running < max(1, int(self.allowed))

    def wait_s(self) -> float:
        """Return how long nothing may start, in seconds."""
        return max(0.0, self.paused_until - self._clock())

    @property
    def words(self) -> str:
        """What it waits for, as a few words; "" if it does not."""
        if self.wait_s() <= 0:
            return ""
        if self.resets_at > self._clock():
            return f"the limit resets at {datetime.fromtimestamp(self.resets_at):%H:%M:%S}"
        return f"the service is busy; the next row starts in {self.wait_s():.0f} s"

    def answered(self, workers: int) -> None:
        """A row was answered: after as many as are allowed, one more is."""
        if self._clock() >= self.paused_until:
            self._pause_s = _LEAST_PAUSE_S
            self.allowed = min(float(workers), self.allowed + 1 / max(1.0, self.allowed))

    def refused(self, resets_at: float | None = None, running: int | None = None) -> None:
        """The service has refused a request.

        Args:
            resets_at: when the limit ends, in unix seconds, if it said so.
            running: rows that are on their way, if that is known.
        """
        now = self._clock()
        if resets_at is not None and resets_at > now:
            self.resets_at = resets_at
            self.paused_until = max(self.paused_until, resets_at)
        if now - self._cut_at < _ONE_CUT_S:
            return
        self._cut_at = now
        self.allowed = max(1.0, (self.allowed if running is None else min(self.allowed, running)) / 2)
        if resets_at is None:
            self.paused_until = max(self.paused_until, now + self._pause_s)
            self._pause_s = min(_LONGEST_PAUSE_S, self._pause_s * 2)

    def observe(self, batch: Batch) -> None:
        """Take in what the CLIs say, those of cells too: an observer of the client."""
        self._observe(batch.messages)

    def _observe(self, messages: Iterable[Message]) -> None:
        for message in messages:
            if message.type is MessageType.RATE_LIMIT:
                info = mapping(message.raw.get("rate_limit_info"))
                if string(info.get("status")) == "rejected":
                    self.refused(number(info.get("resetsAt")) or None)
            elif message.type is MessageType.RETRY and count(message.raw.get("error_status")) in _BUSY:
                self.refused()


_governors: WeakKeyDictionary[object, Governor] = WeakKeyDictionary()


def governor_of(client: object, observers: list[Callable[[Batch], None]]) -> Governor:
    """Return the one governor of a client.

    Args:
        client: the client.
        observers: where it hears what the CLIs say.
    """
    governor = _governors.get(client)
    if governor is None:
        governor = _governors[client] = Governor()
        observers.append(governor.observe)
    return governor
