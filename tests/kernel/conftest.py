"""Kernels with the real CLI, answered by a simulator that runs in the test's own process."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from kernels import Kernel, begin_cell, running_kernel

from claude_magic.simulator import Scenario, Simulator, fail, rule, step, text, tool

WORDS = " ".join(f"w{number}" for number in range(3000))
SLEEP = 'python3 -c "import time; time.sleep(300)"'
ROOT = Path(__file__).parent.parent.parent

RULES = [
    rule("three seconds", step(text(WORDS[:1500]), chunk_chars=5, chunk_delay_s=0.01)),
    rule("go on for long", step(text(WORDS), chunk_chars=5, chunk_delay_s=0.02)),
    *(
        rule(f"make the file {name}", tool("Bash", command=f"echo made > {name}"), text("Tool said: {tool_result}"))
        for name in ("first", "second", "third", "fourth", "fifth", "nobody", "asked")
    ),
    rule("run a long tool", tool("Bash", command=f"echo $$ > pids; {SLEEP} & echo $! >> pids; wait"), text("Done.")),
    rule(
        "detach",
        tool("Bash", command=f"setsid nohup {SLEEP} > /dev/null 2>&1 < /dev/null & echo $! > detached"),
        text("Detached."),
    ),
    rule("records", step(structured={"records": [{"month": "Jan", "n": 1}, {"month": "Feb", "n": 2}]})),
    rule("a point", step(structured={"x": 1.5})),
    rule("fail (\\w+)", fail("{match_1}")),
    rule(None, text("You said: {prompt}")),
]


@pytest.fixture(scope="module")
def api() -> Iterator[Simulator]:
    """The API that answers; it remembers every request."""
    with Simulator(Scenario(rules=RULES)) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def environment(cli_path: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a kernel: a home of its own, no account."""
    home = tmp_path_factory.mktemp("home")
    (home / "tmp").mkdir()
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "PATHEXT", "COMSPEC") if name in os.environ}
    return kept | {
        "HOME": str(home), "USERPROFILE": str(home), "TMPDIR": str(home / "tmp"), "IPYTHONDIR": str(home / "ipython"),
        "CLAUDE_CODE_TMPDIR": str(home / "tmp"), "CLAUDE_MAGIC_CLI": str(cli_path), "PYTHONPATH": str(ROOT),
        "IS_SANDBOX": "1", "MPLBACKEND": "agg",
    }  # fmt: skip


@pytest.fixture(scope="module")
def begin(
    api: Simulator, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], tuple[Kernel, Path]]]:
    """Starts kernels that are ready to prompt, each in a folder of its own; they end with the module."""
    with ExitStack() as stack:

        def start() -> tuple[Kernel, Path]:
            folder = tmp_path_factory.mktemp("work")
            kernel = stack.enter_context(running_kernel(environment, folder))
            cell = kernel.run(begin_cell(api, folder))
            assert (cell.error, cell.printed, cell.updates) == ("", "", [])
            return kernel, folder

        yield start


@pytest.fixture(scope="module")
def shared(begin: Callable[[], tuple[Kernel, Path]]) -> tuple[Kernel, Path]:
    """One kernel for all tests that leave it as they found it."""
    return begin()


@pytest.fixture
def kernel(shared: tuple[Kernel, Path]) -> Kernel:
    """The shared kernel, with no session open."""
    shared[0].run("for info in client.list_sessions(): client.close_session(info.name)")
    return shared[0]


@pytest.fixture
def folder(shared: tuple[Kernel, Path]) -> Path:
    """The working folder of the shared kernel."""
    return shared[1]
