"""What a turn cost: the CLI counts up over a process, we want the difference. Pure arithmetic.

Facts (measured on 2.1.197 and 2.1.330): `total_cost_usd` and `modelUsage` of a result are totals of the process,
subagents included; `usage` is the turn's, without subagents. The newer CLI adds `model_usage_since_last_result`, the
turn's own figures by model. A resumed process of the newer CLI goes on from the old total; `/clear` starts it anew.
The older one counts nothing for a call that was interrupted; all that is known of such a call is what was streamed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from claude_magic.lenient import count, mapping, number, string
from claude_magic.messages import Message, MessageType
from claude_magic.response import NO_USAGE, Usage

_CHARACTERS_PER_TOKEN = 4
"""Rough size of a token, for the cut-off answer whose final count never came."""


@dataclass(frozen=True)
class TurnCost:
    """Money and tokens of one turn; `estimated` when the CLI did not report all of it."""

    cost_usd: float = 0.0
    usage: Usage = NO_USAGE
    estimated: bool = False


class CostMeter:
    """Follows the running totals of one process.

    Args:
        total_usd: the total before this process's first turn, from `get_usage`; 0 for a new conversation.
        totals: `modelUsage` at that moment.
    """

    def __init__(self, total_usd: float = 0.0, totals: Mapping[str, Any] | None = None) -> None:
        self._total_usd = total_usd
        self._usage = _sum_models(totals)

    def turn_cost(self, result: Mapping[str, Any], messages: Iterable[Message]) -> TurnCost:
        """Return what the turn that ended with `result` cost, and move the totals on.

        Args:
            result: the raw result line.
            messages: the turn's messages, asked for token counts only where the CLI reported none.
        """
        total = number(result.get("total_cost_usd"))
        totals = _sum_models(result.get("modelUsage"))
        own = result.get("model_usage_since_last_result")
        if isinstance(own, dict):
            cost = sum(number(mapping(model).get("costUSD")) for model in own.values())
            usage = _sum_models(own)
        else:
            # A total below the last one means that counting began anew.
            cost = total if total < self._total_usd else total - self._total_usd
            usage = _difference(totals, self._usage)
        self._total_usd, self._usage = total, totals
        return self._fill(result, TurnCost(cost, usage), messages, reported=isinstance(own, dict))

    def _fill(
        self, result: Mapping[str, Any], cost: TurnCost, messages: Iterable[Message], *, reported: bool
    ) -> TurnCost:
        cut = str(result.get("terminal_reason") or "").startswith("aborted")
        if not cut:
            return cost
        if reported:
            return TurnCost(cost.cost_usd, cost.usage, estimated=True)
        calls = _streamed_calls(messages)
        uncounted = sum(call.cost_usd for call in calls if not call.is_whole)
        usage = _larger(cost.usage, sum((call.usage for call in calls), NO_USAGE))
        return TurnCost(cost.cost_usd + uncounted, usage, estimated=True)


def streamed_cost(messages: Iterable[Message]) -> TurnCost:
    """Return what a turn cost whose result never came, by the tokens that the stream spoke of and the list prices.

    Args:
        messages: the turn's messages.
    """
    calls = _streamed_calls(messages)
    usage = sum((call.usage for call in calls), NO_USAGE)
    return TurnCost(sum(call.cost_usd for call in calls), usage, estimated=True)


@dataclass
class _StreamedCall:
    """An API call as its stream tells it; `is_whole` once its final count has come, and `shown` in characters."""

    model: str = ""
    counts: dict[str, Any] = field(default_factory=dict)
    shown: int = 0
    is_whole: bool = False

    @property
    def usage(self) -> Usage:
        """Its tokens; those of an answer that was cut off by its length."""
        written = count(self.counts.get("output_tokens"))
        return Usage(
            count(self.counts.get("input_tokens")),
            written if self.is_whole else max(written, self.shown // _CHARACTERS_PER_TOKEN),
            count(self.counts.get("cache_read_input_tokens")),
            count(self.counts.get("cache_creation_input_tokens")),
        )

    @property
    def cost_usd(self) -> float:
        """What it cost by the list prices; 0.0 where its model has none, for it would be a guess."""
        from claude_magic.engine.prices import Paid, price_table  # only few turns need them

        usage = self.usage
        hour = count(mapping(self.counts.get("cache_creation")).get("ephemeral_1h_input_tokens"))
        paid = Paid(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_read_tokens=usage.cache_read_tokens,
            cache_write_5m_tokens=usage.cache_write_tokens - hour,
            cache_write_1h_tokens=hour,
            web_searches=count(mapping(self.counts.get("server_tool_use")).get("web_search_requests")),
            is_fast=self.counts.get("speed") == "fast",
            is_us=self.counts.get("inference_geo") == "us",
        )
        return float(price_table().cost(self.model, paid) or 0.0)


def _streamed_calls(messages: Iterable[Message]) -> list[_StreamedCall]:
    """Return the API calls that a turn's stream spoke of; those of subagents have streams of their own."""
    calls: list[_StreamedCall] = []
    running: dict[str, _StreamedCall] = {}
    for message in messages:
        if message.type in (MessageType.TEXT, MessageType.THINKING):
            if message.parent_tool_use_id in running:
                running[message.parent_tool_use_id].shown += len(message.text)
        elif message.event in ("message_start", "message_delta"):
            parent, event = str(message.raw.get("parent_tool_use_id") or ""), mapping(message.raw.get("event"))
            if message.event == "message_start":
                begun = mapping(event.get("message"))
                running[parent] = _StreamedCall(string(begun.get("model")), dict(mapping(begun.get("usage"))))
                calls.append(running[parent])
            elif parent in running:
                counts = mapping(event.get("usage"))
                running[parent].counts |= {key: value for key, value in counts.items() if value is not None}
                running[parent].is_whole = True
    return calls


def _sum_models(models: Any) -> Usage:
    total = Usage()
    for model in map(mapping, mapping(models).values()):
        total += Usage(
            count(model.get("inputTokens")),
            count(model.get("outputTokens")),
            count(model.get("cacheReadInputTokens")),
            count(model.get("cacheCreationInputTokens")),
        )
    return total


def _difference(now: Usage, before: Usage) -> Usage:
    pairs = list(zip(_counts(now), _counts(before), strict=True))
    if any(new < old for new, old in pairs):
        return now
    return Usage(*(new - old for new, old in pairs))


def _larger(one: Usage, other: Usage) -> Usage:
    return Usage(*(max(pair) for pair in zip(_counts(one), _counts(other), strict=True)))


def _counts(usage: Usage) -> tuple[int, int, int, int]:
    return usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens
