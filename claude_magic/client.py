"""`AsyncClaudeClient`: sessions by name, prompts in, messages out, and everything on record."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import time
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from claude_magic.command import build_command
from claude_magic.config import PERMISSION_MODES, PoolConfig, RetryPolicy, SessionConfig, json_text, one_of, positive
from claude_magic.connection import Connection
from claude_magic.edits import Rewind
from claude_magic.errors import ClaudeError, PoolClosedError, SessionClosedError, SessionNotFoundError
from claude_magic.messages import Batch, Message
from claude_magic.permissions import Allow, Ask, Decision, PermissionRequest, decide
from claude_magic.pool import Compile, Launcher, SessionPool
from claude_magic.process import Process
from claude_magic.protocol import Content
from claude_magic.records.history import FinishedTurn, History, HistoryWriter, history_of
from claude_magic.records.log import LogAggregator, LogEntry, LogSummary
from claude_magic.records.messages import MessageRecord
from claude_magic.records.metrics import Metrics, Stats
from claude_magic.records.recorder import Recorder
from claude_magic.records.sessions import SessionInfo
from claude_magic.records.sinks import sink_for
from claude_magic.records.spans import SpanRecord
from claude_magic.records.tools import ToolRecord
from claude_magic.records.turns import TurnRecord
from claude_magic.redaction import redactor_for
from claude_magic.response import Response
from claude_magic.session import Session, SessionState
from claude_magic.tape import PLAYED, TapePlayer, TapeRecorder
from claude_magic.transport import Start
from claude_magic.turn import Turn

if TYPE_CHECKING:
    from claude_magic.records.frames import Frames
    from claude_magic.records.plots import Plots

T = TypeVar("T")
logger = logging.getLogger("claude_magic")
_KEPT_TURNS = 100_000
"""Finished turns that are remembered; older ones are dropped."""

Observer = Callable[[Batch], None]
Tracer = Callable[[str, dict[str, Any]], None]


class Stream:
    """A prompt's messages as they come. Use it in `async with`: leaving early interrupts the turn.

    Args:
        turn: the turn to follow.
        submit: starts it.
        interrupt: ends it.
    """

    def __init__(self, turn: Turn, submit: Callable[[Turn], None], interrupt: Callable[[Turn], Any]) -> None:
        self._turn = turn
        self._submit = submit
        self._interrupt = interrupt

    @property
    def response(self) -> Response:
        """The response, once the stream is over; for a failed turn, what there was.

        Raises:
            RuntimeError: the stream is not over yet.
            ClaudeError: the turn failed before anything was sent.
        """
        if self._turn.response is None and self._turn.error is not None:
            raise self._turn.error
        if self._turn.response is None:
            raise RuntimeError("The response is there when the stream is over: read it to its end first.")
        return self._turn.response

    @property
    def turn_id(self) -> str:
        """The uuid of the prompt, which joins all records."""
        return self._turn.id

    async def __aenter__(self) -> Self:
        self._begin()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """End the turn, if it is not over, and return when it is: the first time by asking, then by force."""
        if not self._turn.is_over and self._turn.task is not None:
            await self._interrupt(self._turn)
            await asyncio.wait([self._turn.task])

    def _begin(self) -> None:
        if self._turn.task is None:
            self._submit(self._turn)

    async def __aiter__(self) -> AsyncIterator[Message]:
        async for batch in self.batches():
            for message in batch:
                yield message

    async def batches(self) -> AsyncIterator[list[Message]]:
        """Yield the messages in the batches they arrived in.

        Raises:
            ClaudeError: after the last message, if the turn ended in an error; it carries `response`.
        """
        self._begin()
        async for batch in self._turn.updates():
            yield batch
        if self._turn.error is not None:
            raise self._turn.error


class AsyncClaudeClient:
    """Sessions with the Claude CLI, by name. Everything happens on the loop it is first used on.

    Args:
        config: settings of sessions that are created without their own.
        pool: limits on processes and turns.
        retry: how often to try again.
        ask: decides when the CLI asks for permission; may be a coroutine function. `None` denies.
        tracer: told of every event of the engine, as `(event, fields)`; for debugging and tests.
        record: write every run to this tape; see `claude_magic.tape`.
        replay: answer from this tape, with no CLI and no account; a `TapePlayer` may also set the speed.
        history: keep finished turns for later kernels: `True` in the user's own database, or a file, or a `History`.
        start: makes a transport; the real one by default.
        compile: turns a configuration into what can be launched; the real one by default.

    Attributes:
        config: settings of sessions that are created without their own.
        ask: who decides about permissions; may be changed at any time.
        tape: records runs while it is on.
        observers: callables that get every `Batch` of messages; one that raises is logged and left out.
        response_observers: callables that get every `Response` when its turn is over; likewise.
    """

    _ask_in_thread = False

    def __init__(
        self,
        config: SessionConfig | None = None,
        *,
        pool: PoolConfig | None = None,
        retry: RetryPolicy | None = None,
        ask: Ask | None = None,
        tracer: Tracer | None = None,
        record: str | Path | None = None,
        replay: str | Path | TapePlayer | None = None,
        history: History | str | Path | bool | None = None,
        start: Start = Process.start,
        compile: Compile | None = None,
    ) -> None:
        self.config = config or SessionConfig()
        self.ask = ask
        self.observers: list[Observer] = []
        self.response_observers: list[Callable[[Response], None]] = []
        self._pool_config = pool or PoolConfig()
        self._retry = retry or RetryPolicy()
        self._tracer = tracer
        self._sessions: dict[str, Session] = {}
        self._names = itertools.count(1)
        self._closed = False
        self._turns: set[asyncio.Task[None]] = set()
        self._metrics = Metrics()
        self._turn_records: deque[TurnRecord] = deque(maxlen=_KEPT_TURNS)
        self._frames: Frames | None = None
        self._log_stops: list[Callable[[], None]] = []
        self._recorder = Recorder(LogAggregator(self._pool_config.log_entries, redactor=redactor_for(os.environ)))
        self._history = HistoryWriter(history_of(history))
        self.tape = TapeRecorder()
        if record is not None:
            self.tape.begin(record)
        self._live = (start, compile or self._compile)
        self._player = None if replay is None else _player(replay)
        self._start, self._compile_config = self._ways()
        self._pool = SessionPool(self._pool_config, self._retry, self._start, self._compile_config, self._trace)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {len(self._sessions)} sessions, {self._pool!r}>"

    @property
    def pool(self) -> PoolConfig:
        """The limits on processes and turns; new ones hold from the next prompt on."""
        return self._pool.config

    @pool.setter
    def pool(self, config: PoolConfig) -> None:
        self._pool.config = config

    @property
    def is_closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    @property
    def history(self) -> History | None:
        """Where finished turns are kept for later kernels; `None` is nowhere. May be changed at any time."""
        return self._history.history

    @history.setter
    def history(self, history: History | None) -> None:
        self._history.history = history

    @property
    def player(self) -> TapePlayer | None:
        """The tape that answers in place of the CLI; `None` while the CLI does."""
        return self._player

    async def play(self, replay: str | Path | TapePlayer | None) -> list[SessionInfo]:
        """Answer from a tape from now on, or from the CLI again. A played turn costs nothing and is marked.

        Args:
            replay: the tape, or a `TapePlayer` with a speed of its own; `None` is the CLI.

        Returns:
            The sessions that were open. They were closed: a conversation must not go on in another world.

        Raises:
            ValueError: the file is no tape; nothing has changed.
        """
        self._check_open()
        self._player = None if replay is None else _player(replay)
        infos = self.list_sessions()
        sessions, self._sessions = list(self._sessions.values()), {}
        for session in sessions:
            session.retire()
        self._start, self._compile_config = self._ways()
        self._pool.switch(self._start, self._compile_config)
        for session in sessions:
            await self._pool.release(session)
        return infos

    def _ways(self) -> tuple[Start, Compile]:
        start, compile = (self._player.start, self._player.compile) if self._player is not None else self._live
        return self.tape.wrap(start), compile

    # Sessions.

    async def create_session(self, config: SessionConfig | None = None, name: str | None = None) -> Session:
        """Make a session. Nothing starts before its first prompt.

        Args:
            config: its settings; the client's own if not given.
            name: its name; made up if not given.

        Raises:
            ValueError: the name is taken or empty.
            PoolClosedError: the client is closed.
        """
        self._check_open()
        if name is None:
            name = next(made for made in map("session-{}".format, self._names) if made not in self._sessions)
        if not name.strip():
            raise ValueError("A session's name must not be empty.")
        if name in self._sessions:
            raise ValueError(f"There is a session {name!r} already: use it, close it, or take another name.")
        session = Session(name, config or self.config, self._pool_config.messages)
        session.source = PLAYED if self._player is not None else ""
        session.answer = self._decide
        session.on_begin = self._turn_begins
        session.on_messages = partial(self._observe, session)
        session.on_turn = partial(self._turn_ends, session)
        self._sessions[name] = session
        return session

    def get_session(self, name: str | Session) -> Session:
        """Return a session by its name, or by any id its conversation ever had.

        Raises:
            SessionNotFoundError: there is none.
            SessionClosedError: the handle is of a session that was closed.
        """
        if isinstance(name, Session):
            if name.state is SessionState.CLOSED:
                raise SessionClosedError(f"The session {name.name!r} was closed. Create a new one.")
            return name
        if name in self._sessions:
            return self._sessions[name]
        for session in list(self._sessions.values()):
            if session.knows(name):
                return session
        known = ", ".join(map(repr, self._sessions)) or "none yet"
        raise SessionNotFoundError(f"There is no session {name!r}. Open sessions: {known}.")

    async def close_session(self, name: str | Session) -> None:
        """End a session: its turns, its process and everything the process started. Its records stay.

        Raises:
            SessionNotFoundError: there is none.
        """
        session = self.get_session(name)
        self._sessions.pop(session.name, None)
        session.retire()
        await self._pool.release(session)

    def list_sessions(self) -> list[SessionInfo]:
        """Return what there is to know about each open session."""
        return [_info(session) for session in self._sessions.values()]

    def get_stats(self) -> Stats:
        """Return the numbers of the client: requests, response times, processes."""
        counts = self._pool.counts
        return self._metrics.snapshot(
            active_sessions=sum(session.state is SessionState.RUNNING for session in self._sessions.values()),
            created=counts.created,
            reused=counts.reused,
            destroyed=counts.destroyed,
            waiting=self._pool.waiting,
        )

    # Prompts.

    def stream(
        self,
        session: str | Session,
        prompt: Content,
        *,
        literal: bool = True,
        model: str | None = None,
        permission_mode: str | None = None,
        timeout_s: float | None = None,
        json_schema: str | Mapping[str, Any] | None = None,
    ) -> Stream:
        """Prompt a session and follow what comes.

        A busy session lets the prompt wait for its turn.

        Args:
            session: name, id or handle.
            prompt: text, or a list of the API's content blocks.
            literal: take a leading `/command` and any `@path` as plain text. A value that comes from data must
                not be able to run or read anything, so this is the default.
            model: model for this prompt only.
            permission_mode: permission mode for this prompt only.
            timeout_s: longest it may take, in seconds.
            json_schema: JSON Schema that this answer must fit. The CLI takes it only when it starts, so the
                session's process is started anew (it resumes) before this prompt and before the next without it.

        Returns:
            A stream that starts when it is entered or first read.

        Raises:
            ValueError: the prompt is empty, or an option makes no sense.
            SessionNotFoundError: there is no such session.
            PoolClosedError: the client is closed.
        """
        self._check_open()
        target = self.get_session(session)
        if not prompt or (isinstance(prompt, str) and not prompt.strip()):
            raise ValueError("The prompt is empty: say what Claude should do.")
        if permission_mode is not None:
            one_of("permission_mode", permission_mode, PERMISSION_MODES)
        if timeout_s is not None:
            positive("timeout_s", timeout_s)
        if model is not None and not model.strip():
            raise ValueError("model is empty: leave it out, or give a name.")
        schema = json_text("json_schema", json_schema)
        turn = Turn(target.name, prompt, literal, model, permission_mode, timeout_s, schema)
        return Stream(turn, partial(self._submit, target), target.interrupt)

    async def execute(self, session: str | Session, prompt: Content, **options: Any) -> Response:
        """Prompt a session and return the response; the same as draining `stream`.

        Args:
            session: name, id or handle.
            prompt: text, or content blocks.
            options: as for `stream`.

        Raises:
            ClaudeError: the turn ended in an error; the error carries `response` with what there was.
        """
        async with self.stream(session, prompt, **options) as stream:
            async for _ in stream.batches():
                pass
            return stream.response

    async def account(self) -> dict[str, Any]:
        """Start a CLI without prompting it, and return what it says of itself before any turn.

        Returns:
            The answer to `initialize`: `account`, `models`, `commands` and more. `is_logged_in` reads it.

        Raises:
            CLINotFoundError: there is no CLI.
            ProcessError: it does not start.
        """
        command = await self._compile_config(self.config)
        connection = await Connection.open(command.launch(session_id=str(uuid.uuid4())), self._start)
        try:
            return connection.info
        finally:
            await connection.close()

    async def interrupt(self, session: str | Session) -> bool:
        """End the running turn of a session and drop the prompts that wait in it; the session stays usable.

        Returns:
            Whether there was anything to end.
        """
        return await self.get_session(session).interrupt()

    async def undo(self, session: str | Session, *, dry_run: bool = False) -> Rewind:
        """Restore the files as they were before the last turn of a session that edited any.

        Covered is what the CLI's own editing tools changed; what Bash did is not. Calling it again goes one such
        turn further back. The conversation keeps what was said.

        Args:
            session: name, id or handle.
            dry_run: only say what would change.

        Raises:
            ControlError: the CLI cannot restore them.
        """
        return await self.get_session(session).undo(self._pool.lease, dry_run=dry_run)

    async def close(self) -> None:
        """End all sessions and processes. Records stay readable. Safe to call twice."""
        self._closed = True
        sessions, self._sessions = list(self._sessions.values()), {}
        for session in sessions:
            session.retire()
        await self._pool.close()
        if self._turns:
            await asyncio.wait(self._turns)
        await self._history.flush()
        self.tape.close()
        for stop in list(self._log_stops):
            stop()

    # Records; together they are the `FrameSource` of `frames`.

    @property
    def frames(self) -> Frames:
        """What happened, as DataFrames."""
        if self._frames is None:
            from claude_magic.records.frames import Frames

            self._frames = Frames(self)
        return self._frames

    @property
    def plots(self) -> Plots:
        """What happened, as pictures; needs matplotlib (extra `plots`)."""
        from claude_magic.records.plots import Plots

        return Plots(self.frames)

    def log_to(self, target: str | Path | logging.Handler) -> Callable[[], None]:
        """Send the log to a file or a `logging` handler too, from now on; in memory it is bounded, there it is not.

        Entries arrive as they are made, secrets redacted, their messages not cut. Closing the client ends it as well.

        Args:
            target: path of a file that gets one line of JSON per entry (see `LinesSink`), or a `logging.Handler`.

        Returns:
            Call it to send no more.

        Raises:
            ValueError: the file cannot be written.
        """
        sink = sink_for(target)
        sinks = self._recorder.log.sinks

        def stop() -> None:
            if sink in sinks:
                sinks.remove(sink)
            sink.close()
            if stop in self._log_stops:
                self._log_stops.remove(stop)

        sinks.append(sink)
        self._log_stops.append(stop)
        return stop

    def session_infos(self) -> list[SessionInfo]:
        """Return what there is to know about each open session."""
        return self.list_sessions()

    def turn_records(self) -> list[TurnRecord]:
        """Return the finished turns, oldest first, those of closed sessions too."""
        return list(self._turn_records)

    def message_records(self) -> list[MessageRecord]:
        """Return what was said, oldest first."""
        return self._recorder.messages.records()

    def tool_records(self) -> list[ToolRecord]:
        """Return the tool uses, oldest first."""
        return self._recorder.tools.records()

    def span_records(self) -> list[SpanRecord]:
        """Return the stretches of the turns' time, in the order they ended."""
        return self._recorder.spans.records()

    def past(self) -> History:
        """Return what is kept of earlier kernels; a turn that ended just now may not be there yet."""
        return self.history or History()

    async def flush_history(self) -> None:
        """Return when the finished turns are where they are kept, or cannot be."""
        await self._history.flush()

    def log_entries(self, session: str | None) -> list[LogEntry]:
        """Return the log of one session, or of all (`None`), oldest first."""
        return self._recorder.log.entries(session)

    def log_summaries(self) -> list[LogSummary]:
        """Return the counts of each session's log."""
        return self._recorder.log.summaries()

    def stats(self) -> Stats:
        """Return the metrics as they are now."""
        return self.get_stats()

    # How it works.

    async def _compile(self, config: SessionConfig) -> Launcher:
        # Finding the CLI, its version and the folder's settings reads files and may run `claude --version`.
        return await asyncio.to_thread(build_command, config, self._retry)

    def _submit(self, session: Session, turn: Turn) -> None:
        self._check_open()
        session.enqueue(turn)
        turn.task = asyncio.create_task(self._run(session, turn))
        self._turns.add(turn.task)
        turn.task.add_done_callback(partial(self._task_over, session, turn))

    def _task_over(self, session: Session, turn: Turn, task: asyncio.Task[None]) -> None:
        self._turns.discard(task)
        # Dropped in the very moment of asking, it never got to its own clean-up.
        session.abandon(turn)

    async def _run(self, session: Session, turn: Turn) -> None:
        self._trace("turn", {"session": session.name, "turn_id": turn.id})
        try:
            await session.run(turn, self._pool.lease)
        except Exception as error:
            logger.exception("a turn failed in a way it should not")
            turn.fail(error)
        finally:
            if turn.error is not None and turn.response is None:
                self._metrics.record(0.0, ok=False)
                words = f"the prompt was not sent: {turn.error}"
                self._recorder.log.note(session.name, "error", words, turn_id=turn.id)
            self._trace("turn_over", {"session": session.name, "turn_id": turn.id, "error": str(turn.error or "")})
            self._pool.turn_over(session)

    async def _decide(self, request: PermissionRequest) -> Decision:
        decision = await decide(self.ask, request, in_thread=self._ask_in_thread)
        self._recorder.tools.decided(request.session, request.tool_use_id, isinstance(decision, Allow))
        self._recorder.spans.decided(request.session, request.tool_use_id, time.time())
        return decision

    def _observe(self, session: Session, turn: Turn | None, messages: list[Message]) -> None:
        batch = Batch(session.name, session.session_id, turn.id if turn is not None else "", messages)
        self._recorder.add(batch)
        _tell(self.observers, batch)

    def _turn_begins(self, turn: Turn, number: int, prompt: str) -> None:
        self._recorder.begin(turn.session, number, turn.id, prompt, time.time(), turn.asked)

    def _turn_ends(self, session: Session, response: Response, error: ClaudeError | None) -> None:
        self._recorder.end(session.name)
        record = TurnRecord.of(response)
        self._turn_records.append(record)
        self._metrics.record_turn(record)
        if self.history is not None and not record.simulated:
            tools = self._recorder.tools.of_turn(session.name, response.turn_id)
            self._history.add(FinishedTurn(record, tools, _info(session)))
        _tell(self.response_observers, response)
        # A background task that reported may have been all that kept this process from being wanted elsewhere.
        asyncio.get_running_loop().call_soon(self._pool.turn_over, session)

    def _trace(self, event: str, fields: dict[str, Any]) -> None:
        logger.debug("%s %s", event, fields)
        if event == "spawn" and fields["session"]:
            self._recorder.spans.spawned(fields["session"], fields["took_s"])
        if event in _NOTED:
            words = ", ".join(f"{name} {value}" for name, value in fields.items() if name != "session")
            self._recorder.log.note(str(fields.get("session", "")), _NOTED[event], f"{event}: {words}")
        if self._tracer is not None:
            self._tracer(event, fields)

    def _check_open(self) -> None:
        if self._closed:
            raise PoolClosedError("The client is closed. Make a new one.")


_NOTED = {
    "spawn": "info",
    "reuse": "info",
    "retry": "warning",
    "reap": "info",
    "end": "info",
    "prewarm_failed": "warning",
}
"""Events of the engine that the log keeps, with their level."""


def _tell(observers: list[Callable[[T], None]], news: T) -> None:
    """Tell observers; one that fails must not hurt the turn, and is left out from then on."""
    for observer in list(observers):
        try:
            observer(news)
        except Exception:
            logger.exception("an observer failed and is left out from now on")
            observers.remove(observer)


def _player(replay: str | Path | TapePlayer) -> TapePlayer:
    return replay if isinstance(replay, TapePlayer) else TapePlayer(replay)


def is_logged_in(info: Mapping[str, Any]) -> bool:
    """Return whether a CLI has credentials, judging by its answer to `initialize` (`AsyncClaudeClient.account`)."""
    account = info.get("account") or {}
    if account.get("apiProvider") not in (None, "", "firstParty"):
        return True
    sources = (account.get("tokenSource"), account.get("apiKeySource"))
    return any(source not in (None, "", "none") for source in sources)


def _info(session: Session) -> SessionInfo:
    return SessionInfo(
        name=session.name,
        session_id=session.session_id,
        workspace_id=session.config.workspace_id,
        state=str(session.state),
        model=session.model,
        working_dir=session.config.working_dir,
        pid=session.pid,
        created=session.created,
        last_used=session.last_used,
        turns=session.turns,
        cost_usd=session.cost_usd,
        simulated=session.is_simulated,
    )
