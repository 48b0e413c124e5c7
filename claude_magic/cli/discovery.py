"""Finding the Claude CLI, and asking it about itself. Blocks: looks at the disk, and may run the CLI."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from claude_magic.cli import refusals
from claude_magic.cli.environment import with_folder_last, without_markers
from claude_magic.errors import CLINotFoundError, ProcessError
from claude_magic.paths import home_dir

WAYS_TO_GET_THE_CLI = (
    "No Claude CLI was found. Get it in one of three ways: install Claude Code "
    "(`curl -fsSL https://claude.ai/install.sh | bash`, on Windows `irm https://claude.ai/install.ps1 | iex`, "
    'or `npm install -g @anthropic-ai/claude-code`); or `pip install "claude-magic[cli]"`, which brings one along; '
    "or, if you have it in an unusual place, name it with cli_path= or the variable CLAUDE_MAGIC_CLI."
)

_WINDOWS = sys.platform == "win32"
_PROGRAMS = ("claude.exe", "claude.cmd") if _WINDOWS else ("claude",)
_PROBE_TIMEOUT_S = 60.0


def find_cli(explicit: str | None = None, environ: Mapping[str, str] | None = None) -> Path:
    """Find the Claude CLI.

    The order: the explicit path, `CLAUDE_MAGIC_CLI`, PATH, the usual places of installation, the one that the
    package `claude-agent-sdk` brings along.

    Args:
        explicit: a path that the user gave.
        environ: where to look for the variables; this process's by default.

    Returns:
        An absolute path.

    Raises:
        CLINotFoundError: there is none, or a path that the user gave is not an executable file.
    """
    environ = os.environ if environ is None else environ
    for source, given in (("cli_path", explicit), ("CLAUDE_MAGIC_CLI", environ.get("CLAUDE_MAGIC_CLI"))):
        if given:
            path = Path(given).expanduser().absolute()
            if not _is_program(path):
                raise CLINotFoundError(f"{source} names no executable file: {str(path)!r}.", path=str(path))
            return _native(path)
    for path in (*_on_path(environ), *_usual_places(environ), *_bundled()):
        if _is_program(path):
            return _native(path)
    raise CLINotFoundError(WAYS_TO_GET_THE_CLI)


def _is_program(path: Path) -> bool:
    # Unlike the method of `Path`, this is false where a folder of PATH may not be looked into.
    return os.path.isfile(path) and os.access(path, os.X_OK)


def _on_path(environ: Mapping[str, str]) -> Iterator[Path]:
    """The programs in PATH, but none in a relative entry: that would run what a notebook's folder brings."""
    folders = (Path(entry) for entry in environ.get("PATH", "").split(os.pathsep))
    return (folder / name for folder in folders if folder.is_absolute() for name in _PROGRAMS)


def _usual_places(environ: Mapping[str, str]) -> Iterator[Path]:
    """Where installers put the CLI; a Jupyter started from a desktop has hardly anything in its PATH."""
    home = home_dir(environ)
    folders = [home / ".local" / "bin", home / ".claude" / "local", home / ".claude" / "local/node_modules/.bin"]
    if prefix := environ.get("NPM_CONFIG_PREFIX") or environ.get("npm_config_prefix"):
        folders.append(Path(prefix) if _WINDOWS else Path(prefix, "bin"))
    if _WINDOWS:
        folders += [Path(environ.get("APPDATA") or home / "AppData/Roaming", "npm")]
    else:
        folders += [home / ".npm-global/bin", home / ".npm-packages/bin", home / ".yarn/bin", home / ".bun/bin"]
        folders += [home / ".volta/bin", Path("/opt/homebrew/bin"), Path("/usr/local/bin"), Path("/usr/bin")]
        folders += sorted((home / ".nvm/versions/node").glob("*/bin"), reverse=True)
    return (folder / name for folder in folders for name in _PROGRAMS)


def _bundled() -> Iterator[Path]:
    """The CLI inside `claude-agent-sdk`; the package is only located, never imported."""
    spec = importlib.util.find_spec("claude_agent_sdk")
    folders = (spec.submodule_search_locations or ()) if spec else ()
    return (Path(folder, "_bundled", name) for folder in folders for name in _PROGRAMS)


def _native(path: Path) -> Path:
    """Return the program behind npm's batch file on Windows: a batch file would read `%` and `&` in arguments."""
    if path.suffix.lower() != ".cmd":
        return path
    program = path.parent / "node_modules" / "@anthropic-ai" / "claude-code" / "bin" / "claude.exe"
    return program if program.is_file() else path


_answers: dict[tuple[str, int, int, str], str] = {}


def cli_version(path: Path) -> str:
    """Return the version of a CLI, such as `2.1.330`.

    Runs `claude --version` once per file; blocks for some tenths of a second.

    Raises:
        ProcessError: it does not run, or says something else.
    """
    answer = _ask(path, "--version")
    match = re.search(r"\d+\.\d+\.\d+\S*", answer)
    if match is None:
        raise ProcessError(f"{path} is not a Claude CLI: it calls its version {answer.strip()[:80]!r}.", exit_code=0)
    return match.group()


def knows_option(path: Path, option: str) -> bool:
    """Whether a CLI's help names an option; an option that it does not know would keep it from starting."""
    return re.search(rf"{re.escape(option)}\b", _ask(path, "--help")) is not None


def _ask(path: Path, question: str) -> str:
    """Run the CLI for a question about itself; the answer is kept as long as the file is the same."""
    try:
        state = path.stat()
        key = (str(path), state.st_mtime_ns, state.st_size, question)
        if key not in _answers:
            _answers[key] = _run(path, question)
        return _answers[key]
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ProcessError(f"The Claude CLI does not run: {error}.", path=str(path)) from error


def _run(path: Path, question: str) -> str:
    done = subprocess.run(
        [path, question],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_PROBE_TIMEOUT_S,
        env=with_folder_last(without_markers(os.environ), path.parent) | {"DISABLE_AUTOUPDATER": "1"},
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        raise refusals.ended(done.returncode, done.stderr[-2000:], ready=False)
    return done.stdout
