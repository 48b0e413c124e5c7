"""DataFrames as Markdown: columns, types, gaps and the first rows."""

from __future__ import annotations

from typing import Any

_LONGEST_CELL = 200


def is_frame(value: Any) -> bool:
    """Whether a value is a DataFrame (of pandas, or of a library with the same shape and head)."""
    is_named_so = any(kind.__name__ == "DataFrame" for kind in type(value).__mro__)
    return is_named_so and not isinstance(value, type) and hasattr(value, "shape") and hasattr(value, "head")


def is_series(value: Any) -> bool:
    """Whether a value is a Series, which can be a DataFrame of one column."""
    is_named_so = any(kind.__name__ == "Series" for kind in type(value).__mro__)
    return is_named_so and not isinstance(value, type) and hasattr(value, "to_frame")


def frame_text(frame: Any, rows: int, longest: int) -> str:
    """Return the columns of a DataFrame and a sample: what one needs to write code for it without seeing all of it.

    Args:
        frame: the DataFrame.
        rows: how many rows to show.
        longest: characters that the columns may take; where they would take more, those that come first are named.
    """
    sample = f"First {min(rows, frame.shape[0])} rows:\n\n{frame_markdown(frame, rows)}"
    return "\n\n".join(filter(None, [_columns(frame, longest), sample]))


def _columns(frame: Any, longest: int) -> str:
    """Return the columns of a DataFrame with types and numbers of missing values, as a Markdown table."""
    if hasattr(frame, "isna"):
        missing = frame.isna().sum().tolist()
    elif hasattr(frame, "null_count"):
        missing = list(frame.null_count().row(0))  # as polars counts them
    else:
        return ""
    lines = ["| column | dtype | missing |", "| --- | --- | --- |"]
    left = longest
    facts = list(zip(frame.columns, map(str, frame.dtypes), missing, strict=True))
    for number, (name, kind, gap) in enumerate(facts):
        line = f"| {table_cell(name)} | {kind} | {gap:,} |"
        left -= len(line) + 1
        if left < 0:
            return "\n".join([*lines, "", f"… and {len(facts) - number:,} more columns"])
        lines.append(line)
    return "\n".join(lines)


def frame_markdown(frame: Any, rows: int = 5) -> str:
    """Return the first rows of a DataFrame as a Markdown table, its index first where it has a meaning.

    Args:
        frame: the DataFrame.
        rows: how many rows.
    """
    head = frame.head(rows)
    if hasattr(head, "reset_index") and not _is_plain_index(frame):
        head = head.reset_index(allow_duplicates=True)
    columns = [table_cell(name) for name in head.columns]
    # Row by row: an array would have one type for all columns, and show 1 as 1.0.
    records = list(head.itertuples(index=False, name=None) if hasattr(head, "itertuples") else head.rows())
    lines = [columns, ["---"] * len(columns), *([table_cell(value) for value in record] for record in records)]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    left = frame.shape[0] - len(records)
    return f"{table}\n\n… and {left:,} more rows" if left > 0 else table


def _is_plain_index(frame: Any) -> bool:
    return type(frame.index).__name__ == "RangeIndex" and frame.index.name is None


def table_cell(value: Any) -> str:
    """Return a value as the text of a cell of a Markdown table."""
    text = " ".join(str(value).split())
    return (text if len(text) <= _LONGEST_CELL else text[: _LONGEST_CELL - 1] + "…").replace("|", "\\|")
