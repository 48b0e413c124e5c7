"""`History`: finished turns, their tool uses and sessions that outlive the kernel, in a small SQLite database.

What a turn was about (prompt, answer, inputs of tools) is kept only on the user's word; numbers and names always are.
Simulated and played turns are never written. Several kernels may write at the same time.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec

from claude_magic.engine.session_info import SessionInfo
from claude_magic.errors import HistoryError
from claude_magic.observers import described
from claude_magic.paths import make_private_dir, open_private, open_regular, user_dir
from claude_magic.records.tool_uses import ToolRecord
from claude_magic.records.turns import TurnRecord
from claude_magic.strings import utf8_safe

logger = logging.getLogger("claude_magic")

SCHEMA_VERSION = 1
_LARGEST = 2**63 - 1
_BUSY_S = 5.0
"""How long to wait for another kernel that is writing."""
_MOST_WAITING = 1000
"""Turns that wait for a database that cannot be written; older ones are dropped."""

_TABLES = {
    "turns": """
        client TEXT, session TEXT, session_id TEXT, turn INTEGER, turn_id TEXT, model TEXT, started REAL,
        duration_s REAL, ttft_s REAL, outcome TEXT, error TEXT, num_steps INTEGER, input_tokens INTEGER,
        output_tokens INTEGER, cache_read_tokens INTEGER, cache_write_tokens INTEGER, cost_usd REAL,
        estimated INTEGER, tool_uses INTEGER, prompt TEXT, text TEXT, PRIMARY KEY (client, turn_id)""",
    "tools": """
        client TEXT, session TEXT, turn INTEGER, turn_id TEXT, tool_use_id TEXT, parent_tool_use_id TEXT, name TEXT,
        input TEXT, started REAL, duration_s REAL, is_error INTEGER, permission TEXT, result_chars INTEGER,
        PRIMARY KEY (client, turn_id, tool_use_id)""",
    "sessions": """
        client TEXT, name TEXT, session_id TEXT, workspace_id TEXT, model TEXT, working_dir TEXT, created REAL,
        last_used REAL, turns INTEGER, cost_usd REAL, PRIMARY KEY (client, name, created)""",
}
_COLUMNS = {
    table: [line.split()[0] for line in columns.split("PRIMARY KEY")[0].split(",") if line.strip()]
    for table, columns in _TABLES.items()
}


@dataclass(frozen=True)
class FinishedTurn:
    """One turn with all that is written of it."""

    turn: TurnRecord
    tools: Sequence[ToolRecord]
    session: SessionInfo


class History:
    """The database. Nothing is opened before the first use, and no file is made before the first write.

    Example::

        with ClaudeClient(history=History("turns.sqlite", texts=True)) as client:
            client.create_session(name="analysis")
            client.execute("analysis", "Hello")
            client.frames.turns(history=True)

    Args:
        path: the file; one in the user's state folder if not given.
        texts: also keep prompts, answers and the inputs of tools, secrets redacted.
    """

    def __init__(self, path: str | Path | None = None, *, texts: bool = False) -> None:
        self.path = user_dir("state") / "history.sqlite" if path is None else Path(path).expanduser().absolute()
        self.texts = texts

    def __repr__(self) -> str:
        return f"History({str(self.path)!r}, texts={self.texts})"

    def write(self, client: str, finished: Sequence[FinishedTurn]) -> None:
        """Write turns, with their tool uses and sessions. What is there already is replaced. For a worker thread.

        Args:
            client: an id of who writes: turns of different kernels never meet.
            finished: the turns.

        Raises:
            HistoryError: it cannot be written; nothing of this call was.
        """
        rows: dict[str, list[dict[str, Any]]] = {table: [] for table in _TABLES}
        for one in finished:
            turn, tools = asdict(one.turn), [msgspec.structs.asdict(tool) for tool in one.tools]
            if not self.texts:
                turn |= {"prompt": None, "text": None}
                tools = [{**tool, "input": None} for tool in tools]
            rows["turns"].append(turn)
            rows["tools"] += tools
            rows["sessions"].append(asdict(one.session))
        with self._errors("written"), closing(self._open_to_write()) as database, database:
            for table, values in rows.items():
                names = _COLUMNS[table]
                places = ", ".join("?" for _ in names)
                database.executemany(
                    f"INSERT OR REPLACE INTO {table} ({', '.join(names)}) VALUES ({places})",
                    [[_storable({**value, "client": client}[name]) for name in names] for value in values],
                )

    def turns(self) -> list[TurnRecord]:
        """Return the turns, oldest first; prompt and text are `None` where they were not kept.

        Raises:
            HistoryError: the file is there and cannot be read; the same holds for `tools` and `sessions`.
        """
        return [TurnRecord(**row, simulated=False) for row in self._read("turns", "started", flag="estimated")]

    def tools(self) -> list[ToolRecord]:
        """Return the tool uses, oldest first; input is `None` where it was not kept."""
        return [ToolRecord(**row) for row in self._read("tools", "started", flag="is_error")]

    def sessions(self) -> list[SessionInfo]:
        """Return the sessions as they were after their last turn, oldest first; pid and state are `None`."""
        unknown: dict[str, Any] = {"pid": None, "state": None, "simulated": False}
        return [SessionInfo(**row, **unknown) for row in self._read("sessions", "created")]

    def _read(self, table: str, order: str, flag: str = "") -> list[dict[str, Any]]:
        if not os.path.lexists(self.path):
            return []
        names = [name for name in _COLUMNS[table] if name != "client"]
        with self._errors("read"), closing(self._connect("ro")) as database:
            if self._check_version(database) == 0:
                return []  # another kernel is just making it
            rows = database.execute(f"SELECT {', '.join(names)} FROM {table} ORDER BY {order}, rowid").fetchall()
        records = [dict(zip(names, row, strict=True)) for row in rows]
        for record in records:
            if flag and record[flag] is not None:
                record[flag] = bool(record[flag])
        return records

    # The file.

    def _connect(self, mode: str) -> sqlite3.Connection:
        open_regular(self.path).close()  # SQLite would wait at a pipe for ever
        return sqlite3.connect(f"{self.path.as_uri()}?mode={mode}", uri=True, timeout=_BUSY_S)

    def _open_to_write(self) -> sqlite3.Connection:
        make_private_dir(self.path.parent)
        open_private(self.path, append=True).close()
        database = self._connect("rw")
        try:
            if self._check_version(database) == 0:
                _create(database)
            database.execute("PRAGMA synchronous = NORMAL")
        except BaseException:
            database.close()
            raise
        return database

    def _check_version(self, database: sqlite3.Connection) -> int:
        version = int(database.execute("PRAGMA user_version").fetchone()[0])
        if version > SCHEMA_VERSION:
            raise HistoryError(f"The history {str(self.path)!r} was made by a newer claude_magic: update this one.")
        return version

    @contextmanager
    def _errors(self, verb: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            text = error.strerror if isinstance(error, OSError) else error
            raise HistoryError(f"The history {str(self.path)!r} cannot be {verb}: {text}.") from error


def within_int64(value: int) -> int:
    """Return a whole number, or the largest or smallest of 64 bit where it is beyond."""
    return max(-_LARGEST - 1, min(_LARGEST, value))


def _storable(value: Any) -> Any:
    """Return a value as SQLite can store it, so that an odd one does not cost the others."""
    if isinstance(value, int):
        return within_int64(value)
    if isinstance(value, str):
        return utf8_safe(value)
    return value if value is None or isinstance(value, float) else str(value)


def _create(database: sqlite3.Connection) -> None:
    """Make the tables; if another kernel is just making them, wait for it."""
    until = time.monotonic() + _BUSY_S
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL").fetchone()
            break
        except sqlite3.OperationalError:
            # Changing the mode does not wait for others as everything else does.
            if time.monotonic() > until:
                raise
            time.sleep(0.01)
    with database:
        database.execute("BEGIN IMMEDIATE")
        for table, columns in _TABLES.items():
            database.execute(f"CREATE TABLE IF NOT EXISTS {table} ({columns})")
        database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


class HistoryWriter:
    """Writes what a client finishes, on a worker thread; on the loop's thread itself it only takes notes.

    A database that cannot be written hurts no turn: one warning is logged, and the next turn tries again.

    Args:
        history: the database; `None` writes nothing.

    Attributes:
        history: the database; may be changed at any time.
    """

    def __init__(self, history: History | None) -> None:
        self.history = history
        self._client = str(uuid4())
        self._waiting: deque[FinishedTurn] = deque(maxlen=_MOST_WAITING)
        self._task: asyncio.Task[None] | None = None
        self._warned = False

    def add_turn(self, finished: FinishedTurn) -> None:
        """Take a turn, to be written soon."""
        self._waiting.append(finished)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write())

    async def flush(self) -> None:
        """Return when everything that was added is written, or cannot be."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _write(self) -> None:
        while self._waiting and self.history is not None:
            batch = list(self._waiting)
            self._waiting.clear()
            try:
                await asyncio.to_thread(self.history.write, self._client, batch)
            except HistoryError as error:
                self._waiting.extendleft(reversed(batch))
                self._warn(f"{error} Turns are not kept for later kernels until it can be.")
                return
            except Exception as error:  # trying again would fail again
                self._warn(f"{len(batch)} turns are not kept for later kernels: {described(error)}")

    def _warn(self, text: str) -> None:
        if not self._warned:
            logger.warning("%s", text)
        self._warned = True


def history_of(wish: History | str | Path | bool | None) -> History | None:
    """Return the database that an argument `history=` names: `True` is the user's own, `False` and `None` none."""
    if isinstance(wish, History):
        return wish
    if isinstance(wish, str | Path):
        return History(wish)
    return History() if wish else None
