"""The conversations that were last used, with what a person knows them by; read from the ends of their files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from claude_magic.paths import open_regular
from claude_magic.redaction import Redactor
from claude_magic.strings import opening
from claude_magic.transcripts.discover import SessionFile, find_files
from claude_magic.transcripts.schema import UNREADABLE, Record, decode_record, is_prompt, prompt_of, typed_text

_END = 65_536
"""Bytes that are read of each end of a file: the first prompt stands in one, the last title in the other."""
_LONGEST_TITLE = 80


@dataclass(frozen=True)
class Conversation:
    """One conversation of the CLI, as a person knows it.

    Attributes:
        session_id: its id, which `--resume` takes.
        title: what a person or the CLI called it, else how its first prompt began; "" if it has none.
        folder: where it worked.
        changed: when something was last written to it, in unix seconds.
    """

    session_id: str
    title: str
    folder: str
    changed: float


def recent_conversations(root: Path, redactor: Redactor, most: int = 50) -> list[Conversation]:
    """Return the conversations that were last used, the latest first; one that has nothing of a person is left out.

    Args:
        root: the folder whose folders are projects.
        redactor: takes secrets out of titles.
        most: how many files are looked at.
    """
    files = [file for file in find_files(root) if "/subagents/" not in file.name and file.size > 0]
    files.sort(key=lambda file: -file.mtime_ns)
    found = [_conversation(file) for file in files[:most]]
    return [
        Conversation(one.session_id, redactor.text(one.title), one.folder, one.changed) for one in found if one.title
    ]


@lru_cache(maxsize=500)
def _conversation(file: SessionFile) -> Conversation:
    """Return what the ends of a file say; it is read again when its size or its time has changed."""
    title = prompt = folder = ""
    for record in _records(file):
        title = record.customTitle or title
        folder = folder or record.cwd or ""
        if not prompt and record.type == "user" and record.message is not None:
            text = typed_text(record.message)
            prompt = prompt_of(text) if is_prompt(record, text) else ""
    for record in _records(file) if not title else ():
        title = record.aiTitle or title
    stem = os.path.basename(file.name).removesuffix(".jsonl")
    return Conversation(stem, opening(title or prompt, _LONGEST_TITLE), folder, file.mtime_ns / 1e9)


def _records(file: SessionFile) -> Iterator[Record]:
    """Yield the records in both ends of a file; a line that is cut, or no record, is passed over."""
    try:
        with open_regular(file.path) as lines:
            data = lines.read(_END)
            if file.size > _END:
                lines.seek(max(_END, file.size - _END))
                data += b"\n" + lines.read(_END)
    except OSError:
        return
    for line in data.split(b"\n"):
        try:
            yield decode_record(line)
        except UNREADABLE:
            continue
