"""What an API call costs by the list prices in `prices.toml`."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any, Protocol

import msgspec

_DECORATION = re.compile(r"^.*?(?=claude-)|[@-]\d{8}.*$|\[[^\]]*\]$|-v\d+(:\d+)?$|-latest$|:.*$")
_MILLION = 1e6


class Tokens(Protocol):
    """What is paid for: numbers of one call, or an array of each for many calls."""

    input_tokens: Any
    output_tokens: Any
    cache_read_tokens: Any
    cache_write_5m_tokens: Any
    cache_write_1h_tokens: Any
    web_searches: Any
    is_fast: Any
    is_us: Any


class Paid(msgspec.Struct):
    """The tokens of one call."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    web_searches: int = 0
    is_fast: bool = False
    is_us: bool = False


def _choose(condition: bool, yes: float, no: float) -> float:
    return yes if condition else no


class Rates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """US dollars per million tokens; `cache_write_5m` and `cache_write_1h` by how long the cache lasts."""

    input: float
    output: float
    cache_read: float
    cache_write_5m: float
    cache_write_1h: float

    def cost_of(self, call: Tokens) -> Any:
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
    """What is not a token: dollars for a web search, the factor for inference in the US."""

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

    def cost(self, model: str, tokens: Tokens, choose: Callable[[Any, Any, Any], Any] = _choose) -> Any:
        """Return what API calls cost in US dollars, or `None` where their model has no price here.

        Args:
            model: the model that answered them.
            tokens: of one call, or of many as arrays; the result is alike.
            choose: picks one of two numbers by a condition; `numpy.where` for arrays.
        """
        price = self.price(model)
        if price is None:
            return None
        cost, long = price.cost_of(tokens), price.long_context
        if long is not None:
            prompt = (
                tokens.input_tokens
                + tokens.cache_read_tokens
                + tokens.cache_write_5m_tokens
                + tokens.cache_write_1h_tokens
            )
            cost = choose(prompt > long.above, long.cost_of(tokens), cost)
        cost = choose(tokens.is_fast, cost * price.fast, cost)
        cost = choose(tokens.is_us, cost * self.extras.us_inference, cost)
        return cost + tokens.web_searches * self.extras.web_search


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
def price_bytes() -> bytes:
    """Return `prices.toml` as it is written, which is quicker than to understand it."""
    return (files("claude_magic.engine") / "prices.toml").read_bytes()


@cache
def price_table() -> PriceTable:
    """Return the table in `prices.toml`."""
    return msgspec.toml.decode(price_bytes(), type=PriceTable)
