"""Texts cut to a length, and made fit to be stored."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_magic.strings import opening, shortened, utf8_safe


@given(st.text(), st.integers(1, 20))
def test_shortened_text_fits_and_says_that_it_was_cut(text: str, longest: int) -> None:
    """Short texts stay, long ones end in an ellipsis."""
    short = shortened(text, longest)

    assert short == text if len(text) <= longest else (len(short) == longest and short.endswith("…"))


@given(st.text(), st.integers(1, 20))
def test_opening_is_one_line_that_fits(text: str, longest: int) -> None:
    """Whatever white space stands between the words."""
    line = opening(text, longest)

    assert len(line) <= longest
    assert line == " ".join(line.split())
    assert opening("  one\n\ttwo ", 20) == "one two"


@pytest.mark.parametrize(
    ("value", "safe"),
    [
        ("grün \ud83d", "grün ?"),
        ({"\udc00": ["a", ("\ud800", 1)]}, {"?": ["a", ["?", 1]]}),
        (None, None),
        (1.5, 1.5),
    ],
)
def test_utf8_safe_data_can_be_written(value: Any, safe: Any) -> None:
    """Keys and items too; what is not a text stays."""
    assert utf8_safe(value) == safe
