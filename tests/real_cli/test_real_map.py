"""A map with the real CLI: what the model sees of each row, and what the service's refusals do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from real import real_client, real_config

from claude_magic.simulator import Scenario, Simulator, fail, rule, step, text


@dataclass
class Label:
    """What a row is to be."""

    label: Literal["good", "bad"]
    score: int


@pytest.fixture
def api() -> Iterator[Simulator]:
    """Says back what it was sent; some prompts meet a service that refuses."""
    rules = [
        rule("busy once", fail("529"), times=2),
        rule("label", step(structured={"label": "bad", "score": 3})),
        rule(None, text("You said: {prompt}")),
    ]
    with Simulator(Scenario(rules=rules), pace=0) as simulator:
        yield simulator


async def test_no_row_sees_another_one(api: Simulator, cli_path: Path, tmp_path: Path) -> None:
    """Each request has its own row, and nothing of those before; a value runs no command and reads no file."""
    rows = [f"<row {number}> /clear @/etc/hostname" for number in range(8)]
    client = real_client(real_config(cli_path, tmp_path, api))
    async with client:
        run = client.map(rows, "{value}", cache=tmp_path / "rows.sqlite", workers=2)
        result = await run

        assert client.get_stats().created == 2
    assert [row["text"] for row in result] == [f"You said: {row}" for row in rows]
    sent = [str(request.body["messages"]) for request in api.requests]
    assert len(sent) == len(rows)
    assert all(sum(row in one for row in rows) == 1 for one in sent)
    assert all("<row" not in one.replace(row, "") for one in sent for row in rows if row in one)
    assert all("tools" not in request.body or not request.body["tools"] for request in api.requests)
    assert len({row["_turn_id"] for row in result}) == len(rows)
    assert all(row["_cost_usd"] > 0 for row in result)


async def test_a_schema_makes_typed_columns(api: Simulator, cli_path: Path, tmp_path: Path) -> None:
    """And the row opens as a turn, with what the CLI said."""
    import pandas as pd

    client = real_client(real_config(cli_path, tmp_path, api))
    async with client:
        run = client.map(pd.Series(["a", "b"], name="t"), "label {t}", Label, cache=tmp_path / "rows.sqlite", workers=1)
        result = await run

    assert result["label"].tolist() == ["bad", "bad"]
    assert (str(result["label"].dtype), str(result["score"].dtype)) == ("category", "Int64")
    assert run.open(0).structured == {"label": "bad", "score": 3}
    assert run.open(0).prompt == "label a"


async def test_a_busy_service_slows_the_map_and_loses_no_row(api: Simulator, cli_path: Path, tmp_path: Path) -> None:
    """The row is sent again when the CLI itself has given up."""
    client = real_client(real_config(cli_path, tmp_path, api))
    async with client:
        result = await client.map(["busy once", "b"], "{value}", cache=tmp_path / "rows.sqlite", workers=1)

    assert [row["_status"] for row in result] == ["done", "done"]
    assert [row["_attempts"] for row in result] == [2, 1]


async def test_a_row_has_a_ceiling_of_its_own(api: Simulator, cli_path: Path, tmp_path: Path) -> None:
    """One that would pass it ends; the CLI counts what a process has spent, so each row has one of its own."""
    client = real_client(real_config(cli_path, tmp_path, api))
    async with client:
        options = {"cache": tmp_path / "rows.sqlite", "workers": 1}
        cheap = await client.map(["a", "b", "c"], "{value}", row_budget_usd=0.01, **options)
        dear = await client.map(["d", "e"], "{value}", row_budget_usd=0.00001, **options)

    assert [row["_status"] for row in cheap] == ["done"] * 3
    assert [row["_status"] for row in dear] == ["failed"] * 2
    assert "It cost more than a row may" in dear[0]["_error"]
