"""`Summary`: turns, tools and time in one look, which is a table too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, ClassVar

import pandas as pd

from claude_magic.records.spans import KIND_WORDS

FAILED = ("error", "timeout")
TOKENS_READ = ["input_tokens", "cache_read_tokens", "cache_write_tokens"]
"""Columns of the turns that add up to what the model read, as `Usage.total_input_tokens` does."""
_SUMS = [*TOKENS_READ, "output_tokens", "cost_usd", "duration_s"]
_BLOCKS = "▁▂▃▄▅▆▇█"
_EIGHTHS = ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")
_SHORTEST_S = 0.05
"""What took less would be told as 0.0 seconds."""
_WIDEST_BAR, _MOST_TURNS, _MOST_ROWS = 24, 24, 12


class Summary(pd.DataFrame):
    """One row per session, shown as a summary of all of them; what is made from it is a plain DataFrame.

    Shown are the dearest sessions and the tools that failed most, 12 of each, and the sums of the others.

    Columns: session, turns, failed, tool_uses, tools_failed, the tokens, cost_usd, duration_s (of all its turns), p50_s
    and p95_s (of one turn). `summary` makes it.

    Attributes:
        by_tool: one row per tool: name, uses, failed, denied, p50_s (median, in seconds).
        by_kind: one row per kind of time: kind, duration_s (of all turns), share (0 to 1).
    """

    # Names of attributes that are not columns, as pandas wants them said.
    _metadata: ClassVar[list[str]] = ["_turns", "by_tool", "by_kind"]
    _turns: pd.DataFrame
    by_tool: pd.DataFrame
    by_kind: pd.DataFrame

    @property
    def headline(self) -> str:
        """The whole in one line."""
        turns = self._turns
        if turns.empty:
            return "No turn yet."
        failed, estimated = int(self["failed"].sum()), int(turns["estimated"].sum())
        median, most = turns["duration_s"].median(), float(turns["duration_s"].quantile(0.95))
        parts = [
            ", ".join(
                [_plural(len(turns), "turn"), _plural(len(self), "session"), *([f"{failed} failed"] if failed else [])]
            ),
            f"${turns['cost_usd'].sum():,.4f}" + (f" ({estimated} estimated)" if estimated else ""),
            f"{_seconds(median)} a turn, 95 % within {_seconds(most)}",
            f"{_plural(int(self['tool_uses'].sum()), 'tool use')}",
        ]
        simulated = int(turns["simulated"].sum())
        if simulated:
            parts.append("simulated" if simulated == len(turns) else f"{simulated} simulated")
        return " · ".join(parts)

    def __repr__(self) -> str:
        blocks = [self.headline]
        blocks += [text_table(rows) for rows in self._tables() if len(rows) > 1]
        return "\n\n".join(blocks)

    def _repr_html_(self) -> str:
        tables = "".join(html_table(rows) for rows in self._tables() if len(rows) > 1)
        return f"<div><p><strong>{escape(self.headline)}</strong></p>{tables}</div>"

    def _tables(self) -> list[list[list[str]]]:
        """What is shown: tables as rows of words, their heads first."""
        return [self._session_rows(), self._kind_rows(), self._tool_rows()]

    def _session_rows(self) -> list[list[str]]:
        rows = [["session", "turns", "failed", "tokens in", "out", "cost", "median", "cost of each turn"]]
        table = pd.DataFrame(self).assign(read=self[TOKENS_READ].sum(axis=1))
        table["tokens"] = table["read"] + table["output_tokens"]
        dearest = table.sort_values(["cost_usd", "tokens"], ascending=False, kind="stable")
        for one in _each(dearest.head(_MOST_ROWS)):
            costs = self._turns.loc[self._turns["session"] == one.session, "cost_usd"].tail(_MOST_TURNS)
            rows.append([one.session, *_session_sums(one), _seconds(one.p50_s), spark(costs)])
        rest = dearest.iloc[_MOST_ROWS:]
        if len(rest):
            sums = rest[["turns", "failed", "read", "output_tokens", "cost_usd"]].sum()
            rows.append([_more(rest), *_session_sums(sums), "", ""])
        return rows

    def _kind_rows(self) -> list[list[str]]:
        rows = [["time", "seconds", "share", ""]]
        for one in _each(self.by_kind[self.by_kind["duration_s"] >= _SHORTEST_S]):
            text = KIND_WORDS.get(one.kind, one.kind)
            rows.append([text, f"{one.duration_s:,.1f}", f"{100 * one.share:.0f} %", bar(one.share)])
        return rows

    def _tool_rows(self) -> list[list[str]]:
        rows = [["tool", "uses", "failed", "denied", "median", "share that failed"]]
        for one in _each(self.by_tool.head(_MOST_ROWS)):
            numbers = [f"{one.uses:,}", f"{one.failed:,}", f"{one.denied:,}", _seconds(one.p50_s)]
            rows.append([one.name, *numbers, bar(one.failed / one.uses)])
        rest = self.by_tool.iloc[_MOST_ROWS:]
        if len(rest):
            uses, failed, denied = rest[["uses", "failed", "denied"]].sum()
            rows.append([_more(rest), f"{uses:,}", f"{failed:,}", f"{denied:,}", "", bar(failed / uses)])
        return rows


def summary(turns: pd.DataFrame, tools: pd.DataFrame, spans: pd.DataFrame) -> Summary:
    """Return the summary of some turns.

    Args:
        turns: one row per turn, as `frames.turns()` has them.
        tools: one row per tool use in these turns.
        spans: one row per stretch of their time.
    """
    made = Summary(_by_session(turns, tools))
    made._turns, made.by_tool, made.by_kind = turns, _by_tool(tools), _by_kind(spans)
    return made


def spark(values: Iterable[float]) -> str:
    """Return numbers as a row of small bars, the highest one full."""
    known = [0.0 if pd.isna(value) else max(0.0, float(value)) for value in values]
    highest = max(known, default=0.0) or 1.0
    return "".join(_BLOCKS[round(value / highest * (len(_BLOCKS) - 1))] for value in known)


def bar(share: float) -> str:
    """Return a share of 1 as a bar, to an eighth of a character; what is more than nothing can be seen."""
    full, eighths = divmod(max(round(share * _WIDEST_BAR * 8), int(share > 0)), 8)
    return "█" * full + _EIGHTHS[eighths]


def tool_failures(tools: pd.DataFrame) -> pd.DataFrame:
    """Return one row per tool, the worst first: name, uses, failed, denied. What never ran did not fail."""
    denied = (tools["permission"] == "denied").fillna(False).astype("bool")
    stopped = (tools["permission"] == "stopped").fillna(False).astype("bool")
    failed = tools["is_error"].fillna(False).astype("bool") & ~denied & ~stopped
    rows = pd.DataFrame({"name": tools["name"], "uses": 1, "failed": failed, "denied": denied})
    table = rows.groupby("name")[["uses", "failed", "denied"]].sum().astype("int64").reset_index()
    table["share"] = table["failed"] / table["uses"]
    worst_first = table.sort_values(["share", "denied", "uses"], ascending=False)
    return worst_first.drop(columns="share").reset_index(drop=True)


def _by_tool(tools: pd.DataFrame) -> pd.DataFrame:
    medians = tools.groupby("name")["duration_s"].median()
    table = tool_failures(tools)
    return table.assign(p50_s=table["name"].map(medians).astype("float64"))


def _by_kind(spans: pd.DataFrame) -> pd.DataFrame:
    table = spans.groupby("kind")["duration_s"].sum().sort_values(ascending=False).reset_index()
    return table.assign(share=table["duration_s"] / (table["duration_s"].sum() or 1.0))


def _by_session(turns: pd.DataFrame, tools: pd.DataFrame) -> pd.DataFrame:
    groups = turns.assign(failed=turns["outcome"].isin(FAILED)).groupby("session", sort=False)
    durations = groups["duration_s"]
    uses = tools.groupby("session")["name"].size()
    broken = tools[tools["is_error"].fillna(False).astype("bool")].groupby("session")["name"].size()
    table = pd.DataFrame({"turns": groups.size(), "failed": groups["failed"].sum()}).astype("Int64").reset_index()
    for name, counts in (("tool_uses", uses), ("tools_failed", broken)):
        table[name] = table["session"].map(counts).fillna(0).astype("Int64")
    table = table.merge(groups[_SUMS].sum().reset_index(), on="session")
    spread = pd.DataFrame({"p50_s": durations.median(), "p95_s": durations.quantile(0.95)}).reset_index()
    return table.merge(spread, on="session")


def _session_sums(one: Any) -> list[str]:
    """Return turns, failed, tokens in, out and cost of a row, or of the sum of rows, in words."""
    counts = (one.turns, one.failed, one.read, one.output_tokens)
    return [*(f"{int(count):,}" for count in counts), f"${one.cost_usd:,.4f}"]


def _more(rest: pd.DataFrame) -> str:
    return f"and {len(rest):,} more"


def _each(frame: pd.DataFrame) -> Iterable[Any]:
    return pd.DataFrame(frame).itertuples(index=False)


def _seconds(value: float) -> str:
    return "-" if pd.isna(value) else f"{value:,.1f} s"


def _plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def text_table(rows: Sequence[Sequence[str]]) -> str:
    """Lay out rows of words: the first and the last column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others, last in rows:
        middle = [word.rjust(width) for word, width in zip(others, widths[1:-1], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *middle, last]).rstrip())
    return "\n".join(lines)


def html_table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of words as an HTML table, its head first, laid out as `text_table` does."""
    head, *body = rows
    line = "".join(_cell("th", word, place, len(head)) for place, word in enumerate(head))
    cells = ["".join(_cell("td", word, place, len(row)) for place, word in enumerate(row)) for row in body]
    lines = "".join(f"<tr>{row}</tr>" for row in cells)
    return f"<table><thead><tr>{line}</tr></thead><tbody>{lines}</tbody></table>"


def _cell(tag: str, word: str, place: int, width: int) -> str:
    side = "left" if place in (0, width - 1) else "right"
    return f'<{tag} style="text-align:{side}">{escape(word)}</{tag}>'
