"""Folder trust: what a working folder would make the CLI run or redirect, and whether the user agreed.

Without a terminal the CLI skips its own trust question and obeys the folder at once: hooks and MCP servers run,
`env` sends the API key to another address. So we ask in its place. What the CLI reads, and which record of trust
it goes by, was observed on 2.1.197 and 2.1.330.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from claude_magic.paths import claude_dir, home_dir, replace_private, user_dir

SETTINGS_FILES = ("settings.json", "settings.local.json")
MCP_FILE = ".mcp.json"
PROMPT_FOLDERS = ("agents", "commands", "skills")

# Settings that can neither run code nor move traffic. Every other key counts as a finding, so that a key that a
# later CLI learns is asked about until somebody has looked at it.
_HARMLESS_SETTINGS = frozenset({
    "$schema", "alwaysThinkingEnabled", "attribution", "cleanupPeriodDays", "companyAnnouncements",
    "disableAllHooks", "disabledMcpjsonServers", "effortLevel", "includeCoAuthoredBy", "includeGitInstructions",
    "language", "model", "outputStyle", "respectGitignore", "showTurnDuration", "spinnerTipsEnabled", "theme",
})  # fmt: skip
# Rules that allow a tool are ignored in a folder that the CLI itself does not trust: the host is asked as usual.
_HARMLESS_PERMISSIONS = frozenset({"allow", "ask", "deny", "disableBypassPermissionsMode"})
# A prompt file may carry hooks and MCP servers in its front matter (2.1.197 runs an agent's unasked), and shell
# commands as `!` before backticks. Front matter is YAML: the second and third form are keys that hide their name.
_PROMPT_RUNS = re.compile(
    r"""\b(?:hooks|mcpServers)\b["']?\s*:|^\s*"[^"\n]*\\[^"\n]*"\s*:|^\s*\?\s|!`|```!""", re.MULTILINE
)
_COMMANDS = "commands"
_UNREADABLE = "unreadable content"


@dataclass(frozen=True)
class TrustDecision:
    """Whether a session in a folder may use all that the folder brings.

    Attributes:
        folder: the folder, with symbolic links resolved.
        trusted: the user trusted it, in the CLI or here.
        findings: what would run code or redirect traffic, such as `hooks in .claude/settings.json`.
        digest: changes whenever a file behind a finding changes.
    """

    folder: str
    trusted: bool
    findings: tuple[str, ...] = ()
    digest: str = field(default="", repr=False)

    @property
    def withheld(self) -> bool:
        """Whether a session has to start without what was found."""
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
    risks = list(dict.fromkeys(_risks(path, _own_folders(environ))))
    digest = _digest({file for file, _ in risks})
    findings = tuple(f"{words} in {_label(file, path)}" for file, words in risks)
    trusted = _cli_trusts(path, environ) or _recorded(environ).get(str(path)) == digest
    return TrustDecision(str(path), trusted, findings, digest)


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
            extra += [f"{words} of {other.folder}" for words in other.findings if words.startswith(f"{_COMMANDS} in ")]
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
        raise ValueError(f"There is no folder {str(folder)!r} to trust.")
    decision = examine_folder(folder, environ)
    _write_record(record_path(environ), _recorded(environ) | {decision.folder: decision.digest})
    return replace(decision, trusted=True)


def record_path(environ: Mapping[str, str]) -> Path:
    """Return the file in which `trust_folder` keeps its record."""
    return user_dir("config", environ) / "trusted.json"


# ---- what a folder brings ----


def _risks(folder: Path, own: frozenset[str]) -> Iterator[tuple[Path, str]]:
    """Find what runs code or redirects traffic, as pairs of file and words.

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
        for name in SETTINGS_FILES if place in (folder, *roots) else ():
            yield from ((claude / name, words) for words in _settings_risks(claude / name))
        yield from ((file, _COMMANDS) for file in _prompt_files(claude) if _prompt_runs(file))
    for place in upwards:
        yield from ((place / MCP_FILE, words) for words in _mcp_risks(place / MCP_FILE))


def _settings_risks(file: Path) -> Iterator[str]:
    settings = _load(file)
    if settings is None:
        yield _UNREADABLE
        return
    for key, value in settings.items():
        if key == "permissions" and isinstance(value, dict):
            yield from (f"permissions.{name}" for name in value if name not in _HARMLESS_PERMISSIONS)
        elif key not in _HARMLESS_SETTINGS and value not in ({}, [], None):
            yield key


def _mcp_risks(file: Path) -> Iterator[str]:
    config = _load(file)
    servers = None if config is None else config.get("mcpServers", {})
    if isinstance(servers, dict):
        yield from (f"MCP server {name!r}" for name in servers)
    else:
        yield _UNREADABLE


def _prompt_files(claude: Path) -> Iterator[Path]:
    seen = set()
    for name in PROMPT_FOLDERS:
        for here, folders, files in os.walk(claude / name, followlinks=True):
            real = os.path.realpath(here)
            if real in seen:  # a symbolic link that leads round in a circle
                folders.clear()
                continue
            seen.add(real)
            folders.sort()
            yield from (Path(here, file) for file in sorted(files) if file.lower().endswith(".md"))


def _prompt_runs(file: Path) -> bool:
    try:
        text = _read(file)
    except OSError:
        return True
    return bool(_PROMPT_RUNS.search(text.decode(errors="replace")))


def _label(file: Path, folder: Path) -> str:
    return file.relative_to(folder).as_posix() if file.is_relative_to(folder) else str(file)


def _read(file: Path) -> bytes:
    if not stat.S_ISREG(file.stat().st_mode):
        raise OSError(f"{file} is no ordinary file")  # reading a pipe would never end
    return file.read_bytes()


def _load(file: Path) -> dict[str, Any] | None:
    """Return the JSON object in a file, `{}` where there is no file, `None` where it cannot be read."""
    try:
        content = json.loads(_read(file))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _digest(files: set[Path]) -> str:
    total = hashlib.sha256()
    for file in sorted(files):
        try:
            content = _read(file)
        except OSError as error:
            content = f"unreadable: {error.errno}".encode()
        total.update(f"{file}\0{len(content)}\0".encode(errors="surrogateescape"))
        total.update(content)
    return total.hexdigest()


# ---- what the user said ----


def _own_folders(environ: Mapping[str, str]) -> frozenset[str]:
    return frozenset(os.path.realpath(path) for path in (claude_dir(environ), home_dir(environ) / ".claude"))


def _cli_trusts(folder: Path, environ: Mapping[str, str]) -> bool:
    """Ask the CLI's own record, which goes by the repository, or by the folder itself outside of one."""
    record = _load(Path(environ.get("CLAUDE_CONFIG_DIR") or home_dir(environ)) / ".claude.json")
    projects = record.get("projects") if record else None
    if not isinstance(projects, dict):
        return False
    key = (_repository(folder) or (folder,))[-1]
    entries = (projects.get(name) for name in (str(key), key.as_posix()))
    return any(isinstance(entry, dict) and entry.get("hasTrustDialogAccepted") is True for entry in entries)


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
    word, _, target = _read(git).decode().strip().partition(": ")
    own = root / target
    if word != "gitdir" or not (own / "commondir").is_file():
        return None
    known = own / _read(own / "gitdir").decode().strip()
    common = Path(os.path.realpath(own / _read(own / "commondir").decode().strip()))
    is_worktree = os.path.realpath(known) == str(git) and Path(os.path.realpath(own)).parent == common / "worktrees"
    return common.parent if is_worktree and common.name == ".git" else None


def _recorded(environ: Mapping[str, str]) -> dict[str, Any]:
    record = _load(record_path(environ))
    folders = record.get("folders") if record else None
    return folders if isinstance(folders, dict) else {}


def _write_record(path: Path, folders: dict[str, Any]) -> None:
    record = {"version": 1, "folders": folders}
    replace_private(path, json.dumps(record, indent=2, sort_keys=True).encode())
