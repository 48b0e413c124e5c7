"""`SessionRegistry`: the open sessions of a client, by name and by every id their conversations ever had."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from claude_magic.engine.managed_session import ManagedSession
from claude_magic.engine.session import Session, managed
from claude_magic.engine.session_info import SessionActivity, SessionInfo, SessionState
from claude_magic.engine.turn import prompt_text
from claude_magic.errors import SessionClosedError, SessionNotFoundError
from claude_magic.response import AnswerSource


class SessionRegistry:
    """Open sessions, in the order they were made."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._numbers = itertools.count(1)

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._sessions.values()))

    def free_name(self, wanted: str | None) -> str:
        """Return a name for a new session.

        Args:
            wanted: the name; made up if not given.

        Raises:
            ValueError: the name is taken or empty.
        """
        if wanted is None:
            return next(made for made in map("session-{}".format, self._numbers) if made not in self._sessions)
        if not wanted.strip():
            raise ValueError("A session's name must not be empty.")
        if wanted in self._sessions:
            raise ValueError(f"There is a session {wanted!r} already: use it, close it, or take another name.")
        return wanted

    def add(self, session: Session) -> None:
        """Take in a session that was made."""
        self._sessions[session.name] = session

    def get(self, name: str | Session) -> Session:
        """Return a session by its name, by any id its conversation ever had, or by its handle.

        Raises:
            SessionNotFoundError: there is none.
            SessionClosedError: the handle is of a session that was closed.
        """
        if not isinstance(name, str):  # not by the class: a module that is loaded anew has another one
            if name.state is SessionState.CLOSED:
                raise SessionClosedError(f"The session {name.name!r} was closed. Create a new one.")
            return name
        if name in self._sessions:
            return self._sessions[name]
        for session in list(self._sessions.values()):
            if managed(session).has_id(name):
                return session
        known = ", ".join(map(repr, self._sessions)) or "none yet"
        raise SessionNotFoundError(f"There is no session {name!r}. Open sessions: {known}.")

    def rename(self, session: Session, name: str) -> None:
        """Give a session another name; its place in the order stays.

        Raises:
            ValueError: the name is taken or empty, or the session is at work.
        """
        known = managed(session)
        if known.running is not None or known.waiting:
            raise ValueError(f"{session.name} is at work: rename it when it is done.")
        before, wanted = session.name, self.free_name(name)
        known.rename(wanted)
        self._sessions = {(wanted if one == before else one): kept for one, kept in self._sessions.items()}

    def close(self, session: Session) -> None:
        """Let go of a session; it takes no more prompts, and those there are end."""
        self._sessions.pop(session.name, None)
        managed(session).close()

    def close_all(self) -> list[Session]:
        """Let go of every session and return them."""
        sessions = list(self._sessions.values())
        for session in sessions:
            self.close(session)
        return sessions

    def infos(self) -> list[SessionInfo]:
        """Return what there is to know about each session."""
        return [info_of(managed(session)) for session in self._sessions.values()]


def info_of(session: ManagedSession) -> SessionInfo:
    """Return what there is to know about a session."""
    return SessionInfo(
        name=session.name,
        session_id=session.session_id,
        workspace_id=session.config.workspace_id,
        state=str(session.state),
        model=session.model,
        working_dir=session.config.working_dir,
        pid=session.pid,
        created=session.created,
        last_used=session.last_used,
        turns=session.turns,
        cost_usd=session.cost_usd,
        simulated=session.source is not AnswerSource.MODEL,
    )


def activity_of(session: ManagedSession) -> SessionActivity:
    """Return what a session does now."""
    turn = session.running
    prompt = session.redactor.text(prompt_text(turn.prompt)) if turn is not None else ""
    use = next((one for one in reversed(turn.notable) if one.tool_use_id in turn.open_tools), None) if turn else None
    return SessionActivity(
        turn_id=turn.id if turn is not None else "",
        prompt=prompt,
        since=(turn.sent or turn.asked) if turn is not None else 0.0,
        tool=use.tool_name if use is not None else "",
        tool_input=use.tool_input if use is not None else {},
        background=len(session.connection.background) if session.connection is not None else 0,
        usage=session.usage,
        queue=tuple(session.queue.listed(session.redactor)),
    )
