"""`Recorder`: the one observer that feeds all records of messages from a single look at each batch."""

from __future__ import annotations

from collections.abc import Collection

from claude_magic.messages import Batch
from claude_magic.observers import ObserverGuard
from claude_magic.records.blocks import BlockAssembler
from claude_magic.records.describe import Level
from claude_magic.records.log import LogAggregator
from claude_magic.records.message_records import MessageRecorder
from claude_magic.records.spans import SpanRecorder
from claude_magic.records.tool_uses import ToolRecorder


class Recorder:
    """Records what sessions do; on the loop's thread.

    Blocks are joined once for all of them, so that a piece of streamed text costs one step of one loop. A message that
    one of them cannot take is missing there, and nowhere else.

    Args:
        log: where the entries go.
        guard: calls what takes messages; one of its own if not given.
    """

    def __init__(self, log: LogAggregator | None = None, guard: ObserverGuard | None = None) -> None:
        self.log = log if log is not None else LogAggregator()
        self.messages = MessageRecorder()
        self.tools = ToolRecorder()
        self.spans = SpanRecorder()
        self._guard = guard or ObserverGuard()
        self._assembler = BlockAssembler()
        self._running: dict[str, str] = {}

    def begin_turn(
        self, session: str, turn: int, turn_id: str, prompt: str, started: float, asked: float | None = None
    ) -> None:
        """Record that a turn begins.

        Args:
            session: name of the session.
            turn: number of the turn in its session, from 1.
            turn_id: id of the prompt.
            prompt: its text, secrets redacted; "" for an unprompted turn.
            started: when it was sent, in unix seconds.
            asked: when it was handed in, in the same form; `None` means at the same time.
        """
        self._running[session] = turn_id
        self.messages.begin_turn(session, turn, turn_id, prompt, started)
        self.tools.begin_turn(session, turn, turn_id)
        self.spans.begin_turn(session, turn, turn_id, started if asked is None else asked, started)

    def add_batch(self, batch: Batch) -> None:
        """Take a batch as it came from the CLI."""
        self.log.count_lines(batch)
        self._record(self._assembler.assemble(batch))

    def add_note(
        self, session: str, level: Level | str, message: str, source: str = "engine", turn_id: str | None = None
    ) -> None:
        """Log something that is not a message of the CLI, after the text before it; see `LogAggregator.add_note`."""
        self._record(self._assembler.end_block(session))
        self.log.add_note(session, level, message, source, turn_id)

    def end_turn(self, session: str) -> None:
        """Record that a turn is over, with the block it left open if its process is gone."""
        self._running.pop(session, None)
        self._record(self._assembler.end_block(session))
        self.log.end_turn(session)
        self.spans.end_turn(session)

    def end_unsent(self, session: str, turn_id: str) -> None:
        """Record that a turn came to nothing; another one of its session may be running."""
        if self._running.get(session) == turn_id:
            self.end_turn(session)

    def forget_closed(self, open_sessions: Collection[str]) -> None:
        """Let go of what only open sessions need, so that any number of them may come and go.

        What a closed session did stays readable as long as there is room for it.

        Args:
            open_sessions: names of the sessions that are open.
        """
        needed = {*open_sessions, *self._running}
        self._assembler.forget_closed(needed)
        self.log.forget_closed(needed)
        self.messages.forget_closed(needed)
        self.tools.forget_closed(needed)
        self.spans.forget_closed(needed)

    def _record(self, wholes: list[Batch]) -> None:
        recorders = (
            ("The log", self.log.add_message),
            ("The record of messages", self.messages.add_message),
            ("The record of tools", self.tools.add_message),
            ("The record of times", self.spans.add_message),
        )
        for whole in wholes:
            for name, add_message in recorders:
                self._guard.call_each(name, add_message, whole, whole.messages)
