"""`Metrics`: counts and durations of turns in, a `Stats` snapshot out. No pandas."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from claude_magic.records.turns import TurnRecord
from claude_magic.response import Outcome

_NEWEST = 10_000
_FAILED = (Outcome.ERROR, Outcome.TIMEOUT)


@dataclass(frozen=True)
class Stats:
    """How it goes, at one moment; the row of `frames.metrics()`.

    Attributes:
        total_requests: turns that have ended.
        success_requests: those that returned a response: also interrupted, denied, and stopped at a limit.
        failed_requests: those that raised: error and time-out.
        avg_response_time_s: mean duration of all turns that have ended, in seconds; `None` before the first.
        p50_response_time_s: median of the newest 10,000 durations, in seconds; `None` before the first.
        p95_response_time_s: their 95th percentile, in seconds.
        active_sessions: sessions that are open.
        created: processes started.
        reused: prompts that a process took which was there already.
        destroyed: processes ended.
        waiting: callers that wait for a process now.
    """

    total_requests: int = 0
    success_requests: int = 0
    failed_requests: int = 0
    avg_response_time_s: float | None = None
    p50_response_time_s: float | None = None
    p95_response_time_s: float | None = None
    active_sessions: int = 0
    created: int = 0
    reused: int = 0
    destroyed: int = 0
    waiting: int = 0


class Metrics:
    """Counts turns and their durations; on the loop's thread."""

    def __init__(self) -> None:
        self._succeeded = 0
        self._failed = 0
        self._total_s = 0.0
        self._newest: deque[float] = deque(maxlen=_NEWEST)

    def count_turn(self, duration_s: float, ok: bool) -> None:
        """Count a turn that has ended.

        Args:
            duration_s: from sending the prompt to the end, in seconds.
            ok: whether it returned; `False` for the outcomes that raise (error, timeout).
        """
        if ok:
            self._succeeded += 1
        else:
            self._failed += 1
        self._total_s += duration_s
        self._newest.append(duration_s)

    def count_record(self, turn: TurnRecord) -> None:
        """Count a finished turn; its outcome says whether it succeeded."""
        self.count_turn(turn.duration_s, turn.outcome not in _FAILED)

    def snapshot(
        self, *, active_sessions: int = 0, created: int = 0, reused: int = 0, destroyed: int = 0, waiting: int = 0
    ) -> Stats:
        """Return the counts as they are now, with what only the pool and the client can count."""
        total = self._succeeded + self._failed
        newest = sorted(self._newest)
        return Stats(
            total_requests=total,
            success_requests=self._succeeded,
            failed_requests=self._failed,
            avg_response_time_s=self._total_s / total if total else None,
            p50_response_time_s=_percentile(newest, 0.50),
            p95_response_time_s=_percentile(newest, 0.95),
            active_sessions=active_sessions,
            created=created,
            reused=reused,
            destroyed=destroyed,
            waiting=waiting,
        )


def _percentile(rising: Sequence[float], share: float) -> float | None:
    """Return the value below which `share` of the values lie, between neighbours in proportion, as numpy does."""
    if not rising:
        return None
    place = share * (len(rising) - 1)
    below = int(place)
    above = min(below + 1, len(rising) - 1)
    return rising[below] + (rising[above] - rising[below]) * (place - below)
