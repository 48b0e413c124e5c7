"""Asking the person at the notebook: on the kernel's main thread, by `input()`."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from claude_magic.magics.live_screen import LiveScreen
from claude_magic.magics.screen import Screen
from claude_magic.permissions import NOBODY_TO_ASK, Allow, Decision, Deny, PermissionRequest, Withdrawn
from claude_magic.runtime import Inbox
from claude_magic.session import Session, SessionState
from claude_magic.widgets.hub import Remembered

_CHOICES = "[y]es, [n]o, [a]lways in this session, or say why not: "
_YES = ("y", "yes", "ok", "okay", "sure")


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
    shown: Future[Screen]
    can_ask: bool


class Asker:
    """Answers the CLI's questions for the cells that run; the client's `ask`, called on worker threads.

    Remembered permissions live as long as the session does.

    Args:
        can_ask: whether a person can be asked right now.
    """

    def __init__(self, can_ask: Callable[[], bool]) -> None:
        self._open: list[tuple[str, str]] = []
        self._can_ask = can_ask
        self._cells: dict[str, list[Asking]] = {}
        self._always: dict[str, tuple[Session, set[str]]] = {}

    def begin(self, session: Session, turn_id: str, inbox: Inbox | None, shown: Future[Screen]) -> Asking:
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
        if request.tool_name in self._remembered(request.session):
            return Allow()
        # A turn that nobody prompted, such as a background task's report, asks in the cell that runs.
        cells = [*self._cells.get(request.session, ())]
        cell = next((cell for cell in cells if cell.turn_id == request.turn_id), next(iter(cells), None))
        if cell is None:
            return Deny(NOBODY_TO_ASK)
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
            name = cell.session.name
            self._always[name] = (cell.session, {*self._remembered(name), request.tool_name})
        return decision

    def _decide(self, cell: Asking, request: PermissionRequest) -> Decision:
        screen = cell.shown.result()
        # While no cell waits, a page's answer arrives on any version of ipykernel.
        if isinstance(screen, LiveScreen) and (screen.can_ask or cell.inbox is None):
            return screen.ask(request).result()
        if cell.inbox is not None and cell.can_ask:
            return cell.inbox.run(lambda: self._ask(request, screen))
        return Deny(NOBODY_TO_ASK)  # the run's ending says so, and what to do

    def _remembered(self, name: str) -> set[str]:
        """Return the tools that were allowed for good; a new session under an old name has none."""
        session, tools = self._always.get(name, (None, set[str]()))
        return tools if session is not None and session.state is not SessionState.CLOSED else set()

    def _ask(self, request: PermissionRequest, screen: Screen) -> Decision:
        with suppress(Exception):  # the question is asked whatever the view does
            screen.flush()
        if request.tool_name == "AskUserQuestion":
            return Allow(answer_questions(request.tool_input))
        answer = _input(f"Claude wants to use {telling(request)}\nAllow? {_CHOICES}").strip()
        while _is_yes_and_more(answer):
            answer = _input(f"Is that a yes? {_CHOICES}").strip()
        word = answer.lower().rstrip(".!")
        if word in _YES:
            return Allow()
        if word in ("a", "always"):
            return Remembered()
        if word in ("", "n", "no"):
            return Deny()
        return Deny(answer)


def _is_yes_and_more(answer: str) -> bool:
    """Whether an answer begins as a yes and goes on: neither a plain yes nor a reason against it."""
    first, *more = re.findall(r"\w+", answer.lower()) or [""]
    return first in _YES and bool(more)


def telling(request: PermissionRequest) -> str:
    """Return what a tool would do, so that a person can decide: the command, the file, the address."""
    from claude_magic.rendering import visible

    given = request.tool_input
    for key in ("command", "file_path", "notebook_path", "path", "url", "pattern", "query"):
        if isinstance(given.get(key), str):
            return visible(f"{request.tool_name}: {given[key]}")
    return visible(f"{request.tool_name}: {json.dumps(given, ensure_ascii=False, default=str)[:2000]}")


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
