"""The seam between a turn and those that look on: records, history, tape, log sinks, tracer, the user's own callables.

Whatever an observer raises, the turn goes on. The failure is said once, as a warning of Python's `logging` (a notebook
shows it in the cell that runs), and the observer is switched off where the caller says how.
"""

from __future__ import annotations

import inspect
import logging
import threading
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

logger = logging.getLogger("claude_magic")

S = TypeVar("S")
T = TypeVar("T")


class ObserverGuard:
    """Calls observers, and keeps what they raise away from the caller.

    Attributes:
        note: told the words of each warning too, for the log; may be set at any time.
    """

    def __init__(self) -> None:
        self.note: Callable[[str], object] = lambda text: None
        self._said: set[str] = set()

    def call(
        self, name: str, observer: Callable[..., object], *arguments: object, off: Callable[[], object] | None = None
    ) -> bool:
        """Call an observer.

        Args:
            name: what it is, at the beginning of a sentence. Where it is not switched off, its first failure is said.
            observer: a plain callable; a coroutine function counts as failed.
            arguments: what it gets.
            off: switches it off when it fails; without it, it is called again next time.

        Returns:
            Whether it did not fail.

        Raises:
            KeyboardInterrupt: on the main thread: that is the user's Ctrl-C.
        """
        try:
            result = observer(*arguments)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
                raise
            failure = error
        else:
            if result is None or not inspect.iscoroutine(result):
                return True
            result.close()
            failure = TypeError("it is a coroutine function, and only plain ones are called")
        if off is not None:
            with suppress(Exception):
                off()
        self._failed(name, failure, is_off=off is not None)
        return False

    def call_each(self, name: str, observer: Callable[[S, T], None], batch: S, messages: Iterable[T]) -> None:
        """Call an observer of ours with each message of a batch; one that it cannot take is missed, and no other.

        Args:
            name: what it is, at the beginning of a sentence; only its first failure is said.
            observer: a plain function.
            batch: what it gets first.
            messages: what it gets next, one after the other.

        Raises:
            KeyboardInterrupt: on the main thread, as in `call`.
        """
        rest = iter(messages)
        while True:
            try:
                for message in rest:
                    observer(batch, message)
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
                    raise
                self._failed(name, error, is_off=False)
            else:
                return

    def _failed(self, name: str, failure: BaseException, *, is_off: bool) -> None:
        if is_off or name not in self._said:  # what is switched off fails only once, others may share its name
            self._said.add(name)
            self._say(name, failure, "is switched off" if is_off else "misses something")

    def tell(self, observers: list[Callable[[T], None]], value: T) -> None:
        """Call each of the user's observers with a value; one that fails is taken off the list.

        Args:
            observers: they; one of them may change the list meanwhile.
            value: what they get.
        """
        for observer in list(observers):
            off = partial(_take_off, observers, observer)
            self.call(f"The observer {name_of(observer)}", observer, value, off=off)

    def _say(self, name: str, failure: BaseException, consequence: str) -> None:
        text = f"{name} {consequence}, the turn goes on: {described(failure)}"
        with suppress(Exception):  # a filter or a handler of the user's may raise as well
            logger.warning("%s", text)
            logger.debug("what failed", exc_info=failure)
        with suppress(Exception):
            self.note(text)


def _take_off(observers: list[Callable[[T], None]], observer: Callable[[T], None]) -> None:
    with suppress(ValueError):  # it took itself off
        observers.remove(observer)


def described(failure: BaseException) -> str:
    """Return an exception in one line, with the place in the code that raised it."""
    try:
        text = f"{type(failure).__name__}: {failure}".rstrip(": ")
    except Exception:
        text = type(failure).__name__
    frames = traceback.extract_tb(failure.__traceback__)
    if isinstance(failure, OSError) or not frames:
        return text
    return f"{text} ({Path(frames[-1].filename).name}, line {frames[-1].lineno})"


def name_of(observer: object) -> str:
    """Return what an observer is called, also where its own `repr` fails."""
    try:
        return str(getattr(observer, "__qualname__", None) or repr(observer))
    except Exception:
        return f"<{type(observer).__name__}>"
