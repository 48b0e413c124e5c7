"""The agent's to-do list, as it stands after each tool use that changes it.

Older CLIs have one tool, TodoWrite, which gives the whole list each time. 2.1.202 has TaskCreate, TaskUpdate and
TaskList instead, which change or list single tasks by number; 2.1.332 gives these to older models only (measured:
claude-haiku-4-5 and claude-sonnet-4-5 get them, the current models get none).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_CREATED = re.compile(r"Task #(\S+) created")
_LISTED = re.compile(r"#(\S+) \[(\w+)\] (.+)")


@dataclass(frozen=True, slots=True)
class Todo:
    """One thing to do.

    Attributes:
        text: what is to be done.
        status: "pending", "in_progress" or "completed".
    """

    text: str
    status: str


class TodoList:
    """The list of one run; fed with the tool uses that succeeded, in order."""

    def __init__(self) -> None:
        self._tasks: dict[str, Todo] = {}

    def after_tool(self, name: str, given: dict[str, Any], result: str) -> tuple[Todo, ...]:
        """Apply a tool use that succeeded and return the list as it is then; empty for a tool that is not about it.

        Args:
            name: the tool.
            given: its input.
            result: what it gave back, as text.
        """
        change = _CHANGES.get(name)
        if change is None:
            return ()
        change(self, given, result)
        return tuple(self._tasks.values())

    def _write(self, given: dict[str, Any], result: str) -> None:
        todos = given.get("todos")
        items = [item for item in todos if isinstance(item, dict)] if isinstance(todos, list) else []
        self._tasks = {
            str(number): Todo(_string(item.get("content")), _string(item.get("status")))
            for number, item in enumerate(items, 1)
        }

    def _create(self, given: dict[str, Any], result: str) -> None:
        created = _CREATED.search(result)
        if created is not None:
            self._tasks[created[1]] = Todo(_string(given.get("subject")), "pending")

    def _update(self, given: dict[str, Any], result: str) -> None:
        number = _string(given.get("taskId"))
        status = _string(given.get("status"))
        if status == "deleted":
            self._tasks.pop(number, None)
            return
        # A task of an earlier turn is known by its number only.
        task = self._tasks.get(number, Todo(f"Task {number}", "pending"))
        self._tasks[number] = Todo(_string(given.get("subject")) or task.text, status or task.status)

    def _replace(self, given: dict[str, Any], result: str) -> None:
        listed = (_LISTED.match(line) for line in result.split("\n"))
        self._tasks = {match[1]: Todo(match[3], match[2]) for match in listed if match is not None}


_CHANGES = {
    "TodoWrite": TodoList._write,
    "TaskCreate": TodoList._create,
    "TaskUpdate": TodoList._update,
    "TaskList": TodoList._replace,
}


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""
