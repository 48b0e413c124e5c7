"""Money and pace of a map over CLIs in memory: budgets, the question before the rest, limits, cells first."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeTransport, prompt_of
from sessions import until

from batch.maps import PaidCLIs, number_of, refused
from claude_magic.batch import governor
from claude_magic.batch.money import Estimate
from claude_magic.config import MapBudgets


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The file of a store of the test's own."""
    return tmp_path / "rows.sqlite"


def rows(count: int) -> list[int]:
    return list(range(count))


def statuses(result: list[dict[str, Any]]) -> dict[str, int]:
    found = [row["_status"] for row in result]
    return {name: found.count(name) for name in sorted(set(found))}


# Budgets.


async def test_a_budget_stops_the_map_without_an_exception(store: Path) -> None:
    """What is paid for stays; the overshoot is below 5 %."""
    clis = PaidCLIs(cost_usd=0.01)
    client, run = clis.map(rows(500), "Row {value}", store, budget_usd=1.0, workers=5)
    async with client:
        result = await run

    assert 0.95 <= run.job.cost_usd <= 1.05
    assert statuses(result)["stopped"] >= 395
    assert "the budget of these rows is spent: $1 of $1" in run.words


async def test_a_budget_is_kept_over_restarts(store: Path) -> None:
    """A map that goes on has what is left of it, and more when it is raised."""
    clis = PaidCLIs(cost_usd=0.01)
    client, run = clis.map(rows(100), "Row {value}", store, budget_usd=0.2)
    async with client:
        await run
    client, run = clis.map(rows(100), "Row {value}", store, budget_usd=0.2)
    async with client:
        again = await run
        assert statuses(again).keys() == {"cached", "stopped"}
        assert run.job.cost_usd <= 0.01
        more = client.map(rows(100), "Row {value}", cache=store, budget_usd=0.5)
        await more
    assert 0.25 <= more.job.cost_usd <= 0.31
    assert set(clis.asked.values()) == {1}


async def test_failed_attempts_count(store: Path) -> None:
    """They cost, too."""
    clis = PaidCLIs(lambda prompt: refused(400, prompt) if number_of(prompt) % 2 else None, cost_usd=0.01)
    client, run = clis.map(rows(100), "Row {value}", store, budget_usd=0.2, workers=2)
    async with client:
        result = await run

    assert sum(clis.asked.values()) <= 21
    assert sum(row["_cost_usd"] or 0 for row in result) == pytest.approx(run.job.cost_usd)


async def test_a_notebook_has_a_budget_of_its_own(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Named by its file."""
    clis = PaidCLIs(cost_usd=0.01)
    async with clis.client() as client:
        client.map_budgets = MapBudgets(notebook_usd=0.03)
        for name in ("one.ipynb", "one.ipynb", "two.ipynb"):
            monkeypatch.setenv("JPY_SESSION_NAME", name)
            await client.map(rows(10), f"{name} {{value}}".replace(".", " "), cache=store)
    spent = [prompt.split()[0] for prompt in clis.asked]
    assert 2 <= spent.count("two") <= spent.count("one") == 3


# The pilot, and the question.


async def test_a_pilot_judges_the_rest(store: Path) -> None:
    """Ten rows of a thousand, from all over the data, which are kept."""
    clis = PaidCLIs(cost_usd=0.01)
    client, run = clis.map(rows(1000), "Row {value}", store)
    async with client:
        await run

    assert run.estimate is not None
    assert (run.estimate.of, run.estimate.rows) == (10, 990)
    assert run.estimate.cost_usd == pytest.approx(9.9)
    assert run.estimate.low_usd < 9.9 < run.estimate.high_usd
    assert set(clis.asked.values()) == {1}
    pilot = [number_of(prompt) for prompt in list(clis.asked)[:10]]
    assert max(pilot) - min(pilot) > 300


@pytest.mark.parametrize("agrees", [True, False])
async def test_what_is_dear_is_asked_about(store: Path, agrees: bool) -> None:
    """The pilot is kept, whatever the answer is."""
    asked: list[Estimate] = []

    async def confirm(estimate: Estimate) -> bool:
        asked.append(estimate)
        return agrees

    client, run = PaidCLIs(cost_usd=0.01).map(rows(1000), "Row {value}", store, confirm_above_usd=5.0)
    run.confirm = confirm
    async with client:
        result = await run

    assert len(asked) == 1
    assert statuses(result) == ({"done": 1000} if agrees else {"done": 10, "stopped": 990})
    assert ("no one agreed" in run.words) is not agrees


async def test_where_no_one_can_be_asked_it_stops(store: Path) -> None:
    """And it says how to go on. A map of few rows asks after the first one."""
    client, run = PaidCLIs(cost_usd=1.0).map(rows(5), "Row {value}", store, confirm_above_usd=1.0)
    async with client:
        result = await run

    assert statuses(result) == {"done": 1, "stopped": 4}
    assert "raise the limit to go on" in run.words


async def test_what_is_cheap_is_not_asked_about(store: Path) -> None:
    """Below the limit."""
    client, run = PaidCLIs(cost_usd=0.001).map(rows(200), "Row {value}", store, confirm_above_usd=5.0)
    async with client:
        assert statuses(await run) == {"done": 200}


# The limits of the service.


async def test_a_limit_is_waited_for_and_no_row_is_lost(store: Path) -> None:
    """The rows that were refused are sent again when it is over; none of them starts before."""
    until_when = time.time() + 1.5
    sent_early: list[str] = []

    async def answer(cli: FakeTransport, message: dict[str, Any]) -> None:
        prompt = prompt_of(message)
        if time.time() < until_when:
            sent_early.append(prompt)
            cli.begin(message)
            cli.say({"type": "rate_limit_event", "rate_limit_info": {"status": "rejected", "resetsAt": until_when}})
            cli.result(is_error=True, cost_usd=0.0, **refused(429))
        else:
            await cli.answer(message, f"echo: {prompt}")

    client, run = PaidCLIs(behave=answer).map(rows(20), "Row {value}", store, workers=4)
    async with client:
        run.start()
        await until(lambda: "the limit resets at" in run.words)
        result = await run

    assert statuses(result) == {"done": 20}
    assert len(sent_early) <= 4


async def test_a_storm_of_refusals_slows_the_map(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are on their way one by one until the service answers again."""
    monkeypatch.setattr(governor, "_LEAST_PAUSE_S", 0.05)
    busy: list[int] = []

    async def answer(cli: FakeTransport, message: dict[str, Any]) -> None:
        if len(busy) < 6:
            busy.append(len(clis.alive))
            cli.begin(message)
            cli.result(is_error=True, cost_usd=0.0, **refused(529, "overloaded"))
        else:
            await cli.answer(message, "ok")

    clis = PaidCLIs(behave=answer)
    client, run = clis.map(rows(12), "Row {value}", store, workers=4)
    async with client:
        result = await run

    assert statuses(result) == {"done": 12}


# The cells.


async def test_a_cell_goes_first(store: Path) -> None:
    """Its prompt waits for one row at most, though the map has work for all processes."""
    held = asyncio.Event()
    order: list[str] = []

    async def answer(cli: FakeTransport, message: dict[str, Any]) -> None:
        prompt = prompt_of(message)
        order.append(prompt)
        if number_of(prompt) < 2:
            await held.wait()
        await cli.answer(message, f"echo: {prompt}")

    client, run = PaidCLIs(behave=answer).map(rows(30), "Row {value}", store, workers=2, max_sessions=2)
    async with client:
        await client.create_session(name="main")
        run.start()
        await until(lambda: len(order) >= 2)
        cell = asyncio.create_task(client.execute("main", "Cell 99"))
        await until(lambda: client.is_prompt_waiting)
        held.set()
        await cell
        assert order.index("Cell 99") <= 4
        assert statuses(await run) == {"done": 30}


async def test_two_maps_share_what_they_pay_for(store: Path) -> None:
    """Each waits for the rows that the other has on its way, and says so."""
    one, two = PaidCLIs(), PaidCLIs()
    first, run = one.map(rows(60), "Row {value}", store, workers=3)
    second, other = two.map(rows(60)[::-1], "Row {value}", store, workers=3)
    async with first, second:
        results = await asyncio.gather(run, other)

    asked = one.asked + two.asked
    assert set(asked.values()) == {1}
    assert len(asked) == 60
    assert [row["text"] for row in results[0]] == [f"echo: Row {number}" for number in range(60)]
    assert [row["text"] for row in results[1]] == [f"echo: Row {number}" for number in reversed(range(60))]


async def test_rows_in_flight_elsewhere_are_said(store: Path) -> None:
    """By the process that has them."""
    held = asyncio.Event()

    async def hold(cli: FakeTransport, message: dict[str, Any]) -> None:
        await held.wait()
        await cli.answer(message, "ok")

    first, run = PaidCLIs(behave=hold).map(rows(2), "Row {value}", store, workers=2)
    clis = PaidCLIs()
    second, other = clis.map(rows(2), "Row {value}", store, workers=2)
    async with first, second:
        run.start()
        await until(lambda: run.job.counts()["running"] == 2)
        other.start()
        await until(lambda: "are on their way in process" in other.words)
        held.set()
        assert statuses(await other) == {"cached": 2}
        await run
    assert not clis.asked
