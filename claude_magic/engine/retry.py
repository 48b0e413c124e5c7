"""Trying again what failed before a prompt was written."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from claude_magic.config import RetryPolicy
from claude_magic.errors import ClaudeError

T = TypeVar("T")

Sleep = Callable[[float], Awaitable[object]]
OnRetry = Callable[[int, float, ClaudeError], None]


async def retrying(
    attempt: Callable[[], Awaitable[T]], policy: RetryPolicy, *, on_retry: OnRetry, sleep: Sleep = asyncio.sleep
) -> T:
    """Call `attempt` until it succeeds, fails for good, or has been tried often enough.

    Args:
        attempt: what to do; must have no effect when it fails.
        policy: how often and how patiently.
        on_retry: told before each wait: number of the retry from 1, seconds of the wait, the error.
        sleep: how to wait.

    Returns:
        What `attempt` returned.

    Raises:
        ClaudeError: the last failure; at once if it is not retryable, and sooner if it says so.
    """
    for number in range(1, policy.max_retries + 1):
        try:
            return await attempt()
        except ClaudeError as error:
            if not error.retryable or number > error.most_retries:
                raise
            delay_s = min(policy.max_delay_s, policy.first_delay_s * 2 ** (number - 1))
            on_retry(number, delay_s, error)
            await sleep(delay_s)
    return await attempt()
