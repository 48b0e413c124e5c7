"""`AsyncClaudeClient`: sessions by name, prompts in, messages out, and everything on record."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from claude_magic.cli.command import compile_with
from claude_magic.cli.decoder import Content
from claude_magic.cli.process import Process
from claude_magic.cli.transport import Compile, SessionOrigin, Start
from claude_magic.config import MapBudgets, PoolConfig, RetryPolicy, SessionConfig, json_text
from claude_magic.engine.connection import Connection
from claude_magic.engine.managed_session import ManagedSession
from claude_magic.engine.pool import SessionPool
from claude_magic.engine.registry import SessionRegistry, info_of
from claude_magic.engine.session import Session, managed
from claude_magic.engine.session_info import SessionInfo
from claude_magic.engine.stream import AsyncStream, TurnTasks
from claude_magic.engine.turn import Turn
from claude_magic.engine.verbs import ConversationVerbs
from claude_magic.errors import ClaudeError, PoolClosedError
from claude_magic.messages import Batch, Message
from claude_magic.observers import ObserverGuard
from claude_magic.permissions import Ask, Decision, PermissionRequest, decide
from claude_magic.recording import ReplaySwitch, TapeRecorder, TapeReplayer
from claude_magic.records.client_records import ClientRecords
from claude_magic.records.history import History
from claude_magic.records.metrics import Stats
from claude_magic.response import AnswerSource, Response
from claude_magic.tools import Tool, ToolInfo, ToolRegistry, ToolServer

if TYPE_CHECKING:
    from claude_magic.batch.async_run import AsyncMapRun
    from claude_magic.records.frames import Frames
    from claude_magic.records.plots import Plots

logger = logging.getLogger("claude_magic")

Observer = Callable[[Batch], None]
Tracer = Callable[[str, dict[str, Any]], None]


class AsyncClaudeClient(ConversationVerbs):
    """Sessions with the Claude CLI, by name. Everything happens on the loop it is first used on.

    Example::

        async with AsyncClaudeClient() as client:
            await client.create_session(name="analysis")
            async with client.stream("analysis", "Hello") as stream:
                async for message in stream:
                    print(message.text, end="")

    Args:
        config: settings of sessions that are created without their own.
        pool: limits on processes and turns.
        retry: how often to try again.
        ask: decides when the CLI asks for permission; may be a coroutine function. `None` denies.
        tracer: told of every event of the engine, as `(event, fields)`; for debugging and tests.
        record: write every run to this tape; see `claude_magic.recording`.
        replay: answer from this tape, with no CLI and no account; a `TapeReplayer` may also set the speed.
        history: keep finished turns for later kernels: `True` in the user's own database, or a file, or a `History`.
        start: makes a transport; the real one by default.
        compile: turns a configuration into what can be launched; the real one by default.
        ask_in_thread: `ask` may block: it is called on a worker thread.

    Attributes:
        config: settings of sessions that are created without their own.
        ask: who decides about permissions; may be changed at any time.
        map_budgets: what maps may spend; may be changed at any time, for the maps to come.
        records: what happened, record by record; `frames` has the same as tables.
        tape: records runs while it is on.
        observers: callables that get every `Batch` of messages; one that raises is switched off, which is said once.
        response_observers: callables that get every `Response` when its turn is over, on the same terms.
    """

    def __init__(
        self,
        config: SessionConfig | None = None,
        *,
        pool: PoolConfig | None = None,
        retry: RetryPolicy | None = None,
        ask: Ask | None = None,
        tracer: Tracer | None = None,
        record: str | Path | None = None,
        replay: str | Path | TapeReplayer | None = None,
        history: History | str | Path | bool | None = None,
        start: Start = Process.start,
        compile: Compile | None = None,
        ask_in_thread: bool = False,
    ) -> None:
        retry = retry or RetryPolicy()
        self.config = config or SessionConfig()
        self._ask_in_thread = ask_in_thread
        self.ask = ask
        self.map_budgets = MapBudgets()
        self.observers: list[Observer] = []
        self.response_observers: list[Callable[[Response], None]] = []
        self._tracer = tracer
        self._sessions = SessionRegistry()
        self._tools = ToolRegistry()
        self._closed = False
        self._guard = ObserverGuard()
        self.tape = TapeRecorder(self._guard)
        if record is not None:
            self.tape.begin(record)
        self._switch = ReplaySwitch(start, compile or compile_with(retry), replay)
        self._start = self.tape.wrap(self._switch.start)
        self._pool = SessionPool(pool or PoolConfig(), retry, self._start, self._switch.compile, self._trace)
        self.records = ClientRecords(self._sessions, self._pool, self._guard, history)
        self._turn_tasks = TurnTasks(self._pool, self._trace, self.records.note_unsent)

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
    def pool_status(self) -> str:
        """How many processes there are and how many prompts wait, in words."""
        return self._pool.status

    @property
    def is_closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    @property
    def replayer(self) -> TapeReplayer | None:
        """The tape that answers in place of the CLI; `None` while the CLI does."""
        return self._switch.replayer

    async def play(self, replay: str | Path | TapeReplayer | None) -> list[SessionInfo]:
        """Answer from a tape from now on, or from the CLI again. A played turn costs nothing and is marked.

        Args:
            replay: the tape, or a `TapeReplayer` with a speed of its own; `None` is the CLI.

        Returns:
            The sessions that were open. They were closed: a conversation must not go on in another world.

        Raises:
            ValueError: the file is not a tape; nothing has changed.
        """
        self._check_open()
        self._switch.put_in(replay)
        infos = self.list_sessions()
        sessions = self._sessions.close_all()
        self._pool.end_warm()
        for session in sessions:
            await self._pool.release(managed(session))
        self.records.note_closed()
        return infos

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
        session = ManagedSession(self._sessions.free_name(name), config or self.config, self.pool.messages)
        if self.replayer is not None:
            session.source = AnswerSource.RECORDING
        session.decide = self._decide
        session.on_turn_begin = self.records.note_begin
        session.on_messages = partial(self._observe, session)
        session.on_turn_end = partial(self._turn_ends, session)
        handle = Session(session)
        self._sessions.add(handle)
        return handle

    async def close_session(self, name: str | Session) -> None:
        """End a session: its turns, its process and everything the process started. Its records stay.

        Raises:
            SessionNotFoundError: there is none.
        """
        session = self.get_session(name)
        self._sessions.close(session)
        try:
            await self._pool.release(managed(session))
        finally:
            self.records.note_closed()

    def list_sessions(self) -> list[SessionInfo]:
        """Return what there is to know about each open session."""
        return self._sessions.infos()

    def get_stats(self) -> Stats:
        """Return the numbers of the client: requests, response times, processes."""
        return self.records.stats()

    @property
    def history(self) -> History | None:
        """Where finished turns are kept for later kernels; `None` is nowhere. May be changed at any time."""
        return self.records.history

    @history.setter
    def history(self, history: History | None) -> None:
        self.records.history = history

    @property
    def frames(self) -> Frames:
        """What happened, as DataFrames."""
        return self.records.frames

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
        return self.records.log_to(target)

    # Tools of this process.

    def add_tools(self, *tools: Callable[..., Any] | Tool | ToolServer) -> None:
        """Offer functions of this process to Claude, in every session from its next turn on.

        A plain function runs on a worker thread, a coroutine function on the client's loop. Each call is asked about
        like any other tool: its name in rules is `mcp__python__NAME`.

        Args:
            tools: functions, what `tool` marked, or a `ToolServer`. What has the same name as before takes its place.

        Raises:
            ValueError: something cannot be a tool; nothing has changed.
        """
        self._tools.add(*tools)

    def remove_tools(self, *names: str | Callable[..., Any] | Tool | ToolServer) -> None:
        """Offer tools, or whole servers, no longer.

        Raises:
            ValueError: there is none of that name; nothing has changed.
        """
        self._tools.remove(*names)

    def list_tools(self) -> list[ToolInfo]:
        """Return the tools of this process that sessions are offered."""
        return self._tools.list_tools()

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
        patient: bool = False,
        steer: bool = False,
        new_conversation: bool = False,
        tool_servers: Iterable[ToolServer] = (),
    ) -> AsyncStream:
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
            patient: wait for a process and for its turn to run as long as it takes, not only `acquire_timeout_s`;
                for prompts in the background.
            steer: send it in with the next step of the turn that runs; see `steer`.
            new_conversation: forget what was said before in the session, and begin anew with this prompt. The
                process stays: that takes it 0.02 s, where a new one takes a second.
            tool_servers: tools that this prompt is offered beside the client's own.

        Returns:
            A stream that starts when it is entered or first read.

        Raises:
            ValueError: the prompt is empty, or an option makes no sense.
            SessionNotFoundError: there is no such session.
            PoolClosedError: the client is closed.
        """
        self._check_open()
        target = managed(self.get_session(session))
        schema = json_text("json_schema", json_schema)
        turn = Turn(target.name, prompt, literal, model, permission_mode, timeout_s, schema, patient, new_conversation)
        turn.tool_servers = (*self._tools.servers, *tool_servers)
        turn.steers = steer
        turn.check()
        return AsyncStream(turn, partial(self._submit, target), target.interrupt)

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
            return await stream.wait()

    def map(
        self,
        data: Any,
        prompt: str,
        schema: Any = None,
        *,
        workers: int | None = None,
        budget_usd: float | None = None,
        cache: str | Path | bool | None = None,
        executor: Any = None,
        config: SessionConfig | None = None,
        row_budget_usd: float | None = None,
        confirm_above_usd: float | None = None,
        timeout_s: float = 600.0,
        fresh: bool = False,
    ) -> AsyncMapRun:
        """Send one prompt for each row of some data, each in a conversation of its own.

        What was answered is in a database the moment it is there: a map that was stopped, killed or reordered and is
        run again asks only the rows that are missing. Several rows in one prompt are not offered.

        Args:
            data: a DataFrame or Series of pandas or polars, or a list.
            prompt: the prompt; `{column}` is the value of a column, and never a command. A list of plain values and a
                Series without a name have one column, `value`.
            schema: the answer must fit it: a pydantic model, a dataclass or a JSON Schema. Its fields become columns.
            workers: rows on their way at the same time; `None` is as many as processes and memory allow, at most 8.
            budget_usd: ceiling for what the rows of `data` may cost, in US dollars, earlier runs included.
            cache: file of the answers; `None` is the user's own, `False` keeps and uses none.
            executor: where the rows run, such as a `dask.distributed.Client`; `None` is this machine.
            config: settings of the rows; the client's own if not given. Without `tools` they have none but those in
                `allowed_tools`, and what is not allowed is denied.
            row_budget_usd: ceiling for one row, in US dollars.
            confirm_above_usd: an estimate that may come above this, in US dollars, is asked about.
            timeout_s: longest a row may take, in seconds.
            fresh: ask rows again that have an answer, and keep the new one instead.

        Returns:
            The run; `await` it for the result, or iterate over it for the rows as they are over.

        Raises:
            ValueError: an argument makes no sense, or the prompt names a column that does not exist; nothing was sent.
        """
        from claude_magic.batch.async_run import AsyncMapRun
        from claude_magic.batch.settings import MapSettings

        self._check_open()
        settings = MapSettings(
            schema, workers, budget_usd, cache, executor, config, row_budget_usd, confirm_above_usd, timeout_s, fresh
        )
        return AsyncMapRun(self, data, prompt, settings)

    async def account(self) -> dict[str, Any]:
        """Start a CLI without prompting it, and return what it says of itself before any turn.

        Returns:
            The answer to `initialize`: `account`, `models`, `commands` and more. `is_logged_in` reads it.

        Raises:
            CLINotFoundError: there is no CLI.
            ProcessError: it does not start.
        """
        launcher = await self._switch.compile(self.config)
        connection = await Connection.open(launcher.launch(SessionOrigin(session_id=str(uuid.uuid4()))), self._start)
        try:
            return connection.info
        finally:
            await connection.close()

    @property
    def is_prompt_waiting(self) -> bool:
        """Whether a prompt waits for a process or for its turn to run."""
        return self._pool.waiting > 0

    async def interrupt(self, session: str | Session) -> bool:
        """End the running turn of a session and drop the prompts that wait in it; the session stays usable.

        Returns:
            Whether there was anything to end.
        """
        return await managed(self.get_session(session)).interrupt()

    async def close(self) -> None:
        """End all sessions and processes. Records stay readable. Safe to call twice."""
        self._closed = True
        self._sessions.close_all()
        await self._pool.close()
        await self._turn_tasks.wait()
        await self.records.flush_history()
        self.tape.close()
        self.records.close_logs()

    # How it works.

    def _submit(self, session: ManagedSession, turn: Turn) -> None:
        self._check_open()
        self._turn_tasks.submit(session, turn)

    async def _decide(self, request: PermissionRequest) -> Decision:
        # A played question has its answer on the tape: nothing runs, so no one is asked.
        decision = self.replayer.decision(request.tool_use_id) if self.replayer is not None else None
        if decision is None:
            decision = await decide(self.ask, request, in_thread=self._ask_in_thread)
        return decision

    def _observe(self, session: ManagedSession, turn: Turn | None, messages: list[Message]) -> None:
        batch = Batch(session.name, session.session_id, turn.id if turn is not None else "", messages)
        self.records.note_batch(batch)
        self._guard.tell(self.observers, batch)

    def _turn_ends(self, session: ManagedSession, response: Response, error: ClaudeError | None) -> None:
        session.last_response = response
        self.records.note_response(response, info_of(session))
        self._guard.tell(self.response_observers, response)
        # A background task that reported may have been all that kept this process from being wanted elsewhere.
        asyncio.get_running_loop().call_soon(self._pool.turn_over, session)

    def _trace(self, event: str, fields: dict[str, Any]) -> None:
        logger.debug("%s %s", event, fields)
        self.records.note_event(event, fields)
        if self._tracer is not None:
            self._guard.call("The tracer", self._tracer, event, fields, off=self._drop_tracer)

    def _drop_tracer(self) -> None:
        self._tracer = None

    def _check_open(self) -> None:
        if self._closed:
            raise PoolClosedError("The client is closed. Make a new one.")
