"""`df.claude.map`: the map as a method of DataFrames and Series, of pandas and of polars.

`register` adds it to what is imported already; importing this module does so too. The magics do it after each cell,
so that a notebook that has loaded the extension has it from the cell on that follows `import pandas`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from claude_magic.batch.run import MapRun

NAME = "claude"
Begin = Callable[..., "MapRun"]
"""Begins a map, as `ClaudeClient.map` does."""


def _begin_plainly(data: Any, prompt: str, schema: Any = None, **options: Any) -> MapRun:
    from claude_magic.blocking import get_client  # for the first map, not for `%load_ext`

    return get_client().map(data, prompt, schema, **options)


_begin: Begin = _begin_plainly


class ClaudeAccessor:
    """Claude over the rows of a DataFrame or Series.

    Args:
        data: it.
    """

    def __init__(self, data: Any) -> None:
        self._data = data

    def map(self, prompt: str, schema: Any = None, **options: Any) -> MapRun:
        """Send one prompt for each row; `AsyncClaudeClient.map` says what the arguments are.

        Example::

            import pandas as pd
            import claude_magic.batch.accessor

            reviews = pd.DataFrame({"text": ["Great!", "Never again."]})
            reviews.join(reviews.claude.map("Is this review good or bad? {text}").result())

        Args:
            prompt: the prompt; `{column}` is the value of a column.
            schema: the answer must fit it; its fields become columns.
            options: as for `ClaudeClient.map`.

        Returns:
            The run, which has begun.

        Raises:
            ValueError: an argument makes no sense, or the prompt names a column that does not exist.
        """
        return _begin(self._data, prompt, schema, **options)


def use(begin: Begin | None) -> None:
    """Have maps begun in another way, such as with a notebook's settings; `None` is by the kernel's client."""
    global _begin
    _begin = begin or _begin_plainly


def register() -> None:
    """Add `claude` to DataFrames and Series of pandas and polars, as far as these are imported by now."""
    if (pandas := sys.modules.get("pandas")) is not None and hasattr(pandas, "api"):
        for kind, add in (
            (pandas.DataFrame, pandas.api.extensions.register_dataframe_accessor),
            (pandas.Series, pandas.api.extensions.register_series_accessor),
        ):
            if not hasattr(kind, NAME):
                add(NAME)(ClaudeAccessor)
    if (polars := sys.modules.get("polars")) is not None and hasattr(polars, "api"):
        for kind, add in (
            (polars.DataFrame, polars.api.register_dataframe_namespace),
            (polars.Series, polars.api.register_series_namespace),
        ):
            if not hasattr(kind, NAME):
                add(NAME)(ClaudeAccessor)


register()
