"""Which session files there are, which of them are asked for, and whose each one is."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec

from claude_magic.clock import moment_of
from claude_magic.paths import claude_dir, open_regular, read_regular
from claude_magic.transcripts.rows import ScannedFile
from claude_magic.transcripts.schema import UNREADABLE, Record, decode_record

Since = datetime | date | timedelta | str | None

_SUBAGENTS = "subagents"
_AGENT = "agent-"
_SESSION_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_PEEKED_LINES = 20
_LARGEST_NOTE = 2**20
_LONGEST_NAME = 200


class SessionFile(msgspec.Struct, array_like=True, frozen=True):
    """One file as it was found.

    Attributes:
        path: where it is.
        name: its path below the root, with forward slashes.
        size: bytes.
        mtime_ns: when it was changed last, in unix nanoseconds.
    """

    path: str
    name: str
    size: int
    mtime_ns: int

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
        since: leave out sessions whose files were all changed last before then; see `since_when`.
        project: only the files of this folder: a path, or the name of a folder.

    Raises:
        ValueError: `since` is not a time.
    """
    least = since_when(since)
    files = sorted(_found(root), key=lambda file: file.name)
    if project is not None:
        wanted = _wanted_folder(project)
        files = _recorded_in(wanted, [file for file in files if _is_of(file.name, wanted)])
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
                listed = list(entries)
        except FileNotFoundError:
            continue  # gone since it was listed, or no session was ever made
        except OSError:
            yield SessionFile(folder, _readable(prefix.rstrip("/")) or folder, 0, 0)  # reading it says what is wrong
            continue
        for entry in listed:
            if _leads_on(entry, is_top=not prefix):
                if entry.name != "tool-results":
                    folders.append((entry.path, f"{prefix}{entry.name}/"))
            elif entry.name.endswith(".jsonl") and _is_session_file(prefix, entry.name):
                yield _session_file(entry, prefix)


def _leads_on(entry: os.DirEntry[str], is_top: bool) -> bool:
    """Whether an entry is a folder to look into; a link is followed at the top only, where projects are."""
    try:
        return entry.is_dir(follow_symlinks=False) or (is_top and entry.is_dir())
    except OSError:
        return False  # a link to itself, or a folder that cannot be asked


def _session_file(entry: os.DirEntry[str], prefix: str) -> SessionFile:
    """Return a file as it was found; one that cannot even be asked is empty, and reading it says why."""
    try:
        stat = entry.stat()
        size, mtime_ns = stat.st_size, stat.st_mtime_ns
    except OSError:
        size = mtime_ns = 0
    return SessionFile(entry.path, _readable(prefix + entry.name), size, mtime_ns)


def _readable(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode()


def _is_session_file(prefix: str, name: str) -> bool:
    """Whether a `.jsonl` file is a session's or a subagent's; the CLI keeps other things deeper down."""
    return prefix.count("/") <= 1 or (f"/{_SUBAGENTS}/" in prefix and name.startswith(_AGENT))


def _wanted_folder(project: str | os.PathLike[str]) -> str:
    """Return the path of a project that is there, links resolved, as the CLI sees it; else the words as they are."""
    wanted = os.path.expanduser(os.fspath(project))
    looks_like_a_path = os.path.isabs(wanted) or wanted.startswith(".") or os.sep in wanted
    return os.path.realpath(wanted) if looks_like_a_path or os.path.isdir(wanted) else wanted


def _is_of(name: str, wanted: str) -> bool:
    """Whether a file is a project's, whose folder the CLI names by its path with `-` for all but letters and digits.

    Signs beyond 16 bits are two (measured: an emoji gives two dashes), and after 200 characters a checksum follows.
    """
    folder = name.split("/")[0] if "/" in name else ""
    if folder == wanted:
        return True
    dashed = _dashed(wanted.rstrip("/\\") or wanted)
    if not (os.path.isabs(wanted) or re.match(r"[A-Za-z]:[/\\]", wanted)):
        return folder.endswith(f"-{dashed.lstrip('-')}")
    return folder == dashed or (len(dashed) > _LONGEST_NAME and folder.startswith(f"{dashed[:_LONGEST_NAME]}-"))


def _recorded_in(wanted: str, files: list[SessionFile]) -> list[SessionFile]:
    """Return the files of folders whose sessions say that they were begun in a folder, or do not say where.

    The name of a folder leaves open which of several it is: `my-api` ends as `api` does, and `a.b` is `a b` in it.
    """
    is_path = os.path.isabs(wanted)
    kept: dict[str, bool] = {}
    for file in files:
        if not kept.get(file.group, False) and (begun_in := _begun_in(file.path)):
            is_it = os.path.realpath(begun_in) == wanted if is_path else re.split(r"[/\\]", begun_in)[-1] == wanted
            kept[file.group] = is_it or begun_in == wanted or file.name.split("/")[0] == wanted
    return [file for file in files if kept.get(file.group, True)]


def _begun_in(path: str) -> str:
    """Return the folder that the first records of a session file name; "" where they name none."""
    return next((record.cwd for record in _first_records(path) if record.cwd), "")


def _first_records(path: str) -> Iterator[Record]:
    """Yield those of the first records of a file that can be read; none of a file that cannot."""
    try:
        with open_regular(path) as stream:
            lines = [stream.readline() for _ in range(_PEEKED_LINES)]
    except OSError:
        return
    for line in lines:
        with contextlib.suppress(*UNREADABLE):
            yield decode_record(line)


def _dashed(path: str) -> str:
    return re.sub(r"[^a-zA-Z0-9]", lambda sign: "-" * (1 + (ord(sign[0]) > 0xFFFF)), path)


def since_when(since: Since, now: datetime | None = None) -> datetime | None:
    """Return the moment that is meant, with its time zone.

    Args:
        since: a moment or a day (local, where they do not say), a span before now, or words as `clock.moment_of`
            reads them. `None` means no limit.
        now: the moment it is.

    Raises:
        ValueError: the words are none of these.
    """
    now = now or datetime.now(UTC)
    if isinstance(since, str):
        try:
            return moment_of(since, now)
        except ValueError as error:
            raise ValueError(f"since={since!r} is not a time: {error}") from None
    if isinstance(since, timedelta):
        return now - since
    if since is not None and not isinstance(since, datetime):
        since = datetime(since.year, since.month, since.day)
    return since.astimezone() if since is not None and since.tzinfo is None else since


def unread(file: SessionFile) -> ScannedFile:
    """Return what is known of a file before its lines are read: whose it is."""
    *folders, last = file.name.split("/")
    stem = last.removesuffix(".jsonl")
    if _SUBAGENTS in folders[1:]:
        session = folders[folders.index(_SUBAGENTS) - 1]
        return ScannedFile(file.name, session, stem.removeprefix(_AGENT), _started_by(file.path))
    if _SESSION_ID.fullmatch(stem):
        return ScannedFile(file.name, stem)
    named = next((record for record in _first_records(file.path) if record.sessionId), Record(sessionId=stem))
    return ScannedFile(file.name, named.sessionId or stem, named.agentId or "")


def _started_by(path: str) -> str:
    """Return the tool use that started a subagent, which the CLI notes beside its file."""
    try:
        return _decode_note(read_regular(Path(path).with_suffix(".meta.json"), limit=_LARGEST_NOTE)).toolUseId
    except (OSError, *UNREADABLE):
        return ""  # older CLIs note nothing; the prompt's id tells the turn all the same
