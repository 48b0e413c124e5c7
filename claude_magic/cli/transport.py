"""The door to the world: what a session needs of whatever is at the other end of the line."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Protocol

from claude_magic.config import SessionConfig
from claude_magic.messages import Message
from claude_magic.redaction import NOTHING_SECRET, Redactor


@dataclass(frozen=True)
class Launch:
    """One way to start one CLI: everything the operating system needs.

    Attributes:
        argv: the program and its arguments; no secret is among them.
        environment: the whole environment of the child, as pairs.
        working_dir: absolute folder to start in.
        redactor: knows the secrets of this launch.
    """

    argv: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    working_dir: str = "."
    redactor: Redactor = field(default=NOTHING_SECRET, repr=False, compare=False)


@dataclass(frozen=True)
class SessionOrigin:
    """Where the conversation of a CLI comes from: a new one, one that is resumed, or a copy; a new one by default.

    Attributes:
        session_id: id for a new conversation, a uuid; with `fork`, for the copy.
        resume: id of the conversation to go on with.
        fork: go on in a copy of it.
        resume_at: uuid of the message that the copy ends with (measured on 2.1.197 and 2.1.330).

    Raises:
        ValueError: they do not fit together.
    """

    session_id: str | None = None
    resume: str | None = None
    fork: bool = False
    resume_at: str | None = None

    def __post_init__(self) -> None:
        if self.fork and self.resume is None:
            raise ValueError("fork needs resume: the id of the conversation to copy.")
        if self.resume is not None and self.session_id is not None and not self.fork:
            raise ValueError("A conversation that is resumed keeps its id: give session_id only with fork.")
        if self.resume_at is not None and not self.fork:
            raise ValueError("resume_at needs fork: the conversation itself must not lose its end.")


NEW_SESSION = SessionOrigin()


class Transport(Protocol):
    """One line to one Claude CLI: whole JSON objects out, batches of messages in.

    `Process` is the real one; `PlayedTransport` plays a recorded run; tests hand in fakes.
    """

    @property
    def pid(self) -> int | None:
        """Process id, or `None` where there is no process."""

    @property
    def exit_code(self) -> int | None:
        """Exit code once the other end is gone; negative for a signal; `None` while it lives."""

    @property
    def stderr_tail(self) -> str:
        """The last lines of stderr, redacted."""

    async def send(self, message: dict[str, Any]) -> None:
        """Write one whole message.

        Raises:
            ProcessError: the other end is gone.
        """

    async def receive(self) -> list[Message]:
        """Wait for messages and return all that arrived, in order; an empty list means the end of the line.

        Raises:
            ProtocolError: the line is out of step and cannot be followed any further.
        """

    async def close(self, *, grace_s: float = 4.0) -> None:
        """End the other end: orderly first, then by force; return when it is gone. Safe to call twice.

        Args:
            grace_s: upper bound, in seconds, for the whole ladder.
        """

    def detached_pids(self) -> list[int]:
        """Processes that a tool started and that live on outside the other end's own process tree."""

    def kill(self) -> None:
        """End the other end by force, now, without waiting."""


Start = Callable[[Launch], Awaitable[Transport]]
"""Makes a transport; raises `ProcessError` when the program cannot be started."""


class Launcher(Protocol):
    """What the pool needs of a compiled configuration."""

    @property
    def key(self) -> Hashable:
        """Equal keys: a warm process of one serves the other."""

    @property
    def fingerprint(self) -> Hashable:
        """State of the files that a started process has already read."""

    @property
    def notice(self) -> str:
        """What a user should know about how it starts; "" if there is nothing."""

    @property
    def may_prewarm(self) -> bool:
        """Whether starting one ahead of its use runs nothing of the user's."""

    def launch(self, origin: SessionOrigin = NEW_SESSION) -> Launch:
        """Return what to start."""


Compile = Callable[[SessionConfig], Awaitable[Launcher]]
"""Turns a configuration into what can be launched; may look at files for it."""
