"""`ContextUsage`: what fills the model's window, in one look, which is a table too."""

from __future__ import annotations

from html import escape
from typing import Any, ClassVar

import pandas as pd

from claude_magic.lenient import count, mappings, string
from claude_magic.records.summary import html_table, text_table


class ContextUsage(pd.DataFrame):
    """What fills the window of a session, as a table: `category`, `tokens`, `share` of the window."""

    # Names of attributes that are not columns, as pandas wants them said.
    _metadata: ClassVar[list[str]] = ["headline"]
    headline: str

    @property
    def _lines(self) -> list[list[str]]:
        rows = pd.DataFrame(self).itertuples(index=False)
        head = ["what", "tokens", "of the window"]
        return [head, *([str(row.category), f"{row.tokens:,}", f"{row.share:.1%}"] for row in rows)]

    def __repr__(self) -> str:
        return f"{self.headline}\n{text_table(self._lines)}"

    def _repr_html_(self) -> str:
        return f"<div><p><strong>{escape(self.headline)}</strong></p>{html_table(self._lines)}</div>"


def usage_table(session: str, usage: dict[str, Any]) -> ContextUsage:
    """Return the table of what the CLI says of a window.

    Args:
        session: name of the session.
        usage: the answer to `get_context_usage`.
    """
    size = max(1, count(usage.get("maxTokens")))
    rows = [(string(one.get("name")), count(one.get("tokens"))) for one in mappings(usage.get("categories"))]
    made = ContextUsage(
        {
            "category": pd.array([name for name, _ in rows], dtype="string"),
            "tokens": pd.array([tokens for _, tokens in rows], dtype="Int64"),
            "share": [tokens / size for _, tokens in rows],
        }
    )
    used = count(usage.get("totalTokens"))
    made.headline = f"{session}: {used:,} of {size:,} tokens ({used / size:.0%}), {string(usage.get('model'))}"
    return made
