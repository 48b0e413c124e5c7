"""Observers of every kind: whatever one of them raises, the turn goes on, and it is said once."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeCLIs, compile_fake

from claude_magic.client import AsyncClaudeClient
from claude_magic.observers import ObserverGuard
from claude_magic.records.history import History
from claude_magic.response import Outcome


class Odd(Exception):
    """An exception that cannot even be shown."""

    def __str__(self) -> str:
        raise ValueError


class Unnamed:
    """An observer whose name cannot be told, and that fails."""

    def __repr__(self) -> str:
        raise ValueError

    def __call__(self, *news: object) -> None:
        raise Odd


def failing(error: BaseException) -> Callable[..., None]:
    def fail(*news: object) -> None:
        raise error

    return fail


async def coroutine(*news: object) -> None:
    """What is not a plain callable."""


BROKEN: dict[str, Callable[..., object]] = {
    "error": failing(RuntimeError("no")),
    "disk full": failing(OSError(28, "No space left on device")),
    "recursion": failing(RecursionError()),
    "exit": failing(SystemExit(3)),
    "interrupt": failing(asyncio.CancelledError()),
    "cannot be shown": Unnamed(),
    "coroutine": coroutine,
}


class FullDisk:
    """A file on a disk that has no room for more than some bytes."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.taken = b""

    def write(self, data: bytes) -> int:
        if not self.room:
            raise OSError(28, "No space left on device")
        part = bytes(data[: self.room])
        self.room -= len(part)
        self.taken += part
        return len(part)

    def close(self) -> None:
        raise OSError(5, "Input/output error")


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


async def two_turns(client: AsyncClaudeClient) -> None:
    """Both answers must come, as if nothing had failed."""
    async with client:
        await client.create_session(name="main")
        for prompt in ("one", "two"):
            response = await client.execute("main", prompt)
            assert (response.outcome, response.text) == (Outcome.SUCCESS, f"echo: {prompt}")


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("kind", ["observers", "response_observers", "tracer", "log"])
async def test_an_observer_that_fails_is_switched_off(
    kind: str, broken: Callable[..., object], caplog: pytest.LogCaptureFixture
) -> None:
    """Of each kind, whatever it raises: two answers, one warning, and the log has it too."""
    client = FakeCLIs().client(tracer=broken if kind == "tracer" else None)
    if kind == "log":
        client.records._recorder.log.sinks.append(broken)
    elif kind != "tracer":
        getattr(client, kind).append(broken)

    await two_turns(client)

    (warning,) = warnings(caplog)
    assert "is switched off, the turn goes on: " in warning
    assert [entry.message for entry in client.records.log_entries("")] == [warning]


async def test_each_observer_that_fails_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """Also where two have the same name."""
    client = FakeCLIs().client()
    client.observers += [failing(RuntimeError("one")), failing(RuntimeError("two"))]
    await two_turns(client)

    assert ["one" in words or "two" in words for words in warnings(caplog)] == [True, True]


async def test_an_observer_that_takes_itself_off_and_fails_is_fine(caplog: pytest.LogCaptureFixture) -> None:
    """It is off already."""
    client = FakeCLIs().client()

    def once(batch: object) -> None:
        client.observers.remove(once)
        raise RuntimeError

    client.observers.append(once)
    await two_turns(client)

    assert len(warnings(caplog)) == 1


async def test_the_guard_lets_ctrl_c_through_on_the_main_thread() -> None:
    """It is the user's, and no failure."""
    with pytest.raises(KeyboardInterrupt):
        ObserverGuard().call("An observer", failing(KeyboardInterrupt()))


@pytest.mark.parametrize("room", [0, 10, 200, 2000])
async def test_a_full_disk_ends_the_recording_and_nothing_else(
    tmp_path: Path, room: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Wherever it happens. It is said once, and a new recording can begin."""
    client = FakeCLIs().client(record=tmp_path / "tape.jsonl")
    assert client.tape._file is not None
    client.tape._file.close()
    client.tape._file = FullDisk(room)  # type: ignore[assignment]  # all that is used of a file

    async with client:
        await client.create_session(name="main")
        texts = [(await client.execute("main", prompt)).text for prompt in ("a" * 2000, "two")]
        assert not client.tape.is_on
        client.tape.begin(tmp_path / "other.jsonl")
        assert client.tape.is_on

    assert texts == ["echo: " + "a" * 2000, "echo: two"]
    assert len([words for words in warnings(caplog) if "No space left on device" in words]) == 1


@pytest.mark.parametrize("number", [10**25, -(10**400)])
async def test_records_lose_a_row_and_not_the_turn(tmp_path: Path, number: int) -> None:
    """Numbers that no table holds, from a CLI that counts wildly: the turn, its frames and its history are there."""

    async def wild(cli: Any, message: dict[str, Any]) -> None:
        cli.begin(message)
        cli.say({"type": "system", "subtype": "status", "status": {"deep": number}})
        cli.text("done")
        cli.result(num_turns=number, duration_ms=number, usage={"input_tokens": number})

    client = FakeCLIs(wild).client(history=tmp_path / "history.sqlite")
    async with client:
        await client.create_session(name="main")
        response = await client.execute("main", "one")

    assert response.text == "done"
    assert len(client.frames.turns()) == 1
    assert len(client.frames.logs()) > 0
    assert len(History(tmp_path / "history.sqlite").turns()) == 1


def corrupt(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)


def foreign(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE turns (other TEXT)")
        database.execute("PRAGMA user_version = 1")
    database.close()


@pytest.mark.parametrize("make", [corrupt, foreign, os.mkfifo, Path.mkdir, lambda path: path.symlink_to(path.name)])
async def test_a_history_that_cannot_be_written_costs_no_turn(
    tmp_path: Path, make: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever is in its place: said once, and nothing waits for it."""
    path = tmp_path / "history.sqlite"
    make(path)

    async with asyncio.timeout(20):
        await two_turns(AsyncClaudeClient(start=FakeCLIs().start, compile=compile_fake, history=path))

    (warning,) = warnings(caplog)
    assert "history.sqlite' cannot be written" in warning


async def test_a_history_that_is_locked_costs_no_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Another program holds it for ever: said once; when it lets go, the turns of then are written with the next."""
    monkeypatch.setattr("claude_magic.records.history._BUSY_S", 0.05)
    path = tmp_path / "history.sqlite"
    await two_turns(AsyncClaudeClient(start=FakeCLIs().start, compile=compile_fake, history=path))
    client = FakeCLIs().client(history=path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    async with client:
        await client.create_session(name="main")
        for prompt in ("three", "four"):
            assert (await client.execute("main", prompt)).text == f"echo: {prompt}"
        await client.records.flush_history()
        other.execute("ROLLBACK")
        other.close()
        await client.execute("main", "five")

    assert len(warnings(caplog)) == 1
    assert len(History(path).turns()) == 5


def test_a_message_that_a_record_cannot_take_is_missed_and_no_other(caplog: pytest.LogCaptureFixture) -> None:
    """It is said once, however often that happens."""
    taken: list[int] = []

    def take(batch: str, number: int) -> None:
        if number % 2:
            raise ValueError(batch)
        taken.append(number)

    ObserverGuard().call_each("The record", take, "odd", range(6))

    assert taken == [0, 2, 4]
    (warning,) = warnings(caplog)
    assert warning.startswith("The record misses something, the turn goes on: ValueError: odd")
