"""Counts and durations of turns."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_magic.engine.session_info import SessionInfo
from claude_magic.records.columns import METRICS, SESSIONS
from claude_magic.records.metrics import Metrics, Stats

from .lines import turn


def test_metrics_before_the_first_turn_have_no_time() -> None:
    """Counts are zero, times are unknown rather than zero."""
    assert Metrics().snapshot() == Stats()
    assert Stats().avg_response_time_s is None


def test_metrics_snapshot_has_the_counts_of_pool_and_client() -> None:
    """What only they can count is handed in."""
    metrics = Metrics()
    metrics.count_turn(1.0, ok=True)
    metrics.count_turn(3.0, ok=False)

    stats = metrics.snapshot(active_sessions=1, created=2, reused=3, destroyed=4, waiting=5)

    assert stats == Stats(2, 1, 1, 2.0, 2.0, pytest.approx(2.9), 1, 2, 3, 4, 5)


@pytest.mark.parametrize(
    ("outcome", "succeeded"),
    [
        ("success", 1),
        ("interrupted", 1),
        ("denied", 1),
        ("max_turns", 1),
        ("budget", 1),
        ("error", 0),
        ("timeout", 0),
    ],
)
def test_metrics_count_a_turn_that_returns_as_a_success(outcome: str, succeeded: int) -> None:
    """Only the outcomes that raise are failures."""
    metrics = Metrics()
    metrics.count_record(turn(outcome=outcome, duration_s=2.5))

    stats = metrics.snapshot()
    assert (stats.success_requests, stats.failed_requests) == (succeeded, 1 - succeeded)
    assert stats.avg_response_time_s == 2.5


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=200))
def test_metrics_mean_and_percentiles_agree_with_numpy(durations: list[float]) -> None:
    """The mean is a true one, the percentiles are numpy's."""
    metrics = Metrics()
    for duration in durations:
        metrics.count_turn(duration, ok=True)

    stats = metrics.snapshot()
    assert stats.avg_response_time_s == pytest.approx(np.mean(durations))
    assert stats.p50_response_time_s == pytest.approx(np.percentile(durations, 50))
    assert stats.p95_response_time_s == pytest.approx(np.percentile(durations, 95))


def test_metrics_percentiles_are_of_the_newest_turns_and_the_mean_of_all() -> None:
    """After 10,000 newer turns the old ones weigh in the mean alone."""
    metrics = Metrics()
    for duration in [100.0] * 10_000 + [1.0] * 10_000:
        metrics.count_turn(duration, ok=True)

    stats = metrics.snapshot()
    assert stats.avg_response_time_s == pytest.approx(50.5)
    assert stats.p95_response_time_s == 1.0


@pytest.mark.parametrize(("record", "schema"), [(Stats, METRICS), (SessionInfo, SESSIONS)])
def test_metrics_and_session_info_have_exactly_the_columns_of_their_frames(
    record: type, schema: dict[str, object]
) -> None:
    """Same names, same order."""
    assert [field.name for field in dataclasses.fields(record)] == list(schema)
