"""`map`: one prompt over many rows: what is ours of a row's time, and the real CLI in four ways."""

from __future__ import annotations

import asyncio
import os
import resource
import shlex
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from benchmarks.latency import Place, cli_version, simulator
from benchmarks.measuring import in_turns, median, stand_in, temporary_home
from benchmarks.report import Report
from claude_magic import AsyncClaudeClient, PoolConfig, SessionConfig, SimulatedAPI
from claude_magic.cli.discovery import find_cli

PROMPT = "Say hello to number {value}."
WORKERS = 4
OWN_WORKERS = 8
Found = tuple[float, float | None]
"""Seconds per row, and megabytes of each worker where that is known."""


def run(rows: int = 24, own_rows: int = 1_600, rounds: int = 2) -> Report:
    """Measure.

    Args:
        rows: rows of each way with the real CLI.
        own_rows: rows of the map over children that answer at once.
        rounds: how often each way is timed.
    """
    clis = known_clis()  # before the environment is another one
    report = Report("map", "one prompt over many rows", ["rows/s", "ms per row", "MB per worker"])
    with temporary_home() as home, stand_in(messages=10, shape="tools") as cli:
        wall_s, own_s = asyncio.run(own_share(cli, home, own_rows))
    report.rows[f"ours, {OWN_WORKERS} children that answer at once"] = [1 / wall_s, 1e3 * wall_s, None]
    report.ratio("processor time of ours per row", 1e3 * own_s, unit="ms", aim=5, at_most=True)
    with temporary_home() as home, simulator() as (url, key):
        for cli in clis:
            add_real(report, Place(cli, url, key, home), rows, rounds)
    report.notes.append(
        f"{rows} rows, {WORKERS} at the same time, {rounds} rounds in turns; the simulator answers at once."
    )
    return report


def known_clis() -> list[Path]:
    """Return the CLI that is found, and those that CLAUDE_MAGIC_TEST_CLIS names."""
    named = [Path(entry) for entry in os.environ.get("CLAUDE_MAGIC_TEST_CLIS", "").split(os.pathsep) if entry]
    return list(dict.fromkeys([find_cli(), *named]))


def add_real(report: Report, place: Place, rows: int, rounds: int) -> None:
    """Time each way with a real CLI, and say how they compare."""
    version = cli_version(place.cli).split()[0]
    ways: dict[str, Callable[[], Found]] = {
        "claude -p in a loop": partial(one_by_one, place, max(1, rows // WORKERS)),
        f"claude -p in xargs -P {WORKERS}": partial(by_xargs, place, rows),
        "ours, a new process for each row": partial(ours, place, rows, reuse=False),
        "ours, processes kept": partial(ours, place, rows, reuse=True),
    }
    found = in_turns(ways, rounds)
    seconds = {name: median([per_row for per_row, _ in each]) for name, each in found.items()}
    for name, each in found.items():
        known = [size for _, size in each if size is not None]
        report.rows[f"{version}: {name}"] = [1 / seconds[name], 1e3 * seconds[name], max(known) if known else None]
    kept = seconds["ours, processes kept"]
    for name in ways:
        if name != "ours, processes kept":
            report.ratio(f"{version}: {name}, beside ours with processes kept", seconds[name] / kept)


async def own_share(cli: Path, home: Path, rows: int) -> Found:
    """Return seconds per row, and seconds of our own processor time per row."""
    config = SessionConfig(cli_path=cli, working_dir=home, api_key="sk-ant-test-not-a-key")
    pool = PoolConfig(max_sessions=OWN_WORKERS + 1, prewarm=0)
    async with AsyncClaudeClient(config, pool=pool) as client:
        await client.map(list(range(2 * OWN_WORKERS)), "Warm up {value}", cache=home / "warm", workers=OWN_WORKERS)
        began, used = time.perf_counter(), processor_s()
        run = client.map(list(range(rows)), PROMPT, cache=home / "rows", workers=OWN_WORKERS)
        await run
        return (time.perf_counter() - began) / rows, (processor_s() - used) / rows


def processor_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def ours(place: Place, rows: int, *, reuse: bool) -> Found:
    """A map, with processes that are kept or with a new one for each row."""
    return asyncio.run(_ours(place, rows, reuse=reuse))


async def _ours(place: Place, rows: int, *, reuse: bool) -> Found:
    simulated = SimulatedAPI(place.url, place.environment["CLAUDE_CONFIG_DIR"], place.key)
    # Without its commands a CLI cannot begin anew, so each row gets a process.
    extra = [] if reuse else ["--disable-slash-commands"]
    config = SessionConfig(
        working_dir=place.home, cli_path=place.cli, simulated=simulated, extra_args=extra,
        environment={"IS_SANDBOX": "1"},
    )  # fmt: skip
    sizes: list[float] = []
    async with AsyncClaudeClient(config, pool=PoolConfig(prewarm=0)) as client:
        began = time.perf_counter()
        run = client.map(list(range(rows)), PROMPT, cache=False, workers=WORKERS)
        async for _ in run:
            pids = [info.pid for info in client.list_sessions() if info.pid is not None]
            sizes.append(max((memory_mb(pid) for pid in pids), default=0.0))
        return (time.perf_counter() - began) / rows, max(sizes)


def memory_mb(pid: int) -> float:
    try:
        return float(psutil.Process(pid).memory_info().rss) / 1e6
    except psutil.Error:
        return 0.0


def one_by_one(place: Place, rows: int) -> Found:
    """A shell's loop; fewer rows, for each takes as long as any other."""
    began = time.perf_counter()
    for number in range(rows):
        subprocess.run(words(place, number), check=True, **surroundings(place))
    return (time.perf_counter() - began) / rows, None


def by_xargs(place: Place, rows: int) -> Found:
    """What a shell can do about it."""
    command = ["xargs", "-P", str(WORKERS), "-I{}", "sh", "-c", shlex.join(words(place, "{}"))]
    given = "\n".join(map(str, range(rows))).encode()
    began = time.perf_counter()
    subprocess.run(command, check=True, input=given, **without_stdin(place))
    return (time.perf_counter() - began) / rows, None


def without_stdin(place: Place) -> dict[str, Any]:
    return {name: value for name, value in surroundings(place).items() if name != "stdin"}


def words(place: Place, number: Any) -> list[str]:
    prompt = PROMPT.replace("{value}", str(number))
    return [
        str(place.cli),
        "-p",
        prompt,
        "--output-format=json",
        "--tools=",
        "--setting-sources=",
        "--strict-mcp-config",
    ]


def surroundings(place: Place) -> dict[str, Any]:
    null = subprocess.DEVNULL
    return {
        "env": {**os.environ, **place.environment},
        "cwd": place.home,
        "stdin": null,
        "stdout": null,
        "stderr": null,
    }
