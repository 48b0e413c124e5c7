"""From a step to the message and its events."""

from __future__ import annotations

import json
from typing import Any

import pytest

from claude_magic.simulator import Scenario, Usage, step, text, thinking, tool
from claude_magic.simulator.answers import compose, count_tokens, fill, token_estimate
from claude_magic.simulator.calls import APICall, read_call
from claude_magic.simulator.events import chunks, events, events_until_cut
from claude_magic.simulator.schema_values import example


def call(*prompts: str, **body: Any) -> APICall:
    messages: list[dict[str, Any]] = []
    for prompt in prompts:
        messages += [{"role": "user", "content": prompt}, {"role": "assistant", "content": "ok"}]
    return read_call({"model": "claude-test", "messages": messages[:-1], **body})


def test_known_placeholders_are_filled_and_no_others() -> None:
    """Braces of code stay; what was filled in is not filled in again."""
    filled = fill("{prompt} {model} {turn} {unknown} {} {{turn}} {match_1}{match_2}", call("a", "say {model}"), ["g"])

    assert filled == "say {model} claude-test 2 {unknown} {} {2} g"


def test_earlier_prompts_can_be_quoted() -> None:
    """The first, the one before, and an honest word when there is none."""
    assert fill("{first_prompt}|{previous_prompt}", call("a", "b", "c")) == "a|b"
    assert fill("{previous_prompt}", call("a")).startswith("(nothing")


def test_a_long_first_line_is_shortened() -> None:
    """The fallback quotes one line of the prompt."""
    assert fill("{prompt_line}", call("x" * 200 + "\nmore")) == "x" * 79 + "…"


def test_tool_input_is_literal() -> None:
    """A prompt must not get into a shell command."""
    answer = compose(step(tool("Bash", command="echo {prompt}")), call("; rm"), Scenario())

    assert answer.content[0]["input"] == {"command": "echo {prompt}"}


def test_usage_is_estimated_from_lengths_unless_given() -> None:
    """Deterministic, and the scenario's defaults fill the gaps."""
    scenario = Scenario(usage=Usage(cache_read_input_tokens=50, output_tokens=1))
    answer = compose(step(text("x" * 40), usage=Usage(output_tokens=3)), call("y" * 8), scenario)

    assert answer.usage == {
        "input_tokens": 2,
        "output_tokens": 3,
        "cache_read_input_tokens": 50,
        "cache_creation_input_tokens": 0,
    }
    assert compose(step(text("x" * 40)), call("y"), Scenario()).usage["output_tokens"] == 10


def test_the_stop_reason_follows_the_content() -> None:
    """tool_use where a tool is called, end_turn elsewhere, or what the step says."""
    assert compose(step(tool("Bash")), call("a"), Scenario()).stop_reason == "tool_use"
    assert compose(step(text("x")), call("a"), Scenario()).stop_reason == "end_turn"
    assert compose(step(text("x"), stop_reason="max_tokens"), call("a"), Scenario()).stop_reason == "max_tokens"


def test_structured_answers_are_given_made_or_withheld() -> None:
    """The step's object first, else one from the schema, none beside another tool or when switched off."""
    tools = [{"name": "StructuredOutput", "input_schema": {"properties": {"a": {"type": "integer"}}}}]

    def names(answer_step: Any, scenario: Scenario, **body: Any) -> list[Any]:
        content = compose(answer_step, call("p", **body), scenario).content
        return [block.get("input", block["type"]) for block in content]

    given = step(text("x"), structured={"a": 1, "said": "{prompt}", "more": ["{prompt}", 2]})
    assert names(given, Scenario(), tools=tools) == ["text", {"a": 1, "said": "p", "more": ["p", 2]}]
    assert names(given, Scenario()) == ["text"]
    assert names(step(text("x")), Scenario(), tools=tools) == ["text", {"a": 42}]
    assert names(step(text("x")), Scenario(fill_schema=False), tools=tools) == ["text"]
    assert names(step(tool("Bash")), Scenario(), tools=tools) == [{}]


def test_ids_are_unique_and_say_that_they_are_simulated() -> None:
    """Two answers of one step share no id."""
    one, two = (compose(step(tool("Bash")), call("a"), Scenario()) for _ in range(2))

    assert one.id.startswith("msg_sim_")
    assert one.content[0]["id"].startswith("toolu_sim_")
    assert one.id != two.id
    assert one.content[0]["id"] != two.content[0]["id"]


@pytest.mark.parametrize(
    "written", ["", " ", "one two  three\n\nfour", "x" * 100, "a" * 9 + " " + "b" * 30, "é\u2028 🎉"]
)
@pytest.mark.parametrize("size", [1, 7, 24])
def test_chunks_join_to_the_text(written: str, size: int) -> None:
    """No character is lost, and no chunk is much longer than asked for."""
    pieces = chunks(written, size)

    assert "".join(pieces) == written
    assert all(len(piece) <= size + 1 for piece in pieces)


def test_chunks_end_between_words() -> None:
    """As a model's tokens mostly do."""
    assert chunks("one two three four", 8) == ["one two ", "three ", "four"]


def test_events_have_the_shape_of_the_api() -> None:
    """Start, blocks with deltas, delta, stop; the parts join to the content."""
    blocks = (thinking("Hm, let me think."), text("Some words."), tool("Bash", command="ls", description="List"))
    answer = compose(step(*blocks), call("a"), Scenario())

    stream = [event.data for event in events(answer, 6)]

    kinds = [data["type"] for data in stream if data["type"] != "content_block_delta"]
    block = ["content_block_start", "content_block_stop"]
    assert kinds == ["message_start", *block, "ping", *block, *block, "message_delta", "message_stop"]
    assert stream[0]["message"]["content"] == []
    assert stream[0]["message"]["usage"]["output_tokens"] == 1
    assert stream[-2]["delta"]["stop_reason"] == "tool_use"
    assert stream[-2]["usage"]["output_tokens"] == answer.usage["output_tokens"]
    deltas = [data["delta"] for data in stream if data["type"] == "content_block_delta"]
    assert "".join(delta.get("thinking", "") for delta in deltas) == "Hm, let me think."
    assert "".join(delta.get("text", "") for delta in deltas) == "Some words."
    parts = [delta["partial_json"] for delta in deltas if delta["type"] == "input_json_delta"]
    assert len(parts) > 3
    assert json.loads("".join(parts)) == {"command": "ls", "description": "List"}
    assert sum(delta["type"] == "signature_delta" for delta in deltas) == 1


def test_a_cut_stream_ends_inside_its_last_block() -> None:
    """Everything before is whole."""
    answer = compose(step(text("first block"), text("the second block is cut")), call("a"), Scenario())

    stream = [event.data["type"] for event in events_until_cut(answer, 6)]

    assert stream.count("content_block_start") == 2
    assert stream.count("content_block_stop") == 1
    assert stream[-1] == "content_block_delta"


SCHEMAS: list[dict[str, Any]] = [
    {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}, "required": ["a"]},
    {"type": "array", "items": {"enum": ["x", "y", "z"]}, "minItems": 3, "maxItems": 3, "uniqueItems": True},
    {"type": "integer", "minimum": 100, "maximum": 120},
    {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
    {"type": "integer", "maximum": -5},
    {"type": "string", "minLength": 30, "maxLength": 40},
    {"type": "string", "maxLength": 3},
    {"type": ["null", "string"]},
    {"type": "boolean"},
    {"type": "null"},
    {"const": {"fixed": 1}},
    {"anyOf": [{"type": "null"}, {"type": "integer"}]},
    {"allOf": [{"properties": {"a": {"type": "integer"}}, "required": ["a"]}, {"required": ["b"]}], "type": "object"},
    {"prefixItems": [{"type": "integer"}, {"type": "string"}], "items": False},
    {
        "$defs": {
            "node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}, "v": {"type": "integer"}}}
        },
        "$ref": "#/$defs/node",
    },
    {"type": "object", "required": ["free"], "additionalProperties": {"type": "string"}},
    {},
]


@pytest.mark.parametrize("schema", SCHEMAS, ids=str)
def test_an_example_fits_its_schema_and_is_always_the_same(schema: dict[str, Any]) -> None:
    """Checked by a validator of its own."""
    value = example(schema)

    import jsonschema  # takes more than a second, which is not spent while tests are collected

    jsonschema.validate(value, schema)
    assert example(schema) == value


def test_tokens_are_counted_from_length() -> None:
    """A quarter of the characters, at least one."""
    assert token_estimate(0) == 1
    assert token_estimate(9) == 3
    assert count_tokens({"messages": [{"role": "user", "content": "x" * 400}]}) > 100
