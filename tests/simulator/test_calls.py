"""Reading what the CLI sends: the user's prompt among everything that is put around it."""

from __future__ import annotations

from typing import Any

import pytest

from claude_magic.simulator.calls import read_call


def user(*blocks: str | dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "text", "text": b} if isinstance(b, str) else b for b in blocks]}


def assistant(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def use(tool_id: str, name: str = "Bash") -> dict[str, Any]:
    return {"type": "tool_use", "id": tool_id, "name": name, "input": {}}


def result(tool_id: str, content: Any = "out") -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": tool_id, "content": content}


@pytest.mark.parametrize(
    ("messages", "prompts"),
    [
        ([{"role": "user", "content": "plain"}], ("plain",)),
        ([user("<system-reminder>\ncontext\n</system-reminder>\n\n", "hello\nworld")], ("hello\nworld",)),
        ([user("before <system-reminder>x</system-reminder> after")], ("before  after",)),
        ([user("one", "two")], ("one\ntwo",)),
        ([user("failed before\n", "again")], ("failed before", "again")),
        ([user("[Request interrupted by user]\n", "next")], ("next",)),
        ([user("<command-name>/model</command-name>\n <command-args>x</command-args>\n", "next")], ("next",)),
        ([user("a"), assistant({"type": "text", "text": "b"}), user("[structured-output-enforce] You MUST")], ("a",)),
        ([user("a"), assistant(), user("Your response above was cut off mid-stream. Resume directly")], ("a",)),
        ([user("a"), {"role": "system", "content": "You are in this environment"}], ("a",)),
        ([user("a"), assistant(use("1")), user(result("1"))], ("a",)),
        ([user("a"), assistant(use("1")), user(result("1"), "[Request interrupted by user]\n", "b")], ("a", "b")),
        ([user("This session is being continued from a previous conversation that ..."), user("b")], ("b",)),
        ([], ()),
        (["odd", {"role": "user"}, {"role": "user", "content": [3]}], ()),
    ],
)
def test_only_the_users_own_words_are_prompts(messages: list[Any], prompts: tuple[str, ...]) -> None:
    """Reminders, commands, nudges and tool results are not."""
    assert read_call({"messages": messages}).prompts == prompts


@pytest.mark.parametrize("wrap", ["{}", "<system-reminder>\n[SYSTEM NOTIFICATION]\n{}\n</system-reminder>"])
def test_the_end_of_a_background_task_starts_a_turn(wrap: str) -> None:
    """Bare or inside a reminder, depending on the CLI's version."""
    notice = "<task-notification>\n<status>completed</status>\n</task-notification>"
    messages = [user("a"), assistant(use("1")), user(result("1")), assistant(), user(wrap.format(notice))]

    call = read_call({"messages": messages})

    assert (call.prompt, call.rounds) == (notice, 0)


def test_rounds_count_answers_with_tools_since_the_prompt() -> None:
    """One answer with two tools, kept in two messages, is one round; earlier turns do not count."""
    earlier = [user("a"), assistant(use("0")), user(result("0")), assistant({"type": "text", "text": "done"})]
    now = [user("b"), assistant(use("1")), {"role": "system", "content": "x"}, assistant(use("2"))]

    call = read_call({"messages": [*earlier, *now, user(result("2", "two"), result("1", "one"))]})

    assert (call.prompt, call.rounds, call.tool_ids, call.tool_result) == ("b", 1, ("1", "2"), "one\ntwo")


def test_results_beside_a_prompt_belong_to_the_turn_before() -> None:
    """A turn may end with a tool, as structured answers do: its result then comes in one message with the prompt."""
    before = [user("a"), assistant(use("1", "StructuredOutput"))]

    call = read_call({"messages": [*before, user(result("1"), "b")]})

    assert (call.prompt, call.rounds, call.tool_ids, call.tool_result) == ("b", 0, (), "")


def test_tool_results_of_every_shape_become_text() -> None:
    """Blocks, images and nothing at all."""
    shown = [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}]
    call = read_call(
        {"messages": [user("x"), assistant(use("1"), use("2")), user(result("1", shown), result("2", None))]}
    )

    assert call.tool_result == "a\nb"


def test_attachments_are_counted() -> None:
    """Images and documents of the running prompt."""
    assert read_call({"messages": [user({"type": "image"}, {"type": "document"}, "look")]}).attachments == 2


def test_the_structured_tool_is_offered_once() -> None:
    """After it was called in this turn there is nothing left to structure."""
    tools = [{"name": "StructuredOutput", "input_schema": {"type": "object"}}]
    before = [user("x")]
    after = [*before, assistant(use("1", "StructuredOutput")), user(result("1"))]

    assert read_call({"messages": before, "tools": tools}).schema == {"type": "object"}
    assert read_call({"messages": after, "tools": tools}).schema is None
    assert read_call({"messages": [*after, user("again")], "tools": tools}).schema == {"type": "object"}
