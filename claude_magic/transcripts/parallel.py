"""`read_files`: many session files, with the help of worker processes where there is much to read. No pandas.

Plan: files make batches of about equal size, the largest files first. This process and its workers claim one batch
after the other, so that all end at about the same time. Then the workers say what they found. Whatever is missing,
because a worker could not start or has died, this process reads itself.

The workers are plain processes: `multiprocessing` would run a script a second time, or fork a kernel that has threads.
"""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType

import msgspec

from claude_magic.paths import private_temporary_dir
from claude_magic.transcripts.cache import Known
from claude_magic.transcripts.claims import Claims
from claude_magic.transcripts.files import SessionFile
from claude_magic.transcripts.progress import Progress
from claude_magic.transcripts.reading import Reading, read_file
from claude_magic.transcripts.secrets import Cleaner
from claude_magic.transcripts.worker import LENGTH_BYTES

BATCH_BYTES = 2_000_000
WORKER_BYTES = 25_000_000
"""A worker takes a tenth of a second to start; it must have at least so much to do."""
MOST_PROCESSES = 8
"""More would wait for the one that puts everything together."""

_START = """
import sys
sys.path[:] = sys.argv[3:]
sys.modules["typing_extensions"] = None  # msgspec does without, and it takes long to import
from claude_magic.transcripts.worker import main
main(*sys.argv[1:3])
"""
if sys.platform == "win32":
    _NO_WINDOW = subprocess.CREATE_NO_WINDOW
else:
    _NO_WINDOW = 0
_log = logging.getLogger(__name__)


def read_files(files: Sequence[SessionFile], known: Mapping[str, Known], cleaner: Cleaner) -> list[Reading]:
    """Read what is new in files; a bar shows how far it is.

    Args:
        files: the files.
        known: what is known of some of them, by name.
        cleaner: takes secrets out of texts.
    """
    sizes = (file.size - known[file.name].size if file.name in known else file.size for file in files)
    with Progress(sum(max(0, size) for size in sizes)) as progress:
        grown = [file for file in files if file.name in known]
        found = [read_file(file, known[file.name].pack, cleaner.text, progress.advance) for file in grown]
        new = [file for file in files if file.name not in known]
        found += _with_workers(new, cleaner, progress)
        done = {reading.name for reading in found}
        rest = [file for file in new if file.name not in done]
        return found + [read_file(file, None, cleaner.text, progress.advance) for file in rest]


def _with_workers(files: Sequence[SessionFile], cleaner: Cleaner, progress: Progress) -> list[Reading]:
    """Read what is worth being read together; return nothing where it is not, or cannot be."""
    count = _processes(sum(file.size for file in files)) - 1
    if count < 1:
        return []
    batches = list(_batches(files))
    try:
        with (
            private_temporary_dir("claude-magic-") as name,
            _Workers(Path(name), batches, count, cleaner.secrets) as workers,
        ):
            sizes = [sum(file.size for file in batch) for batch in batches]
            found = []
            for number in Claims(Path(name), len(batches)).take(lambda number: progress.advance(sizes[number])):
                found += [read_file(file, None, cleaner.text, progress.advance) for file in batches[number]]
            return found + workers.found()
    except OSError as error:
        _log.debug("session files are read without helpers: %s", error)
        return []


def _processes(size: int) -> int:
    """Return how many processes are worth it for so many bytes, this one included."""
    may_use = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(may_use, size // WORKER_BYTES, MOST_PROCESSES) if _python() else 1


def _python() -> str | None:
    """Return the Python to start; a frozen or embedded one is another program."""
    is_python = "python" in Path(sys.executable or "").name.lower() and not getattr(sys, "frozen", False)
    return sys.executable if is_python else None


def _batches(files: Sequence[SessionFile]) -> Iterator[list[SessionFile]]:
    batch: list[SessionFile] = []
    size = 0
    for file in sorted(files, key=lambda file: file.size, reverse=True):
        batch.append(file)
        size += file.size
        if size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


class _Workers:
    """Worker processes; none is left when the block ends.

    Args:
        folder: where the claims are made.
        batches: what there is to read.
        count: how many processes.
        secrets: value and name of each; they go through a pipe, and never into a file or an argument.
    """

    def __init__(
        self, folder: Path, batches: Sequence[Sequence[SessionFile]], count: int, secrets: Mapping[str, str]
    ) -> None:
        work = folder / "batches"
        work.write_bytes(msgspec.msgpack.encode(batches))
        self._command = [_python() or "", "-P", "-S", "-E", "-c", _START, str(folder), str(work), *_import_path()]
        self._count = count
        told = msgspec.msgpack.encode(secrets)
        self._told = len(told).to_bytes(LENGTH_BYTES, "big") + told
        self._running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> _Workers:
        try:
            for _ in range(self._count):
                worker = subprocess.Popen(
                    self._command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    creationflags=_NO_WINDOW,
                )
                self._running.append(worker)
                assert worker.stdin is not None
                worker.stdin.write(self._told)
                worker.stdin.flush()
        except OSError as error:
            _log.debug("a worker for session files cannot start: %s", error)
        return self

    def found(self) -> list[Reading]:
        """Wait for the workers and return what they found; of one that has died, nothing."""
        found: list[Reading] = []
        for worker in self._running:
            assert worker.stdout is not None
            data = worker.stdout.read()
            try:
                found += msgspec.msgpack.decode(data, type=list[Reading])
            except msgspec.DecodeError:
                _log.debug("a worker for session files has failed with exit code %s", worker.poll())
        return found

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for worker in self._running:
            worker.kill()
        for worker in self._running:
            with contextlib.suppress(OSError):  # what it was not told does not matter
                worker.communicate()


def _import_path() -> list[str]:
    """Return where this process finds its modules, without the folder of the notebook."""
    places = [path for path in sys.path if path and Path(path).is_absolute() and path != os.getcwd()]
    ours = [str(Path(__file__).parents[2]), str(Path(msgspec.__file__ or "").parent.parent)]
    return list(dict.fromkeys([*places, *ours]))
