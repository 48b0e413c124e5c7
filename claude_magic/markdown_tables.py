"""Markdown tables as DataFrames."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from markdown_it import MarkdownIt
from markdown_it.token import Token

_NUMBER = re.compile(
    r"""(?P<sign>[+\-\N{MINUS SIGN}]?)
        (?P<before>[$€£¥]?)\s?
        (?P<digits>[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+|(?=\.[0-9]))
        (?P<fraction>\.[0-9]*)?
        (?P<exponent>[eE][+\-]?[0-9]+)?
        \s?(?P<after>[%$€£¥]?)""",
    re.VERBOSE,
)
_NO_NUMBER = {"-", "\N{EN DASH}", "\N{EM DASH}", "n/a", "N/A", "NA", "NaN", "nan"}
_INT64 = range(-(2**63), 2**63)


def markdown_tables(text: str) -> list[pd.DataFrame]:
    """Return the tables of a Markdown text, in order; those inside code are code.

    Markup inside cells is taken off. A column whose every cell is a number becomes numbers: `Int64`, or `float64`
    where one has a fraction. Thousands separators go, and so does a currency sign or `%` that every cell has; the
    value stays as written, so `45 %` is 45. Numbers with leading zeros are codes and stay words. Other columns are
    `string`. An empty cell is NA, and so is a dash or "n/a" in a column of numbers.

    Args:
        text: Markdown with tables as GitHub writes them. A name that appears twice among the columns gets `.1`, as
            in `pandas.read_csv`; a column without a name is `column_` and its place, from 1.
    """
    if "|" not in text:
        return []
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    return [_frame(rows) for rows in _tables(tokens)]


def _tables(tokens: Sequence[Token]) -> Iterator[list[list[str]]]:
    """Yield each table as rows of cells, its header first."""
    rows: list[list[str]] = []
    for token in tokens:
        if token.type == "table_open":
            rows = []
        elif token.type == "tr_open":
            rows.append([])
        elif token.type == "inline" and rows:
            rows[-1].append(_plain(token.children or []).strip())
        elif token.type == "table_close":
            yield rows
            rows = []


def _plain(tokens: Sequence[Token]) -> str:
    """Return the words of inline Markdown without its markup; an image is its description."""
    parts = []
    for token in tokens:
        if token.type == "image":
            parts.append(_plain(token.children or []))
        elif token.type in ("softbreak", "hardbreak") or _is_line_break(token):
            parts.append("\n")
        elif token.type != "html_inline":
            parts.append(token.content)
    return "".join(parts)


def _is_line_break(token: Token) -> bool:
    return token.type == "html_inline" and re.fullmatch(r"<br\s*/?>", token.content, re.IGNORECASE) is not None


def _frame(rows: list[list[str]]) -> pd.DataFrame:
    header, *body = rows
    columns = [_column([row[place] for row in body]) for place in range(len(header))]
    frame = pd.DataFrame(dict(enumerate(columns)), index=pd.RangeIndex(len(body)))
    frame.columns = pd.Index(_names(header))
    return frame


def _names(header: Sequence[str]) -> list[str]:
    """Return a name for each column, no two alike."""
    names: list[str] = []
    for place, title in enumerate(header, 1):
        wanted = title or f"column_{place}"
        name, again = wanted, 0
        while name in names:
            again += 1
            name = f"{wanted}.{again}"
        names.append(name)
    return names


def _column(cells: list[str]) -> Any:
    numbers = _numbers(cells)
    if numbers is None:
        return pd.array([cell or None for cell in cells], dtype="string")
    if any(isinstance(value, float) for value in numbers):
        return np.array(numbers, dtype="float64")
    return pd.array(numbers, dtype="Int64")


def _numbers(cells: Sequence[str]) -> list[int | float | None] | None:
    """Return the cells as numbers, or `None` where the column as a whole is not of numbers of one unit."""
    values: list[int | float | None] = []
    units = set()
    for cell in cells:
        if not cell or cell in _NO_NUMBER:
            values.append(None)
            continue
        match = _NUMBER.fullmatch(cell)
        if match is None:
            return None
        digits = match["digits"].replace(",", "")
        if len(digits) > 1 and digits.startswith("0"):
            return None
        units.add((match["before"], match["after"]))
        values.append(_value(match, digits))
    fits = all(not isinstance(value, int) or value in _INT64 for value in values)
    return values if len(units) == 1 and fits else None


def _value(match: re.Match[str], digits: str) -> int | float:
    sign = "-" if match["sign"] in ("-", "\N{MINUS SIGN}") else ""
    if match["fraction"] is None and match["exponent"] is None:
        return int(sign + digits)
    return float(f"{sign}{digits}{match['fraction'] or ''}{match['exponent'] or ''}")
