"""`AsyncStream`: one prompt's messages as they come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Self

from claude_magic.engine.turn import Turn
from claude_magic.messages import Message
from claude_magic.response import Response


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

    async def batches(self) -> AsyncIterator[list[Message]]:
        """Yield the messages in the batches they arrived in.

        Raises:
            ClaudeError: after the last message, if the turn ended in an error; it carries `response`.
        """
        self._begin()
        async for batch in self._turn.updates():
            yield batch
        if self._turn.error is not None:
            raise self._turn.error
