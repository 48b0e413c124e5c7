"""`--bg`: a prompt that runs on when its cell is over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future
from typing import Any

from claude_magic.errors import ClaudeError
from claude_magic.response import Response
from claude_magic.runtime import wait_for


class BackgroundRun:
    """A prompt that runs in the background; what `-o VAR` gets with `--bg`.

    `run.result()` waits for the answer, `await run` does so in async code, and `run.stop()` ends it.

    Args:
        session: name of the session.
        answer: brings what the cell would have put into `-o VAR`.
        stop: ends the turn; its future is done when it is over.

    Attributes:
        session: name of the session.
    """

    def __init__(self, session: str, answer: Future[Any], stop: Callable[[], Future[Any]]) -> None:
        self.session = session
        self._answer = answer
        self._stop = stop
        self._began = time.monotonic()

    @classmethod
    def over(cls, session: str, value: Any) -> BackgroundRun:
        """Return a run that is over, with its result."""
        answer: Future[Any] = Future()
        answer.set_result(value)
        return cls(session, answer, lambda: answer)

    @property
    def is_done(self) -> bool:
        """Whether it is over: answered, stopped or failed."""
        return self._answer.done()

    def result(self, timeout_s: float | None = None) -> Any:
        """Wait until it is over, and return what the cell would have put into `-o VAR`.

        Args:
            timeout_s: longest to wait, in seconds; `None` is for ever.

        Returns:
            The `Response`, or with `--schema` the object. A stopped run has a response too: what there was.

        Raises:
            ClaudeError: the turn failed.
            TimeoutError: it is not over yet; it goes on.
        """
        try:
            return wait_for(self._answer, timeout_s=timeout_s)
        except TimeoutError:
            if self._answer.done():
                raise
            words = f"The session {self.session!r} still works after {timeout_s:g} s; stop() would end it."
            raise TimeoutError(words) from None

    def stop(self) -> None:
        """End the turn, if it is not over, and return when it is; text and session are kept."""
        if not self.is_done:
            wait_for(self._stop())

    def __await__(self) -> Generator[Any, None, Any]:
        return asyncio.wrap_future(self._answer).__await__()

    def __repr__(self) -> str:
        return f"<BackgroundRun of session {self.session!r}: {self.state}>"

    @property
    def state(self) -> str:
        """How it stands, in words."""
        if not self.is_done:
            return f"working for {time.monotonic() - self._began:.0f} s"
        error = self._answer.exception()
        if error is not None:
            return f"failed, {error.type if isinstance(error, ClaudeError) else type(error).__name__}"
        value = self._answer.result()
        return str(value.outcome) if isinstance(value, Response) else "done"


class Finished:
    """Tells of background runs that nobody could watch, when the next cell is over, as a shell does of its jobs."""

    def __init__(self) -> None:
        self._runs: list[BackgroundRun] = []

    def watch(self, run: BackgroundRun) -> None:
        """Tell of this run when it is over."""
        self._runs.append(run)

    def lines(self) -> list[str]:
        """Return a line for every run that has ended since."""
        done = [run for run in self._runs if run.is_done]
        self._runs = [run for run in self._runs if run not in done]
        return [f"In the background: session {run.session!r} is over ({run.state})." for run in done]
