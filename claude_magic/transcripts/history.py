"""`read_history`: from session files to tables, by way of the cache. No pandas."""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import msgspec

from claude_magic.engine.prices import price_bytes, price_table
from claude_magic.transcripts.assembly import Assembly
from claude_magic.transcripts.cache import VERSION, Known, TranscriptCache
from claude_magic.transcripts.files import SessionFile
from claude_magic.transcripts.packs import Pack
from claude_magic.transcripts.parallel import read_files
from claude_magic.transcripts.secrets import Cleaner
from claude_magic.transcripts.tables import Table, from_bytes, to_bytes, without_secrets

TABLES = ("sessions", "turns", "tools", "usage")
_NOTES = "notes"


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
        unreadable: how many files could not be read at all.
    """

    types: dict[str, int] = {}
    broken: int = 0
    problems: list[FoundProblem] = []
    unpriced: dict[str, int] = {}
    unreadable: int = 0


_encode_notes = msgspec.msgpack.Encoder().encode
_decode_notes = msgspec.msgpack.Decoder(Notes).decode


@dataclass
class History:
    """The tables, each made when it is asked for the first time."""

    files: Sequence[SessionFile]
    notes: Notes
    _make: Callable[[str], Table]
    _tables: dict[str, Table] = field(default_factory=dict)

    def table(self, name: str) -> Table:
        """Return one of `TABLES`."""
        if name not in self._tables:
            with no_collection():
                self._tables[name] = self._make(name)
        return self._tables[name]


def read_history(
    files: Sequence[SessionFile], cache: TranscriptCache | None, key: str, cleaner: Cleaner, *, is_all: bool
) -> History:
    """Read what is new in session files, and make the tables.

    Args:
        files: the files.
        cache: what was read before, or `None`.
        key: of `files`, by `key_of`.
        cleaner: takes secrets out of texts.
        is_all: whether these are all files of the cache's folder, so that the others can be forgotten.
    """
    with no_collection():
        if cache is None:
            packs, _, unreadable = _read(files, {}, cleaner)
            return _assembled(files, packs, unreadable)
        kept = cache.tables(key, (*TABLES, _NOTES))
        if kept is None:
            return _read_and_kept(files, cache, key, cleaner, is_all=is_all)
        return History(files, _decode_notes(kept[_NOTES]), lambda name: _kept_table(kept[name], cleaner))


def _kept_table(data: bytes, cleaner: Cleaner) -> Table:
    """Return a table that was kept; maybe it was made where a secret of now was not known."""
    table = from_bytes(data)
    return without_secrets(table, cleaner.text) if cleaner.finds(data) else table


def _read_and_kept(
    files: Sequence[SessionFile], cache: TranscriptCache, key: str, cleaner: Cleaner, *, is_all: bool
) -> History:
    known = cache.facts()
    packs, changed, unreadable = _read(files, known, cleaner)
    history = _assembled(files, packs, unreadable)
    if unreadable:
        return history
    tables = {name: to_bytes(history.table(name)) for name in TABLES} | {_NOTES: _encode_notes(history.notes)}
    gone = known.keys() - packs.keys() if is_all else ()
    cache.keep([(file, packs[file.name]) for file in changed], key, tables, gone)
    return history


def _assembled(files: Sequence[SessionFile], packs: Mapping[str, Pack], unreadable: list[FoundProblem]) -> History:
    assembly = Assembly(packs.values(), price_table())
    return History(files, _notes(packs, unreadable, assembly.unpriced), lambda name: getattr(assembly, name)())


@contextmanager
def no_collection() -> Iterator[None]:
    """Keep Python from looking for garbage in circles while many objects are made that are none."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def key_of(files: Sequence[SessionFile]) -> str:
    """Say what tables are made of: files in a certain state, and prices."""
    state = [(file.name, file.size, file.mtime_ns) for file in files]
    digest = hashlib.blake2b(msgspec.msgpack.encode((VERSION, state, price_bytes())), digest_size=16)
    return digest.hexdigest()


def _read(
    files: Sequence[SessionFile], known: Mapping[str, Known], cleaner: Cleaner
) -> tuple[dict[str, Pack], list[SessionFile], list[FoundProblem]]:
    """Return the facts of all files, those in which something was new, and what could not be read."""
    changed = [file for file in files if file.name not in known or not known[file.name].is_of(file)]
    packs: dict[str, Pack | None] = {file.name: known[file.name].pack for file in files if file.name in known}
    found = {reading.name: reading for reading in read_files(changed, known, cleaner)}
    packs |= {name: reading.pack for name, reading in found.items()}
    unreadable = [FoundProblem(one.name, 0, 0, one.problem) for one in found.values() if one.problem]
    # In the order of the files, whichever process read them; those that are gone since they were listed have no facts.
    ordered = {file.name: pack for file in files if (pack := packs[file.name]) is not None}
    return ordered, [file for file in changed if file.name in ordered], sorted(unreadable, key=lambda one: one.file)


def _notes(packs: Mapping[str, Pack], unreadable: list[FoundProblem], unpriced: dict[str, int]) -> Notes:
    notes = Notes(problems=[*unreadable], broken=len(unreadable), unpriced=unpriced, unreadable=len(unreadable))
    for name, pack in packs.items():
        one = pack.file
        for kind, count in one.types.items():
            notes.types[kind] = notes.types.get(kind, 0) + count
        places = [*one.problems, *([one.unfinished] if one.unfinished is not None else [])]
        notes.broken += one.broken + (one.unfinished is not None)
        notes.problems += [FoundProblem(name, place.line, place.offset, place.reason) for place in places]
    return notes
