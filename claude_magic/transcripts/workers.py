"""`scan_files`: many session files, in several processes where there is much to read.

Plan: new files are divided into shares of about equal size, one for this process and one for each worker. A worker is
told its share on stdin, and says on stdout what it has found when it is done. Whatever is missing then, because a
worker could not start or has died, this process scans itself.

The workers are plain processes, `python -m claude_magic.transcripts.workers`: `multiprocessing` would run the user's
script a second time, or fork a kernel that has threads.
"""

from __future__ import annotations

import contextlib
import heapq
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

import msgspec

from claude_magic.redaction import Redactor
from claude_magic.transcripts.discover import SessionFile
from claude_magic.transcripts.rows import ScannedFile
from claude_magic.transcripts.scan import scan_file

WORKER_BYTES = 25_000_000
"""A worker takes a tenth of a second to start; it must have at least so much to do."""
HEAD_START_BYTES = 25_000_000
"""What this process reads until a worker has started."""
MOST_PROCESSES = 8
"""More would wait for the one that puts everything together."""

_COMMAND = ("-P", "-S", "-m", "claude_magic.transcripts.workers")
"""Modules are looked for where `_import_path` says, and not in the folder of the notebook."""
_NO_WINDOW = getattr(subprocess, "CREATE_NO_WINDOW", 0)  # of Windows
_log = logging.getLogger(__name__)

Scanned = dict[str, ScannedFile | None]
"""Files by name; `None` is one that is gone since it was listed."""


class _Share(msgspec.Struct):
    """What a worker is told: who started it, what to take out of texts, and its files."""

    parent: int
    secrets: list[tuple[str, str]]
    files: list[SessionFile]


def scan_files(files: Sequence[SessionFile], known: Mapping[str, ScannedFile], redactor: Redactor) -> Scanned:
    """Read what is new in files; a bar shows how far it is.

    Args:
        files: the files.
        known: what an earlier reading found in some of them, by name; it is brought up to date.
        redactor: takes secrets out of texts.
    """
    grown = [file for file in files if file.name in known]
    own, *others = _shares([file for file in files if file.name not in known])
    found: Scanned = {}
    sizes = {file.name: max(0, file.size - (known[file.name].offset if file.name in known else 0)) for file in files}
    total, own_total = sum(sizes.values()), sum(sizes[file.name] for file in (*grown, *own))
    with Progress(total, of=own_total) as progress, _workers(others, redactor) as workers:

        def scan(file: SessionFile) -> None:
            found[file.name] = scan_file(file, known.get(file.name), redactor.text, progress.advance)

        for file in (*grown, *own):
            scan(file)
        for worker in workers:
            found |= _result(worker)
        for file in files:
            if file.name not in found:
                scan(file)
    return found


def _shares(files: Sequence[SessionFile]) -> list[list[SessionFile]]:
    """Divide files into a share for each process that is worth it; the first is for this one, which runs already."""
    may_use = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    count = min(may_use, sum(file.size for file in files) // WORKER_BYTES, MOST_PROCESSES) if _python() else 1
    shares: list[list[SessionFile]] = [[] for _ in range(max(1, count))]
    loads = [(0 if place == 0 else HEAD_START_BYTES, place) for place in range(len(shares))]
    for file in sorted(files, key=lambda file: file.size, reverse=True):
        load, place = loads[0]
        shares[place].append(file)
        heapq.heapreplace(loads, (load + file.size, place))
    return shares


def _python() -> str | None:
    """Return the Python to start; a frozen or embedded one is another program."""
    is_python = "python" in Path(sys.executable or "").name.lower() and not getattr(sys, "frozen", False)
    return sys.executable if is_python else None


@contextlib.contextmanager
def _workers(shares: Sequence[list[SessionFile]], redactor: Redactor) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Start a worker for each share; none is left when the block ends."""
    running: list[subprocess.Popen[bytes]] = []
    try:
        told: list[bytes] = []
        try:
            told += [msgspec.msgpack.encode(_Share(os.getpid(), [*redactor.secrets], share)) for share in shares]
            for _ in shares:
                running.append(_start())
        except (OSError, UnicodeEncodeError) as error:  # a path or a secret may be no text at all
            _log.debug("a worker for session files cannot start: %s", error)
        for worker, share in zip(running, told, strict=False):
            assert worker.stdin is not None
            # Secrets go through a pipe, and never into a file or an argument.
            with contextlib.suppress(BrokenPipeError), worker.stdin as stdin:
                stdin.write(share)
        yield running
    finally:
        for worker in running:
            worker.kill()
        for worker in running:
            with worker:  # waits for its end, and closes the pipes
                pass


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [_python() or "", *_COMMAND],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(_import_path())},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        creationflags=_NO_WINDOW,
    )


def _import_path() -> list[str]:
    """Return where this process finds its modules, without the folder of the notebook."""
    places = [path for path in sys.path if path and Path(path).is_absolute() and path != os.getcwd()]
    ours = [str(Path(__file__).parents[2]), str(Path(msgspec.__file__ or "").parent.parent)]
    return list(dict.fromkeys([*places, *ours]))


def _result(worker: subprocess.Popen[bytes]) -> Scanned:
    """Wait for a worker and return what it found; nothing of one that has died."""
    assert worker.stdout is not None
    try:
        return msgspec.msgpack.decode(worker.stdout.read(), type=Scanned)
    except msgspec.DecodeError:
        _log.debug("a worker for session files has failed with exit code %s", worker.poll())
        return {}


def main() -> None:
    """Run a worker: scan the share that stdin tells, and say on stdout what is in it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupted cell ends the worker by its own means
    share = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=_Share)

    def go_on(count: int) -> None:
        # On Windows a launcher may stand between the two; there the share is read to its end.
        if sys.platform != "win32" and os.getppid() != share.parent:
            sys.exit("the process that started this worker is gone")

    clean = Redactor(share.secrets).text
    found = {file.name: scan_file(file, None, clean, go_on) for file in share.files}
    sys.stdout.buffer.write(msgspec.msgpack.encode(found))


class Progress:
    """Shows a bar on stderr once a reading takes longer than a second, and takes it away at the end.

    Args:
        total: bytes that all processes read.
        of: those of them that this process reads, which stand for all; what it reads beyond them counts for itself.
        screen: where to show it; `None` is stderr, which a notebook shows under the cell.
    """

    QUIET_S = 1.0
    EVERY_S = 0.2
    _WIDTH = 24

    def __init__(self, total: int, of: int | None = None, screen: TextIO | None = None) -> None:
        self._total = max(total, 1)
        self._weight = self._total / max(of if of is not None else total, 1)
        self._screen = screen if screen is not None else sys.stderr
        self._done = 0.0
        self._next = time.monotonic() + self.QUIET_S
        self._shown = ""

    def __enter__(self) -> Progress:
        return self

    def advance(self, count: int) -> None:
        """Say that so many more bytes were read here."""
        self._done += count * self._weight
        now = time.monotonic()
        if now >= self._next:
            self._next = now + self.EVERY_S
            share = min(1.0, self._done / self._total)
            bar = "█" * round(share * self._WIDTH)
            self._show(f"Reading session files {bar:░<{self._WIDTH}} {share:4.0%} of {self._total / 1e6:,.0f} MB")

    def __exit__(self, *error: object) -> None:
        if self._shown:
            self._show("")
            self._screen.write("\r")
            self._screen.flush()

    def _show(self, text: str) -> None:
        self._screen.write("\r" + text.ljust(len(self._shown)))
        self._screen.flush()
        self._shown = text


if __name__ == "__main__":
    main()
