"""The parts of a run: stretches of the answer, thoughts, tool uses and quiet lines, as a person reads them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from claude_magic.rendering.images import Picture
from claude_magic.rendering.patches import Hunk
from claude_magic.rendering.todos import Todo


class ToolState(StrEnum):
    """Where a tool use stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    DENIED = "denied"
    CANCELLED = "cancelled"


_ENDED = frozenset({ToolState.DONE, ToolState.FAILED, ToolState.DENIED, ToolState.CANCELLED})


class TextBuffer:
    """Text that arrives in pieces; joined only when it is read."""

    def __init__(self, text: str = "") -> None:
        self._pieces = [text] if text else []
        self._size = len(text)

    def append(self, piece: str) -> None:
        """Add a piece."""
        self._pieces.append(piece)
        self._size += len(piece)

    def withdraw(self, size: int) -> int:
        """Take back the last `size` characters; return how many there were not."""
        kept = self.read()[: max(0, self._size - size)]
        missing = size - (self._size - len(kept))
        self._pieces, self._size = [kept], len(kept)
        return missing

    def read(self) -> str:
        """Return the whole text."""
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""


@dataclass(eq=False)
class TextPart:
    """A stretch of the answer.

    Attributes:
        buffer: its pieces.
        cache: room for what a renderer has finished of it.
    """

    buffer: TextBuffer = field(default_factory=TextBuffer)
    cache: Any = field(default=None, repr=False)

    @property
    def text(self) -> str:
        """Markdown, without the empty lines that set it off from what came before."""
        return self.buffer.read().lstrip("\n")


@dataclass(eq=False)
class ThinkingPart:
    """What the model thought.

    Attributes:
        started: when its first word came, in unix seconds.
        ended: when its last word came, in unix seconds.
        buffer: its pieces.
    """

    started: float
    ended: float
    buffer: TextBuffer = field(default_factory=TextBuffer)

    @property
    def text(self) -> str:
        """The thought."""
        return self.buffer.read().strip("\n")

    @property
    def duration_s(self) -> float:
        """From the first to the last word, in seconds."""
        return max(0.0, self.ended - self.started)


@dataclass(eq=False)
class ToolPart:
    """One use of a tool.

    Attributes:
        id: id of the tool use.
        name: name of the tool.
        input: what it was given, secrets redacted.
        edited: whether a person gave it this input in place of the model's.
        state: where it stands.
        started: when it was asked for; where a person had to allow it, when they did. In unix seconds.
        ended: when it ended, in unix seconds; `None` while it has not.
        result: what it gave back, as text.
        todos: the to-do list after it, for a tool that changed or listed it.
        patch: what it changed in a file, with the lines around, where the CLI says so.
        pictures: what it gave back to look at.
        children: the tool uses of the subagent it started, in order.
        parent: id of the tool use that started the subagent this is from, or "".
        cache: room for what a renderer has finished of it.
    """

    id: str
    name: str
    input: dict[str, Any]
    started: float
    parent: str = ""
    state: ToolState = ToolState.RUNNING
    ended: float | None = None
    result: str = ""
    edited: bool = False
    todos: tuple[Todo, ...] = ()
    patch: tuple[Hunk, ...] = ()
    pictures: tuple[Picture, ...] = ()
    children: list[ToolPart] = field(default_factory=list)
    cache: Any = field(default=None, repr=False)

    @property
    def is_error(self) -> bool:
        """Whether it failed or was denied."""
        return self.state in (ToolState.FAILED, ToolState.DENIED)

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to come of it."""
        return self.state in _ENDED

    def duration_s(self, now: float | None = None) -> float:
        """How long it took, or takes, in seconds; 0 for one that was denied and never ran.

        Args:
            now: the time, in unix seconds, for one that still runs; without it such a one has taken 0 s.
        """
        if self.state is ToolState.DENIED:
            return 0.0
        end = self.ended if self.ended is not None else now
        return max(0.0, end - self.started) if end is not None else 0.0


@dataclass(eq=False)
class NotePart:
    """A quiet line: a retry, a limit, another model.

    Attributes:
        text: the line.
        is_error: whether it reports a failure of the API.
    """

    text: str
    is_error: bool = False


Part = TextPart | ThinkingPart | ToolPart | NotePart
