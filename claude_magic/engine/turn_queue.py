"""`TurnQueue`: the prompts of one session that wait, in an order that may be changed; one runs at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from claude_magic.engine.turn import Turn, prompt_text
from claude_magic.redaction import Redactor


@dataclass(frozen=True)
class QueuedPrompt:
    """A prompt that waits in a session.

    Attributes:
        turn_id: uuid of the prompt.
        place: 1 for the one that is next.
        prompt: what was asked, as text.
        asked: when, in unix seconds.
        steers: it is sent in with the next step of the running turn, if there is one; else it is next.
    """

    turn_id: str
    place: int
    prompt: str
    asked: float
    steers: bool


class TurnQueue:
    """The turns of a session that wait for their place. Lives on the loop thread."""

    def __init__(self) -> None:
        self._waiting: list[Turn] = []
        self._alone = asyncio.Lock()

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, turn: Turn) -> bool:
        return turn in self._waiting

    @property
    def waiting(self) -> list[Turn]:
        """Those that wait, the next one first."""
        return list(self._waiting)

    def put(self, turn: Turn) -> None:
        """Let a turn wait behind the others; one that steers waits before all that do not."""
        place = sum(one.steers for one in self._waiting) if turn.steers else len(self._waiting)
        self._waiting.insert(place, turn)

    def remove(self, turn: Turn) -> None:
        """Take a turn out, if it waits."""
        if turn in self._waiting:
            self._waiting.remove(turn)

    def listed(self, redactor: Redactor) -> list[QueuedPrompt]:
        """Return what there is to know about those that wait, the next one first."""
        return [
            QueuedPrompt(turn.id, place, redactor.text(prompt_text(turn.prompt)), turn.asked, turn.steers)
            for place, turn in enumerate(self._waiting, 1)
        ]

    def find(self, turn_id: str) -> Turn:
        """Return the turn of a prompt that waits.

        Raises:
            ValueError: it does not wait, or no longer.
        """
        for turn in self._waiting:
            if turn.id == turn_id:
                return turn
        raise ValueError("No such prompt waits there: it has begun, was withdrawn, or never was.")

    def move(self, turn: Turn, place: int) -> None:
        """Give a turn that waits another place.

        Args:
            turn: it.
            place: from 1; beyond the end is the last.
        """
        self._waiting.remove(turn)
        self._waiting.insert(max(0, place - 1), turn)

    @asynccontextmanager
    async def turn(self, turn: Turn) -> AsyncIterator[None]:
        """Wait until a turn that was put in is the next one and none runs; it is taken out, and runs in the block."""
        while True:
            async with self._alone:
                if self._waiting[:1] == [turn] or turn not in self._waiting:
                    self.remove(turn)
                    yield
                    return
            await asyncio.sleep(0)  # the one that is first may not have begun to wait yet

    @asynccontextmanager
    async def between_turns(self) -> AsyncIterator[None]:
        """Wait until none runs; none begins in the block."""
        async with self._alone:
            yield
