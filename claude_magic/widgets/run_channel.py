"""`RunChannel`: one run and the line to the pages that show it: what they are told, and what they ask.

A page's click arrives on the thread "Control", on the kernel's main thread or on a subshell's, depending on the
versions of ipykernel and front end. So everything here takes the channel's lock, and does nothing but settle futures
and send.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from comm import create_comm

from claude_magic.engine.grants import Grant, Remembered, exactly, offered
from claude_magic.messages import Message
from claude_magic.permissions import (
    EDITS_WITHOUT_ASKING,
    KEEP_PLANNING,
    PLAN_TOOL,
    Allow,
    Decision,
    Deny,
    PermissionRequest,
    Withdrawn,
)
from claude_magic.widgets.live import LiveRun
from claude_magic.widgets.previews import CellSource, preview
from claude_magic.widgets.protocol import COMM_TARGET, VERSION, Op, Request, RunData

OnStop = Callable[[], object]
OnUndo = Callable[[bool], object]


class RunTransport(Protocol):
    """A line to the pages that show one run."""

    def open(self, run: str, receive: Callable[[Request], object]) -> None:
        """Open it anew: pages listen to what is sent from now on."""

    def send(self, message: dict[str, Any]) -> None:
        """Send a message to the pages."""


class CommTransport:
    """A comm of its own for each run: what the JupyterLab extension listens to."""

    def __init__(self) -> None:
        self._comm: Any = None

    def open(self, run: str, receive: Callable[[Request], object]) -> None:
        old, self._comm = self._comm, create_comm(target_name=COMM_TARGET, data={"version": VERSION, "run": run})
        if hasattr(self._comm, "_reply_subshell_for"):
            # ipykernel 7.4 answers on the shell that published last, which a running cell blocks.
            self._comm._reply_subshell_for = lambda data, default: default
        self._comm.on_msg(lambda message: receive(message["content"]["data"]))
        if old is not None:
            old.close()

    def send(self, message: dict[str, Any]) -> None:
        self._comm.send(message)


class RunChannel:
    """One run and the transport to its pages.

    Args:
        run: the run.
        transport: how to reach the pages.
        on_stop: called when a page asks to stop it.
        on_undo: called when a page asks to undo its edits; the argument says whether only to look.

    Attributes:
        run: the run.
        cell: id of the cell below which it stands, where its view can be put back; else "".
        cell_source: knows the cells of the open notebook.
    """

    def __init__(self, run: LiveRun, transport: RunTransport, on_stop: OnStop, on_undo: OnUndo) -> None:
        self.run = run
        self.cell = ""
        self.cell_source: CellSource = lambda cell, version: None
        self._transport = transport
        self._on_stop = on_stop
        self._on_undo = on_undo
        self._lock = threading.RLock()
        self._is_open = False
        self._seq = 0
        self._open: dict[str, _Open] = {}
        self._final: dict[str, Any] | None = None
        self._undo_state: Literal["", "asked", "done"] = ""
        self._on_replaced: Callable[[], object] = lambda: None
        self._on_revoke: Callable[[str], object] = lambda label: None
        self._on_undo_cells: Callable[[], object] = lambda: None

    @property
    def is_over(self) -> bool:
        """Whether the run has ended."""
        return self._final is not None

    def open(self) -> None:
        """Open the transport, to which every page of the kernel may listen, and tell all that is known."""
        with self._lock:
            self._transport.open(self.run.id, self.receive)
            self._is_open = True
            self._send({"type": "snapshot", "run": self.run.snapshot(), "questions": list(self.run.questions.values())})
            if self._final is not None:
                self._send(self._final)

    def add(self, messages: Iterable[Message]) -> None:
        """Fold messages in; `flush` tells the pages."""
        with self._lock:
            self.run.add(messages)

    def flush(self) -> None:
        """Tell the pages what has changed."""
        with self._lock:
            self.tell(self.run.operations())

    def tell(self, ops: list[Op]) -> None:
        """Send operations."""
        with self._lock:
            if ops and self._is_open:
                self._send({"type": "ops", "ops": ops})

    def set(self, facts: RunData) -> None:
        """Change fields of the run on all pages."""
        with self._lock:
            undo = facts.get("undo")
            if undo is not None and (undo["done"] or undo["error"]):
                self._undo_state = "done" if undo["done"] else ""
            if self._final is not None:
                self._final["run"] = {**self._final["run"], **facts}
            self.tell([self.run.set(facts)])

    def finish(self, run: RunData, bundle: dict[str, Any]) -> None:
        """Tell the pages how the run ended, and what they shall keep; open questions are denied."""
        with self._lock:
            self.flush()
            for question in list(self._open):
                self._settle(question, Withdrawn("The turn is over."))
            self._final = {"type": "final", "run": {**run, "run": self.run.id}, "bundle": bundle}
            if self._is_open:
                self._send(self._final)

    def ask(self, request: PermissionRequest, *, remembers: bool = False) -> Future[Decision]:
        """Put a question to the pages that watch; the future brings the first answer.

        Args:
            request: what is asked.
            remembers: whether who gets the answer remembers what it grants for the session, a `Remembered`.
        """
        grants = offered(request) if remembers else ()
        patch = preview(request.tool_name, request.tool_input, request.working_dir or ".", self.cell_source)
        with self._lock:
            question = self.run.ask(request, [grant.choice for grant in grants], patch)
            asked = self._open[question["id"]] = _Open(request, grants)
            self.flush()
            self.tell([["ask", question]])
            return asked.answer

    def on_replaced(self, close: Callable[[], object]) -> None:
        """Have `close` called when a page says that it has taken the view of this run away."""
        self._on_replaced = close

    def on_revoke(self, revoke: Callable[[str], object]) -> None:
        """Have `revoke` called when a page takes back what was granted: one of `granted`, or "" for all of it."""
        self._on_revoke = revoke

    def on_undo_cells(self, undo: Callable[[], object]) -> None:
        """Have `undo` called when a page asks to put back the cells that the turn changed."""
        self._on_undo_cells = undo

    def receive(self, request: Request) -> bool:
        """Do what a page asks; return whether it made sense. A wrong or used token changes nothing."""
        action = request.get("action")
        if action == "attach":
            self.open()
        elif action == "stop":
            self._on_stop()
        elif action == "undo":
            return self._undo(bool(request.get("dry_run", True)))
        elif action == "undo_cells":
            self._on_undo_cells()
        elif action == "leave":
            self._on_replaced()
        elif action == "revoke":
            self._on_revoke(str(request.get("grant") or ""))
        elif action == "answer":
            return self._answer(request)
        else:
            return False
        return True

    def _undo(self, dry_run: bool) -> bool:
        """Undo once: the same request, sent again, would go on to the edits of the turn before."""
        with self._lock:
            if self._undo_state == "done" or (self._undo_state == "asked" and not dry_run):
                return False
            if not dry_run:
                self._undo_state = "asked"
        self._on_undo(dry_run)
        return True

    def _answer(self, request: Request) -> bool:
        with self._lock:
            question = self.run.questions.get(str(request.get("question")))
            if question is None or question["token"] != request.get("token"):
                return False
            self._settle(question["id"], self._open[question["id"]].decision(request))
            return True

    def _settle(self, question_id: str, decision: Decision) -> None:
        self.run.questions.pop(question_id, None)
        asked = self._open.pop(question_id, None)
        if asked is not None and not asked.answer.done():
            asked.answer.set_result(decision)
        self.tell([["settled", question_id]])

    def _send(self, message: dict[str, Any]) -> None:
        self._seq += 1
        self._transport.send({**message, "seq": self._seq})


@dataclass(frozen=True, eq=False)
class _Open:
    """A question that waits for its answer.

    Attributes:
        request: what is asked.
        grants: what can be granted for the session, in the order of the page's choices.
        answer: brings the answer.
    """

    request: PermissionRequest
    grants: tuple[Grant, ...]
    answer: Future[Decision] = field(default_factory=Future)

    def decision(self, request: Request) -> Decision:
        """Return what a page's answer means."""
        word = request.get("decision")
        given = request.get("input")
        changed = given if isinstance(given, dict) else None
        if word == "edits" and self.request.tool_name == PLAN_TOOL:
            return Allow(updates=(EDITS_WITHOUT_ASKING,))
        if word in ("allow", "edits"):
            return Allow(changed)
        if word == "session":
            grant = self._grant(request.get("grant"), changed)
            return Remembered(changed, grant=grant) if grant is not None else Allow(changed)
        reason = str(request.get("reason") or "").strip()
        if not reason and self.request.tool_name == PLAN_TOOL:
            reason = KEEP_PLANNING
        stop = bool(request.get("stop", False))
        return Deny(reason, stop) if reason else Deny(stop=stop)

    def _grant(self, number: Any, changed: dict[str, Any] | None) -> Grant | None:
        """Return what the page named; where the input was edited, exactly that is what runs again."""
        is_named = type(number) is int and 0 <= number < len(self.grants)
        grant = self.grants[number] if is_named else None
        return exactly(self.request, changed) if grant is not None and grant.kind == "input" else grant
