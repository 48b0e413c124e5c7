"""`ManagedSession`: one conversation by name; one turn at a time, in the order of asking."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any

from claude_magic.cli.account import key_notice
from claude_magic.clock import unix_time
from claude_magic.config import SessionConfig
from claude_magic.engine.checkpoints import Checkpoints
from claude_magic.engine.connection import Connection, DecidePermission
from claude_magic.engine.cost import CostMeter, streamed_cost
from claude_magic.engine.session_info import SessionState
from claude_magic.engine.steering import Steering
from claude_magic.engine.stopping import interrupt_turn, wait_until_overdue
from claude_magic.engine.turn import Turn, TurnContext, build_response, cancelled_response, prompt_text
from claude_magic.engine.turn_queue import TurnQueue
from claude_magic.errors import (
    ClaudeError,
    ControlError,
    ModelNotFoundError,
    ProcessError,
    ProtocolError,
    SessionClosedError,
)
from claude_magic.lenient import items, mapping, mappings, number, string
from claude_magic.messages import Message, MessageType
from claude_magic.redaction import Redactor
from claude_magic.response import NO_USAGE, AnswerSource, Outcome, Response
from claude_magic.strings import opening

_KEPT_ASLEEP = 100
"""Messages that are kept of a session without a process."""
_CLEAR_LIMIT_S = 60.0
"""How long a process may take to begin a new conversation: hooks of the user may run then."""

Lease = Callable[["ManagedSession"], AbstractAsyncContextManager[Connection]]
"""Gives a session a process, and the right to run, for as long as the block lasts."""

_READ_ELSEWHERE = "Claude has read this with the turn that ran; what came of it stands there."


class ManagedSession:
    """One conversation as the engine manages it: its order of turns, its process, its cost. Users see a `Session`.

    A session outlives its CLI process: idle, it may give the process up, and it resumes by its id when it is next
    prompted.

    Args:
        name: its name, unique in the client.
        config: its settings.
        keep_messages: how many of the last messages are kept while it has a process.

    Attributes:
        name: its name.
        config: its settings.
        created: when it was made, in unix seconds.
        silence_timeout_s: longest the CLI may say nothing, in seconds; `None` means no limit.
        last_used: when it last began or ended a turn, in unix seconds.
        turns: finished turns, those of background tasks included.
        cost_usd: sum of what its turns cost.
        usage: sum of their tokens.
        session_ids: every id the conversation had, the latest last.
        recent: the last messages.
        models: the models the CLI offers, as it lists them; empty before the first start.
        tools: the tools that the model has, as the CLI listed them last; empty before the first turn.
        notice: what a user should know about how it was started; "" if there is nothing.
        last_response: what its last finished turn brought back; `None` before the first.
        source: who answers. What a recording answers costs nothing.
        queue: its prompts that wait.
        checkpoints: its turns that one can go back to.
        way_back: what going forward again needs, after going back; `None` when a turn has run since.
        first_config: its settings as they were given.
        map_id: the map whose rows it answers; "" for any other.
    """

    def __init__(self, name: str, config: SessionConfig, keep_messages: int = 1000) -> None:
        self.name = name
        self.config = config
        self.created = time.time()
        self.last_used = self.created
        self.silence_timeout_s = config.silence_timeout_s
        self.turns = 0
        self.cost_usd = 0.0
        self.usage = NO_USAGE
        self.session_ids: list[str] = []
        self.recent: deque[Message] = deque(maxlen=keep_messages)
        self.models: list[dict[str, Any]] = []
        self.tools: list[str] = []
        self.map_id = ""
        self.notice = ""
        self.last_response: Response | None = None
        self.source = AnswerSource.SIMULATOR if config.simulated is not None else AnswerSource.MODEL
        self.connection: Connection | None = None
        self.decide: DecidePermission | None = None
        self.on_turn_begin: Callable[[Turn, int, str], None] = lambda turn, number, prompt: None
        self.on_turn_end: Callable[[Response, ClaudeError | None], None] = lambda response, error: None
        self.on_messages: Callable[[Turn | None, list[Message]], None] = lambda turn, messages: None
        self.idle_since = time.monotonic()
        self._fresh = True
        self._closed = False
        self._last_failed = False
        self._turn: Turn | None = None
        self.queue = TurnQueue()
        self._steering = Steering(self.queue, self._taken_in)
        self._to_skip: Turn | None = None
        self._started_with: SessionConfig | None = None
        self.checkpoints = Checkpoints()
        self.way_back: Any = None
        self.first_config = config
        self._meter = CostMeter()
        self._redactor = Redactor(dict(config.secrets))
        self._model = config.model or ""

    def __repr__(self) -> str:
        return f"<ManagedSession {self.name!r} {self.state} turns={self.turns} ${self.cost_usd:.4f}>"

    @property
    def session_id(self) -> str:
        """The CLI's id of the conversation; "" before it is known."""
        return self.session_ids[-1] if self.session_ids else ""

    @property
    def state(self) -> SessionState:
        """What it is doing now."""
        if self._closed:
            return SessionState.CLOSED
        if self._turn is not None:
            return SessionState.STARTING if self._turn.sent is None else SessionState.RUNNING
        if self.connection is not None and self.connection.is_busy:
            return SessionState.RUNNING
        return SessionState.ERROR if self._last_failed else SessionState.IDLE

    @property
    def pid(self) -> int | None:
        """Process id of its CLI, if it has one now."""
        return self.connection.transport.pid if self.connection is not None else None

    @property
    def model(self) -> str:
        """The model that answers, as the CLI names it; the configured one before the first turn."""
        return self._model

    @property
    def redactor(self) -> Redactor:
        """Knows the secrets of its settings and, once it was prompted, of its process."""
        return self._redactor

    @property
    def waiting(self) -> int:
        """How many prompts wait behind the running one."""
        return len(self.queue)

    @property
    def running(self) -> Turn | None:
        """The turn that runs, prompted or the CLI's own; `None` while none does."""
        if self._turn is not None:
            return self._turn
        return self.connection.running if self.connection is not None else None

    @property
    def resume_id(self) -> str | None:
        """The id that a new process must resume, or `None` for a conversation that has not begun."""
        if not self._fresh:
            return self.session_id
        return self.config.resume

    @property
    def effective_config(self) -> SessionConfig:
        """The settings its process must be started with for the turn at hand."""
        schema = self._turn.json_schema if self._turn is not None else None
        return self.config if schema is None else self.config.replace(json_schema=schema)

    @property
    def start_limit_s(self) -> float:
        """Longest that the start of a process for the turn at hand may take, in seconds."""
        own = self._turn.timeout_s if self._turn is not None else None
        limit_s = own if own is not None else self.config.turn_timeout_s
        return math.inf if limit_s is None else limit_s

    @property
    def is_patient(self) -> bool:
        """Whether the turn at hand waits for a process as long as it takes."""
        return self._turn is not None and self._turn.patient

    def note(self, text: str) -> None:
        """Tell the readers of the turn at hand something that the CLI does not say."""
        if self._turn is not None:
            self._turn.add([Message(MessageType.STATUS, text, b"", unix_time())])

    def note_start(self, seconds: float) -> None:
        """A process was started for the turn at hand: that counts as its time."""
        if self._turn is not None:
            self._turn.start_s = seconds

    def has_matching_process(self) -> bool:
        """Whether it holds a process that lives and was started with the wanted settings."""
        return self.connection is not None and self.connection.is_alive and self._started_with == self.effective_config

    def has_id(self, session_id: str) -> bool:
        """Whether the conversation has, or had, this id."""
        return session_id in self.session_ids

    def rename(self, name: str) -> None:
        """Take another name; turns that are on record keep the one they had."""
        self.name = name
        if self.connection is not None:
            self.connection.session = name

    # The process it holds.

    async def attach(self, connection: Connection, *, resumed: bool) -> None:
        """Take over a process.

        Args:
            connection: it; whose messages are this session's from now on.
            resumed: whether it goes on with an earlier conversation, whose cost it may count on.
        """
        self.connection = connection
        self._started_with = self.effective_config
        connection.session = self.name
        connection.on_messages = self._received
        connection.on_unsolicited = self._on_unsolicited
        connection.on_echo = self._steering.on_echo
        if self.decide is not None:
            connection.decide = self.decide
        is_given = bool(self.config.api_key) or "ANTHROPIC_API_KEY" in dict(self.config.environment)
        self.notice = " ".join(filter(None, (self.notice, key_notice(connection.info, is_given))))
        self.models = mappings(connection.info.get("models")) or self.models
        self._redactor = connection.launch.redactor
        self._meter = CostMeter()
        if resumed:
            # 2.1.330 restores the old total, 2.1.197 starts at 0: only the process knows its baseline.
            usage = mapping((await connection.request("get_usage")).get("session"))
            self._meter = CostMeter(number(usage.get("total_cost_usd")), mapping(usage.get("model_usage")))

    def detach(self) -> Connection | None:
        """Let go of the process and return it; the next prompt gets another one and resumes."""
        connection, self.connection = self.connection, None
        while len(self.recent) > _KEPT_ASLEEP:  # sessions without a process may be many
            self.recent.popleft()
        return connection

    def _received(self, turn: Turn | None, messages: list[Message]) -> None:
        if turn is not None and turn is self._to_skip:
            return
        self._update_session_id()
        self.recent.extend(messages)
        self.on_messages(turn, messages)
        if self.waiting:
            self._send_in()

    def _update_session_id(self) -> None:
        session_id = self.connection.session_id if self.connection is not None else ""
        if session_id and session_id != self.session_id:
            self.session_ids.append(session_id)

    def _on_unsolicited(self, turn: Turn, result: Message) -> None:
        """An unprompted turn is recorded like any other."""
        turn.session = self.name
        self._update_session_id()
        self._finish_turn(turn, result, None)
        self.idle_since = time.monotonic()

    # Turns.

    def enqueue(self, turn: Turn) -> None:
        """Give a turn its place in the order, at once; `run` takes it from there.

        Raises:
            SessionClosedError: the session was closed.
        """
        if self._closed:
            raise SessionClosedError(f"The session {self.name!r} was closed. Create a new one.")
        self.queue.put(turn)
        self._send_in()

    def cancel(self, turn: Turn) -> None:
        """End a turn that was dropped before it could begin to run; nothing happens if it is over."""
        self.queue.remove(turn)
        self._finish_cancelled(turn)

    async def run(self, turn: Turn, lease: Lease) -> None:
        """Wait for its place in the order, run it, and leave its response or error in the turn.

        Args:
            turn: what to run.
            lease: gives the process; called when it is this turn's turn, and it may wait.
        """
        if turn not in self.queue:
            self.enqueue(turn)
        try:
            async with self.queue.turn(turn):
                self._turn = turn
                self.last_used = time.time()
                if turn.new_conversation:
                    self._fresh, self.session_ids = True, []
                await self._run_now(turn, lease)
        except asyncio.CancelledError:
            self.queue.remove(turn)
            if not turn.stop_requested:
                turn.fail(asyncio.CancelledError("the prompt was dropped"))
                raise
            self._finish_cancelled(turn)
        finally:
            if self._turn is turn:
                self._turn = None
            self.last_used = time.time()
            self.idle_since = time.monotonic()

    async def _run_now(self, turn: Turn, lease: Lease) -> None:
        try:
            async with lease(self) as connection:
                await self._apply_settings(connection, turn)
                if turn.new_conversation:
                    await self._forget(connection)
                await self._converse(turn, connection)
        except ClaudeError as error:
            self._last_failed = True
            turn.fail(error)

    async def _converse(self, turn: Turn, connection: Connection) -> None:
        result: Message | None = None
        process_error: ClaudeError | None = None
        watch = asyncio.create_task(self._watch(turn))
        self.on_turn_begin(turn, self.turns + 1, self._redactor.text(prompt_text(turn.prompt)))
        try:
            result = await connection.run(turn)
        except (ProcessError, ProtocolError) as error:
            if turn.sent is None:
                raise
            process_error = error
        finally:
            watch.cancel()
        await self._steering.settle(connection)
        await self.checkpoints.look_for_changes(turn, self.config.working_dir)
        # Once the CLI has answered anything there is a conversation, on disk, to resume.
        self._fresh = self._fresh and result is None and turn.ttft_s is None
        self._finish_turn(turn, result, process_error)

    @property
    def is_fresh(self) -> bool:
        """Whether the conversation of this session has not begun yet."""
        return self._fresh

    async def _forget(self, connection: Connection) -> None:
        """Have a process begin a new conversation, which takes it 0.02 s, where a new process takes a second.

        The first prompt of a process is sent after it too, so that all prompts stand in the same place (2.1.202 and
        2.1.332 leave a word about the command in the conversation). No record knows of it.

        Raises:
            ControlError: the CLI has not done it.
        """
        clear = self._to_skip = Turn(self.name, "/clear", literal=False)
        try:
            async with asyncio.timeout(_CLEAR_LIMIT_S):
                result = await connection.run(clear)
        except TimeoutError:
            connection.kill()
            raise ProcessError(f"The CLI did not begin a new conversation within {_CLEAR_LIMIT_S:g} s.") from None
        finally:
            self._to_skip = None
        self._meter.turn_cost(result.raw, ())
        self._update_session_id()
        if not any(message.event == "conversation_reset" for message in clear.notable):
            raise ControlError("This CLI does not begin a new conversation when it is told to (/clear).")

    async def _apply_settings(self, connection: Connection, turn: Turn) -> None:
        """Set what may differ from prompt to prompt by control request."""
        await connection.set_permission_mode(turn.permission_mode or self.config.permission_mode)
        await connection.tools.offer(turn.tool_servers)
        try:
            await connection.set_model(turn.model, self.config.model)
        except ControlError as error:
            raise ModelNotFoundError(f"The model {turn.model!r} cannot be used: {error.message}") from None

    def _finish_turn(self, turn: Turn, result: Message | None, process_error: ClaudeError | None) -> None:
        cost = self._meter.turn_cost(result.raw, turn.messages) if result is not None else streamed_cost(turn.messages)
        self._update_model(turn)
        if self.source is AnswerSource.RECORDING:
            cost = replace(cost, cost_usd=0.0)
        self.turns += 1
        self.cost_usd += cost.cost_usd
        self.usage += cost.usage
        context = TurnContext(
            turn=self.turns,
            session_id=self.session_id,
            model=self._model,
            source=self.source,
            wants_structure=(turn.json_schema or self.config.json_schema) is not None and turn.prompt != "",
            redactor=self._redactor,
            map_id=self.map_id,
        )
        response, error = build_response(turn, result, cost, context, process_error)
        self._last_failed = error is not None
        self.way_back = None
        self.checkpoints.note_turn(turn, response)
        self.on_turn_end(response, error)
        turn.finish(response, error)

    def _update_model(self, turn: Turn) -> None:
        for message in turn.notable:
            if message.event == "init":
                self._model = str(message.raw.get("model") or self._model)
                self.tools = [string(name) for name in items(message.raw.get("tools"))] or self.tools

    def _finish_cancelled(self, turn: Turn) -> None:
        """A prompt that never reached the CLI ends as an interrupted turn that cost nothing."""
        if not turn.is_over:
            turn.finish(cancelled_response(turn, self.session_id, self._redactor, self.source))

    # Prompts that wait.

    def withdraw(self, turn_id: str) -> None:
        """Drop a prompt that waits; its turn ends as interrupted, and has cost nothing."""
        self._cancel_turn(self.queue.find(turn_id))

    def steer(self, turn_id: str) -> None:
        """Send a prompt that waits in with the next step of the running turn; else it is next."""
        turn = self.queue.find(turn_id)
        turn.steers = True
        self.queue.move(turn, 1)
        self._send_in()

    def _send_in(self) -> None:
        if self._turn is not None and self.connection is not None:
            self._steering.look(self._turn, self.connection)

    def _taken_in(self, turn: Turn) -> None:
        """A prompt was read with a step of the running turn: it has no turn of its own."""
        words = opening(self._redactor.text(prompt_text(turn.prompt)), 200)
        self.note(f"Sent in while it worked: {words}")
        turn.add([Message(MessageType.STATUS, _READ_ELSEWHERE, b"", unix_time())])
        response = cancelled_response(turn, self.session_id, self._redactor, self.source)
        turn.finish(replace(response, outcome=Outcome.SUCCESS))
        self._cancel_turn(turn)

    def begin_from(self, config: SessionConfig, *, fresh: bool = True) -> None:
        """Go on with another conversation from the next prompt on; its process must be gone.

        Args:
            config: the settings, which name the conversation.
            fresh: whether it begins with them; else the session goes on with its own.
        """
        self.config, self._fresh = config, fresh

    # Stopping.

    async def interrupt(self, turn: Turn | None = None) -> bool:
        """End the running turn and drop the prompts that wait.

        The text so far stays, and so does the process; one that does not obey within 5 seconds, or is interrupted
        a second time meanwhile, is ended by force, and the session resumes with the next prompt.

        Args:
            turn: end only this one.

        Returns:
            Whether there was anything to end.
        """
        dropped = [waiting for waiting in self.queue.waiting if turn is None or waiting is turn]
        for waiting in dropped:
            self._cancel_turn(waiting)
        running = self._turn if turn is None or turn is self._turn else None
        if running is None:
            return bool(dropped) or await self._interrupt_unsolicited(turn)
        if running.sent is None:
            self._cancel_turn(running)
        elif running.stop_requested:
            self._force()
        else:
            running.stop_requested = True
            await self._stop(running)
        return True

    async def _interrupt_unsolicited(self, turn: Turn | None) -> bool:
        if turn is None and self.connection is not None and self.connection.is_busy:
            await self.connection.interrupt()
            return True
        return False

    def _cancel_turn(self, turn: Turn) -> None:
        # Only once: a second cancellation would cut off the clean-up of the first.
        if not turn.stop_requested:
            turn.stop_requested = True
            if turn.task is not None:
                turn.task.cancel()

    async def _stop(self, turn: Turn) -> None:
        if self.connection is not None and not await interrupt_turn(turn, self.connection):
            self._force()

    def _force(self) -> None:
        if self.connection is not None:
            self.connection.kill()

    async def _watch(self, turn: Turn) -> None:
        turn.timed_out = await wait_until_overdue(turn, self.config.turn_timeout_s, self.silence_timeout_s)
        if turn.timed_out:
            await self._stop(turn)

    def close(self) -> None:
        """Take no more prompts, and end those there are; the pool ends the process."""
        self._closed = True
        for turn in [*self.queue.waiting, *([self._turn] if self._turn is not None else [])]:
            if turn.sent is None:
                self._cancel_turn(turn)
            turn.stop_requested = True
