"""`%claude mcp`, `--mcp` and `%claude context`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeCLIs
from IPython.core.error import UsageError

from claude_magic.magics import mcp_command
from claude_magic.records.context_usage import usage_table

Prompts = Callable[[], list[Any]]
Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home; servers that are asked all answer but for `silent`."""
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    for name in ("XDG_CONFIG_HOME", "CLAUDE_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    asked: list[str] = []

    def answers(servers: Any, environ: Any) -> dict[str, str]:
        asked.extend(server.name for server in servers)
        return {server.name: "it did not answer within 8 s" for server in servers if server.name == "silent"}

    monkeypatch.setattr(mcp_command, "silent_servers", answers)
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def config_of(shell: Any, name: str) -> Any:
    text = shell.magics_manager.registry["ClaudeMagics"].context.get_session(name).config.mcp_config
    return json.loads(text)["mcpServers"] if text else {}


@pytest.mark.parametrize(
    ("line", "name", "definition"),
    [
        ("files -- npx -y files '/a b'", "files", {"command": "npx", "args": ["-y", "files", "/a b"]}),
        ("web http://127.0.0.1:9/mcp", "web", {"type": "http", "url": "http://127.0.0.1:9/mcp"}),
        ("--env A=1 x --env B=2=3 -- run", "x", {"command": "run", "args": [], "env": {"A": "1", "B": "2=3"}}),
        ('{"mcpServers": {"pasted": {"command": "c"}}}', "pasted", {"command": "c"}),
        ('{"bare": {"url": "https://example.org/x"}}', "bare", {"url": "https://example.org/x"}),
    ],
)
def test_adding(shell: Any, prompts: Prompts, line: str, name: str, definition: Any) -> None:
    """A command, an address, or the JSON that others publish; a new session gets it by its name."""
    table = shell.run_cell(f"%claude mcp add {line}").result
    assert table["server"].tolist() == [name]
    assert table["trusted"].tolist() == [True]

    shell.run_cell(f"%%claude --quiet -s with --mcp {name}\nhi")
    shell.run_cell(f"%%claude --quiet -s with --mcp {name}\nagain")
    assert config_of(shell, "with") == {name: definition}
    assert prompts() == ["hi", "again"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("add", "a name and a command after --"),
        ("add x", "a name and a command after --"),
        ("add x file:///etc/passwd", "neither a command nor an address"),
        ("add {not json", "It takes: %claude mcp"),
        ("add --env A x -- y", "--env takes NAME=VALUE"),
        ("trust nosuch", "There is no MCP server 'nosuch'"),
        ("remove nosuch", "no server 'nosuch' was added here"),
        ("nosuch x", "%claude mcp nosuch is not understood"),
    ],
)
def test_mistakes(shell: Any, line: str, words: str) -> None:
    """One sentence that says what it takes; nothing is added."""
    with pytest.raises(UsageError) as caught:
        shell.run_cell(f"%claude mcp {line}")

    assert words in str(caught.value)
    assert len(shell.run_cell("%claude mcp").result) == 0


def test_a_server_of_a_folder_needs_trust(shell: Any, prompts: Prompts, tmp_path: Path) -> None:
    """It is said what it runs; one word lets it, until it changes."""
    file = tmp_path / ".mcp.json"
    file.write_text(json.dumps({"mcpServers": {"db": {"command": "serve", "args": ["--all"]}}}))
    with pytest.raises(UsageError, match=r"runs: serve --all\. If you know it, `%claude mcp trust db` lets it"):
        shell.run_cell("%%claude -s a --mcp db\nhi")
    assert prompts() == []

    shell.run_cell("%claude mcp trust db")
    shell.run_cell("%%claude --quiet -s a --mcp db\nhi")
    assert list(config_of(shell, "a")) == ["db"]

    file.write_text(json.dumps({"mcpServers": {"db": {"command": "evil"}}}))
    with pytest.raises(UsageError, match="runs: evil"):
        shell.run_cell("%%claude -s b --mcp db\nhi")


def test_a_silent_server_is_left_out(shell: Any, clis: FakeCLIs, prompts: Prompts, capsys: Output) -> None:
    """The prompt is sent without it, and the cell says so; it is asked once."""
    shell.run_cell("%claude mcp add silent -- x")
    shell.run_cell("%claude mcp add loud -- y")
    capsys.readouterr()

    shell.run_cell("%%claude --quiet -s a --mcp silent,loud\nhi")
    shell.run_cell("%%claude --quiet -s a --mcp silent,loud\nagain")

    assert list(config_of(shell, "a")) == ["loud"]
    assert capsys.readouterr().out.count("The MCP server silent is left out: it did not answer within 8 s.") == 1
    assert prompts() == ["hi", "again"]
    table = shell.run_cell("%claude mcp").result.set_index("server")
    assert table.loc["silent", ["state", "error"]].tolist() == ["silent", "it did not answer within 8 s"]


def test_an_open_session_cannot_take_another_server(shell: Any, prompts: Prompts) -> None:
    """The CLI takes them when it starts; a new session is suggested."""
    shell.run_cell("%claude mcp add x -- y")
    shell.run_cell("%claude ask --quiet hi")

    with pytest.raises(UsageError, match=r"open with other settings than --mcp"):
        shell.run_cell("%%claude --mcp x\nhi")
    assert prompts() == ["hi"]


def test_what_fills_the_window(shell: Any) -> None:
    """A table with a line that says the whole."""
    shell.run_cell("%claude ask --quiet hi")
    assert list(shell.run_cell("%claude context").result.columns) == ["category", "tokens", "share"]

    usage = {
        "totalTokens": 250, "maxTokens": 1000, "model": "opus",
        "categories": [{"name": "System prompt", "tokens": 150}, {"name": "Messages", "tokens": 100}, 7],
    }  # fmt: skip
    table = usage_table("main", usage)
    assert repr(table).startswith("main: 250 of 1,000 tokens (25%), opus\n")
    assert table["tokens"].tolist() == [150, 100]
    assert "15.0%" in table._repr_html_()
    assert len(usage_table("main", {})) == 0
