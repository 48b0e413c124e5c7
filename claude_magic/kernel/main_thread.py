"""`MainThread`: what must be done on the thread that waits in a cell, and how it is stopped."""

from __future__ import annotations

import _thread
import asyncio
import concurrent.futures
import contextlib
import os
import signal
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

from claude_magic.background_loop import Inbox
from claude_magic.tools import ToolFailedError

T = TypeVar("T")

LONGEST_RUN_S = 600.0
"""Seconds that one piece of work may take; the model can ask for less."""
DEAF_AFTER_S = 10.0
"""Seconds after which code that does not react to an interrupt is given up: it is in C code, and goes on."""
_STANDARD_LIBRARY = str(Path(os.__file__).parent)
_AGAIN_AFTER_S = 2.0
_LATE_SIGNAL_S = 1.0
_DEAF = (
    f"The code was interrupted and does not stop within {DEAF_AFTER_S:g} s: it catches every interrupt, or is in code "
    "that is not Python's. It goes on in the kernel, which answers nothing else meanwhile. Tell the user, who may "
    "wait, or restart the kernel."
)
_NOT_ON_MAIN_THREAD = "The prompt's cell does not wait on the kernel's main thread, and code runs nowhere else."


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
        self._has_begun = self._is_over = self._is_withdrawn = False
        self._can_be_raised = self._came_early = False
        self._on_its_way = self._times = 0
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
            try:
                before = signal.signal(signal.SIGINT, self._on_signal)
            except ValueError:
                self.done.set_exception(ToolFailedError(_NOT_ON_MAIN_THREAD))
                return
            self._has_begun = True
        self.began.set_result(None)
        value, failure = self._result()
        self._end(before)
        if failure is None:
            self.done.set_result(value)  # type: ignore[arg-type]  # there is a value where nothing failed
        else:
            self.done.set_exception(failure)
        if self.by_person:
            raise KeyboardInterrupt

    def _result(self) -> tuple[T | None, BaseException | None]:
        """Return what the work returned or raised; an interrupt is raised nowhere but in here."""
        trace = sys.gettrace()
        try:
            self._can_be_raised = True
            if self._came_early:
                raise KeyboardInterrupt
            value = self._work()
            self._can_be_raised = False
        except BaseException as error:
            self._can_be_raised = False
            return None, error
        finally:
            sys.settrace(trace)
        return value, None

    def _end(self, before: Any) -> None:
        """Wait for an interrupt that is on its way, and let the next ones go where they went before."""
        with self._lock:
            self._is_over = True
        end = time.monotonic() + _LATE_SIGNAL_S
        while self._on_its_way and time.monotonic() < end:
            time.sleep(0.001)
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)

    def _on_signal(self, number: int, frame: Any) -> None:
        if self._on_its_way:
            self._on_its_way -= 1
        else:
            self.by_person = True
        if not self._can_be_raised:
            self._came_early = True
            return
        self._times += 1
        if self._times > 1:
            _interrupt_handling(frame, self._result.__code__)
        raise KeyboardInterrupt

    def interrupt(self) -> None:
        """Interrupt the work if it runs, and keep it from beginning if it does not; may be called on any thread."""
        with self._lock:
            if not self._has_begun:
                self._is_withdrawn = True
            elif not self._is_over:
                self._on_its_way += 1
                _interrupt_main_thread()


def _interrupt_handling(frame: types.FrameType | None, end: types.CodeType) -> None:
    """Have the code that catches the next exception be interrupted once more, where it handles that.

    So `while True: try: ... except BaseException: pass` ends as well. Libraries are left alone: they clean up.

    Args:
        frame: what runs now.
        end: code that calls the work; what is above it is left alone.
    """

    def trace(frame: types.FrameType, event: str, argument: Any) -> Any:
        if _is_library(frame):
            return None
        if event == "line":
            raise KeyboardInterrupt
        return trace

    while frame is not None and frame.f_code is not end:
        if not _is_library(frame):
            frame.f_trace = trace
        frame = frame.f_back
    sys.settrace(trace)  # from here on what is called is traced


def _is_library(frame: types.FrameType) -> bool:
    return "site-packages" in frame.f_code.co_filename or frame.f_code.co_filename.startswith(_STANDARD_LIBRARY)


def _interrupt_main_thread() -> None:
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
        self._stopping: set[asyncio.Task[bool]] = set()

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
        """Do a piece of work and return what it returned; the main thread does one after the other.

        Args:
            work: what to do; it handles a `KeyboardInterrupt`.
            turn_id: id of the prompt it is for.
            limit_s: longest it may run, in seconds; then it is interrupted.

        Raises:
            ToolFailedError: the main thread cannot be reached, or the work does not stop.
        """
        job = Job(work)
        self._hand_over(job, turn_id)
        try:
            # The main thread may be busy with another cell for a long time, which is not the code's.
            await _first_of(job.began, job.done)
            if not await _first_of(job.done, within_s=limit_s) and not await _stopped(job):
                raise ToolFailedError(_DEAF)
        except asyncio.CancelledError:
            job.interrupt()
            if not job.done.done():
                stopping = asyncio.create_task(_stopped(job))
                self._stopping.add(stopping)
                stopping.add_done_callback(self._stopping.discard)
            raise
        if job.done.cancelled():
            raise ToolFailedError("The cell that waited was stopped, and the code with it.")
        failure = job.done.exception()
        if failure is not None and not isinstance(failure, Exception):  # it would end the loop that waits here
            raise ToolFailedError(f"The code was ended by {type(failure).__name__}.")
        return job.done.result()

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


async def _stopped(job: Job[Any]) -> bool:
    """Interrupt work until it ends; return whether it did. Code may catch an interrupt, or clean up for a while."""
    loop = asyncio.get_running_loop()
    end = loop.time() + DEAF_AFTER_S
    while loop.time() < end:
        job.interrupt()
        if await _first_of(job.done, within_s=_AGAIN_AFTER_S):
            return True
    return False


async def _first_of(*futures: concurrent.futures.Future[Any], within_s: float | None = None) -> bool:
    """Wait until one of some futures is done, whatever it brings; return whether one is."""
    loop = asyncio.get_running_loop()
    is_done = asyncio.Event()

    def tell(_: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: no one waits
            loop.call_soon_threadsafe(is_done.set)

    for future in futures:
        future.add_done_callback(tell)
    try:
        await asyncio.wait_for(is_done.wait(), within_s)
    except TimeoutError:
        return False
    return True
