"""`Recorder`: the one observer that feeds all records of messages from a single look at each batch."""

from __future__ import annotations

from collections.abc import Collection

from claude_magic.messages import Batch
from claude_magic.observers import ObserverGuard
from claude_magic.records.blocks import BlockJoiner
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
        self._joiner = BlockJoiner()
        self._running: dict[str, str] = {}

    def begin(
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
        self.messages.begin(session, turn, turn_id, prompt, started)
        self.tools.begin(session, turn, turn_id)
        self.spans.begin(session, turn, turn_id, started if asked is None else asked, started)

    def add(self, batch: Batch) -> None:
        """Take a batch as it came from the CLI."""
        self.log.count(batch)
        self._take(self._joiner.join(batch))

    def note(
        self, session: str, level: Level | str, message: str, source: str = "engine", turn_id: str | None = None
    ) -> None:
        """Log something that is not a message of the CLI, after the text before it; see `LogAggregator.note`."""
        self._take(self._joiner.end(session))
        self.log.note(session, level, message, source, turn_id)

    def end(self, session: str) -> None:
        """Record that a turn is over, with the block it left open if its process is gone."""
        self._running.pop(session, None)
        self._take(self._joiner.end(session))
        self.log.turn_over(session)
        self.spans.end(session)

    def unsent(self, session: str, turn_id: str) -> None:
        """Record that a turn came to nothing; another one of its session may be running."""
        if self._running.get(session) == turn_id:
            self.end(session)

    def keep_open(self, sessions: Collection[str]) -> None:
        """Let go of what only open sessions need, so that any number of them may come and go.

        What a closed session did stays readable as long as there is room for it.

        Args:
            sessions: names of the sessions that are open.
        """
        needed = {*sessions, *self._running}
        self._joiner.keep_open(needed)
        self.log.keep_open(needed)
        self.messages.keep_open(needed)
        self.tools.keep_open(needed)
        self.spans.keep_open(needed)

    def _take(self, wholes: list[Batch]) -> None:
        takers = (
            ("The log", self.log.take),
            ("The record of messages", self.messages.take),
            ("The record of tools", self.tools.take),
            ("The record of times", self.spans.take),
        )
        for whole in wholes:
            for message in whole.messages:
                for name, take in takers:
                    self._guard.call(name, take, whole, message)
