"""`BackgroundLoop`: one event loop in one daemon thread, for everybody who must wait; and threads that wait."""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextvars
import math
import os
import queue
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from claude_magic.cli.process import kill_all, new_event_loop

T = TypeVar("T")

_STEP_S = 0.1
"""A wait is cut in steps, so that Ctrl-C lands at once on every platform."""


class Inbox:
    """Work that other threads want done on a thread that waits.

    A notebook's dialogs must run on the kernel's main thread, which is waiting for the turn that wants to ask.

    Args:
        tick: called about ten times a second on the thread that serves, for displays that must move on.
    """

    def __init__(self, tick: Callable[[], None] | None = None) -> None:
        self._tick = tick
        self._closed = False
        self._work: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()

    def run(self, work: Callable[[], T]) -> T:
        """Have `work` done by the thread that serves this inbox; return or raise what it did.

        Raises:
            CancelledError: that thread stopped serving first.
        """
        done: concurrent.futures.Future[T] = concurrent.futures.Future()
        self._work.put(_Work(work, done))
        if self._closed:
            self.leave()
        return done.result()

    def serve(self, timeout_s: float) -> None:
        """Wait for work up to `timeout_s` seconds, and do it."""
        try:
            work = self._work.get(timeout=timeout_s)
        except queue.Empty:
            work = None
            if self._tick is not None:
                self._tick()
        if work is not None:
            work.do()

    def nudge(self) -> None:
        """Wake the thread that serves."""
        self._work.put(None)

    def close(self) -> None:
        """Serve no more, for good: those that wait, and those still to come, get a `CancelledError`."""
        self._closed = True
        self.leave()

    def leave(self) -> None:
        """The thread serves no longer: who still waits for work to be done gets a `CancelledError`."""
        while True:
            try:
                work = self._work.get_nowait()
            except queue.Empty:
                return
            if work is not None:
                work.dismiss()


@dataclass(frozen=True)
class _Work:
    """Something to do, and where the answer goes."""

    call: Callable[[], Any]
    done: concurrent.futures.Future[Any]

    def do(self) -> None:
        if self.done.set_running_or_notify_cancel():
            self.do_now()

    def do_now(self) -> None:
        try:
            self.done.set_result(self.call())
        except BaseException as error:
            self.done.set_exception(error)
            if isinstance(error, KeyboardInterrupt):
                raise

    def dismiss(self) -> None:
        self.done.cancel()


class BackgroundLoop:
    """An event loop in a daemon thread, started when first used.

    It belongs to the process that made it: a forked copy (multiprocessing) refuses to work instead of hanging.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._pid = os.getpid()
        self._has_ended = False
        self._before_exit: list[Callable[[], Coroutine[Any, Any, None]]] = []

    def call(self, work: Coroutine[Any, Any, T], *, inbox: Inbox | None = None) -> T:
        """Run a coroutine on the loop and wait for it.

        Args:
            work: what to run.
            inbox: do what it brings meanwhile.

        Returns:
            What the coroutine returned.

        Raises:
            RuntimeError: called on the loop's own thread, where waiting would wait for itself; or in a forked copy.
            KeyboardInterrupt: the wait was interrupted; the coroutine is cancelled.
        """
        self.check(work)
        future = self.submit(work)
        try:
            return wait_for(future, inbox)
        except BaseException:
            future.cancel()
            raise
        finally:
            if inbox is not None:
                inbox.leave()

    def submit(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Run a coroutine on the loop; return a future for it."""
        return asyncio.run_coroutine_threadsafe(work, self._running_loop())

    def run(self, work: Callable[[], T]) -> T:
        """Call a plain function on the loop's thread, and return what it returned."""

        async def call() -> T:
            return work()

        return self.call(call())

    def iterate(self, source: Callable[[], AsyncIterator[list[T]]], *, inbox: Inbox | None = None) -> Iterator[list[T]]:
        """Yield the batches of an async iterator; a slow reader gets several joined to one.

        Args:
            source: makes the iterator, on the loop.
            inbox: do what it brings while waiting.
        """
        pending: queue.SimpleQueue[list[T] | None] = queue.SimpleQueue()
        box = inbox

        async def pump() -> None:
            try:
                async for batch in source():
                    pending.put(batch)
                    if box is not None:
                        box.nudge()
            finally:
                pending.put(None)
                if box is not None:
                    box.nudge()

        future = self.submit(pump())
        try:
            while (batch := _next(pending, box)) is not None:
                yield batch
            future.result()
        finally:
            future.cancel()
            if box is not None:
                box.leave()

    def check(self, work: Coroutine[Any, Any, Any] | None = None) -> None:
        """Refuse to wait where waiting cannot end.

        Raises:
            RuntimeError: on the loop's own thread, or in a forked copy of the process.
        """
        wrong = ""
        if os.getpid() != self._pid:
            wrong = "This client belongs to the process that made it; make a new ClaudeClient in the forked one."
        elif threading.current_thread() is self._thread:
            wrong = "This would wait for itself: on the client's own loop use AsyncClaudeClient and await."
        if wrong:
            if work is not None:
                work.close()
            raise RuntimeError(wrong)

    @property
    def is_running(self) -> bool:
        """Whether it has been started, and not yet ended with the interpreter."""
        return self._loop is not None and not self._has_ended

    def before_exit(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Have a coroutine run, for at most 1.8 s in all, when the interpreter exits."""
        self._before_exit.append(work)

    def forget_exit(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Take back `before_exit`: it was done already."""
        if work in self._before_exit:
            self._before_exit.remove(work)

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._starting:
            if self._loop is None:
                self._loop = new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="claude-magic", daemon=True)
                self._thread.start()
                atexit.register(self._at_exit)
        return self._loop

    def _at_exit(self) -> None:
        if os.getpid() != self._pid or self._loop is None:
            return

        async def all_of_it() -> None:
            await asyncio.gather(*(work() for work in self._before_exit), return_exceptions=True)

        try:
            self.submit(all_of_it()).result(timeout=1.8)
        except (TimeoutError, concurrent.futures.CancelledError):
            kill_all()
        self._has_ended = True
        self._loop.call_soon_threadsafe(self._loop.stop)


def wait_for(future: concurrent.futures.Future[T], inbox: Inbox | None = None) -> T:
    """Wait as `until_done` does, and return what the future brought, or raise it."""
    until_done(future, inbox)
    return future.result()


def until_done(
    future: concurrent.futures.Future[Any], inbox: Inbox | None = None, *, timeout_s: float | None = None
) -> None:
    """Wait for a future, doing what an inbox brings; Ctrl-C lands within a tenth of a second.

    Args:
        future: what to wait for.
        inbox: do what it brings meanwhile.
        timeout_s: longest to wait, in seconds; `None` is for ever.

    Raises:
        TimeoutError: it is not done yet.
    """
    if inbox is not None:
        future.add_done_callback(lambda done: inbox.nudge())
    end = time.monotonic() + timeout_s if timeout_s is not None else math.inf
    while not future.done():
        left_s = end - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        if inbox is not None:
            inbox.serve(min(_STEP_S, left_s))
        else:
            concurrent.futures.wait([future], timeout=min(_STEP_S, left_s))


def in_thread(work: Callable[[], T], name: str) -> concurrent.futures.Future[T]:
    """Call `work` on a daemon thread of its own, in the caller's context; return a future for it.

    The future cannot be cancelled: who gives up waiting does not keep the work from being done.

    Args:
        work: what to do; it may wait for the loop.
        name: name of the thread.
    """
    done: concurrent.futures.Future[T] = concurrent.futures.Future()
    done.set_running_or_notify_cancel()
    run = _Work(work, done).do_now
    threading.Thread(target=contextvars.copy_context().run, args=(run,), name=name, daemon=True).start()
    return done


def _next(pending: queue.SimpleQueue[list[T] | None], inbox: Inbox | None) -> list[T] | None:
    """Return what is there, joined; wait if there is nothing. `None` is the end."""
    while True:
        if inbox is not None and pending.empty():
            inbox.serve(_STEP_S)
            continue
        try:
            batch = pending.get(timeout=_STEP_S)
        except queue.Empty:
            continue
        return batch if batch is None else _joined(batch, pending)


def _joined(batch: list[T], pending: queue.SimpleQueue[list[T] | None]) -> list[T]:
    """Return a batch with all that came after it; the end, if it came too, stays to be seen next."""
    while not pending.empty():
        more = pending.get_nowait()
        if more is None:
            pending.put(None)
            break
        batch = batch + more
    return batch


_background_loop: BackgroundLoop | None = None


def background_loop() -> BackgroundLoop:
    """Return the one loop of this process; a forked copy gets one of its own."""
    global _background_loop
    if _background_loop is None or _background_loop._pid != os.getpid():
        _background_loop = BackgroundLoop()
    return _background_loop
