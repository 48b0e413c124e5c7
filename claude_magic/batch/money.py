"""What rows cost: caps that hold while rows are on their way, and an estimate from those that are done. Pure."""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

_KEPT = 1000
"""Costs that a reserve is judged by; older ones are dropped."""
_FEW = 5
"""Fewer known costs than this say little: the dearest one, and half of it again, is reserved."""
_ROUNDING_USD = 1e-9
"""Sums of dollars are not exact."""


@dataclass
class Cap:
    """A ceiling for what may be spent.

    Attributes:
        name: what it is for, such as "this map".
        limit_usd: the ceiling, in US dollars.
        spent_usd: what is spent of it, that of earlier runs included.
        advice: how to raise it.
    """

    name: str
    limit_usd: float
    spent_usd: float = 0.0
    advice: str = ""

    @property
    def left_usd(self) -> float:
        """What may still be spent."""
        return self.limit_usd - self.spent_usd

    def words(self) -> str:
        """Return how it stands, as a sentence."""
        advice = f" {self.advice}" if self.advice else ""
        return f"the budget of {self.name} is spent: ${self.spent_usd:.4g} of ${self.limit_usd:g}.{advice}"


@dataclass
class RowBudget:
    """Says whether one more row may start.

    For each row on its way so much is set aside as a row may well cost (the 95th percentile), so that a cap is not
    passed by more than one row per worker could cost beyond that.

    Attributes:
        caps: the ceilings that hold.
        in_flight: rows on their way.
    """

    caps: list[Cap] = field(default_factory=list)
    in_flight: int = 0
    _costs: deque[float] = field(default_factory=lambda: deque(maxlen=_KEPT))
    _reserve: float | None = None

    def note(self, cost_usd: float) -> None:
        """A row has cost so much."""
        if cost_usd > 0:  # a row that failed before it was sent says nothing of the others
            self._costs.append(cost_usd)
            self._reserve = None
        for cap in self.caps:
            cap.spent_usd += cost_usd

    @property
    def reserve_usd(self) -> float:
        """What is set aside for one row; 0 while nothing is known."""
        if self._reserve is None:
            costs = sorted(self._costs)
            if not costs:
                self._reserve = 0.0
            elif len(costs) < _FEW:
                self._reserve = costs[-1] * 1.5
            else:
                self._reserve = costs[min(len(costs) - 1, math.ceil(0.95 * len(costs)) - 1)]
        return self._reserve

    def spent(self) -> Cap | None:
        """Return a cap that is reached by what is spent, with no row on its way; `None` if there is none."""
        needed = max(self.reserve_usd, 2 * _ROUNDING_USD)
        return next((cap for cap in self.caps if cap.left_usd < needed - _ROUNDING_USD), None)

    def may_start(self) -> bool:
        """Whether one more row may start now."""
        if not self.caps:
            return True
        if not self._costs:
            return self.in_flight == 0 and self.spent() is None
        reserved = (self.in_flight + 1) * self.reserve_usd
        return all(cap.left_usd >= reserved - _ROUNDING_USD for cap in self.caps)


@dataclass(frozen=True)
class Estimate:
    """What the rest of a map will take, judged by the rows that are done.

    Attributes:
        rows: how many rows are left.
        of: how many rows it is judged by.
        cost_usd: what they will cost, in US dollars.
        low_usd: lower end of the 80 % interval.
        high_usd: upper end of it.
        seconds: how long they will take.
        low_s: lower end of the 80 % interval.
        high_s: upper end of it.
        tokens: how many tokens they will read and write.
        subscription: the plan that pays; "" where dollars are paid.
    """

    rows: int
    of: int
    cost_usd: float
    low_usd: float
    high_usd: float
    seconds: float
    low_s: float
    high_s: float
    tokens: int = 0
    subscription: str = ""

    def __str__(self) -> str:
        few = f"{self.of:,} row{'s' * (self.of != 1)}"
        money = f"${self.cost_usd:.2f} (80 %: ${self.low_usd:.2f} to ${self.high_usd:.2f})"
        if self.subscription:
            money = f"about {self.tokens:,} tokens of your plan ({self.subscription})"
        time = f"{_span(self.seconds)} (80 %: {_span(self.low_s)} to {_span(self.high_s)})"
        return f"{self.rows:,} rows left: {money}, {time}; judged by {few}"


def estimate(
    costs: Sequence[float],
    seconds: Sequence[float],
    *,
    rows: int,
    workers: int,
    tokens: int = 0,
    subscription: str = "",
) -> Estimate:
    """Return what the rest of a map will take.

    Args:
        costs: what each row of the sample cost, in US dollars.
        seconds: how long each took.
        rows: how many rows are left.
        workers: how many are at work at the same time.
        tokens: what the sample read and wrote.
        subscription: the plan that pays; "" where dollars are paid.

    Raises:
        ValueError: the sample is empty.
    """
    if not costs or len(costs) != len(seconds):
        raise ValueError("An estimate needs at least one row.")
    cost, low_usd, high_usd = _total(costs, rows)
    time, low_s, high_s = _total(seconds, rows)
    at_once = max(1, min(workers, rows))
    per_row = tokens / len(costs)
    return Estimate(
        rows, len(costs), cost, low_usd, high_usd, time / at_once, low_s / at_once, high_s / at_once,
        round(per_row * rows), subscription,
    )  # fmt: skip


# Two-sided 80 % of Student's t, by degrees of freedom; the normal distribution beyond.
_T = (3.078, 1.886, 1.638, 1.533, 1.476, 1.440, 1.415, 1.397, 1.383, 1.372)
_NORMAL = 1.282
_LEAST_DEVIATION = 0.1
"""Of the mean: a few rows may be equal by chance, and the others are not."""


def _total(sample: Sequence[float], rows: int) -> tuple[float, float, float]:
    """Return the sum that `rows` more values will have, and its 80 % prediction interval."""
    size, mean = len(sample), statistics.fmean(sample)
    if size == 1:  # one value says nothing of how much they differ
        return mean * rows, mean * rows / 2, mean * rows * 2
    factor = _T[size - 2] if size - 2 < len(_T) else _NORMAL
    deviation = max(statistics.stdev(sample), _LEAST_DEVIATION * mean)
    spread = factor * deviation * math.sqrt(rows + rows * rows / size)
    return mean * rows, max(0.0, mean * rows - spread), mean * rows + spread


def _span(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
