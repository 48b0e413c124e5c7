"""CLAUDE.md and its like as text, for sessions in which the CLI does not read the folder's settings.

The CLI reads these files as a part of the setting sources `project` and `local` (2.1.202 and 2.1.332). In a folder
that was not trusted these sources are off, but the text is only text: it is handed on in the system prompt. Imports
(`@path`) are not followed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from claude_magic.paths import read_regular

_NAMES = ("CLAUDE.md", ".claude/CLAUDE.md", "CLAUDE.local.md")
_LARGEST_FILE = 2**20
_MOST_BYTES = 24_000
"""All of it goes into one argument: Linux takes 128 KiB there, Windows 32 KiB for all of them together."""


def project_instructions(folder: str | Path, own: str | Path) -> str:
    """Return the instructions for a folder, those of the folders above it first; "" where there are none.

    Args:
        folder: the working folder.
        own: the user's own configuration folder, which the CLI reads by itself.
    """
    pieces = []
    room = _MOST_BYTES
    for file in _files(Path(os.path.realpath(folder)), os.path.realpath(own)):
        try:
            data = read_regular(file, limit=_LARGEST_FILE)
        except OSError:
            continue  # not there, or not to be read: there are no instructions in it
        text = data[:room].decode(errors="replace").replace("\0", "").strip()
        room -= min(len(data), room)
        if text:
            cut = "\n[The rest of these instructions was left out because it is too long.]" if room == 0 else ""
            pieces.append(f"Instructions of this project, from {file}:\n\n{text}{cut}")
        if room == 0:
            break
    return "\n\n".join(pieces)


def _files(folder: Path, own: str) -> Iterator[Path]:
    for place in (*reversed(folder.parents), folder):
        for name in _NAMES:
            file = place / name
            if os.path.realpath(file.parent) != own:
                yield file
