"""`kernel`: what sessions that stream cost a kernel's main thread."""

from __future__ import annotations

import asyncio
import json
import subprocess
import threading
import time
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.kernels import kernel
from benchmarks.measuring import in_turns, median, percentile, stand_in, temporary_home
from benchmarks.report import Report

SLEEP_S = 0.005
SETTLE_S = 0.5

Finding = dict[str, Any]


def run(sessions: int = 16, rate: int = 100, seconds: float = 8.0, rounds: int = 3) -> Report:
    """Measure.

    Args:
        sessions: how many stream at the same time.
        rate: events a second in each.
        seconds: how long the main thread is watched.
        rounds: how often.
    """
    # The streams outlast the watching; what is left of them is cut off.
    messages = int(rate * (2 * seconds + 10))
    with temporary_home(), stand_in(messages=messages, first=messages, rate=rate) as cli:
        ways = {
            "idle": partial(in_kernel, "watch_idle", str(cli), sessions, seconds),
            f"{sessions} children whose output nobody reads": partial(
                in_kernel, "watch_unread", str(cli), sessions, seconds
            ),
            f"{sessions} children read by a bare asyncio loop": partial(
                in_kernel, "watch_bare_loop", str(cli), sessions, seconds
            ),
            f"{sessions} sessions that stream": partial(in_kernel, "watch_sessions", str(cli), sessions, seconds),
        }
        found = in_turns(ways, rounds)
    columns = ["p50 ms", "p99 ms", "max ms", "engine % of a core", "events/s"]
    report = Report("kernel", f"how late a kernel's main thread wakes from sleeps of {1e3 * SLEEP_S:g} ms", columns)
    for name, values in found.items():
        keys = ("p50_ms", "p99_ms", "max_ms", "engine_percent", "events_per_s")
        report.rows[name] = [median([value[key] for value in values]) if key in values[0] else None for key in keys]
    idle, unread, bare, streams = found.values()
    for key, words in (("p50_ms", "p50"), ("p99_ms", "p99")):
        for other, base in (("idle", idle), ("children alone", unread)):
            added = median([one[key] for one in streams]) - median([one[key] for one in base])
            report.ratio(f"{words} later than {other}", added, unit="ms")
    engine = median([one["engine_percent"] for one in streams])
    report.ratio("engine", engine, unit="% of a core", aim=10, at_most=True)
    shares = [(one["engine_percent"], other["engine_percent"]) for one, other in zip(bare, streams, strict=True)]
    report.ratio("the bare loop beside the engine", median([loop / ours for loop, ours in shares]))
    report.notes.append(
        f"{rounds} kernels each; the engine's share is the processor time of the kernel less that of its main thread. "
        "The bare loop reads lines and decodes them with json, and does nothing else: what a wake-up costs is its part."
    )
    return report


def in_kernel(function: str, cli: str, sessions: int, seconds: float) -> Finding:
    """Run one of the functions below in a fresh kernel."""
    code = f"from benchmarks import kernel\nkernel.{function}({cli!r}, {sessions}, {seconds})"
    with kernel() as fresh:
        finding: Finding = fresh.value(code)
        return finding


# What runs inside the kernel.


def watch_idle(cli: str, sessions: int, seconds: float) -> None:
    """Watch the main thread of a kernel that does nothing else."""
    tell(watch(seconds))


def watch_unread(cli: str, sessions: int, seconds: float) -> None:
    """Watch it while as many children write as there would be sessions, but to nowhere: what they cost the machine."""
    prompt = json.dumps({"type": "user", "message": {"role": "user", "content": "Go."}}).encode() + b"\n"
    children = [subprocess.Popen([cli], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) for _ in range(sessions)]
    for child in children:
        assert child.stdin is not None
        child.stdin.write(prompt)
        child.stdin.flush()
    time.sleep(1.0)
    tell(watch(seconds))
    for child in children:
        child.kill()
        child.communicate()


def watch_bare_loop(cli: str, sessions: int, seconds: float) -> None:
    """Watch it while as many children are read by an event loop on a thread, which decodes each line and drops it."""
    lines: list[int] = []
    ready, over = threading.Event(), threading.Event()

    async def read(child: asyncio.subprocess.Process) -> None:
        assert child.stdin is not None  # they are pipes
        assert child.stdout is not None
        child.stdin.write(json.dumps({"type": "user", "message": {"role": "user", "content": "Go."}}).encode() + b"\n")
        while line := await child.stdout.readline():
            json.loads(line)
            lines.append(1)
            if over.is_set():
                break
        child.kill()
        await child.communicate()

    async def read_all() -> None:
        pipe = asyncio.subprocess.PIPE
        children = [await asyncio.create_subprocess_exec(cli, stdin=pipe, stdout=pipe) for _ in range(sessions)]
        ready.set()
        await asyncio.gather(*map(read, children))

    thread = threading.Thread(target=lambda: asyncio.run(read_all()))
    thread.start()
    ready.wait()
    time.sleep(1.0)
    lines.clear()
    finding = watch(seconds)
    tell(finding | {"events_per_s": len(lines) / seconds})
    over.set()
    thread.join()


def watch_sessions(cli: str, sessions: int, seconds: float) -> None:
    """Watch it while sessions of one client stream."""
    from claude_magic import ClaudeClient, PoolConfig, Response, SessionConfig

    pool = PoolConfig(max_sessions=sessions, prewarm=0)
    with ClaudeClient(SessionConfig(cli_path=Path(cli)), pool=pool) as client:
        names = [client.create_session().name for _ in range(sessions)]
        seen: list[int] = []
        client.observers.append(lambda batch: seen.append(len(batch.messages)))
        answers: list[Future[Response]] = [client.submit(name, "Go.") for name in names]
        while client.get_stats().active_sessions < sessions:
            time.sleep(0.05)
        time.sleep(SETTLE_S)
        seen.clear()
        finding = watch(seconds)
        tell(finding | {"events_per_s": sum(seen) / seconds})
        for name in names:
            client.close_session(name)
        for answer in answers:
            answer.exception()


def watch(seconds: float) -> Finding:
    """Sleep again and again on this thread and note how late it wakes."""
    late_ms: list[float] = []
    began, cpu, own = time.perf_counter(), time.process_time(), time.thread_time()
    while time.perf_counter() - began < seconds:
        due = time.perf_counter() + SLEEP_S
        time.sleep(SLEEP_S)
        late_ms.append(1e3 * (time.perf_counter() - due))
    took = time.perf_counter() - began
    others = (time.process_time() - cpu) - (time.thread_time() - own)
    return {
        "p50_ms": percentile(late_ms, 0.50),
        "p99_ms": percentile(late_ms, 0.99),
        "max_ms": max(late_ms),
        "engine_percent": 100 * others / took,
    }


def tell(finding: Finding) -> None:
    """Print it as the last line of a cell."""
    print(json.dumps(finding), flush=True)
