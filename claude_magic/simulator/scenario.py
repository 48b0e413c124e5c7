"""What the simulated model says: scenarios, rules, steps and blocks, and short builders for them.

A `Scenario` is a list of rules. The first rule that matches the user's prompt answers the turn. Step k of the rule
answers the k-th API call of the turn, so a rule with two steps can call a tool and then talk about its result.

    scenario = Scenario(rules=[
        rule("weather", step(thinking("Look outside."), tool("Bash", command="date")), text("It is {tool_result}")),
        rule("busy", fail("529"), times=2),
        rule("busy", text("Now it works.")),
    ])
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from claude_magic.simulator.failures import FAILURES

__all__ = [
    "Block",
    "Pace",
    "Rule",
    "Scenario",
    "Step",
    "TextBlock",
    "ThinkingBlock",
    "ToolUseBlock",
    "Usage",
    "fail",
    "rule",
    "step",
    "text",
    "thinking",
    "tool",
]

DEFAULT_FALLBACK = (
    "This is a simulated answer: no model was called, and no rule of the scenario matches this prompt: {prompt_line}"
)
DEFAULT_CLOSING = "(simulated) That is all this rule has to say."


@dataclass(frozen=True, slots=True)
class TextBlock:
    """A text block. `{prompt}` and the other known placeholders are filled in."""

    text: str


@dataclass(frozen=True, slots=True)
class ThinkingBlock:
    """A thinking block, with the same placeholders as `TextBlock`."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolUseBlock:
    """A call of a tool. The input is literal: a prompt must not find its way into a shell command."""

    name: str
    input: Mapping[str, Any] = field(default_factory=dict)


Block = TextBlock | ThinkingBlock | ToolUseBlock


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts to report. None means: estimate from the length of the text (input, output) or 0 (cache)."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None

    def over(self, other: Usage) -> Usage:
        """These counts, with the gaps filled from `other`."""
        return Usage(
            input_tokens=_first(self.input_tokens, other.input_tokens),
            output_tokens=_first(self.output_tokens, other.output_tokens),
            cache_read_input_tokens=_first(self.cache_read_input_tokens, other.cache_read_input_tokens),
            cache_creation_input_tokens=_first(self.cache_creation_input_tokens, other.cache_creation_input_tokens),
        )


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast an answer comes: seconds before the first byte, characters per chunk, seconds between chunks."""

    delay_s: float = 0.0
    chunk_chars: int = 24
    chunk_delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Step:
    """The answer to one API call: content blocks in order, or a failure.

    `structured` is the object handed to the CLI's StructuredOutput tool when the request offers that tool.
    `fail` names an entry of `FAILURES`. A failure in mid-stream is preceded by the blocks, cut in the middle of the
    last one. `fail_message` and `retry_after_s` replace the failure's own. `delay_s`, `chunk_chars` and
    `chunk_delay_s` replace the scenario's pace. `headers` are extra response headers.
    """

    blocks: tuple[Block, ...] = ()
    structured: Mapping[str, Any] | None = None
    fail: str | None = None
    fail_message: str | None = None
    retry_after_s: float | None = None
    usage: Usage = field(default_factory=Usage)
    stop_reason: str | None = None
    delay_s: float | None = None
    chunk_chars: int | None = None
    chunk_delay_s: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def pace(self, default: Pace) -> Pace:
        """The pace of this step, with the gaps filled from `default`."""
        return Pace(
            default.delay_s if self.delay_s is None else self.delay_s,
            default.chunk_chars if self.chunk_chars is None else self.chunk_chars,
            default.chunk_delay_s if self.chunk_delay_s is None else self.chunk_delay_s,
        )


@dataclass(frozen=True, slots=True)
class Rule:
    """When it applies, and what it says.

    `match` is a regular expression searched in the prompt, ignoring case; `contains` is plain text found in it,
    ignoring case; `model` is a part of the model's name. All that are given must hold; none given matches every
    prompt. `times` limits the rule to the first n turns (or failed tries) it answers.
    """

    steps: tuple[Step, ...]
    match: str | None = None
    contains: str | None = None
    model: str | None = None
    times: int | None = None
    name: str = ""

    def __post_init__(self) -> None:
        if not self.steps:
            raise ValueError(f"the rule {self.name or self.match!r} has no step; give it at least one answer")
        if self.times is not None and self.times < 1:
            raise ValueError(f"times = {self.times} would never apply; write a number of 1 or more")
        if self.match is not None:
            try:
                re.compile(self.match)
            except re.error as error:
                raise ValueError(f"match = {self.match!r} is not a regular expression ({error})") from error

    def find(self, prompt: str, model: str) -> tuple[str, ...] | None:
        """None if the rule does not apply; else the groups of `match` (empty strings for groups not taken)."""
        if self.model is not None and self.model.lower() not in model.lower():
            return None
        if self.contains is not None and self.contains.lower() not in prompt.lower():
            return None
        if self.match is None:
            return ()
        found = re.search(self.match, prompt, re.IGNORECASE)
        return None if found is None else tuple(group or "" for group in found.groups())


@dataclass(frozen=True, slots=True)
class Scenario:
    """A name, some rules, and what holds for all of them.

    `fallback` answers a prompt that no rule matches; `closing` answers the calls after a rule's last step, so that no
    tool is called for ever. With `fill_schema` a structured answer that the matching step does not give is made from
    the JSON schema; switch it off to see a model that never calls the StructuredOutput tool.
    """

    rules: Sequence[Rule] = ()
    name: str = "inline"
    description: str = ""
    pace: Pace = field(default_factory=Pace)
    usage: Usage = field(default_factory=Usage)
    fallback: Step = field(default_factory=lambda: Step((TextBlock(DEFAULT_FALLBACK),)))
    closing: Step = field(default_factory=lambda: Step((TextBlock(DEFAULT_CLOSING),)))
    fill_schema: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "rules", tuple(self.rules))


def text(words: str) -> TextBlock:
    """A text block. `{prompt}`, `{tool_result}` and the other known placeholders are filled in."""
    return TextBlock(words)


def thinking(words: str) -> ThinkingBlock:
    """A thinking block."""
    return ThinkingBlock(words)


def tool(name: str, /, **input: Any) -> ToolUseBlock:
    """A call of the tool `name`: `tool("Bash", command="ls")`."""
    return ToolUseBlock(name, input)


def step(*blocks: Block, **options: Any) -> Step:
    """One answer of several blocks; `options` are the fields of `Step` (`delay_s=1`, `structured={...}`, ...)."""
    return Step(tuple(blocks), **options)


def fail(name: str, *blocks: Block, message: str | None = None, retry_after_s: float | None = None) -> Step:
    """A failure of `FAILURES`; one in mid-stream comes after `blocks`, cutting the last of them.

    The name may hold `{match_1}`: then the prompt names the failure. Raises ValueError for an unknown name.
    """
    check_failure_name(name)
    return Step(tuple(blocks), fail=name, fail_message=message, retry_after_s=retry_after_s)


def rule(
    match: str | None,
    *steps: Step | Block,
    contains: str | None = None,
    model: str | None = None,
    times: int | None = None,
    name: str = "",
) -> Rule:
    """A rule for prompts in which the regular expression `match` is found (None: every prompt).

    Each further argument answers one API call of the turn; a lone block is a step of its own.
    Raises ValueError for a bad expression, no step, or `times` below 1.
    """
    return Rule(tuple(_as_steps(steps)), match, contains, model, times, name)


def check_failure_name(name: str) -> None:
    """Accept a name of `FAILURES` and one with a placeholder like `{match_1}`. Raises ValueError for others."""
    if name not in FAILURES and "{match_" not in name:
        raise ValueError(f"there is no failure {name!r}; write one of {', '.join(FAILURES)}")


def _as_steps(parts: Iterable[Step | Block]) -> Iterable[Step]:
    return (part if isinstance(part, Step) else Step((part,)) for part in parts)


def _first(*values: int | None) -> int | None:
    return next((value for value in values if value is not None), None)
