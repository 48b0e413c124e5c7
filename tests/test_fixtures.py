"""What real CLIs wrote is understood: every line, on every version that was recorded."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from compare_cli import recorded_versions
from record_fixtures import FOLDER, SITUATIONS

from claude_magic.cli.decoder import Decoder
from claude_magic.messages import Message, MessageType

RECORDINGS = sorted(FOLDER.glob("*.ndjson"))
VERSIONS = sorted({path.stem.rpartition("-")[2] for path in RECORDINGS})

each_recording = pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().rstrip(b"\n").split(b"\n")


def decode(path: Path) -> list[Message]:
    return Decoder().decode(lines_of(path), 0.0)


def recordings(situation: str) -> list[list[Message]]:
    return [decode(FOLDER / f"{situation}-{version}.ndjson") for version in VERSIONS]


def types(messages: list[Message]) -> set[str]:
    return {str(message.type) for message in messages}


def result(messages: list[Message]) -> dict[str, object]:
    return next(message.raw for message in messages if message.type == MessageType.RESULT)


def test_every_situation_was_recorded_on_every_version() -> None:
    """Two versions at least, each with its inventory, and together they stay small."""
    names = {f"{situation}-{version}" for situation in SITUATIONS for version in VERSIONS}

    assert {path.stem for path in RECORDINGS} == names
    assert len(VERSIONS) >= 2
    assert recorded_versions() == sorted(VERSIONS)
    assert sum(path.stat().st_size for path in RECORDINGS) < 400_000


@each_recording
def test_every_line_is_one_message_that_is_known(path: Path) -> None:
    """In order, with nothing of type `unknown`, and `raw` is the line."""
    lines = lines_of(path)

    messages = decode(path)

    assert [message.raw for message in messages] == [json.loads(line) for line in lines]
    assert "unknown" not in types(messages)


@each_recording
def test_a_recording_names_no_machine(path: Path) -> None:
    """Folders and ports of the machine that recorded it were replaced."""
    written = path.read_text(encoding="utf-8")

    assert re.findall(r"(?<![\w.])/(?:root|tmp|Users|work)/\w+|127\.0\.0\.1:\d{2,}", written) == []


def test_text_is_the_answer() -> None:
    """Joining what is new gives the text of the result, accents and emoji included."""
    for messages in recordings("text"):
        end = next(place for place, message in enumerate(messages) if message.type == MessageType.RESULT)
        joined = "".join(message.text for message in messages[:end] if message.type == MessageType.TEXT)

        assert joined == result(messages)["result"]
        assert "Grüße" in joined


def test_thoughts_tools_and_their_results_have_types_of_their_own() -> None:
    """A tool use knows its name and input."""
    for messages in recordings("thinking_and_tool"):
        uses = [message for message in messages if message.type == MessageType.TOOL_USE]

        assert {"thinking", "text", "tool_use", "tool_result", "result"} <= types(messages)
        assert [(use.tool_name, use.tool_input) for use in uses] == [("Bash", {"command": "printf 'a\\nb\\n'"})]


def test_permissions_are_asked_and_denials_told() -> None:
    """Two questions; the file that was refused is in the result."""
    for messages in recordings("permission"):
        asked = [message.tool_name for message in messages if message.type == MessageType.PERMISSION]

        assert sorted(asked) == ["Bash", "Write"]
        assert "no.txt" in json.dumps(result(messages)["permission_denials"])


def test_an_interrupted_turn_ends_and_the_next_one_goes_on() -> None:
    """The first result says that it was aborted, the second one is a success."""
    for messages in recordings("interrupt"):
        results = [message.raw for message in messages if message.type == MessageType.RESULT]

        assert [raw["subtype"] for raw in results] == ["error_during_execution", "success"]
        assert results[0]["terminal_reason"] == "aborted_streaming"


def test_a_failure_is_retried_and_then_an_error() -> None:
    """The CLI tells its retry, and the result carries the status."""
    for messages in recordings("failure"):
        assert "retry" in types(messages)
        assert result(messages)["api_error_status"] == 529


def test_a_subagents_lines_name_the_tool_use_that_started_it() -> None:
    """So that what it does can be shown inside that tool."""
    for messages in recordings("subagent"):
        agent = next(message for message in messages if message.tool_name in ("Agent", "Task"))
        inside = [message for message in messages if message.parent_tool_use_id == agent.tool_use_id]

        assert "Bash" in {message.tool_name for message in inside}


def test_the_end_of_a_background_task_brings_a_result_of_its_own() -> None:
    """Two results for one prompt, and tasks in between."""
    for messages in recordings("background"):
        assert len([message for message in messages if message.type == MessageType.RESULT]) == 2
        assert "task" in types(messages)


def test_structured_output_is_in_the_result() -> None:
    """As the object itself."""
    for messages in recordings("structured"):
        assert result(messages)["structured_output"] == {"month": "March", "revenue": 253}


def test_a_plan_is_asked_about() -> None:
    """The request for permission names the tool; the plan itself is in the tool use."""
    for messages in recordings("plan"):
        asked = [message.tool_name for message in messages if message.type == MessageType.PERMISSION]
        plans = [message.tool_input for message in messages if message.type == MessageType.TOOL_USE]

        assert asked == ["ExitPlanMode"]
        assert any("1. Read the file." in str(plan.get("plan")) for plan in plans if plan)


def test_a_to_do_list_is_made_of_tasks_with_numbers() -> None:
    """The number stands in the result of TaskCreate alone."""
    for messages in recordings("to_do"):
        results = [message.text for message in messages if message.type == MessageType.TOOL_RESULT]

        assert results[0] == "Task #1 created successfully: Load the file"
        assert results[-1] == "Updated task #1 status"
