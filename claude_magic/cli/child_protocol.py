"""`Wire`: the event loop's side of one child: its output as messages, and when it is over."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from claude_magic.cli.framing import Intake
from claude_magic.clock import unix_time
from claude_magic.errors import ProcessError, ProtocolError
from claude_magic.messages import Message

_log = logging.getLogger("claude_magic")

DEAF_S = 1.0
"""How long after its stdin a child may end."""
QUIET_END_S = 0.5
"""How long after its end we wait for output that others may still hold open."""


class Wire(asyncio.SubprocessProtocol):
    """The event loop's side of a child: takes what arrives, knows what has ended.

    Args:
        intake: takes what arrives.

    Attributes:
        intake: takes what arrives.
        exited: the exit code, once the child is gone; negative for a signal.
        lost: done when the loop has let go of the child and of its pipes.
        news: set when there is something new to take, or nothing more to come.
        writable: set while the child reads what is written.
        ended: whether nothing more is to come.
        on_failure: called when what the child says cannot be followed any more.
    """

    def __init__(self, intake: Intake) -> None:
        loop = asyncio.get_running_loop()
        self.intake = intake
        self.exited: asyncio.Future[int] = loop.create_future()
        self.lost: asyncio.Future[None] = loop.create_future()
        self.news = asyncio.Event()
        self.writable = asyncio.Event()
        self.writable.set()
        self.ended = False
        self.on_failure: Callable[[], None] = lambda: None
        self._loop = loop
        self._open = {1, 2}
        self._hung_up = False
        self._heard = 0
        self._expected: tuple[bytes, asyncio.Future[None]] | None = None

    def expect(self, request_id: str) -> asyncio.Future[None]:
        """Return a future that is done when a line with this request id arrives."""
        answered: asyncio.Future[None] = self._loop.create_future()
        self._expected = (request_id.encode(), answered)
        return answered

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.SubprocessTransport)
        self._transport = transport

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        intake = self.intake
        failed_before = intake.failure is not None
        try:
            if fd == 1:
                messages = intake.stdout(data, unix_time())
                if self._expected is not None:
                    self._look_for_answer(messages, *self._expected)
            else:
                intake.stderr(data, unix_time())
        except Exception as error:
            # The loop would only log it, and the turn would wait for ever for what was lost here.
            _log.exception("the output of a CLI could not be read")
            intake.failure = ProtocolError(f"The CLI's output could not be read: {type(error).__name__}: {error}")
        if intake.failure is not None and not failed_before:
            self.on_failure()
        self.news.set()

    def hang_up(self) -> None:
        """Close the child's stdin: the orderly way to end it."""
        self._hung_up = True
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
        if not (self._hung_up or self.ended or self.exited.done() or self.intake.failure):
            failure = ProcessError("The Claude CLI closed its input, so that nothing can be said to it. It was ended.")
            failure.retryable = False
            self.intake.failure = failure
            self.on_failure()
            self.news.set()

    def process_exited(self) -> None:
        if not self.exited.done():
            code = self._transport.get_returncode()
            self.exited.set_result(-1 if code is None else code)
        self.writable.set()
        self._end_if_over()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(None)
        self._end()

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def _look_for_answer(self, messages: list[Message], request_id: bytes, answered: asyncio.Future[None]) -> None:
        if not answered.done() and any(request_id in message.line for message in messages):
            answered.set_result(None)

    def _end_if_over(self) -> None:
        """The end is the end of both pipes and of the process; of one alone, after a quiet while.

        Something that the CLI started may hold a pipe open long after the CLI is gone.
        """
        if not self._open and self.exited.done():
            self._end()
        elif 1 not in self._open or self.exited.done():
            self._heard = self.intake.bytes_taken
            self._loop.call_later(QUIET_END_S, self._end_if_quiet)

    def _end_if_quiet(self) -> None:
        if self.intake.bytes_taken == self._heard:
            self._end()
        elif not self.ended:
            self._end_if_over()

    def _end(self) -> None:
        if not self.ended:
            self.intake.finish(unix_time())
            self.ended = True
        self.news.set()
