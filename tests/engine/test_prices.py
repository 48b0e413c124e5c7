"""The price table, against what the CLIs themselves counted."""

from __future__ import annotations

import pytest

from claude_magic.engine.prices import Paid, plain_name, price_table

# Model, tokens, and `costUSD` of the result: read off CLI 2.1.197 and 2.1.330.
COUNTED_BY_THE_CLI = [
    ("claude-opus-4-8[1m]", {"input_tokens": 1000, "output_tokens": 50}, 0.00625),
    ("claude-opus-4-8[1m]", {"input_tokens": 25_000, "output_tokens": 1250}, 0.15625),
    ("claude-opus-5-5", {"input_tokens": 1000, "output_tokens": 11}, 0.00422),
    ("claude-opus-5-5", {"input_tokens": 10_000, "output_tokens": 500}, 0.05),
    ("claude-opus-5-5", {"cache_read_tokens": 1000}, 0.0002),
    ("claude-opus-5-5", {"cache_write_5m_tokens": 1000}, 0.005),
    ("claude-opus-5-5", {"cache_write_1h_tokens": 1000}, 0.008),
    ("claude-opus-4-8", {"cache_read_tokens": 1000}, 0.0005),
    ("claude-opus-4-8", {"cache_write_5m_tokens": 1000}, 0.00625),
    ("claude-opus-4-8", {"cache_write_1h_tokens": 1000}, 0.01),
    ("claude-haiku-4-5", {"input_tokens": 1000, "output_tokens": 50}, 0.00125),
    ("claude-sonnet-4-5", {"input_tokens": 1000, "output_tokens": 50}, 0.00375),
    ("claude-sonnet-4-5", {"input_tokens": 300_000, "output_tokens": 1000}, 0.915),
    ("claude-haiku-5-5", {"input_tokens": 100_000}, 0.01),
    ("claude-haiku-5-5", {"input_tokens": 150_000, "output_tokens": 1000}, 0.0775),
    ("claude-haiku-5-5", {"input_tokens": 90_000, "cache_read_tokens": 20_000}, 0.046),
    ("claude-haiku-5-5", {"input_tokens": 90_000, "cache_write_5m_tokens": 20_000}, 0.0575),
    ("claude-haiku-5-5", {"cache_write_1h_tokens": 150_000}, 0.15),
    ("claude-opus-5-5", {"input_tokens": 1000, "web_searches": 3}, 0.034),
    ("claude-opus-5-5", {"input_tokens": 1000, "output_tokens": 1000, "is_fast": True}, 0.048),
    ("claude-opus-4-6", {"input_tokens": 1000, "output_tokens": 1000, "is_fast": True}, 0.18),
    ("claude-opus-5-5", {"input_tokens": 1000, "output_tokens": 1000, "is_us": True}, 0.0264),
]


@pytest.mark.parametrize(("model", "counts", "cost"), COUNTED_BY_THE_CLI)
def test_prices_make_a_call_cost_what_the_cli_counts(model: str, counts: dict[str, int | bool], cost: float) -> None:
    """The table gives the CLI's own figure, to the last digit that matters."""
    assert price_table().cost(model, Paid(**counts)) == pytest.approx(cost, rel=1e-12)


@pytest.mark.parametrize(
    "name",
    [
        "claude-haiku-4-5", "claude-haiku-4-5-20251001", "claude-haiku-4-5@20251001", "claude-haiku-4-5[1m]",
        "us.anthropic.claude-haiku-4-5-20251001-v1:0", "anthropic/claude-haiku-4-5", "claude-haiku-4-5-latest",
    ],
)  # fmt: skip
def test_prices_know_a_model_by_all_its_names(name: str) -> None:
    """Providers, dates and context sizes in a name change nothing."""
    assert plain_name(name) == "claude-haiku-4-5"
    assert price_table().price(name) == price_table().models["claude-haiku-4-5"]


def test_prices_tell_generations_apart() -> None:
    """A shorter name is another model: opus 5 and opus 5.5 have prices of their own."""
    prices = {
        name: price_table().price(name) for name in ("claude-opus-5", "claude-opus-5-5", "claude-opus-4-20250514")
    }
    assert prices["claude-opus-5"].input == 5.0
    assert prices["claude-opus-5-5"].input == 4.0
    assert prices["claude-opus-4-20250514"].input == 15.0


def test_prices_have_none_for_an_unknown_model() -> None:
    """A guess would look like a fact."""
    assert price_table().cost("some-model-9", Paid(input_tokens=1000)) is None


def test_prices_are_plausible() -> None:
    """Reading the cache is cheaper than the input, an hour's write dearer than five minutes', output the dearest."""
    for name, price in price_table().models.items():
        assert price.cache_read < price.input < price.cache_write_5m < price.cache_write_1h < price.output, name
