"""`TurnTasks`: submitted turns, each as a task that waits for its place, runs and ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial

from claude_magic.clock import steady
from claude_magic.engine.managed_session import ManagedSession
from claude_magic.engine.pool import SessionPool
from claude_magic.engine.starting import Trace
from claude_magic.engine.turn import Turn

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
