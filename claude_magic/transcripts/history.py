"""`SessionHistory`: the tables of all session files, as they are now, by way of the cache."""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import msgspec
import pandas as pd

from claude_magic.engine.prices import price_bytes, price_table
from claude_magic.records.columns import to_frame
from claude_magic.records.message_records import MessageRecord
from claude_magic.redaction import Redactor
from claude_magic.transcripts.assemble import Assembly
from claude_magic.transcripts.cache import VERSION, TranscriptCache
from claude_magic.transcripts.columns import PROBLEMS, SCHEMAS, Table, decode_table, encode_table, redacted, table_frame
from claude_magic.transcripts.discover import SessionFile
from claude_magic.transcripts.messages import MessageReader
from claude_magic.transcripts.rows import Problem, ScannedFile
from claude_magic.transcripts.workers import scan_files

_NOTES = "notes"


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
    problems: list[Problem] = []
    unpriced: dict[str, int] = {}
    unreadable: int = 0


_encode_notes = msgspec.msgpack.Encoder().encode
_decode_notes = msgspec.msgpack.Decoder(Notes).decode


class SessionHistory:
    """The tables and what is known beside them; frames are made when they are asked for the first time.

    Args:
        files: what was read.
        notes: what is known beside the tables.
        table: makes one of the tables of `SCHEMAS`.
        redactor: takes secrets out of messages.
    """

    def __init__(
        self, files: Sequence[SessionFile], notes: Notes, table: Callable[[str], Table], redactor: Redactor
    ) -> None:
        self.files = files
        self.notes = notes
        self.redactor = redactor
        self._table = table
        self._frames: dict[str, pd.DataFrame] = {}

    def frame(self, name: str) -> pd.DataFrame:
        """Return one of the frames of `SCHEMAS`; the caller may change it."""
        if name not in self._frames:
            self._frames[name] = table_frame(self._table(name), SCHEMAS[name])
        return self._frames[name].copy()

    def problems(self) -> pd.DataFrame:
        """Return one row per line that could not be used."""
        return to_frame(self.notes.problems, PROBLEMS)

    def messages(self) -> Iterator[MessageRecord]:
        """Yield what was said, file by file, read from the files as it is asked for."""
        turns, tools = self.frame("turns"), self.frame("tools")
        in_session = zip(turns["session_id"], turns["session"], turns["turn"], strict=True)
        agents = tools[tools["name"].isin(("Agent", "Task")) & tools["turn_id"].notna()]
        reader = MessageReader(
            dict(zip(turns["turn_id"], in_session, strict=True)),
            dict(zip(agents["tool_use_id"], agents["turn_id"], strict=True)),
            self.redactor.text,
        )
        for file in self.files:
            yield from reader.messages(file)


def key_of(files: Sequence[SessionFile]) -> str:
    """Say what tables are made of: files in a certain state, and prices."""
    state = [(file.name, file.size, file.mtime_ns) for file in files]
    digest = hashlib.blake2b(msgspec.msgpack.encode((VERSION, state, price_bytes())), digest_size=16)
    return digest.hexdigest()


@contextmanager
def _without_collector() -> Iterator[None]:
    """Keep Python from looking for circles of garbage while a million objects are made that form none.

    Half a gigabyte of which one file has grown is read in 450 ms instead of 520.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@_without_collector()
def read_history(
    files: Sequence[SessionFile], cache: TranscriptCache | None, key: str, redactor: Redactor, *, is_all: bool
) -> SessionHistory:
    """Read what is new in session files, and make the tables.

    Args:
        files: the files.
        cache: what was read before, or `None`.
        key: of `files`, by `key_of`.
        redactor: takes secrets out of texts.
        is_all: whether these are all files of the cache's folder, so that the others can be forgotten.
    """
    kept = cache.tables(key, (*SCHEMAS, _NOTES)) if cache is not None else None
    if kept is not None:
        return _stored_history(files, kept, redactor)
    known = cache.files() if cache is not None else {}
    as_it_was = {(one.name, one.size, one.mtime_ns) for one in known.values()}
    changed = [file for file in files if (file.name, file.size, file.mtime_ns) not in as_it_was]
    scanned = {**known, **scan_files(changed, known, redactor)}
    # In the order of the files, whichever process read them; one that is gone since it was listed has nothing.
    found = {file.name: one for file in files if (one := scanned[file.name]) is not None}
    assembly = Assembly(found.values(), price_table())
    notes = _notes(found.values(), assembly.unpriced)
    if cache is None:
        return SessionHistory(files, notes, assembly.table, redactor)
    tables = {name: assembly.table(name) for name in SCHEMAS}
    encoded = {name: encode_table(table) for name, table in tables.items()}
    if not notes.unreadable:
        gone = known.keys() - found.keys() if is_all else ()
        new = [found[file.name] for file in changed if file.name in found]
        cache.keep(new, key, {**encoded, _NOTES: _encode_notes(notes)}, gone)
    if not known:
        return SessionHistory(files, notes, tables.__getitem__, redactor)
    return SessionHistory(files, notes, lambda name: _hidden(tables[name], encoded[name], redactor), redactor)


def _stored_history(files: Sequence[SessionFile], kept: dict[str, bytes], redactor: Redactor) -> SessionHistory:
    def table(name: str) -> Table:
        return _hidden(decode_table(kept[name]), kept[name], redactor)

    return SessionHistory(files, _decode_notes(kept[_NOTES]), table, redactor)


def _hidden(table: Table, encoded: bytes, redactor: Redactor) -> Table:
    """Return a table without secrets, some of which may have become known since the cache was written."""
    return redacted(table, redactor.text) if redactor.may_find_in(encoded) else table


def _notes(files: Iterable[ScannedFile], unpriced: dict[str, int]) -> Notes:
    notes = Notes(unpriced=unpriced)
    for file in files:
        for kind, count in file.types.items():
            notes.types[kind] = notes.types.get(kind, 0) + count
        at_the_end = [one for one in (file.unfinished, file.unreadable) if one is not None]
        notes.broken += file.broken + len(at_the_end)
        notes.problems += [*file.problems, *at_the_end]
        notes.unreadable += file.unreadable is not None
    notes.problems.sort(key=lambda problem: problem.line > 0)  # whole files first
    return notes
