"""`%claude rewind` and `%claude redo`: going back to a turn of a session, and forward again; `%claude undo`."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from claude_magic.display.asking import can_ask
from claude_magic.engine.checkpoints import Checkpoint
from claude_magic.engine.session import Session
from claude_magic.magics.context import NotebookContext
from claude_magic.magics.parsing import LineParser, at_least_one
from claude_magic.rendering.text import one_line, plural
from claude_magic.widgets.protocol import RewindData, TurnData
from claude_magic.widgets.undoing import lost_words, short_path, undo_words

if TYPE_CHECKING:
    import pandas as pd

    from claude_magic.engine.rewind import Rewind

REWIND_USAGE = "rewind [TURN] [-s NAME] [--files|--conversation] [--dry-run]"
_COLUMNS = ["turn", "prompt", "started", "files", "not_restorable", "turn_id"]


def undo(context: NotebookContext, rest: str) -> None:
    """Restore the files that the last turn edited: look, ask, restore. Where no one can be asked, it is done at once.

    Calling it again goes one such turn further back. What commands changed is named; it cannot be restored.
    """
    session = context.get_session(rest or "main")
    name, folder = session.name, str(session.config.working_dir)
    look = context.client.undo(name, dry_run=True)
    print(undo_words(look, folder))
    if not look.files:
        return
    sure = _is_sure(context, "Undo these edits?")
    print(undo_words(context.client.undo(name), folder) if sure else "Nothing was changed.")


def rewind(context: NotebookContext, rest: str) -> pd.DataFrame | None:
    """Return the turns of a session; or go back to before one of them: look, ask, do it.

    The files are as they were then, and the conversation has forgotten the turn and what came after it; its prompt
    comes back in a new cell. `--files` and `--conversation` take back only the one. `%claude redo` goes forward again,
    until the next prompt.
    """
    options = _parsed(rest)
    session = context.get_session(options.session)
    if options.turn is None:
        return _table(context, session)
    turn = _numbered(context, session, options.turn)
    both = options.files == options.conversation
    wanted = wanted_parts("both" if both else "files" if options.files else "conversation")
    look = context.client.rewind(session, turn.turn_id, **wanted, dry_run=True)
    print(rewind_words(session, turn, look, conversation=wanted["conversation"]))
    if options.dry_run:
        return None
    if not _is_sure(context, "Go back?"):
        print("Nothing was changed.")
        return None
    print(go_back(context, session, turn, **wanted))
    if wanted["conversation"] and hasattr(context.shell, "set_next_input"):
        context.shell.set_next_input(context.cell_of(turn))
    return None


def go_back(context: NotebookContext, session: Session, turn: Checkpoint, *, files: bool, conversation: bool) -> str:
    """Go back to before a turn, and return what was done."""
    done = context.client.rewind(session, turn.turn_id, files=files, conversation=conversation)
    if conversation:
        context.forget_chain(session)
    parts = [plural(len(done.files), "file") + " restored"] if files else []
    parts += ["the next prompt goes on from there"] if conversation else []
    lost = lost_words(done.not_restorable)
    return " ".join(
        filter(None, [f"Back before turn {turn.turn}: {', '.join(parts)}.", lost, "`%claude redo` undoes it."])
    )


def redo(context: NotebookContext, rest: str) -> None:
    """Take the last `%claude rewind` back, as long as no prompt has run since."""
    session = context.get_session(rest or "main")
    print(go_forward(context, session))


def go_forward(context: NotebookContext, session: Session) -> str:
    """Take the last rewind of a session back, and return what was done."""
    try:
        done = context.client.redo(session)
    except ValueError as error:
        raise UsageError(f"%claude redo: {error}") from None
    context.forget_chain(session)
    folder = str(session.config.working_dir)
    kept = ", ".join(short_path(path, folder) for path in done.not_restorable)
    left = f" Left alone, as they were changed since: {kept}." if kept else ""
    return f"Forward again: {plural(len(done.files), 'file')} as before.{left}"


def rewind_words(session: Session, turn: Checkpoint, look: Rewind, *, conversation: bool) -> str:
    """Return what going back to before a turn would change, for a person."""
    folder = str(session.config.working_dir)
    back = plural(len(look.turns), "turn")
    lines = [f"Going back before turn {turn.turn} ({one_line(turn.prompt, 80)}) takes back {back} of {session.name}:"]
    if conversation:
        lines.append("  conversation: Claude forgets what was said since then")
    for path in look.files:
        fate = "is deleted: it was created since then" if path in look.deleted else "back to what it was then"
        lines.append(f"  {short_path(path, folder)}: {fate}")
    if look.files:
        lines.append(f"  +{look.insertions} −{look.deletions} lines")
    lines += [f"  {lost_words(look.not_restorable)}"] if look.not_restorable else []
    return "\n".join([*lines, *([look.diff] if look.diff else [])])


def turns_data(context: NotebookContext, session: Session) -> list[TurnData]:
    """Return the turns of a session that one can go back to, for a page."""
    folder = str(session.config.working_dir)
    return [
        {
            "turn_id": turn.turn_id,
            "turn": turn.turn,
            "prompt": one_line(turn.prompt, 200),
            "started": turn.started,
            "files": [short_path(path, folder) for path in turn.files],
            "not_restorable": list(turn.not_restorable),
        }
        for turn in context.client.list_turns(session)
    ]


def rewind_data(context: NotebookContext, session: Session, turn_id: str, what: str) -> RewindData:
    """Return what going back to before a turn would change, for a page.

    Args:
        context: what the magics share.
        session: the session.
        turn_id: uuid of the turn's prompt.
        what: "files", "conversation" or "both".
    """
    turn = turn_of(context, session, turn_id)
    wanted = wanted_parts(what)
    look = context.client.rewind(session, turn_id, **wanted, dry_run=True)
    folder = str(session.config.working_dir)
    return {
        "words": rewind_words(session, turn, replace(look, diff=""), conversation=wanted["conversation"]),
        "files": [short_path(path, folder) for path in look.files],
        "deleted": [short_path(path, folder) for path in look.deleted],
        "insertions": look.insertions,
        "deletions": look.deletions,
        "not_restorable": list(look.not_restorable),
        "diff": look.diff,
        "prompt": context.cell_of(turn),
    }


def wanted_parts(what: str) -> dict[str, bool]:
    """Return what is taken back for "files", "conversation" or "both".

    Raises:
        ValueError: it is none of these.
    """
    if what not in ("files", "conversation", "both"):
        raise ValueError(f"{what!r} is none of files, conversation, both.")
    return {"files": what != "conversation", "conversation": what != "files"}


def turn_of(context: NotebookContext, session: Session, turn_id: str) -> Checkpoint:
    """Return a turn of a session that one can go back to.

    Raises:
        ValueError: there is no such turn.
    """
    for turn in context.client.list_turns(session):
        if turn.turn_id == turn_id:
            return turn
    raise ValueError("There is no such turn to go back to in this session.")


def _is_sure(context: NotebookContext, question: str) -> bool:
    """Ask the person; where no one can be asked, what was typed is meant."""
    return not can_ask(context.shell) or input(f"{question} [y/n] ").strip().lower() in ("y", "yes")


def _parsed(rest: str) -> Any:
    parser = LineParser("%claude rewind", f"It takes: %claude {REWIND_USAGE}")
    parser.add_argument("turn", nargs="?", type=at_least_one)
    parser.add_argument("-s", "--session", default="main")
    parser.add_argument("--files", action="store_true")
    parser.add_argument("--conversation", action="store_true")
    parser.add_argument("--dry-run", action="store_true")
    return parser.parse_args(rest.split())


def _numbered(context: NotebookContext, session: Session, number: int) -> Checkpoint:
    turns = context.client.list_turns(session)
    for turn in turns:
        if turn.turn == number:
            return turn
    known = ", ".join(str(turn.turn) for turn in turns) or "none yet"
    raise UsageError(f"%claude rewind: {session.name} has no turn {number} to go back to. Turns: {known}.")


def _table(context: NotebookContext, session: Session) -> pd.DataFrame:
    import pandas as pd

    folder = str(session.config.working_dir)
    rows = [
        (
            turn.turn,
            one_line(turn.prompt, 200),
            datetime.fromtimestamp(turn.started, UTC),
            ", ".join(short_path(path, folder) for path in turn.files),
            ", ".join(turn.not_restorable),
            turn.turn_id,
        )
        for turn in context.client.list_turns(session)
    ]
    return pd.DataFrame(rows, columns=_COLUMNS)
