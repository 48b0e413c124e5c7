"""`ClaudeClient`: the verbs of `AsyncClaudeClient`, waiting. For notebooks and scripts."""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from claude_magic.background_loop import Inbox, background_loop
from claude_magic.blocking_stream import Stream, drop_our_frames, public
from claude_magic.cli.decoder import Content
from claude_magic.cli.process import Process
from claude_magic.cli.transport import Compile, Start
from claude_magic.client import AsyncClaudeClient, Observer, Tracer
from claude_magic.config import MapBudgets, PoolConfig, RetryPolicy, SessionConfig
from claude_magic.engine.checkpoints import Checkpoint
from claude_magic.engine.rewind import Rewind
from claude_magic.engine.session import Session
from claude_magic.engine.session_info import SessionActivity, SessionInfo
from claude_magic.engine.turn_queue import QueuedPrompt
from claude_magic.errors import ClaudeError
from claude_magic.permissions import Ask
from claude_magic.recording import TapeRecorder, TapeReplayer
from claude_magic.records.history import History
from claude_magic.records.metrics import Stats
from claude_magic.response import Response
from claude_magic.tools import Tool, ToolInfo, ToolServer

if TYPE_CHECKING:
    from claude_magic.batch.run import MapRun
    from claude_magic.records.client_records import ClientRecords
    from claude_magic.records.frames import Frames
    from claude_magic.records.plots import Plots


logger = logging.getLogger("claude_magic")


class ClaudeClient:
    """Sessions with the Claude CLI, by name; every verb waits. A context manager.

    Example::

        with ClaudeClient(SessionConfig(allowed_tools=["Read"])) as client:
            client.create_session(name="analysis")
            print(client.execute("analysis", "What is in this folder?").text)

    Args:
        config: settings of sessions that are created without their own.
        pool: limits on processes and turns.
        retry: how often to try again.
        ask: decides when the CLI asks for permission; called on a worker thread. `None` denies.
        tracer: told of every event of the engine, as `(event, fields)`, on the loop's thread.
        record: write every run to this tape.
        replay: answer from this tape, with no CLI and no account.
        history: keep finished turns for later kernels: `True` in the user's own database, or a file, or a `History`.
        start: makes a transport; the real one by default.
        compile: turns a configuration into what can be launched; the real one by default.
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
    ) -> None:
        self._loop = background_loop()
        self._client = AsyncClaudeClient(
            config,
            pool=pool,
            retry=retry,
            ask=ask,
            tracer=tracer,
            record=record,
            replay=replay,
            history=history,
            start=start,
            compile=compile,
            ask_in_thread=True,
        )
        self._frames: Frames | None = None
        self._map_runs: deque[MapRun] = deque(maxlen=20)
        self._loop.before_exit(self._client.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        sessions = len(self._client.list_sessions())
        return f"<{type(self).__name__} {sessions} sessions, <SessionPool {self.pool_status}>>"

    @property
    def config(self) -> SessionConfig:
        """Settings of sessions that are created without their own."""
        return self._client.config

    @config.setter
    def config(self, config: SessionConfig) -> None:
        self._client.config = config

    @property
    def pool_status(self) -> str:
        """How many processes there are and how many prompts wait, in words."""
        return self._client.pool_status

    @property
    def pool(self) -> PoolConfig:
        """The limits on processes and turns; new ones hold from the next prompt on."""
        return self._client.pool

    @pool.setter
    def pool(self, config: PoolConfig) -> None:
        self._client.pool = config

    @property
    def ask(self) -> Ask | None:
        """Who decides about permissions; called on a worker thread."""
        return self._client.ask

    @ask.setter
    def ask(self, ask: Ask | None) -> None:
        self._client.ask = ask

    @property
    def map_budgets(self) -> MapBudgets:
        """What maps may spend; may be changed at any time, for the maps to come."""
        return self._client.map_budgets

    @map_budgets.setter
    def map_budgets(self, budgets: MapBudgets) -> None:
        self._client.map_budgets = budgets

    @property
    def observers(self) -> list[Observer]:
        """Callables that get every batch of messages, on the loop's thread."""
        return self._client.observers

    @property
    def tape(self) -> TapeRecorder:
        """Records runs while it is on."""
        return self._client.tape

    @property
    def records(self) -> ClientRecords:
        """What happened, record by record; lives on the loop's thread. `frames` has the same as tables."""
        return self._client.records

    @property
    def history(self) -> History | None:
        """Where finished turns are kept for later kernels; `None` is nowhere. May be changed at any time."""
        return self._client.history

    @history.setter
    def history(self, history: History | None) -> None:
        self._client.history = history

    @property
    def replayer(self) -> TapeReplayer | None:
        """The tape that answers in place of the CLI; `None` while the CLI does."""
        return self._client.replayer

    @public
    def play(self, replay: str | Path | TapeReplayer | None) -> list[SessionInfo]:
        """Answer from a tape from now on, or from the CLI again (`None`); see `AsyncClaudeClient.play`."""
        return self._loop.call(self._client.play(replay))

    @property
    def response_observers(self) -> list[Callable[[Response], None]]:
        """Callables that get every response when its turn is over, on the loop's thread."""
        return self._client.response_observers

    @public
    def create_session(self, config: SessionConfig | None = None, name: str | None = None) -> Session:
        """Make a session; see `AsyncClaudeClient.create_session`."""
        return self._loop.call(self._client.create_session(config, name))

    @public
    def get_session(self, name: str | Session) -> Session:
        """Return a session by name or id; see `AsyncClaudeClient.get_session`."""
        return self._client.get_session(name)

    @public
    def close_session(self, name: str | Session) -> None:
        """End a session; see `AsyncClaudeClient.close_session`."""
        self._loop.call(self._client.close_session(name))

    @public
    def list_sessions(self) -> list[SessionInfo]:
        """Return what there is to know about each open session."""
        return self._loop.run(self._client.list_sessions)

    @public
    def list_activity(self) -> dict[str, SessionActivity]:
        """Return what each open session does now, by its name."""
        return self._loop.run(self._client.list_activity)

    @public
    def rename_session(self, session: str | Session, name: str) -> None:
        """Give a session another name; see `AsyncClaudeClient.rename_session`."""
        self._loop.run(lambda: self._client.rename_session(session, name))

    @public
    def get_stats(self) -> Stats:
        """Return the numbers of the client: requests, response times, processes."""
        return self._loop.run(self._client.get_stats)

    @public
    def add_tools(self, *tools: Callable[..., Any] | Tool | ToolServer) -> None:
        """Offer functions of this process to Claude; see `AsyncClaudeClient.add_tools`."""
        self._client.add_tools(*tools)

    @public
    def remove_tools(self, *names: str | Callable[..., Any] | Tool | ToolServer) -> None:
        """Offer tools, or whole servers, no longer; see `AsyncClaudeClient.remove_tools`."""
        self._client.remove_tools(*names)

    def list_tools(self) -> list[ToolInfo]:
        """Return the tools of this process that sessions are offered."""
        return self._client.list_tools()

    @public
    def execute(
        self, session: str | Session, prompt: Content, *, inbox: Inbox | None = None, **options: Any
    ) -> Response:
        """Prompt a session and return the response; see `AsyncClaudeClient.execute`. Ctrl-C interrupts the turn."""
        return self._loop.call(self._client.execute(session, prompt, **options), inbox=inbox)

    def submit(self, session: str | Session, prompt: Content, **options: Any) -> Future[Response]:
        """Prompt a session and return at once; the future brings the response. Cancelling it interrupts the turn."""
        self._loop.check()

        async def execute() -> Response:
            try:
                return await self._client.execute(session, prompt, **options)
            except ClaudeError as error:
                drop_our_frames(error)
                raise

        return self._loop.submit(execute())

    def stream(self, session: str | Session, prompt: Content, *, inbox: Inbox | None = None, **options: Any) -> Stream:
        """Prompt a session and follow what comes; see `AsyncClaudeClient.stream`.

        Args:
            session: name, id or handle.
            prompt: text, or content blocks.
            inbox: work for this thread that is done while it waits.
            options: as for `AsyncClaudeClient.stream`.
        """
        return Stream(self._client.stream(session, prompt, **options), self._loop, inbox)

    @public
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
    ) -> MapRun:
        """Send one prompt for each row of some data, each in a conversation of its own; see `AsyncClaudeClient.map`.

        Returns:
            The run, which has begun: `result()` waits for the result, `frame` is what is there, iterating yields the
            rows as they are over.
        """
        from claude_magic.batch.run import MapRun
        from claude_magic.batch.settings import MapSettings

        self._loop.check()
        settings = MapSettings(
            schema, workers, budget_usd, cache, executor, config, row_budget_usd, confirm_above_usd, timeout_s, fresh
        )
        run = MapRun.begin(self._client, self._loop, data, prompt, settings)
        self._map_runs.append(run)
        return run

    @property
    def map_runs(self) -> list[MapRun]:
        """The last maps, at most 20, oldest first."""
        return list(self._map_runs)

    @public
    def account(self) -> dict[str, Any]:
        """Return what the CLI says of itself before any turn; see `AsyncClaudeClient.account`."""
        return self._loop.call(self._client.account())

    @public
    def interrupt(self, session: str | Session) -> bool:
        """End the running turn of a session; see `AsyncClaudeClient.interrupt`."""
        return self._loop.call(self._client.interrupt(session))

    def interrupt_soon(self, session: str | Session) -> Future[bool]:
        """Interrupt without waiting; may be called on any thread."""
        return self._loop.submit(self._client.interrupt(session))

    @public
    def list_queued(self, session: str | Session) -> list[QueuedPrompt]:
        """Return the prompts that wait in a session, the next one first."""
        return self._loop.run(lambda: self._client.list_queued(session))

    @public
    def withdraw(self, session: str | Session, turn_id: str) -> None:
        """Drop a prompt that waits; see `AsyncClaudeClient.withdraw`."""
        self._loop.run(lambda: self._client.withdraw(session, turn_id))

    @public
    def edit_queued(self, session: str | Session, turn_id: str, text: str) -> None:
        """Give a prompt that waits other words; see `AsyncClaudeClient.edit_queued`."""
        self._loop.run(lambda: self._client.edit_queued(session, turn_id, text))

    @public
    def move_queued(self, session: str | Session, turn_id: str, place: int) -> None:
        """Give a prompt that waits another place, from 1."""
        self._loop.run(lambda: self._client.move_queued(session, turn_id, place))

    @public
    def steer(self, session: str | Session, turn_id: str) -> None:
        """Send a prompt that waits in now; see `AsyncClaudeClient.steer`."""
        self._loop.run(lambda: self._client.steer(session, turn_id))

    @public
    def undo(self, session: str | Session, *, dry_run: bool = False) -> Rewind:
        """Restore the files as they were before the last turn that edited any; see `AsyncClaudeClient.undo`."""
        return self._loop.call(self._client.undo(session, dry_run=dry_run))

    def undo_soon(self, session: str | Session, *, dry_run: bool) -> Future[Rewind]:
        """Undo without waiting; may be called on any thread."""
        return self._loop.submit(self._client.undo(session, dry_run=dry_run))

    @public
    def mcp_status(self, session: str | Session) -> list[dict[str, Any]]:
        """Return how the MCP servers of a session stand; see `AsyncClaudeClient.mcp_status`."""
        return self._loop.call(self._client.mcp_status(session))

    @public
    def context_usage(self, session: str | Session) -> dict[str, Any]:
        """Return what fills the model's window; see `AsyncClaudeClient.context_usage`."""
        return self._loop.call(self._client.context_usage(session))

    @public
    def list_turns(self, session: str | Session) -> list[Checkpoint]:
        """Return the turns of a session that one can go back to, oldest first."""
        return self._loop.run(lambda: self._client.list_turns(session))

    @public
    def rewind(self, session: str | Session, turn_id: str, **options: bool) -> Rewind:
        """Go back to before a turn: files, conversation or both; see `AsyncClaudeClient.rewind`."""
        return self._loop.call(self._client.rewind(session, turn_id, **options))

    @public
    def redo(self, session: str | Session) -> Rewind:
        """Take the last `rewind` back; see `AsyncClaudeClient.redo`."""
        return self._loop.call(self._client.redo(session))

    @public
    def close(self) -> None:
        """End all sessions and processes. Records stay readable. Safe to call twice."""
        self._loop.call(self._client.close())
        self._loop.forget_exit(self._client.close)

    @property
    def is_closed(self) -> bool:
        """Whether it was closed."""
        return self._client.is_closed

    @property
    def frames(self) -> Frames:
        """What happened, as DataFrames, of snapshots taken on the loop's thread."""
        if self._frames is None:
            from claude_magic.records.frames import Frames

            records, loop = self._client.records, self._loop
            self._frames = Frames(records, read=loop.run, flush=lambda: loop.call(records.flush_history()))
        return self._frames

    @property
    def plots(self) -> Plots:
        """What happened, as pictures; needs matplotlib (extra `plots`)."""
        from claude_magic.records.plots import Plots

        return Plots(self.frames)

    def log_to(self, target: str | Path | logging.Handler) -> Callable[[], None]:
        """Send the log to a file or a `logging` handler too; see `AsyncClaudeClient.log_to`."""
        stop = self._loop.run(lambda: self._client.log_to(target))
        return lambda: self._loop.run(stop)


_client: ClaudeClient | None = None
_client_pid = 0


def get_client(**settings: Any) -> ClaudeClient:
    """Return the kernel's one client, which the magics use; it keeps finished turns for later kernels.

    Example::

        client = get_client()
        client.frames.turns()[["session", "duration_s", "cost_usd"]]

    Args:
        settings: arguments of `ClaudeClient`; they count only when the client is made: the first time, and
            after it was closed. `history=False` keeps nothing.
    """
    global _client, _client_pid
    if _client is None or _client_pid != os.getpid() or _client.is_closed:
        _client, _client_pid = ClaudeClient(**{"history": True, **settings}), os.getpid()
    return _client


def current_client() -> ClaudeClient | None:
    """Return the kernel's one client if there is one, as `get_client` made it; makes none."""
    is_ours = _client is not None and _client_pid == os.getpid() and not _client.is_closed
    return _client if is_ours else None
