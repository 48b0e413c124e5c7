"""How many rows may be on their way, by what the service says of its limits."""

from __future__ import annotations

import json
from typing import Any

from claude_magic.batch.governor import Governor
from claude_magic.cli.decoder import Decoder
from claude_magic.messages import Batch
from claude_magic.redaction import NOTHING_SECRET


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def told(governor: Governor, **line: Any) -> None:
    """Have the governor hear a line of a CLI."""
    messages = Decoder(NOTHING_SECRET).decode([json.dumps(line).encode()], 0.0)
    governor.observe(Batch("main", "", "", messages))


def begun(workers: int = 8) -> tuple[Governor, Clock]:
    clock = Clock()
    governor = Governor(clock)
    governor.begin(workers)
    return governor, clock


def test_refusals_halve_and_answers_add_one() -> None:
    """Additive up, multiplicative down; and a pause after each refusal, which doubles."""
    governor, clock = begun()
    governor.refused(running=8)
    assert governor.allowed == 4
    assert not governor.may_start(0)
    clock.now += 1.1
    assert governor.may_start(3)
    assert not governor.may_start(4)
    for _ in range(5):
        governor.answered(8)
    assert 5 <= governor.allowed < 5.2
    for _ in range(200):
        governor.answered(8)
    assert governor.allowed == 8


def test_refusals_of_one_moment_are_one() -> None:
    """Eight rows are on their way when a limit is reached, and all are refused."""
    governor, clock = begun()
    for _ in range(8):
        governor.refused(running=8)
    assert governor.allowed == 4
    clock.now += 5
    governor.refused(running=4)
    assert governor.allowed == 2
    assert governor.wait_s() == 2.0


def test_one_row_may_always_go() -> None:
    """However often it is refused."""
    governor, clock = begun(2)
    for _ in range(20):
        clock.now += 100
        governor.refused(running=1)
    clock.now += 100
    assert governor.may_start(0)


def test_nothing_starts_before_the_limit_resets() -> None:
    """And the time is said."""
    governor, clock = begun()
    told(
        governor, type="rate_limit_event", session_id="s", uuid="u",
        rate_limit_info={"status": "rejected", "resetsAt": 1_600},
    )  # fmt: skip

    assert governor.wait_s() == 600
    assert "the limit resets at" in governor.words
    clock.now = 1_601
    assert governor.may_start(0)
    assert governor.words == ""


def test_a_warning_stops_nothing() -> None:
    """What is allowed is allowed."""
    governor, _ = begun()
    told(governor, type="rate_limit_event", rate_limit_info={"status": "allowed_warning", "resetsAt": 1_600})

    assert governor.may_start(7)


def test_a_retry_of_any_cli_slows_all() -> None:
    """That of a cell's session, too; a retry for another reason does not."""
    governor, _ = begun()
    told(governor, type="system", subtype="api_retry", attempt=1, max_retries=2, retry_delay_ms=1, error_status=500)
    assert governor.allowed == 8
    told(governor, type="system", subtype="api_retry", attempt=1, max_retries=2, retry_delay_ms=1, error_status=529)
    assert governor.allowed == 4


def test_what_was_refused_a_moment_ago_counts_for_the_next_map() -> None:
    """The service is the same."""
    governor, clock = begun()
    governor.refused(running=8)
    governor.begin(8)
    assert governor.allowed == 4
    clock.now += 100
    governor.begin(6)
    assert governor.allowed == 6
