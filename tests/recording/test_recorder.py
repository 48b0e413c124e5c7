"""Recording: what is asked while it is on, each run with its own lines, and no secret."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from fakes import FakeCLIs, FakeTransport, compile_fake, prompt_of
from tapes import SECRET, replayer

from claude_magic.client import AsyncClaudeClient
from claude_magic.recording import TapeRecorder, read_tape


async def test_tape_recorder_writes_no_secret_even_if_it_came_in_pieces(tape: Path) -> None:
    """Neither the secret nor one of its pieces is written."""
    written = tape.read_text()

    assert SECRET not in written
    assert "s3cret-" not in written
    assert "[redacted api_key]" in written


async def test_tape_recorder_is_switched_on_and_off_while_a_session_is_open(tmp_path: Path) -> None:
    """Only what was prompted while it was on is written."""
    clis = FakeCLIs()
    async with AsyncClaudeClient(start=clis.start, compile=compile_fake) as client:
        await client.create_session(name="main")
        await client.execute("main", "before")
        client.tape.begin(tmp_path / "runs.jsonl")
        await client.execute("main", "during")
        client.tape.close()
        await client.execute("main", "after")

    assert replayer(tmp_path / "runs.jsonl").prompts == ["during"]


async def test_tape_recorder_keeps_simultaneous_runs_apart(tmp_path: Path) -> None:
    """Lines of two sessions stand mixed on the tape, and each run gets its own back."""
    path = tmp_path / "runs.jsonl"
    both = asyncio.Barrier(2)

    async def in_step(cli: FakeTransport, message: dict[str, Any]) -> None:
        cli.begin(message)
        for piece in ("a", "b"):
            await both.wait()
            cli.text(f"{prompt_of(message)} {piece} ")
        cli.result()

    async with FakeCLIs(in_step).client(record=path) as client:
        for name in ("one", "two"):
            await client.create_session(name=name)
        await asyncio.gather(client.execute("one", "one"), client.execute("two", "two"))

    async with AsyncClaudeClient(replay=replayer(path)) as client:
        await client.create_session(name="main")
        assert [(await client.execute("main", name)).text.split() for name in ("one", "two")] == [
            ["one", "a", "one", "b"],
            ["two", "a", "two", "b"],
        ]


def test_tape_recorder_adds_to_a_tape(tmp_path: Path) -> None:
    """A second recording goes on where the first one ended."""
    path = tmp_path / "runs.jsonl"
    for prompt in ("one", "two"):
        recorder = TapeRecorder()
        recorder.begin(path)
        recorder.write({"run": prompt, "prompt": prompt})
        recorder.close()

    assert [run.prompt for run in read_tape(path)] == ["one", "two"]


def test_tape_recorder_cuts_a_half_written_line_off_before_it_writes_more(tmp_path: Path) -> None:
    """What is added begins a line of its own, and the tape stays one."""
    path = tmp_path / "runs.jsonl"
    path.write_text(json.dumps({"tape": 1}) + "\n" + json.dumps({"run": "1", "prompt": "one"}) + '\n{"at": 0.1, "li')
    recorder = TapeRecorder()
    recorder.begin(path)
    recorder.write({"run": "2", "prompt": "two"})
    recorder.close()

    assert [run.prompt for run in read_tape(path)] == ["one", "two"]
