"""The to-do list after each tool use that changes it, in the shapes that CLIs have used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from claude_magic.cli.decoder import Decoder
from claude_magic.rendering import response_bundle
from claude_magic.rendering.todos import Todo, TodoList
from claude_magic.rendering.view import RunView

from .builders import response, result, use

FIXTURES = Path(__file__).parents[1] / "fixtures"


def test_todo_list_is_replaced_by_todo_write() -> None:
    """TodoWrite gives the whole list; what has an odd shape is left out."""
    todos = TodoList()
    todos.after_tool("TodoWrite", {"todos": [{"content": "old", "status": "pending"}]}, "ok")

    assert todos.after_tool("TodoWrite", {"todos": [{"content": "new", "status": "completed"}, 3]}, "ok") == (
        Todo("new", "completed"),
    )
    assert todos.after_tool("TodoWrite", {"todos": "nonsense"}, "ok") == ()


def test_todo_list_follows_single_tasks() -> None:
    """Created, renamed, begun, deleted; a task of an earlier turn is known by its number."""
    todos = TodoList()
    todos.after_tool("TaskCreate", {"subject": "Load"}, "Task #1 created successfully: Load")
    todos.after_tool("TaskCreate", {"subject": "Plot"}, "Task #2 created successfully: Plot")
    todos.after_tool("TaskUpdate", {"taskId": "1", "status": "in_progress", "subject": "Load all"}, "Updated task #1")
    after = todos.after_tool("TaskUpdate", {"taskId": "7", "status": "completed"}, "Updated task #7")

    assert after == (Todo("Load all", "in_progress"), Todo("Plot", "pending"), Todo("Task 7", "completed"))
    assert todos.after_tool("TaskUpdate", {"taskId": "7", "status": "deleted"}, "Updated task #7") == after[:2]


def test_todo_list_is_replaced_by_a_listing() -> None:
    """TaskList shows the tasks of earlier turns as well."""
    listed = "#1 [completed] Load\n#2 [pending] Plot it"

    assert TodoList().after_tool("TaskList", {}, listed) == (Todo("Load", "completed"), Todo("Plot it", "pending"))


@pytest.mark.parametrize("name", ["TaskGet", "TaskStop", "Task", "Bash"])
def test_todo_list_is_not_touched_by_other_tools(name: str) -> None:
    """The subagent's tool and the tools of background tasks have similar names."""
    assert TodoList().after_tool(name, {"taskId": "1", "status": "completed"}, "Task #1 created") == ()


def test_todo_list_of_a_failed_call_is_not_drawn() -> None:
    """A list that the CLI refused (2.1.332 has no TodoWrite) is shown as the failure that it is."""
    given = {"todos": [{"content": "Load the data", "status": "completed"}]}
    refused = "<tool_use_error>Error: No such tool available: TodoWrite.</tool_use_error>"
    bundle = response_bundle(response(use("1", "TodoWrite", given), result("1", refused, failed=True)))

    assert "✓ Load the data" not in bundle["text/html"]
    assert "No such tool available" in bundle["text/html"]
    assert json.loads(json.dumps(bundle))["application/vnd.claude-magic.v1+json"]["parts"][0]["todos"] == []


@pytest.mark.parametrize("version", ["2.1.202", "2.1.332"])
def test_todo_list_of_real_clis(version: str) -> None:
    """What the recorded CLIs wrote becomes one list."""
    lines = (FIXTURES / f"to_do-{version}.ndjson").read_bytes().rstrip(b"\n").split(b"\n")
    view = RunView()
    view.add(Decoder().decode(lines, 0.0))

    assert view.tools[-1].todos == (Todo("Load the file", "completed"), Todo("Plot it", "pending"))
