"""Large amounts are read by several processes: the same frames, whatever becomes of the helpers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import psutil
import pytest

from claude_magic import read_transcripts
from claude_magic.transcripts import workers
from claude_magic.transcripts.discover import SessionFile, find_files
from claude_magic.transcripts.rows import ScannedFile
from claude_magic.transcripts.transcripts import Transcripts

from .transcript_records import (
    agent_path,
    answer,
    enqueue,
    independent_totals,
    lines,
    our_totals,
    prompt,
    result,
    session_path,
    text,
    use,
    write,
)

FRAMES = ("sessions", "turns", "tools", "usage", "messages")
PLANTED = "sk-ant-planted-0123456789"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Sessions with subagents, a fork, a broken line, and a secret."""
    root = tmp_path / "config"
    for number in range(8):
        id = f"00000000-0000-4000-8000-{number:012d}"
        start = number * 1000
        records = [
            enqueue(start, id), prompt(f"say {PLANTED}", start, id=f"p{number}", prompt_id=f"pp{number}"),
            answer(f"m{number}", start + 1, text("x" * number * 100), use(f"t{number}")),
            result(f"t{number}", "done", start + 2), answer(f"n{number}", start + 3, text("well")),
        ]  # fmt: skip
        write(session_path(root, id), lines(records) + b"broken\n")
        side = {"isSidechain": True, "agentId": "a"}
        told = [prompt("go", start + 2, prompt_id=f"pp{number}", **side), answer(f"s{number}", start + 2.5, **side)]
        write(agent_path(root, f"a{number}", id), told)
    write(session_path(root, f"00000000-0000-4000-8000-{99:012d}"), [enqueue(90_000), *records[1:3]])
    return root


@pytest.fixture(autouse=True)
def two_helpers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine and the amount, three processes read, each about as much as the others."""
    monkeypatch.setattr(workers, "WORKER_BYTES", 1)
    monkeypatch.setattr(workers, "HEAD_START_BYTES", 0)
    monkeypatch.setattr(workers.os, "sched_getaffinity", lambda pid: {0, 1, 2}, raising=False)
    monkeypatch.setenv("PLANTED_TOKEN", PLANTED)


@pytest.fixture
def read_here(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that this process reads itself."""
    names: list[str] = []
    whole = workers.scan_file

    def scan_file(file: SessionFile, *others: Any) -> ScannedFile | None:
        names.append(file.name)
        return whole(file, *others)

    monkeypatch.setattr(workers, "scan_file", scan_file)
    return names


def read(root: Path, **options: Any) -> Transcripts:
    return read_transcripts(root, **({"cache": False} | options))


def helpers_left() -> list[psutil.Process]:
    """Return the children of this process, without the one that ends what sessions of other tests leave."""
    return [child for child in psutil.Process().children() if not any("reaper" in word for word in child.cmdline())]


def assert_right(found: Transcripts, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All frames are those that one process makes alone, and no helper is left."""
    assert helpers_left() == []
    monkeypatch.setattr(workers, "WORKER_BYTES", 1_000_000_000)
    alone = read(root)
    for name in FRAMES:
        pd.testing.assert_frame_equal(getattr(found, name)(), getattr(alone, name)())
    pd.testing.assert_frame_equal(found.problems, alone.problems)
    assert (found.record_types, found.broken) == (alone.record_types, alone.broken)
    assert our_totals(found.usage()) == independent_totals(root)
    assert not found.turns()["prompt"].str.contains(PLANTED).any()


def test_workers_find_what_one_process_finds(root: Path, read_here: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames, problems and secrets are the same, though most files were read elsewhere, and none of them twice."""
    found = read(root)
    assert 0 < len(set(read_here)) == len(read_here) < 9
    assert_right(found, root, monkeypatch)


@pytest.mark.parametrize(
    "does", ["exit 3", "kill -9 $$", "head -c 10 >/dev/null; kill -9 $$", "cat >/dev/null; printf 'half an answer'"]
)
def test_workers_that_die_leave_their_share_to_this_process(
    root: Path, tmp_path: Path, read_here: list[str], monkeypatch: pytest.MonkeyPatch, does: str
) -> None:
    """Whether it did nothing, died before it knew what to do, or said nonsense."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{does}\n")
    python.chmod(0o700)
    with monkeypatch.context() as patched:
        patched.setattr(sys, "executable", str(python))
        found = read(root)
    assert len(read_here) == 17
    assert_right(found, root, monkeypatch)


@pytest.mark.parametrize("executable", [None, "", "/opt/notebook/notebook", "/nowhere/python3"])
def test_workers_are_done_without_where_there_is_no_python(
    root: Path, read_here: list[str], monkeypatch: pytest.MonkeyPatch, executable: str | None
) -> None:
    """An embedded Python has no program of its own, or another one."""
    monkeypatch.setattr(sys, "executable", executable)
    found = read(root)
    assert len(read_here) == 17
    assert_right(found, root, monkeypatch)


@pytest.mark.parametrize("names", ["files", "secrets"])
def test_workers_are_done_without_where_names_are_not_text(
    root: Path, read_here: list[str], monkeypatch: pytest.MonkeyPatch, names: str
) -> None:
    """Neither a path nor a secret has to be UTF-8; helpers cannot be told such a one."""
    if names == "secrets":
        monkeypatch.setenv("ODD_TOKEN", os.fsdecode(b"planted-\xff-0123456789"))
    else:
        for number in range(3):  # one for each process
            records = [prompt("x" * 10_000, 0), answer(f"odd{number}", 1, text("y"))]
            write(session_path(root, os.fsdecode(b"\xff%d" % number)), records)
    found = read(root)
    assert len(read_here) == (17 if names == "secrets" else 20)
    assert_right(found, root, monkeypatch)


def test_workers_end_when_the_read_is_interrupted(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They end with the read that started them."""

    def interrupted(*words: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(workers, "scan_file", interrupted)
    with pytest.raises(KeyboardInterrupt):
        read(root)
    assert helpers_left() == []


@pytest.mark.parametrize(("size", "processors"), [(25_000_000, {0, 1, 2}), (1, {0})])
def test_workers_are_not_started_for_little(
    root: Path, read_here: list[str], monkeypatch: pytest.MonkeyPatch, size: int, processors: set[int]
) -> None:
    """To start one takes longer than to read a few megabytes, and one processor has no use for two processes."""
    monkeypatch.setattr(workers, "WORKER_BYTES", size)
    monkeypatch.setattr(workers.os, "sched_getaffinity", lambda pid: processors, raising=False)
    read(root)
    assert len(read_here) == 17


def test_workers_get_new_files_only(
    root: Path, tmp_path: Path, read_here: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Helpers get new files only; what they found is kept like the rest."""
    read(root, cache=tmp_path / "cache")
    grown = next(root.rglob("*.jsonl"))
    with grown.open("ab") as stream:
        stream.write(lines([answer("late", 99_000, text("late"))]))
    read_here.clear()
    found = read(root, cache=tmp_path / "cache")
    assert [Path(name).name for name in read_here] == [grown.name]
    assert_right(found, root, monkeypatch)


def worker(root: Path, parent: int, first: str = "pass") -> list[str] | None:
    """Let a worker read all files of `root` alone; return the names that it says, `None` where it says nothing."""
    share = {"parent": parent, "secrets": [], "files": find_files(root / "projects")}
    code = f"from claude_magic.transcripts import workers; {first}; workers.main()"
    done = subprocess.run(
        [sys.executable, "-c", code], input=msgspec.msgpack.encode(share), capture_output=True, check=False
    )
    return list(msgspec.msgpack.decode(done.stdout)) if done.stdout else None


def test_worker_ends_when_nobody_waits_for_it(root: Path) -> None:
    """A kernel that was killed leaves no helper that goes on reading."""
    assert worker(root, parent=os.getppid()) is None


def test_worker_does_not_mind_an_interrupted_cell(root: Path) -> None:
    """Ctrl-C goes to all processes of a terminal; the one that called for the helper decides what becomes of it."""
    interrupts = (
        "import signal; whole = workers.scan_file; "
        "workers.scan_file = lambda *words: (signal.raise_signal(signal.SIGINT), whole(*words))[1]"
    )
    found = worker(root, os.getpid(), interrupts)
    assert found is not None
    assert len(found) == 17


def test_worker_imports_only_what_it_needs(tmp_path: Path) -> None:
    """It starts in a fraction of the time that pandas takes."""
    code = "import sys, claude_magic.transcripts.workers; print({'pandas', 'numpy', 'asyncio'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_progress_counts_what_is_new(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of all files, whoever reads them; the next time of those only that have grown, and of these only what is new."""
    monkeypatch.setattr(workers.Progress, "QUIET_S", 0.0)
    monkeypatch.setattr(workers.Progress, "EVERY_S", 0.0)
    read(root, cache=tmp_path / "cache")
    shown = capsys.readouterr().err
    assert "100%" in shown
    assert shown.split("\r")[-2].strip() == ""
    grown = next(root.rglob("*.jsonl"))
    with grown.open("ab") as stream:
        stream.write(lines([answer("late", 99_000, text("x" * 2_000_000))]))
    read(root, cache=tmp_path / "cache")
    assert "100% of 2 MB" in capsys.readouterr().err
