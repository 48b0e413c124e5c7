"""A prompt on its way: `TurnTasks` runs its turn, `AsyncStream` follows what comes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any, Self

from claude_magic.clock import steady
from claude_magic.engine.managed_session import ManagedSession
from claude_magic.engine.pool import SessionPool
from claude_magic.engine.starting import Trace
from claude_magic.engine.turn import Turn
from claude_magic.messages import Message
from claude_magic.response import Response

logger = logging.getLogger("claude_magic")


class TurnTasks:
    """Runs the turns of all sessions; a session takes one at a time, in the order of submitting.

    Args:
        pool: gives the processes.
        trace: told when a turn begins and when it is over.
        on_unsent: told of a turn that failed before its prompt was sent.
    """

    def __init__(self, pool: SessionPool, trace: Trace, on_unsent: Callable[[Turn], None]) -> None:
        self._pool = pool
        self._trace = trace
        self._on_unsent = on_unsent
        self._tasks: set[asyncio.Task[None]] = set()

    def submit(self, session: ManagedSession, turn: Turn) -> None:
        """Give a turn its place in the order of its session, and begin to run it.

        Raises:
            SessionClosedError: the session was closed.
        """
        session.enqueue(turn)
        turn.task = asyncio.create_task(self._run(session, turn))
        self._tasks.add(turn.task)
        turn.task.add_done_callback(partial(self._task_over, session, turn))

    async def wait(self) -> None:
        """Return when every turn that was submitted is over."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _task_over(self, session: ManagedSession, turn: Turn, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        # Dropped in the very moment of asking, it never got to its own clean-up.
        session.cancel(turn)

    async def _run(self, session: ManagedSession, turn: Turn) -> None:
        self._trace("turn", {"session": session.name, "turn_id": turn.id})
        try:
            with steady():
                await session.run(turn, self._pool.lease)
        except Exception as error:
            logger.exception("a turn failed in a way it should not")
            turn.fail(error)
        finally:
            if turn.error is not None and turn.response is None:
                self._on_unsent(turn)
            self._trace("turn_over", {"session": session.name, "turn_id": turn.id, "error": str(turn.error or "")})
            self._pool.turn_over(session)


class AsyncStream:
    """A prompt's messages as they come. Use it in `async with`: leaving early interrupts the turn.

    Args:
        turn: the turn to follow.
        submit: starts it.
        interrupt: ends it.
    """

    def __init__(self, turn: Turn, submit: Callable[[Turn], None], interrupt: Callable[[Turn], Any]) -> None:
        self._turn = turn
        self._submit = submit
        self._interrupt = interrupt

    @property
    def response(self) -> Response:
        """The response, once the stream is over; for a failed turn, what there was.

        Raises:
            RuntimeError: the stream is not over yet.
            ClaudeError: the turn failed before anything was sent.
        """
        if self._turn.response is None and self._turn.error is not None:
            raise self._turn.error
        if self._turn.response is None:
            raise RuntimeError("The response is there when the stream is over: read it to its end first.")
        return self._turn.response

    @property
    def turn_id(self) -> str:
        """The uuid of the prompt, which joins all records."""
        return self._turn.id

    async def __aenter__(self) -> Self:
        self._begin()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """End the turn, if it is not over, and return when it is: the first time by asking, then by force."""
        if not self._turn.is_over and self._turn.task is not None:
            await self._interrupt(self._turn)
            await asyncio.wait([self._turn.task])

    def _begin(self) -> None:
        if self._turn.task is None:
            self._submit(self._turn)

    async def __aiter__(self) -> AsyncIterator[Message]:
        async for batch in self.batches():
            for message in batch:
                yield message

    async def wait(self) -> Response:
        """Return the response when the turn is over; who needs no messages is not woken by any.

        Raises:
            ClaudeError: the turn ended in an error; it carries `response`.
        """
        self._begin()
        await self._turn.wait_until_over()
        if self._turn.error is not None:
            raise self._turn.error
        return self.response

    async def batches(self, every_s: float = 0.0) -> AsyncIterator[list[Message]]:
        """Yield the messages in the batches they arrived in.

        Args:
            every_s: let this time pass between two batches of streamed text, in seconds.

        Raises:
            ClaudeError: after the last message, if the turn ended in an error; it carries `response`.
        """
        self._begin()
        async for batch in self._turn.updates(every_s):
            yield batch
        if self._turn.error is not None:
            raise self._turn.error
