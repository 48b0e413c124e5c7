"""Waiting for work that blocks, from a coroutine."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


async def in_daemon_thread(work: Callable[[], T], name: str) -> T:
    """Call `work` on a daemon thread of its own, in the caller's context, and return what it returned.

    It may block for ever: unlike an executor's, a daemon thread does not hold the interpreter. When the caller is
    cancelled the work goes on, and its result is dropped.

    Args:
        work: what to do.
        name: name of the thread.

    Raises:
        RuntimeError: the work raised what ends a program, such as SystemExit; it ends this thread only.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def settle(result: Any, failure: BaseException | None) -> None:
        if done.done():
            return
        if failure is None:
            done.set_result(result)
        else:
            done.set_exception(failure)

    def run() -> None:
        result: Any = None
        failure: BaseException | None = None
        try:
            result = context.run(work)
        except StopIteration:  # a future takes none; so does a coroutine, which then says the same
            failure = RuntimeError("it raised StopIteration")
        except Exception as error:
            failure = error
        except BaseException as error:
            failure = RuntimeError(f"it raised {type(error).__name__}")
        with contextlib.suppress(RuntimeError):  # the loop is closed: the result is not waited for
            loop.call_soon_threadsafe(settle, result, failure)

    threading.Thread(target=run, name=name, daemon=True).start()
    return await done
