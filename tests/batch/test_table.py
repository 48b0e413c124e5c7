"""The data of a map and its result: index, order and kind are kept, whatever they are."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pandas as pd
import polars
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch.maps import PaidCLIs


async def mapped(data: Any, prompt: str, store: Path, **options: Any) -> Any:
    client, run = PaidCLIs().map(data, prompt, store, **options)
    async with client:
        return await run


_VALUES = st.one_of(st.none(), st.integers(-9, 9), st.floats(allow_nan=True), st.text(max_size=3), st.booleans())
_LABELS = st.one_of(
    st.integers(0, 2), st.text(max_size=2), st.none(),
    st.datetimes(min_value=pd.Timestamp(1990, 1, 1), max_value=pd.Timestamp(2030, 1, 1)),
)  # fmt: skip


@settings(max_examples=30)
@given(rows=st.lists(st.tuples(_LABELS, _LABELS, _VALUES), max_size=6), has_levels=st.booleans())
def test_index_and_order_are_those_of_the_data(rows: list[Any], has_levels: bool, tmp_path_factory: Any) -> None:
    """Duplicate labels, several levels, missing values, an empty frame."""
    labels = [(one, two) if has_levels else one for one, two, _ in rows]
    index = pd.MultiIndex.from_tuples(labels) if has_levels and labels else pd.Index(labels, dtype=object)
    data = pd.DataFrame({"v": pd.Series([value for *_, value in rows], dtype=object).to_numpy()}, index=index)

    result = asyncio.run(mapped(data, "Row {v}.", tmp_path_factory.mktemp("store") / "rows.sqlite"))

    pd.testing.assert_index_equal(result.index, data.index)
    assert set(result["_status"]) <= {"done", "cached"}
    assert result["text"].notna().all()


async def test_categories_timestamps_and_nullable_columns(tmp_path: Path) -> None:
    """Values of every dtype read well."""
    data = pd.DataFrame(
        {
            "c": pd.Categorical(["a", None]),
            "t": pd.to_datetime(["2026-01-31", None]),
            "i": pd.array([1, None], dtype="Int64"),
            "s": pd.array(["x", None], dtype="string"),
        }
    )

    result = await mapped(data, "<{c}|{t}|{i}|{s}>", tmp_path / "rows.sqlite")

    assert result["text"].tolist() == ["echo: <a|2026-01-31 00:00:00|1|x>", "echo: <|||>"]


async def test_names_of_index_levels_are_columns(tmp_path: Path) -> None:
    """After a groupby, what one wants to name is in the index."""
    data = pd.Series([1, 2], name="n", index=pd.Index(["x", "y"], name="city"))

    result = await mapped(data, "{city}: {n}", tmp_path / "rows.sqlite")

    assert result["text"].to_dict() == {"x": "echo: x: 1", "y": "echo: y: 2"}


async def test_polars_comes_back_as_polars(tmp_path: Path) -> None:
    """With its own dtypes."""
    result = await mapped(polars.DataFrame({"v": ["a", None], "l": [[1], [2]]}), "{v}{l}", tmp_path / "rows.sqlite")

    assert isinstance(result, polars.DataFrame)
    assert result["text"].to_list() == ["echo: a[1]", "echo: [2]"]
    assert result.schema["_attempts"] == polars.Int64
    assert (await mapped(polars.Series(["a"]), "{value}!", tmp_path / "b.sqlite"))["text"].to_list() == ["echo: a!"]


async def test_a_list_comes_back_as_a_list(tmp_path: Path) -> None:
    """One dict per row, `None` for what is missing."""
    result = await mapped(["a", "b"], "{value}", tmp_path / "rows.sqlite")
    named = await mapped([{"x": 1}, {"y": 2}], "{x}/{y}", tmp_path / "rows.sqlite")

    assert [(row["text"], row["_status"], row["_error"]) for row in result] == [
        ("echo: a", "done", None),
        ("echo: b", "done", None),
    ]
    assert [row["text"] for row in named] == ["echo: 1/", "echo: /2"]
    assert await mapped([], "{value}", tmp_path / "rows.sqlite") == []


@pytest.mark.parametrize("data", [3, "text", {"a": [1]}, None])
async def test_what_is_not_data_is_said(data: Any, tmp_path: Path) -> None:
    """In one sentence."""
    with pytest.raises(ValueError, match="takes a DataFrame or a Series of pandas or polars, or a list"):
        await mapped(data, "{a}", tmp_path / "rows.sqlite")


async def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    """Which one was meant is not known."""
    with pytest.raises(ValueError, match="Two columns have the name 'a'"):
        await mapped(pd.DataFrame([[1, 2]], columns=["a", "a"]), "{a}", tmp_path / "rows.sqlite")
