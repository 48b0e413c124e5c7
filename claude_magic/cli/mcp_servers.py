"""MCP servers by name: where they are told of, what each runs, whether the user trusts that, and whether it answers.

A server is trusted by what it runs: the hash of its command or address, its arguments, its variables and headers. One
that changes is asked about again, and no other with it. One that is not trusted is never started.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import signal
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from claude_magic.cli.trust import MCP_FILE, local_mcp_servers, user_mcp_servers
from claude_magic.lenient import mapping
from claude_magic.paths import home_dir, make_private_dir, read_regular, replace_private, user_dir

ANSWERS_WITHIN_S = 8.0
"""How long a server may take to say hello; the CLI (2.1.332) holds the first prompt for 30 s."""
_LARGEST_FILE = 2**22
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_VARIABLE = re.compile(r"\$\{(\w+)(:-[^}]*)?\}")
_HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "claude_magic", "version": "1"},
    },
}


@dataclass(frozen=True)
class McpServer:
    """One MCP server that is told of somewhere.

    Attributes:
        name: its name.
        source: where it is told of: `added` (here), `local` and `user` (the CLI's own record), `project` (.mcp.json),
            or `jupyter`.
        definition: how it is started or reached, as the CLI takes it.
        trusted: whether the user trusts what it runs.
        problem: why it cannot be used; "" if it can, as far as is known.
    """

    name: str
    source: str
    definition: Mapping[str, Any]
    trusted: bool = False
    problem: str = ""

    @property
    def transport(self) -> str:
        """How it is spoken to: stdio, http or sse."""
        return str(self.definition.get("type") or ("http" if "url" in self.definition else "stdio"))

    @property
    def runs(self) -> str:
        """What it runs, or where it is: one line without the values of variables and headers."""
        if "url" in self.definition:
            return str(self.definition["url"])
        arguments = self.definition.get("args")
        given = arguments if isinstance(arguments, list) else []
        return shlex.join([str(self.definition.get("command", "")), *map(str, given)])

    @property
    def digest(self) -> str:
        """The hash that trust is given to."""
        # A variable such as NODE_OPTIONS or PYTHONPATH can make the same command run something else.
        given = [sorted(mapping(self.definition.get(part)).items()) for part in ("env", "headers")]
        parts = [self.name, self.transport, self.runs, *given]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def find_servers(folder: str | Path, environ: Mapping[str, str]) -> list[McpServer]:
    """Return the servers that are told of for a folder, each name once. A broken file or entry costs only itself.

    Args:
        folder: the working folder.
        environ: tells the home and configuration folders.
    """
    kept = _load(record_path(environ))
    known = set(mapping(kept.get("trusted")))
    found: dict[str, McpServer] = {}
    for source, servers in (
        ("added", mapping(kept.get("servers"))),
        ("local", local_mcp_servers(folder, environ)),
        ("project", _servers_in(Path(folder, MCP_FILE))),
        ("user", user_mcp_servers(environ)),
        ("jupyter", _servers_in(home_dir(environ) / ".jupyter" / "mcp_servers.json")),
    ):
        for name, definition in servers.items():
            server = McpServer(name, source, mapping(definition), problem=problem_of(name, definition, environ))
            is_own = source in ("added", "local", "user")  # the user's own word
            found.setdefault(name, replace(server, trusted=is_own or server.digest in known))
    return list(found.values())


def problem_of(name: str, definition: Any, environ: Mapping[str, str]) -> str:
    """Return why a server cannot be used as it is written; "" if nothing is wrong with it."""
    if not _NAME.fullmatch(name):
        return "its name may have letters, digits, - and _ only"
    if not isinstance(definition, dict):
        return "it is not an object with a command or a url"
    command, url = definition.get("command"), definition.get("url")
    if isinstance(url, str) and re.match(r"https?://\S+", url):
        values = [url]
    elif isinstance(command, str) and command.strip():
        values = [command]
    else:
        return "it has neither a command nor an address that begins with http:// or https://"
    if not isinstance(definition.get("args", []), list):
        return "its args are not a list"
    for part in ("env", "headers"):
        if not isinstance(definition.get(part, {}), dict):
            return f"its {part} are not an object"
        values += [str(value) for value in mapping(definition.get(part)).values()]
    missing = [
        found[1]
        for text in [*values, *map(str, definition.get("args", []))]
        for found in _VARIABLE.finditer(text)
        if found[2] is None and found[1] not in environ
    ]
    return f"it needs the variable {missing[0]}, which is not set" if missing else ""


# ---- what the user decides ----


def record_path(environ: Mapping[str, str]) -> Path:
    """Return the file that keeps added servers and what is trusted."""
    return user_dir("config", environ) / "mcp.json"


def keep_servers(servers: Mapping[str, Any], environ: Mapping[str, str]) -> None:
    """Add servers, for all notebooks of this user; one of the same name is replaced.

    Raises:
        ValueError: one cannot be used as it is written; none is added then.
        OSError: the file cannot be written.
    """
    for name, definition in servers.items():
        if problem := problem_of(name, definition, {**environ, **dict.fromkeys(_variables_in(definition), "")}):
            raise ValueError(f"The server {name!r} cannot be added: {problem}.")
    kept = _load(record_path(environ))
    _write({**kept, "servers": {**mapping(kept.get("servers")), **servers}}, environ)


def forget_server(name: str, environ: Mapping[str, str]) -> bool:
    """Remove a server that was added; return whether there was one."""
    kept = _load(record_path(environ))
    servers = dict(mapping(kept.get("servers")))
    if servers.pop(name, None) is None:
        return False
    _write({**kept, "servers": servers}, environ)
    return True


def trust_server(server: McpServer, environ: Mapping[str, str]) -> None:
    """Record that the user trusts what a server runs today.

    Raises:
        OSError: the file cannot be written.
    """
    kept = _load(record_path(environ))
    _write({**kept, "trusted": {**mapping(kept.get("trusted")), server.digest: server.name}}, environ)


def _write(kept: Mapping[str, Any], environ: Mapping[str, str]) -> None:
    path = record_path(environ)
    make_private_dir(path.parent)
    replace_private(path, json.dumps(kept, indent=1, sort_keys=True).encode())


def _variables_in(definition: Any) -> list[str]:
    return [found[1] for found in _VARIABLE.finditer(json.dumps(definition, default=str))]


def _servers_in(path: Path) -> dict[str, Any]:
    """Return the servers of a file in the form that the CLI, and others with it, write."""
    return mapping(_load(path).get("mcpServers"))


def _load(path: Path) -> dict[str, Any]:
    try:
        return mapping(json.loads(read_regular(path, limit=_LARGEST_FILE)))
    except (OSError, ValueError, RecursionError):
        return {}


# ---- whether it answers ----


def silent_servers(servers: Iterable[McpServer], environ: Mapping[str, str]) -> dict[str, str]:
    """Return why servers do not answer, by name. All are asked at the same time. Blocks, for a few seconds at most.

    Args:
        servers: trusted ones.
        environ: the environment they are started in.
    """
    problems: dict[str, str] = {}

    def ask(server: McpServer) -> None:
        try:
            _greet(server, environ)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            problems[server.name] = str(error) or type(error).__name__

    threads = [threading.Thread(target=ask, args=(server,), daemon=True) for server in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return problems


def _greet(server: McpServer, environ: Mapping[str, str]) -> None:
    filled = json.loads(_filled(json.dumps(dict(server.definition)), environ))
    if server.transport == "stdio":
        _greet_program(filled, environ)
        return
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    request = urllib.request.Request(
        filled["url"], json.dumps(_HELLO).encode(), {**headers, **mapping(filled.get("headers"))}
    )
    try:
        with urllib.request.urlopen(request, timeout=ANSWERS_WITHIN_S):
            return
    except urllib.error.HTTPError:
        return  # it answers; what it wants is between it and the CLI
    except urllib.error.URLError as error:
        raise OSError(f"{filled['url']} cannot be reached: {error.reason}") from None


def _filled(text: str, environ: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        given = environ.get(found[1], (found[2] or "")[2:])
        return json.dumps(given)[1:-1]

    return _VARIABLE.sub(value, text)


def _greet_program(definition: Mapping[str, Any], environ: Mapping[str, str]) -> None:
    program = subprocess.Popen(
        [definition["command"], *map(str, definition.get("args", []))],
        env={**environ, **{name: str(value) for name, value in mapping(definition.get("env")).items()}},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    too_late = threading.Timer(ANSWERS_WITHIN_S, _end, (program,))
    too_late.daemon = True
    too_late.start()
    try:
        assert program.stdin is not None  # they are pipes
        assert program.stdout is not None
        with suppress(BrokenPipeError):
            program.stdin.write(json.dumps(_HELLO).encode() + b"\n")
            program.stdin.flush()
        if not any(_is_answer(line) for line in program.stdout):
            code = program.wait(1) if too_late.is_alive() else None
            late = f"it did not answer within {ANSWERS_WITHIN_S:g} s"
            raise ValueError(late if code is None else f"it ended at once (exit code {code})")
    finally:
        too_late.cancel()
        _end(program)
        with suppress(OSError, ValueError):
            program.communicate(timeout=1)


def _end(program: subprocess.Popen[bytes]) -> None:
    """End a server and what it started: it holds the line open, too."""
    if hasattr(os, "killpg"):
        with suppress(OSError):
            os.killpg(program.pid, signal.SIGKILL)
    program.kill()


def _is_answer(line: bytes) -> bool:
    try:
        return mapping(json.loads(line)).get("id") == 1
    except ValueError:
        return False  # what a server prints beside the protocol


def described_status(statuses: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str, str, list[str]]]:
    """Yield name, state, last error and tools of each server that the CLI tells of."""
    for status in statuses:
        tools = status.get("tools")
        names = [str(mapping(tool).get("name", "")) for tool in tools] if isinstance(tools, list) else []
        yield str(status.get("name", "")), str(status.get("status", "")), str(status.get("error") or ""), names
