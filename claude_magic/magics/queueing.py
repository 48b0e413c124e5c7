"""`%claude queue`: the prompts that wait in sessions, and what can be done with one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from IPython.core.error import UsageError

from claude_magic.clock import ago, unix_time
from claude_magic.engine.session import Session, managed
from claude_magic.engine.turn_queue import QueuedPrompt
from claude_magic.magics.context import NotebookContext
from claude_magic.rendering.text import one_line

if TYPE_CHECKING:
    import pandas as pd

QUEUE_USAGE = "queue [NAME] [drop N|edit N TEXT|move N PLACE|steer N]"
_VERBS = ("drop", "edit", "move", "steer")
_COLUMNS = ["session", "place", "prompt", "asked", "steers", "turn_id"]


def queue(context: NotebookContext, rest: str) -> pd.DataFrame:
    """Return the prompts that wait, of one session or of all; or change one of them first.

    `drop N` withdraws the prompt with this number, `edit N TEXT` gives it other words as they are typed, `move N PLACE`
    another place, and `steer N` sends it in with the next step of the turn that runs.

    Raises:
        UsageError: there is no such session or prompt, or the words make no sense.
    """
    first, _, more = rest.partition(" ")
    name, words = ("", rest) if first in _VERBS else (first, more.strip())
    if words:
        _change(context, name, words)
    return _table(context, name)


def _change(context: NotebookContext, name: str, words: str) -> None:
    """Do what was typed to one of the prompts that wait."""
    verb, _, rest = words.partition(" ")
    number, _, rest = rest.strip().partition(" ")
    if verb not in _VERBS or not number.isdecimal():
        raise UsageError(f"%claude queue: {words!r} is not understood; it takes: %claude {QUEUE_USAGE}")
    session = _session_that_waits(context, name)
    prompt = _numbered(context, session, int(number))
    try:
        if verb == "drop":
            context.client.withdraw(session, prompt.turn_id)
        elif verb == "edit":
            context.client.edit_queued(session, prompt.turn_id, rest)
        elif verb == "move":
            context.client.move_queued(session, prompt.turn_id, _place(rest))
        else:
            context.client.steer(session, prompt.turn_id)
    except ValueError as error:
        raise UsageError(f"%claude queue: {error}") from None


def _place(text: str) -> int:
    if not text.strip().isdecimal() or int(text) < 1:
        raise UsageError("%claude queue move takes the number of a prompt and its new place, such as: move 3 1")
    return int(text)


def _session_that_waits(context: NotebookContext, name: str) -> Session:
    """Return the session that is named; without a name the only one in which prompts wait."""
    if name:
        return context.get_session(name)
    waiting = [session for session in context.open_sessions if managed(session).waiting]
    if not waiting:
        raise UsageError("%claude queue: no prompt waits in any session.")
    if len(waiting) > 1:
        names = ", ".join(session.name for session in waiting)
        raise UsageError(f"%claude queue: prompts wait in several sessions ({names}); name one of them first.")
    return waiting[0]


def _numbered(context: NotebookContext, session: Session, number: int) -> QueuedPrompt:
    for prompt in context.client.list_queued(session):
        if prompt.place == number:
            return prompt
    raise UsageError(f"%claude queue: no prompt {number} waits in {session.name}; `%claude queue` lists them.")


def _table(context: NotebookContext, name: str) -> pd.DataFrame:
    import pandas as pd

    sessions = [context.get_session(name)] if name else context.open_sessions
    now = unix_time()
    rows = [
        (session.name, one.place, one_line(one.prompt, 200), ago(now - one.asked), one.steers, one.turn_id)
        for session in sessions
        for one in context.client.list_queued(session)
    ]
    return pd.DataFrame(rows, columns=_COLUMNS)
