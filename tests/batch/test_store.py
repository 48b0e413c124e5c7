"""The database of rows: one transaction a row, claims, several processes, and processes that are killed."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from claude_magic.batch.store import RowStore, StoredRow
from claude_magic.errors import MapStoreError

TESTS = Path(__file__).parents[1]


def row(name: str, **fields: object) -> StoredRow:
    values: dict[str, object] = {"status": "done", "answer": '"yes"', "cost_usd": 0.01, "map_id": "map-1"}
    return StoredRow(name.encode(), **{**values, **fields})  # type: ignore[arg-type]  # the fields of a row


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of a store."""
    return tmp_path / "deep" / "rows.sqlite"


def test_what_is_kept_is_there_for_others_at_once(path: Path) -> None:
    """With all that is known of it; the packed lines only where they are asked for."""
    store, other = RowStore(path), RowStore(path)
    store.keep(row("a", shown=b"lines", error="odd \udc80 word"), paid_usd=0.01, notebook="n")

    found = other.find([b"a", b"b"])
    assert found.keys() == {b"a"}
    assert found[b"a"].shown is None
    assert other.find([b"a"], whole=True)[b"a"].shown == b"lines"
    assert other.done([b"a", b"b"]) == {b"a"}
    store.close()
    other.close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_rows_of_others_are_claimed_until_they_are_over(path: Path) -> None:
    """Two maps at the same time pay once."""
    one, other = RowStore(path), RowStore(path)
    assert one.claim([b"a", b"b"])[0] == {b"a", b"b"}
    mine, others, done = other.claim([b"a", b"b", b"c"])
    assert (mine, others.keys(), done) == ({b"c"}, {b"a", b"b"}, set())
    assert f"process {os.getpid()}" in others[b"a"]

    one.keep(row("a"), paid_usd=0.01, notebook="n")
    one.unclaim([b"b"])
    assert other.claim([b"a", b"b"]) == ({b"b"}, {}, {b"a"})
    one.close()
    other.close()


def test_what_a_dead_process_had_claimed_is_free(path: Path) -> None:
    """Whoever was killed asks nothing any more."""
    code = "import sys\nfrom claude_magic.batch.store import RowStore\nprint(RowStore(sys.argv[1]).claim([b'a'])[0])\n"
    code += "import os, signal\nsys.stdout.flush()\nos.kill(os.getpid(), signal.SIGKILL)"
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    store = RowStore(path)
    assert store.claim([b"a"])[0] == {b"a"}
    store.close()


def test_what_was_spent_is_known_by_day_and_notebook(path: Path) -> None:
    """What a simulator says counts apart."""
    store = RowStore(path)
    store.keep(row("a", source="model"), paid_usd=0.25, notebook="one")
    store.keep(row("b", source="model", status="failed"), paid_usd=0.5, notebook="two")
    store.keep(row("c", source="simulator"), paid_usd=8.0, notebook="one")
    today = time.strftime("%Y-%m-%d")

    assert store.spent(simulated=False) == 0.75
    assert store.spent(simulated=False, day=today, notebook="one") == 0.25
    assert store.spent(simulated=False, day="2001-01-01") == 0
    assert store.spent(simulated=True) == 8.0
    assert store.cost_of([b"a", b"b"]) == 0.02
    store.close()


def test_several_processes_write_at_the_same_time(path: Path) -> None:
    """Each waits for the other; no row is lost."""

    def write(name: str) -> None:
        store = RowStore(path)
        for number in range(50):
            store.claim([f"{name}{number}".encode()])
            store.keep(row(f"{name}{number}"), paid_usd=0.01, notebook="n")
        store.close()

    threads = [threading.Thread(target=write, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store = RowStore(path)
    assert len(store.done(f"{name}{number}".encode() for name in "abc" for number in range(50))) == 150
    store.close()


@pytest.mark.parametrize(
    "make", [Path.mkdir, os.mkfifo, lambda path: path.write_text("not a database, but a text" * 9)]
)
def test_a_file_that_is_something_else_is_said(tmp_path: Path, make: object) -> None:
    """In one sentence, and at once."""
    path = tmp_path / "rows.sqlite"
    make(path)  # type: ignore[operator]  # one of the three above
    with pytest.raises(MapStoreError, match="cannot be opened"):
        RowStore(path)


def test_a_store_of_a_newer_version_is_left_alone(path: Path) -> None:
    """It says which side to update."""
    RowStore(path).close()
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(MapStoreError, match="of a newer claude_magic"):
        RowStore(path)


def test_a_map_that_is_killed_at_any_moment_pays_for_no_row_twice(tmp_path: Path) -> None:
    """Killed again and again: what is stored is never asked again, and only rows in flight are lost."""
    child = [sys.executable, str(TESTS / "batch" / "killed_map.py"), str(tmp_path)]
    done = subprocess.run(child, capture_output=True, text=True, check=True, cwd=TESTS)
    runs = [json.loads(line) for line in done.stdout.split("\n") if line]

    killed = [run for run in runs if run["status"] == -signal.SIGKILL]
    assert len([run for run in killed if run["paid"]]) >= 10
    for run in runs:
        assert not set(run["before"]) & set(run["paid"])
        assert set(run["before"]) <= set(run["after"])
        assert len(set(run["paid"]) - set(run["after"])) <= 4
    assert runs[-1]["status"] == 0
    assert sorted(map(int, runs[-1]["after"])) == list(range(1_500))
