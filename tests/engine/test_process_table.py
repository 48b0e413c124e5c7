"""ProcessTable: which process is used, which is evicted first, and which has expired."""

from __future__ import annotations

import time
from typing import Any, cast

import pytest

from claude_magic.engine.process_table import WARM_LIFETIME_S, PooledProcess, ProcessTable

NOW = 10_000.0


class Process:
    """What the table looks at of a connection."""

    def __init__(self, *, is_alive: bool = True, is_busy: bool = False, has_background: bool = False) -> None:
        self.is_alive = is_alive
        self.is_busy = is_busy
        self.has_background = has_background


class Owner:
    """What the table looks at of a session."""

    def __init__(self, idle_s: float = 0.0, waiting: int = 0) -> None:
        self.idle_since = NOW - idle_s
        self.waiting = waiting


def process(owner: Owner | None = None, age_s: float = 0.0, busy: bool = False, **state: bool) -> PooledProcess:
    return PooledProcess("key", "default", 1, cast(Any, Process(**state)), cast(Any, owner), busy, born=NOW - age_s)


def table(*all_of_them: PooledProcess) -> ProcessTable:
    made = ProcessTable()
    for one in all_of_them:
        made.add(one)
    return made


def test_process_table_evicts_a_warm_process_first() -> None:
    """Then the session that has been idle longest; one whose next prompt waits comes last."""
    warm, long_idle, just_idle, wanted = (
        process(), process(Owner(idle_s=100)), process(Owner(idle_s=1)), process(Owner(idle_s=500, waiting=1)),
    )  # fmt: skip
    there = table(wanted, just_idle, long_idle, warm)

    order = []
    while (least := there.eviction_candidate()) is not None:
        order.append(least)
        there.remove(least)

    assert order == [warm, long_idle, just_idle, wanted]


@pytest.mark.parametrize(
    "kept", [process(Owner(), busy=True), process(Owner(), is_busy=True), process(Owner(), has_background=True)]
)
def test_process_table_does_not_evict_a_busy_process(kept: PooledProcess) -> None:
    """Nor one that left something running, however long its session has been idle."""
    assert table(kept).eviction_candidate() is None
    assert table(kept).expired(NOW + 1e6, 600.0) == []


def test_process_table_knows_what_is_expired() -> None:
    """Dead with no turn at work on it, idle for too long, or warm for too long."""
    dead, idle, old = process(Owner(), is_alive=False), process(Owner(idle_s=601)), process(age_s=WARM_LIFETIME_S)
    there = table(
        dead, idle, old, process(Owner(idle_s=599)), process(age_s=1), process(Owner(), busy=True, is_alive=False)
    )

    assert there.expired(NOW, 600.0) == [dead, idle, old]


def test_process_table_does_not_count_a_process_that_is_replaced() -> None:
    """The one that makes room and the one that takes it count as one."""
    leaving = process(Owner())
    leaving.replaced = True

    assert table(leaving, process(Owner())).processes == 1


@pytest.mark.parametrize(
    ("there", "fits"),
    [
        ({}, True),
        ({"is_alive": False}, False),
        ({"age_s": WARM_LIFETIME_S}, False),
        ({"owner": Owner()}, False),
    ],
)
def test_process_table_finds_a_usable_warm_process(there: dict[str, Any], fits: bool) -> None:
    """It has no owner, it lives, and it is young; and it knows the files as they are."""
    one = process(**there)
    one.born += time.monotonic() - NOW

    assert (table(one).usable("key", 1) is one) is fits
    assert table(one).usable("key", 2) is None
    assert table(one).usable("other", 1) is None
