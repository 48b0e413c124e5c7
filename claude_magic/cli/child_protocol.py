"""`ChildProtocol`: the event loop's side of one child: its output as messages, and when it is over."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from claude_magic.cli.framing import OutputFramer
from claude_magic.clock import unix_time
from claude_magic.errors import ProcessError, ProtocolError
from claude_magic.messages import Message

_log = logging.getLogger("claude_magic")

DEAF_S = 1.0
"""How long after its stdin a child may end."""
_SMALL_READ, _LARGE_READ = 16 * 2**10, 256 * 2**10
"""How many bytes asyncio asks a pipe for. A large buffer is mapped and unmapped for each read, which takes longer than
to read a line; a small one makes many reads of what comes fast."""
QUIET_END_S = 0.5
"""How long after its end we wait for output that others may still hold open."""


class ChildProtocol(asyncio.SubprocessProtocol):
    """The event loop's side of a child: takes what arrives, knows what has ended.

    Args:
        framer: takes what arrives.

    Attributes:
        framer: takes what arrives.
        exited: the exit code, once the child is gone; negative for a signal.
        closed: done when the loop has let go of the child and of its pipes.
        data_ready: set when there is something new to take, or nothing more to come.
        writable: set while the child reads what is written.
        ended: whether nothing more is to come.
        on_failure: called when what the child says cannot be followed any more.
    """

    def __init__(self, framer: OutputFramer) -> None:
        loop = asyncio.get_running_loop()
        self.framer = framer
        self.exited: asyncio.Future[int] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()
        self.data_ready = asyncio.Event()
        self.writable = asyncio.Event()
        self.writable.set()
        self.ended = False
        self.on_failure: Callable[[], None] = lambda: None
        self._loop = loop
        self._open = {1, 2}
        self._stdin_closed = False
        self._heard = 0
        self._reads_large: bool | None = None
        self._awaited_reply: tuple[bytes, asyncio.Future[None]] | None = None

    def wait_for_reply(self, request_id: str) -> asyncio.Future[None]:
        """Return a future that is done when a line with this request id arrives."""
        replied: asyncio.Future[None] = self._loop.create_future()
        self._awaited_reply = (request_id.encode(), replied)
        return replied

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.SubprocessTransport)
        self._transport = transport

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        framer = self.framer
        failed_before = framer.failure is not None
        try:
            if fd == 1:
                self._fit_reads(len(data))
                messages = framer.stdout(data, unix_time())
                if self._awaited_reply is not None:
                    self._look_for_reply(messages, *self._awaited_reply)
            else:
                framer.stderr(data, unix_time())
        except Exception as error:
            # The loop would only log it, and the turn would wait for ever for what was lost here.
            _log.exception("the output of a CLI could not be read")
            framer.failure = ProtocolError(f"The CLI's output could not be read: {type(error).__name__}: {error}")
        if framer.failure is not None and not failed_before:
            self.on_failure()
        self.data_ready.set()

    def _fit_reads(self, size: int) -> None:
        """Ask for much after a read that brought all it could, and for little after any other."""
        is_large = size >= _SMALL_READ
        if is_large is not self._reads_large:
            self._reads_large = is_large
            pipe: Any = self._transport.get_pipe_transport(1)
            if hasattr(pipe, "max_size"):  # other loops than asyncio's own have a way of their own
                pipe.max_size = _LARGE_READ if is_large else _SMALL_READ

    def close_stdin(self) -> None:
        """Close the child's stdin: the orderly way to end it."""
        self._stdin_closed = True
        stdin = self._transport.get_pipe_transport(0)
        if stdin is not None:
            stdin.close()

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == 0:
            self.writable.set()
            self._loop.call_later(DEAF_S, self._fail_if_deaf)
            return
        self._open.discard(fd)
        self._end_if_over()

    def _fail_if_deaf(self) -> None:
        """A child that lives, and has closed its stdin by itself, can neither be prompted nor stopped any more."""
        if not (self._stdin_closed or self.ended or self.exited.done() or self.framer.failure):
            failure = ProcessError("The Claude CLI closed its input, so that nothing can be said to it. It was ended.")
            failure.retryable = False
            self.framer.failure = failure
            self.on_failure()
            self.data_ready.set()

    def process_exited(self) -> None:
        if not self.exited.done():
            code = self._transport.get_returncode()
            self.exited.set_result(-1 if code is None else code)
        self.writable.set()
        self._end_if_over()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set_result(None)
        self._end()

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def _look_for_reply(self, messages: list[Message], request_id: bytes, replied: asyncio.Future[None]) -> None:
        if not replied.done() and any(request_id in message.line for message in messages):
            replied.set_result(None)

    def _end_if_over(self) -> None:
        """The end is the end of both pipes and of the process; of one alone, after a quiet while.

        Something that the CLI started may hold a pipe open long after the CLI is gone.
        """
        if not self._open and self.exited.done():
            self._end()
        elif 1 not in self._open or self.exited.done():
            self._heard = self.framer.bytes_taken
            self._loop.call_later(QUIET_END_S, self._end_if_quiet)

    def _end_if_quiet(self) -> None:
        if self.framer.bytes_taken == self._heard:
            self._end()
        elif not self.ended:
            self._end_if_over()

    def _end(self) -> None:
        if not self.ended:
            self.framer.finish(unix_time())
            self.ended = True
        self.data_ready.set()
