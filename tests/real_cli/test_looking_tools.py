"""Tools that only look, in every permission mode of the real CLI, and the rules of the CLI that forbid them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from real import real_client, real_config

from claude_magic.config import SessionConfig
from claude_magic.permissions import Deny, PermissionRequest
from claude_magic.simulator import Scenario, Simulator, rule, text, tool
from claude_magic.tools import ToolServer
from claude_magic.tools.tool import as_tool

KEY = "sk-ant-test-not-a-key"
RULE = "mcp__lab__look"


@pytest.fixture
def api() -> Iterator[Simulator]:
    scenario = Scenario(rules=[rule(None, tool(RULE), text("It said: {tool_result}"))])
    with Simulator(scenario, pace=0, key=KEY) as simulator:
        yield simulator


async def calls_of(config: SessionConfig) -> tuple[int, list[str]]:
    """How often a tool that looks was run by a turn, and about what its host was asked."""
    ran: list[str] = []
    asked: list[str] = []

    def look() -> str:
        """Look."""
        ran.append("look")
        return "seen"

    def ask(request: PermissionRequest) -> Deny:
        asked.append(request.tool_name)
        return Deny("not now")

    async with real_client(config, ask=ask) as client:
        client.add_tools(ToolServer("lab", [replace(as_tool(look), read_only=True, is_allowed=True)]))
        await client.create_session(name="main")
        await client.execute("main", "go")
    return len(ran), asked


@pytest.mark.parametrize("mode", ["default", "acceptEdits", "plan", "dontAsk", "auto"])
async def test_it_runs_without_a_question_in_every_mode(
    cli_path: Path, tmp_path: Path, api: Simulator, mode: str
) -> None:
    config = real_config(cli_path, tmp_path, api, permission_mode=mode)

    assert await calls_of(config) == (1, [])


async def test_what_the_session_forbids_is_not_run(cli_path: Path, tmp_path: Path, api: Simulator) -> None:
    config = real_config(cli_path, tmp_path, api, disallowed_tools=[RULE])

    assert await calls_of(config) == (0, [])


@pytest.mark.parametrize("place", ["the user's settings", "--settings"])
async def test_what_settings_forbid_is_not_run(
    cli_path: Path, tmp_path: Path, cli_env: dict[str, str], api: Simulator, place: str
) -> None:
    """Wherever the rule stands, also where the rule that allows is put beside it."""
    settings = json.dumps({"permissions": {"deny": [RULE]}})
    more: dict[str, Any] = {}
    if place == "--settings":
        more["extra_args"] = [f"--settings={settings}"]
    else:
        own = Path(cli_env["HOME"], ".claude")
        own.mkdir()
        (own / "settings.json").write_text(settings)
    variables = cli_env | {"ANTHROPIC_BASE_URL": api.url, "ANTHROPIC_API_KEY": KEY}
    config = SessionConfig(cli_path=str(cli_path), working_dir=tmp_path, environment=variables, **more)

    assert await calls_of(config) == (0, [])
