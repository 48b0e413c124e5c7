"""Work on the main thread, which other threads interrupt: an interrupt reaches the work, and nothing else."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest

from claude_magic.background_loop import Inbox, background_loop, in_thread, until_done
from claude_magic.kernel.main_thread import Job, MainThread
from claude_magic.tools import ToolFailedError


def interrupted(work: Callable[[], Any], times: int = 1) -> Job[Any]:
    """Run work here, interrupted from another thread once it runs, and again for as long as it goes on."""
    job, over = Job(work), threading.Event()

    def interrupt() -> None:
        job.began.result()
        for _ in range(times):
            job.interrupt()
            if over.wait(0.2):
                return

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        job.run()
    finally:
        over.set()
        thread.join()
    return job


def test_interrupt_ends_a_wait() -> None:
    job = interrupted(lambda: threading.Event().wait(60))

    assert isinstance(job.done.exception(), KeyboardInterrupt)
    assert job.by_person is False


def test_code_that_catches_everything_ends_too() -> None:
    caught: list[BaseException] = []

    def stubborn() -> None:
        while True:
            try:
                threading.Event().wait(60)
            except BaseException as error:
                caught.append(error)

    job = interrupted(stubborn, times=50)

    assert isinstance(job.done.exception(), KeyboardInterrupt)
    assert len(caught) >= 1


def test_a_persons_interrupt_goes_on_to_the_cell() -> None:
    job = Job(lambda: signal.raise_signal(signal.SIGINT))

    with pytest.raises(KeyboardInterrupt):
        job.run()
    assert isinstance(job.done.exception(), KeyboardInterrupt)


def test_late_and_early_interrupts_do_nothing() -> None:
    before = signal.getsignal(signal.SIGINT)
    late, early = Job(lambda: "late"), Job(lambda: "early")
    late.run()
    late.interrupt()
    early.interrupt()
    early.run()

    assert late.done.result() == "late"
    assert early.done.cancelled()
    assert signal.getsignal(signal.SIGINT) is before


def test_work_elsewhere_than_on_the_main_thread_is_refused() -> None:
    job = Job(lambda: 1)
    in_thread(job.run, "other").result(10)

    assert isinstance(job.done.exception(), ToolFailedError)


def served(main_thread: MainThread, inbox: Inbox, turn_id: str, work: Callable[[], Any], limit_s: float = 60) -> Any:
    """Have the background loop ask for work, as a tool does, while this thread serves an inbox."""
    future = background_loop().submit(main_thread.run(work, turn_id, limit_s))
    until_done(future, inbox, timeout_s=30)
    return future.result()


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_a_program_does_not_end_the_loop(error: type[BaseException]) -> None:
    def leave() -> None:
        raise error

    main_thread, inbox = MainThread(None), Inbox()
    with main_thread.serve("turn", inbox):
        with pytest.raises(ToolFailedError, match=error.__name__):
            served(main_thread, inbox, "turn", leave)
        assert served(main_thread, inbox, "turn", lambda: "goes on") == "goes on"


def test_work_that_waits_for_its_thread_holds_up_no_other() -> None:
    """The code of a background prompt waits until the cell is over, which waits for the code of its own prompt."""

    class BusyLoop:
        def add_callback(self, *_: Any) -> None:
            """It is busy with the cell."""

    class Shell:
        kernel = type("Kernel", (), {"io_loop": BusyLoop()})

    main_thread, inbox = MainThread(Shell()), Inbox()
    waiting = background_loop().submit(main_thread.run(lambda: 0, "background", 60))
    with main_thread.serve("turn", inbox):
        assert served(main_thread, inbox, "turn", lambda: 1) == 1
    waiting.cancel()


def test_limit_interrupts_the_code() -> None:
    main_thread, inbox = MainThread(None), Inbox()
    with main_thread.serve("turn", inbox), pytest.raises(ToolFailedError, match="KeyboardInterrupt"):
        served(main_thread, inbox, "turn", lambda: threading.Event().wait(60), limit_s=0.1)


def test_cancelled_call_ends_code_that_catches_an_interrupt() -> None:
    began, ended = threading.Event(), threading.Event()

    def stubborn() -> None:
        began.set()
        try:
            while True:
                try:
                    threading.Event().wait(60)
                except BaseException:
                    continue
        finally:
            ended.set()

    main_thread, inbox = MainThread(None), Inbox()

    async def call() -> None:
        task = asyncio.create_task(main_thread.run(stubborn, "turn", 60))
        await asyncio.to_thread(began.wait, 10)
        task.cancel()
        await asyncio.wait([task])
        await asyncio.to_thread(ended.wait, 10)

    with main_thread.serve("turn", inbox):
        until_done(background_loop().submit(call()), inbox, timeout_s=30)
    assert ended.is_set()
