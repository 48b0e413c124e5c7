"""`claude-magic`: one clear line for each mistake, and help that needs no CLI."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import claude_magic
from claude_magic.__main__ import main
from claude_magic.config import SessionConfig, SimulatedAPI
from claude_magic.doctor import _account
from claude_magic.errors import WAYS_TO_LOG_IN

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty home in which nobody is logged in."""
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN", "CLAUDE_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_version_names_package_and_cli(
    cli_path: Path, alone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line."""
    monkeypatch.setenv("CLAUDE_MAGIC_CLI", str(cli_path))

    assert main(["version"]) == 0
    assert capsys.readouterr().out.startswith(f"claude_magic {claude_magic.__version__}, Claude CLI 2.")


def test_version_without_a_cli_says_how_to_get_one(
    alone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A path that leads nowhere is not passed over in silence."""
    monkeypatch.setenv("CLAUDE_MAGIC_CLI", str(alone / "none"))

    assert main(["version"]) == 1
    assert "CLAUDE_MAGIC_CLI" in capsys.readouterr().out


def test_doctor_tells_cli_account_and_folder(
    cli_path: Path, alone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With nobody logged in it says so, and how to."""
    monkeypatch.setenv("CLAUDE_MAGIC_CLI", str(cli_path))
    (alone / ".mcp.json").write_text('{"mcpServers": {"one": {"command": "x"}}}', encoding="utf-8")

    assert main(["doctor"]) == 0

    told = capsys.readouterr().out
    assert str(cli_path) in told
    assert "NOT LOGGED IN" in told
    assert "/login" in told
    assert ".mcp.json" in told
    assert f"folder:    {Path.cwd()}. " in told
    assert re.search(r"^to mend:   in a terminal: .* setup-token", told, re.MULTILINE)
    assert re.search(r"^to mend:   %claude trust", told, re.MULTILINE)
    assert re.search(r"^pool:      \d of 8 processes, \d warm, 0 waiting$", told, re.MULTILINE)


@pytest.mark.parametrize(
    ("account", "words"),
    [
        ({"email": "me@example.org", "subscriptionType": "Claude Max"}, "your login pays (Claude Max)"),
        (
            {"tokenSource": "claude.ai", "apiKeySource": "ANTHROPIC_API_KEY"},
            "The key in ANTHROPIC_API_KEY pays for this session, not your login (claude.ai). "
            "Without that variable, the login does.",
        ),
        ({"tokenSource": "none", "apiKeySource": "none"}, f"NOT LOGGED IN. {WAYS_TO_LOG_IN}"),
    ],
)
def test_doctor_tells_who_pays(account: dict[str, str], words: str) -> None:
    """In the words that the cells use."""
    client: Any = SimpleNamespace(account=lambda: {"account": account})

    assert _account(client, SessionConfig()) == words


def test_doctor_tells_that_nobody_pays_for_simulated_answers() -> None:
    """The simulator's key is no account."""
    config = SessionConfig(simulated=SimulatedAPI("http://127.0.0.1:9", "folder", "key"))

    assert _account(SimpleNamespace(), config) == "no one pays: answers are simulated"  # type: ignore[arg-type]


def test_doctor_goes_on_where_there_is_no_cli(
    alone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The missing CLI is the finding, not the end of it."""
    monkeypatch.setenv("CLAUDE_MAGIC_CLI", str(alone / "none"))

    assert main(["doctor"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines[1:]] == ["failed", "simulated", "pool", "to mend"]
    assert '%pip install "claude-magic[cli]"' in lines[-1]


def test_simulate_takes_its_own_options(capsys: pytest.CaptureFixture[str]) -> None:
    """They are passed on as they are, `--help` too."""
    assert main(["simulate", "--list"]) == 0
    assert capsys.readouterr().out.startswith("default ")
    with pytest.raises(SystemExit, match="0"):
        main(["simulate", "--help"])
    assert "--scenario" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "COMMAND"),
        (["nope"], "'nope'"),
        (["doctor", "me"], "doctor takes no arguments: me"),
        (["version", "--loud"], "version takes no arguments: --loud"),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """After the usage line, on stderr; exit code 2."""
    with pytest.raises(SystemExit, match="2"):
        main(arguments)

    assert words in capsys.readouterr().err.splitlines()[-1]


def test_it_runs_as_a_module() -> None:
    """`python -m claude_magic`, and without importing pandas, IPython or a browser's worth of packages."""
    code = "import sys, runpy; sys.argv[1:] = ['--version']; sys.argv[0] = 'x'\n"
    code += "try: runpy.run_module('claude_magic', run_name='__main__')\n"
    code += "except SystemExit: print(sorted({'pandas', 'IPython', 'matplotlib'} & set(sys.modules)))"

    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)

    assert done.stdout.splitlines() == [f"claude_magic {claude_magic.__version__}", "[]"]
