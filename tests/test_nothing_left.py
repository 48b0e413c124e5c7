"""The real CLI and its tools: nothing of them survives a close, a kill, or the death of the kernel."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from claude_magic.cli.encoder import user_message
from claude_magic.cli.process import Process
from claude_magic.cli.reaper import OWNER_VARIABLE, alive, find_tagged
from claude_magic.cli.transport import Launch
from claude_magic.messages import Message
from claude_magic.simulator import Scenario, Simulator, rule, text, tool

Begin = Callable[..., Awaitable[Process]]

HERE = Path(__file__).parent
GUARD_S = 20.0
FLAGS = (
    "-p", "--input-format=stream-json", "--output-format=stream-json", "--verbose", "--include-partial-messages",
    "--setting-sources=", "--strict-mcp-config", "--allowedTools=Bash",
)  # fmt: skip
SLEEP = f"'{sys.executable}' -c 'import time; time.sleep(300)'"
LONG_TOOL = f"echo $$ > pids; {SLEEP} & echo $! >> pids; wait"
DETACHED = f"setsid nohup {SLEEP} > /dev/null 2>&1 < /dev/null & echo $! > pids"


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A model that runs one long tool, or one that detaches a process and goes on."""
    rules = [
        rule("long", tool("Bash", command=LONG_TOOL), text("Done.")),
        rule("detach", tool("Bash", command=DETACHED), text("Detached.")),
    ]
    with Simulator(Scenario(rules=rules), pace=0) as running:
        yield running


@pytest.fixture
def launch(cli_path: str, simulator: Simulator, tmp_path: Path) -> Launch:
    """The real CLI in a folder of its own, with no account and no settings."""
    for folder in ("work", "config", "temp"):
        (tmp_path / folder).mkdir()
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "CLAUDE_CONFIG_DIR": str(tmp_path / "config"),
        "CLAUDE_CODE_TMPDIR": str(tmp_path / "temp"), "ANTHROPIC_BASE_URL": simulator.url,
        "ANTHROPIC_API_KEY": simulator.key, "DISABLE_AUTOUPDATER": "1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "NO_PROXY": "127.0.0.1,localhost",
    }  # fmt: skip
    return Launch((str(cli_path), *FLAGS), tuple(environment.items()), str(tmp_path / "work"))


@pytest.fixture
async def begin(launch: Launch) -> AsyncIterator[Begin]:
    """Starts a CLI, sends a prompt if there is one, and ends the CLI with the test."""
    started: list[Process] = []

    async def start(prompt: str = "") -> Process:
        started.append(await Process.start(launch))
        if prompt:
            await started[-1].send(user_message(prompt, str(uuid.uuid4())))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        await process.close()


def all_gone(processes: list[psutil.Process], within_s: float = GUARD_S) -> bool:
    """Wait, up to a generous bound, until none of the processes runs any more."""
    deadline = time.monotonic() + within_s
    while alive(processes) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not alive(processes)


async def tool_processes(folder: str, count: int) -> list[psutil.Process]:
    """Wait until a tool has written the pids of its processes."""
    file = Path(folder) / "pids"
    async with asyncio.timeout(60):
        while not file.exists() or len(file.read_text().split()) < count:  # noqa: ASYNC110  another process writes it
            await asyncio.sleep(0.02)
    return [psutil.Process(int(pid)) for pid in file.read_text().split()]


async def until(process: Process, kind: str) -> list[Message]:
    messages: list[Message] = []
    async with asyncio.timeout(60):
        while batch := await process.receive():
            messages += batch
            if any(message.type == kind for message in batch):
                break
    return messages


async def test_close_ends_a_running_tool(begin: Begin, launch: Launch) -> None:
    """The turn is interrupted in order; the shell and what it started are gone when `close` returns."""
    process = await begin("long please")
    tools = await tool_processes(launch.working_dir, 2)
    owner_tag = psutil.Process(process.pid).environ()[OWNER_VARIABLE]
    started = time.monotonic()

    await process.close()

    assert time.monotonic() - started < GUARD_S
    assert process.exit_code == 1  # by itself, after a turn that was cut off
    assert not alive(tools)
    assert find_tagged(owner_tag) == []


async def test_kill_ends_a_running_tool(begin: Begin, launch: Launch) -> None:
    """Force on the CLI alone would leave its shell, which lives in a session of its own."""
    process = await begin("long please")
    tools = await tool_processes(launch.working_dir, 2)

    process.kill()
    await process.close()

    assert all_gone(tools)


async def test_close_ends_what_a_tool_detached(begin: Begin, launch: Launch) -> None:
    """`setsid nohup ... &` outlives its turn, is known while it lives, and goes with its CLI."""
    process = await begin("detach please")
    await until(process, "result")
    [detached] = await tool_processes(launch.working_dir, 1)
    assert process.detached_pids() == [detached.pid]

    await process.close()

    assert process.exit_code == 0
    assert not alive([detached])


async def test_a_never_prompted_cli_closes_in_order(begin: Begin) -> None:
    """A warm process that is not needed ends by the end of its stdin."""
    process = await begin()

    await process.close(grace_s=30)  # all the time it may need on a busy machine

    assert process.exit_code == 0
    assert await process.receive() == []


@pytest.mark.parametrize(("prompt", "until_type", "count"), [("long", "tool_use", 2), ("detach", "result", 1)])
async def test_a_killed_kernel_leaves_no_cli_and_no_tool(
    launch: Launch, prompt: str, until_type: str, count: int
) -> None:
    """kill -9 of the Python process in the middle of a tool, and with a detached one."""
    plan: dict[str, Any] = {
        "argv": launch.argv, "environment": dict(launch.environment), "folder": launch.working_dir,
        "prompts": [f"{prompt} please"], "until": until_type, "then": "wait",
    }  # fmt: skip
    kernel = subprocess.Popen(
        [sys.executable, str(HERE / "lone_kernel.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert kernel.stdin is not None
    assert kernel.stdout is not None
    with kernel, kernel.stdin, kernel.stdout:
        kernel.stdin.write(json.dumps(plan).encode())
        kernel.stdin.close()
        report = json.loads(await asyncio.to_thread(kernel.stdout.readline))
        left = await tool_processes(launch.working_dir, count)
        left += [psutil.Process(report["cli"]), psutil.Process(report["reaper"])]
        assert alive(left) == left

        kernel.kill()

    assert await asyncio.to_thread(all_gone, left)
    assert find_tagged(f"{report['owner']}:") == []
