"""How a turn ends before its end: because it takes too long, or because a person stops it."""

from __future__ import annotations

import asyncio
import math

from claude_magic.engine.connection import Connection
from claude_magic.engine.turn import Turn
from claude_magic.errors import ClaudeError

INTERRUPT_GRACE_S = 5.0
"""How long an interrupted CLI may take to end its turn before it is ended by force."""
INTERRUPT_AGAIN_S = 0.25
"""How long to wait before an interrupt is sent again."""


async def interrupt_turn(turn: Turn, connection: Connection) -> bool:
    """Ask the CLI to end a turn, and wait until it has.

    Returns:
        Whether it did; else it must be ended by force.
    """
    try:
        async with asyncio.timeout(INTERRUPT_GRACE_S):
            while not turn.is_over:
                # One that comes before the CLI has begun the turn is answered, and has no effect (2.1.330).
                await connection.interrupt()
                await turn.wait_until_over(INTERRUPT_AGAIN_S)
    except (TimeoutError, ClaudeError):
        return False
    return True


async def wait_until_overdue(turn: Turn, limit_s: float | None, silence_s: float | None) -> str:
    """Wait until a turn takes too long or has gone silent. A person's time, and a running tool's, does not count.

    Args:
        turn: the turn; its own limit comes before the session's.
        limit_s: longest a turn of its session may take, in seconds; `None` means no limit.
        silence_s: longest the CLI may say nothing, in seconds; `None` means no limit. A turn's own limit overrides it.

    Returns:
        Why it must be stopped; "" if nothing bounds it.
    """
    own = turn.timeout_s
    limit_s = own if own is not None else limit_s
    if own is not None:
        silence_s = None  # who says how long a prompt may take has said that it may take that long
    if limit_s is None and silence_s is None:
        return ""
    left_s = math.inf if limit_s is None else limit_s - turn.start_s
    while (pause_s := _pause_s(turn, left_s, silence_s)) > 0:  # noqa: ASYNC110  it is time that it waits for
        await asyncio.sleep(min(pause_s, 1.0))
    if turn.elapsed_s() >= left_s:
        whose = "this prompt" if own is not None else "each prompt of this session"
        return f"Stopped after {limit_s:g} s, the limit of {whose}."
    return (
        f"Stopped because the CLI said nothing for {silence_s:g} s, the limit of silence (silence_timeout_s). A slow "
        "model or gateway needs more: `%config ClaudeMagics.silence_timeout_s = 900`, or --timeout for one prompt."
    )


def _pause_s(turn: Turn, limit_s: float, silence_s: float | None) -> float:
    """Return the seconds until a turn is overdue at the earliest; the clocks start when its prompt is sent."""
    elapsed_s, silent_s = (turn.elapsed_s(), turn.silent_s()) if turn.sent is not None else (0.0, 0.0)
    left_s = limit_s - elapsed_s
    return left_s if silence_s is None else min(left_s, silence_s - silent_s)
