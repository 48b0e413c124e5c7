"""`--fork` and `%claude fork`: a new session that begins as a copy of an open one."""

from __future__ import annotations

from IPython.core.error import UsageError

from claude_magic.config import SessionConfig
from claude_magic.engine.session import Session, SessionState


def copy_of(session: Session) -> SessionConfig:
    """Return the configuration of a session that begins as a copy of another one; that one stays as it is.

    Raises:
        UsageError: it has no conversation yet, or is at work on it.
    """
    if session.waiting or session.state in (SessionState.STARTING, SessionState.RUNNING):
        raise UsageError(f"{session.name} is at work: fork it when it is done. Nothing was sent.")
    if session.resume_id is None:
        raise UsageError(f"{session.name} has no conversation yet that could be copied. Nothing was sent.")
    at = session.config.resume_at if session.is_fresh else None
    return session.config.replace(resume=session.resume_id, fork=True, resume_at=at)
