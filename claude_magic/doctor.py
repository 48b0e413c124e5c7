"""What a person needs to know when it does not work: `%claude doctor` and `claude-magic doctor`."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from typing import TYPE_CHECKING

from claude_magic._version import __version__
from claude_magic.cli.account import key_notice, who_pays
from claude_magic.cli.command import build_launcher
from claude_magic.cli.discovery import cli_version, find_cli
from claude_magic.cli.trust import examine_folder
from claude_magic.config import RetryPolicy, SessionConfig
from claude_magic.errors import WAYS_TO_LOG_IN, ClaudeError

if TYPE_CHECKING:
    from claude_magic.blocking import ClaudeClient


def versions(config: SessionConfig) -> str:
    """Return the versions of the package and of the CLI, in one line.

    Raises:
        CLINotFoundError: there is no CLI; says the ways to get one.
    """
    return f"claude_magic {__version__}, Claude CLI {cli_version(find_cli(config.cli_path))}"


def diagnose(client: ClaudeClient, config: SessionConfig) -> Iterator[str]:
    """Yield what there is to know, line by line. Starts a CLI to ask who is logged in; sends no prompt.

    Args:
        client: starts the CLI.
        config: what a new session would start from.
    """
    yield f"claude_magic {__version__}, Python {platform.python_version()} on {platform.system()}"
    try:
        path = find_cli(config.cli_path)
        yield f"CLI:       {cli_version(path)} at {path}"
        yield f"account:   {_account(client, config)}"
        left_out = build_launcher(config, RetryPolicy()).notice or "No settings are left out."
        yield f"folder:    {config.working_dir}. {left_out}"
        findings = examine_folder(config.working_dir, os.environ).findings
        yield f"brings:    {', '.join(findings) or 'nothing that needs trust'}"
    except ClaudeError as error:
        yield f"failed:    {error.message}"
    yield f"simulated: {config.simulated.url if config.simulated else 'no'}"
    yield f"pool:      {client.pool_status}"


def _account(client: ClaudeClient, config: SessionConfig) -> str:
    if config.simulated is not None:
        return "no one pays: answers are simulated"
    info = client.account()
    # The e-mail address is private.
    return key_notice(info, given=False) or who_pays(info) or f"NOT LOGGED IN. {WAYS_TO_LOG_IN}"
