"""What a turn cost, by the running totals of both CLI styles."""

from __future__ import annotations

from typing import Any

import pytest
from lines import Line, decode, delta, event, result

from claude_magic.engine.cost import CostMeter, streamed_cost
from claude_magic.response import Usage


def models(tokens: int, cost: float = 0.0) -> dict[str, Any]:
    return {
        "model-a": {
            "inputTokens": tokens, "outputTokens": tokens + 1, "cacheReadInputTokens": tokens + 2,
            "cacheCreationInputTokens": tokens + 3, "costUSD": cost,
        }
    }  # fmt: skip


def ends(total: float, tokens: int, **fields: Any) -> Line:
    return result(total_cost_usd=total, modelUsage=models(tokens), terminal_reason="completed", **fields)


def test_cost_of_a_turn_is_the_difference_of_totals() -> None:
    """The older CLI only counts up."""
    meter = CostMeter()

    costs = [meter.turn_cost(ends(total, tokens), []) for total, tokens in ((0.25, 10), (0.75, 30))]

    assert [cost.cost_usd for cost in costs] == [0.25, 0.5]
    assert [cost.usage for cost in costs] == [Usage(10, 11, 12, 13), Usage(20, 20, 20, 20)]
    assert not any(cost.estimated for cost in costs)


def test_cost_prefers_the_clis_own_figures() -> None:
    """The newer CLI says what the turn itself used, whatever the totals do."""
    cost = CostMeter(5.0).turn_cost(ends(9.0, 50, model_usage_since_last_result=models(1, 0.125)), [])

    assert (cost.cost_usd, cost.usage) == (0.125, Usage(1, 2, 3, 4))


def test_cost_of_a_resumed_process_counts_from_its_baseline() -> None:
    """What was spent before is not this turn's."""
    cost = CostMeter(1.0, models(100)).turn_cost(ends(1.5, 110), [])

    assert cost.cost_usd == pytest.approx(0.5)
    assert cost.usage == Usage(10, 10, 10, 10)


def test_cost_follows_counting_that_began_anew() -> None:
    """After /clear the total is lower than before: all of it is this turn's."""
    meter = CostMeter(2.0, models(100))

    assert meter.turn_cost(ends(0.25, 5), []).cost_usd == 0.25
    assert meter.turn_cost(ends(0.75, 9), []).cost_usd == 0.5


def test_cost_of_the_turns_adds_up_to_the_total() -> None:
    """Nothing is lost and nothing counted twice over many turns."""
    meter = CostMeter()
    totals = [0.1 * number for number in range(1, 30)]

    assert sum(meter.turn_cost(ends(total, 1), []).cost_usd for total in totals) == pytest.approx(totals[-1])


OPUS = "claude-opus-4-8"
"""Five dollars per million tokens sent, 25 per million written."""


def start(model: str = OPUS, **usage: Any) -> Line:
    return event("message_start", message={"model": model, "usage": usage})


def test_cost_of_an_interrupted_turn_is_estimated_from_its_stream() -> None:
    """The older CLI counts nothing for the call that was cut off; the list prices say what it cost."""
    cut = decode(start(input_tokens=1000, output_tokens=1), delta("x" * 400))
    cost = CostMeter().turn_cost(result(total_cost_usd=0, modelUsage={}, terminal_reason="aborted_streaming"), cut)

    assert cost.estimated
    assert cost.usage == Usage(1000, 100)
    assert cost.cost_usd == pytest.approx(1000 * 5e-6 + 100 * 25e-6)


def test_cost_adds_only_the_call_that_was_cut_off() -> None:
    """Those before it are in the CLI's total."""
    whole = [start(input_tokens=1000, output_tokens=1), delta("x"), event("message_delta", usage={"output_tokens": 40})]
    turn = decode(*whole, start(input_tokens=2000, output_tokens=1), delta("x" * 40))
    counted = {OPUS: {"inputTokens": 1000, "outputTokens": 40, "costUSD": 0.006}}
    aborted = result(total_cost_usd=0.006, modelUsage=counted, terminal_reason="aborted_streaming")
    cost = CostMeter().turn_cost(aborted, turn)

    assert cost.usage == Usage(3000, 50)
    assert cost.cost_usd == pytest.approx(0.006 + 2000 * 5e-6 + 10 * 25e-6)


def test_cost_adds_nothing_for_an_interrupted_tool() -> None:
    """All its calls were counted."""
    whole = decode(start(input_tokens=1000), event("message_delta", usage={"output_tokens": 40}))
    counted = {OPUS: {"inputTokens": 1000, "outputTokens": 40}}
    cost = CostMeter().turn_cost(
        result(total_cost_usd=0.006, modelUsage=counted, terminal_reason="aborted_tools"), whole
    )

    assert (cost.cost_usd, cost.usage, cost.estimated) == (0.006, Usage(1000, 40), True)


def test_cost_of_writes_to_the_cache_goes_by_how_long_they_last() -> None:
    """An hour is dearer than five minutes."""
    written = {"cache_creation_input_tokens": 300, "cache_creation": {"ephemeral_1h_input_tokens": 200}}
    cost = streamed_cost(decode(start(**written)))

    assert cost.cost_usd == pytest.approx(100 * 6.25e-6 + 200 * 10e-6)


def test_cost_of_a_model_without_a_price_is_not_guessed() -> None:
    """Then what the CLI reported stands."""
    cut = decode(start("next-model", input_tokens=1000))
    cost = CostMeter().turn_cost(result(total_cost_usd=0.5, terminal_reason="aborted_streaming"), cut)

    assert (cost.cost_usd, cost.usage, cost.estimated) == (0.5, Usage(1000), True)


def test_cost_of_an_interrupted_turn_is_the_newer_clis_own_estimate() -> None:
    """It reports the cut call, by estimate."""
    own = models(3, 0.5)
    cost = CostMeter().turn_cost(result(terminal_reason="aborted_tools", model_usage_since_last_result=own), [])

    assert (cost.estimated, cost.cost_usd, cost.usage) == (True, 0.5, Usage(3, 4, 5, 6))


def test_cost_takes_the_final_count_of_a_stream_where_there_is_one() -> None:
    """Several API calls add up; `message_delta` has the final count of its call."""
    call = [
        start(input_tokens=5, output_tokens=1, cache_read_input_tokens=2),
        delta("word"),
        event("message_delta", usage={"output_tokens": 40, "input_tokens": None}),
    ]
    cost = streamed_cost(decode(*call, *call))

    assert cost.usage == Usage(10, 80, 4, 0)
    assert cost.cost_usd == pytest.approx(2 * (5 * 5e-6 + 40 * 25e-6 + 2 * 0.5e-6))
    assert streamed_cost([]).usage == Usage()


def test_cost_of_a_result_that_counts_nothing() -> None:
    """Missing and null figures are zero."""
    cost = CostMeter().turn_cost(result(total_cost_usd=None, modelUsage=None), [])

    assert (cost.cost_usd, cost.usage, cost.estimated) == (0.0, Usage(), False)
