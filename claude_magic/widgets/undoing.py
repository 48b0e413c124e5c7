"""Undoing the file edits of a session's last turn: look first, then restore."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future
from pathlib import Path

from claude_magic.blocking import ClaudeClient
from claude_magic.engine.rewind import Rewind
from claude_magic.engine.session import Session
from claude_magic.errors import ClaudeError
from claude_magic.rendering.text import plural
from claude_magic.widgets.protocol import Undo
from claude_magic.widgets.run_channel import RunChannel

_MOST_NAMED = 10
NOT_COVERED = "What Bash commands did is not covered."


def lost_words(paths: Iterable[str]) -> str:
    """Return what is to be said of files that commands changed; "" if there are none."""
    names = list(paths)
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"Not restorable, as commands changed it: {', '.join(names[:_MOST_NAMED])}{more}." if names else ""


def undo_words(rewind: Rewind, working_dir: str) -> str:
    """Return what undoing changes, or has changed, for a person.

    Args:
        rewind: what changes.
        working_dir: paths in this directory are shown relative to it.
    """
    lost = lost_words(rewind.not_restorable) or NOT_COVERED
    if not rewind.files:
        return f"The last turn edited no file. {lost}"
    lines = []
    for path in rewind.files:
        fate = "was created by this turn, is deleted" if path in rewind.deleted else "back to what it was before"
        lines.append(f"  {short_path(path, working_dir)}: {fate}")
    verb = "Undone" if rewind.done else "Undoing would change"
    count = plural(len(rewind.files), "file")
    changes = f"{verb}: {count}" if rewind.done else f"{verb} {count}"
    return "\n".join([f"{changes} (+{rewind.insertions} −{rewind.deletions} lines)", *lines, lost])


def short_path(path: str, working_dir: str) -> str:
    """Return a path as a person reads it: relative to the working folder where it is below it."""
    try:
        return str(Path(path).relative_to(working_dir))
    except ValueError:
        return path


def undo_on_page(client: ClaudeClient, session: Session, channel: RunChannel, dry_run: bool) -> None:
    """Undo, or look at what that would change, and tell the page when it is known; called on any thread."""

    def tell(done: Future[Rewind]) -> None:
        error = done.exception()
        undo: Undo = {"files": [], "deleted": [], "insertions": 0, "deletions": 0, "done": False, "error": ""}
        if error is not None:
            undo["error"] = error.message if isinstance(error, ClaudeError) else str(error)
        else:
            rewind = done.result()
            folder = str(session.config.working_dir)
            undo["files"] = [short_path(path, folder) for path in rewind.files]
            undo["deleted"] = [short_path(path, folder) for path in rewind.deleted]
            undo["done"] = rewind.done
            undo["insertions"], undo["deletions"] = rewind.insertions, rewind.deletions
        channel.set({"undo": undo})

    client.undo_soon(session, dry_run=dry_run).add_done_callback(tell)
