"""`frames`: what it costs to ask for the live frames again and again."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from benchmarks.child import stream
from benchmarks.measuring import in_turns, median, percentile, share_of
from benchmarks.report import Report
from claude_magic.cli.decoder import Decoder
from claude_magic.messages import Batch, Message, MessageType
from claude_magic.records.describe import Level
from claude_magic.records.log import LogAggregator, LogEntry, LogSummary
from claude_magic.records.recorder import Recorder
from claude_magic.records.turns import TurnRecord
from claude_magic.response import Response, Usage

_CALLS = 20
_MANY_CALLS = 300
"""Enough to see what is done only now and then."""
_BEGAN = 1_760_000_000.0
_ANEW, _SAME = "turns() made anew", "turns(), nothing new"
_ONE_MORE, _FULL = "turns(), one turn more", "turns(), one more and the oldest dropped"
_LOGS, _RECORDING = "logs(), ten entries more", "one turn recorded, no frame"
_TOOL, _LINE = "one tool use recorded, no frame", "its line decoded by json"


def run(turns: int = 10_000, rounds: int = 5) -> Report:
    """Measure.

    Args:
        turns: how many turns, and log entries, there are.
        rounds: how often each way is measured.
    """
    ways: dict[str, Callable[[], list[float]]] = {
        _ANEW: partial(_anew, turns),
        _SAME: partial(_asked, turns, more=0),
        _ONE_MORE: partial(_asked, turns, more=1),
        _FULL: partial(_asked, turns, more=1, full=True),
        _LOGS: partial(_logs, turns),
        _RECORDING: _recorded,
        _TOOL: _tool_recorded,
        _LINE: _line_decoded,
    }
    _asked(20, more=1)  # pandas imports some of itself late
    found = in_turns(ways, rounds)
    report = Report("frames", f"the live frames of {turns:,} turns, each call", ["ms", "p99 ms"])
    medians = {name: [median(calls) for calls in values] for name, values in found.items()}
    for name, values in found.items():
        every = [call for calls in values for call in calls]
        report.rows[name] = [median(medians[name]), percentile(every, 0.99)]
    report.ratio("turns() after one turn more", median(medians[_ONE_MORE]), unit="ms", aim=5, at_most=True)
    report.ratio("made anew beside one turn more", share_of(medians[_ANEW], medians[_ONE_MORE]))
    report.ratio("made anew beside one more and the oldest dropped", share_of(medians[_ANEW], medians[_FULL]))
    slowest = median([max(calls) for calls in found[_FULL]])
    report.ratio("the slowest of these", slowest, unit="ms", aim=25, at_most=True)
    report.ratio("one tool use recorded", 1e3 * median(medians[_TOOL]), unit="us", aim=10, at_most=True)
    report.ratio("its line decoded by json, beside that", share_of(medians[_LINE], medians[_TOOL]))
    report.notes.append(
        f"{rounds} rounds of {_CALLS} calls, {_MANY_CALLS} with the oldest dropped; processor time; every call returns "
        "a frame of the caller's own."
    )
    return report


class _Source:
    """Records as a client keeps them; what the frames asked for need."""

    def __init__(self, turns: int, *, full: bool = False) -> None:
        self.turns = deque(map(_turn, range(turns)), maxlen=turns if full else None)
        self.log = LogAggregator()

    def turn_records(self) -> Sequence[TurnRecord]:
        return list(self.turns)

    def log_entries(self, session: str | None) -> Sequence[LogEntry]:
        return self.log.entries(session)

    def log_summaries(self) -> Sequence[LogSummary]:
        return self.log.summaries()


def _anew(turns: int) -> list[float]:
    from claude_magic.records.frames import turns_frame

    records = [_turn(number) for number in range(turns)]
    return [_timed(lambda: turns_frame(records)) for _ in range(max(2, _CALLS // 10))]


def _asked(turns: int, *, more: int, full: bool = False) -> list[float]:
    source = _Source(turns, full=full)
    frames = _frames(source)
    frames.turns()
    calls = []
    for number in range(_MANY_CALLS if full else _CALLS):
        source.turns.extend(_turn(turns + number) for _ in range(more))
        calls.append(_timed(frames.turns))
    return calls


def _logs(entries: int) -> list[float]:
    source = _Source(0)
    source.log = LogAggregator(entries)
    frames = _frames(source)
    for number in range(entries):
        source.log.add_note("main", Level.INFO, f"entry {number}: something was done and went well")
    frames.logs()
    calls = []
    for _ in range(_CALLS):
        for number in range(10):
            source.log.add_note("main", Level.INFO, f"new entry {number}")
        calls.append(_timed(frames.logs))
    return calls


def _recorded() -> list[float]:
    """What a finished turn costs the loop: its record, made and kept."""
    kept: deque[TurnRecord] = deque(maxlen=100_000)
    messages = tuple(Message(MessageType.TEXT, "a few words ", b"{}", _BEGAN) for _ in range(200))
    response = Response("an answer", usage=Usage(10, 20, 30, 40), messages=messages)
    return [_timed(lambda: kept.append(TurnRecord.from_response(response))) for _ in range(_CALLS)]


def _tool_recorded() -> list[float]:
    """What a tool use costs the loop: an entry of the log, a message, a tool, and where the time went."""
    recorder = Recorder()
    recorder.begin_turn("main", 1, "turn", "a prompt", _BEGAN)
    uses = [one for one in Decoder().decode(_tool_lines(), _BEGAN) if one.type is MessageType.TOOL_USE]
    batches = [Batch("main", "id", "turn", [use]) for use in uses]

    def record() -> None:
        for batch in batches:
            recorder.add_batch(batch)

    return [_timed(record) / len(batches) for _ in range(_CALLS)]


def _line_decoded() -> list[float]:
    lines = [line for line in _tool_lines() if b"toolu_" in line]

    def decode() -> None:
        for line in lines:
            json.loads(line)

    return [_timed(decode) / len(lines) for _ in range(_CALLS)]


def _tool_lines() -> list[bytes]:
    return b"".join(stream(500, "tools")).splitlines()[::2]  # the uses, without their results


def _frames(source: Any) -> Any:
    from claude_magic.records.frames import Frames

    return Frames(source)


def _timed(work: Callable[[], Any]) -> float:
    """Return the processor time of a call, in milliseconds."""
    started = time.process_time()
    work()
    return 1e3 * (time.process_time() - started)


def _turn(number: int) -> TurnRecord:
    usage = Usage(12, 400 + number % 300, 15_000, 250)
    return TurnRecord.from_response(
        Response(
            text=f"Answer {number}: " + "what was found, and what to do about it. " * 10,
            cost_usd=0.01,
            usage=usage,
            duration_s=4.2,
            ttft_s=None if number % 20 == 0 else 0.8,
            turn=number,
            turn_id=f"00000000-0000-4000-8000-{number:012}",
            session=f"session-{number % 8}",
            session_id=f"11111111-0000-4000-8000-{number % 8:012}",
            model="claude-opus-4-5",
            num_steps=3,
            prompt=f"Prompt {number}: " + "please look at this. " * 5,
            started=_BEGAN + number,
        )
    )
