"""What the pages of a kernel ask of the magics beside their runs: completion, names, sessions, and commands for these.

A notebook loads this with the extension, and what it needs is imported with the first request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from claude_magic.magics.completing import suggestions

if TYPE_CHECKING:
    from claude_magic.magics.context import NotebookContext
    from claude_magic.widgets.protocol import Request

_REQUEST = "claude_magic_request"
"""As `widgets.protocol` has it, which is imported later."""
_REPLY = "claude_magic_reply"


ACTIONS = ("complete", "names", "sessions", "conversations", "turns", "command")
"""What is answered before the first prompt too."""


def install(shell: Any, context: Callable[[], NotebookContext]) -> None:
    """Answer the pages of a kernel from now on, before its first prompt too.

    Args:
        shell: the shell.
        context: returns what the magics of the notebook share.
    """
    kernel: Any = getattr(shell, "kernel", None)
    handlers = getattr(kernel, "control_handlers", None)
    if handlers is None or _REQUEST in handlers:
        return

    async def first_request(stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        if (parent.get("content") or {}).get("action") in ACTIONS:
            await asyncio.to_thread(lambda: context().runner.bridge)  # it takes this place
            await handlers[_REQUEST](stream, ident, parent)
        else:
            # No prompt has run yet, and what answers the rest is not needed.
            kernel.session.send(stream, _REPLY, {"status": "ok", "found": False, "runs": []}, parent, ident=ident)

    handlers[_REQUEST] = first_request


def uninstall(shell: Any) -> None:
    """Answer no more, also where no page has asked yet."""
    handlers = getattr(getattr(shell, "kernel", None), "control_handlers", None)
    if handlers is not None:
        handlers.pop(_REQUEST, None)


def answer_pages(context: NotebookContext) -> None:
    """Have the pages of a kernel answered, once its line to them is there.

    Args:
        context: what the magics of the notebook share.
    """
    context.runner.page_answers = {
        "complete": lambda request: _complete(context, request),
        "names": lambda request: _names(context, request),
        "sessions": lambda request: _sessions(context, request),
        "conversations": lambda request: {"conversations": [asdict(one) for one in context.conversations()]},
        "turns": lambda request: _turns(context, request),
        "command": lambda request: _command(context, request),
    }


def _sessions(context: NotebookContext, request: Request) -> dict[str, Any]:
    """Return what the open sessions do now; the page is told of changes if it wants to be."""
    from claude_magic.magics.session_states import SessionStates

    states = SessionStates(context)
    if request.get("watch"):
        context.watch.begin(states.read)
    return {"sessions": states.read()}


def _turns(context: NotebookContext, request: Request) -> dict[str, Any]:
    """Return the turns of a session that one can go back to."""
    from claude_magic.magics.rewinding import turns_data

    return {"turns": turns_data(context, context.get_session(request.get("session", "main")))}


def _command(context: NotebookContext, request: Request) -> dict[str, Any]:
    """Do something to a session."""
    from claude_magic.magics.session_commands import do_command

    answer = do_command(context, request)
    context.watch.look()
    return answer


def _complete(context: NotebookContext, request: Request) -> dict[str, Any]:
    """Return what may stand at a place of a cell, also while a cell runs; `None` where that is not a prompt."""
    code = str(request.get("code", ""))
    found = suggestions(lambda: context, code, min(int(request.get("cursor", len(code))), len(code)))
    if found is None:
        return {"completion": None}
    items = [{"text": item.text, "words": item.words} for item in found.items]
    return {"completion": {"start": found.start, "items": items}}


def _names(context: NotebookContext, request: Request) -> dict[str, Any]:
    """Return the kinds of the names in a prompt that are filled in, and what the others probably mean."""
    from claude_magic.magics.filling import resembling
    from claude_magic.magics.options import flags
    from claude_magic.magics.prompting import own_names
    from claude_magic.values.references import kind_words

    variables = dict(context.shell.user_ns)
    given: Any = request.get("names") or []
    asked = [name for name in given if isinstance(name, str)][:500]
    own = own_names(variables, context.shell)
    known = {name: kind_words(name, variables[name]) for name in asked if name in variables}
    meant = {name: near for name in asked if name not in variables and (near := resembling(name, own))}
    return {"names": {"known": known, "meant": meant, "options": list(flags())}}
