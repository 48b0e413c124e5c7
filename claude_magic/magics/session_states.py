"""`SessionStates`: what the sessions of a kernel are and do now, as data for the panel of a page."""

from __future__ import annotations

import shlex

from claude_magic.blocking import current_client
from claude_magic.engine.session import Session
from claude_magic.engine.session_info import SessionActivity, SessionInfo
from claude_magic.magics.context import NotebookContext
from claude_magic.rendering.parts import ToolPart
from claude_magic.rendering.tool_summaries import telling_argument, tool_title
from claude_magic.strings import opening
from claude_magic.widgets.facts import context_of
from claude_magic.widgets.protocol import Context, QueuedPromptData, SessionData

_LONGEST_PROMPT = 120


class SessionStates:
    """Makes the data of the panel.

    Args:
        context: what the magics of the notebook share.
    """

    def __init__(self, context: NotebookContext) -> None:
        self._context = context
        self._windows: dict[str, tuple[str, Context | None]] = {}

    def read(self) -> list[SessionData]:
        """Return what each open session is and does now, in the order they were made."""
        client = current_client()
        if client is None:
            return []
        infos, activities = client.list_sessions(), client.list_activity()
        waiting, cells = self._context.asker.waiting, self._context.runner.cells_of_runs()
        return [
            self._data(info, activities[info.name], waiting.get(info.name, ""), cells.get(info.name, ""))
            for info in infos
            if info.name in activities
        ]

    def _data(self, info: SessionInfo, activity: SessionActivity, question: str, cell: str) -> SessionData:
        session = self._context.client.get_session(info.name)
        return {
            "name": info.name,
            "session_id": info.session_id,
            "state": "waiting" if question and activity.turn_id else info.state,
            "question": tool_title(question) if question else "",
            "doing": _doing(activity, info.working_dir),
            "since": activity.since,
            "prompt": opening(activity.prompt, _LONGEST_PROMPT),
            "cell": cell,
            "turns": info.turns,
            "cost_usd": info.cost_usd,
            "tokens": activity.usage.total_input_tokens + activity.usage.output_tokens,
            "context": self._window(session),
            "model": info.model,
            "folder": info.working_dir,
            "simulated": info.simulated,
            "last_used": info.last_used,
            "queue": [_queued(one.turn_id, one.prompt, one.steers) for one in activity.queue],
            "background": activity.background,
            "resume": _resume_command(info),
        }

    def _window(self, session: Session) -> Context | None:
        """Return how full the window was after the last turn; its messages are counted once."""
        response = session.last_response
        if response is None:
            return None
        known = self._windows.get(session.name)
        if known is None or known[0] != response.turn_id:
            known = self._windows[session.name] = (response.turn_id, context_of(response.messages))
        return known[1]


def _queued(turn_id: str, prompt: str, steers: bool) -> QueuedPromptData:
    return {"turn_id": turn_id, "prompt": prompt, "steers": steers}


def _doing(activity: SessionActivity, folder: str) -> str:
    """Return in one line what a session does now; "" if nothing runs."""
    if not activity.turn_id:
        return ""
    if activity.tool:
        part = ToolPart("", activity.tool, activity.tool_input, 0.0)
        return " ".join(filter(None, (tool_title(activity.tool), telling_argument(part, folder))))
    return "Writes" if activity.prompt else "Reports about a background task"


def _resume_command(info: SessionInfo) -> str:
    """Return the shell command that goes on with a conversation in a terminal; "" before its first turn."""
    if not info.session_id or info.simulated:
        return ""
    return f"cd {shlex.quote(info.working_dir)} && claude --resume {info.session_id}"
