"""Trying again: only what may succeed, as often and as patiently as said."""

from __future__ import annotations

import pytest

from claude_magic.config import RetryPolicy
from claude_magic.engine.starting import retrying
from claude_magic.errors import ClaudeError, ProcessError, SessionNotFoundError


class Attempts:
    """Fails with what is left of `failures`, then succeeds; remembers the waits."""

    def __init__(self, *failures: BaseException) -> None:
        self.failures = list(failures)
        self.count = 0
        self.slept: list[float] = []
        self.told: list[tuple[int, float, str]] = []

    async def attempt(self) -> str:
        self.count += 1
        if self.failures:
            raise self.failures.pop(0)
        return "done"

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def tell(self, number: int, delay_s: float, error: ClaudeError) -> None:
        self.told.append((number, delay_s, str(error)))

    async def run(self, policy: RetryPolicy) -> str:
        return await retrying(self.attempt, policy, on_retry=self.tell, sleep=self.sleep)


async def test_retrying_returns_at_once_without_a_failure() -> None:
    """One attempt, no wait."""
    attempts = Attempts()

    assert await attempts.run(RetryPolicy()) == "done"
    assert (attempts.count, attempts.slept) == (1, [])


async def test_retrying_doubles_delays_up_to_the_longest() -> None:
    """Each wait is told before it begins."""
    attempts = Attempts(*(ProcessError(f"no {number}") for number in range(4)))

    assert await attempts.run(RetryPolicy(max_retries=4, first_delay_s=1, max_delay_s=5)) == "done"
    assert attempts.slept == [1, 2, 4, 5]
    assert attempts.told == [(1, 1, "no 0"), (2, 2, "no 1"), (3, 4, "no 2"), (4, 5, "no 3")]


async def test_retrying_raises_the_last_failure() -> None:
    """After `max_retries` tries there is no more waiting."""
    failures = [ProcessError(f"no {number}") for number in range(3)]
    attempts = Attempts(*failures)

    with pytest.raises(ProcessError) as caught:
        await attempts.run(RetryPolicy(max_retries=2, first_delay_s=0))
    assert caught.value is failures[-1]
    assert attempts.count == 3


@pytest.mark.parametrize("failure", [SessionNotFoundError("gone"), ValueError("wrong"), KeyboardInterrupt()])
async def test_retrying_leaves_what_cannot_succeed(failure: BaseException) -> None:
    """Neither errors that say so, nor errors that are not ours."""
    attempts = Attempts(failure)

    with pytest.raises(type(failure)):
        await attempts.run(RetryPolicy())
    assert attempts.count == 1


async def test_retrying_heeds_how_often_a_failure_is_worth_another_try() -> None:
    """A program that ended with no word is not tried as often as the policy allows."""
    failures = [ProcessError(f"no {number}") for number in range(3)]
    for failure in failures:
        failure.most_retries = 1
    attempts = Attempts(*failures)

    with pytest.raises(ProcessError, match="no 1"):
        await attempts.run(RetryPolicy(max_retries=4, first_delay_s=0))
    assert attempts.count == 2


async def test_retrying_can_be_switched_off() -> None:
    """`max_retries=0` is one attempt."""
    attempts = Attempts(ProcessError("no"))

    with pytest.raises(ProcessError):
        await attempts.run(RetryPolicy(max_retries=0))
    assert (attempts.count, attempts.slept) == (1, [])
