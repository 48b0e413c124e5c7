"""`%claude mcp` and `--mcp`: the MCP servers that there are, which of them a session gets, and how they stand."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from claude_magic.cli.mcp_servers import (
    McpServer,
    described_status,
    find_servers,
    forget_server,
    keep_servers,
    silent_servers,
    trust_server,
)
from claude_magic.config import SessionConfig
from claude_magic.errors import ClaudeError
from claude_magic.magics.context import NotebookContext
from claude_magic.magics.parsing import did_you_mean
from claude_magic.rendering.text import one_line

if TYPE_CHECKING:
    import pandas as pd

MCP_USAGE = "mcp [add NAME -- COMMAND|add NAME URL|trust NAME|remove NAME]"
_COLUMNS = ["server", "source", "runs", "trusted", "state", "tools", "error", "session"]
_SENT = "Nothing was sent."


def mcp(context: NotebookContext, rest: str) -> pd.DataFrame:
    """Return the MCP servers as a table: where each is told of, what it runs, whether it is trusted, how it stands.

    `add NAME -- COMMAND ARGS` and `add NAME URL` add one for all your notebooks, and so does `add` with the JSON that
    servers publish for other programs; `--env NAME=VALUE` and `--header NAME=VALUE` come before the `--`. `--mcp NAME`
    gives it to a new session. `trust NAME` trusts what a server of this folder runs today.
    """
    verb, _, more = rest.partition(" ")
    if verb == "add":
        _add(more.strip())
    elif verb == "trust":
        server = _known(context, more.strip())
        trust_server(server, os.environ)
        print(f"{server.name} is trusted as long as it runs: {server.runs}")
    elif verb == "remove":
        if not forget_server(more.strip(), os.environ):
            raise UsageError(f"%claude mcp remove: no server {more.strip()!r} was added here.")
        print(f"Removed {more.strip()}.")
    elif verb:
        raise UsageError(f"%claude mcp {verb} is not understood; it takes: %claude {MCP_USAGE}")
    table = _table(context)
    context.mcp_problems.clear()  # the next session asks them again
    return table


def _add(line: str) -> None:
    """Add what was typed: a command, an address, or JSON."""
    try:
        servers = _from_json(line) if line.startswith("{") else _from_words(line)
        keep_servers(servers, os.environ)
    except ValueError as error:
        raise UsageError(f"%claude mcp add: {error} It takes: %claude {MCP_USAGE}") from None
    names = ", ".join(servers)
    print(f"Added {names}. A new session gets it with: %%claude -s NAME --mcp {names.replace(', ', ',')}")


def _from_json(text: str) -> dict[str, Any]:
    content = json.loads(text)
    servers = content.get("mcpServers", content) if isinstance(content, dict) else {}
    if not isinstance(servers, dict) or not servers:
        raise ValueError("it has no servers.")
    return servers


def _from_words(line: str) -> dict[str, Any]:
    words = shlex.split(line)
    before, after = (words, []) if "--" not in words else (words[: words.index("--")], words[words.index("--") + 1 :])
    options: dict[str, dict[str, str]] = {"--env": {}, "--header": {}}
    plain: list[str] = []
    given = iter(before)
    for word in given:
        if word in options:
            name, sign, value = next(given, "").partition("=")
            if not sign:
                raise ValueError(f"{word} takes NAME=VALUE.")
            options[word][name] = value
        else:
            plain.append(word)
    if len(plain) == 2 and not after:
        definition: dict[str, Any] = {"type": "http", "url": plain[1]}
    elif len(plain) == 1 and after:
        definition = {"command": after[0], "args": after[1:]}
    else:
        raise ValueError("a name and a command after --, or a name and an address, are needed.")
    definition |= {"env": options["--env"]} if options["--env"] else {}
    definition |= {"headers": options["--header"]} if options["--header"] else {}
    return {plain[0]: definition}


def _servers(context: NotebookContext) -> dict[str, McpServer]:
    found = find_servers(context.base_config.working_dir, os.environ)
    return {server.name: server for server in found}


def _known(context: NotebookContext, name: str) -> McpServer:
    servers = _servers(context)
    if name not in servers:
        hint = did_you_mean(name, servers) or "."
        raise UsageError(f"There is no MCP server {name!r}{hint} `%claude mcp` lists them. {_SENT}")
    return servers[name]


def with_servers(context: NotebookContext, names: Iterable[str], config: SessionConfig, *, ask: bool) -> SessionConfig:
    """Return settings whose sessions have MCP servers too; one that does not answer is left out, and said.

    Args:
        context: what the magics share.
        names: their names.
        config: the settings.
        ask: whether they are asked to say hello, which starts them; once in a kernel.

    Raises:
        UsageError: there is none of a name, or it is not trusted, or cannot be used as it is written.
    """
    chosen = [_usable(context, name) for name in names]
    problems = context.mcp_problems
    if ask:
        unknown = [server for server in chosen if server.digest not in problems]
        silent = silent_servers(unknown, os.environ)
        for server in unknown:
            problems[server.digest] = silent.get(server.name, "")
            if problems[server.digest]:
                print(f"The MCP server {server.name} is left out: {problems[server.digest]}.")
    definitions = {server.name: dict(server.definition) for server in chosen if not problems.get(server.digest)}
    if not definitions:
        return config
    given = config.mcp_config or ""
    before: Any = json.loads(given) if given.startswith("{") else {}
    return config.replace(mcp_config={"mcpServers": {**before.get("mcpServers", {}), **definitions}})


def _usable(context: NotebookContext, name: str) -> McpServer:
    server = _known(context, name)
    if server.problem:
        raise UsageError(f"The MCP server {name!r} cannot be used: {server.problem}. {_SENT}")
    if not server.trusted:
        raise UsageError(
            f"The MCP server {name!r} comes with this folder and runs: {one_line(server.runs, 200)}. If you know it, "
            f"`%claude mcp trust {name}` lets it. {_SENT}"
        )
    return server


def _table(context: NotebookContext) -> pd.DataFrame:
    """Return a row for each server, and for each session that has it."""
    import pandas as pd

    rows: list[tuple[Any, ...]] = []
    servers = _servers(context)
    seen: set[str] = set()
    for session in context.open_sessions:
        try:
            statuses = context.client.mcp_status(session)
        except ClaudeError:
            continue
        for name, state, error, tools in described_status(statuses):
            server = servers.get(name)
            seen.add(name)
            about = (server.source, server.runs, server.trusted) if server else ("session", "", True)
            rows.append((name, *about, state, ", ".join(tools), one_line(error, 200), session.name))
    for server in servers.values():
        if server.name not in seen:
            error = server.problem or context.mcp_problems.get(server.digest, "")
            state = (
                "cannot be used" if server.problem else "not trusted" if not server.trusted else "silent" * bool(error)
            )
            rows.append((server.name, server.source, server.runs, server.trusted, state, "", error, ""))
    return pd.DataFrame(rows, columns=_COLUMNS)
