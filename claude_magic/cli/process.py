"""`Process`: one CLI child as a transport. What differs between operating systems is here, and nowhere else.

Facts about how the CLI ends (what it does at the end of stdin, at SIGTERM, with its tools) were measured on
CLI 2.1.197 and 2.1.330.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import psutil

from claude_magic.cli import reaper
from claude_magic.cli.child_protocol import QUIET_END_S, ChildProtocol
from claude_magic.cli.children import Child, ChildRegistry
from claude_magic.cli.encoder import control_request, encode
from claude_magic.cli.framing import OutputFramer
from claude_magic.cli.gathering import GatheringSelector
from claude_magic.cli.refusals import not_started
from claude_magic.cli.spawn import Spawned, spawn
from claude_magic.cli.transport import Launch
from claude_magic.errors import ProcessError
from claude_magic.messages import Message

_T = TypeVar("_T")

# --- What differs between systems -----------------------------------------------------------------------------------

if sys.platform == "win32":
    # There is no SIGTERM: the orderly way out is the end of stdin, and what comes after it is force.
    _OWN_SESSION: dict[str, Any] = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}

    def new_event_loop() -> asyncio.AbstractEventLoop:
        """Return an event loop that can run child processes; the caller closes it."""
        return asyncio.ProactorEventLoop()

    def _terminate(pid: int) -> None:
        return

    def _force(pid: int) -> None:
        for process in reaper.tree(pid):
            try:
                process.kill()
            except psutil.Error:
                continue  # gone meanwhile, or not ours to end

    def _widen(pipe: Any) -> None:
        return

else:
    import fcntl

    # A session of its own: a Ctrl-C in the terminal, or an interrupt of the kernel, does not reach the CLI.
    _OWN_SESSION: dict[str, Any] = {"start_new_session": True}

    def new_event_loop() -> asyncio.AbstractEventLoop:
        """Return an event loop that can run child processes; the caller closes it."""
        return asyncio.SelectorEventLoop(GatheringSelector())

    def _terminate(pid: int) -> None:
        _signal_group(pid, signal.SIGTERM)

    def _force(pid: int) -> None:
        _signal_group(pid, signal.SIGKILL)

    def _signal_group(pid: int, number: int) -> None:
        try:
            os.killpg(pid, number)
        except ProcessLookupError:
            return  # it ended by itself
        except PermissionError:
            return  # macOS says so of a group of which only a zombie is left

    def _widen(pipe: Any) -> None:
        """Give a pipe room for one whole read, where the system (Linux) lets us."""
        if pipe is not None and hasattr(fcntl, "F_SETPIPE_SZ"):
            try:
                fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
            except OSError:
                return  # this user's pipes hold as much as they may: the usual size does too


# --------------------------------------------------------------------------------------------------------------------

_PIPE_BYTES = 256 * 2**10
"""As much as the event loop reads at once. More would eat up the user's share of pipe memory and gains nothing."""

_LAST_INTERRUPT = "claude-magic-close"
_AFTER_KILL_S = 1.0
_SWEEP_TERM_S = 0.2
_SWEEP_TOTAL_S = 0.4
_GUARD_S = 2.0

CHILDREN = ChildRegistry(_OWN_SESSION)
"""This Python process, as the owner of its CLI children."""


def kill_all() -> None:
    """End every CLI child of this Python process and all that it started: now, by force, waiting less than 2 s.

    The last resort at the end of the interpreter; may be called from any thread, with or without a running loop.
    """
    CHILDREN.kill_all()


class Process:
    """A `Transport` over one CLI child. Make it with `start`; use it on the event loop that started it."""

    def __init__(self, owner_tag: str, spawned: Spawned) -> None:
        self._owner_tag = owner_tag
        self._protocol = spawned.protocol
        self._transport = spawned.transport
        self._pid = spawned.pid
        self._created = spawned.created
        self._guard = spawned.guard
        self._control = spawned.control
        self._loop = asyncio.get_running_loop()
        self._prompted = False
        self._below: list[psutil.Process] = []
        self._closing: asyncio.Task[None] | None = None
        self._clearing: asyncio.Task[None] | None = None
        self._protocol.on_failure = self.kill
        self._protocol.exited.add_done_callback(self._has_exited)

    @classmethod
    async def start(cls, launch: Launch, *, line_ceiling: int = 64 * 2**20) -> Process:
        """Start a CLI.

        Args:
            launch: program, environment and folder. The owner tag is added to the environment.
            line_ceiling: longest line of stdout, in bytes, that is taken.

        Raises:
            ProcessError: the program cannot be started.
        """
        owner_tag = CHILDREN.next_owner_tag()
        try:
            spawned = await spawn(
                launch, owner_tag, lambda: ChildProtocol(OutputFramer(launch.redactor, line_ceiling)), _OWN_SESSION
            )
        except (OSError, ValueError) as error:
            raise not_started(launch, error) from error
        process = cls(owner_tag, spawned)
        _widen(spawned.pipe(1))
        # Loops that are not asyncio's own may not show their pipes and their `Popen`; they reap by themselves.
        popen = spawned.transport.get_extra_info("subprocess")
        reap = popen.poll if popen is not None else _nothing
        CHILDREN.register(Child(spawned.pid, spawned.created, spawned.pipes, reap, spawned.guard))
        return process

    @property
    def pid(self) -> int:
        """Process id of the CLI."""
        return self._pid

    @property
    def exit_code(self) -> int | None:
        """Exit code once the CLI is gone; negative for a signal; `None` while it lives."""
        return self._protocol.exited.result() if self._protocol.exited.done() else None

    @property
    def stderr_tail(self) -> str:
        """The last lines of stderr, up to 50 lines or 8192 characters, redacted."""
        return self._protocol.framer.stderr_tail

    async def send(self, message: dict[str, Any]) -> None:
        """Write one whole message, and wait while the CLI is slow to read.

        Raises:
            ProcessError: the CLI is gone, or is being closed.
        """
        stdin = self._stdin
        if self._closing is None and not stdin.is_closing():
            self._prompted = self._prompted or message.get("type") == "user"
            stdin.write(encode(message))
            await self._protocol.writable.wait()
        if self._closing is not None or stdin.is_closing():
            raise await self._gone()

    async def receive(self) -> list[Message]:
        """Wait for messages and return all that arrived, lines of stderr among them; an empty list is the end.

        Raises:
            ProtocolError: a line was longer than the ceiling, or could not be read; the CLI was ended.
            ProcessError: it had closed its input, and was ended.
        """
        protocol = self._protocol
        while True:
            if protocol.framer.waiting:
                return protocol.framer.take()
            if protocol.framer.failure is not None:
                raise protocol.framer.failure
            if protocol.ended:
                return []
            protocol.data_ready.clear()
            await protocol.data_ready.wait()

    async def wait(self) -> int:
        """Wait for the CLI to end; return its exit code, negative for a signal."""
        return await asyncio.shield(self._protocol.exited)

    async def close(self, *, grace_s: float = 4.0) -> None:
        """End the CLI and everything it started: interrupt, end of stdin, SIGTERM, SIGKILL, then a sweep by owner tag.

        Each step gets its share of the time and is left out when the CLI is gone. A caller that is cancelled does
        not stop it; further callers wait for the same close.

        Args:
            grace_s: upper bound for the ladder, in seconds; the sweep takes half a second more at most.
        """
        if self._closing is None:
            self._closing = self._loop.create_task(self._close(grace_s), name=f"close CLI {self._pid}")
        await asyncio.shield(self._closing)

    def kill(self) -> None:
        """End the CLI by force, now; what it started is ended in the background."""
        self._below = reaper.tree(self._pid, self._created) or self._below
        if not self._protocol.exited.done():
            _force(self._pid)
        if self._closing is None:
            self._closing = self._loop.create_task(self._close(_AFTER_KILL_S), name=f"kill CLI {self._pid}")

    def detached_pids(self) -> list[int]:
        """Return the pids of what the CLI started and what has left its tree, such as a tool's `setsid nohup ... &`.

        Looks at every process of this user, which takes some milliseconds; may be called in a worker thread.
        """
        # In this order: what the CLI starts between the two looks is in the tree only, and not taken for detached.
        found = reaper.descendants(self._guard) if self._guard else reaper.find_tagged(self._owner_tag, self._created)
        inside = set(reaper.tree(self._pid, self._created))
        return [process.pid for process in reaper.alive(found) if process not in inside and process.pid != self._pid]

    @property
    def _stdin(self) -> asyncio.WriteTransport:
        stdin = self._transport.get_pipe_transport(0)
        assert isinstance(stdin, asyncio.WriteTransport)
        return stdin

    async def _gone(self) -> ProcessError:
        """Make the error for a CLI that is gone, with its exit code if it comes soon."""
        await asyncio.wait([self._protocol.exited], timeout=QUIET_END_S)
        code = self.exit_code
        how = "is being closed" if code is None else f"ended with exit code {code}"
        return ProcessError(f"The Claude CLI {how}.", exit_code=code, stderr_tail=self.stderr_tail)

    async def _close(self, grace_s: float) -> None:
        started = self._loop.time()
        try:
            self._below = self._below or await self._off_loop(reaper.tree, self._pid, self._created)
            for act, share in self._ladder():
                if self._protocol.exited.done():
                    break
                await act(started + share * grace_s)
            await self._finish(max(_SWEEP_TOTAL_S, 0.1 * grace_s))
        except asyncio.CancelledError:
            # The loop is being shut down under us: force, and no more waiting.
            if not self._protocol.exited.done():
                _force(self._pid)
            self._sweep(0.0)
            self._close_pipes()
            raise

    def _ladder(self) -> list[tuple[Callable[[float], Any], float]]:
        """The steps, each with the share of the time by which it must have worked."""
        exited = [self._protocol.exited]

        async def interrupt(until: float) -> None:
            # An idle CLI answers it too. A turn that is cut off takes its tools with it; the end of stdin would not.
            self._stdin.write(encode(control_request(_LAST_INTERRUPT, "interrupt")))
            await self._until([*exited, self._protocol.wait_for_reply(_LAST_INTERRUPT)], until)

        async def close_stdin(until: float) -> None:
            self._protocol.close_stdin()
            await self._until(exited, until)

        async def terminate(until: float) -> None:
            _terminate(self._pid)
            await self._until(exited, until)

        async def force(until: float) -> None:
            _force(self._pid)
            await self._until(exited, until)

        steps: list[tuple[Callable[[float], Any], float]] = [(close_stdin, 0.5), (terminate, 0.75), (force, 0.95)]
        return [(interrupt, 0.2), *steps] if self._prompted else steps

    async def _until(self, futures: list[asyncio.Future[Any]], deadline: float) -> None:
        await asyncio.wait(futures, timeout=max(0.0, deadline - self._loop.time()), return_when=asyncio.FIRST_COMPLETED)

    async def _finish(self, seconds: float) -> None:
        """Reap the CLI, end what it left, and let go of the pipes."""
        await asyncio.wait([self._protocol.exited], timeout=seconds)
        await self._off_loop(self._sweep, seconds)
        if self._guard is not None:
            # It ends when nothing is left below it, or nothing that may be ended.
            await asyncio.wait([self._protocol.exited], timeout=_GUARD_S)
        self._close_pipes()
        await asyncio.wait([self._protocol.closed], timeout=seconds)
        if self._protocol.exited.done():
            CHILDREN.unregister(self._pid)

    def _close_pipes(self) -> None:
        self._transport.close()
        if self._control is not None:
            self._control.close()

    def _has_exited(self, exited: asyncio.Future[int]) -> None:
        """What a CLI leaves that was not closed, because it fell over or its guard was killed, goes at once."""
        if self._closing is None and not self._loop.is_closed():
            self._below = reaper.tree(self._pid, self._created)
            self._clearing = self._loop.create_task(self._clear(), name=f"clear up after CLI {self._pid}")

    async def _clear(self) -> None:
        await self._off_loop(self._sweep, _SWEEP_TOTAL_S)

    def _sweep(self, seconds: float) -> None:
        def find() -> list[psutil.Process]:
            return self._below + reaper.find_tagged(self._owner_tag, self._created)

        reaper.sweep(find, term_s=min(seconds, _SWEEP_TERM_S), total_s=seconds)

    async def _off_loop(self, function: Callable[..., _T], *args: Any) -> _T:
        """Run a scan of processes in a worker thread: it takes milliseconds, and other sessions are streaming."""
        try:
            running = self._loop.run_in_executor(None, function, *args)
        except RuntimeError:  # the interpreter is ending and starts no more threads
            return function(*args)
        return await running


def _nothing() -> None:
    return
