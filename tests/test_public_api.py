"""The names of the package, and what importing it costs."""

from __future__ import annotations

import ast
import asyncio
import inspect
import itertools
import subprocess
import sys
import textwrap
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeCLIs, compile_fake

import claude_magic
from claude_magic import AsyncClaudeClient, ClaudeClient, PoolConfig, errors

NAMES = {
    "AsyncClaudeClient", "ClaudeClient", "get_client", "SessionConfig", "PoolConfig", "RetryPolicy", "SimulatedAPI",
    "read_transcripts", "Transcripts", "History", "StreamViewer", "BackgroundRun", "Rewind", "TapeReplayer",
    "Checkpoint", "QueuedPrompt", "SessionActivity", "AnswerSource", "ToolInfo", "ToolServer", "tool",
    "AsyncMapRun", "MapBudgets", "MapRow", "MapRun",
    "Session", "SessionState", "SessionInfo", "Response", "Outcome", "Usage", "Message", "MessageType", "Stats",
    "PermissionRequest", "Allow", "Deny", "__version__", "load_ipython_extension", "unload_ipython_extension",
}  # fmt: skip
ERRORS = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
HEAVY = ["pandas", "IPython", "matplotlib", "numpy", "tornado", "markdown_it", "nh3", "psutil", "ipywidgets", "msgspec"]


def test_exported_members() -> None:
    """Exactly these names, sorted; every error is among them."""
    assert claude_magic.__all__ == sorted(NAMES | ERRORS)


@pytest.mark.parametrize("name", claude_magic.__all__)
def test_every_name_is_there(name: str) -> None:
    """Each can be had, is listed, and says what it is."""
    value = getattr(claude_magic, name)

    assert name in dir(claude_magic)
    assert name == "__version__" or value.__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    """As of any module."""
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        claude_magic.Nonsense  # noqa: B018  the access is the test


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip()


def test_importing_is_cheap() -> None:
    """None of the heavy packages is imported, and nothing is started."""
    code = (
        "import sys, threading, claude_magic\n"
        f"print([name for name in {HEAVY} if name in sys.modules], threading.active_count())"
    )

    assert run(code) == "[] 1"


def test_the_client_needs_no_notebook() -> None:
    """A program that only talks to Claude does not pay for pandas and IPython."""
    heavy = [name for name in HEAVY if name not in ("psutil", "msgspec")]
    used = ", ".join(name for name in claude_magic.__all__ if name not in ("BackgroundRun", "StreamViewer"))
    code = f"import sys\nfrom claude_magic import {used}\nprint([name for name in {heavy} if name in sys.modules])"

    assert run(code) == "[]"


def test_the_extension_registers_its_magics_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading hands the shell on to the magics, unloading likewise."""
    import claude_magic.magics as magics

    calls: list[tuple[str, Any]] = []
    monkeypatch.setattr(magics, "load", lambda shell: calls.append(("load", shell)))
    monkeypatch.setattr(magics, "unload", lambda shell: calls.append(("unload", shell)))

    claude_magic.load_ipython_extension("shell")
    claude_magic.unload_ipython_extension("shell")

    assert calls == [("load", "shell"), ("unload", "shell")]


def examples() -> list[Any]:
    """The code under `Example::` in the docstring of each public name."""
    found = []
    for name in claude_magic.__all__:
        _, marked, rest = inspect.cleandoc(getattr(claude_magic, name).__doc__ or "").partition("Example::\n\n")
        lines = itertools.takewhile(lambda line: line == "" or line.startswith("    "), rest.split("\n"))
        found += [pytest.param(textwrap.dedent("\n".join(lines)), id=name)] if marked else []
    return found


@pytest.mark.parametrize("code", examples())
async def test_examples_in_docstrings_run(code: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each as it stands, with CLIs in memory and a session `analysis`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path))
    given = {"start": FakeCLIs().start, "compile": compile_fake}
    program = compile(code, "example", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    with ClaudeClient(**given, pool=PoolConfig(prewarm=0)) as client:
        client.create_session(name="analysis")
        names = {name: getattr(claude_magic, name) for name in claude_magic.__all__}
        names |= {"client": client, "get_client": lambda: client, "ClaudeClient": partial(ClaudeClient, **given)}
        names["AsyncClaudeClient"] = partial(AsyncClaudeClient, **given)
        running = await asyncio.to_thread(eval, program, names)
        if running is not None:
            await running
