"""Fixtures of the simulator's tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from simulator_support import Run, sealed_environment

from claude_magic.simulator import Scenario, Simulator


@pytest.fixture
def play() -> Iterator[Callable[..., Simulator]]:
    """Starts a simulator with the given rules and stops it at the end of the test."""
    started: list[Simulator] = []

    def start(*rules: Any, pace: float = 0, **options: Any) -> Simulator:
        simulator = Simulator(Scenario(rules=rules, **options), pace=pace).start()
        started.append(simulator)
        return simulator

    yield start
    for simulator in started:
        simulator.stop()


@pytest.fixture(scope="session")
def cli_path() -> str:
    """The real CLI: CLAUDE_MAGIC_CLI, else the one that claude-agent-sdk brings along."""
    given = os.environ.get("CLAUDE_MAGIC_CLI")
    if given:
        return given
    spec = find_spec("claude_agent_sdk")
    name = "claude.exe" if sys.platform == "win32" else "claude"
    bundled = Path(spec.origin).parent / "_bundled" / name if spec and spec.origin else None
    if bundled is None or not bundled.exists():
        pytest.skip("there is no Claude CLI: set CLAUDE_MAGIC_CLI or install claude-agent-sdk")
    return str(bundled)


@pytest.fixture
def claude(cli_path: str, tmp_path: Path) -> Callable[..., Run]:
    """Runs the real CLI once, with no account, no settings and its own home."""

    def run(url: str, *arguments: str, environment: Mapping[str, str] | None = None) -> Run:
        work = tmp_path / "work"
        work.mkdir(exist_ok=True)
        command = [cli_path, "-p", "--output-format", "stream-json", "--verbose", "--setting-sources=", *arguments]
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
