"""`Turn`: one prompt on its way, from waiting to its response."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from claude_magic.cli.decoder import Content
from claude_magic.clock import unix_time
from claude_magic.config import PERMISSION_MODES, one_of, positive
from claude_magic.engine.cost import TurnCost
from claude_magic.errors import (
    ClaudeError,
    ConnectionFailedError,
    StructuredOutputError,
    TurnTimeoutError,
    classify_failure,
)
from claude_magic.lenient import count, mapping, mappings
from claude_magic.messages import NO_DETAILS, Message, MessageType
from claude_magic.redaction import Redactor
from claude_magic.response import AnswerSource, Outcome, Response
from claude_magic.tools import ToolServer

# Looking a member up in its class would take most of the time of the loops below.
_TEXT, _STATUS = MessageType.TEXT, MessageType.STATUS
_TOOL_USE, _TOOL_RESULT = MessageType.TOOL_USE, MessageType.TOOL_RESULT
_STREAMED = (_TEXT, MessageType.THINKING, _TOOL_USE)


@dataclass(eq=False, repr=False)
class Turn:
    """One prompt on its way. Lives on the loop thread; readers follow it with `updates`.

    Attributes:
        session: name of the session it belongs to.
        prompt: what was asked.
        literal: whether a `/command` and an `@path` in it are plain text.
        model: model for this prompt only.
        permission_mode: permission mode for this prompt only.
        timeout_s: longest it may take, instead of the session's own limit.
        json_schema: the answer must fit this JSON Schema, instead of the session's own.
        patient: whether it waits for its turn to run as long as it takes.
        new_conversation: whether what was said before in the session is forgotten first.
        tool_servers: the tools of this process that the model is offered.
        steers: whether it is sent in with the next step of a turn that runs, instead of waiting for its end.
        id: uuid of the prompt, fresh for each turn: the CLI swallows one it has seen.
        messages: what came, in order.
        notable: those of them that are more than a piece of text, such as tool uses: few, where `messages` are many.
        response: what it brought, once it is over (also for a failed turn, as far as it went).
        error: why it failed, once it is over.
        asked: when it was made, in unix seconds.
        start_s: how long its process took to start, in seconds; 0 if there was one.
    """

    session: str
    prompt: Content
    literal: bool = True
    model: str | None = None
    permission_mode: str | None = None
    timeout_s: float | None = None
    json_schema: str | None = None
    patient: bool = False
    new_conversation: bool = False
    tool_servers: tuple[ToolServer, ...] = ()
    steers: bool = False
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    messages: list[Message] = field(default_factory=list)
    notable: list[Message] = field(default_factory=list)
    response: Response | None = None
    error: BaseException | None = None
    asked: float = field(default_factory=unix_time)
    sent: float | None = None
    start_s: float = 0.0
    stop_requested: bool = False
    denied_and_stopped: bool = False
    timed_out: str = ""
    task: asyncio.Task[None] | None = None
    changed_by_commands: tuple[str, ...] = ()
    open_tools: set[str] = field(default_factory=set)
    _shown: list[str] = field(default_factory=list)
    _changed: asyncio.Event | None = None
    _over: asyncio.Event = field(default_factory=asyncio.Event)
    _sent_clock: float = 0.0
    _last_line: float = 0.0
    _questions: int = 0
    _asked_since: float = 0.0
    _human_s: float = 0.0

    def __repr__(self) -> str:
        state = "over" if self.is_over else "waiting" if self.sent is None else "running"
        return f"<Turn {self.id} session={self.session!r} {state} {len(self.messages)} messages>"

    def check(self) -> None:
        """Raise `ValueError` where the prompt is empty, or an option of it makes no sense."""
        if not self.prompt or (isinstance(self.prompt, str) and not self.prompt.strip()):
            raise ValueError("The prompt is empty: say what Claude should do.")
        if self.permission_mode is not None:
            one_of("permission_mode", self.permission_mode, PERMISSION_MODES)
        if self.timeout_s is not None:
            positive("timeout_s", self.timeout_s)
        if self.model is not None and not self.model.strip():
            raise ValueError("model is empty: leave it out, or give a name.")

    def rewrite(self, text: str) -> None:
        """Give a prompt that was not sent yet other words; blocks that are not its own text stay.

        Raises:
            ValueError: there are no words.
        """
        if not text.strip():
            raise ValueError("The prompt is empty: say what Claude should do, or withdraw it.")
        if isinstance(self.prompt, str):
            self.prompt = text
            return
        last = max(place for place, block in enumerate(self.prompt) if block.get("type") == "text")
        self.prompt = [{**block, "text": text} if place == last else block for place, block in enumerate(self.prompt)]

    @property
    def is_over(self) -> bool:
        """Whether the turn has a response or an error."""
        return self.response is not None or self.error is not None

    def add(self, messages: list[Message]) -> None:
        """Take messages that belong to this turn and wake its readers."""
        self.messages += messages
        self._last_line = time.monotonic()
        show = self._shown.append
        for message in messages:
            if message.type is _TEXT:
                show(message.text)
            elif message.details is not NO_DETAILS:
                self._note(message)
        self._wake()

    def _note(self, message: Message) -> None:
        self.notable.append(message)
        kind = message.type
        if kind is _TOOL_USE:
            self.open_tools.add(message.tool_use_id)
        elif kind is _TOOL_RESULT:
            self.open_tools.discard(message.tool_use_id)
        elif kind is _STATUS and message.withdrawn:
            self._shown[:] = [self.text[: -message.withdrawn]]

    def reset_silence(self) -> None:
        """The CLI is at work on something else, with this turn next: that is not silence."""
        self._last_line = time.monotonic()

    def mark_sent(self) -> None:
        """The prompt is on its way to the CLI: the clocks start."""
        self.sent = unix_time()
        self._sent_clock = self._last_line = time.monotonic()

    def finish(self, response: Response, error: BaseException | None = None) -> None:
        """The turn is over."""
        if isinstance(error, ClaudeError):
            error.response = response
        self.response, self.error = response, error
        self._end()

    def fail(self, error: BaseException) -> None:
        """The turn is over before anything was sent."""
        self.error = error
        self._end()

    def _end(self) -> None:
        self._over.set()
        self._wake()

    async def updates(self, every_s: float = 0.0) -> AsyncIterator[list[Message]]:
        """Yield the messages as they come, in batches, until the turn is over.

        Args:
            every_s: let this time pass after a piece of streamed text, in seconds, so that those that follow it come
                together; whatever else comes, and the first piece, is yielded at once.
        """
        seen = 0
        while True:
            if len(self.messages) > seen:
                batch = self.messages[seen:]
                seen += len(batch)
                yield batch
                if every_s > 0 and batch[-1].details is NO_DETAILS:
                    await self.wait_until_over(every_s)
            elif self.is_over:
                return
            else:
                self._changed = self._changed or asyncio.Event()
                await self._changed.wait()

    async def wait_until_over(self, timeout_s: float | None = None) -> None:
        """Wait until the turn is over, for at most `timeout_s` seconds; `None` is as long as it takes."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._over.wait()
        except TimeoutError:
            return

    def _wake(self) -> None:
        """Wake those who wait for something new; often there are none."""
        changed, self._changed = self._changed, None
        if changed is not None:
            changed.set()

    # Clocks. The time a person takes to answer a question does not count.

    def question_asked(self) -> None:
        """A person is being asked: the clocks stop."""
        if self._questions == 0:
            self._asked_since = time.monotonic()
        self._questions += 1

    def question_answered(self) -> None:
        """The question is answered, or withdrawn: the clocks go on."""
        self._questions -= 1
        if self._questions == 0:
            now = time.monotonic()
            self._human_s += now - self._asked_since
            self._last_line = now

    def waited_s(self) -> float:
        """Seconds that the CLI has waited for a person since the prompt was sent."""
        return self._human_s + (time.monotonic() - self._asked_since if self._questions else 0.0)

    def elapsed_s(self) -> float:
        """Seconds since the prompt was sent, a person's time not counted."""
        now = self._asked_since if self._questions else time.monotonic()
        return now - self._sent_clock - self._human_s

    def silent_s(self) -> float:
        """Seconds since the last line; 0 while a person or a tool is at work."""
        if self._questions or self.open_tools:
            return 0.0
        return time.monotonic() - self._last_line

    @property
    def text(self) -> str:
        """The answer so far."""
        return "".join(self._shown)

    @property
    def ttft_s(self) -> float | None:
        """Seconds from sending to the first sign of the answer."""
        for message in self.messages:
            if message.type in _STREAMED and self.sent is not None:
                return max(0.0, message.received - self.sent)
        return None


def prompt_text(prompt: Content) -> str:
    """Return a prompt as text; blocks that are not text are named."""
    if isinstance(prompt, str):
        return prompt
    return "\n\n".join(
        str(block.get("text", "")) if block.get("type") == "text" else f"[{block.get('type', 'block')}]"
        for block in prompt
    )


@dataclass(frozen=True)
class TurnContext:
    """What only the session knows of a turn: its number, ids and model, who answers, what must not be shown."""

    turn: int
    session_id: str
    model: str
    source: AnswerSource
    wants_structure: bool
    redactor: Redactor
    map_id: str = ""


def build_response(
    turn: Turn, result: Message | None, cost: TurnCost, context: TurnContext, process_error: ClaudeError | None = None
) -> tuple[Response, ClaudeError | None]:
    """Say how a turn ended.

    Args:
        turn: the turn, with all its messages.
        result: the CLI's result line, or `None` if none came.
        cost: what it cost.
        context: what only the session knows.
        process_error: why there is no result, if the process died.

    Returns:
        The response, and the error to raise for outcomes that raise.
    """
    raw = result.raw if result is not None else {}
    clean = context.redactor
    error = _failure(turn, result, raw, process_error, context.wants_structure)
    response = Response(
        text=turn.text,
        structured=clean.value(raw.get("structured_output")),
        outcome=_outcome(turn, raw, error),
        denials=tuple(clean.value(mappings(raw.get("permission_denials")))),
        cost_usd=cost.cost_usd,
        estimated=cost.estimated,
        usage=cost.usage,
        duration_s=time.monotonic() - turn._sent_clock if turn.sent is not None else 0.0,
        waited_s=turn.waited_s(),
        ttft_s=turn.ttft_s,
        turn_id=turn.id,
        session=turn.session,
        num_steps=count(raw.get("num_turns")),
        prompt=clean.text(prompt_text(turn.prompt)),
        messages=tuple(turn.messages),
        started=turn.sent or unix_time(),
        error=str(error) if error is not None else "",
        turn=context.turn,
        session_id=context.session_id,
        model=context.model,
        source=context.source,
        process_gone=process_error is not None,
        map_id=context.map_id,
    )
    return response, error


def cancelled_response(turn: Turn, session_id: str, redactor: Redactor, source: AnswerSource) -> Response:
    """Return the response of a turn that was dropped before its prompt reached the CLI: it cost nothing.

    Args:
        turn: the turn.
        session_id: the CLI's id of the conversation; "" before it is known.
        redactor: knows what must not be shown.
        source: who would have answered.
    """
    return Response(
        text="",
        outcome=Outcome.INTERRUPTED,
        turn_id=turn.id,
        session=turn.session,
        session_id=session_id,
        prompt=redactor.text(prompt_text(turn.prompt)),
        source=source,
        started=unix_time(),
        sent=False,
    )


def _outcome(turn: Turn, raw: dict[str, Any], error: ClaudeError | None) -> Outcome:
    if error is not None:
        return Outcome.TIMEOUT if isinstance(error, TurnTimeoutError) else Outcome.ERROR
    subtype = raw.get("subtype")
    if subtype == "error_max_turns":
        return Outcome.MAX_TURNS
    if subtype == "error_max_budget_usd":
        return Outcome.BUDGET
    if turn.denied_and_stopped:
        return Outcome.DENIED
    if not raw or _was_aborted(raw):
        return Outcome.INTERRUPTED
    return Outcome.SUCCESS


def _failure(
    turn: Turn, result: Message | None, raw: dict[str, Any], process_error: ClaudeError | None, wants_structure: bool
) -> ClaudeError | None:
    """The error a turn raises, or `None`. API failures come as subtype success with is_error: that flag decides."""
    if turn.timed_out and (result is None or raw.get("is_error")):
        return TurnTimeoutError(turn.timed_out)
    if result is None:
        return None if turn.stop_requested else process_error
    if not raw.get("is_error"):
        if wants_structure and raw.get("structured_output") is None:
            return StructuredOutputError("The model gave no output for the schema. Prompt again, or loosen the schema.")
        return ConnectionFailedError(_CUT_OFF) if _was_cut_off(turn, raw) else None
    if raw.get("subtype") in ("error_max_turns", "error_max_budget_usd"):
        return None
    if _was_aborted(raw) and (turn.stop_requested or turn.denied_and_stopped):
        return None
    return classify_failure(
        result.text,
        status=count(raw.get("api_error_status")) or None,
        word=_last_error_word(turn.notable),
        subtype=str(raw.get("subtype") or ""),
        resets_at=_resets_at(turn.messages),
    )


_CUT_OFF = "The answer was cut off: the API's stream ended in the middle. Prompt again to go on."


def _was_cut_off(turn: Turn, raw: dict[str, Any]) -> bool:
    """Whether 2.1.197 calls half an answer a success: no reason to stop, and a stream that never said how it ended."""
    if raw.get("stop_reason", "") is not None:
        return False
    events = [message.event for message in turn.notable if message.event in ("message_start", "message_delta")]
    return bool(events) and events[-1] == "message_start"


def _was_aborted(raw: dict[str, Any]) -> bool:
    return str(raw.get("terminal_reason") or "").startswith("aborted")


def _last_error_word(messages: list[Message]) -> str:
    for message in reversed(messages):
        if message.type is MessageType.ERROR:
            return str(message.raw.get("error") or "")
    return ""


def _resets_at(messages: list[Message]) -> float | None:
    for message in reversed(messages):
        if message.type is MessageType.RATE_LIMIT:
            value = mapping(message.raw.get("rate_limit_info")).get("resetsAt")
            return float(value) if value is not None else None
    return None
