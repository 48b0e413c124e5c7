"""Keeps a kernel's word true: while a cell runs it is busy, whatever else it answers meanwhile.

ipykernel (6.31 to 7.4) says "idle" after every message on its control channel and on a subshell, also while a cell
runs on the main thread. JupyterLab and the server believe the last word, and a server that ends idle kernels would end
one that waits for a person.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

BEAT_S = 30.0
"""While a prompt runs, so often the server sees that the kernel is in use; what ends idle kernels counts minutes."""

_Message = dict[str, Any]


class BusyKernel:
    """Says "busy" again after each "idle" that comes while a cell runs.

    Args:
        kernel: the ipykernel. One that does not tell its state in the known way is left alone.
        beat_s: seconds between two signs of life while a prompt runs.
    """

    def __init__(self, kernel: Any, beat_s: float = BEAT_S) -> None:
        self._kernel = kernel
        self._beat_s = beat_s
        self._publish: Any = getattr(kernel, "_publish_status", None)
        self._lock = threading.RLock()
        self._cell: _Message | None = self._now("shell")  # the cell that makes this
        if self._publish is not None:
            kernel._publish_status = self._publish_and_correct

    def close(self) -> None:
        """Leave the kernel as it was."""
        if self._publish is not None:
            self._kernel._publish_status = self._publish

    @contextmanager
    def prompt(self) -> Iterator[None]:
        """While the block lasts a prompt runs: the kernel shows now and then that it is in use, in a cell or not."""
        parent = self._now("shell")
        over = threading.Event()
        threading.Thread(target=self._beat, args=(parent, over), name="claude-magic-beat", daemon=True).start()
        try:
            yield
        finally:
            over.set()

    def _beat(self, parent: _Message | None, over: threading.Event) -> None:
        while not over.wait(self._beat_s):
            with self._lock:
                if self._publish is not None and parent:
                    self._publish("busy" if self._cell else "idle", "shell", self._cell or parent)

    def _publish_and_correct(self, status: str, channel: str, parent: Any = None) -> None:
        """Say what the kernel says, and what is true; on whatever thread it is at work."""
        about = parent or self._now(channel)
        with self._lock:
            if status == "busy" and channel == "shell" and _kind(about) == "execute_request" and _is_main():
                self._cell = about
            elif status == "idle" and self._cell is not None and _id(about) == _id(self._cell):
                self._cell = None
            self._publish(status, channel, parent)
            if status == "idle" and self._cell is not None:
                self._publish("busy", "shell", self._cell)

    def _now(self, channel: str) -> _Message | None:
        """The message that is being handled on this thread."""
        if self._publish is None:
            return None
        return dict(self._kernel.get_parent(channel) or {}) or None


def _is_main() -> bool:
    return threading.current_thread() is threading.main_thread()


def _kind(message: _Message | None) -> str:
    return str(((message or {}).get("header") or {}).get("msg_type", ""))


def _id(message: _Message | None) -> str:
    return str(((message or {}).get("header") or {}).get("msg_id", ""))
