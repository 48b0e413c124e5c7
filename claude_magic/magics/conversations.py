"""Sessions that begin with an earlier conversation: `--resume`, `--fork` and their commands."""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path

from IPython.core.error import UsageError

from claude_magic.config import SessionConfig
from claude_magic.engine.session import Session, SessionState, managed
from claude_magic.paths import claude_dir, open_regular


def check_conversation(config: SessionConfig) -> None:
    """Make sure that what is resumed can be a conversation, before anything is closed for it.

    The CLI takes the id of a conversation (a UUID), or the title that a person gave to one. Whether an id exists is
    the CLI's to say.

    Args:
        config: the settings of the session to be made.

    Raises:
        UsageError: it is neither; says where the ids are.
    """
    wanted = config.resume
    if wanted is None or is_uuid(wanted) or _is_title(wanted, conversations_dir(config)):
        return
    raise UsageError(
        f"{wanted!r} is not the id of a conversation; `%claude transcripts` lists them. Nothing was closed or sent."
    )


def copy_of(session: Session) -> SessionConfig:
    """Return the configuration of a session that begins as a copy of another one; that one stays as it is.

    Raises:
        UsageError: it has no conversation yet, or is at work on it.
    """
    known = managed(session)
    if known.waiting or session.state in (SessionState.STARTING, SessionState.RUNNING):
        raise UsageError(f"{session.name} is at work: fork it when it is done. Nothing was sent.")
    if known.resume_id is None:
        raise UsageError(f"{session.name} has no conversation yet that could be copied. Nothing was sent.")
    at = session.config.resume_at if known.is_fresh else None
    return session.config.replace(resume=known.resume_id, fork=True, resume_at=at)


def conversations_dir(config: SessionConfig) -> Path:
    """Return the folder below which the CLI of these settings keeps its session files."""
    if config.simulated is not None:
        return Path(config.simulated.config_dir) / "projects"
    return claude_dir({**os.environ, **dict(config.environment)}) / "projects"


def is_uuid(text: str) -> bool:
    """Return whether a text is an id as the CLI writes them."""
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


def _is_title(text: str, folder: Path) -> bool:
    """Whether a session file gives this title; the CLI compares without regard to case."""
    wanted = f'"customTitle":{json.dumps(text.strip(), ensure_ascii=False)}'.casefold()
    return any(_has_line(path, wanted) for path in folder.glob("*/*.jsonl"))


def _has_line(path: Path, wanted: str) -> bool:
    try:
        with open_regular(path) as lines:
            return any(
                b'"customTitle"' in line and wanted in line.decode("utf-8", "replace").casefold() for line in lines
            )
    except OSError:  # what cannot be read gives no title
        return False
