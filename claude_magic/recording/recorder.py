"""Recording: whatever goes between a client and its CLIs is written to a tape, while that is on."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from claude_magic.cli.transport import Launch, Start, Transport
from claude_magic.messages import Message
from claude_magic.observers import ObserverGuard
from claude_magic.paths import open_private, write_all
from claude_magic.recording.format import VERSION, encode_record, read_tape
from claude_magic.recording.redacted_lines import RedactedLines
from claude_magic.redaction import Redactor

_BLOCK = 1 << 16


class TapeRecorder:
    """Writes every run of a client to a file, each line as it happens; off until `begin`.

    A file that can be written no more (the disk is full) costs no turn: that is said once, and the recording ends.

    Args:
        guard: calls what writes; one of its own if not given.
    """

    def __init__(self, guard: ObserverGuard | None = None) -> None:
        self.path: Path | None = None
        self._guard = guard or ObserverGuard()
        self._file: BinaryIO | None = None

    @property
    def is_on(self) -> bool:
        """Whether runs are written."""
        return self._file is not None

    def begin(self, path: str | Path) -> None:
        """Write to a file from the next prompt on; a new one begins, an existing tape is added to.

        A file that is made here only the user may read.

        Args:
            path: the file.

        Raises:
            ValueError: the file is there and is not a tape, or it cannot be written.
        """
        self.close()
        target = Path(path).expanduser().absolute()
        try:
            fresh = not target.exists() or target.stat().st_size == 0
            if not fresh:
                read_tape(target)
                _drop_half_line(target)
            self._file, self.path = open_private(target, append=True), target
            if fresh:
                self.write({"tape": VERSION, "created": datetime.now(UTC).isoformat(timespec="seconds")})
        except OSError as error:
            self.close()
            raise ValueError(f"The tape {str(target)!r} cannot be written: {error.strerror}.") from None

    def wrap(self, start: Start) -> Start:
        """Return a way to start that records what goes through it."""

        async def start_recorded(launch: Launch) -> Transport:
            return RecordedTransport(await start(launch), launch.redactor, self)

        return start_recorded

    def write(self, record: dict[str, Any]) -> None:
        """Write one line; what is written is on disk even if the kernel dies the next moment.

        Raises:
            OSError: it cannot be written.
        """
        if self._file is None:
            return
        write_all(self._file, encode_record(record))

    def call_guarded(self, observer: Callable[..., object], *arguments: object) -> None:
        """Call what writes lines; if it cannot, the recording ends and the turn goes on."""
        if not self.is_on:
            return
        self._guard.call(f"The recording to {str(self.path)!r}", observer, *arguments, off=self.close)

    def close(self) -> None:
        """Write no more."""
        file, self._file, self.path = self._file, None, None
        if file is not None:
            self._guard.call("The end of a recording", file.close)


class RecordedTransport:
    """A transport whose traffic goes onto a tape.

    Args:
        transport: the real one.
        redactor: secrets that must not be written.
        tape: where it is written.
    """

    def __init__(self, transport: Transport, redactor: Redactor, tape: TapeRecorder) -> None:
        self._transport = transport
        self._redactor = redactor
        self._tape = tape
        self._lines = RedactedLines(redactor, self._write_line)
        self._run = ""
        self._began = time.monotonic()

    @property
    def pid(self) -> int | None:
        return self._transport.pid

    @property
    def exit_code(self) -> int | None:
        return self._transport.exit_code

    @property
    def stderr_tail(self) -> str:
        return self._transport.stderr_tail

    def detached_pids(self) -> list[int]:
        return self._transport.detached_pids()

    def kill(self) -> None:
        self._transport.kill()

    async def close(self, *, grace_s: float = 4.0) -> None:
        await self._transport.close(grace_s=grace_s)

    async def send(self, message: dict[str, Any]) -> None:
        if not self._tape.is_on:
            self._run = ""
        self._tape.call_guarded(self._write_sent, message)
        await self._transport.send(message)

    async def receive(self) -> list[Message]:
        messages = await self._transport.receive()
        if self._run:
            self._tape.call_guarded(self._write_received, messages)
        return messages

    def _write_sent(self, message: dict[str, Any]) -> None:
        if message.get("type") == "user":
            self._lines.flush()
            self._run, self._began = str(message.get("uuid") or uuid.uuid4()), time.monotonic()
            prompt = self._redactor.value(message["message"]["content"])
            self._tape.write({"run": self._run, "prompt": prompt})
        elif message.get("type") == "control_response" and self._run:
            self._tape.write({"of": self._run, "at": self._at(), "sent": self._redactor.value(message)})

    def _write_received(self, messages: list[Message]) -> None:
        at = self._at()
        for message in messages:
            self._lines.add(message, at)

    def _write_line(self, at: float, line: dict[str, Any]) -> None:
        self._tape.write({"of": self._run, "at": at, "line": line})

    def _at(self) -> float:
        return round(time.monotonic() - self._began, 4)


def _drop_half_line(path: Path) -> None:
    """Cut off a last line that was only half written, so that what is added begins a line of its own."""
    with path.open("rb+") as file:
        left = file.seek(0, os.SEEK_END)
        while left:
            begin = max(0, left - _BLOCK)
            file.seek(begin)
            place = file.read(left - begin).rfind(b"\n")
            if place >= 0:
                file.truncate(begin + place + 1)
                return
            left = begin
