"""What a turn cost: the CLI counts up over a process, we want the difference. Pure arithmetic.

Facts (measured on 2.1.197 and 2.1.330): `total_cost_usd` and `modelUsage` of a result are totals of the process,
subagents included; `usage` is the turn's, without subagents. The newer CLI adds `model_usage_since_last_result`, the
turn's own figures by model. A resumed process of the newer CLI goes on from the old total; `/clear` starts it anew.
The older one counts nothing for a call that was interrupted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

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
        self._usage = _sum_models(totals or {})

    def turn(self, result: Mapping[str, Any], messages: Iterable[Message]) -> TurnCost:
        """Return what the turn that ended with `result` cost, and move the totals on.

        Args:
            result: the raw result line.
            messages: the turn's messages, asked for token counts only where the CLI reported none.
        """
        total = float(result.get("total_cost_usd") or 0.0)
        totals = _sum_models(result.get("modelUsage") or {})
        own = result.get("model_usage_since_last_result")
        if own is not None:
            cost = sum(float(model.get("costUSD") or 0.0) for model in own.values())
            usage = _sum_models(own)
        else:
            # A total below the last one means that counting began anew.
            cost = total if total < self._total_usd else total - self._total_usd
            usage = _difference(totals, self._usage)
        self._total_usd, self._usage = total, totals
        return self._fill(result, TurnCost(cost, usage), messages, reported=own is not None)

    def _fill(
        self, result: Mapping[str, Any], cost: TurnCost, messages: Iterable[Message], *, reported: bool
    ) -> TurnCost:
        cut = str(result.get("terminal_reason") or "").startswith("aborted")
        if not cut:
            return cost
        if reported:
            return TurnCost(cost.cost_usd, cost.usage, estimated=True)
        return TurnCost(cost.cost_usd, _larger(cost.usage, streamed_usage(messages)), estimated=True)


def streamed_usage(messages: Iterable[Message]) -> Usage:
    """Return the tokens that the stream itself spoke of: for turns whose result never came, or counted nothing.

    Args:
        messages: a turn's messages.
    """
    total = Usage()
    current: dict[str, Any] = {}
    shown = 0
    for message in messages:
        if message.type in (MessageType.TEXT, MessageType.THINKING):
            shown += len(message.text)
        elif message.wire == "message_start":
            total += _api_usage(current, shown)
            current = dict(message.raw["event"].get("message", {}).get("usage") or {})
            current["final"] = False
            shown = 0
        elif message.wire == "message_delta":
            usage = message.raw["event"].get("usage") or {}
            current |= {key: value for key, value in usage.items() if value is not None}
            current["final"] = True
    return total + _api_usage(current, shown)


def _api_usage(usage: Mapping[str, Any], shown: int) -> Usage:
    written = int(usage.get("output_tokens") or 0)
    if not usage.get("final"):
        written = max(written, shown // _CHARACTERS_PER_TOKEN)
    return Usage(
        int(usage.get("input_tokens") or 0),
        written,
        int(usage.get("cache_read_input_tokens") or 0),
        int(usage.get("cache_creation_input_tokens") or 0),
    )


def _sum_models(models: Mapping[str, Any]) -> Usage:
    total = Usage()
    for model in models.values():
        total += Usage(
            int(model.get("inputTokens") or 0),
            int(model.get("outputTokens") or 0),
            int(model.get("cacheReadInputTokens") or 0),
            int(model.get("cacheCreationInputTokens") or 0),
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
