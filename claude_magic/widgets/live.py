"""`LiveRun`: one run, told to pages as a snapshot and small operations. Pure: no comm, no thread."""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from claude_magic.messages import Message, MessageType
from claude_magic.permissions import PLAN_TOOL, QUESTION_TOOL, PermissionRequest
from claude_magic.rendering.bundle import Budget, part_data
from claude_magic.rendering.footer import SOURCE_NOTES
from claude_magic.rendering.parts import NotePart, Part, TextPart, ThinkingPart, ToolPart
from claude_magic.rendering.tool_summaries import tool_title
from claude_magic.rendering.view import RunView
from claude_magic.response import AnswerSource
from claude_magic.strings import utf8_safe
from claude_magic.widgets.protocol import VERSION, Op, Question, RunData

_SAYS_MODE = (MessageType.INIT, MessageType.STATUS)
_EDITABLE = {
    "Bash": "command",
    "WebFetch": "url",
    "WebSearch": "query",
    "mcp__kernel__run_python": "code",
    "mcp__kernel__add_cell": "source",
}
_TITLES = {
    "Bash": "Run this command?",
    "Edit": "Edit this file?",
    "MultiEdit": "Edit this file?",
    "Write": "Write this file?",
    "NotebookEdit": "Edit this notebook?",
    "WebFetch": "Fetch this page?",
    "mcp__kernel__run_python": "Run this code in the kernel?",
    "mcp__kernel__add_cell": "Add this cell to the notebook?",
    "mcp__kernel__edit_cell": "Change this cell?",
    "mcp__kernel__delete_cell": "Delete this cell?",
    QUESTION_TOOL: "Claude asks",
    PLAN_TOOL: "Go ahead with this plan?",
}
_KINDS: dict[str, Literal["questions", "plan"]] = {QUESTION_TOOL: "questions", PLAN_TOOL: "plan"}


class LiveRun:
    """One run and what its pages know of it.

    Args:
        view: the run, as it is folded from messages.
        facts: further fields of `RunData`, such as `mode` and `filled`.

    Attributes:
        id: unguessable, so that only a page that was shown the run can speak for it.
        questions: what waits for a person, by id.
    """

    def __init__(self, view: RunView, facts: RunData) -> None:
        self.id = secrets.token_urlsafe(18)
        self.view = view
        self.questions: dict[str, Question] = {}
        known: RunData = utf8_safe(facts)
        self._facts: RunData = {**known, "started": time.time()}
        self._order: list[Part] = []
        self._known: set[int] = set()
        self._told: list[Any] = []
        self._model = view.model
        self._mode = known.get("mode", "")

    def add(self, messages: Iterable[Message]) -> None:
        """Fold the next messages in."""
        told = list(messages)
        self.view.add(told)
        for message in told:
            if message.type in _SAYS_MODE:
                self._mode = str(message.raw.get("permissionMode") or self._mode)

    @property
    def mode(self) -> str:
        """The permission mode in force, as the CLI says; before it has, the one that was asked for."""
        return self._mode

    def snapshot(self) -> RunData:
        """Return all that there is to know of the run; the next `operations` go on from here."""
        self.operations()
        parts = [_data(part) for part in self._order]
        run: RunData = {
            "version": VERSION,
            "run": self.id,
            "live": True,
            "session": utf8_safe(self.view.session),
            "model": utf8_safe(self.view.model),
            "simulated": self.view.source is not AnswerSource.MODEL,
            "source": SOURCE_NOTES.get(self.view.source, ""),
            "outcome": None,
            "parts": parts,  # type: ignore[typeddict-item]  # each is one of the part types
        }
        return {**run, **self._facts, "mode": self._mode}

    def operations(self) -> list[Op]:
        """Return what has changed since the last call."""
        ops: list[Op] = []
        if self.view.model != self._model:
            self._model = self.view.model
            ops.append(["set", {"model": utf8_safe(self._model)}])
        if self._mode != self._facts.get("mode", ""):
            ops.append(self.set({"mode": self._mode}))
        for part in self.view.walk():
            if id(part) not in self._known:
                self._known.add(id(part))
                self._order.append(part)
        for index, part in enumerate(self._order):
            op = self._changed(index, part)
            if op is not None:
                ops.append(op)
        return ops

    def _changed(self, index: int, part: Part) -> Op | None:
        state = _state(part)
        if index == len(self._told):
            self._told.append(state)
            return ["part", index, _data(part)]
        before, self._told[index] = self._told[index], state
        if before == state:
            return None
        grown = isinstance(part, TextPart | ThinkingPart) and state[0] > before[0] and state[1:] == before[1:]
        if grown and isinstance(part, TextPart | ThinkingPart):
            return ["append", index, utf8_safe(part.text[before[0] :])]
        return ["part", index, _data(part)]

    def ask(
        self, request: PermissionRequest, grants: Sequence[str] = (), patch: Sequence[dict[str, Any]] = ()
    ) -> Question:
        """Put a question; pages get it by `["ask", question]`.

        Args:
            request: what is asked.
            grants: what can be granted for the session, in words, the most likely first.
            patch: what it would change in a file.
        """
        question: Question = {
            "id": str(uuid.uuid4()),
            "token": secrets.token_urlsafe(18),
            "tool_use_id": request.tool_use_id,
            "tool": utf8_safe(request.tool_name),
            "title": utf8_safe(_TITLES.get(request.tool_name, f"Use {tool_title(request.tool_name)}?")),
            "input": utf8_safe(request.tool_input),
            "editable": _EDITABLE.get(request.tool_name, ""),
            "kind": _KINDS.get(request.tool_name, "permission"),
            "plan": utf8_safe(request.plan),
            "grants": utf8_safe(grants),
            "patch": utf8_safe(patch),
        }
        self.questions[question["id"]] = question
        return question

    def set(self, facts: RunData) -> Op:
        """Change fields of the run, and return the operation that tells it."""
        told: RunData = utf8_safe(facts)
        self._facts = {**self._facts, **told}
        return ["set", dict(told)]


def _state(part: Part) -> tuple[Any, ...]:
    """What of a part can change; for text its length first."""
    if isinstance(part, TextPart):
        return (len(part.text),)
    if isinstance(part, ThinkingPart):
        return (len(part.text),)
    if isinstance(part, NotePart):
        return (part.text,)
    return (str(part.state), part.ended, len(part.result), part.edited)


def _data(part: Part) -> dict[str, Any]:
    data = part_data(part, Budget())
    if isinstance(part, ToolPart):
        data["started"] = part.started
    return data
