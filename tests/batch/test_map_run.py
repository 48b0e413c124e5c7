"""`MapRun`: a map in the hands of a user whose code waits; stopping, following, asking."""

from __future__ import annotations

import _thread
import gc
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeTransport, compile_fake, prompt_of

from batch.maps import PaidCLIs, number_of
from claude_magic import ClaudeClient, MapRun, PoolConfig
from claude_magic.batch import progress


@pytest.fixture
def clis() -> PaidCLIs:
    """CLIs in memory."""
    return PaidCLIs()


@pytest.fixture
def client(clis: PaidCLIs) -> Iterator[ClaudeClient]:
    """A client of them."""
    with ClaudeClient(start=clis.start, compile=compile_fake, pool=PoolConfig(prewarm=0)) as client:
        yield client


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The file of a store of the test's own."""
    return tmp_path / "rows.sqlite"


async def ignore_others(cli: FakeTransport, message: dict[str, Any]) -> None:
    """Answer the first five rows; the others wait until they are interrupted."""
    prompt = prompt_of(message)
    if number_of(prompt) < 5:
        await cli.answer(message, f"echo: {prompt}")
    else:
        cli.begin(message)
        await cli.until_interrupted()


def test_the_result_and_what_is_known_of_it(client: ClaudeClient, store: Path) -> None:
    """It waits, and says how it stands at any time."""
    run = client.map(["a", "b"], "{value}", cache=store)

    assert isinstance(run, MapRun)
    assert [row["text"] for row in run.result()] == ["echo: a", "echo: b"]
    assert run.is_done
    assert run.counts["done"] == 2
    assert run.cost_usd == pytest.approx(0.02)
    assert repr(run) == f"<MapRun {run.map_id}: 2 done, $0.0200>"
    assert client.map_runs == [run]
    assert run.open(1).text == "echo: b"


def test_rows_are_followed_from_the_first_one(client: ClaudeClient, store: Path) -> None:
    """Also by one who comes when some, or all, are over."""
    run = client.map(list(range(20)), "{value}", cache=store)
    first = [row.position for row in run]
    second = [row.position for row in run]

    assert sorted(first) == sorted(second) == list(range(20))


def test_an_interrupt_returns_what_is_there_within_a_second(client: ClaudeClient, clis: PaidCLIs, store: Path) -> None:
    """The stop button is Ctrl-C: rows that are missing have the status `stopped`, and are asked by the next run."""
    clis.behave = ignore_others
    run = client.map(list(range(50)), "Row {value}", cache=store, workers=4)
    pressed: list[float] = []

    def press() -> None:
        while run.counts["done"] < 5:
            time.sleep(0.01)
        pressed.append(time.monotonic())
        _thread.interrupt_main()

    threading.Thread(target=press).start()
    result = run.result()
    took = time.monotonic() - pressed[0]

    assert took < 1.0
    assert run.was_interrupted
    assert [row["_status"] for row in result].count("done") == 5
    assert {row["_status"] for row in result} == {"done", "stopped"}
    clis.behave = clis._answer
    assert {row["_status"] for row in client.map(list(range(50)), "Row {value}", cache=store).result()} == {
        "cached",
        "done",
    }


def test_stop_ends_the_rows_on_their_way(client: ClaudeClient, clis: PaidCLIs, store: Path) -> None:
    """And returns when they are over; what they cost counts."""
    clis.behave = ignore_others
    run = client.map(list(range(50)), "Row {value}", cache=store, workers=4)
    while run.counts["done"] < 5:
        time.sleep(0.01)
    run.stop()

    assert run.is_done
    assert run.counts["running"] == 0
    assert run.reason == "it was stopped."
    with pytest.raises(RuntimeError, match="still runs"):
        client.map(["x"], "{value}", cache=store).retry_failed()


def test_what_cannot_begin_raises_in_result(clis: PaidCLIs, tmp_path: Path) -> None:
    """As any prompt would."""
    (tmp_path / "rows.sqlite").mkdir()
    with ClaudeClient(start=clis.start, compile=compile_fake, pool=PoolConfig(prewarm=0)) as client:
        run = client.map(["x"], "{value}", cache=tmp_path / "rows.sqlite")
        with pytest.raises(ValueError, match="cannot be opened"):
            run.result()


@pytest.mark.parametrize(("typed", "status"), [("y", "done"), ("n", "stopped"), (None, "stopped")])
def test_the_question_is_asked_where_the_result_is_waited_for(
    client: ClaudeClient, store: Path, monkeypatch: pytest.MonkeyPatch, typed: str | None, status: str
) -> None:
    """By `input()`, on the thread that waits; where no one can be asked, the answer is no."""
    asked: list[str] = []

    def answer(question: str) -> str:
        asked.append(question)
        assert threading.current_thread() is threading.main_thread()
        return str(typed)

    monkeypatch.setattr("builtins.input", answer)
    monkeypatch.setattr("claude_magic.batch.run.may_ask", lambda: typed is not None)
    result = client.map(list(range(5)), "{value}", cache=store, confirm_above_usd=0.001).result()

    assert sorted({row["_status"] for row in result}) == sorted({"done", status})
    assert len(asked) == (typed is not None)
    assert all("Go on? [y/n]" in question for question in asked)


def test_a_bar_shows_what_is_done(
    client: ClaudeClient, store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a terminal; the estimate stands above it, and the last word is what it came to."""
    monkeypatch.setattr(progress, "_is_terminal", lambda: True)
    client.map(list(range(300)), "{value}", cache=store).result()
    shown = capsys.readouterr()

    assert "300/300" in shown.err
    assert "$3.00" in shown.err
    assert "300 done; $3.0000" in shown.err
    client.map(list(range(300)), "{value}", cache=store).result(progress=False)
    assert capsys.readouterr().err == ""


def test_memory_does_not_grow_with_the_rows(client: ClaudeClient, clis: PaidCLIs, store: Path) -> None:
    """What is done is in the store; the map itself keeps a byte for each row, and its key."""
    measured = "*/claude_magic/batch/*", "*/claude_magic/engine/*"
    run = client.map(list(range(1_500)), "Row {value}", cache=store, workers=4)
    filters = [tracemalloc.Filter(True, pattern) for pattern in measured]
    sizes: list[int] = []
    tracemalloc.start()
    try:
        for wanted in (300, 1_400):
            while run.counts["done"] < wanted:
                time.sleep(0.01)
            gc.collect()
            snapshot = tracemalloc.take_snapshot().filter_traces(filters)
            sizes.append(sum(stat.size for stat in snapshot.statistics("filename")))
    finally:
        tracemalloc.stop()
    run.result()

    assert sizes[1] - sizes[0] < 1_000 * 800
