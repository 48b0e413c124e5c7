"""What a tool use is about: the one telling argument, what was written, what was changed."""

from __future__ import annotations

import difflib
import json
from typing import Any

from claude_magic.rendering.text import one_line, plural, seconds
from claude_magic.rendering.view import ToolPart, ToolState

_TELLING = {
    "Agent": "description",
    "Bash": "command",
    "Edit": "file_path",
    "Glob": "pattern",
    "Grep": "pattern",
    "MultiEdit": "file_path",
    "NotebookEdit": "notebook_path",
    "Read": "file_path",
    "Skill": "skill",
    "Task": "description",
    "ToolSearch": "query",
    "WebFetch": "url",
    "WebSearch": "query",
    "Write": "file_path",
}
_LONGEST_DIFF = 400  # lines on each side; the comparison is quadratic


def telling_argument(tool: ToolPart, working_dir: str = "", limit: int = 120) -> str:
    """Return the one argument that says what a tool use is about, on one line; "" where there is none.

    Args:
        tool: the tool use.
        working_dir: folder of the CLI; paths in it are shown relative to it.
        limit: longest line, in characters.
    """
    todos = todo_items(tool)
    if todos:
        done = sum(status == "completed" for _, status in todos)
        return f"{done} of {len(todos)} done"
    value = tool.input.get(_TELLING.get(tool.name, ""))
    if isinstance(value, str):
        inside = working_dir.rstrip("/\\")
        if inside and len(inside) > 1 and value.startswith((inside + "/", inside + "\\")):
            value = value[len(inside) + 1 :]
        return one_line(value, limit)
    return one_line(_compact(tool.input, limit), limit) if tool.input else ""


def _compact(value: dict[str, Any], limit: int) -> str:
    shown = {key: item[: 2 * limit] if isinstance(item, str) else item for key, item in value.items()}
    return json.dumps(shown, ensure_ascii=False, separators=(", ", ": "), default=str)


def state_words(tool: ToolPart, now: float | None = None) -> str:
    """Return where a tool use stands in plain words, with seconds where they say something.

    Args:
        tool: the tool use.
        now: the time, in unix seconds, for one that still runs.
    """
    if tool.state is ToolState.WAITING:
        return "waiting for permission"
    took = tool.duration_s(now)
    words = [
        str(tool.state) + (f" after {seconds(took)}" if tool.state is ToolState.CANCELLED and took >= 0.05 else "")
    ]
    if tool.state in (ToolState.RUNNING, ToolState.DONE, ToolState.FAILED) and took >= 0.05:
        words.append(seconds(took))
    inserted, deleted = changed_lines(tool)
    if inserted or deleted:
        words.append(f"+{inserted} −{deleted}")
    nested = count_descendants(tool)
    if nested:
        words.append(plural(nested, "tool"))
    return ", ".join(words)


def count_descendants(tool: ToolPart) -> int:
    """Return how many tool uses a subagent made, its own subagents' included."""
    return sum(1 + count_descendants(child) for child in tool.children)


def todo_items(tool: ToolPart) -> list[tuple[str, str]]:
    """Return the items of a todo list, each with its status; empty for any other tool."""
    todos = tool.input.get("todos") if tool.name == "TodoWrite" else None
    if not isinstance(todos, list):
        return []
    return [(str(item.get("content", "")), str(item.get("status", ""))) for item in todos if isinstance(item, dict)]


def diff_lines(tool: ToolPart) -> list[str]:
    """Return what an `Edit` changed as lines that begin with `+`, `-` or a space; empty for any other tool."""
    old, new = tool.input.get("old_string"), tool.input.get("new_string")
    if tool.name != "Edit" or not isinstance(old, str) or not isinstance(new, str):
        return []
    before, after = old.splitlines(), new.splitlines()
    if len(before) > _LONGEST_DIFF or len(after) > _LONGEST_DIFF:
        return [f"-{line}" for line in before[:_LONGEST_DIFF]] + [f"+{line}" for line in after[:_LONGEST_DIFF]]
    lines = difflib.unified_diff(before, after, n=2, lineterm="")
    return [line for line in list(lines)[2:] if not line.startswith("@@")]


def changed_lines(tool: ToolPart) -> tuple[int, int]:
    """Return how many lines an `Edit` that was done inserted and deleted."""
    if tool.state is not ToolState.DONE:
        return 0, 0
    lines = diff_lines(tool)
    return sum(line.startswith("+") for line in lines), sum(line.startswith("-") for line in lines)
