"""Asking the person at the notebook: on the kernel's main thread, by `input()`."""

from __future__ import annotations

import json
import re
import sys
import textwrap
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from claude_magic.background_loop import Inbox
from claude_magic.display.live import LiveDisplay
from claude_magic.display.turn_display import TurnDisplay
from claude_magic.engine.grants import Grant, Remembered, offered
from claude_magic.engine.session import Session, SessionState, managed
from claude_magic.permissions import (
    EDITS_WITHOUT_ASKING,
    KEEP_PLANNING,
    NO_ONE_TO_ASK,
    PLAN_TOOL,
    QUESTION_TOOL,
    Allow,
    Decision,
    Deny,
    PermissionRequest,
    Withdrawn,
)

_PLAN_CHOICES = "[y]es, go ahead; [e]dits without asking, too; [n]o, keep planning; or say what to change: "
_CHANGED_LINES = 200
_YES = ("y", "yes", "ok", "okay", "sure")
_UNCLEAR_OF_A_PLAN = ("a", "all", "always")


@dataclass(frozen=True, eq=False)
class Asking:
    """A run that may ask, and where it does.

    Attributes:
        session: the session.
        turn_id: id of the prompt.
        inbox: work for the cell's thread; `None` if the cell does not wait for the run.
        shown: brings what shows the run.
        can_ask: whether that thread can ask a person by `input()`.
    """

    session: Session
    turn_id: str
    inbox: Inbox | None
    shown: Future[TurnDisplay]
    can_ask: bool


class Asker:
    """Answers the CLI's questions for the cells that run; the client's `ask`, called on worker threads.

    What was granted for a session lives as long as the session does, over any number of processes.

    Args:
        can_ask: whether a person can be asked right now.
    """

    def __init__(self, can_ask: Callable[[], bool]) -> None:
        self._open: list[tuple[str, str]] = []
        self._can_ask = can_ask
        self._cells: dict[str, list[Asking]] = {}
        self._granted: dict[str, tuple[Session, list[Grant]]] = {}
        self._shown: dict[str, LiveDisplay] = {}

    def begin(self, session: Session, turn_id: str, inbox: Inbox | None, shown: Future[TurnDisplay]) -> Asking:
        """A cell has a prompt for this session: its thread can ask, and what `shown` brings shows its run.

        The run may begin before that is there; a question waits for it.

        Args:
            session: the session.
            turn_id: id of the prompt.
            inbox: work for the cell's thread; `None` if the cell is over while the prompt runs.
            shown: brings what shows the run.
        """
        asking = Asking(session, turn_id, inbox, shown, inbox is not None and self._can_ask())
        self._cells.setdefault(session.name, []).append(asking)
        return asking

    def end(self, asking: Asking) -> None:
        """The run is over."""
        self._cells[asking.session.name].remove(asking)
        asking.shown.cancel()

    @property
    def waiting(self) -> dict[str, str]:
        """The tool that each session waits for a person to decide about, by the session's name."""
        return dict(self._open)

    def __call__(self, request: PermissionRequest) -> Decision:
        """Decide about one request."""
        if any(grant.covers(request) for grant in self._grants(request.session)):
            return Allow()
        # An unprompted turn, such as a background task's report, asks in the cell that runs.
        cells = [*self._cells.get(request.session, ())]
        cell = next((cell for cell in cells if cell.turn_id == request.turn_id), next(iter(cells), None))
        if cell is None:
            return Deny(NO_ONE_TO_ASK)
        question = (request.session, request.tool_name)
        self._open.append(question)
        try:
            decision = self._decide(cell, request)
        except (KeyboardInterrupt, CancelledError):
            # The cell was stopped while it asked. Its own thread deals with that; the loop's must not even see it.
            return Withdrawn()
        finally:
            self._open.remove(question)
        if isinstance(decision, Remembered):
            self._grant(cell.session, decision.grant)
        return decision

    def _decide(self, cell: Asking, request: PermissionRequest) -> Decision:
        display = cell.shown.result()
        # While no cell waits, a page's answer arrives on any version of ipykernel.
        if isinstance(display, LiveDisplay) and (display.can_ask or cell.inbox is None):
            return display.ask(request).result()
        if cell.inbox is not None and cell.can_ask:
            return cell.inbox.run(lambda: self._ask(request, display))
        return Deny(NO_ONE_TO_ASK)  # the run's ending says so, and what to do

    # What was granted.

    def rename(self, before: str, name: str) -> None:
        """A session has another name; no run of it may be under way."""
        if before in self._granted:
            self._granted[name] = self._granted.pop(before)

    def granted(self, session: Session) -> list[str]:
        """Return what runs in a session without asking because a person said so, in words."""
        return [managed(session).redactor.text(grant.label) for grant in self._grants(session.name)]

    def revoke(self, session: Session, label: str = "") -> list[str]:
        """Take back what was granted for a session.

        Args:
            session: the session.
            label: one of `granted`; without it, all of them.

        Returns:
            What was taken back.
        """
        labels = self.granted(session)
        grants = self._grants(session.name)
        kept = [grant for grant, one in zip(grants, labels, strict=True) if label and one != label]
        self._granted[session.name] = (session, kept)
        self._show_granted(session)
        return [one for one in labels if not label or one == label]

    def show_granted_on(self, session: Session, display: LiveDisplay) -> None:
        """A run of the session begins on this display: what is granted is shown there, and in no earlier cell."""
        before = self._shown.get(session.name)
        if before is not None:
            before.show_granted([], lambda label: None)
        self._shown[session.name] = display
        self._show_granted(session)

    def _grant(self, session: Session, grant: Grant) -> None:
        self._granted[session.name] = (session, [*self._grants(session.name), grant])
        self._show_granted(session)

    def _show_granted(self, session: Session) -> None:
        display = self._shown.get(session.name)
        if display is not None:
            display.show_granted(self.granted(session), lambda label: self.revoke(session, label))

    def _grants(self, name: str) -> list[Grant]:
        """Return what was granted; a new session under an old name has nothing."""
        session, grants = self._granted.get(name, (None, list[Grant]()))
        return grants if session is not None and session.state is not SessionState.CLOSED else []

    # By `input()`.

    def _ask(self, request: PermissionRequest, display: TurnDisplay) -> Decision:
        with suppress(Exception):  # the question is asked whatever the view does
            display.render_now()
        if request.tool_name == QUESTION_TOOL:
            return Allow(answer_questions(request.tool_input))
        if request.tool_name == PLAN_TOOL:
            return _ask_about_plan(request)
        grants = offered(request)
        choices = _choices(grants)
        answer = _input(f"Claude wants to use {telling(request)}\n{_change(request)}Allow? {choices}").strip()
        while _is_yes_and_more(answer):
            answer = _input(f"Is that a yes? {choices}").strip()
        word = answer.lower().rstrip(".!")
        if word in _YES:
            return Allow()
        if grants and word in ("a", "always"):
            return Remembered(grant=grants[0])
        if grants and word == "all":
            return Remembered(grant=grants[-1])
        if word in ("", "n", "no"):
            return Deny()
        return Deny(answer)


def _choices(grants: tuple[Grant, ...]) -> str:
    from claude_magic.rendering.text import one_line

    if not grants:
        return "[y]es, [n]o, or say why not: "
    named, whole = one_line(grants[0].choice, 60), one_line(grants[-1].choice, 60)
    return f"[y]es, [n]o, for this session [a]llow {named} or [{whole[:3]}]{whole[3:]}, or say why not: "


def _ask_about_plan(request: PermissionRequest) -> Decision:
    """Show the whole plan and ask whether to go ahead; asked of every plan."""
    from claude_magic.rendering import visible

    plan = visible(request.plan).strip() or "(It has written no plan.)"
    answer = _input(f"Claude has a plan:\n\n{plan}\n\nGo ahead with this plan? {_PLAN_CHOICES}").strip()
    while _is_yes_and_more(answer) or answer.lower() in _UNCLEAR_OF_A_PLAN:
        answer = _input(f"Go ahead with this plan, and no other? {_PLAN_CHOICES}").strip()
    word = answer.lower().rstrip(".!")
    if word in _YES:
        return Allow()
    if word in ("e", "edits"):
        return Allow(updates=(EDITS_WITHOUT_ASKING,))
    return Deny(KEEP_PLANNING if word in ("", "n", "no") else answer)


def _is_yes_and_more(answer: str) -> bool:
    """Whether an answer begins as a yes and goes on: neither a plain yes nor a reason against it."""
    first, *more = re.findall(r"\w+", answer.lower()) or [""]
    return first in _YES and bool(more)


def telling(request: PermissionRequest) -> str:
    """Return what a tool would do, so that a person can decide: the command, the file, the address."""
    from claude_magic.rendering import visible

    given = request.tool_input
    code = given.get("code", given.get("source"))
    if request.tool_name.startswith("mcp__kernel__") and isinstance(code, str):
        purpose = given.get("purpose") or given.get("cell_id") or ""
        name = request.tool_name.removeprefix("mcp__kernel__")
        return visible(f"{name}{f' ({purpose})' if purpose else ''}:\n{textwrap.indent(code, '    ')}")
    for key in ("command", "file_path", "notebook_path", "path", "url", "pattern", "query"):
        if isinstance(given.get(key), str):
            return visible(f"{request.tool_name}: {given[key]}")
    return visible(f"{request.tool_name}: {json.dumps(given, ensure_ascii=False, default=str)[:2000]}")


def _change(request: PermissionRequest) -> str:
    """Return the lines of its file that an edit would change; "" for other tools."""
    from claude_magic.rendering import visible
    from claude_magic.rendering.patches import as_text, from_data, stated
    from claude_magic.widgets.previews import preview

    name, given = request.tool_name, request.tool_input
    hunks = from_data(preview(name, given, request.working_dir or ".")) or stated(name, given)
    return visible(as_text(hunks, _CHANGED_LINES)) + "\n" if hunks else ""


def answer_questions(given: dict[str, Any]) -> dict[str, Any]:
    """Put the model's questions to the person, one by one.

    Args:
        given: input of the AskUserQuestion tool: `questions` with `question` and `options`.

    Returns:
        The same with `answers`: question -> the label chosen, or what was typed.
    """
    from claude_magic.rendering import visible

    answers: dict[str, str] = {}
    for question in given.get("questions") or ():
        labels = [str(option.get("label", "")) for option in question.get("options") or ()]
        shown = "\n".join(f"  {number}. {visible(label)}" for number, label in enumerate(labels, 1))
        typed = _input(f"{visible(str(question.get('question', '')))}\n{shown}\nNumber, or your own words: ").strip()
        is_number = typed.isdigit() and 1 <= int(typed) <= len(labels)
        answers[str(question.get("question", ""))] = labels[int(typed) - 1] if is_number else typed
    return {**given, "answers": answers}


def _input(prompt: str) -> str:
    try:
        return input(prompt)
    except EOFError:
        return ""


def can_ask(shell: Any) -> bool:
    """Whether a person can be asked: the front end takes input (nbclient and papermill do not), or a terminal does."""
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return sys.stdin is not None and sys.stdin.isatty()
    return bool((kernel.get_parent() or {}).get("content", {}).get("allow_stdin", False))
