"""A worker process of `read_transcripts`: it claims batches of files, reads them, and says at last what it found.

Its arguments are the folder of the claims and the file of the batches; its stdin tells the secrets to take out, with
their length before them. It ends early when its stdin ends, because then the process that started it is gone. What it
found goes to stdout in one piece when nothing is left to claim; before that the other side, which reads files too, has
no time to listen.
"""

from __future__ import annotations

import gc
import select
import signal
import sys
from pathlib import Path

import msgspec

from claude_magic.transcripts.claims import Claims
from claude_magic.transcripts.files import SessionFile
from claude_magic.transcripts.reading import read_file
from claude_magic.transcripts.secrets import Cleaner

LENGTH_BYTES = 4
"""How the length of the secrets is told."""
_MANY = b"\xdd"
"""Begins a list in MessagePack; how many things it has follows in 4 bytes, and then they."""


def main(folder: str, batches: str) -> None:
    """Run the worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupted cell ends the worker by its own means
    gc.disable()  # nothing here makes circles, and the process is short
    found = _read(Path(folder), Path(batches))
    if found is None:
        import shutil  # which takes long to import

        shutil.rmtree(folder, ignore_errors=True)  # whose it was cannot do that any more
    else:
        sys.stdout.buffer.write(_MANY + len(found).to_bytes(4, "big"))
        sys.stdout.buffer.writelines(found)
        sys.stdout.buffer.flush()


class _Alone(Exception):
    """The process that started this one does not wait for it any more."""


def _read(folder: Path, batches: Path) -> list[bytes] | None:
    """Read what can be claimed; return each `Reading` as bytes, and `None` once they are not wanted any more."""
    found = []
    encode = msgspec.msgpack.Encoder().encode
    try:
        cleaner = Cleaner(_told())
        work = msgspec.msgpack.decode(batches.read_bytes(), type=list[list[SessionFile]])
        for number in Claims(folder, len(work)).take():
            found += [encode(read_file(file, None, cleaner.text, _go_on)) for file in work[number]]
    except (FileNotFoundError, _Alone):
        return None  # the claims are gone, and so is the process that made them
    return found


def _told() -> dict[str, str]:
    length = int.from_bytes(sys.stdin.buffer.read(LENGTH_BYTES), "big")
    data = sys.stdin.buffer.read(length)
    if not data or len(data) < length:
        raise _Alone
    return msgspec.msgpack.decode(data, type=dict[str, str])


def _go_on(count: int) -> None:
    if _is_alone():
        raise _Alone


def _is_alone() -> bool:
    """Whether stdin has ended; on Windows, where that cannot be asked, the end is noticed when the claims are gone."""
    return sys.platform != "win32" and bool(select.select([sys.stdin], [], [], 0)[0])
