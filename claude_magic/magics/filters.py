"""The filters of the sub-commands that return tables: which session, since when, what level, what tool, how many."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from claude_magic.clock import moment_of
from claude_magic.magics.parsing import LineParser, at_least_one, one_of, typed
from claude_magic.records.describe import Level

if TYPE_CHECKING:
    import pandas as pd

    from claude_magic.transcripts.transcripts import Transcripts

FILTERS_HELP = "[--session NAME] [--since 2d|12h|30m|DATE] [--level LEVEL] [--tool NAME] [--last N] [--all]"
FILE_TABLES = ("sessions", "turns", "messages", "tools", "usage")
FILE_FILTERS_HELP = f"[{'|'.join(FILE_TABLES)}] [--session ID] [--since 2d] [--project DIR] [--tool NAME] [--last N]"
_KEPT = ("turns", "tools", "stats")
"""Sub-commands that can look at what is kept of earlier kernels."""
_TIMES = {
    "turns": "started",
    "tools": "started",
    "messages": "time",
    "logs": "time",
    "sessions": "last_used",
    "usage": "time",
}


@dataclass(frozen=True)
class Filters:
    """Which rows to keep; `None` is all.

    Attributes:
        session: those of this session.
        since: those from this moment on.
        level: log entries of this level or above; of other tables, what belongs to a turn that has such an entry.
        tool: uses of this tool; of other tables, what belongs to a turn that used it.
        last: the last so many of what is left.
        all: of what is kept of all kernels, instead of this one.
        project: session files of this folder.
    """

    session: str | None = None
    since: datetime | None = None
    level: str | None = None
    tool: str | None = None
    last: int | None = None
    all: bool = False
    project: str | None = None


def parse_filters(word: str, line: str, now: datetime | None = None) -> Filters:
    """Return the filters that were typed after a sub-command that shows this kernel; a word alone names a session.

    Args:
        word: the sub-command.
        line: what was typed after it.
        now: what `--since 2d` counts from; the present moment by default.

    Raises:
        UsageError: a filter is unknown or its value makes no sense; one line that says which.
    """
    parser = _parser(word, FILTERS_HELP, now)
    add = parser.add_argument
    add("name", nargs="?")
    add("--level", type=one_of([level.value for level in Level]))
    add("--all", action="store_true")
    found = _typed_in(parser, line)
    name = found.pop("name")
    if found["all"] and (word not in _KEPT or found["level"] is not None):
        parser.error("--all is for turns, tools and stats; the logs of earlier kernels are not kept")
    if name is not None and found["session"] is not None:
        parser.error(f"{name!r} and --session {found['session']!r} are two sessions")
    return Filters(**{**found, "session": found["session"] if name is None else name})


def parse_file_filters(line: str, now: datetime | None = None) -> tuple[str, Filters]:
    """Return which table of session files was asked for, and the filters; for the arguments see `parse_filters`.

    Raises:
        UsageError: as for `parse_filters`.
    """
    parser = _parser("transcripts", FILE_FILTERS_HELP, now)
    parser.add_argument("table", nargs="?", type=one_of(FILE_TABLES), default=FILE_TABLES[0])
    parser.add_argument("--project")
    found = _typed_in(parser, line)
    return found.pop("table"), Filters(**found)


def _parser(word: str, usage: str, now: datetime | None) -> LineParser:
    """Return a parser of the filters that all tables have."""
    moment = now or datetime.now(UTC)
    parser = LineParser(f"%claude {word}", f"It takes {usage}.")
    add = parser.add_argument
    add("-s", "--session")
    add("--since", type=typed(lambda text: moment_of(text, moment)))
    add("--tool")
    add("--last", type=at_least_one)
    return parser


def _typed_in(parser: LineParser, line: str) -> dict[str, Any]:
    try:
        words = shlex.split(line)
    except ValueError as error:
        parser.error(f"{line!r} cannot be read: {error}")
    flags = parser.flags
    # Options first: the value of an unknown one would be taken for a word of its own.
    odd = [word for word in words if word.startswith("--") and word.partition("=")[0] not in flags]
    if not odd:
        found, rest = parser.parse_known_args(words)
        if not rest:
            return vars(found)
        odd = [word for word in words if f"--{word}" in flags] or rest
    parser.error(f"unrecognized filter {parser.unknown(odd[0])}")


def filtered(frames: Any, name: str, filters: Filters) -> pd.DataFrame:
    """Return a frame with the rows that the filters keep, numbered from 0.

    Args:
        frames: what has the frames: a client's `frames`, or transcripts.
        name: `turns`, `tools`, `messages` or `logs`.
        filters: which rows.
    """
    kept = {"history": True} if filters.all else {}
    frame: pd.DataFrame = getattr(frames, name)(**kept)
    if filters.session is not None:
        frame = frame[frame["session"] == filters.session]
    if filters.since is not None:
        frame = frame[frame[_TIMES[name]] >= filters.since]
    if filters.tool is not None:
        used = _where(frames.tools(**kept), "name", [filters.tool])
        frame = _where(frame, "name", [filters.tool]) if name == "tools" else _where(frame, "turn_id", used["turn_id"])
    if filters.level is not None:
        least = Level(filters.level).rank
        levels = [level.value for level in Level if level.rank >= least]
        told = _where(frames.logs(), "level", levels)
        frame = _where(frame, "level", levels) if name == "logs" else _where(frame, "turn_id", told["turn_id"])
    if filters.last is not None:
        frame = frame.tail(filters.last)
    return frame.reset_index(drop=True)


def filtered_files(found: Transcripts, name: str, filters: Filters) -> pd.DataFrame:
    """Return a table of session files with the rows that the filters keep, numbered from 0.

    Args:
        found: what was read.
        name: one of `FILE_TABLES`.
        filters: which rows; a session goes by its name, or by its id or the beginning of it.

    Raises:
        UsageError: there is no such session.
    """
    frame = filtered(found, name, replace(filters, session=None, tool=None, last=None))
    sessions = found.sessions()
    if filters.tool is not None:
        used = _where(found.tools(), "name", [filters.tool])
        if name == "tools":
            frame = _where(frame, "name", [filters.tool])
        elif name == "sessions":
            frame = _where(frame, "name", used["session"])
        else:
            frame = _where(frame, "turn_id", used["turn_id"])
    if filters.session is not None:
        wanted = filters.session
        sessions = sessions[(sessions["name"] == wanted) | sessions["session_id"].str.startswith(wanted)]
        if sessions.empty:
            raise UsageError(f"%claude transcripts: there is no session {wanted!r} in these session files.")
        known = "session_id" if "session_id" in frame else "session"
        frame = _where(frame, known, sessions["session_id" if known == "session_id" else "name"])
    return (frame if filters.last is None else frame.tail(filters.last)).reset_index(drop=True)


def _where(frame: pd.DataFrame, column: str, values: Iterable[Any]) -> pd.DataFrame:
    # Nothing is the same as something unknown.
    return frame[frame[column].isin([value for value in values if isinstance(value, str)])]
