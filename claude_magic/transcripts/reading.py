"""`read_file`: one session file from its place on the disk to its facts as bytes. No pandas, and little else.

It is all that the worker processes do; so this module imports only what that needs.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from pathlib import Path

import msgspec

from claude_magic.paths import open_regular
from claude_magic.transcripts.facts import FileFacts
from claude_magic.transcripts.files import SessionFile, new_facts
from claude_magic.transcripts.packs import Pack, pack, unpack
from claude_magic.transcripts.scan import Clean, scan

_HEAD_BYTES = 512


class Reading(msgspec.Struct, array_like=True, frozen=True):
    """What came of reading a file.

    Attributes:
        name: the file's.
        pack: its facts; `None` where the file is gone.
        problem: why it cannot be read, or "".
    """

    name: str
    pack: Pack | None = None
    problem: str = ""


def read_file(file: SessionFile, known: Pack | None, clean: Clean, on_bytes: Callable[[int], None]) -> Reading:
    """Read what is new in a file.

    Args:
        file: the file.
        known: the facts that are known of it, or `None`.
        clean: takes secrets out of what is kept.
        on_bytes: is told of every chunk how long it was.
    """
    facts = unpack(known) if known is not None else None
    if facts is None or not _goes_on(file, facts):
        facts = new_facts(file)
    try:
        scan(file.path, facts, clean, on_bytes)
        facts.head = _head(file.path, facts)
    except FileNotFoundError:
        if not file.path.is_symlink():
            return Reading(file.name)  # gone since it was listed
        return Reading(file.name, pack(facts), "cannot be read: it is a link to a file that is not there")
    except OSError as error:
        why = "it is a folder that cannot be listed" if file.path.is_dir() else error.strerror or str(error)
        return Reading(file.name, pack(facts), f"cannot be read: {why}")
    return Reading(file.name, pack(facts))


def _goes_on(file: SessionFile, facts: FileFacts) -> bool:
    """Whether a file still begins as it did; the CLI only appends, but another one may have been put there."""
    try:
        return file.size >= facts.offset and _head(file.path, facts) == facts.head
    except OSError:
        return False


def _head(path: Path, facts: FileFacts) -> int:
    """Return a checksum of the first bytes and of the last ones that were taken in."""
    count = min(_HEAD_BYTES, facts.offset)
    with open_regular(path, buffering=0) as stream:
        begin = stream.read(count)
        stream.seek(facts.offset - count, os.SEEK_SET)
        return zlib.crc32(begin + stream.read(count))
