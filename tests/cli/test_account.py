"""Who pays, in words, from what both CLIs say of every kind of credentials."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from real import real_client

from claude_magic.cli.account import is_logged_in, key_notice, who_pays
from claude_magic.config import SessionConfig
from claude_magic.simulator import Simulator

GATEWAY = "the owner of the token in ANTHROPIC_AUTH_TOKEN pays: the gateway gets it"
KEY = {"apiKeySource": "ANTHROPIC_API_KEY", "apiProvider": "firstParty"}
LOGIN = {"claudeAiOauth": {
    "accessToken": "sk-ant-oat01-not-a-token", "refreshToken": "sk-ant-ort01-not-a-token", "expiresAt": 4102444800000,
    "scopes": ["user:inference", "user:profile"], "subscriptionType": "max",
}}  # fmt: skip


@pytest.mark.parametrize(
    ("account", "words"),
    [
        ({"tokenSource": "none", "apiProvider": "firstParty"}, ""),
        ({}, ""),
        ({"tokenSource": 7, "apiKeySource": ["x"]}, ""),
        ({"tokenSource": "none", **KEY}, "the key in ANTHROPIC_API_KEY pays"),
        ({"tokenSource": "claude.ai", **KEY}, "the key in ANTHROPIC_API_KEY pays"),
        ({"tokenSource": "CLAUDE_CODE_OAUTH_TOKEN"}, "your login pays (token from CLAUDE_CODE_OAUTH_TOKEN)"),
        ({"subscriptionType": "Claude Max", "organization": "Us"}, "your login pays (Claude Max, Us)"),
        ({"tokenSource": "none", "apiProvider": "bedrock"}, "the cloud account (bedrock) pays"),
        ({"tokenSource": "ANTHROPIC_AUTH_TOKEN"}, GATEWAY),
        ({"tokenSource": "ANTHROPIC_AUTH_TOKEN", **KEY}, f"{GATEWAY}, and the key in ANTHROPIC_API_KEY"),
    ],
)
def test_account_says_who_pays(account: dict[str, Any], words: str) -> None:
    """A key, a login, the token of a gateway, a cloud, or no one, and then no one is logged in."""
    assert who_pays({"account": account}) == words
    assert is_logged_in({"account": account}) is bool(words)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a login may be kept in the system's keychain")
@pytest.mark.parametrize(
    ("variables", "words"),
    [({}, "your login pays (Claude Max)"), ({"ANTHROPIC_API_KEY": "sk-ant-not-a-key"}, "the key in ANTHROPIC_API_KEY")],
)
async def test_account_of_the_real_cli(
    cli_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], words: str
) -> None:
    """A user who has only logged in is logged in, and a key wins over it."""
    for name in [name for name in os.environ if name.startswith(("ANTHROPIC_", "CLAUDE_", "AWS_"))]:
        monkeypatch.delenv(name)
    (tmp_path / ".credentials.json").write_text(json.dumps(LOGIN))
    api = {"ANTHROPIC_BASE_URL": Simulator.refused_url(), "CLAUDE_CONFIG_DIR": str(tmp_path)}
    config = SessionConfig(cli_path=cli_path, working_dir=tmp_path, environment=api | variables)
    async with real_client(config) as client:
        info = await client.account()

    assert who_pays(info).startswith(words)
    assert bool(key_notice(info, given=False)) is bool(variables)


@pytest.mark.parametrize(
    ("account", "given", "words"),
    [
        ({"tokenSource": "claude.ai", "apiKeySource": "ANTHROPIC_API_KEY"}, False, "The key in ANTHROPIC_API_KEY pays"),
        ({"tokenSource": "claude.ai", "apiKeySource": "ANTHROPIC_API_KEY"}, True, ""),
        ({"tokenSource": "none", "apiKeySource": "ANTHROPIC_API_KEY"}, False, ""),
        ({"tokenSource": "claude.ai", "apiKeySource": "none"}, False, ""),
        ({"tokenSource": "ANTHROPIC_AUTH_TOKEN", "apiKeySource": "ANTHROPIC_API_KEY"}, False, ""),
        ({}, False, ""),
    ],
)
def test_account_notice_of_a_key_that_wins_over_a_login(account: dict[str, str], given: bool, words: str) -> None:
    """It says who pays, unless the key was given on purpose or there is no login."""
    said = key_notice({"account": account}, given)

    assert said.startswith(words)
    assert bool(said) is bool(words)
