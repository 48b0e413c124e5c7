"""`SessionPool`: who may start a CLI process, who may run a turn, and who waits.

A process with a conversation belongs to its session; only never-prompted ones are shared. How a session gets one:

1. It holds a process that lives: that one.
2. A warm process with the same launch key is ready: that one, if the conversation is new.
3. A new process, if there are fewer than `max_sessions`.
4. Otherwise one is given up: a surplus warm process, else the session that has been idle longest and
   has no background task; it resumes by its id when it is next used.
5. Otherwise wait, in the order of asking, until one of these holds.

Every decision is made, and what is handed out is marked, between two awaits: no lock is needed on one loop thread.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from claude_magic.cli.transport import Compile, Conversation, Launch, Launcher, Start
from claude_magic.config import PoolConfig, RetryPolicy, SessionConfig
from claude_magic.engine.connection import Connection
from claude_magic.engine.managed_session import ManagedSession
from claude_magic.engine.retry import retrying
from claude_magic.engine.slots import Slot, Slots
from claude_magic.engine.waiting import Limiter, WaitingLine
from claude_magic.errors import ClaudeError, PoolClosedError, PoolTimeoutError

logger = logging.getLogger(__name__)

PREWARM_AFTER_S = 1.5
"""How long no turn must have run before a process is started for a prompt that may never come."""
_UNTOLD_S = 2.0
"""How long a prompt waits before its readers are told what for."""
_LEAST_S = 0.1
"""What a start has, in seconds, whose prompt has used up its time while others failed."""

Trace = Callable[[str, dict[str, Any]], None]


@dataclass
class PoolCounts:
    """Processes created, reused (warm or kept) and destroyed so far."""

    created: int = 0
    reused: int = 0
    destroyed: int = 0


class SessionPool:
    """Hands out processes and the right to run.

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
        self._retry = retry
        self._start = start
        self._compile = compile
        self._trace = trace
        self._slots = Slots()
        self._line = WaitingLine()
        self._turns = Limiter()
        self._closed = False
        self._prewarming: set[asyncio.Task[None]] = set()
        self._to_prewarm: set[SessionConfig] = set()
        self._quiet_since = 0.0
        self._ending: set[asyncio.Task[None]] = set()
        self._reaper: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        limit, warm = self.config.max_sessions, len(self._slots.warm)
        return f"<SessionPool {self.processes} of {limit} processes, {warm} warm, {self.waiting} waiting>"

    @property
    def processes(self) -> int:
        """Processes that live, start or end just now."""
        return self._slots.processes

    @property
    def waiting(self) -> int:
        """Prompts that wait for a process or for the right to run."""
        return len(self._line) + self._turns.waiting

    # The right to run.

    def running(self, session: ManagedSession, until: float | None = None) -> AbstractAsyncContextManager[None]:
        """Hold the right to run one turn; wait for it in order.

        Args:
            session: who asks.
            until: when patience ends, by the loop's clock; `acquire_timeout_s` from now if not given.

        Raises:
            PoolTimeoutError: it took longer than `acquire_timeout_s`.
            PoolClosedError: the pool is closed.
        """
        self._check_open()
        limit = self.config.max_running
        return self._turns.hold(
            limit, lambda: self._patience(session, f"{limit} turns are running (max_running)", until)
        )

    @asynccontextmanager
    async def _patience(self, session: ManagedSession, why: str, until: float | None) -> AsyncIterator[None]:
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
                running=self._turns.running,
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
        """Hold the right to run and the session's process for one turn; see `running` and `connect`."""
        until = math.inf if session.is_patient else self._deadline()
        async with self.running(session, until):
            connection = await self.connect(session, until)
            try:
                yield connection
            finally:
                self._turn_ended(session)

    def _turn_ended(self, session: ManagedSession) -> None:
        """From now on its process may be given up: the first in line looks before the session's next prompt does."""
        slot = self._slots.in_use_by(session)
        if slot is not None:
            slot.at_work = False
        self._line.advance()

    async def connect(self, session: ManagedSession, until: float | None = None) -> Connection:
        """Return the session's process, ready for a prompt and marked as at work; see the module's five cases.

        Args:
            session: who asks.
            until: when patience ends, by the loop's clock; `acquire_timeout_s` from now if not given.

        Raises:
            PoolTimeoutError: none was given up within `acquire_timeout_s`.
            PoolClosedError: the pool is closed.
            ProcessError: it would not start, or hung.
            TurnTimeoutError: it hung for as long as the prompt may take.
            SessionNotFoundError: the conversation to resume is not there.
        """
        self._check_open()
        self._ensure_reaper()
        if session.connection is not None:
            slot = self._slots.in_use_by(session)
            if slot is not None and session.has_matching_process():
                slot.at_work = True
                self.counts.reused += 1
                return session.connection
        await self.release(session)
        command = await self._compile(session.effective_config)
        session.notice = command.notice
        warm = self._take_warm(session, command)
        if warm is not None and warm.connection is not None:
            self.counts.reused += 1
            self._trace("reuse", {"session": session.name, "pid": warm.connection.transport.pid})
            await session.attach(warm.connection, resumed=False)
            return warm.connection
        slot = await self._place(session, command, until)
        return await self._start_for(session, command, slot)

    def _take_warm(self, session: ManagedSession, command: Launcher) -> Slot | None:
        """Pick a warm process and mark it in the same step."""
        if session.resume_id is not None:
            return None
        slot = self._slots.usable(command.key, command.fingerprint)
        if slot is not None:
            slot.owner, slot.at_work = session, True
        return slot

    async def _place(self, session: ManagedSession, command: Launcher, until: float | None) -> Slot:
        """Wait for room for one more process and take it."""
        taken = None if self._line else self._take_place(session, command)
        if taken is None:
            why = f"all {self.config.max_sessions} processes are at work (max_sessions)"
            async with self._patience(session, why, until):
                ticket = self._line.ticket()
                while taken is None:
                    # A waiter that was woken in vain keeps its place in line.
                    await self._line.wait(self._line.advance, ticket)
                    self._check_open()
                    taken = self._take_place(session, command)
        slot, given_up = taken
        if given_up is None:
            return slot
        try:
            await asyncio.shield(self._end(given_up))
        except BaseException:
            # Cancelled: the place is free again when the process that gave it up is gone.
            given_up.replaced = False
            self._slots.remove(slot)
            self._line.advance()
            raise
        return slot

    def _take_place(self, session: ManagedSession, command: Launcher) -> tuple[Slot, Slot | None] | None:
        """Take a free place, or the place of a process that can be given up; `None` if there is neither."""
        given_up = None
        if self.processes >= self.config.max_sessions:
            given_up = self._slots.surplus()
            if given_up is None:
                return None
            given_up.replaced = True
            self._end(given_up)
        return self._new_slot(session, command), given_up

    def _new_slot(self, session: ManagedSession | None, command: Launcher) -> Slot:
        mode = session.config.permission_mode if session is not None else "default"
        slot = Slot(command.key, mode, command.fingerprint, owner=session, at_work=session is not None)
        self._slots.add(slot)
        return slot

    async def _start_for(self, session: ManagedSession, command: Launcher, slot: Slot) -> Connection:
        resume = session.resume_id
        conversation = Conversation(
            session_id=None if resume else str(uuid.uuid4()),
            resume=resume,
            fork=session.config.fork and session.is_fresh,
            resume_at=session.config.resume_at if session.is_fresh else None,
        )
        began = time.monotonic()
        try:
            connection = await self._open(command.launch(conversation), slot, session.name, session.start_limit_s)
            slot.connection = connection
            session.note_start(time.monotonic() - began)
            await session.attach(connection, resumed=resume is not None)
        except BaseException:
            session.detach()
            await asyncio.shield(self._end(slot))
            raise
        return connection

    async def _open(self, launch: Launch, slot: Slot, name: str, limit_s: float = math.inf) -> Connection:
        def tell(number: int, delay_s: float, error: ClaudeError) -> None:
            self._trace("retry", {"session": name, "retry": number, "delay_s": delay_s, "error": str(error)})

        began = time.monotonic()
        connection = await retrying(
            lambda: Connection.open(
                launch,
                self._start,
                permission_mode=slot.permission_mode,
                within_s=max(_LEAST_S, limit_s - (time.monotonic() - began)),
            ),
            self._retry,
            on_retry=tell,
        )
        self.counts.created += 1
        took_s = round(time.monotonic() - began, 3)
        self._trace("spawn", {"session": name, "pid": connection.transport.pid, "took_s": took_s})
        return connection

    async def release(self, session: ManagedSession) -> None:
        """End the session's process, if it has one, and wait until it is gone; the session itself goes on.

        Two processes on one conversation would both write its file: the CLI has no lock.
        """
        for slot in self._slots.owned_by(session):
            if slot.connection is not None or slot.ending is not None:
                await asyncio.shield(self._end(slot))
        session.detach()

    def _end(self, slot: Slot) -> asyncio.Task[None]:
        """Begin to end a process and mark it in the same step; its place is free when it is gone.

        Returns:
            The work, which goes on whatever happens to those who wait for it.
        """
        if slot.ending is None:
            connection, slot.connection = slot.connection, None
            if connection is not None and slot.owner is not None and slot.owner.connection is connection:
                slot.owner.detach()
            slot.ending = self._in_background(self._close(slot, connection), self._ending)
        return slot.ending

    async def _close(self, slot: Slot, connection: Connection | None) -> None:
        try:
            if connection is not None:
                self.counts.destroyed += 1
                self._trace("end", {"session": connection.session, "pid": connection.transport.pid})
                await connection.close()
        except Exception:
            logger.exception("a CLI process did not end in good order")
        finally:
            self._slots.remove(slot)
            self._line.advance()

    def turn_over(self, session: ManagedSession) -> None:
        """A turn ended: its process may be wanted elsewhere, and the next session shall find a warm one."""
        self._line.advance()
        self._quiet_since = time.monotonic()
        config = session.config
        if (
            self._slots.owned_by(session)
            and self.config.prewarm
            and not self._closed
            and config not in self._to_prewarm
        ):
            self._to_prewarm.add(config)
            self._in_background(self._prewarm(config), self._prewarming)

    async def _until_quiet(self) -> None:
        """Wait until nothing runs: a prompt that comes right after another shares no processor with a start."""

        def left_s() -> float:
            return self._quiet_since + PREWARM_AFTER_S - time.monotonic()

        while left_s() > 0 or self._turns.running:  # noqa: ASYNC110  it is time that counts
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
        kept = self._slots.unowned(command.key)
        for slot in [slot for slot in kept if slot.is_warm and not slot.is_usable(now, fingerprint)]:
            kept.remove(slot)
            self._end(slot)
        full = self.processes >= self.config.max_sessions
        if len(kept) >= self.config.prewarm or full or self._line or self._closed:
            return
        slot = self._new_slot(None, command)
        slot.permission_mode = config.permission_mode
        try:
            slot.connection = await self._open(command.launch(Conversation(session_id=str(uuid.uuid4()))), slot, "")
        except ClaudeError as error:
            self._trace("prewarm_failed", {"error": str(error)})
            self._end(slot)
            return
        except BaseException:
            self._end(slot)
            raise
        # Another prompt may have come to wait while it started.
        self._line.advance()

    def switch(self, start: Start, compile: Compile) -> None:
        """Start and compile in another way from now on; warm processes end. Sessions give theirs up by `release`."""
        self._start, self._compile = start, compile
        for task in self._prewarming:
            task.cancel()
        for slot in self._slots.warm:
            self._end(slot)

    # Housekeeping.

    def _ensure_reaper(self) -> None:
        if self._reaper is None:
            self._reaper = asyncio.create_task(self._reap_regularly())

    async def _reap_regularly(self) -> None:
        while True:
            await asyncio.sleep(min(30.0, self.config.idle_timeout_s / 4))
            try:
                await self.reap(time.monotonic())
            except Exception:
                logger.exception("reaping failed; the next round tries again")
            # A background task may have ended without a word: those who wait look again.
            self._line.advance()

    async def reap(self, now: float) -> int:
        """End what has been idle too long and what has died; return how many processes that were.

        Args:
            now: the time to judge by, as of `time.monotonic()`.
        """
        over = self._slots.over(now, self.config.idle_timeout_s)
        for slot in over:
            name = slot.owner.name if slot.owner is not None else ""
            self._trace("reap", {"session": name, "idle_s": round(now - slot.idle_since, 1)})
        if over:
            await asyncio.wait([self._end(slot) for slot in over])
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
        self._line.dismiss(closed)
        self._turns.dismiss(closed)
        for task in self._prewarming:
            task.cancel()
        for slot in self._slots:
            self._end(slot)
        while unfinished := [*self._prewarming, *self._ending]:
            await asyncio.wait(unfinished)
