"""`--bg`: a prompt that runs on when its cell is over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future
from typing import Any

from claude_magic.background_loop import until_done, wait_for
from claude_magic.errors import ClaudeError
from claude_magic.magics.prompting import in_words
from claude_magic.response import Response
from claude_magic.strings import opening

_LONGEST_REPORT = 300


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
        self._is_taken = False

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
            UsageError: there is no object for `--schema`, or it does not fit.
            TimeoutError: it is not over yet; it goes on.
        """
        try:
            until_done(self._answer, timeout_s=timeout_s)
        except TimeoutError:
            words = f"The session {self.session!r} still works after {timeout_s:g} s; stop() would end it."
            raise TimeoutError(words) from None
        self._is_taken = True
        return self._answer.result()

    def stop(self) -> None:
        """End the turn, if it is not over, and return when its ending is shown; text and session are kept."""
        if not self.is_done:
            wait_for(self._stop())
            until_done(self._answer)

    def __await__(self) -> Generator[Any, None, Any]:
        try:
            return (yield from asyncio.wrap_future(self._answer).__await__())
        finally:
            self._is_taken = self.is_done

    def __repr__(self) -> str:
        return f"<BackgroundRun of session {self.session!r}: {self.state}>"

    @property
    def failure(self) -> str:
        """What went wrong, as lines; "" if nothing did, or nothing yet, or the caller of `result` knows."""
        error = self._answer.exception() if self.is_done and not self._is_taken else None
        return in_words(error) if isinstance(error, ClaudeError) else str(error or "")

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
    """Shows what is left to be shown of background runs when the next cell is over, as a shell does of its jobs."""

    def __init__(self) -> None:
        self._runs: list[tuple[BackgroundRun, Callable[[], str]]] = []

    def watch(self, run: BackgroundRun, show: Callable[[], str]) -> None:
        """Have a run shown when it is over.

        Args:
            run: the run.
            show: called then, in another cell, on its thread; returns what is to be printed there.
        """
        self._runs.append((run, show))

    def tell(self) -> None:
        """Show what is left of the runs that have ended since."""
        done = [pair for pair in self._runs if pair[0].is_done]
        self._runs = [pair for pair in self._runs if pair not in done]
        for run, show in done:
            words = show()
            if words:
                print(f"In the background, session {run.session!r}:\n{words}")


class Unasked:
    """Tells of turns that no prompt asked for, such as the report of a background task, when the next cell is over."""

    def __init__(self) -> None:
        self._ended: list[Response] = []

    def note(self, response: Response) -> None:
        """A turn is over; called on the loop's thread."""
        if not response.prompt:
            self._ended.append(response)

    def tell(self) -> None:
        """Print what has come since, in a few lines."""
        ended, self._ended = self._ended, []
        for response in ended:
            words = opening(response.text, _LONGEST_REPORT) or str(response.outcome)
            print(
                f"Session {response.session!r}, unasked (a background task reported, ${response.cost_usd:.4f}): {words}"
            )
