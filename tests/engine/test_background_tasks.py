"""Background tasks: which run, and whether one has still to report."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from lines import decode

from claude_magic.engine.background_tasks import BackgroundTasks
from claude_magic.messages import Message


def told(subtype: str, **facts: object) -> Message:
    return decode({"type": "system", "subtype": subtype, **facts})[0]


@pytest.fixture
def tasks() -> BackgroundTasks:
    """One task runs."""
    made = BackgroundTasks()
    made.on_started(told("task_started", task_id="a"))
    return made


def test_background_tasks_leave_out_one_in_the_foreground(tasks: BackgroundTasks) -> None:
    """2.1.330 says which are in the background; where nothing is said it may be one."""
    tasks.on_started(told("task_started", task_id="b", is_backgrounded=False))

    assert tasks.alive == {"a"}


@pytest.mark.parametrize(
    "end",
    [
        lambda tasks: tasks.on_notified(told("task_notification", task_id="a", status="completed")),
        lambda tasks: tasks.on_updated(told("task_updated", task_id="a", patch={"status": "killed"})),
        lambda tasks: tasks.on_listed(told("background_tasks_changed", tasks=[])),
    ],
    ids=["on_notified", "on_updated", "on_listed"],
)
def test_background_tasks_that_have_ended_have_still_to_report(
    tasks: BackgroundTasks, end: Callable[[BackgroundTasks], None]
) -> None:
    """However its end is told; the next result is the end of the report."""
    end(tasks)
    assert (tasks.alive, tasks.may_report) == (set(), True)

    tasks.on_reported(decode({"type": "result", "subtype": "success"})[0])
    assert not tasks.may_report


def test_background_tasks_pass_over_the_end_of_something_else() -> None:
    """A foreground task ends too, and the CLI says so."""
    tasks = BackgroundTasks()

    tasks.on_notified(told("task_notification", task_id="other"))
    tasks.on_updated(told("task_updated", task_id="other", patch={"status": "running"}))

    assert not tasks.may_report
