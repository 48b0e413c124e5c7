"""What a person needs to know when it does not work: `%claude doctor` and `claude-magic doctor`."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from typing import TYPE_CHECKING

from claude_magic import __version__
from claude_magic.cli import cli_version, find_cli
from claude_magic.command import build_command
from claude_magic.config import RetryPolicy, SessionConfig
from claude_magic.connection import is_logged_in
from claude_magic.errors import WAYS_TO_LOG_IN, ClaudeError
from claude_magic.trust import examine_folder

if TYPE_CHECKING:
    from claude_magic.blocking import ClaudeClient

_ACCOUNT = {
    "subscriptionType": "subscription",
    "organization": "organization",
    "tokenSource": "token from",
    "apiKeySource": "key from",
    "apiProvider": "provider",
}
"""What the CLI says of an account (2.1.197 and 2.1.330), in words; the e-mail address is nobody else's business."""
_NOTHING = (None, "", "none", "firstParty")


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
        yield f"account:   {_account(client)}"
        left_out = build_command(config, RetryPolicy()).notice or "No settings are left out."
        yield f"folder:    {config.working_dir}. {left_out}"
        findings = examine_folder(config.working_dir, os.environ).findings
        yield f"brings:    {', '.join(findings) or 'nothing that needs trust'}"
    except ClaudeError as error:
        yield f"failed:    {error.message}"
    yield f"simulated: {config.simulated.url if config.simulated else 'no'}"
    yield f"pool:      {_pool(client)}"


def _account(client: ClaudeClient) -> str:
    info = client.account()
    if not is_logged_in(info):
        return f"NOT LOGGED IN. {WAYS_TO_LOG_IN}"
    account = info.get("account") or {}
    facts = [f"{words} {account[key]}" for key, words in _ACCOUNT.items() if account.get(key) not in _NOTHING]
    return ", ".join(["logged in", *facts])


def _pool(client: ClaudeClient) -> str:
    """Return how many processes there are and who waits; the pool's own description without its frame."""
    return repr(client).partition("<SessionPool ")[2].rstrip(">")
