"""Which rule answers, which step, and what is used up by it."""

from __future__ import annotations

import pytest

from claude_magic.simulator import FAILURES, Rule, Scenario, fail, rule, step, text, thinking, tool
from claude_magic.simulator.calls import APICall, read_call
from claude_magic.simulator.scenario import TextBlock, ThinkingBlock, ToolUseBlock
from claude_magic.simulator.script import Choice, Script


def call(
    prompt: str, *, rounds: int = 0, stream: bool = True, model: str = "claude-opus", tool_ids: list[str] | None = None
) -> APICall:
    messages: list[dict[str, object]] = [{"role": "user", "content": prompt}]
    for number in range(rounds):
        tool_id = (tool_ids or ["unknown"])[min(number, len(tool_ids or [0]) - 1)]
        messages += [
            {"role": "assistant", "content": [{"type": "tool_use", "id": tool_id, "name": "Bash", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": tool_id, "content": "out"}]},
        ]
    return read_call({"model": model, "stream": stream, "messages": messages})


def said(choice: Choice) -> str:
    block = choice.step.blocks[0]
    assert isinstance(block, TextBlock | ThinkingBlock)
    return block.text


def test_builders_make_what_they_say() -> None:
    """Short words for the same dataclasses that a file gives."""
    built = rule("x", text("a"), step(thinking("b"), tool("Bash", command="ls", name="n"), delay_s=1), fail("529"))

    assert built.steps[0].blocks == (TextBlock("a"),)
    assert built.steps[1].blocks == (ThinkingBlock("b"), ToolUseBlock("Bash", {"command": "ls", "name": "n"}))
    assert built.steps[1].delay_s == 1
    assert built.steps[2].fail == "529"


def test_builders_refuse_nonsense() -> None:
    """Mistakes surface where they are made, not when the rule is used."""
    with pytest.raises(ValueError, match="no failure '528'"):
        fail("528")
    with pytest.raises(ValueError, match="not a regular expression"):
        rule("(", text("a"))
    with pytest.raises(ValueError, match="has no step"):
        rule("a")
    with pytest.raises(ValueError, match="would never apply"):
        rule("a", text("b"), times=0)


@pytest.mark.parametrize(
    ("given", "groups"),
    [
        (rule("WOR(L)D", text("")), ("l",)),
        (rule("(x)?hello", text("")), ("",)),
        (rule(None, text("")), ()),
        (rule(None, text(""), contains="O WORLD"), ()),
        (rule("hello", text(""), contains="mars"), None),
        (rule("hello", text(""), model="Opus"), ()),
        (rule("hello", text(""), model="haiku"), None),
        (rule("^world", text("")), None),
    ],
)
def test_all_conditions_must_hold(given: Rule, groups: tuple[str, ...] | None) -> None:
    """Expression, contained text and model, each ignoring case."""
    assert given.find("hello world", "claude-opus-5") == groups


def test_the_first_matching_rule_wins_and_the_fallback_comes_last() -> None:
    """Order in the file is order of preference."""
    script = Script(Scenario(rules=[rule("a", text("one")), rule("ab", text("two"))]))

    assert said(script.choose(call("ab"))) == "one"
    assert script.choose(call("zzz")).rule == "(fallback)"


def test_steps_follow_the_rounds_and_then_the_closing_answer() -> None:
    """A turn that goes on after the last step is brought to an end."""
    script = Script(Scenario(rules=[rule("a", text("one"), text("two"))]))

    assert [said(script.choose(call("a", rounds=k))) for k in range(3)] == [
        "one",
        "two",
        "(simulated) That is all this rule has to say.",
    ]


def test_times_counts_turns_not_steps() -> None:
    """The second step of a rule that is used up still comes: its turn has begun."""
    script = Script(Scenario(rules=[rule("a", text("one"), text("two"), times=1), rule("a", text("other"))]))

    first = script.choose(call("a"))
    script.called_tool("id1", first)

    assert said(first) == "one"
    assert said(script.choose(call("a", rounds=1, tool_ids=["id1"]))) == "two"
    assert said(script.choose(call("a"))) == "other"


def test_a_second_try_without_streaming_is_not_counted() -> None:
    """It meets the same rule as the try before it, of the same conversation."""
    script = Script(Scenario(rules=[rule("a", fail("404_model"), times=1), rule("a", text("ok"))]))

    assert script.choose(call("a"), "s1").step.fail == "404_model"
    assert script.choose(call("a", stream=False), "s1").step.fail == "404_model"
    assert said(script.choose(call("a", stream=False), "s2")) == "ok"
    assert said(script.choose(call("a"), "s1")) == "ok"


@pytest.mark.parametrize(
    ("body", "rule_name"),
    [
        ({"max_tokens": 1, "messages": [{"role": "user", "content": "a"}]}, "(probe)"),
        ({"messages": [{"role": "user", "content": "<session>\na\n</session>\n\nWrite the title"}]}, "(title)"),
        ({"system": [{"type": "text", "text": "You are a security monitor for autonomous agents"}]}, "(classifier)"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "(search)"),
        ({"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}}, "(format)"),
    ],
)
def test_side_calls_are_answered_and_use_nothing_up(body: dict[str, object], rule_name: str) -> None:
    """The CLI's own requests never meet a rule."""
    script = Script(Scenario(rules=[rule(None, text("mine"), times=1)]))
    side = read_call({"messages": [{"role": "user", "content": "a"}], **body})

    assert script.choose(side).rule == rule_name
    assert said(script.choose(call("a"))) == "mine"


def test_the_failure_table_is_complete_and_named_by_its_keys() -> None:
    """Tests elsewhere iterate this table."""
    assert all(name == failure.name for name, failure in FAILURES.items())
    answers = "401 400_credit 400_other 400_too_long 403 404_model 413 429 429_retry_after 429_rejected 529"
    servers = "500 500_html 500_no_retry reset reset_mid eof_mid sse_error malformed stall stall_before empty_stream"
    assert " ".join(FAILURES) == f"{answers} {servers}"
