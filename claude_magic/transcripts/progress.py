"""`Progress`: a line that says how far a long reading is."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TextIO

_QUIET_S = 1.0
_EVERY_S = 0.2
_BAR = 24


class Progress:
    """Shows a bar on stderr once a reading takes longer than a second, and takes it away at the end.

    Args:
        total: bytes to read.
        screen: where to show it; `None` is stderr, which a notebook shows under the cell.
    """

    def __init__(self, total: int, screen: TextIO | None = None) -> None:
        self._total = max(total, 1)
        self._screen = screen if screen is not None else sys.stderr
        self._done = 0
        self._next = time.monotonic() + _QUIET_S
        self._shown = ""

    def __enter__(self) -> Progress:
        return self

    def advance(self, count: int) -> None:
        """Say that so many more bytes were read."""
        self._done += count
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _EVERY_S
            share = min(1.0, self._done / self._total)
            bar = "█" * round(share * _BAR)
            self._show(f"Reading session files {bar:░<{_BAR}} {share:4.0%} of {self._total / 1e6:,.0f} MB")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._shown:
            self._show("")
            self._screen.write("\r")
            self._screen.flush()

    def _show(self, words: str) -> None:
        self._screen.write("\r" + words.ljust(len(self._shown)))
        self._screen.flush()
        self._shown = words
