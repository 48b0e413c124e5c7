"""What rows cost: caps that hold while rows are on their way, and an honest estimate."""

from __future__ import annotations

import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_magic.batch.money import Cap, RowBudget, estimate


@given(
    costs=st.lists(st.floats(0.001, 0.02), min_size=300, max_size=300),
    workers=st.integers(1, 8),
    limit=st.floats(0.05, 1.0),
)
def test_a_cap_is_passed_by_one_row_per_worker_at_most(costs: list[float], workers: int, limit: float) -> None:
    """Whatever the rows cost; it is judged by what has been."""
    budget = RowBudget([Cap("these rows", limit)])
    waiting, running, spent = list(costs), list[float](), 0.0
    while waiting or running:
        if waiting and len(running) < workers and budget.may_start():
            budget.in_flight += 1
            running.append(waiting.pop())
        elif running:
            cost = running.pop(0)
            budget.note(cost)
            budget.in_flight -= 1
            spent += cost
        else:
            break
    assert spent <= limit + workers * max(costs)


@pytest.mark.parametrize("workers", [1, 8])
def test_the_overshoot_is_small_where_rows_are_usual(workers: int) -> None:
    """Costs as those of a service: most alike, a few dear. Below 5 % in every one of 200 maps."""
    draw = random.Random(workers)
    for _ in range(200):
        budget = RowBudget([Cap("these rows", 1.0)])
        running, spent = list[float](), 0.0
        while True:
            if len(running) < workers and budget.may_start():
                budget.in_flight += 1
                running.append(draw.lognormvariate(-5, 0.4))
            elif running:
                cost = running.pop(draw.randrange(len(running)))
                budget.note(cost)
                budget.in_flight -= 1
                spent += cost
            else:
                break
        assert spent < 1.05
        assert budget.spent() is not None
        assert spent > 0.9


def test_nothing_is_known_before_the_first_row() -> None:
    """So it goes alone where there is a cap."""
    budget = RowBudget([Cap("these rows", 1.0)], in_flight=1)

    assert not budget.may_start()
    assert RowBudget(in_flight=100).may_start()


def test_a_cap_that_is_reached_says_so() -> None:
    """With what to do."""
    budget = RowBudget([Cap("today", 0.3, 0.1, "Wait.")])
    budget.note(0.2)

    assert budget.spent() is not None
    assert budget.caps[0].words() == "the budget of today is spent: $0.3 of $0.3. Wait."


def test_the_interval_holds_for_four_maps_of_five() -> None:
    """For costs that are not normal at all, with a pilot of ten rows; a wider one would say less."""
    draw = random.Random(1)
    inside = 0
    for _ in range(500):
        rows = [draw.lognormvariate(0, 0.5) for _ in range(1000)]
        judged = estimate(rows[:10], rows[:10], rows=990, workers=4)
        inside += judged.low_usd <= sum(rows[10:]) <= judged.high_usd
    assert 0.7 < inside / 500 < 0.9


def test_an_estimate_reads_well() -> None:
    """Dollars, or tokens where a plan pays."""
    judged = estimate([0.01] * 10, [2.0] * 10, rows=990, workers=4, tokens=10_000)
    planned = estimate([0.01] * 10, [2.0] * 10, rows=990, workers=4, tokens=10_000, subscription="max")

    assert str(judged).startswith("990 rows left: $9.90 (80 %: $9.")
    assert "8 min" in str(judged)
    assert "judged by 10 rows" in str(judged)
    assert "about 990,000 tokens of your plan (max)" in str(planned)
    assert judged.low_usd < judged.cost_usd < judged.high_usd


def test_one_row_says_little() -> None:
    """Half of it to twice of it."""
    judged = estimate([0.01], [1.0], rows=10, workers=1)

    assert (judged.low_usd, judged.high_usd) == pytest.approx((0.05, 0.2))
    with pytest.raises(ValueError, match="at least one row"):
        estimate([], [], rows=1, workers=1)


@given(st.lists(st.floats(0.0, 10.0), min_size=1, max_size=30), st.integers(1, 10_000), st.integers(1, 8))
def test_estimates_are_in_order(costs: list[float], rows: int, workers: int) -> None:
    """The interval holds the value, and nothing is negative."""
    judged = estimate(costs, costs, rows=rows, workers=workers)

    assert 0 <= judged.low_usd <= judged.cost_usd + 1e-9 <= judged.high_usd + 1e-6
    assert judged.cost_usd == pytest.approx(statistics.fmean(costs) * rows)
