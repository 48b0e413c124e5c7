"""What an API call costs by the list prices in `prices.toml`."""

from __future__ import annotations

import re
from datetime import date
from functools import cache
from importlib.resources import files

import msgspec

from claude_magic.records.transcript_lines import Call

_DECORATION = re.compile(r"^.*?(?=claude-)|[@-]\d{8}.*$|\[[^\]]*\]$|-v\d+(:\d+)?$|-latest$|:.*$")
_MILLION = 1e6


class Rates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """US dollars per million tokens; `cache_write_5m` and `cache_write_1h` by how long the cache lasts."""

    input: float
    output: float
    cache_read: float
    cache_write_5m: float
    cache_write_1h: float

    def of(self, call: Call) -> float:
        """Return what the tokens of a call cost, in US dollars."""
        return (
            call.input_tokens * self.input
            + call.output_tokens * self.output
            + call.cache_read_tokens * self.cache_read
            + call.cache_write_5m_tokens * self.cache_write_5m
            + call.cache_write_1h_tokens * self.cache_write_1h
        ) / _MILLION


class LongContext(Rates, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The rates of a call whose prompt has more than `above` tokens."""

    above: int


class Price(Rates, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The rates of one model; `fast` is the factor of its fast mode."""

    fast: float = 1.0
    long_context: LongContext | None = None


class Extras(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is no token: dollars for a web search, the factor for inference in the US."""

    web_search: float
    us_inference: float


class PriceTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The price table; `checked` is the day on which its prices were right."""

    checked: date
    extras: Extras
    models: dict[str, Price]

    def price(self, model: str) -> Price | None:
        """Return the price of a model by any of its names, or `None` where it is not known."""
        return self.models.get(model) or self.models.get(plain_name(model))

    def cost(self, call: Call) -> float | None:
        """Return what an API call cost in US dollars, or `None` where the model has no price here."""
        price = self.price(call.model)
        if price is None:
            return None
        long = price.long_context
        rates = long if long is not None and call.prompt_tokens > long.above else price
        cost = rates.of(call)
        if call.is_fast:
            cost *= price.fast
        if call.is_us:
            cost *= self.extras.us_inference
        return cost + call.web_searches * self.extras.web_search


@cache
def plain_name(model: str) -> str:
    """Return a model's name without provider, date and suffix.

    `us.anthropic.claude-haiku-4-5-20251001-v1:0`, `claude-haiku-4-5@20251001` and `claude-haiku-4-5[1m]` are all
    `claude-haiku-4-5`.
    """
    name = model.lower()
    for _ in range(3):
        name = _DECORATION.sub("", name)
    return name.removesuffix("-0")


@cache
def price_table() -> PriceTable:
    """Return the table in `prices.toml`."""
    return msgspec.toml.decode((files("claude_magic.records") / "prices.toml").read_bytes(), type=PriceTable)
