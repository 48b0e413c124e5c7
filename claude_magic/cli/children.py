"""This Python process as the owner of CLI children and temporary folders: tags, the reaper beside them, forks."""

from __future__ import annotations

import itertools
import logging
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import psutil

from claude_magic.cli import reaper

_log = logging.getLogger("claude_magic")

_LAST_RESORT_TERM_S = 0.5
_LAST_RESORT_TOTAL_S = 1.0
_SHORT_LIFE_S = 1.0
_LONGEST_PAUSE_S = 60
"""A reaper that ends at once again and again is started less and less often."""


class Closable(Protocol):
    """An open end of a pipe."""

    def close(self) -> object:
        """Close it."""


@dataclass(frozen=True)
class Child:
    """One CLI child of this Python process.

    Attributes:
        pid: its process id.
        created: its `reaper.creation_time`; with the pid it is the identity of the process.
        pipes: this process's ends of its pipes.
        reap: take its exit status from the system, if it has ended; may be called from any thread.
        guard: the process above it, which ends with it; `None` where there is none.
    """

    pid: int
    created: float
    pipes: tuple[Closable, ...]
    reap: Callable[[], object]
    guard: psutil.Process | None = None

    def tree(self) -> list[psutil.Process]:
        """The child and all that it started; what has left its tree is still below its guard."""
        found = reaper.tree(self.pid, self.created)
        return found if self.guard is None else found + reaper.descendants(self.guard)


class _Reaper(subprocess.Popen[bytes]):
    def __del__(self) -> None:
        """Stay silent: unlike other children, this one is meant to outlive its parent."""


class ChildRegistry:
    """Marks the CLI children of this Python process and sees that none outlives it, nor any of its folders.

    One per process, used by whatever event loops the process has; hence the lock.

    Args:
        spawn_options: how `subprocess` starts a child in a session of its own on this system.
    """

    def __init__(self, spawn_options: Mapping[str, Any]) -> None:
        self._spawn_options = dict(spawn_options)
        self._forget()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._after_fork)

    def _forget(self) -> None:
        self.id = uuid.uuid4().hex
        self._numbers = itertools.count(1)
        self._children: dict[int, Child] = {}
        self._folders: set[str] = set()
        self._reaper: _Reaper | None = None
        self._short_lives = 0
        self._pipe: int | None = None
        self._lock = threading.Lock()

    def next_owner_tag(self) -> str:
        """Return the owner tag of the next child; the reaper runs from here on."""
        with self._lock:
            self._ensure_reaper()
        return f"{self.id}:{next(self._numbers)}"

    def register(self, child: Child) -> None:
        """Take note of a child that was started."""
        with self._lock:
            self._children[child.pid] = child
            self._tell(_arrival(child))

    def unregister(self, pid: int) -> None:
        """Forget a child that is gone with all its belongings."""
        with self._lock:
            if self._children.pop(pid, None) is not None:
                self._tell(f"- {pid}\n")

    def register_folder(self, folder: str) -> None:
        """Have a temporary folder removed if this process ends with no chance to do so. The reaper runs from here on.

        Args:
            folder: an absolute path.
        """
        with self._lock:
            self._ensure_reaper()
            self._folders.add(folder)
            self._tell(f"+folder {_hex(folder)}\n")

    def unregister_folder(self, folder: str) -> None:
        """Forget a folder that has been removed."""
        with self._lock:
            self._folders.discard(folder)
            self._tell(f"-folder {_hex(folder)}\n")

    def kill_all(self) -> None:
        """End every child and all that carries this process's tag, at once and waiting, in under 2 s."""
        children = list(self._children.values())
        if not children:
            return

        def find() -> list[Any]:
            below = [process for child in children for process in child.tree()]
            return below + reaper.find_tagged(f"{self.id}:", min(child.created for child in children))

        reaper.sweep(find, term_s=_LAST_RESORT_TERM_S, total_s=_LAST_RESORT_TOTAL_S)
        for child in children:
            child.reap()
            self.unregister(child.pid)

    @property
    def reaper_pid(self) -> int | None:
        """Process id of the reaper; `None` before the first child."""
        return None if self._reaper is None else self._reaper.pid

    def _ensure_reaper(self) -> None:
        if self._reaper is None or self._reaper.poll() is not None:
            self._start_reaper()

    def _start_reaper(self) -> None:
        """Start the reaper; without one everything works, but a killed kernel leaves its children behind."""
        folder = str(Path(psutil.__file__).parent.parent)
        # -P, -S and -E: nothing but the standard library is in its path, and it starts in a few milliseconds.
        argv = [sys.executable, "-P", "-S", "-E", str(Path(reaper.__file__)), folder, self.id]
        environment = {name: value for name, value in os.environ.items() if name != reaper.OWNER_VARIABLE}
        self._close_pipe()
        reading, self._pipe = os.pipe()  # neither end is inherited by what other code starts
        os.set_blocking(self._pipe, False)
        try:
            self._reaper = _Reaper(
                argv,
                stdin=reading,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=os.path.abspath(os.sep),  # so that it holds no folder of the user's
                env=environment,
                **self._spawn_options,
            )
        except OSError as error:
            self._reaper = None
            _log.warning("The reaper did not start: a killed kernel would leave CLI processes behind (%s).", error)
        finally:
            os.close(reading)
        for child in self._children.values():
            self._tell(_arrival(child))
        for folder in self._folders:
            self._tell(f"+folder {_hex(folder)}\n")
        if self._reaper is not None:
            replace = threading.Thread(
                target=self._replace, args=(self._reaper,), name="claude-magic-reaper", daemon=True
            )
            replace.start()

    def _replace(self, reaper: _Reaper) -> None:
        """Wait for a reaper's end, and start another at once where there is still something to reap."""
        began = time.monotonic()
        reaper.wait()
        self._short_lives = self._short_lives + 1 if time.monotonic() - began < _SHORT_LIFE_S else 0
        time.sleep(max(0, min(self._short_lives - 1, _LONGEST_PAUSE_S)))
        with self._lock:
            if reaper is self._reaper and (self._children or self._folders):
                self._start_reaper()

    def _tell(self, line: str) -> None:
        if self._pipe is None or self._reaper is None:
            return
        try:
            os.write(self._pipe, line.encode("ascii"))
        except OSError as error:
            # It has ended: the next one is told of all children.
            _log.debug("The reaper does not listen: %s", error)

    def _close_pipe(self) -> None:
        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            os.close(pipe)

    def _after_fork(self) -> None:
        """In a forked child: let go of everything, or it would keep alive what its parent wants to end."""
        for child in self._children.values():
            for pipe in child.pipes:
                pipe.close()
        self._close_pipe()
        self._forget()


def _arrival(child: Child) -> str:
    return f"+ {child.pid} {child.created}\n"


def _hex(path: str) -> str:
    """A path in one word of ASCII, whatever is in it."""
    return os.fsencode(path).hex()
