"""Which files a turn's tools edited, and what undoing that changes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from claude_magic.messages import Message, MessageType

_EDITS = frozenset(("Edit", "MultiEdit", "Write", "NotebookEdit"))
_TOOL_USE, _TOOL_RESULT = MessageType.TOOL_USE, MessageType.TOOL_RESULT


@dataclass(frozen=True)
class Rewind:
    """What undoing a turn's file edits would change, or has changed.

    Attributes:
        files: paths of the files.
        insertions: lines that come back.
        deletions: lines that go.
        done: whether it has been done, and not only looked at.
    """

    files: tuple[str, ...] = ()
    insertions: int = 0
    deletions: int = 0
    done: bool = False


def edited_files(messages: Iterable[Message]) -> list[str]:
    """Return the files that tools edited or wrote with success, each once, in order.

    Args:
        messages: a turn's messages.
    """
    files: dict[str, None] = {}
    wanted: dict[str, str] = {}
    for message in messages:
        if message.type is _TOOL_USE and message.tool_name in _EDITS:
            given = message.tool_input
            wanted[message.tool_use_id] = str(given.get("file_path") or given.get("notebook_path") or "")
        elif message.type is _TOOL_RESULT and not message.is_error and message.tool_use_id in wanted:
            files[wanted[message.tool_use_id]] = None
    return list(files)
