"""`Recorder`: the one observer that feeds all records of messages from a single look at each batch."""

from __future__ import annotations

from claude_magic.messages import Batch
from claude_magic.records.blocks import BlockJoiner
from claude_magic.records.log import LogAggregator
from claude_magic.records.messages import MessageRecorder
from claude_magic.records.spans import SpanRecorder
from claude_magic.records.tools import ToolRecorder


class Recorder:
    """Records what sessions do; on the loop's thread.

    Blocks are joined once for all of them, so that a piece of streamed text costs one step of one loop.

    Args:
        log: where the entries go.
        messages: where what was said goes.
        tools: where tool uses go.
        spans: where the stretches of time go.
    """

    def __init__(
        self,
        log: LogAggregator | None = None,
        messages: MessageRecorder | None = None,
        tools: ToolRecorder | None = None,
        spans: SpanRecorder | None = None,
    ) -> None:
        self.log = log if log is not None else LogAggregator()
        self.messages = messages if messages is not None else MessageRecorder()
        self.tools = tools if tools is not None else ToolRecorder()
        self.spans = spans if spans is not None else SpanRecorder()
        self._joiner = BlockJoiner()

    def begin(
        self, session: str, turn: int, turn_id: str, prompt: str, started: float, asked: float | None = None
    ) -> None:
        """Record that a turn begins.

        Args:
            session: name of the session.
            turn: the how-manieth turn of the session.
            turn_id: id of the prompt.
            prompt: its text, secrets redacted; "" for a turn that nobody prompted.
            started: when it was sent, in unix seconds.
            asked: when it was handed in, likewise; `None` is at the same time.
        """
        self.messages.begin(session, turn, turn_id, prompt, started)
        self.tools.begin(session, turn, turn_id)
        self.spans.begin(session, turn, turn_id, started if asked is None else asked, started)

    def add(self, batch: Batch) -> None:
        """Take a batch as it came from the CLI."""
        self.log.count(batch)
        self._take(self._joiner.join(batch))

    def end(self, session: str) -> None:
        """Record that a turn is over, with the block it left open if its process is gone."""
        self._take(self._joiner.end(session))
        self.log.turn_over(session)
        self.spans.end(session)

    def forget(self, session: str) -> None:
        """Drop all that was recorded of a session."""
        self._joiner.forget(session)
        self.log.forget(session)
        self.messages.forget(session)
        self.tools.forget(session)
        self.spans.forget(session)

    def _take(self, wholes: list[Batch]) -> None:
        for whole in wholes:
            self.log.add_joined(whole)
            self.messages.add_joined(whole)
            self.tools.add(whole)
            self.spans.add(whole)
