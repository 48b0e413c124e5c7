"""A map on a Dask cluster of processes: the same result, one budget, and workers that are lost."""

from __future__ import annotations

import os
import signal
import sys
import types
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from distributed import Client, LocalCluster
from real import real_config, until

from batch.dask_fakes import PAID, fake_worker_client
from batch.maps import PaidCLIs
from claude_magic.batch import distributed
from claude_magic.client import AsyncClaudeClient
from claude_magic.config import PoolConfig, SessionConfig
from claude_magic.simulator import Scenario, Simulator, rule, text

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # Dask's own, as it starts and ends
    pytest.mark.timeout(300),
]

REAL_WORKER_CLIENT = distributed.worker_client


@pytest.fixture(scope="module")
def paid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The file in which the workers write down what is paid for."""
    path = tmp_path_factory.mktemp("paid") / "paid.txt"
    os.environ[PAID] = str(path)
    yield path
    del os.environ[PAID]


@pytest.fixture(scope="module")
def cluster(paid: Path) -> Iterator[Client]:
    """Two processes with two threads each."""
    # An IPython shell of an earlier test may have left its own module here, which lacks what `multiprocessing` reads.
    main = types.ModuleType("__main__")
    main.__spec__ = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "__main__", main)
        yield from _running_cluster()


def _running_cluster() -> Iterator[Client]:
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=2, processes=True, dashboard_address=None, silence_logs=50
        ) as made,
        Client(made) as client,
    ):
        yield client


@pytest.fixture(autouse=True)
def nothing_paid(paid: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test begins with nothing paid, and with CLIs in memory on the workers."""
    paid.write_text("")
    monkeypatch.setattr(distributed, "worker_client", fake_worker_client)


async def test_the_result_is_the_same_on_a_cluster(cluster: Client, paid: Path, tmp_path: Path) -> None:
    """With the records of all workers, and what is stored is not asked again anywhere."""
    clis = PaidCLIs()
    async with clis.client() as client:
        run = client.map(list(range(40)), "Row {value}", cache=tmp_path / "rows.sqlite", executor=cluster)
        assert run.job.plan.workers == 4
        result = await run
        turns = client.frames.turns()
        again = await client.map(list(range(50)), "Row {value}", cache=tmp_path / "rows.sqlite")

    assert [row["text"] for row in result] == [f"echo: Row {number}" for number in range(40)]
    assert {row["_status"] for row in result} == {"done"}
    assert sorted(map(int, paid.read_text().split())) == list(range(40))
    assert turns["map_id"].unique().tolist() == [run.map_id]
    assert set(turns["turn_id"]) == {row["_turn_id"] for row in result}
    assert turns["session"].nunique() == 2
    assert Counter(row["_status"] for row in again) == {"cached": 40, "done": 10}
    assert run.open(3).text == "echo: Row 3"


async def test_one_budget_holds_for_all_workers(cluster: Client, paid: Path, tmp_path: Path) -> None:
    """A row is sent only when there is money for it and for those on their way."""
    async with PaidCLIs().client() as client:
        run = client.map(
            list(range(100)), "Row {value}", cache=tmp_path / "rows.sqlite", executor=cluster, budget_usd=0.3
        )
        result = await run

    assert 0.25 <= run.job.cost_usd <= 0.315
    assert len(paid.read_text().split()) == sum(row["_status"] == "done" for row in result)
    assert "the budget of these rows is spent" in run.words


async def test_a_worker_that_is_killed_loses_the_rows_in_flight_alone(
    cluster: Client, paid: Path, tmp_path: Path
) -> None:
    """They are sent again; no other row is paid for twice."""
    async with PaidCLIs().client() as client:
        run = client.map(list(range(120)), "Row {value}", cache=tmp_path / "rows.sqlite", executor=cluster)
        run.start()
        await until(lambda: run.job.counts()["done"] > 20)
        os.kill(next(iter(cluster.run(os.getpid).values())), signal.SIGKILL)
        result = await run

    assert [row["text"] for row in result] == [f"echo: Row {number}" for number in range(120)]
    times = Counter(paid.read_text().split())
    assert len(times) == 120
    assert sum(count - 1 for count in times.values()) <= 2
    assert run.job.cost_usd == pytest.approx(1.2)


async def test_a_map_that_is_stopped_stops_on_the_cluster(cluster: Client, paid: Path, tmp_path: Path) -> None:
    """What is done is kept."""
    async with PaidCLIs().client() as client:
        run = client.map(list(range(500)), "Row {value}", cache=tmp_path / "rows.sqlite", executor=cluster)
        run.start()
        await until(lambda: run.job.counts()["done"] > 10)
        await run.stop()
        counts = run.job.counts()

    assert counts["stopped"] > 400
    assert counts["running"] == 0
    assert len(paid.read_text().split()) <= counts["done"] + 4


@pytest.mark.parametrize(
    "settings", [{"api_key": "sk-ant-test-not-a-key"}, {"environment": {"MY_TOKEN": "v3ry-s3cret-value-77"}}]
)
async def test_credentials_do_not_travel(cluster: Client, settings: dict[str, Any], tmp_path: Path) -> None:
    """They would stand in the memory of the scheduler."""
    async with PaidCLIs().client() as client:
        with pytest.raises(ValueError, match="would travel through the scheduler"):
            client.map(["a"], "{value}", cache=tmp_path / "a", executor=cluster, config=SessionConfig(**settings))


async def test_real_clis_on_a_cluster(
    cluster: Client, cli_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each worker starts its own."""
    monkeypatch.setattr(distributed, "worker_client", REAL_WORKER_CLIENT)
    rules = [rule(None, text("You said: {prompt}"))]
    with Simulator(Scenario(rules=rules), pace=0) as api:
        config = real_config(cli_path, tmp_path, api)
        async with AsyncClaudeClient(config, pool=PoolConfig(prewarm=0)) as client:
            run = client.map(
                [f"row {number}" for number in range(12)], "{value}", cache=tmp_path / "rows.sqlite", executor=cluster
            )
            result = await run

    assert [row["text"] for row in result] == [f"You said: row {number}" for number in range(12)]
    assert {row["_attempts"] for row in result} == {1}
