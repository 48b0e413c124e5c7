"""What can be done to a session by name, from a line or from a page: one sentence says what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from claude_magic.errors import ClaudeError
from claude_magic.magics.context import NotebookContext
from claude_magic.magics.conversations import check_conversation, copy_of
from claude_magic.magics.rewinding import go_back, go_forward, rewind_data, turn_of, wanted_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from claude_magic.engine.session_info import SessionInfo
    from claude_magic.widgets.protocol import Request


def stop(context: NotebookContext, name: str = "") -> str:
    """End what runs in a session, or in all; text and sessions stay."""
    names = [context.get_session(name).name] if name else context.session_names
    stopped = [name for name in names if context.client.interrupt(name)]
    return f"Stopped: {', '.join(stopped)}." if stopped else "Nothing was running."


def close(context: NotebookContext, name: str) -> str:
    """End a session and what it started."""
    name = context.get_session(name or "main").name
    context.close_session(name)
    return f"Closed {name}."


def new(context: NotebookContext, name: str) -> str:
    """Begin a conversation anew."""
    name = name or "main"
    if name in context.session_names:
        context.close_session(name)
    context.client.create_session(context.base_config, name)
    return f"{name} begins anew with the next prompt."


def resume(context: NotebookContext, session_id: str, name: str) -> str:
    """Go on with an earlier conversation; the session that has its name is closed."""
    if not session_id:
        raise UsageError("%claude resume needs the id of a conversation: %claude resume ID [NAME]")
    name = name or "main"
    config = context.base_config.replace(resume=session_id)
    check_conversation(config)
    closed = [info for info in context.client.list_sessions() if info.name == name]
    if closed:
        context.close_session(name)
    context.client.create_session(config, name)
    return f"{name} goes on with conversation {session_id} at the next prompt.{closed_words(closed)}"


def fork(context: NotebookContext, name: str, source: str) -> str:
    """Begin a session as a copy of an open one, which stays as it is."""
    if not name:
        raise UsageError("%claude fork needs a name for the copy: %claude fork NAME [FROM]")
    if name in context.session_names:
        raise UsageError(f"{name} is open already: choose another name for the copy, or close it first.")
    session = context.get_session(source or "main")
    context.client.create_session(copy_of(session), name)
    return f"{name} begins with the next prompt as a copy of {session.name}, which stays as it is."


def rename(context: NotebookContext, name: str, new_name: str) -> str:
    """Give a session another name; what is on record keeps the old one."""
    if not name or not new_name:
        raise UsageError("%claude rename needs two names: %claude rename OLD NEW")
    session = context.get_session(name)
    before = session.name
    context.client.rename_session(session, new_name)
    context.renamed(before, session)
    return f"{before} is {new_name} from now on; what is on record keeps the old name."


def closed_words(infos: Iterable[SessionInfo]) -> str:
    """Say which sessions were closed, with the ids that go on with them."""
    words = [f"{info.name} ({info.session_id})" if info.session_id else info.name for info in infos]
    return f" Closed: {', '.join(words)}." if words else ""


def do_command(context: NotebookContext, request: Request) -> dict[str, Any]:
    """Do what a page asks for; return what happened in `words`, or why it did not in `problem`.

    Args:
        context: what the magics share.
        request: the command and its session; `fork` and `rename` have a `name`, `resume` the id of the conversation in
            `text`; `withdraw`, `edit`, `move` and `steer` have the `turn` of a prompt that waits, and its new `text` or
            `place`; `rewind` has the `turn` to go back to and `what` ("files", "conversation" or "both"), and with
            `dry_run` only says what would change.
    """
    word = request.get("command", "")
    run = _OF_PAGES.get(word)
    try:
        if run is None:
            raise ValueError(f"There is no command {word!r}.")
        if word == "rewind" and request.get("dry_run"):
            session = context.get_session(request["session"])
            return {"rewind": rewind_data(context, session, request.get("turn", ""), request.get("what", "both"))}
        return {"words": run(context, request)}
    except ClaudeError as error:
        return {"problem": error.message}
    except (UsageError, ValueError) as error:
        return {"problem": str(error)}


def _stop_soon(context: NotebookContext, request: Request) -> str:
    """A page's line must not wait until the CLI has obeyed."""
    session = context.get_session(request["session"])
    context.client.interrupt_soon(session)
    return f"{session.name} is told to stop."


def _withdraw(context: NotebookContext, request: Request) -> str:
    context.client.withdraw(request["session"], request.get("turn", ""))
    return "The prompt was withdrawn."


def _edit(context: NotebookContext, request: Request) -> str:
    context.client.edit_queued(request["session"], request.get("turn", ""), request.get("text", ""))
    return "The prompt was changed."


def _move(context: NotebookContext, request: Request) -> str:
    context.client.move_queued(request["session"], request.get("turn", ""), request.get("place", 1))
    return "The prompt was moved."


def _steer(context: NotebookContext, request: Request) -> str:
    context.client.steer(request["session"], request.get("turn", ""))
    return "It is sent in with the next step; without one it is the next turn."


def _rewind(context: NotebookContext, request: Request) -> str:
    session = context.get_session(request["session"])
    turn = turn_of(context, session, request.get("turn", ""))
    return go_back(context, session, turn, **wanted_parts(request.get("what", "both")))


_OF_PAGES: dict[str, Callable[[NotebookContext, Request], str]] = {
    "stop": _stop_soon,
    "close": lambda context, request: close(context, request["session"]),
    "fork": lambda context, request: fork(context, request.get("name", ""), request["session"]),
    "rename": lambda context, request: rename(context, request["session"], request.get("name", "")),
    "resume": lambda context, request: resume(context, request.get("text", ""), request.get("name", "")),
    "withdraw": _withdraw,
    "edit": _edit,
    "move": _move,
    "steer": _steer,
    "rewind": _rewind,
    "redo": lambda context, request: go_forward(context, context.get_session(request["session"])),
}
