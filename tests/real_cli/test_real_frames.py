"""The frames of runs of the real CLI, live and from its session files, against counts made by hand."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from real import GUARD_S, real_client, real_config, until_told

from claude_magic import read_transcripts
from claude_magic.client import AsyncClaudeClient
from claude_magic.errors import ProcessError
from claude_magic.simulator import Scenario, Simulator, Step, Usage, rule, step, text, tool

TOKENS = ["input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"]
MODEL = "claude-opus-4-8"
PLANTED = "sk-ant-planted-0123456789"
PRICES = (5e-6, 25e-6, 0.5e-6, 6.25e-6)
"""Dollars for one token of each kind; cache writes last five minutes."""


def call(*blocks: Any, used: tuple[int, int, int, int], **options: Any) -> Step:
    return step(*blocks, usage=Usage(*used), **options)


AGENT = tool("Agent", description="d", prompt="subtask", subagent_type="general-purpose", run_in_background=False)
RULES = [
    rule("^plain", call(text("Plain."), used=(100, 7, 1000, 50))),
    rule(
        "^look",
        call(tool("Bash", command="echo one"), used=(200, 11, 2000, 60)),
        call(tool("Bash", command=f"echo {PLANTED}; exit 3"), used=(300, 13, 3000, 70)),
        call(text("Looked."), used=(400, 17, 4000, 80)),
    ),
    rule("^delegate", call(AGENT, used=(500, 19, 5000, 90)), call(text("Done."), used=(600, 23, 6000, 100))),
    rule("subtask", call(text("Sub words."), used=(700, 29, 7000, 110))),
    rule("^slow", call(text("word " * 4000), used=(800, 31, 8000, 120), chunk_delay_s=0.02)),
]
BY_HAND = {
    "plain": (100, 7, 1000, 50),
    "look": (200 + 300 + 400, 11 + 13 + 17, 2000 + 3000 + 4000, 60 + 70 + 80),
    "delegate": (500 + 600 + 700, 19 + 23 + 29, 5000 + 6000 + 7000, 90 + 100 + 110),
}


@pytest.fixture
async def client(cli_path: Path, tmp_path: Path) -> AsyncIterator[AsyncClaudeClient]:
    with Simulator(Scenario(rules=RULES), pace=1) as simulator:
        environment = {"PLANTED_TOKEN": PLANTED}
        config = real_config(cli_path, tmp_path, simulator, model=MODEL, allowed_tools=["Bash"],
                             environment=environment)  # fmt: skip
        client = real_client(config)
        await client.create_session(name="main")
        yield client
        await client.close()


def assert_by_hand(turns: pd.DataFrame) -> None:
    """Every turn that is known to the end has exactly its tokens, and their price."""
    for prompt, row in turns.set_index("prompt").iterrows():
        if prompt in BY_HAND:
            assert tuple(row[TOKENS]) == BY_HAND[str(prompt)], prompt
            money = sum(count * price for count, price in zip(BY_HAND[str(prompt)], PRICES, strict=True))
            assert row["cost_usd"] == pytest.approx(money), prompt


async def killed_in_mid_answer(client: AsyncClaudeClient) -> None:
    async with client.stream("main", "slow") as stream:
        with pytest.raises(ProcessError):  # noqa: PT012  reading the stream is what raises
            async for message in stream:
                if message.type == "text":
                    os.kill(client.get_session("main").pid or 0, signal.SIGKILL)


async def test_tokens_and_money_are_those_counted_by_hand(client: AsyncClaudeClient, tmp_path: Path) -> None:
    """Tools, subagents, an interrupt, a kill -9 and the resume after it: live, and from the files."""
    for prompt in ("plain", "look", "delegate"):
        await client.execute("main", prompt)
    async with client.stream("main", "slow") as stream:
        async for message in stream:
            if message.type == "text":
                break
    await client.execute("main", "plain")
    await until_told(tmp_path / "config", "Plain.")
    await killed_in_mid_answer(client)
    await client.execute("main", "look")
    async with asyncio.timeout(GUARD_S):
        await client.execute("main", "delegate")
    await client.close()  # the CLI may write its files later than it answers

    live = client.frames.turns()
    assert live["prompt"].to_list() == ["plain", "look", "delegate", "slow", "plain", "slow", "look", "delegate"]
    assert_by_hand(live)
    assert live["estimated"].to_list() == [name == "slow" for name in live["prompt"]]
    assert (live.loc[live["prompt"] == "slow", "cost_usd"] > 0).all()
    told = read_transcripts(tmp_path / "config", cache=False)
    assert_by_hand(told.turns())
    ended = live[~live["estimated"]]
    joined = ended.merge(told.turns(), on="turn_id", suffixes=("", "_told"))
    assert len(joined) == len(ended)
    for name in (*TOKENS, "tool_uses", "prompt", "text", "session_id"):
        assert joined[name].to_list() == joined[f"{name}_told"].to_list(), name


async def test_what_a_tool_did_is_told_alike(client: AsyncClaudeClient, tmp_path: Path) -> None:
    """Names and failures of the tools; and no live frame has the secret that one of them printed."""
    await client.execute("main", "look")
    await client.execute("main", "delegate")
    await client.close()

    live, told = client.frames, read_transcripts(tmp_path / "config", cache=tmp_path / "cache")
    for frames in (live, told):
        tools = frames.tools()
        assert tools["name"].to_list() == ["Bash", "Bash", "Agent"]
        assert tools["is_error"].to_list() == [False, True, False]
        assert (tools["duration_s"] >= 0).all()
    columns = ["turn_id", "tool_use_id", "name", "is_error"]
    pd.testing.assert_frame_equal(live.tools()[columns], told.tools()[columns])
    frames = [live.turns(), live.tools(), live.messages(), live.logs(), live.sessions()]
    assert not any(PLANTED in frame.to_csv() for frame in frames)
