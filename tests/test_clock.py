"""A clock that is set in the middle of a turn: nothing is negative, an hour long, late, or out of order.

And the moments that people write.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeCLIs, FakeTransport

from claude_magic.clock import moment_of, steady, unix_time
from claude_magic.config import SessionConfig
from claude_magic.permissions import Allow
from claude_magic.records.history import History

HOUR = 3600.0
NOW = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)


class Wall:
    """The time of day, which can be set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._real = time.time
        self._ahead = 0.0
        monkeypatch.setattr(time, "time", self.read)

    def read(self) -> float:
        return self._real() + self._ahead

    def set(self, by: float) -> None:
        self._ahead += by


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Wall:
    return Wall(monkeypatch)


def test_unix_time_follows_the_clock_between_turns_only(wall: Wall) -> None:
    """Turns at the same time share one measure; afterwards the time of day counts again."""
    with steady():
        before = unix_time()
        wall.set(-HOUR)
        with steady():
            assert 0 <= unix_time() - before < 60
        assert 0 <= unix_time() - before < 60
    assert unix_time() - before < 60 - HOUR


@pytest.mark.parametrize("by", [-HOUR, HOUR, -30 * 365 * 24 * HOUR])
async def test_a_turn_is_as_long_as_it_is(wall: Wall, by: float, tmp_path: Path) -> None:
    """With a tool, a question and thinking around the moment; the limits of time do not fire, and the order stays."""

    async def work(cli: FakeTransport, message: dict[str, Any]) -> None:
        cli.begin(message)
        cli.text("before")
        await asyncio.sleep(0.01)
        wall.set(by)
        await cli.ask("Bash", {"command": "ls"})
        wall.set(by)
        cli.text("after")
        cli.result()

    async def allow(request: object) -> Allow:
        wall.set(by)
        await asyncio.sleep(0.01)  # a person is no quicker
        return Allow()

    history = tmp_path / "history.sqlite"
    config = SessionConfig(turn_timeout_s=60, silence_timeout_s=60)
    async with FakeCLIs(work).client(config, history=history, ask=allow) as client:
        await client.create_session(name="main")
        for prompt in ("one", "two"):
            response = await client.execute("main", prompt)
            assert (response.text, 0 <= response.duration_s < 60) == ("before\n\nafter", True)
            assert response.ttft_s is not None
            assert 0 <= response.ttft_s < 60

    frames = client.frames
    assert frames.spans()["duration_s"].between(0, 60).all()
    assert {"person", "model"} <= set(frames.spans()["kind"])
    assert frames.tools()["duration_s"].dropna().between(0, 60).all()
    first = frames.logs("main").query("turn_id == turn_id")
    assert first["turn_id"].drop_duplicates().size == 2
    assert first.groupby("turn_id", sort=False)["time"].is_monotonic_increasing.all()
    assert {turn.turn for turn in History(history).turns()} == {1, 2}


@pytest.mark.parametrize(
    ("text", "back"),
    [
        ("30s", timedelta(seconds=30)),
        ("15m", timedelta(minutes=15)),
        ("12h", timedelta(hours=12)),
        ("1.5D", timedelta(hours=36)),
        ("3w", timedelta(days=21)),
    ],
)
def test_moment_of_a_time_back(text: str, back: timedelta) -> None:
    """A number and a unit."""
    assert moment_of(text, NOW) == NOW - back


def test_moment_of_a_date_or_time() -> None:
    """In ISO 8601; without a zone it is this machine's."""
    assert moment_of("2026-03-14T10:00+02:00", NOW) == datetime(2026, 3, 14, 8, tzinfo=UTC)
    assert moment_of("2026-03-14", NOW) == datetime(2026, 3, 14).astimezone()
