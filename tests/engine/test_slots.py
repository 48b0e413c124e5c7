"""Slots: which process is used, which is missed least, and which is over."""

from __future__ import annotations

import time
from typing import Any, cast

import pytest

from claude_magic.engine.slots import WARM_LIFETIME_S, Slot, Slots

NOW = 10_000.0


class Process:
    """What slots look at of a connection."""

    def __init__(self, *, is_alive: bool = True, is_busy: bool = False, has_background: bool = False) -> None:
        self.is_alive = is_alive
        self.is_busy = is_busy
        self.has_background = has_background


class Owner:
    """What slots look at of a session."""

    def __init__(self, idle_s: float = 0.0, waiting: int = 0) -> None:
        self.idle_since = NOW - idle_s
        self.waiting = waiting


def slot(owner: Owner | None = None, age_s: float = 0.0, at_work: bool = False, **state: bool) -> Slot:
    return Slot("key", "default", 1, cast(Any, Process(**state)), cast(Any, owner), at_work, born=NOW - age_s)


def slots(*all_of_them: Slot) -> Slots:
    made = Slots()
    for one in all_of_them:
        made.add(one)
    return made


def test_a_warm_process_is_missed_least() -> None:
    """Then the session that has been idle longest; one whose next prompt waits comes last."""
    warm, long_idle, just_idle, wanted = (
        slot(), slot(Owner(idle_s=100)), slot(Owner(idle_s=1)), slot(Owner(idle_s=500, waiting=1)),
    )  # fmt: skip
    there = slots(wanted, just_idle, long_idle, warm)

    order = []
    while (least := there.surplus()) is not None:
        order.append(least)
        there.remove(least)

    assert order == [warm, long_idle, just_idle, wanted]


@pytest.mark.parametrize(
    "kept", [slot(Owner(), at_work=True), slot(Owner(), is_busy=True), slot(Owner(), has_background=True)]
)
def test_a_process_at_work_is_not_given_up(kept: Slot) -> None:
    """Nor one that left something running, however long its session has been idle."""
    assert slots(kept).surplus() is None
    assert slots(kept).over(NOW + 1e6, 600.0) == []


def test_what_is_over() -> None:
    """Dead with nobody at work on it, idle for too long, or warm for too long."""
    dead, idle, old = slot(Owner(), is_alive=False), slot(Owner(idle_s=601)), slot(age_s=WARM_LIFETIME_S)
    there = slots(dead, idle, old, slot(Owner(idle_s=599)), slot(age_s=1), slot(Owner(), at_work=True, is_alive=False))

    assert there.over(NOW, 600.0) == [dead, idle, old]


def test_a_place_that_is_taken_already_is_no_process_more() -> None:
    """The one that makes room and the one that takes it count as one."""
    leaving = slot(Owner())
    leaving.replaced = True

    assert slots(leaving, slot(Owner())).processes == 1


@pytest.mark.parametrize(
    ("there", "fits"),
    [
        ({}, True),
        ({"is_alive": False}, False),
        ({"age_s": WARM_LIFETIME_S}, False),
        ({"owner": Owner()}, False),
    ],
)
def test_a_usable_warm_process(there: dict[str, Any], fits: bool) -> None:
    """Nobody has it, it lives, and it is young; and it knows the files as they are."""
    one = slot(**there)
    one.born += time.monotonic() - NOW

    assert (slots(one).usable("key", 1) is one) is fits
    assert slots(one).usable("key", 2) is None
    assert slots(one).usable("other", 1) is None
