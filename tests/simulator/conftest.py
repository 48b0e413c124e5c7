"""Fixtures of the simulator's tests."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from simulator_support import KEY, Run, sealed_environment

from claude_magic.simulator import Scenario, Simulator


@pytest.fixture
def play() -> Iterator[Callable[..., Simulator]]:
    """Starts a simulator with the given rules and stops it at the end of the test."""
    started: list[Simulator] = []

    def start(*rules: Any, pace: float = 0, **options: Any) -> Simulator:
        simulator = Simulator(Scenario(rules=rules, **options), pace=pace, key=KEY).start()
        started.append(simulator)
        return simulator

    yield start
    for simulator in started:
        simulator.stop()


@pytest.fixture
def claude(cli_path: Path, tmp_path: Path) -> Callable[..., Run]:
    """Runs the real CLI once, with no account, no settings and its own home."""

    def run(url: str, *arguments: str, environment: Mapping[str, str] | None = None) -> Run:
        work = tmp_path / "work"
        work.mkdir(exist_ok=True)
        command = [str(cli_path), "-p", "--output-format", "stream-json", "--verbose", "--setting-sources=", *arguments]
        done = subprocess.run(
            command,
            cwd=work,
            env={**sealed_environment(url, tmp_path), **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        return Run(done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr)

    return run
