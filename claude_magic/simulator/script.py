"""Which rule and which step answer a call. Holds what was used up; used on the simulator's loop thread only."""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass
from typing import TypeVar

from claude_magic.simulator.answers import side_step
from claude_magic.simulator.calls import APICall
from claude_magic.simulator.scenario import Rule, Scenario, Step

__all__ = ["Choice", "Script"]

_MAX_REMEMBERED = 4096
_V = TypeVar("_V")


@dataclass(frozen=True, slots=True)
class Choice:
    """The step that answers, the name of its rule, and the groups found by the rule's expression."""

    step: Step
    rule: str
    groups: tuple[str, ...] = ()
    index: int | None = None


class Script:
    """A scenario being played: counts how often a rule has answered and remembers which rule runs a turn."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self._used: Counter[int] = Counter()
        self._by_tool: OrderedDict[str, int] = OrderedDict()
        self._streamed: OrderedDict[str, tuple[tuple[str, ...], int, Choice]] = OrderedDict()

    def choose(self, call: APICall, conversation: str = "") -> Choice:
        """The step for this call. `conversation` tells callers apart (the CLI's session id).

        A side call gets a harmless answer and counts for nothing. A request without streaming that repeats the last
        streamed one is the CLI's second try: it meets the same rule and is not counted again.
        """
        if call.side is not None:
            return Choice(side_step(call), f"({call.side})")
        key = (call.prompts, call.rounds)
        before = self._streamed.get(conversation)
        if not call.stream and before is not None and before[:2] == key:
            return before[2]
        choice = self._continue(call) or self._begin(call)
        if call.stream:
            _remember(self._streamed, conversation, (*key, choice))
        return choice

    def called_tool(self, tool_id: str, choice: Choice) -> None:
        """Note that a tool call was sent by this choice's rule: its result belongs to the same rule."""
        if choice.index is not None:
            _remember(self._by_tool, tool_id, choice.index)

    def _continue(self, call: APICall) -> Choice | None:
        """The next step of the rule whose tool calls are answered here."""
        for tool_id in call.tool_ids:
            if (index := self._by_tool.get(tool_id)) is not None:
                groups = self.scenario.rules[index].find(call.prompt, call.model) or ()
                return self._step(index, call.rounds, groups)
        return None

    def _begin(self, call: APICall) -> Choice:
        for index, rule in enumerate(self.scenario.rules):
            if rule.times is not None and self._used[index] >= rule.times:
                continue
            groups = rule.find(call.prompt, call.model)
            if groups is not None:
                self._used[index] += 1
                return self._step(index, call.rounds, groups)
        return Choice(self.scenario.closing if call.rounds else self.scenario.fallback, "(fallback)")

    def _step(self, index: int, rounds: int, groups: tuple[str, ...]) -> Choice:
        rule = self.scenario.rules[index]
        step = rule.steps[rounds] if rounds < len(rule.steps) else self.scenario.closing
        return Choice(step, _name(rule, index), groups, index)


def _name(rule: Rule, index: int) -> str:
    return rule.name or rule.match or rule.contains or f"rule {index + 1}"


def _remember(memory: OrderedDict[str, _V], key: str, value: _V) -> None:
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > _MAX_REMEMBERED:
        memory.popitem(last=False)
