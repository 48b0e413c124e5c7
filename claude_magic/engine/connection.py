"""`Connection`: one live CLI: its beginning and its end, its settings, and what it asks us.

Whose messages these are is known to the `Router`, what is asked and answered beside the conversation to the
`ControlChannel`, what still runs in the background to `BackgroundTasks`.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from typing import Any

from claude_magic.cli import reaper, refusals
from claude_magic.cli.decoder import Decoder
from claude_magic.cli.encoder import decision_line, user_message
from claude_magic.cli.transport import Launch, Start, Transport
from claude_magic.clock import unix_time
from claude_magic.engine.background_tasks import BackgroundTasks
from claude_magic.engine.control import ControlChannel
from claude_magic.engine.router import OnMessages, OnUnsolicited, Router
from claude_magic.engine.turn import Turn
from claude_magic.errors import ClaudeError, ControlError, ProcessError, ProtocolError, SessionNotFoundError
from claude_magic.lenient import mapping, string
from claude_magic.messages import Message, MessageType
from claude_magic.permissions import (
    PLAN_TOOL,
    Allow,
    Decision,
    Deny,
    PermissionRequest,
    Withdrawn,
    edited_input,
    wire_answer,
)
from claude_magic.tools import ToolConnection

logger = logging.getLogger(__name__)

INITIALIZE_TIMEOUT_S = 60.0
REQUEST_TIMEOUT_S = 30.0
UNREADY_GRACE_S = 1.0
"""How long a CLI may take to end that is not ready yet: there is nothing to save."""
LAST_WORDS_S = 2.0
"""How long a CLI that is gone may take to be read to its end."""

DecidePermission = Callable[[PermissionRequest], Awaitable[Decision]]


async def _deny_all(request: PermissionRequest) -> Decision:
    return Deny()


def _ignore_messages(turn: Turn | None, messages: list[Message]) -> None:
    """A connection without a session has no one to tell."""


def _ignore_echo(number: str) -> None:
    """A connection without a session has sent nothing in."""


def _ignore_unsolicited(turn: Turn, result: Message) -> None:
    """A connection without a session has no one to tell."""


class Connection:
    """One live CLI. Made by `open`, never directly.

    A session that takes it over sets `session`, `on_messages`, `on_unsolicited` and `decide`.

    Attributes:
        launch: how it was started.
        info: the CLI's answer to `initialize`: models, account, commands.
        session: name of the session that uses it; "" while it is warm.
        on_messages: called with each batch and the turn it belongs to, or `None` between turns.
        on_echo: called with the id of a message that the CLI has read.
        on_unsolicited: called when an unprompted turn is over, with its result.
        decide: decides about permissions.
        model: model set by control request, else `None`.
        permission_mode: permission mode in force.
        tools: the tools of this process that it is offered.
    """

    def __init__(self, launch: Launch, transport: Transport, permission_mode: str = "default") -> None:
        self.launch = launch
        self.transport = transport
        self.info: dict[str, Any] = {}
        self.session = ""
        self.on_messages: OnMessages = _ignore_messages
        self.on_echo: Callable[[str], None] = _ignore_echo
        self.on_unsolicited: OnUnsolicited = _ignore_unsolicited
        self.decide: DecidePermission = _deny_all
        self.model: str | None = None
        self.permission_mode = permission_mode
        self._router = Router(
            lambda turn, messages: self.on_messages(turn, messages),
            lambda turn, result: self.on_unsolicited(turn, result),
        )
        self._control = ControlChannel(self._send)
        self._tasks = BackgroundTasks()
        self.tools = ToolConnection(self.request, launch.redactor)
        self._actions: dict[str, Callable[[Message], None]] = {
            "control_response": self._control.on_response,
            "control_request": self._on_control_request,
            "can_use_tool": self._on_question,
            "control_cancel_request": self._control.on_cancel,
            "task_started": self._tasks.on_started,
            "task_updated": self._tasks.on_updated,
            "task_notification": self._tasks.on_notified,
            "background_tasks_changed": self._tasks.on_listed,
            "conversation_reset": self._on_reset,
            "init": self._on_mode,
            "status": self._on_mode,
            "replay": lambda message: self.on_echo(string(message.raw.get("uuid"))),
            "result": self._tasks.on_reported,
        }
        self._ready = False
        self._early: list[Message] = []
        self._lost: ClaudeError | None = None
        self._pump_task: asyncio.Task[None] | None = None
        self._closing = False

    @classmethod
    async def open(
        cls, launch: Launch, start: Start, *, permission_mode: str = "default", within_s: float = math.inf
    ) -> Connection:
        """Start a CLI and wait until it is ready.

        Args:
            launch: what to start.
            start: makes the transport.
            permission_mode: the mode it is started in.
            within_s: longest the prompt that needs it lets it take, in seconds; 60 s are the longest anyway.

        Raises:
            ProcessError: it did not start, or ended before it was ready, or hung.
            TurnTimeoutError: it hung for `within_s`.
            SessionNotFoundError: the conversation to resume is not there.
        """
        connection: Connection | None = None
        limit_s = min(within_s, INITIALIZE_TIMEOUT_S)
        try:
            async with asyncio.timeout(limit_s):
                connection = cls(launch, await start(launch), permission_mode)
                connection._pump_task = asyncio.create_task(connection._pump())
                connection.info = await connection.request(
                    "initialize", timeout_s=math.inf, hooks=None, forwardSubagentText=True
                )
        except BaseException as error:
            hung = (
                refusals.hung(limit_s, connection._last_activity(), by_prompt=limit_s == within_s)
                if connection
                else None
            )
            if connection is not None:
                await asyncio.shield(connection.close(grace_s=UNREADY_GRACE_S))
            if isinstance(error, TimeoutError):
                raise (hung or refusals.hung(limit_s, "", by_prompt=limit_s == within_s)) from None
            raise
        connection._ready = True
        connection._early = []
        return connection

    def _last_activity(self) -> str:
        """What a CLI that does not get ready is busy with, for a person."""
        tail = self.transport.stderr_tail.strip()
        if tail:
            last = tail.rpartition("\n")[2]
            return f"its last words were: {last}"
        return reaper.activity_of(self.transport.pid) if self.transport.pid is not None else ""

    @property
    def is_alive(self) -> bool:
        """Whether the CLI can take a prompt."""
        return self._lost is None and not self._closing

    @property
    def is_busy(self) -> bool:
        """Whether a turn runs: prompted, or the CLI's own."""
        return self._router.turn is not None

    @property
    def running(self) -> Turn | None:
        """The turn that runs: prompted, or the CLI's own."""
        return self._router.turn

    @property
    def background(self) -> set[str]:
        """Ids of background tasks that are alive."""
        return self._tasks.alive

    @property
    def has_background(self) -> bool:
        """Whether something the agent started still runs."""
        return bool(self._tasks.alive) or self._router.runs_unsolicited or bool(self.transport.detached_pids())

    @property
    def session_id(self) -> str:
        """The CLI's id of the conversation, as of its last word."""
        return self._router.session_id

    async def run(self, turn: Turn) -> Message:
        """Send a prompt and wait for its result; everything else goes to `on_messages`.

        Raises:
            ProcessError: the CLI ended before the result.
            ProtocolError: its output cannot be followed.
        """
        await self._router.until_quiet()
        if self._lost is not None:
            raise self._lost
        # A background task reports in a turn of its own, which may begin before the CLI reads our prompt.
        result = self._router.begin(turn, await_echo=self._tasks.may_report)
        turn.mark_sent()
        try:
            await self.send_prompt(turn, turn.id)
            return await result
        finally:
            self._router.leave(turn)

    async def send_prompt(self, turn: Turn, number: str) -> None:
        """Write a prompt to the CLI.

        Args:
            turn: whose prompt.
            number: its uuid, which the CLI must not have seen.

        Raises:
            ProcessError: the CLI is gone.
        """
        await self._send(user_message(turn.prompt, number, literal=turn.literal))

    async def interrupt(self) -> None:
        """Ask the CLI to end the running turn. An idle CLI just says yes.

        Raises:
            ProcessError: the CLI is gone.
        """
        await self.request("interrupt")

    async def set_permission_mode(self, mode: str) -> None:
        """Change the permission mode, if it is another one."""
        if mode != self.permission_mode:
            await self.request("set_permission_mode", mode=mode)
            self.permission_mode = mode

    async def set_model(self, model: str | None, started_with: str | None) -> None:
        """Change the model, if it is another one; 2.1.330 asks the API whether it exists.

        Args:
            model: the model; `None` is the one the process was started with.
            started_with: that one.

        Raises:
            ControlError: the CLI refuses it.
        """
        wanted = model if model != started_with else None
        if wanted != self.model:
            await self.request("set_model", model=wanted or started_with)
            self.model = wanted

    async def request(self, subtype: str, *, timeout_s: float = REQUEST_TIMEOUT_S, **fields: Any) -> dict[str, Any]:
        """Send a control request and return the answer; see `ControlChannel.request`.

        Raises:
            ProcessError: the CLI is gone, or does not answer.
            ControlError: the CLI refuses.
        """
        if self._lost is not None:
            raise self._lost
        return await self._control.request(subtype, timeout_s, fields)

    async def _send(self, message: dict[str, Any]) -> None:
        try:
            await self.transport.send(message)
        except ProcessError as error:
            # The end of the line says why; the write that failed only says that.
            if self._pump_task is not None:
                await asyncio.wait([self._pump_task], timeout=LAST_WORDS_S)
            raise (self._lost or error) from None

    async def close(self, *, grace_s: float = 4.0) -> None:
        """End the CLI and everything it started; return when it is gone. Safe to call twice."""
        self._closing = True
        self._control.stop_responding()
        await self.transport.close(grace_s=grace_s)
        if self._pump_task is not None and self._pump_task is not asyncio.current_task():
            await asyncio.wait([self._pump_task], timeout=grace_s)
            self._pump_task.cancel()

    def kill(self) -> None:
        """End the CLI by force, without waiting; the pump sees the end of the line."""
        self.transport.kill()

    # What comes in.

    async def _pump(self) -> None:
        lost: ClaudeError | None = None
        try:
            while batch := await self.transport.receive():
                self._on_batch(batch)
        except (ProcessError, ProtocolError) as error:
            lost = error
        except Exception as error:
            logger.exception("the reader of a CLI failed")
            lost = ProtocolError(f"The CLI's output could not be followed: {error}")
        if lost is not None:
            # Out of step: nothing it says can be trusted any more.
            await self.transport.close(grace_s=2.0)
        self._end(lost or self._end_reason())

    def _end_reason(self) -> ClaudeError:
        """Why the line ended, in the CLI's own words where it has any."""
        for message in self._early:
            if message.type is MessageType.RESULT and any(phrase in message.text for phrase in _NOT_FOUND):
                return SessionNotFoundError(_not_found(message.text))
        code, tail = self.transport.exit_code, self.transport.stderr_tail.strip()
        if "No message found with message.uuid" in tail:
            return SessionNotFoundError("The conversation to go on with does not have the message `resume_at`.")
        return refusals.ended(code, tail, ready=self._ready)

    def _end(self, lost: ClaudeError) -> None:
        self._lost = lost
        self._control.connection_lost(lost)
        self._tasks.alive.clear()
        self._router.connection_lost(lost)

    def _on_batch(self, batch: list[Message]) -> None:
        if not self._ready:
            self._early += batch
        self._router.route(batch, self._act)

    def _act(self, event: str, message: Message) -> None:
        action = self._actions.get(event)
        if action is not None:
            action(message)

    # Actions on single messages.

    def _on_control_request(self, message: Message) -> None:
        request = mapping(message.raw.get("request"))
        turn = self._router.turn
        if request.get("subtype") == "mcp_message":
            turn_id = turn.id if turn is not None else ""
            ids = {"session": self.session, "session_id": self.session_id, "turn_id": turn_id}
            self._control.respond(message, lambda: self.tools.answer(request, **ids))
        else:
            self._control.respond(message, lambda: _refuse(f"The host serves no {request.get('subtype')!r} request."))

    def _on_question(self, message: Message) -> None:
        turn = self._router.turn
        request = _permission_request(self.session, turn, mapping(message.raw.get("request")), self.launch.working_dir)
        self._control.respond(message, lambda: self._ask(turn, request))

    async def _ask(self, turn: Turn | None, request: PermissionRequest) -> dict[str, Any]:
        tool = self.tools.find(request.tool_name)
        if tool is not None and tool.is_allowed:
            self._report_decision(request, Allow())
            return wire_answer(request, Allow())
        if turn is not None:
            turn.question_asked()
        try:
            decision = await self.decide(request)
        finally:
            if turn is not None:
                turn.question_answered()
        if turn is not None and isinstance(decision, Deny) and decision.stop:
            turn.denied_and_stopped = True
        if tool is not None and (edited := edited_input(request, decision)) is not None:
            self.tools.note_edited(request.tool_use_id, request.tool_input, edited)
        if not isinstance(decision, Withdrawn):
            self._report_decision(request, decision)
        return wire_answer(request, decision)

    def _report_decision(self, request: PermissionRequest, decision: Decision) -> None:
        """Put the decision among the CLI's messages, so that all who read them know what ran, and since when."""
        allowed, edited = isinstance(decision, Allow), edited_input(request, decision)
        line = decision_line(request.tool_name, request.tool_use_id, allowed, edited)
        self._router.deliver(Decoder(self.launch.redactor).decode([line], unix_time()))

    def _on_mode(self, message: Message) -> None:
        """The mode in force is the CLI's own word: an approved plan and EnterPlanMode change it, too."""
        self.permission_mode = string(message.raw.get("permissionMode")) or self.permission_mode

    def _on_reset(self, message: Message) -> None:
        self._router.session_id = str(message.raw.get("new_conversation_id") or self.session_id)


# What the CLI says of `--resume` (2.1.197 and 2.1.330): of an id it does not have, and of what is not an id at all.
_NOT_FOUND = ("No conversation found", "requires a valid session ID", "does not match any session title")


def _not_found(text: str) -> str:
    known = text.strip().rstrip(".") if "No conversation found" in text else "The CLI knows no such conversation"
    return f"{known}. `%claude transcripts` lists the ids there are; `%claude new NAME` begins a new conversation."


async def _refuse(error: str) -> dict[str, Any]:
    raise ControlError(error)


def _permission_request(session: str, turn: Turn | None, request: dict[str, Any], folder: str) -> PermissionRequest:
    tool_name, given = str(request.get("tool_name") or ""), dict(mapping(request.get("input")))
    tool_use_id = str(request.get("tool_use_id") or "")
    suggestions = request.get("permission_suggestions")
    return PermissionRequest(
        session=session,
        turn_id=turn.id if turn else "",
        tool_name=tool_name,
        tool_input=given,
        tool_use_id=tool_use_id,
        description=str(request.get("description") or ""),
        suggestions=tuple(one for one in suggestions if isinstance(one, dict)) if isinstance(suggestions, list) else (),
        agent_id=str(request.get("agent_id") or ""),
        blocked_path=str(request.get("blocked_path") or ""),
        working_dir=folder,
        plan=_plan(given, tool_use_id, turn) if tool_name == PLAN_TOOL else "",
    )


def _plan(given: dict[str, Any], tool_use_id: str, turn: Turn | None) -> str:
    """Return the plan to approve: the CLI reads it from the plan's file; without one it is what the model wrote."""
    uses = [message for message in (turn.notable if turn else ()) if message.type is MessageType.TOOL_USE]
    written = [message.tool_input for message in uses if message.tool_use_id == tool_use_id]
    plans = [one.get("plan") for one in (given, *written)]
    return next((plan for plan in plans if isinstance(plan, str) and plan.strip()), "")
