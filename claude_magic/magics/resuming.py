"""`--resume` and `%claude resume`: which words can stand for an earlier conversation of the CLI."""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path

from IPython.core.error import UsageError

from claude_magic.config import SessionConfig
from claude_magic.paths import claude_dir, open_regular


def check_conversation(config: SessionConfig) -> None:
    """Make sure that what is resumed can be a conversation, before anything is closed for it.

    The CLI takes the id of a conversation (a UUID), or the title that somebody gave to one. Whether an id exists is
    the CLI's to say.

    Args:
        config: the settings of the session to be made.

    Raises:
        UsageError: it is neither; says where the ids are.
    """
    wanted = config.resume
    if wanted is None or _is_uuid(wanted) or _is_title(wanted, conversations_dir(config)):
        return
    raise UsageError(
        f"{wanted!r} is no id of a conversation; `%claude transcripts` lists them. Nothing was closed or sent."
    )


def conversations_dir(config: SessionConfig) -> Path:
    """Return the folder below which the CLI of these settings keeps its session files."""
    if config.simulated is not None:
        return Path(config.simulated.config_dir) / "projects"
    return claude_dir({**os.environ, **dict(config.environment)}) / "projects"


def _is_uuid(text: str) -> bool:
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
