"""`Steering`: prompts that are sent in while a turn runs, with its next step.

What is written to the CLI while a tool runs is read by the model with the tool's result, as what the user said
meanwhile; the CLI echoes it then (2.1.197 and 2.1.332). What is written while text streams waits in the CLI, and is
merged with whatever else waits. So a prompt is only written while a tool runs, and before that it waits here; what the
CLI has not read when the turn ends is taken back, and is the next turn.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable

from claude_magic.engine.connection import Connection
from claude_magic.engine.turn import Turn, prompt_text
from claude_magic.engine.turn_queue import TurnQueue
from claude_magic.errors import ClaudeError

logger = logging.getLogger("claude_magic")


class Steering:
    """Sends the prompts of a queue in that steer.

    Args:
        queue: the prompts that wait.
        taken: told of a prompt when the model has read it; its turn is over then.
    """

    def __init__(self, queue: TurnQueue, taken: Callable[[Turn], None]) -> None:
        self._queue = queue
        self._taken = taken
        self._out: dict[str, Turn] = {}
        self._writing: set[asyncio.Task[None]] = set()

    def look(self, running: Turn, connection: Connection) -> None:
        """Something came from the CLI: where a tool runs, send in what waits for that."""
        if not running.open_tools:
            return
        for turn in self._queue.waiting:
            if turn.steers and turn not in self._out.values() and _can_be_read_with_a_step(turn):
                # With an id of its own: the CLI swallows one that it has seen, and this may be taken back.
                number = str(uuid.uuid4())
                self._out[number] = turn
                task = asyncio.create_task(self._write(connection, turn, number))
                self._writing.add(task)
                task.add_done_callback(self._writing.discard)

    async def _write(self, connection: Connection, turn: Turn, number: str) -> None:
        try:
            await connection.send_prompt(turn, number)
        except ClaudeError as error:
            self._out.pop(number, None)
            logger.debug("a prompt could not be sent in: %s", error)

    def on_echo(self, number: str) -> None:
        """The CLI has read a message: perhaps one that was sent in."""
        turn = self._out.pop(number, None)
        if turn is not None:
            self._taken(turn)

    async def settle(self, connection: Connection) -> None:
        """The turn is over: take back what was not read. What the CLI has begun by itself meanwhile counts as read."""
        for number, turn in list(self._out.items()):
            try:
                answer = await connection.request("cancel_async_message", message_uuid=number)
            except ClaudeError:
                answer = {"cancelled": True}  # the CLI is gone, and what it had not read with it
            if self._out.pop(number, None) is not None and not answer.get("cancelled"):
                self._taken(turn)


def _can_be_read_with_a_step(turn: Turn) -> bool:
    """Whether a prompt asks for nothing that only a turn of its own can give: a model, a mode, a schema, a command."""
    own = (turn.model, turn.permission_mode, turn.json_schema)
    is_command = not turn.literal and prompt_text(turn.prompt).lstrip().startswith("/")
    return not any(own) and not is_command
