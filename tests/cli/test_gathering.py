"""The selector that gathers events: what it waits for, and when it does not wait."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest

from claude_magic.cli.gathering import GatheringSelector

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="selectors watch sockets only")


class Time:
    """A clock that each look moves on, and a sleep in which something may happen."""

    def __init__(self, step_s: float) -> None:
        self.now = 100.0
        self.step_s = step_s
        self.slept: list[float] = []
        self.meanwhile: int | None = None

    def clock(self) -> float:
        self.now += self.step_s
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        if self.meanwhile is not None:
            os.write(self.meanwhile, b"x")


@pytest.fixture
def pipes() -> Iterator[list[tuple[int, int]]]:
    """Two pipes."""
    pipes = [os.pipe(), os.pipe()]
    yield pipes
    for pair in pipes:
        for end in pair:
            os.close(end)


def selector_of(time: Time, pipes: list[tuple[int, int]]) -> GatheringSelector:
    selector = GatheringSelector(time.clock, time.sleep)
    for reading, _ in pipes:
        selector.register(reading, 1)
    return selector


def test_events_that_follow_each_other_are_handed_on_together(pipes: list[tuple[int, int]]) -> None:
    """The first is handed on at once; the next ones wait for each other for two milliseconds."""
    time = Time(step_s=0.001)
    with selector_of(time, pipes) as selector:
        os.write(pipes[0][1], b"x")
        assert [key.fd for key, _ in selector.select(1)] == [pipes[0][0]]
        assert time.slept == []

        time.meanwhile = pipes[1][1]
        assert {key.fd for key, _ in selector.select(None)} == {pipes[0][0], pipes[1][0]}
        assert time.slept == [0.002]


def test_after_a_pause_nothing_waits(pipes: list[tuple[int, int]]) -> None:
    """Ten milliseconds apart is not one after the other."""
    time = Time(step_s=0.01)
    with selector_of(time, pipes) as selector:
        os.write(pipes[0][1], b"x")
        assert [len(selector.select(1)) for _ in range(3)] == [1, 1, 1]

    assert time.slept == []


def test_what_is_there_already_does_not_wait(pipes: list[tuple[int, int]]) -> None:
    """A loop that is behind, or only looks, must not rest."""
    time = Time(step_s=0.00001)
    with selector_of(time, pipes) as selector:
        os.write(pipes[0][1], b"x")
        assert [len(selector.select(timeout)) for timeout in (1, 1, 0, -1)] == [1, 1, 1, 1]

    assert time.slept == []


def test_no_event_is_no_event(pipes: list[tuple[int, int]]) -> None:
    """It waits as long as it is told to."""
    with selector_of(Time(step_s=0.001), pipes) as selector:
        assert selector.select(0.001) == []
