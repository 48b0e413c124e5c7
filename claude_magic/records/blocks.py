"""`BlockAssembler`: streamed pieces of text and thinking joined to whole blocks, so that records are made of these."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from claude_magic.messages import Batch, Message, MessageDetails, MessageType

_TEXT, _THINKING, _EVENT, _BLOCK = MessageType.TEXT, MessageType.THINKING, MessageType.EVENT, MessageType.BLOCK
_ENDS_A_BLOCK = (_TEXT, _THINKING, _BLOCK, MessageType.INIT, MessageType.ERROR, MessageType.RESULT)


class WholeBlock(Message, gc=False):
    """A block of text or thinking, joined; it has no line of its own, and `received` is when it ended.

    Attributes:
        began: when its first piece arrived, in unix seconds.
    """

    began: float = 0.0


@dataclass(slots=True)
class _OpenBlock:
    """The block of a session that is being streamed; `kind` is `None` between blocks."""

    kind: MessageType | None = None
    pieces: list[str] = field(default_factory=list)
    session_id: str = ""
    turn_id: str = ""
    began: float = 0.0
    received: float = 0.0

    def end(self, received: float) -> WholeBlock:
        """Return the whole block as one message."""
        whole = WholeBlock(self.kind or _TEXT, "".join(self.pieces), b"", received, began=self.began)
        self.kind = None
        self.pieces.clear()
        return whole

    def withdraw(self, count: int) -> int:
        """Take back up to `count` characters of a text; return how many are left to take from earlier blocks."""
        if self.kind is not _TEXT:
            return count
        text = "".join(self.pieces)
        self.pieces[:] = [text[: max(0, len(text) - count)]]
        return max(0, count - len(text))


class BlockAssembler:
    """Reduces batches to what is worth a record: whole blocks, and the messages that are not parts of one.

    A thousand pieces cost one short loop. Subagents, running tools and stderr may speak while a block is
    streamed; they do not split it, and come before it. Technical events are left out.
    """

    def __init__(self) -> None:
        self._open: dict[str, _OpenBlock] = {}

    def assemble(self, batch: Batch) -> list[Batch]:
        """Return what is complete now: one batch, and before it one more where a dead turn left a block open."""
        block = self._open.get(batch.session)
        if block is None:
            block = self._open[batch.session] = _OpenBlock()
        done = self.end_block(batch.session) if block.turn_id != batch.turn_id else []
        block.session_id, block.turn_id = batch.session_id, batch.turn_id
        whole = self._whole(batch.messages, block)
        if batch.messages:
            block.received = batch.messages[-1].received
        if whole:
            done.append(Batch(batch.session, batch.session_id, batch.turn_id, whole))
        return done

    def end_block(self, session: str) -> list[Batch]:
        """End a session's open block, because nothing more comes; return it, or nothing."""
        block = self._open.get(session)
        if block is None or block.kind is None:
            return []
        return [Batch(session, block.session_id, block.turn_id, [block.end(block.received)])]

    def forget_closed(self, open_sessions: Collection[str]) -> None:
        """Drop what is open of all other sessions."""
        for session in self._open.keys() - set(open_sessions):
            del self._open[session]

    def _whole(self, messages: list[Message], block: _OpenBlock) -> list[Message]:
        whole: list[Message] = []
        running, collect = block.kind, block.pieces.append
        for message in messages:
            kind = message.type
            if kind is running:
                collect(message.text)
            elif kind is not _EVENT:
                self._step(message, block, whole)
                running = block.kind
        return whole

    def _step(self, message: Message, block: _OpenBlock, whole: list[Message]) -> None:
        """Take a message that does not continue the open block."""
        kind = message.type
        withdrawn = message.withdrawn
        if withdrawn:
            rest = block.withdraw(withdrawn)
            text = f"the CLI took back the last {withdrawn} characters of its answer"
            message = Message(kind, text, message.line, message.received, MessageDetails(withdrawn=rest))
        ends = kind in _ENDS_A_BLOCK or withdrawn or (kind is MessageType.TOOL_USE and not message.parent_tool_use_id)
        if ends and block.kind is not None:
            whole.append(block.end(message.received))
        if kind is _TEXT or kind is _THINKING:
            block.kind, block.began = kind, message.received
            block.pieces.append(message.text)
        elif kind is not _BLOCK:
            whole.append(message)
