"""`cluster`: how many workers one map can feed: the load of job, store and Dask's scheduler, without any CLI.

The workers' rows sleep in place of a CLI, so what is measured is what one machine does for all of them. Below its most
rows a second, a map is as fast as its workers: N workers with rows of S seconds ask N / S rows a second of it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from distributed import Client, LocalCluster

from benchmarks.map import processor_s
from benchmarks.measuring import fresh_process, temporary_home
from benchmarks.report import Report
from claude_magic import AsyncClaudeClient, SessionConfig
from claude_magic.batch import distributed
from claude_magic.batch.rows import CLIFacts, RowResult
from claude_magic.batch.store import RowStore, StoredRow

SIMULATED_WORKERS = 1_000


class SleepingRows:
    """Rows of a worker that has no CLI: each takes so long, and costs a cent."""

    row_s = 1.0

    async def facts(self) -> CLIFacts:
        return CLIFacts("sleeper", "2.1.332")

    async def run(self, prompt: str) -> RowResult:
        await asyncio.sleep(self.row_s)
        return RowResult(text=prompt, cost_usd=0.01, turn_id=prompt, source="simulator", seconds=self.row_s)

    async def stop(self) -> None:
        """Nothing is to be ended."""


class SleepingWorker(distributed.ClaudeWorker):
    """A worker of them."""

    async def _opened(self) -> Any:
        return SleepingRows()


def run(rows: int = 3_000, workers: int = SIMULATED_WORKERS, stored: int = 2_000) -> Report:
    """Measure.

    Args:
        rows: rows of the map.
        workers: rows on their way at the same time, one for each simulated worker.
        stored: rows that are written into a store alone.
    """
    report = Report("cluster", "what one map can feed, without any CLI", ["rows/s", "ms of processor per row"])
    # A process of its own: what Dask starts in it ends with it.
    report.rows |= fresh_process("benchmarks.cluster", str(rows), str(workers), str(stored))
    most = report.rows[f"{workers:,} workers, rows of 0 s"][0] or 0.0
    report.ratio("workers that are fed where a row takes 10 s", 10 * most, unit="workers", aim=1_000)
    report.notes.append("Scheduler, workers, job and store share one process here; on a cluster the workers do not.")
    return report


def measured(rows: int, workers: int, stored: int) -> dict[str, list[float | None]]:
    """Return the rows of the table."""
    found: dict[str, list[float | None]] = {}
    with temporary_home() as home:
        found["the store alone"] = store_alone(home, stored)
        for row_s in (0.0, 1.0):
            SleepingRows.row_s = row_s
            name = f"{workers:,} workers, rows of {row_s:g} s"
            found[name] = asyncio.run(mapped(home / f"rows-{row_s}", rows, workers))
    return found


def store_alone(home: Path, rows: int) -> list[float | None]:
    """Claim and keep rows one by one, as a map does."""
    store = RowStore(home / "alone.sqlite")
    row = StoredRow(b"", "done", '"an answer of some words"', cost_usd=0.01, map_id="map-1", shown=b"x" * 600)
    began, used = time.perf_counter(), processor_s()
    for number in range(rows):
        key = number.to_bytes(16, "big")
        store.claim([key])
        store.keep(replace(row, key=key), paid_usd=0.01, notebook="n")
    found = [rows / (time.perf_counter() - began), 1e3 * (processor_s() - used) / rows]
    store.close()
    return [*found]


async def mapped(store: Path, rows: int, workers: int) -> list[float | None]:
    """Map over a cluster in this process, with a thread for each simulated worker."""
    kept, distributed.ClaudeWorker = distributed.ClaudeWorker, SleepingWorker  # type: ignore[misc]  # put back below
    try:
        with tempfile.TemporaryDirectory() as folder:
            sizes = {"n_workers": max(1, workers // 50), "threads_per_worker": min(50, workers)}
            quiet = {"processes": False, "dashboard_address": None, "silence_logs": 50, "local_directory": folder}
            with LocalCluster(**sizes, **quiet) as made, Client(made) as cluster:
                async with AsyncClaudeClient(SessionConfig()) as client:
                    began, used = time.perf_counter(), processor_s()
                    await client.map(list(range(rows)), "Row {value}", cache=store, executor=cluster, workers=workers)
                    return [rows / (time.perf_counter() - began), 1e3 * (processor_s() - used) / rows]
    finally:
        distributed.ClaudeWorker = kept  # type: ignore[misc]  # as it was


if __name__ == "__main__":
    print(json.dumps(measured(*map(int, sys.argv[1:4]))))
