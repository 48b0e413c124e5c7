"""Large amounts are read by several processes: the same frames, whatever becomes of the helpers."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pytest

from claude_magic import read_transcripts
from claude_magic.transcripts import parallel
from claude_magic.transcripts.claims import Claims
from claude_magic.transcripts.files import SessionFile, find_files
from claude_magic.transcripts.transcripts import Transcripts
from claude_magic.transcripts.worker import LENGTH_BYTES

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
def workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """Two helpers whatever the machine and the amount; the list of those that were started."""
    started: list[subprocess.Popen[bytes]] = []

    class Started(subprocess.Popen[bytes]):
        def __init__(self, *words: Any, **options: Any) -> None:
            super().__init__(*words, **options)
            started.append(self)

    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(parallel, "WORKER_BYTES", 1)
    monkeypatch.setattr(parallel, "BATCH_BYTES", 1000)
    monkeypatch.setattr(parallel.os, "sched_getaffinity", lambda pid: {0, 1, 2}, raising=False)
    monkeypatch.setattr(parallel.subprocess, "Popen", Started)
    monkeypatch.setenv("PLANTED_TOKEN", PLANTED)
    return started


@pytest.fixture
def read_here(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that this process reads itself."""
    names: list[str] = []
    whole = parallel.read_file

    def read_file(file: SessionFile, *others: Any) -> Any:
        names.append(file.name)
        return whole(file, *others)

    monkeypatch.setattr(parallel, "read_file", read_file)
    return names


class Shy(Claims):
    """Claims nothing, so that helpers have to do everything."""

    def take(self, on_other: Callable[[int], None] = lambda number: None) -> Iterator[int]:
        return iter(())


def read(root: Path, **options: Any) -> Transcripts:
    return read_transcripts(root, **({"cache": False} | options))


def assert_right(found: Transcripts, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All frames are those that one process makes alone, and nothing was left on the disk."""
    assert list(Path(tempfile.gettempdir()).iterdir()) == []
    monkeypatch.setattr(parallel, "WORKER_BYTES", 1_000_000_000)
    alone = read(root)
    for name in FRAMES:
        pd.testing.assert_frame_equal(getattr(found, name)(), getattr(alone, name)())
    pd.testing.assert_frame_equal(found.problems, alone.problems)
    assert (found.record_types, found.broken) == (alone.record_types, alone.broken)
    assert our_totals(found.usage()) == independent_totals(root)
    assert not found.turns()["prompt"].str.contains(PLANTED).any()


def test_helpers_find_what_one_process_finds(
    root: Path, workers: list[subprocess.Popen[bytes]], read_here: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frames, problems and secrets are the same, though every file was read elsewhere; no helper is left."""
    monkeypatch.setattr(parallel, "Claims", Shy)
    found = read(root)
    assert read_here == []
    assert [worker.returncode is not None for worker in workers] == [True, True]
    assert_right(found, root, monkeypatch)


def test_all_read_together(root: Path, read_here: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """No file is read twice, and none is left out."""
    found = read(root)
    assert len(read_here) == len(set(read_here))
    assert_right(found, root, monkeypatch)


@pytest.mark.parametrize(
    "start",
    [
        "raise SystemExit(3)",
        "import os, sys; open(os.path.join(sys.argv[1], '0'), 'x'); os.kill(os.getpid(), 9)",
        "import os, sys; open(os.path.join(sys.argv[1], '1'), 'x'); sys.stdout.write('half an ans')",
    ],
)
def test_the_work_of_a_helper_that_dies_is_done_here(root: Path, monkeypatch: pytest.MonkeyPatch, start: str) -> None:
    """Whether it did nothing, died in the middle of a batch, or said nonsense."""
    monkeypatch.setattr(parallel, "_START", start)
    assert_right(read(root), root, monkeypatch)


@pytest.mark.parametrize("executable", [None, "", "/opt/notebook/notebook", "/nowhere/python3"])
def test_without_a_python_to_start_all_is_read_here(
    root: Path, read_here: list[str], monkeypatch: pytest.MonkeyPatch, executable: str | None
) -> None:
    """An embedded Python has no program of its own, or another one."""
    monkeypatch.setattr(sys, "executable", executable)
    found = read(root)
    assert len(read_here) == 17
    assert_right(found, root, monkeypatch)


def test_without_a_folder_for_the_claims_all_is_read_here(
    root: Path, read_here: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is no reason to fail."""
    with monkeypatch.context() as patched:
        patched.setattr(tempfile, "tempdir", "/nowhere/at/all")
        found = read(root)
    assert len(read_here) == 17
    assert_right(found, root, monkeypatch)


def test_an_interrupt_leaves_no_helper(
    root: Path, workers: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The processes end, and their folder goes."""

    def interrupted(*words: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(parallel, "read_file", interrupted)
    with pytest.raises(KeyboardInterrupt):
        read(root)
    assert [worker.returncode is not None for worker in workers] == [True, True]
    assert list(Path(tempfile.gettempdir()).iterdir()) == []


def test_little_is_read_without_helpers(
    root: Path, workers: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """To start one takes longer than to read a few megabytes, and one processor has no use for two processes."""
    monkeypatch.setattr(parallel, "WORKER_BYTES", 25_000_000)
    read(root)
    monkeypatch.setattr(parallel, "WORKER_BYTES", 1)
    monkeypatch.setattr(parallel.os, "sched_getaffinity", lambda pid: {0}, raising=False)
    read(root)
    assert workers == []


def test_what_is_known_is_read_on_here(
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


def worker(root: Path, folder: Path, stdin: int, first: str = "pass") -> list[Any] | None:
    """Let a worker read all files of `root` alone; return what it says, `None` where that is nothing."""
    folder.mkdir()
    work = [[file] for file in find_files(root / "projects")]
    (folder / "batches").write_bytes(msgspec.msgpack.encode(work))
    begin, end = "from claude_magic.transcripts import worker", "worker.main(*sys.argv[1:])"
    code = f"import sys; {begin}; {first}; {end}"
    command = [sys.executable, "-c", code, str(folder), str(folder / "batches")]
    done = subprocess.run(command, stdin=stdin, stdout=subprocess.PIPE, check=True)
    return msgspec.msgpack.decode(done.stdout) if done.stdout else None


def test_a_worker_ends_when_nobody_waits_for_it(root: Path, tmp_path: Path) -> None:
    """A kernel that was killed leaves no helper that goes on reading, and no folder."""
    assert worker(root, tmp_path / "claims", subprocess.DEVNULL) is None
    assert not (tmp_path / "claims").exists()


def test_a_worker_does_not_mind_an_interrupted_cell(root: Path, tmp_path: Path) -> None:
    """Ctrl-C goes to all processes of a terminal; the one that called for the helper decides what becomes of it."""
    interrupts = (
        "import signal; whole = worker.read_file; "
        "worker.read_file = lambda *words: (signal.raise_signal(signal.SIGINT), whole(*words))[1]"
    )
    reading, writing = os.pipe()
    nothing_secret = msgspec.msgpack.encode({})
    os.write(writing, len(nothing_secret).to_bytes(LENGTH_BYTES, "big") + nothing_secret)
    try:
        found = worker(root, tmp_path / "claims", reading, interrupts)
    finally:
        os.close(reading)
        os.close(writing)
    assert found is not None
    assert len(found) == 17


def test_a_worker_imports_only_what_it_needs(tmp_path: Path) -> None:
    """It starts in a fraction of the time that pandas takes."""
    code = "import sys, claude_magic.transcripts.worker; print({'pandas', 'numpy', 'asyncio'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_the_bar_counts_what_is_new(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of all files, whoever reads them; the next time of those only that have grown, and of these only what is new."""
    monkeypatch.setattr("claude_magic.transcripts.progress._QUIET_S", 0.0)
    monkeypatch.setattr("claude_magic.transcripts.progress._EVERY_S", 0.0)
    read(root, cache=tmp_path / "cache")
    shown = capsys.readouterr().err
    assert "100%" in shown
    assert shown.split("\r")[-2].strip() == ""
    grown = next(root.rglob("*.jsonl"))
    with grown.open("ab") as stream:
        stream.write(lines([answer("late", 99_000, text("x" * 2_000_000))]))
    read(root, cache=tmp_path / "cache")
    assert "100% of 2 MB" in capsys.readouterr().err
