"""`latency`: how long a person waits for the first text and the whole turn, with the real CLI and the simulator."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measuring import ROOT, in_turns_async, median, share_of, temporary_home
from benchmarks.report import Report
from claude_magic import AsyncClaudeClient, PoolConfig, SessionConfig, SimulatedAPI
from claude_magic.cli.discovery import find_cli

if TYPE_CHECKING:
    from claude_agent_sdk import ClaudeAgentOptions

PROMPT = "Say hello."
READY_S = 30.0
FIRST_PROMPTS = 6
"""Prompts of a new client, each sent at once after the other; the second is compared with those that follow it."""
QUICK_TIMES = 5
"""A kept conversation answers so fast that it can be asked more often than a process can be started."""

Waits = tuple[float, float]
"""Seconds from asking to the first piece of text, and to the result."""


def run(rounds: int = 7) -> Report:
    """Measure.

    Args:
        rounds: how often each way is timed.
    """
    with temporary_home() as home, simulator() as (url, key):
        place = Place(find_cli(), url, key, home)
        os.environ |= place.environment
        waits = asyncio.run(measure(place, rounds)) | asyncio.run(measure_first_prompts(place, rounds))
    first = {name: [wait[0] for wait in found] for name, found in waits.items()}
    whole = {name: [wait[1] for wait in found] for name, found in waits.items()}
    report = Report("latency", "seconds from asking to the first text and to the result", ["first s", "whole s"])
    for name in waits:
        report.rows[name] = [median(first[name]), median(whole[name])]
    warm_s = median(first["ours, warm session"])
    for name in ("claude -p, each time", "SDK query(), each time"):
        aim = 15 if name.startswith("claude") else None
        report.ratio(f"{name}, beside ours, warm: first text", median(first[name]) / warm_s, aim=aim)
    for what, seconds in (("first text", first), ("whole", whole)):
        ratio = share_of(seconds["SDK client, kept"], seconds["ours, warm session"])
        report.ratio(f"SDK client, kept, beside ours, warm: {what}", ratio, aim=1)
    prewarmed_s = median(first["ours, new session, prewarmed process"])
    report.ratio("claude -p, beside ours, prewarmed: first text", median(first["claude -p, each time"]) / prewarmed_s)
    second = share_of(whole["ours, second prompt at once"], whole["ours, a later one"])
    report.ratio("ours, second prompt at once, beside a later one: whole", second, aim=1.3, at_most=True)
    report.notes.append(
        f"CLI {cli_version(place.cli)}; {rounds} rounds in turns, {QUICK_TIMES} times as many of what is kept warm; "
        "the simulator answers without pause."
    )
    report.notes.append("Above 1 x, ours is the faster one.")
    return report


@dataclass(frozen=True)
class Place:
    """The same surroundings for everybody: one CLI, one simulator, one empty home."""

    cli: Path
    url: str
    key: str
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        """Variables that lead every CLI to the simulator, and to nothing else."""
        return {
            "ANTHROPIC_BASE_URL": self.url,
            "ANTHROPIC_API_KEY": self.key,
            "CLAUDE_CONFIG_DIR": str(self.home / "config"),
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "IS_SANDBOX": "1",
        }


async def measure(place: Place, rounds: int) -> dict[str, list[Waits]]:
    """Time every way, turn by turn."""
    async with our_client(place) as ours, sdk_client(place) as kept:
        await ours.create_session(name="warm")
        for _ in range(2):
            await our_turn(ours, "warm")
            await sdk_kept_turn(kept)
        names = (f"new-{number}" for number in range(rounds + 1))
        slow: dict[str, Callable[[], Awaitable[Waits]]] = {
            "claude -p, each time": lambda: one_shot(place),
            "SDK query(), each time": lambda: sdk_query(place),
            "ours, new session, prewarmed process": lambda: our_new_session(ours, next(names)),
        }
        quick: dict[str, Callable[[], Awaitable[Waits]]] = {
            "SDK client, kept": lambda: sdk_kept_turn(kept),
            "ours, warm session": lambda: our_turn(ours, "warm"),
        }
        found = await in_turns_async(slow, rounds)
        return found | await in_turns_async(quick, QUICK_TIMES * rounds)


async def measure_first_prompts(place: Place, rounds: int) -> dict[str, list[Waits]]:
    """Time the second prompt of new clients, sent at once after the first, and those that follow it, turn by turn."""
    ways: dict[str, Callable[[], Awaitable[list[Waits]]]] = {
        "ours": lambda: our_first_prompts(place),
        "SDK client": lambda: sdk_first_prompts(place),
    }
    found: dict[str, list[Waits]] = {}
    for who, prompts in (await in_turns_async(ways, rounds)).items():
        found[f"{who}, second prompt at once"] = [waits[1] for waits in prompts]
        found[f"{who}, a later one"] = [sorted(waits[2:])[len(waits[2:]) // 2] for waits in prompts]
    return found


async def our_first_prompts(place: Place) -> list[Waits]:
    async with our_client(place) as client:
        await client.create_session(name="new")
        return [await our_turn(client, "new") for _ in range(FIRST_PROMPTS)]


async def sdk_first_prompts(place: Place) -> list[Waits]:
    async with sdk_client(place) as client:
        return [await sdk_kept_turn(client) for _ in range(FIRST_PROMPTS)]


async def one_shot(place: Place) -> Waits:
    """A process for one prompt, which is what calling the CLI from a cell costs."""
    words = [str(place.cli), "-p", PROMPT, "--output-format=stream-json", "--verbose", "--include-partial-messages"]
    words += ["--setting-sources=", "--strict-mcp-config"]
    started = time.perf_counter()
    pipe, null = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    child = await asyncio.create_subprocess_exec(
        *words, stdin=null, stdout=pipe, stderr=null, cwd=place.home, limit=2**24
    )
    assert child.stdout is not None
    first = whole = 0.0
    async for line in child.stdout:
        if not first and b'"text_delta"' in line:
            first = time.perf_counter() - started
        elif b'"result"' in line and json.loads(line).get("type") == "result":
            whole = time.perf_counter() - started
    await child.wait()
    return checked(first, whole)


async def sdk_query(place: Place) -> Waits:
    """The SDK's function for one prompt."""
    from claude_agent_sdk import query

    started = time.perf_counter()
    return await sdk_waits(query(prompt=PROMPT, options=sdk_options(place)), started)


async def sdk_kept_turn(client: Any) -> Waits:
    """One more prompt for the SDK's client."""
    started = time.perf_counter()
    await client.query(PROMPT)
    return await sdk_waits(client.receive_response(), started)


async def sdk_waits(messages: AsyncIterator[Any], started: float) -> Waits:
    from claude_agent_sdk import ResultMessage, StreamEvent

    first = whole = 0.0
    async for message in messages:
        if not first and isinstance(message, StreamEvent) and (message.event.get("delta") or {}).get("text"):
            first = time.perf_counter() - started
        elif isinstance(message, ResultMessage):
            whole = time.perf_counter() - started
    return checked(first, whole)


async def our_turn(client: AsyncClaudeClient, session: str) -> Waits:
    """One more prompt for a session of ours."""
    started = time.perf_counter()
    first = 0.0
    async with client.stream(session, PROMPT) as stream:
        async for message in stream:
            if not first and message.type == "text":
                first = time.perf_counter() - started
        return checked(first, time.perf_counter() - started)


async def our_new_session(client: AsyncClaudeClient, name: str) -> Waits:
    """The first prompt of a session, for which a process is ready, as it is in a notebook that is read meanwhile."""
    await warm_process_ready(client)
    await client.create_session(name=name)
    waits = await our_turn(client, name)
    await client.close_session(name)
    await warm_process_ready(client)  # it must not start while somebody else is timed
    return waits


async def warm_process_ready(client: AsyncClaudeClient) -> None:
    """Wait until the pool has a process that nobody has prompted, besides the one of the warm session."""
    async with asyncio.timeout(READY_S):
        while True:
            stats = client.get_stats()
            if stats.created - stats.destroyed >= len(client.list_sessions()) + 1:
                return
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def our_client(place: Place) -> AsyncIterator[AsyncClaudeClient]:
    simulated = SimulatedAPI(place.url, place.environment["CLAUDE_CONFIG_DIR"], place.key)
    config = SessionConfig(working_dir=place.home, cli_path=place.cli, simulated=simulated)
    async with AsyncClaudeClient(config, pool=PoolConfig(max_sessions=4, prewarm=1)) as client:
        yield client


@contextlib.asynccontextmanager
async def sdk_client(place: Place) -> AsyncIterator[Any]:
    from claude_agent_sdk import ClaudeSDKClient

    async with ClaudeSDKClient(options=sdk_options(place)) as client:
        yield client


def sdk_options(place: Place) -> ClaudeAgentOptions:
    from claude_agent_sdk import ClaudeAgentOptions

    return ClaudeAgentOptions(
        cli_path=place.cli,
        cwd=place.home,
        include_partial_messages=True,
        setting_sources=[],
        strict_mcp_config=True,
        system_prompt={"type": "preset", "preset": "claude_code"},
    )


@contextlib.contextmanager
def simulator() -> Iterator[tuple[str, str]]:
    """Run the simulator in a process of its own, which takes no time from whom we measure; give its address and key."""
    words = [sys.executable, "-u", "-m", "claude_magic.simulator", "--port=0", "--pace=0"]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            said = ""
            while line := server.stdout.readline():
                said += line
                if told := re.search(r"BASE_URL=(\S+)[^=]*API_KEY=(\S+)", said):
                    break
            else:
                raise RuntimeError(f"the simulator did not say where it listens: {said!r}")
            yield told[1], told[2]
        finally:
            server.terminate()
            server.communicate()


def cli_version(cli: Path) -> str:
    return subprocess.run([str(cli), "--version"], capture_output=True, text=True, check=True).stdout.strip()


def checked(first: float, whole: float) -> Waits:
    """Return both waits.

    Raises:
        RuntimeError: there was no text, or no result.
    """
    if not first or not whole:
        raise RuntimeError("a turn brought no text or no result")
    return first, whole
