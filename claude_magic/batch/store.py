"""`RowStore`: the rows that were paid for, in one SQLite file that several processes may share.

Each row is written in a transaction of its own when its answer is there; after a crash only the rows in flight are
missing. Nothing is evicted and nothing is pickled. A row that a process has in flight is claimed by it, so that another
process waits for the answer in place of paying for it again; what a dead process had claimed is free.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass, fields
from datetime import datetime
from pathlib import Path

import psutil

from claude_magic.errors import MapStoreError
from claude_magic.paths import make_private_dir, open_private, open_regular, user_dir
from claude_magic.response import AnswerSource
from claude_magic.strings import utf8_safe

SCHEMA_VERSION = 1
_BUSY_S = 30.0
"""How long to wait for another process that is writing."""
_CHUNK = 500
"""Keys in one question; SQLite takes 32,766 at most, older ones 999."""
_BEAT_LIFETIME_S = 120.0
"""After this time a process of another machine counts as gone that has not said that it lives."""

_TABLES = """
CREATE TABLE IF NOT EXISTS rows (
    key BLOB PRIMARY KEY, status TEXT NOT NULL, answer TEXT, error TEXT NOT NULL, code TEXT NOT NULL,
    model TEXT NOT NULL,
    source TEXT NOT NULL, cost_usd REAL NOT NULL, input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
    seconds REAL NOT NULL, attempts INTEGER NOT NULL, turn_id TEXT NOT NULL, session_id TEXT NOT NULL,
    map_id TEXT NOT NULL, finished REAL NOT NULL, shown BLOB);
CREATE TABLE IF NOT EXISTS spending (
    time REAL NOT NULL, day TEXT NOT NULL, notebook TEXT NOT NULL, map_id TEXT NOT NULL, cost_usd REAL NOT NULL,
    simulated INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS spending_by_day ON spending (day);
CREATE INDEX IF NOT EXISTS spending_by_notebook ON spending (notebook);
CREATE TABLE IF NOT EXISTS claims (key BLOB PRIMARY KEY, owner TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS owners (
    owner TEXT PRIMARY KEY, host TEXT NOT NULL, pid INTEGER NOT NULL, born REAL NOT NULL, beat REAL NOT NULL);
CREATE TABLE IF NOT EXISTS maps (
    map_id TEXT PRIMARY KEY, owner TEXT NOT NULL, notebook TEXT NOT NULL, prompt TEXT NOT NULL, began REAL NOT NULL,
    rows INTEGER NOT NULL, state TEXT NOT NULL);
"""


@dataclass(frozen=True)
class StoredRow:
    """What is stored of a row.

    Attributes:
        key: its key.
        status: "done" or "failed".
        answer: JSON of the object of the schema, or of the text; `None` where there is none.
        error: what went wrong, in words; "" where nothing did.
        code: the code of the error, such as `RATE_LIMITED`.
        model: the model that answered.
        source: who answered, as an `AnswerSource`.
        cost_usd: all its attempts together, in US dollars.
        input_tokens: read by the model, in all attempts, those of the prompt cache included.
        output_tokens: written by the model, in all attempts.
        seconds: how long the last attempt took.
        attempts: how often it was sent.
        turn_id: id of its last turn.
        session_id: the CLI's id of its conversation.
        map_id: the map that asked last.
        finished: when, in unix seconds.
        shown: the lines of the CLI, packed; what `MapRun.open` shows.
    """

    key: bytes
    status: str
    answer: str | None = None
    error: str = ""
    code: str = ""
    model: str = ""
    source: str = ""
    cost_usd: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    seconds: float = 0.0
    attempts: int = 0
    turn_id: str = ""
    session_id: str = ""
    map_id: str = ""
    finished: float = 0.0
    shown: bytes | None = None


_NAMES = [item.name for item in fields(StoredRow)]
_LIGHT = ", ".join(name if name != "shown" else "NULL" for name in _NAMES)
_WRITE_ROW = (
    f"INSERT INTO rows ({', '.join(_NAMES)}) VALUES ({', '.join('?' for _ in _NAMES)}) ON CONFLICT (key) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _NAMES[1:])
    # An answer that was paid for is not lost because the row was asked again, and failed.
    + " WHERE excluded.status = 'done' OR rows.status <> 'done'"
)


class RowStore:
    """The database. Used by one thread at a time; `open` it once for each thread that needs it.

    Args:
        path: the file; one in the user's state folder if not given.

    Attributes:
        path: the file.
        owner: the id under which this store claims rows.

    Raises:
        MapStoreError: the file cannot be used.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.path = user_dir("state") / "maps.sqlite" if path is None else Path(path).expanduser().absolute()
        self.owner = uuid.uuid4().hex
        self._is_known = False
        with self._errors("opened"):
            make_private_dir(self.path.parent)
            open_private(self.path, append=True).close()
            open_regular(self.path).close()  # SQLite would wait at a pipe for ever
            self._database = sqlite3.connect(self.path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
            self._prepare()

    def __repr__(self) -> str:
        return f"RowStore({str(self.path)!r})"

    def _prepare(self) -> None:
        until = time.monotonic() + _BUSY_S
        while True:
            try:
                self._database.execute("PRAGMA journal_mode = WAL").fetchone()
                break
            except sqlite3.OperationalError:  # changing the mode does not wait for others as everything else does
                if time.monotonic() > until:
                    raise
                time.sleep(0.01)
        # What was paid for survives a loss of power, too.
        self._database.execute("PRAGMA synchronous = FULL")
        version = int(self._database.execute("PRAGMA user_version").fetchone()[0])
        if version > SCHEMA_VERSION:
            raise MapStoreError(f"The rows in {str(self.path)!r} are of a newer claude_magic: update this one.")
        if version < SCHEMA_VERSION:
            with self._transaction():
                for statement in _TABLES.split(";"):
                    self._database.execute(statement)
                self._database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def close(self) -> None:
        """Give up what is claimed, and close the file. Safe to call twice."""
        if self._is_known:
            self._is_known = False
            with suppress(sqlite3.Error), self._transaction():  # who is gone has no claims anyway
                self._database.execute("DELETE FROM claims WHERE owner = ?", [self.owner])
                self._database.execute("DELETE FROM owners WHERE owner = ?", [self.owner])
        self._database.close()

    # Rows.

    def find(self, keys: Iterable[bytes], *, whole: bool = False) -> dict[bytes, StoredRow]:
        """Return what is stored of some rows.

        Args:
            keys: their keys.
            whole: with the lines of the CLI.
        """
        names = ", ".join(_NAMES) if whole else _LIGHT
        found: dict[bytes, StoredRow] = {}
        with self._errors("read"):
            for part in _parts(keys):
                query = f"SELECT {names} FROM rows WHERE key IN ({_places(part)})"
                found |= {row[0]: StoredRow(*row) for row in self._database.execute(query, part)}
        return found

    def done(self, keys: Iterable[bytes]) -> set[bytes]:
        """Return which of some rows are answered; cheaper than `find`."""
        found: set[bytes] = set()
        with self._errors("read"):
            for part in _parts(keys):
                query = f"SELECT key FROM rows WHERE status = 'done' AND key IN ({_places(part)})"
                found.update(key for (key,) in self._database.execute(query, part))
        return found

    def failed(self, keys: Iterable[bytes]) -> dict[bytes, StoredRow]:
        """Return those of some rows that have failed."""
        found: dict[bytes, StoredRow] = {}
        with self._errors("read"):
            for part in _parts(keys):
                query = f"SELECT {_LIGHT} FROM rows WHERE status = 'failed' AND key IN ({_places(part)})"
                found |= {row[0]: StoredRow(*row) for row in self._database.execute(query, part)}
        return found

    def keep(self, row: StoredRow, *, paid_usd: float, notebook: str) -> None:
        """Write a row and what this attempt cost, and give up its claim, in one transaction.

        Args:
            row: the row.
            paid_usd: what the attempt cost, in US dollars.
            notebook: whose budget it counts for.

        Raises:
            MapStoreError: it cannot be written; nothing of it was.
        """
        values = [utf8_safe(value) if isinstance(value, str) else value for value in astuple(row)]
        now = time.time()
        with self._errors("written"), self._transaction():
            self._database.execute(_WRITE_ROW, values)
            if paid_usd:
                day = datetime.fromtimestamp(now).date().isoformat()
                spent = (now, day, notebook, row.map_id, paid_usd, row.source != AnswerSource.MODEL)
                self._database.execute("INSERT INTO spending VALUES (?, ?, ?, ?, ?, ?)", spent)
            self._database.execute("DELETE FROM claims WHERE key = ?", [row.key])

    # Who asks.

    def claim(self, keys: Iterable[bytes], *, fresh: bool = False) -> tuple[set[bytes], dict[bytes, str], set[bytes]]:
        """Claim rows that are not in flight anywhere else.

        Args:
            keys: the rows.
            fresh: also those that have an answer.

        Returns:
            Those that are claimed now; those of living processes, with a word about which process that is; and those
            that have been answered meanwhile.
        """
        wanted = list(keys)
        with self._errors("written"), self._transaction():
            self._beat()
            living = self._living()
            others: dict[bytes, str] = {}
            for part in _parts(wanted):
                query = f"SELECT key, owner FROM claims WHERE key IN ({_places(part)})"
                for key, owner in self._database.execute(query, part).fetchall():
                    if owner != self.owner and owner in living:
                        others[key] = living[owner]
            done = set() if fresh else self.done(wanted)
            mine = [key for key in wanted if key not in others and key not in done]
            self._database.executemany(
                "INSERT OR REPLACE INTO claims (key, owner) VALUES (?, ?)", [(key, self.owner) for key in mine]
            )
        return set(mine), {key: word for key, word in others.items() if key not in done}, done

    def unclaim(self, keys: Iterable[bytes]) -> None:
        """Give up rows that were claimed and not asked."""
        with self._errors("written"), self._transaction():
            self._database.executemany(
                "DELETE FROM claims WHERE key = ? AND owner = ?", [(key, self.owner) for key in keys]
            )

    def _beat(self) -> None:
        me = psutil.Process()
        values = (self.owner, socket.gethostname(), os.getpid(), me.create_time(), time.time())
        self._database.execute("INSERT OR REPLACE INTO owners VALUES (?, ?, ?, ?, ?)", values)
        self._is_known = True

    def _living(self) -> dict[str, str]:
        """Return the processes that may have rows in flight, and a word about each; the others are forgotten."""
        living = {}
        for owner, host, pid, born, beat in self._database.execute("SELECT * FROM owners").fetchall():
            if _lives(host, pid, born, beat):
                living[owner] = f"process {pid}" + ("" if host == socket.gethostname() else f" on {host}")
            else:
                self._database.execute("DELETE FROM owners WHERE owner = ?", [owner])
                self._database.execute("DELETE FROM claims WHERE owner = ?", [owner])
        return living

    # Money.

    def spent(self, *, simulated: bool, day: str | None = None, notebook: str | None = None) -> float:
        """Return what maps have cost, in US dollars.

        Args:
            simulated: what simulators said that it would cost, in place of what models have cost.
            day: on this day only, such as "2026-01-31".
            notebook: of this notebook only.
        """
        where = "(?1 IS NULL OR day = ?1) AND (?2 IS NULL OR notebook = ?2) AND simulated = ?3"
        query = f"SELECT COALESCE(SUM(cost_usd), 0) FROM spending WHERE {where}"
        with self._errors("read"):
            return float(self._database.execute(query, [day, notebook, simulated]).fetchone()[0])

    def cost_of(self, keys: Iterable[bytes]) -> float:
        """Return what some rows have cost so far, all their attempts together, in US dollars."""
        total = 0.0
        with self._errors("read"):
            for part in _parts(keys):
                query = f"SELECT COALESCE(SUM(cost_usd), 0) FROM rows WHERE key IN ({_places(part)})"
                total += float(self._database.execute(query, part).fetchone()[0])
        return total

    # Maps.

    def note_map(self, map_id: str, *, notebook: str, prompt: str, began: float, rows: int, state: str) -> None:
        """Write down how a map stands."""
        values = (map_id, self.owner, notebook, utf8_safe(prompt), began, rows, state)
        with self._errors("written"), self._transaction():
            self._beat()
            self._database.execute("INSERT OR REPLACE INTO maps VALUES (?, ?, ?, ?, ?, ?, ?)", values)

    # The file.

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    @contextmanager
    def _errors(self, verb: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            text = error.strerror if isinstance(error, OSError) else error
            raise MapStoreError(f"The rows in {str(self.path)!r} cannot be {verb}: {text}.") from error


def _lives(host: str, pid: int, born: float, beat: float) -> bool:
    if host != socket.gethostname():
        return time.time() - beat < _BEAT_LIFETIME_S
    try:
        return abs(psutil.Process(pid).create_time() - born) < 1.0
    except psutil.Error:
        return False


def _parts(keys: Iterable[bytes]) -> Iterator[Sequence[bytes]]:
    wanted = list(keys)
    for begin in range(0, len(wanted), _CHUNK):
        yield wanted[begin : begin + _CHUNK]


def _places(values: Sequence[bytes]) -> str:
    return ", ".join("?" for _ in values)
