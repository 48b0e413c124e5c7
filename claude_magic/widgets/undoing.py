"""Undoing the file edits of a session's last turn: look first, then restore."""

from __future__ import annotations

from concurrent.futures import Future

from claude_magic.blocking import ClaudeClient
from claude_magic.edits import Rewind
from claude_magic.errors import ClaudeError
from claude_magic.rendering.text import plural
from claude_magic.session import Session
from claude_magic.widgets.hub import Channel
from claude_magic.widgets.protocol import Undo

NOT_COVERED = "What Bash commands did is not covered."


def undo_words(rewind: Rewind) -> str:
    """Return what undoing changes, or has changed, for a person."""
    if not rewind.files:
        return f"The last turn edited no file. {NOT_COVERED}"
    verb = "Restored" if rewind.done else "Would restore"
    files = "\n".join(f"  {path}" for path in rewind.files)
    count = plural(len(rewind.files), "file")
    return f"{verb} {count} (+{rewind.insertions} −{rewind.deletions} lines):\n{files}\n{NOT_COVERED}"


def undo_on_page(client: ClaudeClient, session: Session, channel: Channel, dry_run: bool) -> None:
    """Undo, or look at what that would change, and tell the page when it is known; called on any thread."""

    def tell(done: Future[Rewind]) -> None:
        error = done.exception()
        undo: Undo = {"files": [], "insertions": 0, "deletions": 0, "done": False, "error": ""}
        if error is not None:
            undo["error"] = error.message if isinstance(error, ClaudeError) else str(error)
        else:
            rewind = done.result()
            undo["files"], undo["done"] = list(rewind.files), rewind.done
            undo["insertions"], undo["deletions"] = rewind.insertions, rewind.deletions
        channel.set({"undo": undo})

    client.undo_soon(session, dry_run=dry_run).add_done_callback(tell)
