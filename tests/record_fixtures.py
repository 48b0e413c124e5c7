"""Record what the real CLI writes, for the tests: one file per situation and version, in tests/fixtures/.

    python tests/record_fixtures.py CLI [CLI ...]

Beside them, `inventory-VERSION.json` lists what that version offers: flags, tools, commands, models. `compare_cli.py`
sets another version against these files.

Each run is the real CLI against the simulator, in a home of its own. What differs from run to run without meaning
anything (ids, times, folders) is replaced, so that recording again changes only what the CLI changed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from claude_magic import Allow, AsyncClaudeClient, ClaudeError, Deny, PermissionRequest
from claude_magic.cli.discovery import cli_version
from claude_magic.cli.process import Process
from claude_magic.cli.transport import Launch
from claude_magic.messages import Message, MessageType
from claude_magic.permissions import Decision
from claude_magic.simulator import Scenario, Simulator, fail, rule, step, text, thinking, tool
from claude_magic.simulator.scenario import Pace

sys.path.insert(0, str(Path(__file__).parent))  # the tests' own helpers, as pytest sees them
from real import real_client, real_config

FOLDER = Path(__file__).parent / "fixtures"

_LONGEST_LIST = 4
_LONGEST_TEXT = 80
_SCHEMA = {"type": "object", "properties": {"month": {"type": "string"}, "revenue": {"type": "number"}}}
_LONG = " ".join(f"Day {number} was a simulated day." for number in range(400))
_SCENARIO = Scenario(
    rules=[
        rule("hello", text("Hello! *Grüße* from the **simulator** 👋")),
        rule(
            "look",
            step(thinking("I should look first."), text("Let me look."), tool("Bash", command="printf 'a\\nb\\n'")),
            text("There are two: {tool_result}"),
        ),
        rule(
            "write",
            step(tool("Bash", command="echo allowed > out.txt"), tool("Write", file_path="no.txt", content="denied")),
            text("One was allowed, one was not."),
        ),
        rule("stop", step(text(_LONG), chunk_delay_s=0.05)),
        rule("fail", fail("529")),
        rule(
            "delegate",
            tool("Agent", description="Count", prompt="count the files", subagent_type="general-purpose",
                 run_in_background=False),
            text("The subagent said: {tool_result}"),
        ),
        rule("count the files", tool("Bash", command="echo 3"), text("Three files.")),
        rule("<task-notification>", text("The background task has ended.")),
        rule(
            "background",
            tool("Bash", command="echo begun; read -t 0.3 < /dev/zero; echo done", run_in_background=True),
            text("It runs in the background."),
        ),
        rule("structured", step(text("Here it is."), structured={"month": "March", "revenue": 253})),
        rule(
            "plan",
            tool("ExitPlanMode", plan="# The plan\n\n1. Read the file.\n2. Add the total."),
            text("The plan was approved."),
        ),
        rule(
            "to do",
            step(
                tool("TaskCreate", subject="Load the file", description="with pandas", activeForm="Loading the file"),
                tool("TaskCreate", subject="Plot it", description="as a line", activeForm="Plotting it"),
            ),
            tool("TaskUpdate", taskId="1", status="in_progress"),
            tool("TaskUpdate", taskId="1", status="completed"),
            text("One of two is done."),
        ),
    ],
    pace=Pace(chunk_chars=40, chunk_delay_s=0.002),
)  # fmt: skip


@dataclass
class Recording:
    """One situation under way: the client to act on, and the results that came."""

    client: AsyncClaudeClient
    results: asyncio.Queue[Message]

    async def ask(self, prompt: str, **options: Any) -> None:
        await self.client.execute("it", prompt, **options)


async def _text(run: Recording) -> None:
    await run.ask("hello")
    await run.ask("hello again")


async def _thinking_and_tool(run: Recording) -> None:
    await run.ask("look around")


async def _permission(run: Recording) -> None:
    await run.ask("write two files")


async def _interrupt(run: Recording) -> None:
    async with run.client.stream("it", "stop me") as stream:
        async for message in stream:
            if message.type == MessageType.TEXT:
                break
    await run.ask("hello")


async def _failure(run: Recording) -> None:
    try:
        await run.ask("fail")
    except ClaudeError:
        return
    raise AssertionError("the failure did not fail")


async def _subagent(run: Recording) -> None:
    await run.ask("delegate it")


async def _background(run: Recording) -> None:
    await run.ask("in the background, please")
    async with asyncio.timeout(20):
        for _ in range(2):
            await run.results.get()


async def _structured(run: Recording) -> None:
    await run.ask("structured, please", json_schema=_SCHEMA)


async def _plan(run: Recording) -> None:
    await run.ask("plan it", permission_mode="plan")


async def _to_do(run: Recording) -> None:
    # 2.1.332 gives the tools of the to-do list to older models only.
    await run.ask("make a to do list", model="claude-haiku-4-5")


SITUATIONS: dict[str, Callable[[Recording], Awaitable[None]]] = {
    "text": _text,
    "thinking_and_tool": _thinking_and_tool,
    "permission": _permission,
    "interrupt": _interrupt,
    "failure": _failure,
    "subagent": _subagent,
    "background": _background,
    "structured": _structured,
    "plan": _plan,
    "to_do": _to_do,
}


class _Recorder(Process):
    """A CLI whose lines are kept as they come."""

    keep: Callable[[list[Message]], None]

    async def receive(self) -> list[Message]:
        batch = await super().receive()
        self.keep(batch)
        return batch


def _decide(request: PermissionRequest) -> Decision:
    return Deny("No files, please.") if request.tool_name == "Write" else Allow()


async def record(cli: Path, situation: str) -> list[bytes]:
    """Play one situation and return the lines of the CLI, as they came.

    Args:
        cli: a real CLI.
        situation: a key of `SITUATIONS`.
    """
    lines: list[bytes] = []
    results: asyncio.Queue[Message] = asyncio.Queue()

    def keep(batch: list[Message]) -> None:
        lines.extend(message.line for message in batch if message.type != MessageType.STDERR)
        for message in batch:
            if message.type == MessageType.RESULT:
                results.put_nowait(message)

    async def start(launch: Launch) -> Process:
        process = await _Recorder.start(launch)
        process.keep = keep  # type: ignore[attr-defined]  # `start` returns what it is called on
        return process

    with tempfile.TemporaryDirectory(prefix="claude-magic-") as home, Simulator(_SCENARIO) as simulator:
        allowed = ("Bash(printf *)", "Bash(echo 3)", "Agent")
        environment = {"PATH": os.defpath, "TZ": "UTC", "SHELL": "/bin/bash"}
        config = real_config(
            cli, Path(home), simulator, allowed_tools=allowed, environment=environment, background_tasks=True
        )
        async with real_client(config, ask=_decide, start=start) as client:
            await client.create_session(name="it")
            await SITUATIONS[situation](Recording(client, results))
        return [tidy(_shortened(line), (home, simulator.url.removeprefix("http://"))) for line in _numbered(lines)]


async def inventory(cli: Path) -> dict[str, list[str]]:
    """Return what a CLI offers, as sorted lists by kind: flags, tools, slash commands, agents, models, capabilities.

    Args:
        cli: a real CLI.
    """
    told: list[dict[str, Any]] = []

    async def start(launch: Launch) -> Process:
        process = await _Recorder.start(launch)
        process.keep = lambda batch: told.extend(message.raw for message in batch)  # type: ignore[attr-defined]
        return process

    with tempfile.TemporaryDirectory(prefix="claude-magic-") as home, Simulator(_SCENARIO) as simulator:
        config = real_config(cli, Path(home), simulator, environment={"PATH": os.defpath})
        async with real_client(config, start=start) as client:
            await client.create_session(name="it")
            await client.execute("it", "hello")
        usage = subprocess.run([cli, "--help"], env={"HOME": home, "PATH": os.defpath}, capture_output=True, text=True,
                               check=True).stdout  # fmt: skip
    ready = next(raw["response"]["response"] for raw in told if raw["type"] == "control_response")
    init = next(raw for raw in told if raw.get("subtype") == "init")
    return {
        "flags": sorted(set(re.findall(r"(?<![\w-])--[a-z][\w-]*", usage))),
        "tools": sorted(init["tools"]),
        "slash commands": sorted(init["slash_commands"]),
        "agents": sorted(init["agents"]),
        "capabilities": sorted(init.get("capabilities") or ()),
        "models": sorted(str(model.get("value")) for model in ready.get("models") or ()),
    }


# What has no meaning gets a name that holds everywhere.

_IDS = re.compile(
    rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|(?:msg|toolu|req)_sim_[0-9a-f]{20}"
    rb"|\b[0-9a-z]{9}-[0-9a-f]{8}\b|\ba[0-9a-f]{16}\b|(?<=[\"/])b(?=[a-z]*\d)[0-9a-z]{8}(?=[\".])"
)
_TIMES = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")


def _numbered(lines: Sequence[bytes]) -> list[bytes]:
    """Give the ids the numbers of their first appearance; the same id stays the same."""
    names: dict[bytes, bytes] = {}

    def name(match: re.Match[bytes]) -> bytes:
        number = len(names) + 1
        plain = b"00000000-0000-4000-8000-%012d" % number
        prefix = match[0].partition(b"_sim_")[0]
        return names.setdefault(match[0], prefix + b"_sim_%020d" % number if b"_sim_" in match[0] else plain)

    return [_IDS.sub(name, line) for line in lines]


def _shortened(line: bytes) -> bytes:
    """Cut the long lists and descriptions (of commands, models, tools) with which the CLI introduces itself."""
    message = json.loads(line)
    if message.get("subtype") == "init" or message["type"] == "control_response":
        return json.dumps(_cut(message), ensure_ascii=False, separators=(",", ":")).encode()
    return line


def _cut(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _cut(item) for key, item in value.items()}
    if isinstance(value, str) and len(value) > _LONGEST_TEXT:
        return value[: _LONGEST_TEXT - 1] + "…"
    return [_cut(item) for item in value[:_LONGEST_LIST]] if isinstance(value, list) else value


def tidy(line: bytes, places: Sequence[str]) -> bytes:
    """Replace the folders and ports of this run, and every time of day."""
    for place, name in zip(places, ("/home/user", "127.0.0.1:1"), strict=True):
        line = line.replace(place.encode(), name.encode())
        line = line.replace(re.sub(r"[/.]", "-", place).encode(), b"-home-user")
    line = re.sub(rb'"pid":\d+', b'"pid":1', line)
    return _TIMES.sub(b"2026-01-01T00:00:00.000Z", line)


def main() -> None:
    """Record every situation with every CLI."""
    parser = argparse.ArgumentParser(description="Record what real CLIs write.")
    parser.add_argument("cli", type=Path, nargs="+")
    FOLDER.mkdir(exist_ok=True)
    for cli in parser.parse_args().cli:
        version = cli_version(cli)
        for situation in SITUATIONS:
            path = FOLDER / f"{situation}-{version}.ndjson"
            lines = asyncio.run(record(cli, situation))
            path.write_bytes(b"".join(line + b"\n" for line in lines))
            sys.stdout.write(f"{path.name}: {len(lines)} lines, {path.stat().st_size // 1024} kB\n")
        path = FOLDER / f"inventory-{version}.json"
        path.write_text(json.dumps(asyncio.run(inventory(cli)), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
