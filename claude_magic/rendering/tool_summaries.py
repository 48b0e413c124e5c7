"""What a tool use is about: the one telling argument, what was written, what was changed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from claude_magic.permissions import PLAN_TOOL
from claude_magic.rendering.parts import ToolPart, ToolState
from claude_magic.rendering.patches import Hunk, compared, lines_of
from claude_magic.rendering.structured import STRUCTURED_TOOL, table_of
from claude_magic.rendering.text import one_line, plural, seconds

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
    "mcp__kernel__inspect": "name",
    "mcp__kernel__list_variables": "pattern",
    "mcp__kernel__delete_cell": "cell_id",
    "mcp__kernel__read_cells": "which",
}
_CODE_FIELDS = {
    "mcp__kernel__run_python": "code",
    "mcp__kernel__add_cell": "source",
    "mcp__kernel__edit_cell": "source",
}
"""Tools of the kernel whose input is code or Markdown, and the field that has it."""
_TITLES = {
    "AskUserQuestion": "Question",
    STRUCTURED_TOOL: "Answer as data",
    "ExitPlanMode": "Plan",
    "TaskCreate": "To do",
    "TaskList": "To do",
    "TaskUpdate": "To do",
    "TodoWrite": "To do",
    "mcp__kernel__list_variables": "Look at variables",
    "mcp__kernel__inspect": "Look at",
    "mcp__kernel__run_python": "Run Python",
    "mcp__kernel__read_cells": "Read cells",
    "mcp__kernel__add_cell": "Add cell",
    "mcp__kernel__edit_cell": "Edit cell",
    "mcp__kernel__delete_cell": "Delete cell",
}
_MCP = re.compile(r"mcp__(.+?)__(.+)", re.DOTALL)
_QUESTION_STATES = {
    ToolState.WAITING: "waiting for your answer",
    ToolState.RUNNING: "waiting for your answer",
    ToolState.DONE: "answered",
}


def tool_title(name: str) -> str:
    """Return the name of a tool as a person reads it: `mcp__server__tool` is `tool (server)`."""
    match = _MCP.fullmatch(name)
    return _TITLES.get(name) or one_line(f"{match[2]} ({match[1]})" if match else name, 60)


def telling_argument(tool: ToolPart, working_dir: str = "", limit: int = 120) -> str:
    """Return the one argument that says what a tool use is about, on one line; "" where there is none.

    Args:
        tool: the tool use.
        working_dir: folder of the CLI; paths in it are shown relative to it.
        limit: longest line, in characters.
    """
    if tool.todos:
        done = sum(todo.status == "completed" for todo in tool.todos)
        return f"{done} of {len(tool.todos)} done"
    questions = asked_questions(tool)
    if questions:
        return one_line(" · ".join(asked.answer or asked.question for asked in questions), limit)
    plan = plan_of(tool)
    if plan:
        return one_line(plan.strip().partition("\n")[0].lstrip("#"), limit)
    if tool.name == STRUCTURED_TOOL:
        table = table_of(tool.input)
        number = len(table.rows) + table.left_out
        return one_line(
            f"{table.name}: {plural(number, 'record')}" if table.columns else plural(number, "value"), limit
        )
    code = code_input(tool)
    if code is not None:
        purpose = tool.input.get("purpose")
        return one_line(purpose if isinstance(purpose, str) and purpose else code[0].strip().partition("\n")[0], limit)
    value = tool.input.get(_TELLING.get(tool.name, ""))
    if isinstance(value, list):
        return one_line(", ".join(map(str, value)), limit)
    if isinstance(value, str):
        inside = working_dir.rstrip("/\\")
        if inside and len(inside) > 1 and value.startswith((inside + "/", inside + "\\")):
            value = value[len(inside) + 1 :]
        return one_line(value, limit)
    return one_line(_compact(tool.input, limit), limit) if tool.input else ""


def code_input(tool: ToolPart) -> tuple[str, str] | None:
    """Return the code that a tool use of the kernel brings, with its language; `None` for any other tool."""
    code = tool.input.get(_CODE_FIELDS.get(tool.name, ""))
    if not isinstance(code, str):
        return None
    return code, "markdown" if tool.input.get("cell_type") == "markdown" else "python"


def plan_of(tool: ToolPart) -> str:
    """Return the plan that a tool use brings before a person, as Markdown; "" for any other tool."""
    return _text(tool.input.get("plan")) if tool.name == PLAN_TOOL else ""


def _compact(value: dict[str, Any], limit: int) -> str:
    shown = {key: item[: 2 * limit] if isinstance(item, str) else item for key, item in value.items()}
    return json.dumps(shown, ensure_ascii=False, separators=(", ", ": "), default=str)


def state_words(tool: ToolPart, now: float | None = None) -> str:
    """Return where a tool use stands in plain words, with seconds where they say something.

    Args:
        tool: the tool use.
        now: the time, in unix seconds, for one that still runs.
    """
    if tool.name == "AskUserQuestion":
        return _QUESTION_STATES.get(tool.state, "not answered")
    if tool.state is ToolState.WAITING:
        return "waiting for permission"
    took = tool.duration_s(now)
    parts = [
        str(tool.state) + (f" after {seconds(took)}" if tool.state is ToolState.CANCELLED and took >= 0.05 else "")
    ]
    if tool.state in (ToolState.RUNNING, ToolState.DONE, ToolState.FAILED) and took >= 0.05:
        parts.append(seconds(took))
    inserted, deleted = changed_lines(tool)
    parts += [" ".join((f"+{inserted}",) * bool(inserted) + (f"−{deleted}",) * bool(deleted)), _size_words(tool)]
    nested = count_descendants(tool)
    if nested:
        parts.append(plural(nested, "tool"))
    if tool.edited:
        parts.append("edited by you")
    return ", ".join(filter(None, parts))


def _size_words(tool: ToolPart) -> str:
    """How much was read or found."""
    if tool.state is not ToolState.DONE or tool.name not in ("Glob", "Grep", "Read"):
        return ""
    cells = tool.result.count("<cell id=") if tool.name == "Read" else 0
    if cells:
        return plural(cells, "cell")
    lines = lines_of(file_text(tool))
    is_numbered = tool.name != "Read" or bool(lines and _NUMBERED.match(lines[0]))
    return plural(len(lines), "line") if lines and is_numbered else ""


_NUMBERED = re.compile(r"\s*\d+[→\t]")
_LAST_NUMBER = re.compile(r"\n\s*\d+[→\t]$")


def file_text(tool: ToolPart) -> str:
    """Return what a tool gave back; of a file that was read without the number of a line that is not there."""
    return _LAST_NUMBER.sub("", tool.result.rstrip("\n")) if tool.name == "Read" else tool.result


def count_descendants(tool: ToolPart) -> int:
    """Return how many tool uses a subagent made, its own subagents' included."""
    return sum(1 + count_descendants(child) for child in tool.children)


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """One of the model's own questions.

    Attributes:
        question: its words.
        options: what there was to choose from, each with its description.
        answer: what was answered: labels, or words of one's own; "" while it is open.
    """

    question: str
    options: tuple[tuple[str, str], ...]
    answer: str


def asked_questions(tool: ToolPart) -> list[AskedQuestion]:
    """Return the questions that a tool use puts to a person; empty for any other tool."""
    if tool.name != "AskUserQuestion":
        return []
    answers = tool.input.get("answers")
    given = answers if isinstance(answers, dict) else {}
    asked = []
    for question in _records(tool.input.get("questions")):
        text = _text(question.get("question"))
        options = _records(question.get("options"))
        labels = tuple((_text(option.get("label")), _text(option.get("description"))) for option in options)
        asked.append(AskedQuestion(text, labels, _text(given.get(text))))
    return asked


def _records(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def diff_rows(tool: ToolPart) -> list[tuple[str, int]]:
    """Return what a tool changes in a file, line by line, each with its number in the file; empty for other tools.

    A line begins with `+`, `-` or a space, and is `…` where lines are left out. The number is 0 where it is not known.
    """
    rows: list[tuple[str, int]] = []
    for hunk in tool.patch or tuple(_hunks(tool)):
        rows += ([("…", 0)] if rows else []) + hunk.numbered()
    return rows


def diff_lines(tool: ToolPart) -> list[str]:
    """Return the lines of `diff_rows`."""
    return [line for line, _ in diff_rows(tool)]


def _hunks(tool: ToolPart) -> Iterator[Hunk]:
    """What a tool's input says of the change: nothing of the lines around, and the numbers of a new file only."""
    for old, new in _changes(tool):
        if isinstance(old, str) and isinstance(new, str):
            yield from compared(old, new, 1 if tool.name == "Write" else 0)


def _changes(tool: ToolPart) -> list[tuple[Any, Any]]:
    """Old and new text of each place that a tool changes."""
    given = tool.input
    if tool.name == "Edit":
        return [(given.get("old_string"), given.get("new_string"))]
    if tool.name == "MultiEdit":
        return [(edit.get("old_string"), edit.get("new_string")) for edit in _records(given.get("edits"))]
    written = {"Write": "content", "NotebookEdit": "new_source"}.get(tool.name)
    return [("", given.get(written))] if written else []


def changed_lines(tool: ToolPart) -> tuple[int, int]:
    """Return how many lines a tool use that is done inserted and deleted."""
    if tool.state is not ToolState.DONE:
        return 0, 0
    lines = diff_lines(tool)
    return sum(line.startswith("+") for line in lines), sum(line.startswith("-") for line in lines)
