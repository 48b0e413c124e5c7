"""Reading values out of the CLI's lines without trusting their shape.

A later CLI may put an object where a list was, or a text where a number was. What cannot be read as what it should be
is nothing: empty, or zero. The turn it stands in was paid for and goes on.
"""

from __future__ import annotations

import math
from typing import Any

LARGEST_COUNT = 10**15
"""No number of tokens, and a thousand of them still add up within 64 bits."""


def mapping(value: Any) -> dict[str, Any]:
    """Return an object's fields; empty for anything else."""
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[Any]:
    """Return a list's items; empty for anything else."""
    return value if isinstance(value, list) else []


def mappings(value: Any) -> list[dict[str, Any]]:
    """Return those items of a list that are objects."""
    return [item for item in items(value) if isinstance(item, dict)]


def number(value: Any) -> float:
    """Return a finite number; 0.0 for anything else. A number that is written as a text counts."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return 0.0
    try:
        read = float(value)
    except (ValueError, OverflowError):
        return 0.0
    return read if math.isfinite(read) else 0.0


def count(value: Any) -> int:
    """Return a whole number from 0 to a million billion; 0 for anything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if 0 <= value <= LARGEST_COUNT else 0
    read = int(number(value))
    return read if 0 <= read <= LARGEST_COUNT else 0


def string(value: Any) -> str:
    """Return a text; "" for anything else."""
    return value if isinstance(value, str) else ""
