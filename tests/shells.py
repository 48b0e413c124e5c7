"""A shell in this process whose cells are answered by a CLI in memory."""

from __future__ import annotations

import atexit
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeCLIs, FakeTransport, compile_fake
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from claude_magic import blocking
from claude_magic.config import PoolConfig


class RaisingShell(InteractiveShell):
    """A shell whose `run_cell` raises what the cell raised, so that a test sees what a user sees."""

    def run_cell(self, *args: Any, **kwargs: Any) -> Any:
        result = super().run_cell(*args, **kwargs)
        result.raise_error()
        return result


@pytest.fixture
def clis() -> FakeCLIs:
    """Starts CLIs in memory that echo, and remembers them."""
    return FakeCLIs()


@pytest.fixture
def make_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clis: FakeCLIs) -> Iterator[Callable[..., Any]]:
    """Makes shells with the extension loaded, the kernel's one client in front of the CLIs in memory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CLAUDE_MAGIC_SIMULATE", raising=False)
    monkeypatch.setattr(blocking, "_client", None)
    client = blocking.get_client(start=clis.start, compile=compile_fake, pool=PoolConfig(prewarm=0))
    shells: list[Any] = []

    def make(**settings: Any) -> Any:
        config = Config({"HistoryManager": {"enabled": False}, "ClaudeMagics": {"prewarm": 0, **settings}})
        shell = RaisingShell(config=config, ipython_dir=str(tmp_path / "ipython"))
        shells.append(shell)
        shell.run_cell("%load_ext claude_magic")
        return shell

    yield make
    client.close()
    for shell in shells:
        shell.restore_sys_module_state()
        shell.atexit_operations()
        atexit.unregister(shell.atexit_operations)


@pytest.fixture
def shell(make_shell: Callable[..., Any]) -> Any:
    """One such shell."""
    return make_shell()


@pytest.fixture
def prompts(clis: FakeCLIs) -> Callable[[], list[Any]]:
    """Returns the content of every prompt that reached a CLI."""
    return lambda: [message["message"]["content"] for cli in clis.started for message in user_messages(cli)]


def user_messages(cli: FakeTransport) -> list[dict[str, Any]]:
    return [message for message in cli.sent if message["type"] == "user"]
