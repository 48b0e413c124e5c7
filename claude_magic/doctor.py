"""What a person needs to know when it does not work: `%claude doctor` and `claude-magic doctor`."""

from __future__ import annotations

import os
import platform
import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING

from claude_magic._version import __version__
from claude_magic.cli.account import key_notice, who_pays
from claude_magic.cli.command import build_launcher
from claude_magic.cli.discovery import cli_version, find_cli
from claude_magic.cli.mcp_servers import find_servers
from claude_magic.cli.trust import examine_folder
from claude_magic.config import RetryPolicy, SessionConfig
from claude_magic.errors import WAYS_TO_LOG_IN, ClaudeError, CLINotFoundError

if TYPE_CHECKING:
    from claude_magic.blocking import ClaudeClient

_NOT_LOGGED_IN = "NOT LOGGED IN"


def versions(config: SessionConfig) -> str:
    """Return the versions of the package and of the CLI, in one line.

    Raises:
        CLINotFoundError: there is no CLI; says the ways to get one.
    """
    return f"claude_magic {__version__}, Claude CLI {cli_version(find_cli(config.cli_path))}"


def diagnose(client: ClaudeClient, config: SessionConfig) -> Iterator[str]:
    """Yield what there is to know, line by line, and at the end the commands that mend what is missing.

    Starts a CLI to ask who is logged in; sends no prompt.

    Args:
        client: starts the CLI.
        config: what a new session would start from.
    """
    mends: list[str] = []
    yield f"claude_magic {__version__}, Python {platform.python_version()} on {platform.system()}"
    try:
        path = find_cli(config.cli_path)
        yield f"CLI:       {cli_version(path)} at {path}"
        account = _account(client, config)
        yield f"account:   {account}"
        if account.startswith(_NOT_LOGGED_IN):
            mends.append(f"in a terminal: {shlex.quote(str(path))} setup-token  (or set ANTHROPIC_API_KEY)")
        left_out = build_launcher(config, RetryPolicy()).notice
        yield f"folder:    {config.working_dir}. {left_out or 'No settings are left out.'}"
        if left_out:
            mends.append("%claude trust  (uses what this folder brings)")
        findings = examine_folder(config.working_dir, os.environ).findings
        yield f"brings:    {', '.join(findings) or 'nothing that needs trust'}"
        for server in find_servers(config.working_dir, os.environ):
            if server.problem:
                yield f"MCP:       {server.name} cannot be used: {server.problem}"
                mends.append(f"%claude mcp remove {server.name}" if server.source == "added" else f"edit {server.name}")
    except ClaudeError as error:
        yield f"failed:    {error.message}"
        mends += (
            ['%pip install "claude-magic[cli]"  (brings a CLI along)'] if isinstance(error, CLINotFoundError) else []
        )
    yield f"simulated: {config.simulated.url if config.simulated else 'no'}"
    yield f"pool:      {client.pool_status}"
    yield from (f"to mend:   {mend}" for mend in mends)


def _account(client: ClaudeClient, config: SessionConfig) -> str:
    if config.simulated is not None:
        return "no one pays: answers are simulated"
    info = client.account()
    # The e-mail address is private.
    return key_notice(info, given=False) or who_pays(info) or f"{_NOT_LOGGED_IN}. {WAYS_TO_LOG_IN}"
