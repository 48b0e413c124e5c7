"""`BackgroundTasks`: what the agent has left running in the background, as the CLI tells it."""

from __future__ import annotations

from claude_magic.lenient import mapping, mappings
from claude_magic.messages import Message


class BackgroundTasks:
    """The background tasks of one CLI.

    Attributes:
        alive: ids of those that run.
    """

    def __init__(self) -> None:
        self.alive: set[str] = set()
        self._report_due = False

    @property
    def may_report(self) -> bool:
        """Whether an unprompted turn may begin: a task reports in one when it has ended."""
        return bool(self.alive) or self._report_due

    def on_started(self, message: Message) -> None:
        """Take a `task_started`."""
        raw = message.raw
        # 2.1.197 does not say which tasks are in the background; one that ends is taken off either way.
        if raw.get("is_backgrounded", True):
            self.alive.add(str(raw.get("task_id")))

    def on_notified(self, message: Message) -> None:
        """Take a `task_notification`: it has ended."""
        self._ended({str(message.raw.get("task_id"))})

    def on_updated(self, message: Message) -> None:
        """Take a `task_updated`, which may be its end."""
        raw = message.raw
        if mapping(raw.get("patch")).get("status") in ("completed", "failed", "stopped", "killed"):
            self._ended({str(raw.get("task_id"))})

    def on_listed(self, message: Message) -> None:
        """Take a `background_tasks_changed`, which names all that run."""
        alive = {str(task.get("task_id")) for task in mappings(message.raw.get("tasks"))}
        self._ended(self.alive - alive)
        self.alive = alive

    def _ended(self, tasks: set[str]) -> None:
        self._report_due = self._report_due or bool(tasks & self.alive)
        self.alive -= tasks

    def on_reported(self, result: Message) -> None:
        """Take the result of a turn: what was to be reported has been."""
        self._report_due = False
