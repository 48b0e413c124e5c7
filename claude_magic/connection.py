"""`Connection`: one live CLI and what it says: control requests, questions, whose messages these are.

The CLI's results are not one to one with prompts (measured on 2.1.197 and 2.1.330): messages that arrive during a turn
are folded into it or merged, and background tasks start turns nobody prompted. So a connection has at most one
prompt outstanding. The echo of its uuid (`--replay-user-messages`) says that the CLI has taken it in; 2.1.197 sends the
echo only after the first block has streamed, so messages wait for it only where a turn nobody prompted may come first.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from claude_magic.errors import ClaudeError, ControlError, ProcessError, ProtocolError, SessionNotFoundError
from claude_magic.messages import Message, MessageType
from claude_magic.permissions import Allow, Decision, Deny, PermissionRequest, edited_input, wire_answer
from claude_magic.protocol import Decoder, control_error, control_request, control_success, decision_line, user_message
from claude_magic.transport import Launch, Start, Transport
from claude_magic.turn import Turn

logger = logging.getLogger(__name__)

INITIALIZE_TIMEOUT_S = 60.0
REQUEST_TIMEOUT_S = 30.0
LAST_WORDS_S = 2.0
"""How long a CLI that is gone may take to be read to its end."""

OnMessages = Callable[[Turn | None, list[Message]], None]
OnExtra = Callable[[Turn, Message], None]
Answer = Callable[[PermissionRequest], Awaitable[Decision]]


async def _deny_all(request: PermissionRequest) -> Decision:
    return Deny()


def _ignore_messages(turn: Turn | None, messages: list[Message]) -> None:
    """A connection without a session has nobody to tell."""


def _ignore_extra(turn: Turn, result: Message) -> None:
    """Likewise."""


class Connection:
    """One live CLI. Made by `open`, never directly.

    A session that takes it over sets `session`, `on_messages`, `on_extra` and `answer`.

    Attributes:
        launch: how it was started.
        info: the CLI's answer to `initialize`: models, account, commands.
        session_id: the CLI's id of the conversation, as of its last word.
        session: name of the session that uses it; "" while it is warm.
        on_messages: called with each batch and the turn it belongs to, or `None` between turns.
        on_extra: called when a turn that nobody prompted is over, with its result.
        answer: decides about permissions.
        background: ids of background tasks that are alive.
        model: model set by control request, else `None`.
        permission_mode: permission mode in force.
    """

    def __init__(self, launch: Launch, transport: Transport, permission_mode: str = "default") -> None:
        self.launch = launch
        self.transport = transport
        self.info: dict[str, Any] = {}
        self.session_id = ""
        self.session = ""
        self.on_messages: OnMessages = _ignore_messages
        self.on_extra: OnExtra = _ignore_extra
        self.answer: Answer = _deny_all
        self.background: set[str] = set()
        self.model: str | None = None
        self.permission_mode = permission_mode
        self.prompted = False
        self._turn: Turn | None = None
        self._taken = False
        self._uncertain = False
        self._report_due = False
        self._held: list[Message] = []
        self._extra: Turn | None = None
        self._result: asyncio.Future[Message] | None = None
        self._requests: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._request_count = 0
        self._questions: dict[str, asyncio.Task[None]] = {}
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._early: list[Message] = []
        self._lost: ClaudeError | None = None
        self._pump_task: asyncio.Task[None] | None = None
        self._closing = False

    @classmethod
    async def open(cls, launch: Launch, start: Start, *, permission_mode: str = "default") -> Connection:
        """Start a CLI and wait until it is ready.

        Args:
            launch: what to start.
            start: makes the transport.
            permission_mode: the mode it is started in.

        Raises:
            ProcessError: it did not start, or ended before it was ready.
            SessionNotFoundError: the conversation to resume is not there.
        """
        connection = cls(launch, await start(launch), permission_mode)
        connection._pump_task = asyncio.create_task(connection._pump())
        try:
            connection.info = await connection.request(
                "initialize", timeout_s=INITIALIZE_TIMEOUT_S, hooks=None, forwardSubagentText=True
            )
        except BaseException:
            await asyncio.shield(connection.close())
            raise
        return connection

    @property
    def is_alive(self) -> bool:
        """Whether the CLI can take a prompt."""
        return self._lost is None and not self._closing

    @property
    def is_busy(self) -> bool:
        """Whether a turn runs: prompted, or the CLI's own."""
        return self._turn is not None or self._extra is not None

    @property
    def has_background(self) -> bool:
        """Whether something the agent started still runs."""
        return bool(self.background) or self._extra is not None or bool(self.transport.detached())

    async def run(self, turn: Turn) -> Message:
        """Send a prompt and wait for its result; everything else goes to `on_messages`.

        Raises:
            ProcessError: the CLI ended before the result.
            ProtocolError: its output cannot be followed.
        """
        await self._until_quiet()
        if self._lost is not None:
            raise self._lost
        self.prompted = True
        self._turn, self._taken, self._held = turn, False, []
        # A background task reports in a turn of its own, which may begin before the CLI reads our prompt.
        self._uncertain = bool(self.background) or self._report_due
        self._result = asyncio.get_running_loop().create_future()
        turn.mark_sent()
        try:
            await self._send(user_message(turn.prompt, turn.id, literal=turn.literal))
            return await self._result
        finally:
            self._result = None
            if self._turn is turn:
                self._release_held()
                self._turn = None

    async def _until_quiet(self) -> None:
        """Wait for the end of a turn the CLI runs by itself: a prompt sent now could be folded into it."""
        while not self._quiet.is_set() and self._lost is None:
            await self._quiet.wait()

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

    async def set_model(self, model: str | None) -> None:
        """Change the model, if it is another one; 2.1.330 asks the API whether it exists."""
        if model != self.model:
            await self.request("set_model", model=model)
            self.model = model

    async def request(self, subtype: str, *, timeout_s: float = REQUEST_TIMEOUT_S, **fields: Any) -> dict[str, Any]:
        """Send a control request and return the answer.

        Args:
            subtype: the kind of request.
            timeout_s: longest wait, in seconds.
            fields: what belongs to it.

        Raises:
            ProcessError: the CLI is gone, or does not answer.
            ControlError: the CLI refuses.
        """
        if self._lost is not None:
            raise self._lost
        self._request_count += 1
        request_id = f"claude-magic-{self._request_count}"
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._requests[request_id] = answer
        try:
            await self._send(control_request(request_id, subtype, **fields))
            async with asyncio.timeout(timeout_s):
                return await answer
        except TimeoutError:
            raise ProcessError(f"The CLI did not answer {subtype!r} within {timeout_s:g} s.") from None
        finally:
            self._requests.pop(request_id, None)

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
        for task in list(self._questions.values()):
            task.cancel()
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
                self._route(batch)
        except ProtocolError as error:
            lost = error
        except Exception as error:
            logger.exception("the reader of a CLI failed")
            lost = ProtocolError(f"The CLI's output could not be followed: {error}")
        if lost is not None:
            # Out of step: nothing it says can be trusted any more.
            await self.transport.close(grace_s=2.0)
        self._end(lost or self._death())

    def _death(self) -> ClaudeError:
        """Why the line ended, in the CLI's own words where it has any."""
        for message in self._early:
            if message.type is MessageType.RESULT and any(words in message.text for words in _NOT_FOUND):
                return SessionNotFoundError(_not_found(message.text))
        code, tail = self.transport.exit_code, self.transport.stderr_tail.strip()
        if "No message found with message.uuid" in tail:
            return SessionNotFoundError("The conversation to go on with does not have the message `resume_at`.")
        why = f": {tail.splitlines()[-1]}" if tail else ""
        error = ProcessError(f"The Claude CLI ended (exit code {code}){why}.", exit_code=code, stderr_tail=tail)
        # What the CLI says of its own arguments is the same next time.
        error.retryable = not any(line.lower().startswith("error") for line in tail.splitlines())
        return error

    def _end(self, lost: ClaudeError) -> None:
        self._lost = lost
        for future in [*self._requests.values(), self._result]:
            if future is not None and not future.done():
                future.set_exception(lost)
                future.exception()  # seen: nobody may be waiting any more
        for task in list(self._questions.values()):
            task.cancel()
        self.background.clear()
        self._extra = None
        self._quiet.set()

    def _route(self, batch: list[Message]) -> None:
        """Act on what needs acting on, and hand the rest on in stretches that belong to one turn."""
        begin = 0
        for position, message in enumerate(batch):
            wire = message.about.wire
            if not wire:
                continue
            handler = _ACTIONS.get(wire)
            if handler is not None:
                handler(self, message)
            if wire in _BOUNDARIES:
                # An init opens a turn before it is handed on, a result closes it afterwards.
                end = position + (wire != "init")
                self._deliver(batch[begin:end])
                begin = end
                self._boundary(message)
        self._deliver(batch[begin:])

    def _deliver(self, messages: list[Message]) -> None:
        if not messages:
            return
        if not self.info:
            self._early += messages
        if self._turn is not None:
            if self._taken or not self._uncertain:
                self._hand_on(self._turn, messages)
            else:
                self._held += messages
                self._turn.still_waiting()
        else:
            self._hand_on(self._extra, messages)

    def _hand_on(self, turn: Turn | None, messages: list[Message]) -> None:
        if turn is not None:
            turn.add(messages)
        self.on_messages(turn, messages)

    def _boundary(self, message: Message) -> None:
        if message.about.wire == "init":
            self._initialized(message)
        elif message.about.wire == "replay":
            self._echoed(message)
        else:
            self._resulted(message)

    def _initialized(self, message: Message) -> None:
        """A turn begins: ours if one is out, else one that nobody prompted."""
        self.session_id = message.session_id or self.session_id
        if self._turn is None and self._extra is None:
            self._extra = Turn(self.session, "")
            self._extra.mark_sent()
            self._quiet.clear()

    def _echoed(self, message: Message) -> None:
        if self._turn is not None and message.raw.get("uuid") == self._turn.id:
            self._taken = True
            self._release_held()

    def _release_held(self) -> None:
        if self._turn is not None and self._held:
            held, self._held = self._held, []
            self._hand_on(self._turn, held)

    def _resulted(self, message: Message) -> None:
        raw = message.raw
        self.session_id = str(raw.get("session_id") or self.session_id)
        self._report_due = False
        if self._turn is not None and self._is_ours(raw):
            self._release_held()
            # From here on the CLI may begin a turn of its own, perhaps in this very batch.
            self._turn = None
            if self._result is not None and not self._result.done():
                self._result.set_result(message)
            return
        extra = self._extra or Turn(self.session, "")
        if self._held:
            held, self._held = self._held, []
            self._hand_on(extra, held)
        self._extra = None
        self._quiet.set()
        if extra.sent is None:
            extra.mark_sent()
        self.on_extra(extra, message)

    def _is_ours(self, raw: dict[str, Any]) -> bool:
        """Whether a result ends the prompted turn.

        2.1.330 names the prompts a turn took in. Before that only the echo tells; a slash command has none, but
        its result has no `origin` either.
        """
        assert self._turn is not None
        if self._turn.id in (raw.get("user_message_uuids") or ()):
            return True
        origin = raw.get("origin") or {}
        return self._taken or origin.get("kind") != "task-notification"

    # Actions on single messages.

    def _on_control_response(self, message: Message) -> None:
        answer = message.raw.get("response") or {}
        future = self._requests.get(str(answer.get("request_id")))
        if future is None or future.done():
            return
        if answer.get("subtype") == "success":
            future.set_result(answer.get("response") or {})
        else:
            future.set_exception(ControlError(str(answer.get("error") or "refused without a reason")))

    def _on_control_request(self, message: Message) -> None:
        raw = message.raw
        subtype = (raw.get("request") or {}).get("subtype")
        self._answer_later(str(raw.get("request_id")), self._refuse(f"This host does not serve {subtype!r} requests."))

    def _on_question(self, message: Message) -> None:
        raw = message.raw
        turn = self._turn or self._extra
        request = _permission_request(self.session, turn.id if turn else "", raw.get("request") or {})
        self._answer_later(str(raw.get("request_id")), self._ask(turn, request))

    def _on_cancel(self, message: Message) -> None:
        task = self._questions.get(str(message.raw.get("request_id")))
        if task is not None:
            task.cancel()

    def _answer_later(self, request_id: str, work: Awaitable[dict[str, Any]]) -> None:
        async def answer() -> None:
            try:
                reply = control_success(request_id, await work)
            except ControlError as refusal:
                reply = control_error(request_id, refusal.message)
            except Exception:
                logger.exception("a question of the CLI could not be answered; it is refused")
                reply = control_error(request_id, "The host failed to answer.")
            try:
                await self.transport.send(reply)
            except ProcessError as error:
                logger.debug("an answer came too late: %s", error)

        task = asyncio.create_task(answer())
        self._questions[request_id] = task
        task.add_done_callback(lambda done: self._questions.pop(request_id, None))

    async def _ask(self, turn: Turn | None, request: PermissionRequest) -> dict[str, Any]:
        if turn is not None:
            turn.question_asked()
        try:
            decision = await self.answer(request)
        finally:
            if turn is not None:
                turn.question_answered()
        if turn is not None and isinstance(decision, Deny) and decision.stop:
            turn.denied_and_stopped = True
        self._tell(request, decision)
        return wire_answer(request, decision)

    def _tell(self, request: PermissionRequest, decision: Decision) -> None:
        """Put the decision among the CLI's messages, so that all who read them know what ran, and since when."""
        allowed, edited = isinstance(decision, Allow), edited_input(request, decision)
        line = decision_line(request.tool_name, request.tool_use_id, allowed, edited)
        self._deliver(Decoder(self.launch.redactor).decode([line], time.time()))

    async def _refuse(self, error: str) -> dict[str, Any]:
        raise ControlError(error)

    def _on_task_started(self, message: Message) -> None:
        raw = message.raw
        # 2.1.197 does not say which tasks are in the background; one that ends is taken off either way.
        if raw.get("is_backgrounded", True):
            self.background.add(str(raw.get("task_id")))

    def _on_task_ended(self, message: Message) -> None:
        self._ended({str(message.raw.get("task_id"))})

    def _on_task_updated(self, message: Message) -> None:
        raw = message.raw
        if (raw.get("patch") or {}).get("status") in ("completed", "failed", "stopped", "killed"):
            self._ended({str(raw.get("task_id"))})

    def _on_tasks_changed(self, message: Message) -> None:
        alive = {str(task.get("task_id")) for task in message.raw.get("tasks") or ()}
        self._ended(self.background - alive)
        self.background = alive

    def _ended(self, tasks: set[str]) -> None:
        self._report_due = self._report_due or bool(tasks & self.background)
        self.background -= tasks

    def _on_reset(self, message: Message) -> None:
        self.session_id = str(message.raw.get("new_conversation_id") or self.session_id)


# What the CLI says of `--resume` (2.1.197 and 2.1.330): of an id it does not have, and of what is no id at all.
_NOT_FOUND = ("No conversation found", "requires a valid session ID", "does not match any session title")


def _not_found(words: str) -> str:
    known = words.strip().rstrip(".") if "No conversation found" in words else "The CLI knows no such conversation"
    return f"{known}. `%claude transcripts` lists the ids there are; `%claude new NAME` begins a new conversation."


_BOUNDARIES = frozenset(("init", "replay", "result"))
_ACTIONS: dict[str, Callable[[Connection, Message], None]] = {
    "control_response": Connection._on_control_response,
    "control_request": Connection._on_control_request,
    "can_use_tool": Connection._on_question,
    "control_cancel_request": Connection._on_cancel,
    "task_started": Connection._on_task_started,
    "task_updated": Connection._on_task_updated,
    "task_notification": Connection._on_task_ended,
    "background_tasks_changed": Connection._on_tasks_changed,
    "conversation_reset": Connection._on_reset,
}


def _permission_request(session: str, turn_id: str, request: dict[str, Any]) -> PermissionRequest:
    return PermissionRequest(
        session=session,
        turn_id=turn_id,
        tool_name=str(request.get("tool_name") or ""),
        tool_input=dict(request.get("input") or {}),
        tool_use_id=str(request.get("tool_use_id") or ""),
        description=str(request.get("description") or ""),
        suggestions=tuple(request.get("permission_suggestions") or ()),
        agent_id=str(request.get("agent_id") or ""),
        blocked_path=str(request.get("blocked_path") or ""),
    )
