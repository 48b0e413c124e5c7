"""Folder trust: what a working folder would give the CLI to obey, and whether the user agreed.

Without a terminal the CLI skips its own trust question and obeys the folder at once: hooks and MCP servers run,
`env` sends the API key to another address. So we ask in its place. A session in a folder that was not trusted starts
without the setting sources `project` and `local`: then the CLI takes nothing from the folder, neither what is there
nor what appears while the session lives (it reads settings again and again). What is listed here therefore tells a
person what was left out; it does not decide what is safe. What the CLI reads, and which record of trust it goes by,
was measured on 2.1.202 and 2.1.332.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from claude_magic.paths import claude_dir, home_dir, read_regular, replace_private, user_dir

SETTINGS_FILES = ("settings.json", "settings.local.json")
MCP_FILE = ".mcp.json"
PROMPT_FOLDERS = ("agents", "commands", "skills")

# What in `.claude` is text for the model, or data that the CLI itself keeps there. Every other name is a finding.
_HARMLESS_NAMES = frozenset((
    ".gitignore", "AGENTS.md", "CLAUDE.md", "README.md", "agent-memory", "agent-memory-local", "plans", "rules",
    "worktrees", *SETTINGS_FILES,
))  # fmt: skip
_UNREADABLE = "unreadable content"
_LARGEST_FILE = 2**20  # bytes
_MOST_FILES = 1_000


@dataclass(frozen=True)
class TrustDecision:
    """Whether a session in a folder may use all that the folder brings.

    Attributes:
        folder: the folder, with symbolic links resolved.
        trusted: the user trusted it, in the CLI or here.
        findings: what the folder brings for the CLI to obey, such as `hooks in .claude/settings.json`.
        digest: changes whenever a file behind a finding changes.
        prompts: those of the findings that are agents, commands and skills.
    """

    folder: str
    trusted: bool
    findings: tuple[str, ...] = ()
    digest: str = field(default="", repr=False)
    prompts: tuple[str, ...] = field(default=(), repr=False)

    @property
    def withheld(self) -> bool:
        """Whether something was found that a session has to start without."""
        return bool(self.findings) and not self.trusted


def examine_folder(folder: str | Path, environ: Mapping[str, str]) -> TrustDecision:
    """Look at what a folder brings, and at whether the user trusts it.

    Args:
        folder: the working folder of a session.
        environ: the environment of its CLI; tells the home and configuration folders.

    Returns:
        The decision. A record or file that cannot be read counts against the folder.
    """
    path = Path(os.path.realpath(folder))
    brought = list(_brought(path, _own_folders(environ)))
    labelled = {f"{what} in {_label(place, path)}": place for place, what, _ in brought}
    prompts = tuple(finding for finding, place in labelled.items() if place.name in PROMPT_FOLDERS)
    digest = _digest({file for _, _, files in brought for file in files})
    trusted = _cli_trusts(path, environ) or _recorded(environ).get(str(path)) == digest
    return TrustDecision(str(path), trusted, tuple(labelled), digest, prompts)


def examine_folders(folder: str | Path, added: Iterable[str | Path], environ: Mapping[str, str]) -> TrustDecision:
    """Look at a working folder together with the folders added to it (`--add-dir`).

    Of an added folder the CLI takes agents, commands and skills, but neither settings nor MCP servers.

    Args:
        folder: the working folder of a session.
        added: more folders it may touch; each is trusted for itself.
        environ: as in `examine_folder`.

    Returns:
        The decision for the session; its findings name what came from an added folder with that folder.
    """
    decision = examine_folder(folder, environ)
    extra: list[str] = []
    for other in (examine_folder(path, environ) for path in added):
        if not other.trusted:
            extra += [f"{finding} of {other.folder}" for finding in other.prompts]
    if not extra:
        return decision
    own = () if decision.trusted else decision.findings
    return replace(decision, trusted=False, findings=(*own, *extra))


def trust_folder(folder: str | Path, environ: Mapping[str, str] | None = None) -> TrustDecision:
    """Record that the user trusts what a folder brings today.

    The record is a file of our own (`record_path`): the CLI's files stay as they are. It holds for this folder
    alone and for today's content; after a change the question comes again.

    Args:
        folder: the folder to trust.
        environ: tells the home and configuration folders; this process's by default.

    Returns:
        The decision as it now stands; `findings` says what was trusted.

    Raises:
        ValueError: there is no such folder.
        OSError: the record cannot be written.
    """
    environ = os.environ if environ is None else environ
    if not Path(folder).is_dir():
        raise ValueError(f"{str(folder)!r} is not a folder that exists.")
    decision = examine_folder(folder, environ)
    _write_record(record_path(environ), _recorded(environ) | {decision.folder: decision.digest})
    return replace(decision, trusted=True)


def record_path(environ: Mapping[str, str]) -> Path:
    """Return the file in which `trust_folder` keeps its record."""
    return user_dir("config", environ) / "trusted.json"


# ---- what a folder brings ----


def _brought(folder: Path, own: frozenset[str]) -> Iterator[tuple[Path, str, tuple[Path, ...]]]:
    """Find what the CLI would take from a folder: where it is, in words, and the files behind it.

    The CLI reads settings in the working folder, the newer one also at the root of the repository and of the
    one a worktree belongs to; prompt files up to those roots; MCP servers in every folder up to the top.

    Args:
        folder: the working folder, resolved.
        own: the user's own configuration folders, resolved; what lies there is the user's word already.
    """
    upwards = (folder, *folder.parents)
    roots = _repository(folder)
    for place in dict.fromkeys((*upwards, *roots)):
        claude = place / ".claude"
        if os.path.realpath(claude) in own:
            continue
        if place in (folder, *roots):
            for name in SETTINGS_FILES:
                yield from ((claude / name, what, (claude / name,)) for what in _settings(claude / name))
            yield from _other_names(claude)
        for name in PROMPT_FOLDERS:
            files, what = _prompt_files(claude / name, place)
            if what:
                yield claude / name, what, files
    for place in upwards:
        yield from ((place / MCP_FILE, what, (place / MCP_FILE,)) for what in _mcp_servers(place / MCP_FILE))


def _settings(file: Path) -> Iterator[str]:
    settings = _load(file)
    if settings is None:
        yield _UNREADABLE
        return
    for key, value in settings.items():
        if key == "permissions" and isinstance(value, dict):
            yield from (f"permissions.{name}" for name in value)
        elif key != "$schema" and value not in ({}, [], None):
            yield key


def _other_names(claude: Path) -> Iterator[tuple[Path, str, tuple[Path, ...]]]:
    """Yield what has a name that is not known, such as `scheduled_tasks.json`, whose prompts the CLI sends itself."""
    try:
        names = sorted(entry.name for entry in os.scandir(claude))
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError:
        yield claude, _UNREADABLE, ()
        return
    for name in names:
        if name not in _HARMLESS_NAMES and name not in PROMPT_FOLDERS:
            yield claude, name, (claude / name,)


def _mcp_servers(file: Path) -> Iterator[str]:
    config = _load(file)
    servers = None if config is None else config.get("mcpServers", {})
    if isinstance(servers, dict):
        yield from (f"MCP server {name!r}" for name in servers)
    else:
        yield _UNREADABLE


def _prompt_files(folder: Path, place: Path) -> tuple[tuple[Path, ...], str]:
    """Return the files below a folder of agents, commands or skills, at most a thousand, and how many, in words.

    A link is followed only as long as it stays in `place`: one to the root of the disk would never end.
    """
    files: list[Path] = []
    seen: set[str] = set()
    waiting = [folder]
    inside = os.path.realpath(place)
    while waiting and len(files) <= _MOST_FILES:
        here = waiting.pop()
        real = os.path.realpath(here)
        if real in seen:
            continue
        seen.add(real)
        if here.is_symlink() and os.path.commonpath((real, inside)) != inside:
            files.append(here)
        elif here.is_dir():
            try:
                waiting += (Path(entry) for entry in sorted(os.scandir(here), key=lambda entry: entry.name))
            except OSError:
                files.append(here)
        elif os.path.lexists(here):
            files.append(here)
    if len(files) > _MOST_FILES:
        return tuple(files), f"more than {_MOST_FILES:,} files"
    return tuple(files), f"{len(files)} file{'s' if len(files) != 1 else ''}" if files else ""


def _label(file: Path, folder: Path) -> str:
    return file.relative_to(folder).as_posix() if file.is_relative_to(folder) else str(file)


def _load(file: Path) -> dict[str, Any] | None:
    """Return the JSON object in a file, `{}` where there is no file, `None` where it cannot be read."""
    try:
        content = json.loads(read_regular(file, limit=_LARGEST_FILE))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _digest(files: set[Path]) -> str:
    total = hashlib.sha256()
    for file in sorted(files):
        try:
            content = read_regular(file, limit=_LARGEST_FILE)
        except OSError as error:
            content = f"unreadable: {error.errno} {_state(file)}".encode()
        total.update(f"{file}\0{len(content)}\0".encode(errors="surrogateescape"))
        total.update(content)
    return total.hexdigest()


def _state(file: Path) -> tuple[int, int] | None:
    try:
        state = file.lstat()
    except OSError:
        return None
    return state.st_size, state.st_mtime_ns


# ---- what the user said ----


def _own_folders(environ: Mapping[str, str]) -> frozenset[str]:
    return frozenset(os.path.realpath(path) for path in (claude_dir(environ), home_dir(environ) / ".claude"))


def _cli_trusts(folder: Path, environ: Mapping[str, str]) -> bool:
    """Ask the CLI's own record, which goes by the repository, or by the folder itself outside of one."""
    projects = _cli_projects(environ)
    key = (_repository(folder) or (folder,))[-1]
    entries = (projects.get(name) for name in (str(key), key.as_posix()))
    return any(isinstance(entry, dict) and entry.get("hasTrustDialogAccepted") is True for entry in entries)


def starts_programs(folder: str | Path, environ: Mapping[str, str], *, obeys_folder: bool) -> bool:
    """Return whether a CLI that starts runs programs of the user's: hooks at a session's start, MCP servers, plugins.

    Args:
        folder: the working folder.
        environ: as in `examine_folder`.
        obeys_folder: whether the CLI takes settings and servers from the folder, too.
    """
    path = Path(os.path.realpath(folder))
    places = [claude_dir(environ)]
    if obeys_folder:
        places += [place / ".claude" for place in (path, *_repository(path))]
        if any((place / MCP_FILE).exists() for place in (path, *path.parents)):
            return True
    settings = [_load(place / name) for place in places for name in SETTINGS_FILES]
    return (
        any(one is None or one.get("enabledPlugins") or _has_start_hooks(one.get("hooks")) for one in settings)
        or bool(_cli_record_of(environ).get("mcpServers"))
        or bool(local_mcp_servers(path, environ))
    )


def _has_start_hooks(hooks: Any) -> bool:
    return isinstance(hooks, dict) and any(hooks.get(event) for event in ("SessionStart", "Setup"))


def _cli_projects(environ: Mapping[str, str]) -> dict[str, Any]:
    projects = _cli_record_of(environ).get("projects")
    return projects if isinstance(projects, dict) else {}


def _cli_record_of(environ: Mapping[str, str]) -> dict[str, Any]:
    try:
        # The CLI keeps much in this file; it may be large.
        record = json.loads(read_regular(cli_record(environ), limit=64 * _LARGEST_FILE))
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def cli_record(environ: Mapping[str, str]) -> Path:
    """Return the file in which the CLI keeps its record of folders, trust and the user's MCP servers."""
    return Path(environ.get("CLAUDE_CONFIG_DIR") or home_dir(environ)) / ".claude.json"


def user_mcp_servers(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the MCP servers that the user gave the CLI for every folder (`claude mcp add --scope user`)."""
    servers = _cli_record_of(environ).get("mcpServers")
    return servers if isinstance(servers, dict) else {}


def local_mcp_servers(folder: str | Path, environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the MCP servers that the user gave the CLI for one folder alone (`claude mcp add` does by default).

    They stand in the CLI's own record, so they are the user's word; yet the CLI leaves them out together with what
    the folder brings (2.1.202 and 2.1.332).

    Args:
        folder: the working folder.
        environ: as in `examine_folder`.
    """
    path = Path(os.path.realpath(folder))
    servers: dict[str, Any] = {}
    projects = _cli_projects(environ)
    for place in (*reversed(_repository(path)), path):
        entry = projects.get(str(place))
        given = entry.get("mcpServers") if isinstance(entry, dict) else None
        servers |= given if isinstance(given, dict) else {}
    return servers


def _repository(folder: Path) -> tuple[Path, ...]:
    """Return the root of the git repository around a folder, and the main one's after it for a worktree."""
    root = next((place for place in (folder, *folder.parents) if (place / ".git").exists()), None)
    if root is None:
        return ()
    try:
        main = _main_repository(root)
    except (OSError, ValueError):
        main = None
    return (root, main) if main else (root,)


def _main_repository(root: Path) -> Path | None:
    """Return the repository that a worktree belongs to; it has to know the worktree, or anybody could claim it."""
    git = root / ".git"
    if not git.is_file():
        return None
    word, _, target = read_regular(git, limit=_LARGEST_FILE).decode().strip().partition(": ")
    own = root / target
    if word != "gitdir" or not (own / "commondir").is_file():
        return None
    known = own / read_regular(own / "gitdir", limit=_LARGEST_FILE).decode().strip()
    common = Path(os.path.realpath(own / read_regular(own / "commondir", limit=_LARGEST_FILE).decode().strip()))
    is_worktree = os.path.realpath(known) == str(git) and Path(os.path.realpath(own)).parent == common / "worktrees"
    return common.parent if is_worktree and common.name == ".git" else None


def _recorded(environ: Mapping[str, str]) -> dict[str, Any]:
    record = _load(record_path(environ))
    folders = record.get("folders") if record else None
    return folders if isinstance(folders, dict) else {}


def _write_record(path: Path, folders: dict[str, Any]) -> None:
    record = {"version": 1, "folders": folders}
    replace_private(path, json.dumps(record, indent=2, sort_keys=True).encode())
