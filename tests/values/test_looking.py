"""Looking at variables: nothing of theirs runs, no secret shows, and large data costs little."""

from __future__ import annotations

import os
import re
import sqlite3
import threading
import time
import types
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from claude_magic.redaction import Redactor
from claude_magic.values.fingerprints import fingerprint
from claude_magic.values.hiding import SecretFilter
from claude_magic.values.inspection import LookError, inspect_variable, list_variables

RAN: list[str] = []


class Meta(type):
    def __repr__(cls) -> str:
        RAN.append("Meta.__repr__")
        return "lie"

    def __getattribute__(cls, name: str) -> Any:
        if not name.startswith("__dict"):
            RAN.append(f"Meta.{name}")
        return super().__getattribute__(name)


class Hostile(metaclass=Meta):
    """Whatever is asked of it is noted."""

    def __init__(self) -> None:
        self.visible = 1

    def __repr__(self) -> str:
        RAN.append("__repr__")
        raise SystemExit

    __str__ = __repr__

    def __len__(self) -> int:
        RAN.append("__len__")
        return 1

    def __iter__(self) -> Any:
        RAN.append("__iter__")
        return iter(())

    def __eq__(self, other: object) -> bool:
        RAN.append("__eq__")
        return True

    def __hash__(self) -> int:
        RAN.append("__hash__")
        return 1

    def __getattr__(self, name: str) -> Any:
        RAN.append(f"__getattr__ {name}")
        raise AttributeError(name)

    def __sizeof__(self) -> int:
        RAN.append("__sizeof__")
        return 1

    @property
    def __class__(self) -> Any:  # type: ignore[override]  # a lie
        RAN.append("__class__")
        return pd.DataFrame

    @property
    def shape(self) -> Any:
        RAN.append("shape")
        return (1, 1)


class OwnFrame(pd.DataFrame):
    @property
    def shape(self) -> Any:
        RAN.append("OwnFrame.shape")
        return (0, 0)

    def __repr__(self) -> str:
        RAN.append("OwnFrame.__repr__")
        return ""


def hostile() -> dict[str, Any]:
    one = Hostile()
    return {
        "one": one,
        "items": [one] * 3,
        "by_name": {"key": one},
        "column": pd.DataFrame({"objects": [one] * 30, "numbers": range(30)}),
        "array": np.array([one, one], dtype=object),
        "own": OwnFrame({"a": [1, 2]}),
        "function": Hostile.__len__,
        "kind": Hostile,
    }


@pytest.fixture(autouse=True)
def clean() -> None:
    RAN.clear()


def looked(namespace: dict[str, Any], *paths: str) -> str:
    secrets = SecretFilter(namespace, Redactor())
    texts = [list_variables(namespace, list(namespace), secrets)]
    texts += [inspect_variable(namespace, path, secrets) for path in paths or namespace]
    return "\n".join(texts)


def test_looking_runs_nothing_of_the_users() -> None:
    namespace = hostile()
    RAN.clear()

    shown = looked(namespace, *namespace, "one.visible", "items[1]", "by_name['key']", "column['objects']")
    fingerprints = [fingerprint(value) for value in namespace.values()]

    assert RAN == []
    assert "own: " in shown
    assert "2 rows × 1 columns" in shown
    assert any(fingerprints)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("one.missing", "may be computed"),
        ("one.shape", "may be computed"),
        ("one[0]", "made by its own code"),
        ("one()", "Looking runs no code"),
        ("one + one", "Looking runs no code"),
        ("items[9]", "has no item 9"),
        ("by_name[key]", "must be written out"),
        ("absent", "There is no variable 'absent'"),
        ("by_name['", "neither a name nor a path"),
        ("", "neither a name nor a path"),
    ],
)
def test_a_path_that_would_run_code_is_refused(path: str, reason: str) -> None:
    namespace = hostile()
    RAN.clear()

    with pytest.raises(LookError, match=re.escape(reason)):
        inspect_variable(namespace, path, SecretFilter({}, Redactor()))
    assert RAN == []


class Account:
    def __init__(self) -> None:
        self.user = "ada"
        self.auth_token = "tok-Zx81-deadbeef-0042"


def connect() -> str:
    """Log in."""
    password = "in-the-source-77"
    return password


PLANTED = (
    "sk-planted-0123456789abcdef", "correct-horse-7-battery", "nested-secret-4711", "tok-Zx81-deadbeef-0042",
    "pw-in-url-99",
    "in-the-source-77", "env-secret-55-value", "ghp_abcdefghijklmnopqrstuvwxyz0123",
)  # fmt: skip


def test_a_planted_secret_is_in_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_TOKEN", "env-secret-55-value")
    namespace = {
        "api_key": "sk-planted-0123456789abcdef",
        "PASSWORD": b"correct-horse-7-battery",
        "copy_of_it": "first correct-horse-7-battery last",
        "config": {"db": {"password": "nested-secret-4711"}, "seen": ["nested-secret-4711"]},
        "account": Account(),
        "url": "postgres://ada:pw-in-url-99@db/prod",
        "connect": connect,
        "text": "token ghp_abcdefghijklmnopqrstuvwxyz0123 and env-secret-55-value",
        "rows": pd.DataFrame({"token": ["tok-Zx81-deadbeef-0042"] * 3, "n": [1, 2, 3]}),
        "environ": dict(os.environ),
    }

    shown = looked(
        namespace, *namespace, "config['db']", "config['db']['password']", "account.auth_token", "rows['token']"
    )

    assert [secret for secret in PLANTED if secret in shown] == []
    assert "api_key: str (secret: only its type is shown)" in shown


def test_tables_come_first_and_large_answers_are_cut() -> None:
    namespace: dict[str, Any] = {f"n{number}": number for number in range(700)}
    namespace["sales"] = pd.DataFrame({"month": ["Jan"], "revenue": [1.0]})

    lines = list_variables(namespace, list(namespace), SecretFilter(namespace, Redactor())).split("\n")

    assert lines[0].startswith("sales: pandas.DataFrame, 1 rows × 2 columns")
    assert lines[-1] == "… and 201 more; ask for a part with pattern."
    part = list_variables(namespace, list(namespace), SecretFilter(namespace, Redactor()), "n69?")
    assert part.split("\n")[0] == "n690: int = 690"


def test_a_table_shows_columns_and_rows() -> None:
    frame = pd.DataFrame({"month": ["Jan", "Feb", None] * 10, "revenue": np.arange(30.0), "when": pd.NaT})

    shown = inspect_variable({"frame": frame}, "frame", SecretFilter({}, Redactor()))

    assert "| month | " in shown
    assert "| revenue | float64 | 0 | 30 | 0 | 14.5 | 29 |" in shown
    assert "5 rows from the middle" in shown


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (pd.Series([1, None, 3], name="q"), "| q | float64 | 1 | 2 |"),
        (np.array([[1.0, np.nan]]), "1 of 2 are not finite"),
        (np.zeros((0, 3)), "shape (0, 3)"),
        ({"a": 1, "b": [1, 2]}, "'b': [1, 2]"),
        ([], "0 items"),
        ("x" * 10_000, "10,000 characters; the first 3,000"),
        (sqlite3, "version" if hasattr(sqlite3, "__version__") else "names:"),
        (len, "len(obj, /)"),
        (connect, "def connect()"),
        (types.SimpleNamespace(a=1), "a: 1"),
        (pd.DataFrame(), "0 rows × 0 columns"),
        (pd.DataFrame({1: [1], (2, "x"): [2]}), "| (2, 'x') |"),
        (pd.DataFrame({"a": [1]}, index=pd.MultiIndex.from_tuples([("x", 1)])), "MultiIndex"),
        (pd.DataFrame([[1, 2]], columns=["same", "same"]), "| same | int64 |"),
        (pd.Categorical(["a", "b"]), "Categorical"),
        (2**5000, "int of 5,001 bits"),
    ],
)
def test_known_values_are_described(value: Any, said: str) -> None:
    assert said in inspect_variable({"value": value}, "value", SecretFilter({}, Redactor()))


@pytest.mark.parametrize("make", [pl.DataFrame, pa.table])
def test_tables_of_polars_and_pyarrow_are_described(make: Any) -> None:
    table = make({"month": ["Jan", "Feb"], "revenue": [1.5, None]})

    shown = inspect_variable({"table": table}, "table", SecretFilter({}, Redactor()))

    assert "2 rows × 2 columns" in shown
    assert "| 'Jan' | 1.5 |" in shown


def test_hostile_sizes_cost_little() -> None:
    """A text of a gigabyte, a hundred thousand columns, a list of a million: looked at in part."""
    namespace = {
        "text": "x" * 10**9,
        "wide": pd.DataFrame(np.zeros((2, 100_000))),
        "items": list(range(10**6)),
        "deep": _nested(2000),
    }
    began = time.process_time()

    shown = looked(namespace)

    assert len(shown) < 300_000
    assert time.process_time() - began < 30  # a guard against looking at all of it; a good run takes a second


def _nested(depth: int) -> list[Any]:
    made: list[Any] = []
    for _ in range(depth):
        made = [made]
    return made


def test_looking_stands_a_namespace_that_changes() -> None:
    """Another thread adds and removes meanwhile."""
    namespace: dict[str, Any] = {"items": {number: number for number in range(1000)}}
    stop = threading.Event()

    def change() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            namespace["items"][number] = number
            namespace["items"].pop(number - 500, None)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(200):
            looked(dict(namespace))
    finally:
        stop.set()
        thread.join()


def test_fingerprints_differ_when_data_changes_in_place() -> None:
    frame, array, items = pd.DataFrame({"a": range(10)}), np.arange(10), [1, 2]
    before = [fingerprint(value) for value in (frame, array, items)]

    assert [fingerprint(value) for value in (frame, array, items)] == before
    frame.loc[3, "a"] = 99
    array[0] = 5
    items.append(3)
    after = [fingerprint(value) for value in (frame, array, items)]
    assert all(old != new for old, new in zip(before, after, strict=True))
