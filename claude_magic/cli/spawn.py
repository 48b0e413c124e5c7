"""Starting one CLI child: on Linux below a guard, elsewhere directly."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import psutil

from claude_magic.cli import guard, reaper
from claude_magic.cli.child_protocol import ChildProtocol
from claude_magic.cli.transport import Launch

_log = logging.getLogger("claude_magic")

MakeProtocol = Callable[[], ChildProtocol]

GUARDED = sys.platform == "linux"
"""Whether a guard can stand above a CLI: it takes Linux's subreapers."""


@dataclass(frozen=True)
class Spawned:
    """A child that was started.

    Attributes:
        protocol: takes what it says.
        transport: the event loop's side of it. Its end is the end of the CLI and, below a guard, of all it started.
        pid: process id of the CLI.
        created: its `reaper.creation_time`.
        guard: the process above it; `None` where it was started directly.
        control: the pipe without whose reader the guard ends all below it.
    """

    protocol: ChildProtocol
    transport: asyncio.SubprocessTransport
    pid: int
    created: float
    guard: psutil.Process | None = None
    control: BinaryIO | None = None

    @property
    def pipes(self) -> tuple[Any, ...]:
        """This process's ends of its pipes; without those that a child that died at once has closed."""
        pipes = [self.pipe(fd) for fd in (0, 1, 2)] + [self.control]
        return tuple(pipe for pipe in pipes if pipe is not None)

    def pipe(self, fd: int) -> Any:
        """This process's end of one pipe; `None` where there is none, or no longer."""
        transport = self.transport.get_pipe_transport(fd)
        pipe = None if transport is None else transport.get_extra_info("pipe")
        return None if pipe is None or getattr(pipe, "closed", False) else pipe


async def spawn(launch: Launch, owner_tag: str, make_protocol: MakeProtocol, options: Mapping[str, Any]) -> Spawned:
    """Start a CLI.

    Args:
        launch: program, environment and folder.
        owner_tag: its owner tag.
        make_protocol: makes what takes its output.
        options: how `subprocess` starts a child in a session of its own on this system.

    Raises:
        OSError: the program cannot be started.
        ValueError: it cannot be started with such words.
    """
    environment = {name: value for name, value in launch.environment if name != reaper.OWNER_VARIABLE}
    if GUARDED and sys.executable:
        spawned = await _below_guard(
            launch, environment, f"{reaper.OWNER_VARIABLE}={owner_tag}", make_protocol(), options
        )
        if spawned is not None:
            return spawned
        _log.warning("The guard did not start: what a tool detaches from the CLI and hides may be left behind.")
    protocol = make_protocol()
    options = {**options, "cwd": launch.working_dir}
    transport = await _start(launch.argv, {**environment, reaper.OWNER_VARIABLE: owner_tag}, protocol, options)
    pid = transport.get_pid()
    return Spawned(protocol, transport, pid, reaper.creation_time(pid))


async def _start(
    argv: tuple[str, ...], environment: dict[str, str], protocol: ChildProtocol, options: Mapping[str, Any]
) -> asyncio.SubprocessTransport:
    pipe = subprocess.PIPE
    transport, _ = await asyncio.get_running_loop().subprocess_exec(
        lambda: protocol, *argv, stdin=pipe, stdout=pipe, stderr=pipe, env=environment, **options
    )
    return transport


async def _below_guard(
    launch: Launch, environment: dict[str, str], variable: str, protocol: ChildProtocol, options: Mapping[str, Any]
) -> Spawned | None:
    """Start a CLI below a guard; return `None` if the guard itself did not start.

    Raises:
        OSError: the program cannot be started.
    """
    reading, writing = os.pipe()
    control = os.fdopen(reading, "rb", buffering=0)
    # -P, -S and -E: nothing but the standard library is in its path, and it starts in a few milliseconds.
    argv = (sys.executable, "-P", "-S", "-E", str(Path(guard.__file__)), str(writing), variable, launch.working_dir)
    # It is below / so that it holds no folder of the user's, and has no owner tag: a sweep by tag must not end it.
    options = {**options, "cwd": "/", "pass_fds": (writing,)}
    try:
        transport = await _start((*argv, *launch.argv), environment, protocol, options)
    except OSError:  # such as an interpreter that this user may not start
        control.close()
        return None
    except BaseException:
        control.close()
        raise
    finally:
        os.close(writing)
    popen = transport.get_extra_info("subprocess")
    if popen is not None:
        # asyncio kills the child of a transport that is dropped; a guard is told to end what is below it instead.
        popen.kill = control.close
    try:
        pid = int(await _first_line(control) or 0)
        if pid > 0:
            return Spawned(protocol, transport, pid, reaper.creation_time(pid), _process(transport.get_pid()), control)
    except BaseException:
        transport.close()
        control.close()
        raise
    transport.close()
    control.close()
    await protocol.closed
    if pid < 0:
        raise OSError(-pid, os.strerror(-pid))
    return None


def _process(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None  # ended already; or there is no /proc here, and so no process to see


async def _first_line(control: BinaryIO) -> bytes:
    """Wait for the guard's one line; it is short enough to come whole, and is empty when the guard has ended."""
    loop = asyncio.get_running_loop()
    line: asyncio.Future[bytes] = loop.create_future()

    def read() -> None:
        loop.remove_reader(control)
        line.set_result(control.read(64))

    loop.add_reader(control, read)
    try:
        return await line
    except BaseException:
        loop.remove_reader(control)
        raise
