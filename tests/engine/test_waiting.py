"""Waiting: first come, first served, and no waiter takes along what was meant for another."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from claude_magic.engine.waiting import CapacityLimiter, WaitQueue


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_wait_queue_wakes_in_order() -> None:
    """One call is for one; a position keeps a place."""
    line, called = WaitQueue(), []

    async def come(name: str, position: int | None = None) -> None:
        await line.wait(line.wake_next, position)
        called.append(name)

    early = line.position()
    async with asyncio.TaskGroup() as group:
        for name in ("first", "second"):
            group.create_task(come(name))
        await settle()
        group.create_task(come("early", early))
        await settle()
        while line.wake_next():
            await settle()

    assert called == ["early", "first", "second"]
    assert len(line) == 0


async def test_wait_queue_tells_of_a_waiter_that_leaves_when_woken() -> None:
    """The call goes to the next in line."""
    line = WaitQueue()
    first, second = (asyncio.create_task(line.wait(line.wake_next)) for _ in range(2))
    await settle()

    line.wake_next()
    first.cancel()
    await second

    with pytest.raises(asyncio.CancelledError):
        await first


async def test_capacity_limiter_lets_so_many_run_at_once() -> None:
    """The others wait; one that leaves passes the slot on."""
    limiter, most = CapacityLimiter(), 0

    async def turn() -> None:
        nonlocal most
        async with limiter.hold(2, contextlib.nullcontext):
            most = max(most, limiter.running)
            await settle()

    async with asyncio.TaskGroup() as group:
        for _ in range(7):
            group.create_task(turn())
        await asyncio.sleep(0)
        assert (limiter.running, limiter.waiting) == (2, 5)

    assert (most, limiter.running, limiter.waiting) == (2, 0, 0)


async def test_capacity_limiter_gives_no_slot_to_a_waiter_that_timed_out() -> None:
    """Who stops waiting leaves the line, and the count is right."""
    limiter = CapacityLimiter()
    async with limiter.hold(1, contextlib.nullcontext):
        with pytest.raises(TimeoutError):
            async with limiter.hold(1, lambda: asyncio.timeout(0)):
                raise AssertionError("there was no place")
        assert (limiter.running, limiter.waiting) == (1, 0)

    assert limiter.running == 0


async def test_capacity_limiter_fails_all_waiters() -> None:
    """With the reason, and at once."""
    limiter = CapacityLimiter()
    async with limiter.hold(1, contextlib.nullcontext):
        waiting = asyncio.create_task(limiter.hold(1, contextlib.nullcontext).__aenter__())
        await settle()
        limiter.fail_all(ValueError("closed"))

        with pytest.raises(ValueError, match="closed"):
            await waiting
