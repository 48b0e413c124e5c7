"""A map from its first look into the store to its last row, over CLIs in memory."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fakes import FakeTransport, prompt_of
from sessions import until

from batch.maps import PaidCLIs, number_of, refused
from claude_magic.batch.async_run import AsyncMapRun, MapRow


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The file of a store of the test's own."""
    return tmp_path / "rows.sqlite"


def frame(rows: int) -> pd.DataFrame:
    """Rows with a number each."""
    return pd.DataFrame({"n": range(rows), "other": "x"})


async def test_columns_are_those_that_are_promised(store: Path) -> None:
    """In order, and with their dtypes, also where there are no rows."""
    client, run = PaidCLIs().map(frame(2), "Row {n}", store)
    async with client:
        result = await run
        empty = await client.map(frame(0), "Row {n}", cache=store)

    for one in (result, empty):
        assert {name: str(dtype) for name, dtype in one.dtypes.items()} == {
            "text": "string", "_status": "string", "_error": "string", "_cost_usd": "float64",
            "_input_tokens": "Int64", "_output_tokens": "Int64", "_seconds": "float64", "_attempts": "Int64",
            "_turn_id": "string",
        }  # fmt: skip
    assert result["_status"].tolist() == ["done", "done"]
    assert result["_cost_usd"].tolist() == [0.01, 0.01]
    assert run.job.cost_usd == pytest.approx(0.02)


async def test_each_row_is_a_conversation_of_its_own_in_a_process_that_stays(store: Path) -> None:
    """Whatever the CLI would remember is cleared before each row."""
    seen: dict[str, list[str]] = {}

    async def remember(cli: FakeTransport, message: dict[str, Any]) -> None:
        seen.setdefault(cli.session_id, []).append(prompt_of(message))
        await cli.answer(message, "ok")

    clis = PaidCLIs(behave=remember)
    client, run = clis.map(frame(50), "Row {n}", store, workers=3)
    async with client:
        await run

    assert len(clis.started) == 3
    assert sorted(map(len, seen.values())) == [1] * 50
    assert client.frames.turns()["session_id"].nunique() == 50


async def test_a_cli_that_does_not_clear_gets_a_process_for_each_row(store: Path) -> None:
    """Slower, and never two rows in one conversation."""
    clis = PaidCLIs()
    start = clis.start

    async def start_deaf(launch: Any) -> FakeTransport:
        cli = await start(launch)
        cli.clears = False
        cli.behave = answer_without_clearing
        return cli

    async def answer_without_clearing(cli: FakeTransport, message: dict[str, Any]) -> None:
        await cli.answer(
            message, "unknown command" if prompt_of(message) == "/clear" else f"echo: {prompt_of(message)}"
        )

    clis.start = start_deaf  # type: ignore[method-assign]
    client, run = clis.map(frame(6), "Row {n}", store, workers=2)
    async with client:
        result = await run

    assert result["text"].tolist() == [f"echo: Row {n}" for n in range(6)]
    prompts = [[prompt for prompt in cli.prompts if prompt != "/clear"] for cli in clis.started]
    assert max(map(len, prompts)) == 1


async def test_rows_have_no_tools_and_nobody_is_asked(store: Path) -> None:
    """Unless the settings name some."""
    client, run = PaidCLIs().map(frame(1), "Row {n}", store)
    async with client:
        named = client.map(frame(1), "Row {n}", config=client.config.replace(allowed_tools=["Read"]), cache=store)

        assert run.job.plan.config.tools == ()
        assert run.job.plan.config.permission_mode == "dontAsk"
        assert named.job.plan.config.tools == ("Read",)


# What is paid once is not paid again.


async def test_reordered_filtered_or_doubled_data_costs_nothing_again(store: Path) -> None:
    """The key of a row is what is asked, and not where it stands; other columns do not matter."""
    clis = PaidCLIs()
    client, run = clis.map(frame(20), "Row {n}", store)
    async with client:
        await run
        data = frame(20).assign(other="y").sample(frac=1, random_state=1)
        again = client.map(pd.concat([data, data.head(5)]), "Row {n}", cache=store)
        result = await again

    assert set(clis.asked.values()) == {1}
    assert set(result["_status"]) == {"cached"}
    assert result["_cost_usd"].sum() == 0
    assert again.job.cost_usd == 0
    assert result["text"].tolist() == [f"echo: Row {n}" for n in [*data["n"], *data["n"].head(5)]]


async def test_equal_rows_are_asked_once(store: Path) -> None:
    """The first is done, the others are as if they had been there."""
    clis = PaidCLIs()
    client, run = clis.map(["a", "a", "b"], "{value}", store)
    async with client:
        result = await run

    assert clis.asked == Counter({"a": 1, "b": 1})
    assert [row["_status"] for row in result] == ["done", "cached", "done"]
    assert [row["_cost_usd"] for row in result] == [0.01, 0.0, 0.01]


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "Row  {n}"},
        {"schema": {"type": "object", "properties": {"a": {"type": "string"}}}},
        {"config": {"model": "other-model"}},
        {"config": {"system_prompt": "Be brief."}},
        {"config": {"allowed_tools": ("Read",)}},
        {"config": {"effort": "low"}},
    ],
)
async def test_another_question_has_another_key(change: dict[str, Any], store: Path) -> None:
    """Whatever may change the answer is in it."""
    client, run = PaidCLIs().map(frame(1), "Row {n}", store)
    async with client:
        await run
        config = client.config.replace(**change.get("config", {}))
        other = client.map(frame(1), change.get("prompt", "Row {n}"), change.get("schema"), config=config, cache=store)
        await other

    assert other.job.keys != run.job.keys


async def test_no_cache_keeps_nothing(state_folder: Path) -> None:
    """Neither is anything used that was kept, nor is a file left behind."""
    clis = PaidCLIs()
    async with clis.client() as client:
        for _ in range(2):
            result = await client.map(frame(2), "Row {n}", cache=False)
            assert set(result["_status"]) == {"done"}

    assert set(clis.asked.values()) == {2}
    assert not (state_folder / "maps.sqlite").exists()


async def test_only_this_user_may_read_the_store(store: Path) -> None:
    """It holds what was asked about."""
    client, run = PaidCLIs().map(frame(1), "Row {n}", store)
    async with client:
        await run

    assert store.stat().st_mode & 0o777 == 0o600


# Failures.


async def test_rows_that_fail_stay_as_rows_and_are_retried(store: Path) -> None:
    """With their error; the others are done."""
    broken = {3, 7, 11}
    clis = PaidCLIs(lambda prompt: refused(400, "too odd") if number_of(prompt) in broken else None)
    client, run = clis.map(frame(20), "Row {n}", store, workers=2)
    async with client:
        result = await run
        failed = result[result["_status"] == "failed"]
        assert failed.index.tolist() == [3, 7, 11]
        assert failed["_error"].str.contains("too odd").all()
        assert failed["text"].isna().all()
        broken.clear()
        again = await run.retry_failed()

    assert set(again["_status"]) == {"done"}
    assert again.loc[3, "_attempts"] == 2
    assert again.loc[3, "_cost_usd"] == pytest.approx(0.02)
    assert clis.asked["Row 4"] == 1


async def test_a_failure_is_not_kept_as_an_answer(store: Path) -> None:
    """A new run asks it again."""
    clis = PaidCLIs(lambda prompt: refused(400))
    client, run = clis.map(frame(1), "Row {n}", store)
    async with client:
        assert (await run)["_status"].tolist() == ["failed"]
        clis.fail = None
        assert (await client.map(frame(1), "Row {n}", cache=store))["_status"].tolist() == ["done"]


async def test_what_may_pass_is_tried_again(store: Path) -> None:
    """A process that dies takes its row with it, and the row is sent in another one."""
    died: list[str] = []

    async def die_once(cli: FakeTransport, message: dict[str, Any]) -> None:
        prompt = prompt_of(message)
        if prompt == "Row 2" and not died:
            died.append(prompt)
            cli.die(1)
        else:
            await cli.answer(message, f"echo: {prompt}")

    client, run = PaidCLIs(behave=die_once).map(frame(4), "Row {n}", store, workers=2)
    async with client:
        result = await run

    assert result["text"].tolist() == [f"echo: Row {n}" for n in range(4)]
    assert result["_attempts"].tolist() == [1, 1, 2, 1]


async def test_five_equal_errors_stop_the_map(store: Path) -> None:
    """A login that is refused is refused for all rows."""
    clis = PaidCLIs(lambda prompt: refused(401))
    client, run = clis.map(frame(1000), "Row {n}", store, workers=2)
    async with client:
        result = await run

    counts = result["_status"].value_counts()
    assert counts["stopped"] > 990
    assert counts["failed"] <= 7
    assert "5 rows in a row failed alike (AUTH_FAILED)" in run.words


async def test_an_answer_that_does_not_fit_the_model_is_a_failure(store: Path) -> None:
    """The CLI checks the schema, pydantic what a schema cannot say."""
    from pydantic import BaseModel, field_validator

    class Even(BaseModel):
        number: int

        @field_validator("number")
        @classmethod
        def check(cls, value: int) -> int:
            if value % 2:
                raise ValueError("it is odd")
            return value

    async def answer(cli: FakeTransport, message: dict[str, Any]) -> None:
        await cli.answer(message, "", structured_output={"number": number_of(prompt_of(message))})

    client, run = PaidCLIs(behave=answer).map(frame(3), "Row {n}", store, schema=Even, workers=1)
    async with client:
        result = await run

    assert str(result["number"].dtype) == "Int64"
    assert result["_status"].tolist() == ["done", "failed", "done"]
    assert result["_cost_usd"].tolist() == pytest.approx([0.01, 0.01, 0.01])
    assert "it is odd" in result.loc[1, "_error"]


# While it runs.


async def test_rows_can_be_followed_as_they_finish(store: Path) -> None:
    """Each once, with its answer."""
    client, run = PaidCLIs().map(frame(30), "Row {n}", store)
    async with client:
        rows = [row async for row in run]

    assert {row.position for row in rows} == set(range(30))
    assert all(isinstance(row, MapRow) and row.value == f"echo: Row {row.position}" for row in rows)


async def test_the_frame_shows_what_is_there(store: Path) -> None:
    """At any time: those that wait have no answer."""
    held = asyncio.Event()

    async def hold_the_last(cli: FakeTransport, message: dict[str, Any]) -> None:
        if prompt_of(message) == "Row 9":
            await held.wait()
        await cli.answer(message, "ok")

    client, run = PaidCLIs(behave=hold_the_last).map(frame(10), "Row {n}", store, workers=2)
    async with client:
        assert set(run.frame["_status"]) == {"waiting"}
        run.start()
        await until(lambda: run.job.counts()["done"] == 9)
        shown = run.frame
        assert shown["_status"].tolist() == ["done"] * 9 + ["running"]
        assert shown["text"].isna().tolist() == [False] * 9 + [True]
        held.set()
        await run


async def test_a_map_that_is_stopped_keeps_what_is_done(store: Path) -> None:
    """The rest has the status `stopped`, and a new run goes on with it alone."""
    clis = PaidCLIs()

    async def stop_at_ten(run: AsyncMapRun) -> None:
        async for row in run:
            if row.position == 10:
                await run.stop()

    client, run = clis.map(frame(200), "Row {n}", store, workers=1, config=None)
    async with client:
        await stop_at_ten(run)
        result = run.frame
        done = int((result["_status"] == "done").sum())
        assert set(result["_status"]) == {"done", "stopped"}
        again = await client.map(frame(200), "Row {n}", cache=store)

    assert int((again["_status"] == "cached").sum()) == done
    assert set(clis.asked.values()) == {1}


async def test_a_row_is_opened_as_a_turn(store: Path) -> None:
    """With its prompt and its messages; a row that was not sent cannot be."""
    client, run = PaidCLIs().map(frame(3), "Row {n}", store)
    async with client:
        with pytest.raises(ValueError, match="There is no row 1"):
            run.open(1)
        result = await run
        response = run.open(1)

    assert (response.prompt, response.text) == ("Row 1", "echo: Row 1")
    assert response.turn_id == result.loc[1, "_turn_id"]
    assert response.messages


async def test_rows_are_turns_in_the_frames(store: Path) -> None:
    """Their id joins them."""
    client, run = PaidCLIs().map(frame(3), "Row {n}", store)
    async with client:
        result = await run
        turns = client.frames.turns()

    assert set(turns["turn_id"]) == set(result["_turn_id"])
    assert turns["prompt"].tolist() == ["Row 0", "Row 1", "Row 2"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"workers": 0}, "workers must be a whole number"),
        ({"workers": 9}, "workers=9 needs as many processes"),
        ({"budget_usd": -1}, "budget_usd must be a number above 0"),
        ({"schema": {"type": "array"}}, "must be that of an object with fields"),
        ({"schema": int}, "neither a JSON Schema, a pydantic model, nor a dataclass"),
        ({"schema": {"type": "object", "properties": {"_status": {}}}}, "rename it"),
    ],
)
async def test_arguments_that_make_no_sense(options: dict[str, Any], words: str, store: Path) -> None:
    """Are said before anything starts."""
    clis = PaidCLIs()
    with pytest.raises(ValueError, match=words):
        clis.map(frame(1), "Row {n}", store, **options)
    assert clis.started == []


async def test_an_answer_is_not_lost_when_the_row_is_asked_again_and_fails(store: Path) -> None:
    """What was paid for stays what the next map finds."""
    clis = PaidCLIs()
    client, run = clis.map(frame(2), "Row {n}", store)
    async with client:
        await run
        clis.fail = lambda prompt: refused(400)
        failed = await client.map(frame(2), "Row {n}", cache=store, fresh=True)
        found = await client.map(frame(2), "Row {n}", cache=store)

    assert failed["_status"].tolist() == ["failed", "failed"]
    assert found["_status"].tolist() == ["cached", "cached"]
    assert found["text"].tolist() == ["echo: Row 0", "echo: Row 1"]
    assert clis.asked["Row 0"] == 2


async def test_fresh_asks_again_and_keeps_the_new_answer(store: Path) -> None:
    """In place of the old one."""
    clis = PaidCLIs()
    client, run = clis.map(frame(1), "Row {n}", store)
    async with client:
        first = await run
        second = await client.map(frame(1), "Row {n}", cache=store, fresh=True)
        third = await client.map(frame(1), "Row {n}", cache=store)

    assert first["_turn_id"].tolist() != second["_turn_id"].tolist() == third["_turn_id"].tolist()
