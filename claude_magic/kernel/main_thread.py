"""`MainThread`: what must be done on the thread that waits in a cell, and how it is stopped."""

from __future__ import annotations

import _thread
import asyncio
import concurrent.futures
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from claude_magic.background_loop import Inbox
from claude_magic.tools import ToolFailedError

T = TypeVar("T")

DEAF_AFTER_S = 10.0
"""Seconds after which code that does not react to an interrupt is given up: it is in C code, and goes on."""
_LATE_SIGNAL_S = 1.0


class Job(Generic[T]):
    """One piece of work on the main thread, which another thread may interrupt.

    An interrupt must reach the work and nothing after it. So it is sent while the work is known to run, and the work's
    end waits for one that is on its way.

    Args:
        work: what to do. It deals with the `KeyboardInterrupt` itself, if it wants to say how far it came.

    Attributes:
        began: done when the work begins.
        done: brings what the work returned.
        by_person: whether a person interrupted the kernel while it ran, and wants the whole cell stopped.
    """

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._is_running = False
        self._is_withdrawn = False
        self._on_its_way = 0
        self.began: concurrent.futures.Future[None] = concurrent.futures.Future()
        self.done: concurrent.futures.Future[T] = concurrent.futures.Future()
        self.by_person = False

    def run(self) -> None:
        """Do the work; called on the main thread.

        Raises:
            KeyboardInterrupt: the person interrupted the kernel; `done` has what there was.
        """
        with self._lock:
            if self._is_withdrawn:
                self.done.cancel()
                return
            self._is_running = True
        before = signal.signal(signal.SIGINT, self._on_signal)
        try:
            self.began.set_result(None)
            self.done.set_result(self._work())
        except BaseException as error:
            self.done.set_exception(error)
        finally:
            with self._lock:
                self._is_running = False
            end = time.monotonic() + _LATE_SIGNAL_S
            while self._on_its_way and time.monotonic() < end:
                time.sleep(0.001)
            signal.signal(signal.SIGINT, before)
        if self.by_person:
            raise KeyboardInterrupt

    def _on_signal(self, number: int, frame: Any) -> None:
        if self._on_its_way:
            self._on_its_way -= 1
        else:
            self.by_person = True
        if self._is_running:
            raise KeyboardInterrupt

    def interrupt(self) -> None:
        """Interrupt the work if it runs, and keep it from beginning if it does not; may be called on any thread."""
        with self._lock:
            if not self._is_running:
                self._is_withdrawn = True
                return
            self._on_its_way += 1
            if hasattr(signal, "pthread_kill"):
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)  # ends a sleep, too
            else:
                _thread.interrupt_main()


class MainThread:
    """The kernel's main thread: in the cell that waits for a prompt, else between cells.

    Args:
        shell: the shell.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._inboxes: dict[str, Inbox] = {}
        self._order = asyncio.Lock()

    @contextmanager
    def serve(self, turn_id: str, inbox: Inbox) -> Iterator[None]:
        """The cell that waits for a prompt does the prompt's work: what comes into its inbox.

        Args:
            turn_id: id of the prompt.
            inbox: work for the cell's thread.
        """
        self._inboxes[turn_id] = inbox
        try:
            yield
        finally:
            del self._inboxes[turn_id]

    async def run(self, work: Callable[[], T], turn_id: str, limit_s: float) -> T:
        """Do a piece of work, one after the other, and return what it returned.

        Args:
            work: what to do; it handles a `KeyboardInterrupt`.
            turn_id: id of the prompt it is for.
            limit_s: longest it may run, in seconds; then it is interrupted.

        Raises:
            ToolFailedError: the main thread cannot be reached, or the work does not stop.
        """
        async with self._order:
            job = Job(work)
            self._hand_over(job, turn_id)
            try:
                # The main thread may be busy with another cell for a long time, which is not the code's.
                await _first_of(job.began, job.done)
                done, _ = await asyncio.wait([asyncio.wrap_future(job.done)], timeout=limit_s)
                if not done:
                    job.interrupt()
                    await self._until_stopped(job)
            except asyncio.CancelledError:
                job.interrupt()
                raise
            if job.done.cancelled():
                raise ToolFailedError("The cell that waited was stopped, and the code with it.")
            return job.done.result()

    async def _until_stopped(self, job: Job[Any]) -> None:
        done, _ = await asyncio.wait([asyncio.wrap_future(job.done)], timeout=DEAF_AFTER_S)
        if not done:
            raise ToolFailedError(
                f"The code was interrupted and does not stop within {DEAF_AFTER_S:g} s: it is in code that is not "
                "Python's. It goes on in the kernel, which answers nothing else meanwhile. Tell the user, who may "
                "wait, or restart the kernel."
            )

    def _hand_over(self, job: Job[Any], turn_id: str) -> None:
        inbox = self._inboxes.get(turn_id)
        if inbox is not None:
            threading.Thread(target=_in_cell, args=(inbox, job), name="claude-magic-kernel", daemon=True).start()
            return
        loop = getattr(getattr(self._shell, "kernel", None), "io_loop", None)
        if loop is None:
            raise ToolFailedError(
                "No cell waits for this prompt, and outside of a kernel only a waiting one runs code."
            )
        loop.add_callback(_between_cells, job)


def _in_cell(inbox: Inbox, job: Job[Any]) -> None:
    try:
        inbox.run(job.run)
    except (concurrent.futures.CancelledError, KeyboardInterrupt):
        job.done.cancel()  # the cell is over, or was stopped: its own thread deals with that


def _between_cells(job: Job[Any]) -> None:
    try:
        job.run()
    except KeyboardInterrupt:
        return  # no cell waits for this


async def _first_of(*futures: concurrent.futures.Future[Any]) -> None:
    waiting = [asyncio.wrap_future(future) for future in futures]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
