"""`soak`: a long day of one kernel: many sessions, reaped and resumed again and again, and what that leaves behind."""

from __future__ import annotations

import gc
import os
import random
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from benchmarks.latency import Place, simulator
from benchmarks.measuring import fresh_process, median, temporary_home
from benchmarks.report import Report, say
from claude_magic.cli.discovery import find_cli

_SETTLED_SHARE = 1 / 6
"""After this share of the time, ten minutes of an hour, memory must be flat."""
_REAPED_AFTER_SHARE = 1 / 60
_QUIET_S = 2.0
_EXECUTOR = "asyncio_"
"""Threads of the loop's executor, six at most, stay for what comes next."""
_COUNTED = ("processes", "threads", "file descriptors", "temporary files")


def run(minutes: float = 60.0, turns: int = 1_000, sessions: int = 50) -> Report:
    """Measure.

    Args:
        minutes: how long the day is.
        turns: prompts, at even intervals, each to a session picked at random.
        sessions: how many there are; eight have a process at the same time.
    """
    with temporary_home() as home, simulator() as (url, key):
        place = Place(find_cli(), url, key, home)
        os.environ |= {**place.environment, "TMPDIR": str(_made(home / "tmp"))}
        found = fresh_process(__name__, str(minutes), str(turns), str(sessions))
    report = Report("soak", f"{turns:,} turns of {sessions} sessions in {minutes:g} minutes", ["MB", *_COUNTED])
    for name in ("before", "after a sixth of the time", "at the end", "after close()"):
        report.rows[name] = [found[name][key] for key in ("MB", *_COUNTED)]
    settled, last = found["after a sixth of the time"]["MB"], found["at the end"]["MB"]
    report.ratio("memory at the end, beside that after a sixth", last / settled, aim=1.05, at_most=True)
    for what in _COUNTED:
        left = found["after close()"][what] - found["before"][what]
        report.ratio(f"{what} left behind", left, unit="", aim=0, at_most=True)
    report.notes.append(
        f"{found['created']:.0f} processes were started and {found['failed']:.0f} turns failed; memory is that of this "
        "process alone, the median of a tenth of the turns; before, a first client had come and gone."
    )
    return report


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


# What runs in the fresh process.


def day(minutes: float, turns: int, sessions: int) -> dict[str, Any]:
    """Live through the day, and return what there was at its parts."""
    from claude_magic import ClaudeClient, ClaudeError, PoolConfig, SessionConfig

    with ClaudeClient() as first:  # what the first one starts stays for all: the loop's thread, the watch on children
        first.create_session(name="first")
        first.execute("first", "hello")
    before = _look_when_quiet()
    picked = random.Random(0)
    seen: list[dict[str, float]] = []
    failed = 0
    span_s = 60 * minutes
    begun = time.monotonic()
    pool = PoolConfig(max_sessions=8, prewarm=1, idle_timeout_s=max(1.0, span_s * _REAPED_AFTER_SHARE))
    with ClaudeClient(SessionConfig(allowed_tools=["Bash"]), pool=pool) as client:
        for number in range(turns):
            time.sleep(max(0.0, begun + span_s * number / turns - time.monotonic()))
            name = f"session-{picked.randrange(sessions)}"
            if name not in [session.name for session in client.list_sessions()]:
                client.create_session(name=name)
            try:
                client.execute(name, f"Prompt {number}: say hello.")
            except ClaudeError as error:
                failed += 1
                say(f"  turn {number}: {error}")
            seen.append(_look())
        created = client.get_stats().created
    return {
        "before": before,
        "after a sixth of the time": _middle(seen, _SETTLED_SHARE),
        "at the end": _middle(seen, 0.9),
        "after close()": _look_when_quiet(),
        "created": created,
        "failed": failed,
    }


def _look() -> dict[str, float]:
    process = psutil.Process()
    temporary = os.environ.get("TMPDIR", "")
    return {
        "MB": process.memory_info().rss / 1e6,
        "processes": len(process.children(recursive=True)),
        "threads": sum(not thread.name.startswith(_EXECUTOR) for thread in threading.enumerate()),
        "file descriptors": process.num_fds(),
        "temporary files": sum(len(names) for _, _, names in os.walk(temporary)) if temporary else 0,
    }


def _look_when_quiet() -> dict[str, float]:
    """Look once nothing more goes away: processes and threads end a moment after they were told to."""
    looks = [_look()]
    while len(looks) < 2 or any(looks[-1][what] != looks[-2][what] for what in _COUNTED):
        time.sleep(_QUIET_S)
        gc.collect()
        looks.append(_look())
    return looks[-1]


def _middle(seen: list[dict[str, float]], share: float) -> dict[str, float]:
    """Return the medians of a tenth of what was seen, from this share of the time on."""
    size = max(1, len(seen) // 10)
    begin = min(int(share * len(seen)), len(seen) - size)
    part = seen[begin : begin + size]
    return {key: median([one[key] for one in part]) for key in part[0]}


if __name__ == "__main__":
    import json
    import sys

    print(json.dumps(day(float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
