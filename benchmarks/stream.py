"""`stream`: messages a second from a child that writes as fast as it can."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import orjson

from benchmarks.measuring import Stopwatch, in_turns, median, share_of, stand_in, temporary_home
from benchmarks.report import Report

CHUNK = 256 * 2**10
WARM_UP = 2_000
PROMPT = "Go."
KEY = "sk-ant-benchmark-not-a-key"

Load = Callable[[bytes], Any]
Took = tuple[float, float]
"""Seconds by the clock, and seconds of processor time of this process."""


def run(messages: int = 200_000, rounds: int = 5) -> Report:
    """Measure.

    Args:
        messages: lines of the turn that is timed.
        rounds: how often each way is timed.
    """
    with temporary_home(), stand_in(messages=messages, first=min(messages, WARM_UP)) as cli:
        load, loader = faster_loader(sample(cli))
        ways: dict[str, Callable[[], Took]] = {
            "AsyncClaudeClient.stream": lambda: asyncio.run(ours(cli, messages)),
            "ClaudeClient.stream": partial(ours_blocking, cli, messages),
            "claude-agent-sdk": lambda: asyncio.run(sdk(cli, messages)),
            f"bare loop, os.read, {loader}": partial(bare, cli, messages, load),
            f"bare loop, asyncio, {loader}": lambda: asyncio.run(bare_async(cli, messages, load)),
            f"bare loop, os.read, {loader}, dicts kept": partial(bare, cli, messages, load, keeps=True),
            "AsyncClaudeClient.stream, hiding a secret": lambda: asyncio.run(ours(cli, messages, KEY)),
        }
        for way in ways.values():
            way()  # warm: imports, caches, the allocator
        return report(messages, rounds, in_turns(ways, rounds))


def report(messages: int, rounds: int, took: dict[str, list[Took]]) -> Report:
    """Say what was measured; the order of `took` is that of `run`."""
    seconds = {name: [clock for clock, _ in times] for name, times in took.items()}
    cpu = {name: [used for _, used in times] for name, times in took.items()}
    ours_cpu, blocking_cpu, sdk_cpu, read_cpu, async_cpu, kept_cpu, hiding_cpu = cpu.values()
    found = Report("stream", f"{messages:,} messages, each with its type and text read", ["messages/s", "CPU us each"])
    for name, values in seconds.items():
        found.rows[name] = [messages / median(values), 1e6 * median(cpu[name]) / messages]
    found.ratio("async beside claude-agent-sdk", share_of(sdk_cpu, ours_cpu), aim=10)
    found.ratio("async with a secret to hide, beside claude-agent-sdk", share_of(sdk_cpu, hiding_cpu), aim=10)
    found.ratio("blocking beside claude-agent-sdk", share_of(sdk_cpu, blocking_cpu), aim=5)
    found.ratio("async beside the bare loop that keeps its dicts", share_of(kept_cpu, ours_cpu), aim=1)
    bare_cpu = min(read_cpu, async_cpu, key=median)
    found.ratio("async beside the faster bare loop that keeps nothing", share_of(bare_cpu, ours_cpu))
    found.notes.append(
        f"{rounds} rounds in turns; log and metrics on; the ratios are of processor time of this process."
    )
    found.notes.append("The bare loops decode each line to a dict; ours keeps every message, as one of them does.")
    return found


# Each way starts a child, lets it do one short turn, and returns the seconds of the second.


async def ours(cli: Path, messages: int, api_key: str | None = None) -> Took:
    """`AsyncClaudeClient.stream`, message by message; with a key, every text is searched for it."""
    from claude_magic import AsyncClaudeClient, PoolConfig, SessionConfig

    async with AsyncClaudeClient(SessionConfig(cli_path=cli, api_key=api_key), pool=PoolConfig(prewarm=0)) as client:
        session = await client.create_session(name="bench")
        await client.execute(session, PROMPT)
        seen = characters = 0
        watch = Stopwatch()
        async with client.stream(session, PROMPT) as stream:
            async for message in stream:
                if message.type == "text":
                    characters += len(message.text)
                seen += 1
        took = watch.stop()
        check(seen, messages + 1, len(stream.response.text), characters)
        return took


def ours_blocking(cli: Path, messages: int) -> Took:
    """`ClaudeClient.stream`, message by message."""
    from claude_magic import ClaudeClient, PoolConfig, SessionConfig

    with ClaudeClient(SessionConfig(cli_path=cli), pool=PoolConfig(prewarm=0)) as client:
        session = client.create_session(name="bench")
        client.execute(session, PROMPT)
        seen = characters = 0
        watch = Stopwatch()
        with client.stream(session, PROMPT) as stream:
            for message in stream:
                if message.type == "text":
                    characters += len(message.text)
                seen += 1
        took = watch.stop()
        check(seen, messages + 1, len(stream.response.text), characters)
        return took


async def sdk(cli: Path, messages: int) -> Took:
    """The SDK's client, message by message."""
    from claude_agent_sdk import ClaudeAgentOptions, ClaudeSDKClient, StreamEvent

    options = ClaudeAgentOptions(cli_path=cli, include_partial_messages=True)
    async with ClaudeSDKClient(options=options) as client:
        await client.query(PROMPT)
        async for _ in client.receive_response():
            pass
        seen = characters = 0
        watch = Stopwatch()
        await client.query(PROMPT)
        async for message in client.receive_response():
            if type(message) is StreamEvent:
                characters += len((message.event.get("delta") or {}).get("text") or "")
            seen += 1
        took = watch.stop()
    check(seen, messages, characters, characters)
    return took


def bare(cli: Path, messages: int, load: Load, *, keeps: bool = False) -> Took:
    """What a loop costs that reads in chunks, splits lines and decodes each; and keeps what it decoded, or not."""
    child = subprocess.Popen([str(cli)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin is not None
    assert child.stdout is not None
    reader = child.stdout.fileno()
    with child:
        for _ in range(2):
            counter = Keeper(load) if keeps else Counter(load)
            watch = Stopwatch()
            child.stdin.write(prompt_line())
            child.stdin.flush()
            while not counter.is_over:
                counter.take(os.read(reader, CHUNK))
            took = watch.stop()
        child.stdin.close()
    check(counter.seen, messages, counter.characters, counter.characters)
    return took


async def bare_async(cli: Path, messages: int, load: Load) -> Took:
    """The same on an event loop."""
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(str(cli), stdin=pipe, stdout=pipe, limit=CHUNK)
    assert child.stdin is not None
    assert child.stdout is not None
    for _ in range(2):
        counter = Counter(load)
        watch = Stopwatch()
        child.stdin.write(prompt_line())
        while not counter.is_over:
            counter.take(await child.stdout.read(CHUNK))
        took = watch.stop()
    child.stdin.close()
    await child.wait()
    check(counter.seen, messages, counter.characters, counter.characters)
    return took


class Counter:
    """Splits chunks into lines, decodes each to a dict, and reads its type and text."""

    def __init__(self, load: Load) -> None:
        self.seen = self.characters = 0
        self.is_over = False
        self._load = load
        self._rest = b""

    def take(self, data: bytes) -> None:
        load = self._load
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            message = load(line)
            kind = message["type"]
            if kind == "stream_event":
                delta = message["event"].get("delta")
                if delta is not None and delta.get("type") == "text_delta":
                    self.characters += len(delta["text"])
            elif kind == "result":
                self.is_over = True
        self.seen += len(lines)


class Keeper(Counter):
    """Keeps every dict too, as whoever wants to look at a turn when it is over."""

    def __init__(self, load: Load) -> None:
        self.kept: list[Any] = []

        def keep(line: bytes) -> Any:
            message = load(line)
            self.kept.append(message)
            return message

        super().__init__(keep)


def prompt_line() -> bytes:
    return json.dumps({"type": "user", "message": {"role": "user", "content": PROMPT}}).encode() + b"\n"


def sample(cli: Path) -> list[bytes]:
    """Return the lines of a short turn."""
    done = subprocess.run([str(cli)], input=prompt_line(), stdout=subprocess.PIPE, check=True)
    return done.stdout.splitlines()


def faster_loader(lines: list[bytes]) -> tuple[Load, str]:
    """Return the faster of orjson and msgspec on these lines, and its name."""
    loaders: dict[str, Load] = {"orjson": orjson.loads, "msgspec": msgspec.json.Decoder().decode}
    took: dict[str, list[float]] = {name: [] for name in loaders}
    for _ in range(5):
        for name, load in loaders.items():
            started = time.perf_counter()
            for line in lines:
                load(line)
            took[name].append(time.perf_counter() - started)
    name = min(took, key=lambda name: min(took[name]))
    return loaders[name], name


def check(seen: int, wanted: int, text: int, characters: int) -> None:
    """Refuse to report a way that left something out.

    Raises:
        RuntimeError: it did.
    """
    if seen != wanted or text != characters:
        raise RuntimeError(f"{seen} messages instead of {wanted}, {characters} characters instead of {text}")
