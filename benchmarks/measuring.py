"""How the benchmarks measure: alternatives turn by turn, medians, and children that are the same for all."""

from __future__ import annotations

import contextlib
import gc
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.report import say
from claude_magic.redaction import secrets_in

ROOT = Path(__file__).resolve().parent.parent
T = TypeVar("T")


class Stopwatch:
    """Takes the time, and the processor time of this process, from now until `stop`."""

    def __init__(self) -> None:
        self._started, self._cpu_started = time.perf_counter(), time.process_time()

    def stop(self) -> tuple[float, float]:
        """Return seconds by the clock and seconds of processor time."""
        return time.perf_counter() - self._started, time.process_time() - self._cpu_started


def in_turns(ways: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """Call every way once each round, each round from another start, so that a busy moment hits them all alike.

    Args:
        ways: what to call, by name.
        rounds: how often.

    Returns:
        What each returned, round by round.
    """
    found: dict[str, list[T]] = {name: [] for name in ways}
    for names in _orders(list(ways), rounds):
        for name in names:
            found[name].append(ways[name]())
    return found


async def in_turns_async(ways: Mapping[str, Callable[[], Awaitable[T]]], rounds: int) -> dict[str, list[T]]:
    """Await every way once each round; see `in_turns`."""
    found: dict[str, list[T]] = {name: [] for name in ways}
    for names in _orders(list(ways), rounds):
        for name in names:
            found[name].append(await ways[name]())
    return found


def _orders(names: list[str], rounds: int) -> Iterator[list[str]]:
    for number in range(rounds):
        start = number % len(names)
        gc.collect()
        yield names[start:] + names[:start]
        say(f"  round {number + 1} of {rounds}")


def median(values: list[float]) -> float:
    """Return the median of one alternative's rounds."""
    return statistics.median(values)


def share_of(values: list[float], base: list[float]) -> float:
    """Return the median, over the rounds, of one alternative's number by another's of the same round."""
    return statistics.median(value / other for value, other in zip(values, base, strict=True))


def percentile(values: list[float], share: float) -> float:
    """Return the value that `share` of the values do not exceed."""
    rising = sorted(values)
    return rising[min(len(rising) - 1, int(share * len(rising)))]


@contextlib.contextmanager
def stand_in(**options: object) -> Iterator[Path]:
    """Give a program that is `child.py` with these options, so that it can stand where the path of a CLI is wanted."""
    words = [sys.executable, "-I", "-S", str(ROOT / "benchmarks" / "child.py")]
    words += [f"--{name}={value}" for name, value in options.items()]
    with tempfile.TemporaryDirectory(prefix="claude-magic-bench-") as folder:
        program = Path(folder) / "claude"
        program.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        program.chmod(0o755)
        yield program


@contextlib.contextmanager
def temporary_home() -> Iterator[Path]:
    """Give a folder that is HOME for this process and its children as long as the block lasts, with no secrets."""
    with tempfile.TemporaryDirectory(prefix="claude-magic-bench-", ignore_cleanup_errors=True) as folder:
        kept = dict(os.environ)
        for name in list(os.environ):
            # Nothing of the user's, and nothing of an agent that may be running this.
            if name.startswith(("ANTHROPIC_", "CLAUDE")) or name in secrets_in(os.environ):
                del os.environ[name]
        os.environ |= {"HOME": folder, "USERPROFILE": folder, "CLAUDE_CODE_TMPDIR": folder}
        try:
            yield Path(folder)
        finally:
            os.environ.clear()
            os.environ.update(kept)


def fresh_process(module: str, *arguments: str) -> Any:
    """Run `python -m MODULE ARGUMENTS` and return the JSON it prints last.

    Raises:
        RuntimeError: it failed; its own words are in the message.
    """
    import json

    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{shlex.join(command)} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])
