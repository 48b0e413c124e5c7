"""Which session files there are, and which of them are asked for. No pandas."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec

from claude_magic.paths import claude_dir
from claude_magic.records.transcripts.facts import FileFacts
from claude_magic.records.transcripts.lines import decode_record

Since = datetime | date | timedelta | str | None

_SUBAGENTS = "subagents"
_AGENT = "agent-"
_SESSION_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_AGO = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_PEEKED_LINES = 20


class SessionFile(msgspec.Struct, array_like=True, frozen=True):
    """One file as it was found.

    Attributes:
        place: where it is.
        name: its path below the root, with forward slashes.
        size: bytes.
        mtime_ns: when it was changed last, in unix nanoseconds.
    """

    place: str
    name: str
    size: int
    mtime_ns: int

    @property
    def path(self) -> Path:
        """Where it is."""
        return Path(self.place)

    @property
    def group(self) -> str:
        """What its session's files have in common: the name of the session's own file without its ending."""
        parts = self.name.split("/")
        place = parts.index(_SUBAGENTS) if _SUBAGENTS in parts else len(parts)
        return "/".join(parts[:place]).removesuffix(".jsonl")


class _Note(msgspec.Struct):
    """What the CLI notes beside a subagent's file."""

    toolUseId: str = ""


_decode_note = msgspec.json.Decoder(_Note).decode


def find_root(root: str | os.PathLike[str] | None, environment: Mapping[str, str]) -> Path:
    """Return the folder whose folders are projects.

    Args:
        root: a configuration folder of the CLI, its `projects`, or any folder with session files; `None` is the
            user's: `CLAUDE_CONFIG_DIR`, else `~/.claude`.
        environment: variables to look in.

    Raises:
        FileNotFoundError: `root` was given and is not there.
    """
    if root is None:
        return claude_dir(environment) / "projects"
    folder = Path(root).expanduser()
    if not folder.exists():
        raise FileNotFoundError(f"There are no session files at {folder}: it does not exist.")
    return folder / "projects" if (folder / "projects").is_dir() else folder


def find_files(root: Path, since: Since = None, project: str | os.PathLike[str] | None = None) -> list[SessionFile]:
    """Return the session files below a folder, subagents' included, by name.

    Args:
        root: as `find_root` returns it.
        since: leave out sessions whose files were all changed last before then; see `moment_of`.
        project: only the files of this folder: a path, or the name of a folder.

    Raises:
        ValueError: `since` is no moment.
    """
    least = moment_of(since)
    files = sorted(_found(root), key=lambda file: file.name)
    if project is not None:
        files = [file for file in files if _is_of(file.name, project)]
    if least is None:
        return files
    # A session and its subagents stay together: half of them would cost the wrong sum.
    recent = {file.group for file in files if file.mtime_ns >= least.timestamp() * 1e9}
    return [file for file in files if file.group in recent]


def _found(root: Path) -> Iterator[SessionFile]:
    if root.is_file():
        stat = root.stat()
        yield SessionFile(str(root), root.name, stat.st_size, stat.st_mtime_ns)
        return
    folders = [(str(root), "")]
    while folders:
        folder, prefix = folders.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False) or (not prefix and entry.is_dir()):
                        if entry.name != "tool-results":
                            folders.append((entry.path, f"{prefix}{entry.name}/"))
                    elif entry.name.endswith(".jsonl") and _is_session_file(prefix, entry.name):
                        stat = entry.stat()
                        name = (prefix + entry.name).encode("utf-8", "backslashreplace").decode()
                        yield SessionFile(entry.path, name, stat.st_size, stat.st_mtime_ns)
        except FileNotFoundError:
            continue  # gone since it was listed, or no session was ever made


def _is_session_file(prefix: str, name: str) -> bool:
    """Whether a `.jsonl` file is a session's or a subagent's; the CLI keeps other things deeper down."""
    return prefix.count("/") <= 1 or (f"/{_SUBAGENTS}/" in prefix and name.startswith(_AGENT))


def _is_of(name: str, project: str | os.PathLike[str]) -> bool:
    """Whether a file is a project's, whose folder the CLI names by its path with `-` for all but letters and digits."""
    folder = name.split("/")[0] if "/" in name else ""
    wanted = os.fspath(project)
    if folder == wanted:
        return True
    dashed = re.sub(r"[^a-zA-Z0-9]", "-", wanted.rstrip("/\\") or wanted)
    if os.path.isabs(wanted):
        return folder == dashed
    return folder.endswith(f"-{dashed.lstrip('-')}")


def moment_of(since: Since, now: datetime | None = None) -> datetime | None:
    """Return the moment that is meant, with its time zone.

    Args:
        since: a moment or a day (local, where they do not say), a span before now, or words: "2d", "90m", "1.5h",
            "3w", "2026-11-01", "2026-11-01 12:00". `None` is no moment.
        now: the moment it is.

    Raises:
        ValueError: the words are none of these.
    """
    if since is None:
        return None
    now = now or datetime.now(UTC)
    if isinstance(since, str):
        ago = _AGO.fullmatch(since.strip().lower())
        if ago is not None:
            return now - timedelta(**{_UNITS[ago[2]]: float(ago[1])})
        try:
            since = datetime.fromisoformat(since.strip())
        except ValueError:
            raise ValueError(
                f"since={since!r} is no moment. Write a span like '2d' or '90m', or a day like '2026-11-01'."
            ) from None
    if isinstance(since, timedelta):
        return now - since
    if not isinstance(since, datetime):
        since = datetime(since.year, since.month, since.day)
    return since.astimezone() if since.tzinfo is None else since


def new_facts(file: SessionFile) -> FileFacts:
    """Return the facts of a file of which nothing was read yet: whose it is."""
    parts = file.name.split("/")
    stem = parts[-1].removesuffix(".jsonl")
    if _SUBAGENTS in parts[1:]:
        session = parts[parts.index(_SUBAGENTS) - 1]
        return FileFacts(session, stem.removeprefix(_AGENT), _started_by(file.path))
    if _SESSION_ID.fullmatch(stem):
        return FileFacts(stem)
    return FileFacts(*_named_inside(file.path, stem))


def _started_by(path: Path) -> str:
    """Return the tool use that started a subagent, which the CLI notes beside its file."""
    try:
        return _decode_note(path.with_suffix(".meta.json").read_bytes()).toolUseId
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return ""  # older CLIs note nothing; the prompt's id tells the turn all the same


def _named_inside(path: Path, stem: str) -> tuple[str, str]:
    """Return session and subagent as the first records of a file name them, where its own name does not."""
    try:
        with path.open("rb") as stream:
            lines = [stream.readline() for _ in range(_PEEKED_LINES)]
    except OSError:
        return stem, ""
    for line in lines:
        try:
            record = decode_record(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        if record.sessionId:
            return record.sessionId, record.agentId or ""
    return stem, ""
