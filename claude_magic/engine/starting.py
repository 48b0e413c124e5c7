"""`ProcessStarter`: starts CLIs for the pool, and tries again what failed before a prompt was written."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from claude_magic.cli.transport import Launch, Start
from claude_magic.config import RetryPolicy
from claude_magic.engine.connection import Connection
from claude_magic.errors import ClaudeError

T = TypeVar("T")

Sleep = Callable[[float], Awaitable[object]]
OnRetry = Callable[[int, float, ClaudeError], None]
Trace = Callable[[str, dict[str, Any]], None]

_LEAST_S = 0.1
"""What a start has, in seconds, whose prompt has used up its time while others failed."""


class ProcessStarter:
    """Starts processes for a pool.

    Args:
        start: makes a transport.
        retry: how often a start is tried.
        trace: told of each new try, and of each process that has started.
    """

    def __init__(self, start: Start, retry: RetryPolicy, trace: Trace) -> None:
        self._start = start
        self._retry = retry
        self._trace = trace

    async def open(
        self, launch: Launch, session: str, *, permission_mode: str, limit_s: float = math.inf
    ) -> Connection:
        """Start a process and wait until it is ready.

        Args:
            launch: what to start.
            session: name of the session it is for, or "".
            permission_mode: the mode it is started in.
            limit_s: longest it may take, in seconds, all tries together.

        Raises:
            ProcessError: it would not start, or hung.
            TurnTimeoutError: it hung for `limit_s`.
            SessionNotFoundError: the conversation to resume is not there.
        """

        def tell(number: int, delay_s: float, error: ClaudeError) -> None:
            self._trace("retry", {"session": session, "retry": number, "delay_s": delay_s, "error": str(error)})

        def attempt() -> Awaitable[Connection]:
            within_s = max(_LEAST_S, limit_s - (time.monotonic() - began))
            return Connection.open(launch, self._start, permission_mode=permission_mode, within_s=within_s)

        began = time.monotonic()
        connection = await retrying(attempt, self._retry, on_retry=tell)
        took_s = round(time.monotonic() - began, 3)
        self._trace("spawn", {"session": session, "pid": connection.transport.pid, "took_s": took_s})
        return connection


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
