"""The time of day, steady while turns run: a clock that is set meanwhile makes no second negative or an hour long."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


def _elapsed() -> float:
    # On Linux the monotonic clock stands still while the machine sleeps, and this one goes on.
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


_lock = threading.Lock()
_running = 0
_offset = 0.0


def unix_time() -> float:
    """Return the time in unix seconds; while something is measured, as it went on from the time that was then."""
    return _offset + _elapsed() if _running else time.time()


@contextmanager
def steady() -> Iterator[None]:
    """Measure something: until the block ends, `unix_time` does not follow a clock that is set."""
    global _running, _offset
    with _lock:
        if not _running:
            _offset = time.time() - _elapsed()
        _running += 1
    try:
        yield
    finally:
        with _lock:
            _running -= 1
