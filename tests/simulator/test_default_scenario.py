"""The scenarios that ship: friendly, honest, and answering what the demo asks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from simulator_support import KEY, ask

from claude_magic.simulator import FAILURES, Simulator
from claude_magic.simulator.failures import How


@pytest.fixture(scope="module")
def default() -> Iterator[Simulator]:
    with Simulator("default", pace=0, key=KEY) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def failures() -> Iterator[Simulator]:
    with Simulator("failures", pace=0, key=KEY) as simulator:
        yield simulator


@pytest.mark.parametrize(
    ("prompt", "rule", "words"),
    [
        ("Hello!", "greeting", "simulator"),
        ("Which month was best?\n|month|x|", "table", "| month | North |"),
        ("Explain this DataFrame", "table", "```python"),
        ("Which month brought the most?", "most revenue", "idxmax"),
        ("Attached table `sales`:\n\n24 rows × 3 columns", "attached table", "24 rows × 3 columns"),
        ("Turn these notes into orders", "orders from notes", "prepared beforehand"),
        ("Give me one record per month", "months as records", "made up"),
        ("Write a CSV file", "csv", "simulated"),
        ("Which files are here?", "files", "folder"),
        ("What did I ask before?", "memory", "prompt number 1"),
        ("NameError: name 'prices' is not defined", "fix NameError", "`prices` is used before"),
        ("KeyError: 'Revenue '", "fix KeyError", "no key or column `Revenue `"),
        ("Traceback (most recent call last): ...", "fix", "last line"),
        ("ZeroDivisionError: division by zero", "fix", "last line"),
        ("Count slowly, please", "long", "60. A simulated day"),
        ("Write a long essay", "long", "60. A simulated day"),
        ("<task-notification>x</task-notification>", "background task", "has ended"),
        ("Tell me about the sea\nand more", "(fallback)", "prepared for: Tell me about the sea\n"),
    ],
)
def test_every_kind_of_prompt_has_its_answer(default: Simulator, prompt: str, rule: str, words: str) -> None:
    """And each answer says that it is simulated."""
    reply = ask(default, prompt)

    assert default.requests[-1].rule == rule
    assert words in reply.text
    assert "simulat" in reply.text.lower() or rule == "files"


def test_the_fallback_says_how_to_log_in(default: Simulator) -> None:
    """Three ways, and that no model was called."""
    said = ask(default, "something else").text

    assert "no model was called" in said
    assert all(way in said for way in ("/login", "CLAUDE_CODE_OAUTH_TOKEN", "ANTHROPIC_API_KEY"))


def test_it_remembers_the_conversation(default: Simulator) -> None:
    """The first prompt and the one before, from the conversation that is sent along."""
    turns = [{"role": "user", "content": "about apples"}, {"role": "assistant", "content": "ok"}]
    turns += [{"role": "user", "content": "about pears"}, {"role": "assistant", "content": "ok"}]

    said = ask(default, messages=[*turns, {"role": "user", "content": "what did I ask before?"}]).text

    assert "about apples" in said
    assert "about pears" in said


def test_attachments_are_counted(default: Simulator) -> None:
    """It cannot see, but it can count."""
    content = [{"type": "image", "source": {}}, {"type": "text", "text": "describe this image"}]

    assert "1 attachment(s)" in ask(default, messages=[{"role": "user", "content": content}]).text


@pytest.mark.parametrize("name", [name for name, failure in FAILURES.items() if failure.how is How.ANSWER])
def test_failures_are_called_by_name(failures: Simulator, name: str) -> None:
    """One rule for all of them."""
    assert ask(failures, f"Please fail `{name}`.").status == FAILURES[name].status


def test_damaged_streams_are_called_by_name(failures: Simulator) -> None:
    """The same rule, another kind of failure."""
    assert b"event: error" in ask(failures, "fail sse_error").raw
    assert ask(failures, "fail empty_stream").raw == b""


def test_busy_twice(failures: Simulator) -> None:
    """Two failures, then an answer."""
    assert [ask(failures, "busy twice").status for _ in range(3)] == [529, 529, 200]


def test_the_failures_scenario_explains_itself(failures: Simulator) -> None:
    """Any other prompt lists the names."""
    assert all(f"`{name}`" in ask(failures, "help").text for name in FAILURES)


@pytest.mark.parametrize(
    ("prompt", "schema", "keys"),
    [
        ("Turn these notes into orders: ...", {"required": ["orders"]}, {"orders"}),
        ("Give me one record per month", {"required": ["records"]}, {"records"}),
        ("Give me one record per month", {"required": ["year"], "additionalProperties": False}, {"year"}),
    ],
)
def test_structured_answers_fit_what_was_asked(
    default: Simulator, prompt: str, schema: dict[str, object], keys: set[str]
) -> None:
    """Prepared objects for the prompts of the quickstart; a schema of one's own gets an object of its own."""
    tools = [{"name": "StructuredOutput", "input_schema": schema}]

    content = ask(default, prompt, tools=tools, stream=False).json["content"]

    assert [set(block["input"]) for block in content if block["type"] == "tool_use"] == [keys]
