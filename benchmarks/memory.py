"""`memory`: what a long session, and a long turn, hold in memory."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import psutil

from benchmarks.measuring import fresh_process, in_turns, median, stand_in, temporary_home
from benchmarks.report import Report

LINES_PER_TURN = 10_000

Held = dict[str, float]


def run(entries: int = 1_000_000, messages: int = 200_000, rounds: int = 1) -> Report:
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
    (session_name, sessions), (response_name, responses) = found.items()

    def middle(values: list[Held], key: str) -> float:
        return median([value[key] for value in values])

    report = Report("memory", "what is held beyond a client that has done nothing", ["MB", "RSS MB"])
    report.rows[f"{session_name}: log and last messages"] = [middle(sessions, "session_mb"), None]
    report.rows["  the client's records of messages, all sessions"] = [middle(sessions, "messages_mb"), None]
    report.rows["  the client's records of tools, all sessions"] = [middle(sessions, "tools_mb"), None]
    report.rows["  all of it together, strings shared"] = [middle(sessions, "all_mb"), middle(sessions, "rss_mb")]
    report.rows[response_name] = [middle(responses, "held_mb"), middle(responses, "rss_mb")]
    report.rows["  when it is dropped"] = [middle(responses, "dropped_mb"), middle(responses, "dropped_rss_mb")]
    report.ratio("session at the default bound", middle(sessions, "session_mb"), unit="MB", aim=20, at_most=True)
    line_mb = middle(responses, "line_mb")
    report.ratio("response beside its lines alone", middle(responses, "held_mb") / line_mb, at_most=True)
    report.notes += [
        f"fresh processes, {rounds} each; the log made {sessions[0]['entries']:,.0f} entries and keeps "
        f"{sessions[0]['kept']:,.0f}; half of them are tool results of {sessions[0]['longest']:,.0f} characters.",
        f"A running turn keeps all its messages; the lines of the long one are {line_mb:.0f} MB. RSS includes what "
        "Python has given back to itself and not to the system.",
    ]
    return report


# What runs in the fresh process.


async def session(cli: str, turns: int) -> Held:
    """Let one session do many turns of many tool uses, each response dropped at once."""
    from claude_magic import AsyncClaudeClient, PoolConfig, SessionConfig

    async with AsyncClaudeClient(SessionConfig(cli_path=Path(cli)), pool=PoolConfig(prewarm=0)) as client:
        name = (await client.create_session()).name
        await client.account()
        before = rss_mb()
        for _ in range(turns):
            await client.execute(name, "Go.")
        await settle()
        rss = rss_mb() - before
        entries = client.records.log_entries(name)
        messages, tools = client.records.message_records(), client.records.tool_records()
        recent = list(client.get_session(name).recent)
        summary = next(one for one in client.records.log_summaries() if one.session == name)
        return {
            "session_mb": size_mb(entries, recent),
            "messages_mb": size_mb(messages),
            "tools_mb": size_mb(tools),
            "all_mb": size_mb(entries, recent, messages, tools),
            "rss_mb": rss,
            "entries": len(entries) + summary.dropped,
            "kept": len(entries),
            "longest": max(len(entry.message) for entry in entries),
        }


async def response(cli: str) -> Held:
    """Keep the response of one long turn, then drop it."""
    from claude_magic import AsyncClaudeClient, PoolConfig, SessionConfig

    async with AsyncClaudeClient(SessionConfig(cli_path=Path(cli)), pool=PoolConfig(prewarm=0)) as client:
        name = (await client.create_session()).name
        await client.execute(name, "Go.")
        before = rss_mb()
        answer = await client.execute(name, "Go.")
        await settle()
        rss = rss_mb() - before
        held, lines = size_mb(answer.messages), sum(len(message.line) for message in answer.messages) / 1e6
        del answer
        await settle()
        recent = list(client.get_session(name).recent)
        return {
            "held_mb": held,
            "rss_mb": rss,
            "dropped_mb": size_mb(recent),
            "dropped_rss_mb": rss_mb() - before,
            "line_mb": lines,
        }


def size_mb(*groups: Iterable[msgspec.Struct]) -> float:
    """Return what records and all they refer to take, in MB; what several share counts once."""
    seen: dict[int, Any] = {}
    todo: list[Any] = [record for group in groups for record in group]
    total = 0
    while todo:
        thing = todo.pop()
        if id(thing) in seen:
            continue
        seen[id(thing)] = thing
        total += sys.getsizeof(thing)
        if isinstance(thing, msgspec.Struct):
            todo += msgspec.structs.astuple(thing)
        elif isinstance(thing, dict):
            todo += [*thing.keys(), *thing.values()]
        elif isinstance(thing, list | tuple):
            todo += thing
    return total / 1e6


async def settle() -> None:
    """Let the client's tasks end, which still hold the turn, and collect what is left."""
    await asyncio.sleep(0.1)
    gc.collect()


def rss_mb() -> float:
    """Return the resident memory of this process, in MB."""
    return float(psutil.Process().memory_info().rss) / 1e6


if __name__ == "__main__":
    what, cli, *rest = sys.argv[1:]
    held = asyncio.run(session(cli, int(rest[0])) if what == "session" else response(cli))
    print(json.dumps(held))
