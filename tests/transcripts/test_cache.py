"""The second read: only what is new, and never wrong because of what was kept."""

from __future__ import annotations

import io
import os
import sqlite3
import stat
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from claude_magic import read_transcripts
from claude_magic.transcripts import workers
from claude_magic.transcripts.discover import SessionFile
from claude_magic.transcripts.rows import ScannedFile
from claude_magic.transcripts.transcripts import Transcripts

from .transcript_records import OTHER, answer, lines, prompt, result, session_path, text, usage, use, write

FRAMES = ("sessions", "turns", "tools", "usage", "messages")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "config"
    write(session_path(root), [prompt("x", 0, id="p1"), answer("m1", 1, text("y"), used=usage(output=1))])
    write(session_path(root, OTHER), [prompt("z", 5, id="p2"), answer("m2", 6, use("t1"))])
    return root


@pytest.fixture
def scanned(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The files that are scanned from now on, and how many bytes of each."""
    seen: list[tuple[str, int]] = []
    whole = workers.scan_file

    def scan_file(file: SessionFile, known: ScannedFile | None, *others: Any) -> ScannedFile | None:
        before = known.offset if known is not None else 0
        found = whole(file, known, *others)
        seen.append((Path(file.name).stem, found.offset - before if found is not None else 0))
        return found

    monkeypatch.setattr(workers, "scan_file", scan_file)
    return seen


def read(root: Path) -> Transcripts:
    return read_transcripts(root, cache=root.parent / "cache")


def assert_like_without_cache(found: Transcripts, root: Path) -> None:
    fresh = read_transcripts(root, cache=False)
    for name in FRAMES:
        pd.testing.assert_frame_equal(getattr(found, name)(), getattr(fresh, name)())
    pd.testing.assert_frame_equal(found.problems, fresh.problems)
    assert found.record_types == fresh.record_types


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as stream:
        stream.write(data)


def test_cache_spares_a_second_scan(root: Path, scanned: list[tuple[str, int]]) -> None:
    """What did not change is taken from the cache, and is the same."""
    read(root)
    scanned.clear()
    assert_like_without_cache(read(root), root)
    assert len(scanned) == 2  # by the comparison's own read


def test_transcripts_that_are_held_are_returned_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same object; another one when a file has grown, a secret became known, or nobody holds it any more."""
    held = read(root)
    assert read(root) is held
    assert read_transcripts(root, cache=False) is not held
    assert read_transcripts(root, cache=root.parent / "other") is not held
    monkeypatch.setenv("SOME_TOKEN", "planted-0123456789")
    assert read(root) is not held
    monkeypatch.delenv("SOME_TOKEN")
    held = read(root)
    append(session_path(root), lines([answer("m9", 20)]))
    assert len(read(root).usage()) == len(held.usage()) + 1
    gone = weakref.ref(held)
    del held
    assert gone() is None


def test_cache_is_cleaned_of_a_secret_that_becomes_known(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where other files have changed since then, so that only the tables are made anew."""
    secret = "planted-0123456789"
    append(session_path(root), lines([prompt(f"use {secret}", 20, id="p3")]))
    assert secret in read(root).turns().to_csv()

    monkeypatch.setenv("SOME_TOKEN", secret)

    assert secret not in read(root).turns().to_csv()
    append(session_path(root, OTHER), lines([answer("m9", 30)]))
    found = read(root)
    assert secret not in found.turns().to_csv()
    assert_like_without_cache(found, root)


@pytest.mark.parametrize("name", FRAMES)
def test_frame_is_the_callers_own(root: Path, name: str) -> None:
    """Whatever is done to it, the next one is as the first was."""
    held = read(root)
    before = getattr(held, name)()
    changed = getattr(held, name)()
    changed.iloc[0, 0] = pd.NA
    changed["more"] = 1
    pd.testing.assert_frame_equal(getattr(held, name)(), before)


def test_cache_leaves_only_new_bytes_to_scan(root: Path, scanned: list[tuple[str, int]]) -> None:
    """A session that goes on, in the middle of a call and of a tool use, is read from where it was left."""
    read(root)
    scanned.clear()
    new = lines([answer("m1", 2, text("and more"), used=usage(output=90)), prompt("w", 8)])
    append(session_path(root), new)
    later = lines([result("t1", "done", 9), answer("m3", 10, text("well"))])
    append(session_path(root, OTHER), later)
    found = read(root)
    assert sorted(scanned) == sorted([(session_path(root).stem, len(new)), (OTHER, len(later))])
    assert found.turns()["text"].to_list() == ["y\n\nand more", "well", ""]
    assert found.tools()["duration_s"].to_list() == [3.0]
    assert_like_without_cache(found, root)


def test_cache_looks_at_a_half_written_line_again(root: Path) -> None:
    """It is a problem until then, and nothing of it is lost or counted twice."""
    line = lines([answer("m9", 20, text("late"))])
    append(session_path(root), line[:50])
    assert read(root).problems["reason"].to_list() == ["half-written line"]
    append(session_path(root), line[50:])
    found = read(root)
    assert len(found.problems) == 0
    assert len(found.usage()) == 3
    assert_like_without_cache(found, root)


def test_cache_counts_a_whole_record_without_a_line_end(root: Path) -> None:
    """And the line end that comes later is no broken line."""
    append(session_path(root), lines([answer("m9", 20)])[:-1])
    assert len(read(root).usage()) == 3
    append(session_path(root), b"\n" + lines([answer("m10", 21)]))
    found = read(root)
    assert (len(found.usage()), found.broken) == (4, 0)


def test_cache_is_not_used_for_a_file_that_was_replaced(root: Path) -> None:
    """A longer one of other content is not taken for one that has grown, and a shorter one neither."""
    read(root)
    write(session_path(root), [prompt("other", 0, id="p7"), answer("m7", 1, text("y" * 5000))])
    assert_like_without_cache(read(root), root)
    write(session_path(root), [prompt("short", 0, id="p8")])
    assert_like_without_cache(read(root), root)


def test_cache_forgets_files_that_are_gone(root: Path, tmp_path: Path) -> None:
    """Their numbers go with them, and the cache does not keep what was said in them."""
    read(root)
    session_path(root, OTHER).unlink()
    found = read(root)
    assert len(found.sessions()) == 1
    (database,) = (tmp_path / "cache").glob("*.sqlite")
    with sqlite3.connect(database) as connection:
        assert [Path(name).stem for (name,) in connection.execute("SELECT name FROM files")] == [
            session_path(root).stem
        ]
    connection.close()


def test_cache_forgets_nothing_in_a_filtered_read(root: Path, scanned: list[tuple[str, int]]) -> None:
    """What a filter left out is still known the next time."""
    read(root)
    os.utime(session_path(root, OTHER), (1_600_000_000, 1_600_000_000))
    read_transcripts(root, since="2d", cache=root.parent / "cache")
    scanned.clear()
    assert len(read(root).sessions()) == 2
    assert [(stem, count) for stem, count in scanned if count] == []


@pytest.mark.parametrize("damage", ["not a database", "cut", "flipped", "another version", "no tables"])
def test_cache_that_is_damaged_is_made_anew(root: Path, tmp_path: Path, damage: str) -> None:
    """Whatever happened to it, the frames are right and the next cache is good."""
    read(root)
    (database,) = (tmp_path / "cache").glob("*.sqlite")
    if damage == "not a database":
        database.write_bytes(b"hello" * 1000)
    elif damage == "cut":
        database.write_bytes(database.read_bytes()[: database.stat().st_size // 2])
    elif damage == "flipped":
        database.write_bytes(database.read_bytes().replace(b"claude-opus", b"clause-opus"))
    else:
        with sqlite3.connect(database) as connection:
            if damage == "another version":
                connection.execute("PRAGMA user_version = 99")
            else:
                connection.executescript("DROP TABLE tables; DROP TABLE files;")
        connection.close()
    assert_like_without_cache(read(root), root)
    assert_like_without_cache(read(root), root)


def test_cache_without_a_place_is_done_without(root: Path, tmp_path: Path) -> None:
    """A cache that cannot be written is done without."""
    (tmp_path / "file").write_text("no folder")
    found = read_transcripts(root, cache=tmp_path / "file" / "cache")
    assert len(found.usage()) == 2


def test_cache_that_is_locked_is_done_without(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another kernel may be writing it."""
    monkeypatch.setattr("claude_magic.transcripts.cache._BUSY_TIMEOUT_S", 0.0)
    read(root)
    append(session_path(root), lines([answer("m9", 20)]))
    (database,) = (tmp_path / "cache").glob("*.sqlite")
    other = sqlite3.connect(database, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        assert len(read(root).usage()) == 3
    finally:
        other.close()
    assert_like_without_cache(read(root), root)


def test_cache_is_for_the_users_eyes_only(root: Path, tmp_path: Path) -> None:
    """It holds prompts and answers."""
    read(root)
    (database,) = (tmp_path / "cache").glob("*.sqlite")
    assert stat.S_IMODE(database.stat().st_mode) == 0o600


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to(path.name)])
def test_cache_is_done_without_where_something_else_stands(
    root: Path, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    """And not waited for."""
    read(root)
    (database,) = (tmp_path / "cache").glob("*.sqlite")
    database.unlink()
    make(database)

    assert_like_without_cache(read(root), root)


def test_cache_that_is_off_writes_no_file(root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`cache=False` writes nothing anywhere; the default writes to the user's cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    read_transcripts(root, cache=False)
    assert not (tmp_path / "xdg").exists()
    read_transcripts(root)
    assert len(list((tmp_path / "xdg" / "claude-magic").glob("*.sqlite"))) == 1


def test_progress_says_how_far_a_long_read_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in the first second, then one line that is taken away at the end."""
    now = [0.0]
    monkeypatch.setattr(workers.time, "monotonic", lambda: now[0])
    screen = io.StringIO()
    with workers.Progress(200_000_000, screen=screen) as progress:
        now[0] = 0.9
        progress.advance(50_000_000)
        assert screen.getvalue() == ""
        now[0] = 1.1
        progress.advance(50_000_000)
        assert "50% of 200 MB" in screen.getvalue()
    assert screen.getvalue().split("\r")[-2].strip() == ""
