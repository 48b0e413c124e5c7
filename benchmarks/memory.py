"""`memory`: what a long session, and a long turn, hold in memory."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from functools import partial
from pathlib import Path

import psutil

from benchmarks.measuring import fresh_process, in_turns, median, stand_in, temporary_home
from benchmarks.report import Report

LINES_PER_TURN = 10_000

Held = dict[str, float]


def run(entries: int = 1_000_000, messages: int = 200_000, rounds: int = 3) -> Report:
    """Measure.

    Args:
        entries: log entries behind the long session.
        messages: messages of the long turn.
        rounds: how often.
    """
    per_turn = min(entries, LINES_PER_TURN)
    with (
        temporary_home(),
        stand_in(messages=per_turn, shape="tools") as tools,
        stand_in(messages=messages, first=min(messages, 2_000)) as agent,
    ):
        ways = {
            f"a session with {entries:,} log entries behind it": partial(
                fresh_process, __name__, "session", str(tools), str(entries // per_turn)
            ),
            f"a response of {messages:,} messages, kept": partial(fresh_process, __name__, "response", str(agent)),
        }
        found: dict[str, list[Held]] = in_turns(ways, rounds)
    report = Report("memory", "what is held after that, beyond the same session when it was new", ["RSS MB", "peak MB"])
    for name, values in found.items():
        report.rows[name] = [median([value[key] for value in values]) for key in ("held_mb", "peak_mb")]
    session, response = found.values()
    report.rows["the same, response dropped"] = [median([value["dropped_mb"] for value in response]), None]
    report.ratio("session at the default bound", median([one["held_mb"] for one in session]), unit="MB", aim=20,
                 at_most=True)  # fmt: skip
    line_mb = median([one["line_mb"] for one in response])
    report.ratio("response beside its lines alone", median([one["held_mb"] for one in response]) / line_mb)
    report.notes += [
        f"fresh processes, {rounds} each; the log made {session[0]['entries']:,.0f} entries and keeps "
        f"{session[0]['kept']:,.0f}.",
        f"A running turn keeps all its messages; the lines of the long one are {line_mb:.0f} MB. A response that is "
        "dropped is free again, but Python does not give all of it back to the system.",
    ]
    return report


# What runs in the fresh process.


async def session(cli: str, turns: int) -> Held:
    """Let one session do many turns of many tool uses, each response dropped at once."""
    from claude_magic import AsyncClaudeClient, PoolConfig, SessionConfig

    async with AsyncClaudeClient(SessionConfig(cli_path=Path(cli)), pool=PoolConfig(prewarm=0)) as client:
        name = (await client.create_session()).name
        # The bound of the log is reached, and the allocator has met a turn, only after the first ones; so compare
        # with the session before any.
        await client.account()
        before = rss_mb()
        peak = before
        for _ in range(turns):
            await client.execute(name, "Go.")
            peak = max(peak, rss_mb())
        gc.collect()
        summary = next(one for one in client.log_summaries() if one.session == name)
        kept = len(client.log_entries(name))
        return {
            "held_mb": rss_mb() - before,
            "peak_mb": peak - before,
            "entries": kept + summary.dropped,
            "kept": kept,
        }


async def response(cli: str) -> Held:
    """Keep the response of one long turn, then drop it."""
    from claude_magic import AsyncClaudeClient, PoolConfig, SessionConfig

    async with AsyncClaudeClient(SessionConfig(cli_path=Path(cli)), pool=PoolConfig(prewarm=0)) as client:
        name = (await client.create_session()).name
        await client.execute(name, "Go.")
        before = rss_mb()
        answer = await client.execute(name, "Go.")
        gc.collect()
        held = rss_mb()
        lines = sum(len(message.line) for message in answer.messages) / 1e6
        del answer
        gc.collect()
        peak = held - before
        return {"held_mb": held - before, "peak_mb": peak, "dropped_mb": rss_mb() - before, "line_mb": lines}


def rss_mb() -> float:
    """Return the resident memory of this process, in MB."""
    return float(psutil.Process().memory_info().rss) / 1e6


if __name__ == "__main__":
    what, cli, *rest = sys.argv[1:]
    held = asyncio.run(session(cli, int(rest[0])) if what == "session" else response(cli))
    print(json.dumps(held))
