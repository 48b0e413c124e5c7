"""Every failure of the API, through the real CLI: each becomes the error that `failures.py` says."""

from __future__ import annotations

from pathlib import Path

import pytest
from failures import FAILURE_TABLE
from real import real_client, real_config

from claude_magic.client import AsyncClaudeClient
from claude_magic.simulator import FAILURES, Scenario, Simulator, Step, fail, rule, text

BLOCKS = (text("One whole block."), text("Half of this block is sent."))
WELL = text("All is well.")
MENDING_SINCE = (2, 1, 330)


def scenario(step: Step, times: int | None = None) -> Scenario:
    # After a turn without an answer the CLI joins its prompt to the next one: "go on" is looked for first.
    return Scenario(rules=[rule("go on", WELL), rule("fail", step, times=times), rule(None, WELL)])


def mends(client: AsyncClaudeClient) -> bool:
    """Whether the CLI that answered is one that mends broken streams by itself."""
    init = next(message for message in client.get_session("main").recent if message.type == "init")
    return tuple(map(int, init.raw["claude_code_version"].split(".")[:3])) >= MENDING_SINCE


def test_the_table_has_a_row_for_every_failure() -> None:
    """What the simulator can do wrong is known, and nothing else."""
    assert set(FAILURE_TABLE) == {*FAILURES, "refused"}


@pytest.mark.parametrize("name", FAILURE_TABLE)
async def test_what_a_failure_becomes(name: str, cli_path: Path, tmp_path: Path) -> None:
    """Class, code and `retryable`; the error has the response, and the session goes on unless nobody listens."""
    row = FAILURE_TABLE[name]
    with Simulator(scenario(fail(name, *BLOCKS) if name in FAILURES else Step(BLOCKS)), pace=0) as simulator:
        api = simulator if name in FAILURES else Simulator.refused_url()
        silence_s = 1.5 if name.startswith("stall") else 60
        async with real_client(real_config(cli_path, tmp_path, api, silence_timeout_s=silence_s)) as client:
            await client.create_session(name="main")
            if row.error is None:
                assert (await client.execute("main", "fail")).text == "One whole block.\n\nHalf of this block is sent."
                return
            with pytest.raises(row.error) as caught:
                await client.execute("main", "fail")

            error = caught.value
            assert (type(error), error.code, error.retryable) == (row.error, row.code, row.retryable)
            assert error.response is not None
            assert error.response.turn == 1
            if name != "refused":
                assert (await client.execute("main", "go on")).text == "All is well."


@pytest.mark.parametrize("name", [name for name, row in FAILURE_TABLE.items() if row.mended])
async def test_a_stream_that_breaks_once(name: str, cli_path: Path, tmp_path: Path) -> None:
    """The newer CLI asks for the rest by itself; the older one ends the turn. Whole blocks stay either way."""
    row = FAILURE_TABLE[name]
    with Simulator(scenario(fail(name, *BLOCKS), times=1), pace=0) as simulator:
        async with real_client(real_config(cli_path, tmp_path, simulator)) as client:
            await client.create_session(name="main")
            outcome = await _outcome(client)

            if mends(client):
                assert outcome == ("success", "One whole block.All is well.")
            else:
                assert row.error is not None
                assert outcome[0] == row.error.__name__
                assert outcome[1].startswith("One whole block.")


async def test_what_each_try_repeats_is_said_once(cli_path: Path, tmp_path: Path) -> None:
    """A stream that breaks every time, each time after the same whole block."""
    with Simulator(scenario(fail("reset_mid", *BLOCKS)), pace=0) as simulator:
        async with real_client(real_config(cli_path, tmp_path, simulator)) as client:
            await client.create_session(name="main")
            _, said = await _outcome(client)

    assert said.count("One whole block.") == 1


async def _outcome(client: AsyncClaudeClient) -> tuple[str, str]:
    async with client.stream("main", "fail") as stream:
        try:
            async for _ in stream:
                pass
        except Exception as error:
            return type(error).__name__, stream.response.text
    return str(stream.response.outcome), stream.response.text
