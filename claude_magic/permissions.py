"""Who answers when the CLI asks whether a tool may run."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from claude_magic.daemon_thread import in_daemon_thread

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PermissionRequest:
    """What the CLI wants to do and asks about.

    Example::

        def ask(request: PermissionRequest) -> Allow | Deny:
            return Allow() if request.tool_name == "Read" else Deny("Only reading is allowed here.")

        with ClaudeClient(ask=ask) as client:
            client.create_session(name="careful")

    Attributes:
        session: name of the session.
        turn_id: id of the prompt it works on.
        tool_name: the tool, such as `Bash`.
        tool_input: what it would be given, as it is: nothing redacted.
        tool_use_id: id that joins the question to its tool use.
        description: the CLI's own words about it, or "".
        suggestions: rules the CLI proposes to remember.
        agent_id: set when a subagent asks.
        blocked_path: a path outside the folders it may touch, or "".
        working_dir: folder of the CLI, or "" where it is not known.
        plan: of ExitPlanMode the plan that is to be approved, as Markdown; "" for other tools.
    """

    session: str
    turn_id: str
    tool_name: str
    tool_input: dict[str, Any] = field(repr=False)
    tool_use_id: str = ""
    description: str = field(default="", repr=False)
    suggestions: tuple[dict[str, Any], ...] = field(default=(), repr=False)
    agent_id: str = ""
    blocked_path: str = ""
    working_dir: str = ""
    plan: str = ""


@dataclass(frozen=True)
class Allow:
    """Let the tool run.

    Args:
        input: run it with this input instead.
        updates: rules for the CLI to remember, as in `PermissionRequest.suggestions`.
    """

    input: dict[str, Any] | None = field(default=None, repr=False)
    updates: tuple[dict[str, Any], ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Deny:
    """Do not let the tool run.

    Args:
        reason: what the model is told.
        stop: end the turn as well; the model is then told nothing.
    """

    reason: str = "The user does not allow this."
    stop: bool = False


@dataclass(frozen=True)
class Withdrawn(Deny):
    """The question was not answered: the turn was stopped while it was open. The tool does not run."""


Decision = Allow | Deny
Ask = Callable[[PermissionRequest], Decision | Awaitable[Decision]]

PLAN_TOOL = "ExitPlanMode"
QUESTION_TOOL = "AskUserQuestion"
KEEP_PLANNING = "The user does not approve the plan yet and wants to keep planning."
EDITS_WITHOUT_ASKING = {"type": "setMode", "mode": "acceptEdits", "destination": "session"}
"""The CLI edits files without asking from now on: an update to send with an `Allow`."""

NO_ONE_TO_ASK = "No one can be asked for permission here. Use a tool that is allowed, or say what you would do."


async def decide(ask: Ask | None, request: PermissionRequest, *, in_thread: bool) -> Decision:
    """Ask, and turn whatever comes back into a decision: fail closed.

    Args:
        ask: who decides; `None` is a denial.
        request: what is asked.
        in_thread: call `ask` on a worker thread (it may block), else here (it may return an awaitable).

    Returns:
        The decision. An exception in `ask`, or any other answer than `Allow` or `Deny`, is a denial.
    """
    if ask is None:
        return Deny(NO_ONE_TO_ASK)
    try:
        answer = await in_daemon_thread(lambda: ask(request), "claude-magic-ask") if in_thread else ask(request)
        if inspect.isawaitable(answer):
            answer = await answer
    except Exception as error:
        logger.exception("ask() failed; the tool is denied")
        return Deny(f"The permission could not be decided ({type(error).__name__}).")
    if isinstance(answer, Allow | Deny):
        return answer
    logger.error("ask() returned %r instead of Allow or Deny; the tool is denied", answer)
    return Deny("The permission could not be decided.")


def edited_input(request: PermissionRequest, decision: Decision) -> dict[str, Any] | None:
    """Return the input that runs in place of the one that was asked about; `None` where it is that one.

    The answers to the model's own questions come as a changed input too, which is not an edit.
    """
    if not isinstance(decision, Allow) or request.tool_name == QUESTION_TOOL:
        return None
    return decision.input if decision.input != request.tool_input else None


def wire_answer(request: PermissionRequest, decision: Decision) -> dict[str, Any]:
    """Return the decision as the CLI wants it.

    2.1.197 requires `updatedInput` with an allow and `message` with a deny; the newer one takes both.
    """
    if isinstance(decision, Deny):
        return {"behavior": "deny", "message": decision.reason, "interrupt": decision.stop}
    answer: dict[str, Any] = {
        "behavior": "allow",
        "updatedInput": request.tool_input if decision.input is None else decision.input,
    }
    if decision.updates:
        answer["updatedPermissions"] = list(decision.updates)
    return answer
