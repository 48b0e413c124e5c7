"""`Session`: what users see of one conversation. Read-only; its verbs are the client's."""

from __future__ import annotations

from claude_magic.config import SessionConfig
from claude_magic.engine.managed_session import ManagedSession
from claude_magic.engine.session_info import SessionState
from claude_magic.messages import Message
from claude_magic.response import AnswerSource, Response

__all__ = ["Session", "SessionState", "managed"]


class Session:
    """One conversation, by name: a read-only handle. `ClaudeClient` and `AsyncClaudeClient` make it and act on it.

    A session outlives its CLI process: idle, it may give the process up, and it resumes by its id when it is next
    prompted.

    Example::

        session = client.create_session(name="review")
        client.execute(session, "Hello")
        print(session.state, session.turns, session.cost_usd)

    Args:
        managed: what the engine knows of it.
    """

    def __init__(self, managed: ManagedSession) -> None:
        self._managed = managed

    def __repr__(self) -> str:
        return f"<Session {self.name!r} {self.state} turns={self.turns} ${self.cost_usd:.4f}>"

    @property
    def name(self) -> str:
        """Its name, unique among the open sessions of its client."""
        return self._managed.name

    @property
    def config(self) -> SessionConfig:
        """Its settings."""
        return self._managed.config

    @property
    def created(self) -> float:
        """When it was made, in unix seconds."""
        return self._managed.created

    @property
    def last_used(self) -> float:
        """When it last began or ended a turn, in unix seconds."""
        return self._managed.last_used

    @property
    def session_id(self) -> str:
        """The CLI's id of the conversation; "" before it is known."""
        return self._managed.session_id

    @property
    def state(self) -> SessionState:
        """What it is doing now."""
        return self._managed.state

    @property
    def turns(self) -> int:
        """How many turns have finished, those of background tasks included."""
        return self._managed.turns

    @property
    def cost_usd(self) -> float:
        """What its turns cost together, in US dollars."""
        return self._managed.cost_usd

    @property
    def pid(self) -> int | None:
        """Process id of its CLI, if it has one now."""
        return self._managed.pid

    @property
    def model(self) -> str:
        """The model that answers, as the CLI names it; the configured one before the first turn."""
        return self._managed.model

    @property
    def models(self) -> list[dict[str, object]]:
        """The models the CLI offers, as it lists them; empty before the first start."""
        return list(self._managed.models)

    @property
    def notice(self) -> str:
        """What a user should know about how it was started; "" if there is nothing."""
        return self._managed.notice

    @property
    def source(self) -> AnswerSource:
        """Who answers."""
        return self._managed.source

    @property
    def recent(self) -> tuple[Message, ...]:
        """The last messages: up to 1,000 while it has a process, and 100 without one."""
        return tuple(self._managed.recent)

    @property
    def last_response(self) -> Response | None:
        """What its last finished turn brought back; `None` before the first."""
        return self._managed.last_response


def managed(session: Session) -> ManagedSession:
    """Return what the engine knows of a session; for this package's own use."""
    return session._managed
