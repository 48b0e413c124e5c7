"""MCP servers: where they are told of, what is trusted by what it runs, and whether they answer."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from claude_magic.cli import mcp_servers
from claude_magic.cli.mcp_servers import (
    McpServer,
    find_servers,
    forget_server,
    keep_servers,
    record_path,
    silent_servers,
    trust_server,
)

ECHO = (
    "import json, sys\n"
    "print('hello, people')\n"
    "line = json.loads(sys.stdin.readline())\n"
    "print(json.dumps({'jsonrpc': '2.0', 'id': line['id'], 'result': {}}), flush=True)\n"
    "sys.stdin.read()\n"
)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An environment with an empty home."""
    home = tmp_path / "home"
    home.mkdir()
    return {"HOME": str(home), "USERPROFILE": str(home), "PATH": "/usr/bin:/bin"}


def write(path: Path, servers: Any) -> None:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(json.dumps({"mcpServers": servers}))


def found(folder: Path, environ: dict[str, str]) -> dict[str, McpServer]:
    return {server.name: server for server in find_servers(folder, environ)}


def test_where_they_are_told_of(tmp_path: Path, environ: dict[str, str]) -> None:
    """What the user added is trusted; what comes with a folder, or from another program, is not."""
    home = Path(environ["HOME"])
    write(tmp_path / ".mcp.json", {"folder": {"command": "a", "args": ["b c"]}, "both": {"command": "folder"}})
    write(home / ".jupyter" / "mcp_servers.json", {"jupyter": {"url": "http://127.0.0.1:1/mcp"}})
    local = {str(tmp_path.resolve()): {"mcpServers": {"local": {"command": "l"}}}}
    (home / ".claude.json").write_text(json.dumps({"mcpServers": {"mine": {"command": "m"}}, "projects": local}))
    keep_servers({"both": {"command": "added"}}, environ)

    servers = found(tmp_path, environ)

    assert {name: (one.source, one.trusted) for name, one in servers.items()} == {
        "both": ("added", True), "local": ("local", True), "folder": ("project", False), "mine": ("user", True),
        "jupyter": ("jupyter", False),
    }  # fmt: skip
    assert servers["folder"].runs == "a 'b c'"
    assert servers["jupyter"].transport == "http"
    assert record_path(environ).stat().st_mode & 0o077 == 0


def test_trust_is_for_what_is_run(tmp_path: Path, environ: dict[str, str]) -> None:
    """Whatever can make another program run is asked about again; another server is not touched."""
    first = {"one": {"command": "a", "env": {"KEY": "1"}}, "two": {"command": "b"}}
    write(tmp_path / ".mcp.json", first)
    for server in find_servers(tmp_path, environ):
        trust_server(server, environ)
    assert all(server.trusted for server in find_servers(tmp_path, environ))

    for changed in (
        {"command": "evil"},
        {"command": "a", "env": {"KEY": "another"}},
        {"command": "a", "env": {"KEY": "1", "MORE": "x"}},
        {"command": "a", "args": ["-x"]},
    ):
        write(tmp_path / ".mcp.json", {**first, "one": changed})
        assert not found(tmp_path, environ)["one"].trusted
        assert found(tmp_path, environ)["two"].trusted


@pytest.mark.parametrize(
    ("definition", "words"),
    [
        (7, "not an object"),
        ({}, "neither a command nor an address"),
        ({"url": "file:///etc/passwd"}, "neither a command nor an address"),
        ({"command": "x", "args": "y"}, "args are not a list"),
        ({"command": "x", "env": []}, "env are not an object"),
        ({"command": "x", "env": {"A": "${NOT_SET_ANYWHERE}"}}, "needs the variable NOT_SET_ANYWHERE"),
        ({"command": "x", "env": {"A": "${NOT_SET_ANYWHERE:-1}"}}, ""),
    ],
)
def test_a_broken_entry_costs_only_itself(tmp_path: Path, environ: dict[str, str], definition: Any, words: str) -> None:
    """It says what is wrong; the others are as they were."""
    write(tmp_path / ".mcp.json", {"odd": definition, "fine": {"command": "a"}})

    servers = found(tmp_path, environ)

    assert words in servers["odd"].problem
    assert bool(words) == bool(servers["odd"].problem)
    assert servers["fine"].problem == ""


def test_a_broken_file_costs_only_itself(tmp_path: Path, environ: dict[str, str]) -> None:
    """So does one of our own."""
    keep_servers({"added": {"command": "a"}}, environ)
    (tmp_path / ".mcp.json").write_text("{not json")
    assert list(found(tmp_path, environ)) == ["added"]
    record_path(environ).write_text("[]")
    assert found(tmp_path, environ) == {}


def test_adding_and_removing(tmp_path: Path, environ: dict[str, str]) -> None:
    """What cannot be used is not added; a variable may be set later."""
    with pytest.raises(ValueError, match="cannot be added: it has neither"):
        keep_servers({"fine": {"command": "a"}, "odd": {}}, environ)
    assert found(tmp_path, environ) == {}

    keep_servers({"later": {"command": "a", "env": {"TOKEN": "${TOKEN_OF_MINE}"}}}, environ)
    assert "TOKEN_OF_MINE" in found(tmp_path, environ)["later"].problem
    assert forget_server("later", environ)
    assert not forget_server("later", environ)


def test_who_does_not_answer_is_named(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """All are asked at the same time, and not for long; what they started is ended."""
    monkeypatch.setattr(mcp_servers, "ANSWERS_WITHIN_S", 1.0)
    silent = "import time; time.sleep(300)"
    servers = [
        McpServer("good", "added", {"command": sys.executable, "args": ["-c", ECHO]}),
        McpServer("missing", "added", {"command": "/no/such/program"}),
        McpServer("ends", "added", {"command": sys.executable, "args": ["-c", "raise SystemExit(3)"]}),
        *(McpServer(f"silent{n}", "added", {"command": sys.executable, "args": ["-c", silent]}) for n in range(3)),
        McpServer("web", "added", {"url": "http://127.0.0.1:9/mcp"}),
    ]

    began = time.monotonic()
    problems = silent_servers(servers, environ)

    assert time.monotonic() - began < 20
    assert set(problems) == {"missing", "ends", "silent0", "silent1", "silent2", "web"}
    assert "No such file" in problems["missing"]
    assert "exit code 3" in problems["ends"]
    assert "did not answer within 1 s" in problems["silent0"]
    assert "cannot be reached" in problems["web"]
