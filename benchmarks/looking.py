"""`looking`: what it costs Claude to look at the variables of a kernel."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.measuring import in_turns, median, share_of
from benchmarks.report import Report
from claude_magic.redaction import Redactor
from claude_magic.values.hiding import SecretFilter
from claude_magic.values.inspection import inspect_variable, list_variables

_LIST, _TABLE, _DESCRIBE = "list_variables()", "inspect() of the table", "its describe() and null counts"


def run(names: int = 500, rows: int = 10_000_000, columns: int = 50, rounds: int = 3) -> Report:
    """Measure.

    Args:
        names: how many variables there are, of eight kinds.
        rows: rows of the table.
        columns: its columns; one in ten is text, one in ten a time.
        rounds: how often each way is measured.
    """
    namespace = _namespace(names)
    table = {"table": _table(rows, columns)}
    ways: dict[str, Callable[[], float]] = {
        _LIST: lambda: _timed(lambda: list_variables(namespace, [*namespace], SecretFilter(namespace, Redactor([])))),
        _TABLE: lambda: _timed(lambda: inspect_variable(table, "table", SecretFilter(table, Redactor([])))),
        _DESCRIBE: lambda: _timed(lambda: (table["table"].describe(), table["table"].isna().sum())),
    }
    found = in_turns(ways, rounds)
    title = f"looking at {names} variables, and at a table of {rows:,} rows × {columns} columns"
    report = Report("looking", title, ["s"])
    for name, values in found.items():
        report.rows[name] = [median(values)]
    report.ratio(f"{names} names listed", 1e3 * median(found[_LIST]), unit="ms", aim=200, at_most=True)
    report.ratio("the table inspected", median(found[_TABLE]), unit="s", aim=2, at_most=True)
    report.ratio("describe() and null counts, beside that", share_of(found[_DESCRIBE], found[_TABLE]))
    report.notes.append(f"{rounds} rounds; processor time of this process, all threads.")
    return report


def _namespace(names: int) -> dict[str, Any]:
    kinds: list[Callable[[int], Any]] = [
        lambda number: number,
        lambda number: f"a text of some length, number {number}",
        lambda number: list(range(1000)),
        lambda number: {"id": number, "tags": ["a", "b"], "score": 0.5},
        lambda number: np.zeros((100, 100)),
        lambda number: pd.DataFrame({"a": range(1000), "b": ["x"] * 1000}),
        lambda number: len,
        lambda number: pd.Series(range(1000)),
    ]
    return {f"name_{number}": kinds[number % len(kinds)](number) for number in range(names)}


def _table(rows: int, columns: int) -> pd.DataFrame:
    generator = np.random.default_rng(0)
    words = pd.Categorical.from_codes(generator.integers(0, 100, rows), [f"word {number}" for number in range(100)])
    texts = words.astype(object)
    times = pd.date_range("2020-01-01", periods=rows, freq="s")
    data: dict[str, Any] = {}
    for number in range(columns):
        match number % 10:
            case 0:
                data[f"text_{number}"] = texts
            case 1:
                data[f"time_{number}"] = times
            case 2:
                data[f"kind_{number}"] = words
            case _:
                data[f"number_{number}"] = generator.random(rows)
    return pd.DataFrame(data)


def _timed(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun
