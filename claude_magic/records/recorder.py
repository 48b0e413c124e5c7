"""`Recorder`: the one observer that feeds the log, the messages and the tools from a single look at each batch."""

from __future__ import annotations

from claude_magic.messages import Batch
from claude_magic.records.blocks import BlockJoiner
from claude_magic.records.log import LogAggregator
from claude_magic.records.messages import MessageRecorder
from claude_magic.records.tools import ToolRecorder


class Recorder:
    """Records what sessions do; on the loop's thread.

    Blocks are joined once for all three, so that a piece of streamed text costs one step of one loop.

    Args:
        log: where the entries go.
        messages: where what was said goes.
        tools: where tool uses go.
    """

    def __init__(
        self,
        log: LogAggregator | None = None,
        messages: MessageRecorder | None = None,
        tools: ToolRecorder | None = None,
    ) -> None:
        self.log = log if log is not None else LogAggregator()
        self.messages = messages if messages is not None else MessageRecorder()
        self.tools = tools if tools is not None else ToolRecorder()
        self._joiner = BlockJoiner()

    def begin(self, session: str, turn: int, turn_id: str, prompt: str, started: float) -> None:
        """Record that a turn begins.

        Args:
            session: name of the session.
            turn: the how-manieth turn of the session.
            turn_id: id of the prompt.
            prompt: its text, secrets redacted; "" for a turn that nobody prompted.
            started: when it was sent, in unix seconds.
        """
        self.messages.begin(session, turn, turn_id, prompt, started)
        self.tools.begin(session, turn, turn_id)

    def add(self, batch: Batch) -> None:
        """Take a batch as it came from the CLI."""
        self.log.count(batch.session, len(batch.messages))
        self._take(self._joiner.join(batch))

    def end(self, session: str) -> None:
        """Record that a turn is over, with the block it left open if its process is gone."""
        self._take(self._joiner.end(session))
        self.log.turn_over(session)

    def forget(self, session: str) -> None:
        """Drop all that was recorded of a session."""
        self._joiner.forget(session)
        self.log.forget(session)
        self.messages.forget(session)
        self.tools.forget(session)

    def _take(self, wholes: list[Batch]) -> None:
        for whole in wholes:
            self.log.add_joined(whole)
            self.messages.add_joined(whole)
            self.tools.add(whole)
