"""Where this package keeps what outlives a kernel."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_state_path

VARIABLE = "CLAUDE_MAGIC_STATE_DIR"
"""Names another folder."""


def state_folder() -> Path:
    """Return the folder for what outlives a kernel: the user's own state folder on this system. It may not exist."""
    wish = os.environ.get(VARIABLE)
    return Path(wish).expanduser().absolute() if wish else user_state_path("claude-magic", appauthor=False)


def make_private(folder: Path) -> Path:
    """Make a folder, if it is not there, that only this user can look into.

    Raises:
        OSError: it cannot be made.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder
