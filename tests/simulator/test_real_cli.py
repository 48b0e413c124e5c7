"""The real CLI against the simulator: no account, no network, every turn the way a user would see it.

What it makes of each failure is in `real_cli/test_failures.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from simulator_support import KEY

from claude_magic.simulator import Simulator, Usage, fail, rule, step, text, thinking, tool

Play = Callable[..., Simulator]
Claude = Callable[..., Any]

SCHEMA = {
    "type": "object",
    "properties": {"month": {"type": "string"}, "total": {"type": "integer"}},
    "required": ["month"],
}


def test_text_arrives_with_plausible_usage_and_cost(play: Play, claude: Claude) -> None:
    """One prompt, one answer, tokens as reported by the simulator."""
    simulator = play(rule("hello", step(text("Hello from {model}."), usage=Usage(output_tokens=9))))

    run = claude(simulator.url, "hello there")

    assert run.exit_code == 0
    assert run.result["result"].startswith("Hello from claude-")
    assert run.result["usage"]["output_tokens"] == 9
    assert 0 < run.result["total_cost_usd"] < 0.01
    assert [request.prompt for request in simulator.requests if request.rule] == ["hello there"]


def test_partial_messages_join_to_the_answer(play: Play, claude: Claude) -> None:
    """The stream events carry the answer in several pieces that join to it."""
    simulator = play(rule("hello", text("one two three four five six seven eight nine ten")))

    run = claude(simulator.url, "hello", "--include-partial-messages")

    deltas = [line["event"].get("delta", {}) for line in run.lines if line["type"] == "stream_event"]
    pieces = [delta["text"] for delta in deltas if delta.get("type") == "text_delta"]
    assert len(pieces) > 1
    assert "".join(pieces) == run.result["result"]


def test_a_tool_runs_and_its_result_reaches_the_second_step(play: Play, claude: Claude) -> None:
    """Step one thinks and calls Bash, step two quotes what Bash printed."""
    first = step(thinking("I should look."), text("Let me look."), tool("Bash", command="echo forty-two"))
    simulator = play(rule("number", first, text("It says {tool_result}.")))

    run = claude(simulator.url, "which number?", "--allowedTools", "Bash")

    assert [block["type"] for block in run.blocks()] == ["thinking", "text", "tool_use", "text"]
    assert run.blocks()[0]["thinking"] == "I should look."
    assert run.blocks("user")[0]["content"] == "forty-two"
    assert run.result["result"] == "It says forty-two."


def test_two_tools_in_one_step_count_as_one_round(play: Play, claude: Claude) -> None:
    """Both results come back before the second step answers."""
    both = step(tool("Bash", command="echo one"), tool("Bash", command="echo two"))
    simulator = play(rule("both", both, text("Got {tool_result}.")))

    run = claude(simulator.url, "both please", "--allowedTools", "Bash")

    assert run.result["result"] == "Got one\ntwo."


def test_a_given_structured_answer_arrives(play: Play, claude: Claude) -> None:
    """The step's object goes through the CLI's StructuredOutput tool."""
    simulator = play(rule("best", step(text("Here."), structured={"month": "March", "total": 253})))

    run = claude(simulator.url, "the best month", "--json-schema", json.dumps(SCHEMA))

    assert run.result["structured_output"] == {"month": "March", "total": 253}


def test_a_structured_answer_is_made_from_the_schema(play: Play, claude: Claude) -> None:
    """With no rule at all, the schema alone is enough."""
    run = claude(play().url, "anything", "--json-schema", json.dumps(SCHEMA))

    assert run.result["structured_output"] == {"month": "simulated month", "total": 42}


def test_a_model_that_never_calls_the_structured_tool(play: Play, claude: Claude) -> None:
    """With fill_schema off the CLI nudges once and then ends without a structured answer."""
    simulator = play(rule("best", text("March.")), fill_schema=False)

    run = claude(simulator.url, "the best month", "--json-schema", json.dumps(SCHEMA))

    assert "structured_output" not in run.result
    assert [request.rule for request in simulator.requests if request.rule] == ["best", "best"]


def test_a_subagent_meets_the_rules_with_its_own_prompt(play: Play, claude: Claude) -> None:
    """The Agent tool's prompt is matched like a user's, and its answer comes back to the main thread."""
    agent = tool("Agent", description="d", prompt="subtask", subagent_type="general-purpose", run_in_background=False)
    simulator = play(rule("delegate", agent, text("It said {tool_result}")), rule("subtask", text("sub done")))

    run = claude(simulator.url, "delegate this")

    assert "sub done" in run.result["result"]


def test_a_rejected_limit_is_reported_at_once_with_its_reset_time(play: Play, claude: Claude) -> None:
    """With an OAuth token the unified headers make a rate_limit_event and no retry."""
    simulator = play(rule("x", fail("429_rejected", retry_after_s=3600)))
    oauth = {"ANTHROPIC_API_KEY": "", "CLAUDE_CODE_OAUTH_TOKEN": simulator.key}

    run = claude(simulator.url, "x", environment=oauth)

    event = next(line for line in run.lines if line["type"] == "rate_limit_event")
    assert event["rate_limit_info"]["status"] == "rejected"
    assert "resets" in run.result["result"]
    answered = [request for request in simulator.requests if request.rule]
    assert len(answered) == 1
    assert answered[0].headers["authorization"] == "Bearer [masked]"


def test_busy_once_and_then_well(play: Play, claude: Claude) -> None:
    """The CLI announces its retry, and the rule with times=1 has given way to the next."""
    simulator = play(rule("x", fail("529"), times=1), rule("x", text("Now it works.")))

    run = claude(simulator.url, "x")

    retries = [line for line in run.lines if line.get("subtype") == "api_retry"]
    assert [retry["error_status"] for retry in retries] == [529]
    assert run.result["result"] == "Now it works."


def test_side_calls_use_nothing_up(play: Play, claude: Claude) -> None:
    """Whatever the CLI asks for itself, a rule with times=1 is still there for the user's prompt."""
    simulator = play(rule("hello", text("mine"), times=1))

    run = claude(simulator.url, "hello", environment={"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": ""})

    assert run.result["result"] == "mine"


def test_the_default_scenario_really_writes_and_reads_a_file(claude: Claude, tmp_path: Any) -> None:
    """The CSV demonstration runs two commands and quotes the second one's output."""
    with Simulator("default", pace=0, key=KEY) as simulator:
        run = claude(simulator.url, "Write a small CSV file", "--allowedTools", "Bash")

    assert (tmp_path / "work" / "simulated_sales.csv").read_text().startswith("month,region,revenue\n")
    assert "Feb,South,90" in run.result["result"]
