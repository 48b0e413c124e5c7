"""The prompt of a map: columns in braces, everything else as typed, and one clear error before anything is sent."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_magic.batch.template import Template, plain_value


def filled(text: str, **row: object) -> str:
    return Template(text, list(row)).fill({name: plain_value(value) for name, value in row.items()})


def test_columns_are_filled_in_and_everything_else_stays() -> None:
    """JSON, code and LaTeX have braces of their own; doubled ones are braces."""
    text = 'Rate {title}: {body}. Answer as {"label": 1} or `{title}`, x^{2}, {{title}}.'

    assert filled(text, title="A", body="B") == 'Rate A: B. Answer as {"label": 1} or `{title}`, x^{2}, {title}.'


def test_a_column_may_have_any_name_that_stands_in_braces() -> None:
    """Spaces are usual in the names of spreadsheets."""
    assert filled("{unit price} {größe}", **{"unit price": 3, "größe": "L"}) == "3 L"


def test_values_are_not_templates() -> None:
    """Braces in the data mean nothing."""
    assert filled("{a} {b}", a="{b}", b="x") == "{b} x"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Rate {bodies}", r"no column 'bodies'. Did you mean \{body\}\? Columns: title, body"),
        ("Rate {title:>10} ", r"more than the name of a column: write \{title\}"),
        ("Rate {title.upper}", r"more than the name of a column"),
        ("Rate it", "names no column"),
        ("   ", "The prompt is empty"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_sent(text: str, words: str) -> None:
    """One sentence that says what to write."""
    with pytest.raises(ValueError, match=words) as error:
        Template(text, ["title", "body"])
    assert "Nothing was sent" in str(error.value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""), (float("nan"), ""), (pd.NA, ""), (pd.NaT, ""), (np.int64(3), "3"), (0.1, "0.1"), (True, "True"),
        (np.bool_(True), "True"), (pd.Timestamp("2026-01-31 12:00"), "2026-01-31 12:00:00"), ([1, "ä"], '[1, "ä"]'),
        (np.array([1, 2]), "[1, 2]"), ({"a": pd.NA}, '{"a": null}'), (float("inf"), "inf"),
    ],
)  # fmt: skip
def test_values_as_text(value: object, text: str) -> None:
    """As a person would write them; what is missing is empty."""
    assert filled("<{v}>", v=value) == f"<{text}>"


@given(st.text(max_size=50), st.text(max_size=50))
def test_any_text_arrives_as_it_is(before: str, value: str) -> None:
    """Whatever the data holds."""
    around = before.replace("{", "(").replace("}", ")").replace("`", "'").replace("~", "-").replace("\r", "\n")

    assert filled(around + "\n\n<{v}>", v=value).endswith(f"<{value}>")
