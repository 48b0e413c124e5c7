"""`TranscriptCache`: what was read of session files, kept for the next time in the user's cache folder.

One small SQLite file per folder of session files, for the user's eyes only. It holds what the frames show of the
session files (cut prompts and answers, too), nothing that is not in them. It may be deleted at any time; one that is
damaged, or of another version, is made anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from claude_magic.paths import make_private_dir, open_private, open_regular, user_dir
from claude_magic.transcripts.rows import ScannedFile

VERSION = 8
"""Of what is kept; a change of `rows` or `columns` makes it another."""
_BUSY_TIMEOUT_S = 5.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS files (name TEXT PRIMARY KEY, crc INTEGER, data BLOB);
CREATE TABLE IF NOT EXISTS tables (name TEXT PRIMARY KEY, key TEXT, crc INTEGER, data BLOB);
"""

_SETTINGS = "PRAGMA page_size = 65536; PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY;"
"""Large pages for large blobs. A crash in the middle of writing may damage it, which is noticed: see `_checksum`."""
_DROP = "DROP TABLE IF EXISTS files; DROP TABLE IF EXISTS tables;"
_log = logging.getLogger(__name__)
_encode_scanned = msgspec.msgpack.Encoder().encode
_decode_scanned = msgspec.msgpack.Decoder(ScannedFile).decode
T = TypeVar("T")


class TranscriptCache:
    """What is kept of the session files below one folder. Whatever goes wrong with it, it is only slower.

    Args:
        folder: where the cache is kept; `None` is the user's cache folder.
        root: the folder of the session files.

    Attributes:
        path: the file.
    """

    def __init__(self, folder: Path | None, root: Path) -> None:
        where = user_dir("cache") if folder is None else folder
        digest = hashlib.blake2b(os.fsencode(root.absolute()), digest_size=8).hexdigest()
        self.path = where / f"transcripts-{digest}.sqlite"

    def tables(self, key: str, names: Sequence[str]) -> dict[str, bytes] | None:
        """Return the tables that were made of exactly this, or `None`.

        Args:
            key: says what they were made of.
            names: which tables.
        """

        def read(database: sqlite3.Connection) -> dict[str, bytes] | None:
            database.execute("BEGIN")  # so that no other process replaces them meanwhile
            rows = database.execute("SELECT rowid, name, crc FROM tables WHERE key = ?", (key,)).fetchall()
            found = {}
            for row, name, crc in rows:
                with database.blobopen("tables", "data", row, readonly=True) as blob:  # a query would copy it twice
                    data = blob.read()
                if _checksum(data, name, key) == crc:
                    found[name] = data
            return found if all(name in found for name in names) else None

        return self._with_database(read) if self.path.exists() else None

    def files(self) -> dict[str, ScannedFile]:
        """Return what was read of each file, by its name."""

        def read(database: sqlite3.Connection) -> dict[str, ScannedFile]:
            rows = database.execute("SELECT name, crc, data FROM files")
            return {name: _decode_scanned(data) for name, crc, data in rows if _checksum(data, name) == crc}

        return (self._with_database(read) if self.path.exists() else None) or {}

    def keep(self, files: Iterable[ScannedFile], key: str, tables: Mapping[str, bytes], gone: Iterable[str]) -> None:
        """Keep what was read.

        Args:
            files: those of which something new was read.
            key: says what the tables were made of.
            tables: by name; they take the place of those that were kept before.
            gone: names of files that are no longer there.
        """
        encoded = [(file.name, _encode_scanned(file)) for file in files]
        rows = [(name, _checksum(data, name), data) for name, data in encoded]
        tabled = [(name, key, _checksum(data, name, key), data) for name, data in tables.items()]

        def write(database: sqlite3.Connection) -> None:
            with database:
                database.executescript(_SCHEMA)  # it may have been emptied
                database.executemany("DELETE FROM files WHERE name = ?", [(name,) for name in gone])
                database.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", rows)
                database.executemany("INSERT OR REPLACE INTO tables VALUES (?, ?, ?, ?)", tabled)

        self._with_database(write)

    def _with_database(self, use: Callable[[sqlite3.Connection], T]) -> T | None:
        """Return what comes of using the database, or `None`; a damaged one is removed.

        A cache must never be in the way: one that is locked, full or not writable is done without.
        """
        try:
            with contextlib.closing(self._connect()) as database:
                return use(database)
        except (OSError, sqlite3.OperationalError) as error:
            _log.debug("the cache of session files is not usable now: %s", error)
        except (sqlite3.DatabaseError, msgspec.DecodeError) as error:
            _log.debug("the cache of session files is damaged and made anew: %s", error)
            self._remove()
        return None

    def _connect(self) -> sqlite3.Connection:
        """Open the file, and make or renew its tables."""
        if not self.path.exists():
            make_private_dir(self.path.parent)
            open_private(self.path, append=True).close()
        open_regular(self.path).close()  # SQLite would wait at a pipe for ever
        database = sqlite3.connect(self.path, timeout=_BUSY_TIMEOUT_S)
        try:
            (version,) = database.execute("PRAGMA user_version").fetchone()
            database.executescript(_SETTINGS)
            if version != VERSION:
                database.executescript(f"{_DROP}VACUUM; {_SCHEMA}PRAGMA user_version = {VERSION};")
        except sqlite3.Error:
            database.close()
            raise
        return database

    def _remove(self) -> None:
        for ending in ("", "-wal", "-shm", "-journal"):
            with contextlib.suppress(OSError):
                self.path.with_name(self.path.name + ending).unlink()


def _checksum(data: bytes, *about: str) -> int:
    """Return a checksum of what is kept together with what it is kept of."""
    return zlib.crc32(data, zlib.crc32(repr(about).encode()))
