"""`SessionPool`: who may start a CLI process, who may run a turn, and who waits.

A process with a conversation belongs to its session; only never-prompted ones are shared. How a session gets one:

1. It holds a process that lives: that one.
2. A warm process with the same launch key is ready: that one, if the conversation is new.
3. A new process, if there are fewer than `max_sessions`.
4. Otherwise one is evicted: a warm process, else that of the session that has been idle longest and has no
   background task; the session resumes by its id when it is next used.
5. Otherwise wait, in the order of asking, until one of these holds.

Every decision is made, and what is handed out is marked, between two awaits: no lock is needed on one loop thread.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
import uuid
from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from claude_magic.cli.transport import Compile, Launcher, SessionOrigin, Start
from claude_magic.config import PoolConfig, RetryPolicy, SessionConfig
from claude_magic.engine.connection import Connection
from claude_magic.engine.managed_session import ManagedSession
from claude_magic.engine.process_table import PoolCounts, PooledProcess, ProcessTable
from claude_magic.engine.starting import ProcessStarter, Trace
from claude_magic.engine.waiting import CapacityLimiter, WaitQueue
from claude_magic.errors import ClaudeError, PoolClosedError, PoolTimeoutError

logger = logging.getLogger(__name__)

PREWARM_AFTER_S = 1.5
"""How long no turn must have run before a process is started for a prompt that may never come."""
_UNTOLD_S = 2.0
"""How long a prompt waits before its readers are told what for."""


class SessionPool:
    """Hands out processes and turn slots.

    Args:
        config: the limits.
        retry: how often a start is tried.
        start: makes a transport.
        compile: turns a configuration into what can be launched.
        trace: told what happens.
    """

    def __init__(self, config: PoolConfig, retry: RetryPolicy, start: Start, compile: Compile, trace: Trace) -> None:
        self.config = config
        self.counts = PoolCounts()
        self._starter = ProcessStarter(start, retry, trace)
        self._compile = compile
        self._trace = trace
        self._processes = ProcessTable()
        self._queue = WaitQueue()
        self._turn_slots = CapacityLimiter()
        self._closed = False
        self._prewarming: set[asyncio.Task[None]] = set()
        self._to_prewarm: set[SessionConfig] = set()
        self._quiet_since = 0.0
        self._ending: set[asyncio.Task[None]] = set()
        self._reaper: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<SessionPool {self.status}>"

    @property
    def status(self) -> str:
        """How many processes there are and how many prompts wait, in words."""
        limit, warm = self.config.max_sessions, len(self._processes.warm)
        return f"{self.processes} of {limit} processes, {warm} warm, {self.waiting} waiting"

    @property
    def processes(self) -> int:
        """Processes that live, start or end just now."""
        return self._processes.processes

    @property
    def waiting(self) -> int:
        """Prompts that wait for a process or for a turn slot."""
        return len(self._queue) + self._turn_slots.waiting

    # Turn slots.

    def turn_slot(self, session: ManagedSession, until: float | None = None) -> AbstractAsyncContextManager[None]:
        """Hold one of the slots for running turns (`max_running`); wait for it in order.

        Args:
            session: who asks.
            until: the deadline, by the loop's clock; `acquire_timeout_s` from now if not given.

        Raises:
            PoolTimeoutError: it took longer than `acquire_timeout_s`.
            PoolClosedError: the pool is closed.
        """
        self._check_open()
        limit = self.config.max_running
        return self._turn_slots.hold(
            limit, lambda: self._timeout(session, f"{limit} turns are running (max_running)", until)
        )

    @asynccontextmanager
    async def _timeout(self, session: ManagedSession, why: str, until: float | None) -> AsyncIterator[None]:
        limit_s = self.config.acquire_timeout_s
        waiting = self.waiting
        before = f", and {waiting} other prompts wait before this one" if waiting else ""
        # Most waits are over before they are worth a word.
        told = asyncio.get_running_loop().call_later(_UNTOLD_S, session.note, f"Waiting: {why}{before}")
        try:
            async with asyncio.timeout_at(self._deadline() if until is None else None if until == math.inf else until):
                yield
        except TimeoutError:
            raise PoolTimeoutError(
                f"No room within {limit_s:g} s: {why}, and {waiting} other prompts waited before this one. "
                "Wait for one to end, stop one with `%claude stop`, or raise the limit in PoolConfig.",
                processes=self.processes,
                max_sessions=self.config.max_sessions,
                running=self._turn_slots.running,
                max_running=self.config.max_running,
                waiting=waiting,
            ) from None
        finally:
            told.cancel()

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self.config.acquire_timeout_s

    # Processes.

    @asynccontextmanager
    async def lease(self, session: ManagedSession) -> AsyncIterator[Connection]:
        """Hold a turn slot and the session's process for one turn; see `turn_slot` and `connect`."""
        until = math.inf if session.is_patient else self._deadline()
        async with self.turn_slot(session, until):
            connection = await self.connect(session, until)
            try:
                yield connection
            finally:
                self._end_turn(session)

    def _end_turn(self, session: ManagedSession) -> None:
        """From now on its process may be evicted: the first in line looks before the session's next prompt does."""
        process = self._processes.in_use_by(session)
        if process is not None:
            process.busy = False
        self._queue.wake_next()

    async def connect(self, session: ManagedSession, until: float | None = None) -> Connection:
        """Return the session's process, ready for a prompt and marked as busy; see the module's five cases.

        Args:
            session: who asks.
            until: the deadline, by the loop's clock; `acquire_timeout_s` from now if not given.

        Raises:
            PoolTimeoutError: none was evicted within `acquire_timeout_s`.
            PoolClosedError: the pool is closed.
            ProcessError: it would not start, or hung.
            TurnTimeoutError: it hung for as long as the prompt may take.
            SessionNotFoundError: the conversation to resume is not there.
        """
        self._check_open()
        if self._reaper is None:
            self._reaper = asyncio.create_task(self._reap_regularly())
        if session.connection is not None:
            process = self._processes.in_use_by(session)
            if process is not None and session.has_matching_process():
                process.busy = True
                self.counts.reused += 1
                return session.connection
        await self.release(session)
        command = await self._compile(session.effective_config)
        session.notice = command.notice
        warm = self._reserve_warm(session, command)
        if warm is not None and warm.connection is not None:
            self.counts.reused += 1
            self._trace("reuse", {"session": session.name, "pid": warm.connection.transport.pid})
            await session.attach(warm.connection, resumed=False)
            return warm.connection
        process = await self._make_room(session, command, until)
        return await self._start_for(session, command, process)

    def _reserve_warm(self, session: ManagedSession, command: Launcher) -> PooledProcess | None:
        """Pick a warm process and mark it in the same step."""
        if session.resume_id is not None:
            return None
        process = self._processes.usable(command.key, command.fingerprint)
        if process is not None:
            process.owner, process.busy = session, True
        return process

    async def _make_room(self, session: ManagedSession, command: Launcher, until: float | None) -> PooledProcess:
        """Wait for room for one more process and take it."""
        taken = None if self._queue else self._reserve(session, command)
        if taken is None:
            why = f"all {self.config.max_sessions} processes are at work (max_sessions)"
            async with self._timeout(session, why, until):
                position = self._queue.position()
                while taken is None:
                    # A waiter that was woken in vain keeps its place in line.
                    await self._queue.wait(self._queue.wake_next, position)
                    self._check_open()
                    taken = self._reserve(session, command)
        process, evicted = taken
        if evicted is None:
            return process
        try:
            await asyncio.shield(self._end(evicted))
        except BaseException:
            # Cancelled: the place is free again when the evicted process is gone.
            evicted.replaced = False
            self._processes.remove(process)
            self._queue.wake_next()
            raise
        return process

    def _reserve(self, session: ManagedSession, command: Launcher) -> tuple[PooledProcess, PooledProcess | None] | None:
        """Reserve a free place, or that of a process that can be evicted; `None` if there is neither."""
        evicted = None
        if self.processes >= self.config.max_sessions:
            evicted = self._processes.eviction_candidate()
            if evicted is None:
                return None
            evicted.replaced = True
            self._end(evicted)
        return self._add_process(command, session.config, session), evicted

    def _add_process(
        self, command: Launcher, config: SessionConfig, owner: ManagedSession | None = None
    ) -> PooledProcess:
        mode = config.permission_mode
        process = PooledProcess(command.key, mode, command.fingerprint, owner=owner, busy=owner is not None)
        self._processes.add(process)
        return process

    async def _start_for(self, session: ManagedSession, command: Launcher, process: PooledProcess) -> Connection:
        resume = session.resume_id
        origin = SessionOrigin(
            session_id=None if resume else str(uuid.uuid4()),
            resume=resume,
            fork=session.config.fork and session.is_fresh,
            resume_at=session.config.resume_at if session.is_fresh else None,
        )
        began = time.monotonic()
        try:
            connection = await self._starter.open(
                command.launch(origin),
                session.name,
                permission_mode=process.permission_mode,
                limit_s=session.start_limit_s,
            )
            self.counts.created += 1
            process.connection = connection
            session.note_start(time.monotonic() - began)
            await session.attach(connection, resumed=resume is not None)
        except BaseException:
            session.detach()
            await asyncio.shield(self._end(process))
            raise
        return connection

    async def release(self, session: ManagedSession) -> None:
        """End the session's process, if it has one, and wait until it is gone; the session itself goes on.

        Two processes on one conversation would both write its file: the CLI has no lock.
        """
        for process in self._processes.owned_by(session):
            if process.connection is not None or process.ending is not None:
                await asyncio.shield(self._end(process))
        session.detach()

    def _end(self, process: PooledProcess) -> asyncio.Task[None]:
        """Begin to end a process and mark it in the same step; its place is free when it is gone.

        Returns:
            The work, which goes on whatever happens to those who wait for it.
        """
        if process.ending is None:
            connection, process.connection = process.connection, None
            if connection is not None and process.owner is not None and process.owner.connection is connection:
                process.owner.detach()
            process.ending = self._in_background(self._close(process, connection), self._ending)
        return process.ending

    async def _close(self, process: PooledProcess, connection: Connection | None) -> None:
        try:
            if connection is not None:
                self.counts.destroyed += 1
                self._trace("end", {"session": connection.session, "pid": connection.transport.pid})
                await connection.close()
        except Exception:
            logger.exception("a CLI process did not end in good order")
        finally:
            self._processes.remove(process)
            self._queue.wake_next()

    def turn_over(self, session: ManagedSession) -> None:
        """A turn ended: its process may be wanted elsewhere, and the next session shall find a warm one."""
        self._queue.wake_next()
        self._quiet_since = time.monotonic()
        config = session.config
        is_wanted = self.config.prewarm and not self._closed and config not in self._to_prewarm
        if is_wanted and self._processes.owned_by(session):
            self._to_prewarm.add(config)
            self._in_background(self._prewarm(config), self._prewarming)

    async def _until_quiet(self) -> None:
        """Wait until nothing runs: a prompt that comes right after another shares no processor with a start."""

        def left_s() -> float:
            return self._quiet_since + PREWARM_AFTER_S - time.monotonic()

        while left_s() > 0 or self._turn_slots.running:  # noqa: ASYNC110  it is time that counts
            await asyncio.sleep(max(left_s(), PREWARM_AFTER_S / 4))

    async def _prewarm(self, config: SessionConfig) -> None:
        try:
            await self._until_quiet()
        finally:
            self._to_prewarm.discard(config)
        try:
            command = await self._compile(config)
        except (ClaudeError, OSError, ValueError) as error:
            self._trace("prewarm_failed", {"error": str(error)})
            return
        if not command.may_prewarm:
            return
        now, fingerprint = time.monotonic(), command.fingerprint
        kept = self._processes.unowned(command.key)
        for process in [process for process in kept if process.is_warm and not process.is_usable(now, fingerprint)]:
            kept.remove(process)
            self._end(process)
        full = self.processes >= self.config.max_sessions
        if len(kept) >= self.config.prewarm or full or self._queue or self._closed:
            return
        process = self._add_process(command, config)
        try:
            launch = command.launch(SessionOrigin(session_id=str(uuid.uuid4())))
            process.connection = await self._starter.open(launch, "", permission_mode=config.permission_mode)
            self.counts.created += 1
        except ClaudeError as error:
            self._trace("prewarm_failed", {"error": str(error)})
            self._end(process)
            return
        except BaseException:
            self._end(process)
            raise
        # Another prompt may have come to wait while it started.
        self._queue.wake_next()

    def end_warm(self) -> None:
        """End the warm processes: what they were started with has changed. Sessions give theirs up by `release`."""
        for task in self._prewarming:
            task.cancel()
        for process in self._processes.warm:
            self._end(process)

    # Housekeeping.

    async def _reap_regularly(self) -> None:
        while True:
            await asyncio.sleep(min(30.0, self.config.idle_timeout_s / 4))
            try:
                await self.reap(time.monotonic())
            except Exception:
                logger.exception("reaping failed; the next round tries again")
            # A background task may have ended without a word: the first waiter looks again.
            self._queue.wake_next()

    async def reap(self, now: float) -> int:
        """End what has been idle too long and what has died; return how many processes that were.

        Args:
            now: the time to judge by, as of `time.monotonic()`.
        """
        over = self._processes.expired(now, self.config.idle_timeout_s)
        for process in over:
            name = process.owner.name if process.owner is not None else ""
            self._trace("reap", {"session": name, "idle_s": round(now - process.idle_since, 1)})
        if over:
            await asyncio.wait([self._end(process) for process in over])
        return len(over)

    def _in_background(self, work: Coroutine[Any, Any, None], tasks: set[asyncio.Task[None]]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return task

    def _check_open(self) -> None:
        if self._closed:
            raise PoolClosedError("The client is closed. Make a new one, or restart the kernel.")

    async def close(self) -> None:
        """End every process; those who wait get `PoolClosedError`."""
        self._closed = True
        if self._reaper is not None:
            self._reaper.cancel()
        closed = PoolClosedError("The client was closed while the prompt waited.")
        self._queue.fail_all(closed)
        self._turn_slots.fail_all(closed)
        for task in self._prewarming:
            task.cancel()
        for process in self._processes:
            self._end(process)
        while unfinished := [*self._prewarming, *self._ending]:
            await asyncio.wait(unfinished)
