"""Scenario files: what they mean, and one clear sentence for every mistake."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from claude_magic.simulator import Pace, Usage, load_scenario, parse_scenario, scenario_names
from claude_magic.simulator.scenario import Step, TextBlock, ThinkingBlock, ToolUseBlock

WHOLE = """
name = "whole"
description = "everything once"
fill_schema = false

[pace]
delay_s = 0.5
chunk_delay_s = 0.02

[usage]
cache_read_input_tokens = 100

[[rule]]
match = "hello"
text = "Hi."

[[rule]]
name = "look"
contains = "Look"
model = "opus"
times = 2

[[rule.step]]
thinking = "Hm."
text = "Let me see."
tool = [{ name = "Bash", input = { command = "ls" } }, { name = "Read" }]
delay_s = 1
chunk_chars = 5
usage = { output_tokens = 7 }
stop_reason = "tool_use"
headers = { x-extra = 1 }

[[rule.step]]
[[rule.step.block]]
type = "text"
text = "first"
[[rule.step.block]]
type = "tool"
name = "Bash"
input = { command = "pwd" }
[[rule.step.block]]
type = "thinking"
thinking = "last"

[[rule.step]]
fail = "429_retry_after"
retry_after_s = 3
fail_message = "slow down"

[[rule.step]]
structured = { total = 1 }

[fallback]
text = "no"

[closing]
text = "over"
"""


def test_a_whole_file_is_read_as_written() -> None:
    """Every key ends up where it belongs."""
    scenario = parse_scenario(WHOLE)

    hello, look = scenario.rules
    assert (scenario.name, scenario.description, scenario.fill_schema) == ("whole", "everything once", False)
    assert scenario.pace == Pace(delay_s=0.5, chunk_chars=24, chunk_delay_s=0.02)
    assert scenario.usage == Usage(cache_read_input_tokens=100)
    assert hello.steps[0].blocks == (TextBlock("Hi."),)
    assert (look.name, look.contains, look.model, look.times) == ("look", "Look", "opus", 2)
    assert look.steps[0].blocks == (
        ThinkingBlock("Hm."),
        TextBlock("Let me see."),
        ToolUseBlock("Bash", {"command": "ls"}),
        ToolUseBlock("Read", {}),
    )
    assert look.steps[0].pace(scenario.pace) == Pace(1, 5, 0.02)
    assert look.steps[0].usage.over(scenario.usage) == Usage(output_tokens=7, cache_read_input_tokens=100)
    assert look.steps[0].headers == {"x-extra": "1"}
    assert look.steps[1].blocks == (TextBlock("first"), ToolUseBlock("Bash", {"command": "pwd"}), ThinkingBlock("last"))
    assert (look.steps[2].fail, look.steps[2].retry_after_s, look.steps[2].fail_message) == (
        "429_retry_after",
        3,
        "slow down",
    )
    assert look.steps[3].structured == {"total": 1}
    assert scenario.fallback.blocks == (TextBlock("no"),)
    assert scenario.closing.blocks == (TextBlock("over"),)


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("name = ", "f.toml: this is not TOML (Invalid value (at end of document)); correct the syntax there."),
        ("nam = 'x'", "f.toml: the key 'nam' is unknown; write one of closing, description, fallback, "),
        ("name = 3", "f.toml: name = 3 is of the wrong kind; write text in quotes."),
        ("rule = 3", "f.toml: rule = 3 is of the wrong kind; write a table or a list of tables."),
        ("rule = [3]", "f.toml: 'rule' has an entry that is not a table; write [[rule]] or rule = {...}."),
        ("[[rule]]\nmatch = 'x'", 'f.toml, rule 1: it says nothing; write text = "..." or a [[rule.step]].'),
        (
            "[[rule]]\ntext='a'\n[[rule]]\nmatch='('\ntext='b'",
            "f.toml, rule 2: match = '(' is not a regular expression",
        ),
        ("[[rule]]\ntext='a'\ntimes=0", "f.toml, rule 1: times = 0 would never apply; write a number of 1 or more."),
        ("[[rule]]\ntext='a'\ntimes=true", "f.toml, rule 1: times = True is of the wrong kind; write a whole number."),
        ("[[rule]]\ntxt='a'", "f.toml, rule 1: the key 'txt' is unknown; write one of"),
        (
            "[[rule]]\ntext='a'\n[[rule.step]]\ntext='b'",
            "f.toml, rule 1: it has steps and also 'text' of its own; move",
        ),
        ("[[rule]]\n[[rule.step]]\ndelay_s=1", "f.toml, rule 1, step 1: it has no content; write text, thinking, tool"),
        ("[[rule]]\nfail='528'", "f.toml, rule 1: there is no failure '528'; write one of 401, 400_credit"),
        ("[[rule]]\ntext='a'\ndelay_s=-1", "f.toml, rule 1: delay_s = -1 is negative; write 0 or more seconds."),
        (
            "[[rule]]\ntext='a'\nchunk_chars=0",
            "f.toml, rule 1: chunk_chars = 0 is too small; write a whole number of 1 or",
        ),
        ("[[rule]]\ntext='a'\nstop_reason='x'", "f.toml, rule 1: stop_reason = 'x' is unknown; write one of end_turn"),
        ("[[rule]]\ntool={input={}}", "f.toml, rule 1, tool: the tool has no name; write tool = {name"),
        (
            "[[rule]]\nblock={type='x'}",
            "f.toml, rule 1, block 1: type = 'x' is unknown; write one of text, thinking, tool.",
        ),
        ("[[rule]]\nblock={type='text'}", 'f.toml, rule 1, block 1: it has no text; write text = "...".'),
        (
            "[[rule]]\ntext='a'\nblock={type='text', text='b'}",
            "f.toml, rule 1: it has blocks and also 'text'; write 'text'",
        ),
        (
            "[usage]\noutput_tokens=-1",
            "f.toml, [usage]: output_tokens = -1 is too small; write a whole number of 0 or more.",
        ),
        ("[fallback]\nfail='x'", "f.toml, [fallback]: there is no failure 'x'; write one of"),
    ],
)
def test_a_mistake_is_one_sentence_with_place_and_remedy(written: str, sentence: str) -> None:
    """File, rule, what is wrong, what to write instead."""
    with pytest.raises(ValueError, match=r"^f\.toml") as caught:
        parse_scenario(written, "f.toml")

    assert str(caught.value).startswith(sentence)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


def test_the_line_break_that_ends_a_long_text_is_dropped() -> None:
    """It belongs to the way TOML is written, not to the answer."""
    assert parse_scenario('[[rule]]\ntext = """\none\ntwo\n"""').rules[0].steps[0].blocks == (TextBlock("one\ntwo"),)


def test_a_failure_may_be_named_by_the_prompt() -> None:
    """A group of the expression stands for the name."""
    assert parse_scenario("[[rule]]\nmatch='fail (.*)'\nfail='{match_1}'").rules[0].steps[0].fail == "{match_1}"


def test_a_file_is_found_by_path_and_by_name(tmp_path: Path) -> None:
    """A path that exists, or the name of one that ships with the package."""
    path = tmp_path / "mine.toml"
    path.write_text('[[rule]]\ntext = "a"\n', encoding="utf-8")

    assert load_scenario(path).name == "mine"
    assert load_scenario(str(path)) == load_scenario(path)
    assert load_scenario("default").name == "default"


def test_a_missing_file_lists_the_known_names(tmp_path: Path) -> None:
    """The sentence says what could have been written."""
    with pytest.raises(ValueError, match=r"nowhere\.toml: cannot be read .* one of: default, failures"):
        load_scenario(tmp_path / "nowhere.toml")


def test_every_packaged_scenario_is_good() -> None:
    """All of them parse and say what they are for."""
    assert scenario_names() == ["default", "failures"]
    for name in scenario_names():
        assert load_scenario(name).description


ODD_VALUES = (
    "nan", "inf", "-inf", "1e400", "9" * 5000, "-1", "0", "true", '""', '"(["', '"\\u0000"', "1979-05-27", "07:32:00",
    "[]", "[1]", "[[1]]", "[{}]", "{}", "{ a = 1 }", "{ a = nan }", '{ type = ["text"] }', '{ type = "text" }',
    "[" * 5000 + "]" * 5000,
)  # fmt: skip
KEYS = (
    *("name", "description", "pace", "usage", "fallback", "closing", "fill_schema", "rule", "pace.delay_s"),
    *(f"rule.{key}" for key in ("match", "contains", "model", "times", "name", "step", "text", "thinking", "tool")),
    *(f"rule.{key}" for key in ("block", "structured", "fail", "fail_message", "retry_after_s", "usage.input_tokens")),
    *(f"rule.{key}" for key in ("stop_reason", "delay_s", "chunk_chars", "chunk_delay_s", "headers", "headers.a")),
    *("rule.tool.input", "rule.tool.input.a", "rule.tool.name", "rule.block.type", "rule.structured.a"),
)


def steps_or_refused(written: str) -> list[Step]:
    """The steps of a scenario; none of one that is refused in the one way there is."""
    try:
        return [step for rule in parse_scenario(written, "odd.toml").rules for step in rule.steps]
    except ValueError as error:
        if not str(error).startswith("odd.toml"):
            raise
        return []


@pytest.mark.parametrize("key", KEYS)
def test_an_odd_value_is_a_scenario_or_one_sentence(key: str) -> None:
    """Whatever stands for whatever; what is taken can be told to the CLI."""
    for value in ODD_VALUES:
        for step in steps_or_refused(f"{key} = {value}\n"):
            json.dumps([step.structured, [getattr(block, "input", "") for block in step.blocks]], allow_nan=False)


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/zero"), Path.touch])
def test_what_is_not_a_file_is_one_sentence(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """And nothing is waited for; an empty file is a scenario that says the usual things."""
    path = tmp_path / "odd.toml"
    make(path)
    if path.is_file():
        assert load_scenario(path).rules == ()
        return
    with pytest.raises(ValueError, match=r"odd\.toml: cannot be read"):
        load_scenario(path)


def test_bytes_that_are_no_text_are_one_sentence(tmp_path: Path) -> None:
    """In a file with the right name."""
    (tmp_path / "odd.toml").write_bytes(b'name = "\xff"')
    with pytest.raises(ValueError, match=r"odd\.toml: cannot be read"):
        load_scenario(tmp_path / "odd.toml")
