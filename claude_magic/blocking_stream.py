"""`Stream`: a prompt's messages as they come, for a `for` loop; and errors that leave without the frames below them."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import wraps
from pathlib import Path
from typing import ParamSpec, Self, TypeVar

from claude_magic.background_loop import BackgroundLoop, Inbox
from claude_magic.engine.stream import AsyncStream
from claude_magic.errors import ClaudeError
from claude_magic.messages import Message
from claude_magic.response import Response

logger = logging.getLogger("claude_magic")

_PACKAGE = Path(__file__).parent
_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def public(verb: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """Let an error of ours leave a verb without the frames below it.

    A traceback that shows values (`%xmode Verbose`) would show ours, environments among them.
    """

    @wraps(verb)
    def call(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        try:
            return verb(*args, **kwargs)
        except (ClaudeError, ValueError) as error:
            drop_our_frames(error)
            raise

    return call


def drop_our_frames(error: Exception) -> None:
    """Have the traceback of an error begin anew; those it came of lose theirs where it leads through the package."""
    logger.debug("an error leaves the client", exc_info=error)
    told: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in told:
        told.add(id(link))
        files = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(link.__traceback__)]
        if link is error or any(Path(file).is_relative_to(_PACKAGE) for file in files):
            link.__traceback__ = None
        link = link.__cause__ or link.__context__


class Stream:
    """A prompt's messages as they come, for a `for` loop. Use it in `with`: leaving early interrupts the turn.

    Args:
        stream: the stream on the loop.
        loop: the loop.
        inbox: work for this thread that is done while it waits.
    """

    def __init__(self, stream: AsyncStream, loop: BackgroundLoop, inbox: Inbox | None = None) -> None:
        self._stream = stream
        self._loop = loop
        self._inbox = inbox

    @property
    def response(self) -> Response:
        """The response, once the stream is over; for a failed turn, what there was.

        Raises:
            RuntimeError: the stream is not over yet.
        """
        return self._stream.response

    @property
    def turn_id(self) -> str:
        """The uuid of the prompt, which joins all records."""
        return self._stream.turn_id

    @public
    def __enter__(self) -> Self:
        self._loop.call(self._stream.__aenter__())
        return self

    @public
    def __exit__(self, *exc: object) -> None:
        self._loop.call(self._stream.__aexit__(None, None, None), inbox=self._inbox)

    @public
    def stop(self) -> None:
        """End the turn, if it is not over, and return when it is: the first time by asking, then by force."""
        self._loop.call(self._stream.stop(), inbox=self._inbox)

    def stop_soon(self) -> Future[None]:
        """Stop without waiting; may be called on any thread. The future is done when the turn is over."""
        return self._loop.submit(self._stream.stop())

    def __iter__(self) -> Iterator[Message]:
        for batch in self.batches():
            yield from batch

    def batches(self, every_s: float = 0.0) -> Iterator[list[Message]]:
        """Yield the messages in batches: all that came since the last one.

        Args:
            every_s: let this time pass between two batches of streamed text, in seconds; a reader that draws needs no
                more than twenty a second, and is woken as often only.

        Raises:
            ClaudeError: after the last message, if the turn ended in an error; it carries `response`.
        """
        self._loop.check()
        return self._batches(every_s)

    def _batches(self, every_s: float) -> Iterator[list[Message]]:
        try:
            yield from self._loop.iterate(lambda: self._stream.batches(every_s), inbox=self._inbox)
        except ClaudeError as error:
            drop_our_frames(error)
            raise
