"""Where log entries can go besides memory: a file of JSON lines, a `logging` handler. No pandas."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from claude_magic.paths import open_private, write_all
from claude_magic.records.describe import Level
from claude_magic.records.log import LogEntry
from claude_magic.strings import utf8_safe

LOGGER_NAME = "claude_magic.log"
"""Name of the records that handlers get; the package's own `logging.getLogger("claude_magic")` is something else."""
_LEVELS = {
    Level.DEBUG: logging.DEBUG,
    Level.INFO: logging.INFO,
    Level.WARNING: logging.WARNING,
    Level.ERROR: logging.ERROR,
}
_encode = msgspec.json.Encoder().encode


class LinesSink:
    """Appends each entry to a file, as one line of JSON with the columns of `frames.logs()`; `time` is ISO 8601, UTC.

    An entry is in the file when the call returns, also if the kernel dies the next moment. Each line is written in one
    piece at the end of the file, so that several kernels may share it. Only the user may read a file made here.

    Args:
        path: the file; what it holds stays.

    Raises:
        OSError: it cannot be opened or, later, written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).expanduser().absolute()
        # A log may go to a terminal or a pipe as well; one without a reader fails, and does not wait.
        self._file: BinaryIO | None = open_private(self.path, append=True, only_regular=False)

    def __repr__(self) -> str:
        return f"LinesSink({str(self.path)!r})"

    def __call__(self, entry: LogEntry) -> None:
        """Write an entry."""
        if self._file is None:
            raise ValueError(f"{self!r} is closed.")
        line = _encode(_as_json(entry)) + b"\n"
        write_all(self._file, line)

    def close(self) -> None:
        """Close the file. Safe to call twice."""
        file, self._file = self._file, None
        if file is not None:
            file.close()


class HandlerSink:
    """Hands each entry to a `logging` handler, if the handler's level and filters let it through.

    The record's message is the entry's, and its `session`, `session_id`, `turn_id`, `source` and `type` are attributes,
    so that a format may name them: `"%(levelname)s %(session)s %(source)s: %(message)s"`. Handlers are called on the
    client's loop; put a slow one behind a `logging.handlers.QueueHandler`.

    Args:
        handler: it; closing it stays the caller's business.
    """

    def __init__(self, handler: logging.Handler) -> None:
        self._handler = handler

    def __repr__(self) -> str:
        return f"HandlerSink({self._handler!r})"

    def __call__(self, entry: LogEntry) -> None:
        """Hand an entry on."""
        level = _LEVELS[entry.level]
        if level >= self._handler.level:
            self._handler.handle(_as_record(entry, level))

    def close(self) -> None:
        """Write out what the handler holds back."""
        self._handler.flush()


def sink_for(target: str | Path | logging.Handler) -> LinesSink | HandlerSink:
    """Return a sink for a file of JSON lines, given by its path, or for a `logging` handler.

    Raises:
        ValueError: the file cannot be written, or the target is neither.
    """
    if isinstance(target, logging.Handler):
        return HandlerSink(target)
    if not isinstance(target, str | Path):
        raise ValueError(f"The log goes to the path of a file or to a logging.Handler, not to {target!r}.")
    try:
        return LinesSink(target)
    except OSError as error:
        raise ValueError(f"The log {str(target)!r} cannot be written: {error.strerror}.") from None


def _as_json(entry: LogEntry) -> dict[str, Any]:
    when = datetime.fromtimestamp(entry.time, UTC).isoformat(timespec="microseconds")
    return {**msgspec.structs.asdict(entry), "time": when, "message": utf8_safe(entry.message)}


def _as_record(entry: LogEntry, level: int) -> logging.LogRecord:
    facts = {name: value for name, value in msgspec.structs.asdict(entry).items() if name in _FACTS}
    moment = datetime.fromtimestamp(entry.time, UTC)
    name = logging.getLevelName(level)
    given = {"name": LOGGER_NAME, "msg": entry.message, "args": (), "levelno": level, "levelname": name}
    clock = {"created": entry.time, "msecs": moment.microsecond // 1000}
    return logging.makeLogRecord({**given, **clock, **facts})


_FACTS = ("session", "session_id", "turn_id", "source", "type")
