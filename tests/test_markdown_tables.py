"""Markdown tables as DataFrames."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_magic.markdown_tables import markdown_tables
from claude_magic.response import Response


def column(*cells: str) -> pd.Series[Any]:
    """The column that these cells make."""
    (table,) = markdown_tables("\n".join(["| x | y |", "|---|---|", *(f"| {cell} | w |" for cell in cells)]))
    return table["x"]


def test_tables_are_found_in_the_order_of_the_text() -> None:
    """Also in a list or a quotation, with any alignment and without outer pipes."""
    text = """First:

| city | people |
|:-----|-------:|
| Bern | 134,794 |
| Genf | 203,856 |

> a | b
> :-: | -
> 1 | two

- item

  | c | d |
  |---|---|
"""
    first, second, third = markdown_tables(text)

    expected = pd.DataFrame({"city": ["Bern", "Genf"], "people": [134794, 203856]})
    pd.testing.assert_frame_equal(
        first, expected.astype({"city": "string", "people": "Int64"}), check_column_type=False
    )
    assert second.to_dict("records") == [{"a": 1, "b": "two"}]
    assert (list(third.columns), len(third), set(map(str, third.dtypes))) == (["c", "d"], 0, {"string"})


@pytest.mark.parametrize(
    "text",
    [
        "no table",
        "a | b",
        "```\n| a | b |\n|---|---|\n| 1 | 2 |\n```",
        "~~~md\n| a | b |\n|---|---|\n~~~",
        "    | a | b |\n    |---|---|",
        "| a | b |\n|---|",
        "",
    ],
)
def test_code_and_prose_are_no_tables(text: str) -> None:
    """Fenced and indented blocks, a row without its line of dashes, a line of the wrong length."""
    assert markdown_tables(text) == []


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("**bold** and _it_", "bold and it"),
        ("`a \\| b`", "a | b"),
        ("a \\| b", "a | b"),
        ("[link](http://example.org)", "link"),
        ("![chart](c.png)", "chart"),
        ("one<br>two", "one\ntwo"),
        ("<b>raw</b>", "raw"),
        ("&lt;tag&gt; &amp; \\*star\\*", "<tag> & *star*"),
        ("`**code**`", "**code**"),
    ],
)
def test_markup_inside_cells_is_taken_off(cell: str, words: str) -> None:
    """What is left is what a reader sees."""
    assert column(cell).tolist() == [words]


@pytest.mark.parametrize(
    ("cells", "numbers", "dtype"),
    [
        (["1", "-2", "\N{MINUS SIGN}3", "+4"], [1, -2, -3, 4], "Int64"),
        (["1,234,567", "5"], [1234567, 5], "Int64"),
        (["$1,200", "-$5"], [1200, -5], "Int64"),
        (["$1.50", "$0.25"], [1.5, 0.25], "float64"),
        (["3 €", "4.5 €"], [3.0, 4.5], "float64"),
        (["45%", "3.5 %"], [45.0, 3.5], "float64"),
        (["1e3", ".5", "2."], [1000.0, 0.5, 2.0], "float64"),
        (["**7**", "`8`"], [7, 8], "Int64"),
        (["9007199254740993", "1"], [9007199254740993, 1], "Int64"),
    ],
)
def test_a_column_of_numbers_becomes_numbers(cells: list[str], numbers: list[float], dtype: str) -> None:
    """Separators, a currency sign and `%` go; the value stays as written."""
    made = column(*cells)

    assert (made.tolist(), str(made.dtype)) == (numbers, dtype)


@pytest.mark.parametrize(
    "cells",
    [
        ["1", "two"],
        ["$5", "5"],
        ["5%", "0.5"],
        ["$5", "€5"],
        ["007", "008"],
        ["1,5", "2,5"],
        ["12,34"],
        ["99999999999999999999"],
        ["1 2"],
        ["2024-01-01"],
        ["1.2.3"],
        ["-", "n/a"],
        ["٣"],
    ],
)
def test_a_column_that_is_not_all_numbers_of_one_kind_stays_words(cells: list[str]) -> None:
    """Mixed units, codes with leading zeros, numbers too large, dates and versions are kept as written."""
    made = column(*cells)

    assert (made.tolist(), str(made.dtype)) == (cells, "string")


@pytest.mark.parametrize(
    ("cells", "dtype"), [(["1", "", "3"], "Int64"), (["1.5", "n/a"], "float64"), (["", "a"], "string")]
)
def test_an_empty_cell_is_na(cells: list[str], dtype: str) -> None:
    """And so is a dash or "n/a" among numbers."""
    made = column(*cells)

    assert made.isna().tolist() == [cell in ("", "n/a") for cell in cells]
    assert str(made.dtype) == dtype


def test_columns_have_names_of_their_own() -> None:
    """Names that are missing or come twice are made different."""
    (table,) = markdown_tables("|  | a | a | a.1 | **a** |\n|-|-|-|-|-|\n| 1 | 2 | 3 | 4 | 5 |")

    assert list(table.columns) == ["column_1", "a", "a.1", "a.1.1", "a.2"]
    assert table.iloc[0].tolist() == [1, 2, 3, 4, 5]


def test_rows_are_as_long_as_the_header() -> None:
    """Missing cells are NA and surplus ones are left out, as GitHub does."""
    (table,) = markdown_tables("| a | b |\n|---|---|\n| 1 |\n| 2 | 3 | 4 |")

    assert table["a"].tolist() == [1, 2]
    assert table["b"].isna().tolist() == [True, False]


def test_a_response_knows_its_tables() -> None:
    """They are those of its text."""
    (table,) = Response("Here:\n\n| a | b |\n|---|---|\n| 1 | x |\n").tables

    assert table.to_dict("records") == [{"a": 1, "b": "x"}]


CELL = st.text(st.characters(categories=["L", "Nd"], max_codepoint=0x2FF), min_size=1, max_size=8).map(
    lambda s: "w" + s
)


@given(st.integers(1, 4).flatmap(lambda width: st.lists(st.lists(CELL, min_size=width, max_size=width), min_size=1)))
def test_a_table_that_is_written_out_is_read_back(rows: list[list[str]]) -> None:
    """Words go through Markdown and back unchanged."""
    width = len(rows[0])
    names = [f"n{place}" for place in range(width)]
    lines = ["| " + " | ".join(row) + " |" for row in (names, ["---"] * width, *rows)]

    (table,) = markdown_tables("\n".join(lines))
    assert list(table.columns) == names
    assert table.to_numpy().tolist() == rows


@given(st.text("|-:$%,. 1a\n`*\\<>[]", max_size=80))
def test_no_text_breaks_the_reading_of_tables(text: str) -> None:
    """Whatever a model writes, the answer is a list of frames with columns of different names."""
    for table in markdown_tables(text):
        assert table.columns.is_unique
        assert len(table.columns) >= 1


@given(st.integers(-(10**15), 10**15))
def test_a_number_with_separators_is_itself(number: int) -> None:
    """However it is grouped."""
    assert column(f"{number:,}").tolist() == [number]
