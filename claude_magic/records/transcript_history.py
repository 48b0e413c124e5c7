"""`read_history`: from session files to tables, by way of the cache. No pandas."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from claude_magic.records.cache import VERSION, TranscriptCache
from claude_magic.records.prices import price_table
from claude_magic.records.transcript_assembly import Assembly
from claude_magic.records.transcript_files import SessionFile, new_facts
from claude_magic.records.transcript_progress import Progress
from claude_magic.records.transcript_scan import Clean, FileFacts, scan
from claude_magic.records.transcript_secrets import Cleaner
from claude_magic.records.transcript_tables import Table, from_bytes, to_bytes

TABLES = ("sessions", "turns", "tools", "usage")
_NOTES = "notes"
_HEAD_BYTES = 512


class FoundProblem(msgspec.Struct, array_like=True, frozen=True):
    """A line that could not be used; `line` and `offset` are 0 where a whole file could not be read."""

    file: str
    line: int
    offset: int
    reason: str


class Notes(msgspec.Struct):
    """What is known beside the tables.

    Attributes:
        types: how many records of each type.
        broken: how many lines could not be used, half-written ones included.
        problems: the first of them, with their places.
        unpriced: models without a price, and how many calls they answered.
    """

    types: dict[str, int] = {}
    broken: int = 0
    problems: list[FoundProblem] = []
    unpriced: dict[str, int] = {}


_encode_notes = msgspec.msgpack.Encoder().encode
_decode_notes = msgspec.msgpack.Decoder(Notes).decode


@dataclass
class History:
    """The tables as bytes, each decoded when it is asked for the first time."""

    files: Sequence[SessionFile]
    notes: Notes
    _data: Mapping[str, bytes]
    _cleaner: Cleaner
    _tables: dict[str, Table] = field(default_factory=dict)

    def table(self, name: str) -> Table:
        """Return one of `TABLES`."""
        if name not in self._tables:
            data = self._data[name]
            self._tables[name] = self._cleaner.table(from_bytes(data), data)
        return self._tables[name]


def read_history(
    files: Sequence[SessionFile], cache: TranscriptCache | None, cleaner: Cleaner, *, is_all: bool
) -> History:
    """Read what is new in session files, and make the tables.

    Args:
        files: the files.
        cache: what was read before, or `None`.
        cleaner: takes secrets out of texts.
        is_all: whether these are all files of the cache's folder, so that the others can be forgotten.
    """
    key = _key(files)
    kept = cache.tables(key, (*TABLES, _NOTES)) if cache is not None else None
    if kept is not None:
        return History(files, _decode_notes(kept[_NOTES]), kept, cleaner)
    known = cache.facts() if cache is not None else {}
    facts, changed, unreadable = _read(files, known, cleaner.text)
    assembly = Assembly(facts.values(), price_table())
    tables = {
        "sessions": assembly.sessions(), "turns": assembly.turns(),
        "tools": assembly.tools(), "usage": assembly.usage(),
    }  # fmt: skip
    data = {name: to_bytes(table) for name, table in tables.items()}
    notes = _notes(facts, unreadable, assembly.unpriced)
    if cache is not None and not unreadable:
        gone = known.keys() - facts.keys() if is_all else ()
        cache.keep([(file, facts[file.name]) for file in changed], key, data | {_NOTES: _encode_notes(notes)}, gone)
    return History(files, notes, data, cleaner)


def _key(files: Sequence[SessionFile]) -> str:
    """Say what tables are made of: files in a certain state, and prices."""
    state = [(file.name, file.size, file.mtime_ns) for file in files]
    digest = hashlib.blake2b(msgspec.msgpack.encode((VERSION, state, price_table())), digest_size=16)
    return digest.hexdigest()


def _read(
    files: Sequence[SessionFile], known: Mapping[str, tuple[int, int, FileFacts]], clean: Clean
) -> tuple[dict[str, FileFacts], list[SessionFile], list[FoundProblem]]:
    """Return the facts of all files, those in which something was new, and what could not be read."""
    facts: dict[str, FileFacts] = {}
    changed: list[SessionFile] = []
    unreadable: list[FoundProblem] = []
    for file in files:
        size, mtime_ns, found = known.get(file.name, (-1, 0, None))
        if found is not None and (size, mtime_ns) == (file.size, file.mtime_ns):
            facts[file.name] = found
        else:
            facts[file.name] = found if found is not None and _goes_on(file, found) else new_facts(file)
            changed.append(file)
    with Progress(sum(file.size - facts[file.name].offset for file in changed)) as progress:
        for file in changed:
            try:
                own = facts[file.name]
                scan(file.path, own, clean, progress.advance)
                own.head = _head(file.path, own)
            except FileNotFoundError:
                del facts[file.name]  # gone since it was listed
            except OSError as error:
                unreadable.append(FoundProblem(file.name, 0, 0, f"cannot be read: {error.strerror or error}"))
    return facts, [file for file in changed if file.name in facts], unreadable


def _goes_on(file: SessionFile, facts: FileFacts) -> bool:
    """Whether a file still begins as it did; the CLI only appends, but somebody may have put another one there."""
    try:
        return file.size >= facts.offset and _head(file.path, facts) == facts.head
    except OSError:
        return False


def _head(path: Path, facts: FileFacts) -> int:
    """Return a checksum of the first bytes and of the last ones that were taken in."""
    count = min(_HEAD_BYTES, facts.offset)
    with path.open("rb") as stream:
        begin = stream.read(count)
        stream.seek(facts.offset - count, os.SEEK_SET)
        return zlib.crc32(begin + stream.read(count))


def _notes(facts: Mapping[str, FileFacts], unreadable: list[FoundProblem], unpriced: dict[str, int]) -> Notes:
    notes = Notes(problems=unreadable, broken=len(unreadable), unpriced=unpriced)
    for name, one in facts.items():
        for kind, count in one.types.items():
            notes.types[kind] = notes.types.get(kind, 0) + count
        places = [*one.problems, *([one.unfinished] if one.unfinished is not None else [])]
        notes.broken += one.broken + (one.unfinished is not None)
        notes.problems += [FoundProblem(name, place.line, place.offset, place.reason) for place in places]
    return notes
