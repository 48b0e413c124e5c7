"""The time of day, steady while turns run: a clock that is set meanwhile makes no second negative or an hour long.

And the moment that a person means by "2d" or "2026-11-01".
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

_SPANS = {"d": 86_400, "h": 3600, "min": 60}
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


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


def moment_of(text: str, now: datetime) -> datetime:
    """Return the moment that words stand for.

    Args:
        text: a time back from `now` (`30s`, `15m`, `12h`, `2d`, `1.5d`, `3w`), or a date or time in ISO 8601; without
            a zone it is this machine's.
        now: the present moment.

    Raises:
        ValueError: it is neither.
    """
    if back := re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhdw])", text.strip(), re.IGNORECASE):
        try:
            return now - timedelta(**{_UNITS[back[2].lower()]: float(back[1])})
        except OverflowError:
            raise ValueError(f"{text!r} is longer ago than there are dates") from None
    try:
        return datetime.fromisoformat(text.strip()).astimezone()
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is neither a time back (2d, 12h, 30m) nor a date (2026-01-31)") from None


def ago(seconds: float) -> str:
    """Return how long ago something was, in its largest unit: `just now`, `5 min ago`, `3 h ago`, `2 d ago`."""
    return next((f"{seconds / size:.0f} {unit} ago" for unit, size in _SPANS.items() if seconds >= size), "just now")
