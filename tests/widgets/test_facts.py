"""What the view shows besides the messages, and which files a turn edited."""

from __future__ import annotations

from typing import Any

from rendering.builders import message, response, result, use

from claude_magic.engine.rewind import edited_files
from claude_magic.messages import Message
from claude_magic.widgets.facts import context_of, facts_of, headline


def started(usage: dict[str, int], parent: str | None = None) -> Message:
    raw = {"event": {"type": "message_start", "message": {"usage": usage}}, "parent_tool_use_id": parent}
    return message("event", raw=raw, event="message_start", parent_tool_use_id=parent or "")


def grown(output_tokens: int, parent: str | None = None) -> Message:
    raw = {"event": {"type": "message_delta", "usage": {"output_tokens": output_tokens}}, "parent_tool_use_id": parent}
    return message("event", raw=raw, event="message_delta", parent_tool_use_id=parent or "")


def over(**models: int) -> Message:
    usage: dict[str, Any] = {name: {"contextWindow": size} for name, size in models.items()}
    return message("result", raw={"modelUsage": usage})


def test_context_is_what_the_last_call_read_and_wrote() -> None:
    """An earlier call's tokens are part of the later one's input, so only the last call counts."""
    calls = [
        started({"input_tokens": 100}),
        grown(50),
        started({"input_tokens": 10, "cache_read_input_tokens": 140, "cache_creation_input_tokens": 5}),
        grown(20),
        over(opus=1000),
    ]

    assert context_of(calls) == {"used": 175, "max": 1000}


def test_context_of_a_subagent_does_not_count() -> None:
    """A subagent has a window of its own."""
    main, inner = started({"input_tokens": 500}), [started({"input_tokens": 9}, "toolu_1"), grown(7, "toolu_1")]
    calls = [main, *inner, over(opus=1000)]

    assert context_of(calls) == {"used": 500, "max": 1000}


def test_context_is_unknown_without_a_size() -> None:
    """Where the CLI does not say how much fits, nothing is said."""
    assert context_of([started({"input_tokens": 100}), message("result", raw={})]) is None
    assert context_of([]) is None


def test_largest_window_counts() -> None:
    """Small models that help on the side do not shrink the window."""
    assert context_of([started({"input_tokens": 1}), over(haiku=200, opus=1000)]) == {"used": 1, "max": 1000}


def test_edited_files_are_those_that_succeeded_once_each() -> None:
    """Only edits with success count, a file edited twice counts once, and reading is no edit."""
    messages = [
        use("1", "Edit", {"file_path": "/b.py"}),
        result("1"),
        use("2", "Write", {"file_path": "/a.py"}),
        result("2", failed=True),
        use("3", "NotebookEdit", {"notebook_path": "/n.ipynb"}),
        use("4", "Read", {"file_path": "/c.py"}),
        result("4"),
        result("3"),
        use("5", "MultiEdit", {"file_path": "/b.py"}),
        result("5"),
        use("6", "Edit", {"file_path": "/unfinished.py"}),
    ]

    assert edited_files(messages) == {"/b.py": False, "/n.ipynb": False}


def test_edited_files_says_which_were_created() -> None:
    """The CLI says so beside the result; an edit of what the turn created is no change of that."""
    outcome = {"tool_use_result": {"type": "create", "filePath": "/new.py"}}
    messages = [
        use("1", "Write", {"file_path": "/new.py"}),
        message("tool_result", raw=outcome, tool_use_id="1"),
        use("2", "Edit", {"file_path": "/new.py"}),
        result("2"),
        use("3", "Write", {"file_path": "/old.py"}),
        message("tool_result", raw={"tool_use_result": {"type": "update"}}, tool_use_id="3"),
    ]

    assert edited_files(messages) == {"/new.py": True, "/old.py": False}


def test_facts_of_a_response() -> None:
    """A finished turn tells when it began, how many files it edited, and the context where it is known."""
    turn = response(use("1", "Write", {"file_path": "/a"}), result("1"), started({"input_tokens": 3}), over(opus=9))

    assert facts_of(turn) == {"started": turn.started, "edits": 1, "context": {"used": 3, "max": 9}}
    assert "context" not in facts_of(response())


def test_headline_names_the_session() -> None:
    """Where no live view can be drawn, one line says which session works."""
    assert "analysis" in headline({"session": "analysis"})
