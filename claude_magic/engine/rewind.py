"""Which files a turn's tools edited, and what undoing that changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from claude_magic.engine.connection import Connection
from claude_magic.lenient import count, items
from claude_magic.messages import Message, MessageType

_EDITS = frozenset(("Edit", "MultiEdit", "Write", "NotebookEdit"))
_TOOL_USE, _TOOL_RESULT = MessageType.TOOL_USE, MessageType.TOOL_RESULT


@dataclass(frozen=True)
class Rewind:
    """What undoing a turn's file edits would change, or has changed.

    Attributes:
        files: paths of the files.
        deleted: those of them that the turn created, and that are deleted therefore.
        insertions: lines that come back.
        deletions: lines that go.
        done: whether it has been done, and not only looked at.
        not_restorable: what commands changed, which cannot be restored; when going forward again, the files that were
            changed since and are left alone.
        diff: the difference, before anything is done.
        turns: the turns that are taken back, where one goes back to a turn.
    """

    files: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    insertions: int = 0
    deletions: int = 0
    done: bool = False
    not_restorable: tuple[str, ...] = ()
    diff: str = ""
    turns: tuple[Any, ...] = ()


def edited_files(messages: Iterable[Message]) -> dict[str, bool]:
    """Return the files that tools edited or wrote with success, in order, and whether each was created thereby.

    Args:
        messages: a turn's messages.
    """
    files: dict[str, bool] = {}
    wanted: dict[str, str] = {}
    for message in messages:
        if message.type is _TOOL_USE and message.tool_name in _EDITS:
            wanted[message.tool_use_id] = edited_file(message)
        elif message.type is _TOOL_RESULT and not message.is_error and message.tool_use_id in wanted:
            files.setdefault(wanted[message.tool_use_id], created_by(message))
    return files


def edited_file(use: Message) -> str:
    """Return the path of the file that a tool is to edit; "" where it edits none."""
    given = use.tool_input
    return str(given.get("file_path") or given.get("notebook_path") or "") if use.tool_name in _EDITS else ""


def created_by(result: Message) -> bool:
    """Whether a tool made its file; the CLI (2.1.202 and 2.1.332) says so beside the result."""
    outcome = result.raw.get("tool_use_result")
    return isinstance(outcome, dict) and outcome.get("type") == "create"


async def rewind_files(connection: Connection, turn_id: str, edited: Mapping[str, bool], *, dry_run: bool) -> Rewind:
    """Restore the files as they were before a turn.

    Args:
        connection: the CLI whose conversation it is.
        turn_id: uuid of the turn's prompt.
        edited: the files it edited, and whether it created each.
        dry_run: only say what would change.

    Raises:
        ControlError: the CLI cannot restore them.
    """
    # Only the dry run says what changes, so it always comes first.
    facts = await connection.request("rewind_files", user_message_id=turn_id, dry_run=True)
    if not dry_run:
        await connection.request("rewind_files", user_message_id=turn_id, dry_run=False)
    files = tuple(str(path) for path in items(facts.get("filesChanged")))
    deleted = tuple(path for path in files if edited.get(path))
    return Rewind(files, deleted, count(facts.get("insertions")), count(facts.get("deletions")), not dry_run)
