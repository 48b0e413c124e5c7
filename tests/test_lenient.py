"""Values in a shape that was never seen are nothing, and never an exception."""

from __future__ import annotations

import math
from typing import Any

import pytest

from claude_magic.lenient import count, items, mapping, mappings, number, string

ODD: list[Any] = [
    None,
    True,
    "",
    "words",
    [],
    [1],
    {},
    {"a": 1},
    math.nan,
    math.inf,
    10**400,
    -(10**400),
    b"x",
    object(),
]


@pytest.mark.parametrize("value", ODD, ids=lambda value: type(value).__name__)
def test_readers_take_anything(value: Any) -> None:
    """Each returns its own kind, whatever it is given."""
    assert isinstance(mapping(value), dict)
    assert isinstance(items(value), list)
    assert all(isinstance(one, dict) for one in mappings(value))
    assert isinstance(string(value), str)
    assert math.isfinite(number(value))
    assert 0 <= count(value) < 2**63


@pytest.mark.parametrize(
    ("value", "as_number", "as_count"),
    [(3, 3.0, 3), (2.5, 2.5, 2), ("12", 12.0, 12), ("1.5", 1.5, 1), (-4, -4.0, 0), (True, 0.0, 0), (2**63, 2.0**63, 0)],
)
def test_readers_of_numbers(value: Any, as_number: float, as_count: int) -> None:
    """Numbers written as text count; what is negative or over 64 bits is no count."""
    assert (number(value), count(value)) == (as_number, as_count)


def test_readers_keep_what_fits() -> None:
    """What has the right shape is the value itself."""
    assert mapping({"a": 1}) == {"a": 1}
    assert mappings([{"a": 1}, 2, {"b": 3}]) == [{"a": 1}, {"b": 3}]
    assert items([1, "x"]) == [1, "x"]
    assert string("x") == "x"
