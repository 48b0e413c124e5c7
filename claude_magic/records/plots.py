"""Frames as pictures: cost, tokens, tools and time. Needs matplotlib (extra `plots`).

Every function takes frames, draws on the given Axes or on new ones, and returns them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd
from dateutil.tz import tzlocal  # type: ignore[import-untyped]  # publishes no types

from claude_magic.records.drawing import (
    BLUE,
    DAY_S,
    GREEN,
    INK,
    OCHRE,
    PURPLE,
    RED,
    axes,
    by_model,
    date_numbers,
    dated,
    filled,
    floats,
    legend,
    named_rows,
    nothing_yet,
    number_ticks,
    steps,
)
from claude_magic.records.spans import KIND_WORDS
from claude_magic.records.summary import FAILED, TOKENS_READ, tool_failures

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_ROWS = 40
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_SHORTEST_SHARE = 0.005
"""Stretches that take less of a turn than this cannot be seen in its waterfall."""
_LOOKS = {
    "queue": (INK, "...."),
    "spawn": (INK, "////"),
    "model": (BLUE, "...."),
    "thinking": (PURPLE, "xxxx"),
    "text": (BLUE, ""),
    "tool": (GREEN, "////"),
    "person": (RED, "----"),
    "rest": (BLUE, ""),
}
"""Colour and hatch of what the time of a turn goes to; `rest` is what session files do not tell apart."""


class PlotFrames(Protocol):
    """What has the frames: a client's `frames`, or `Transcripts`. Its `spans()` is used if it has one."""

    def turns(self) -> pd.DataFrame:
        """One row per turn."""

    def tools(self) -> pd.DataFrame:
        """One row per tool use."""


class Plots:
    """What happened, as pictures. Each method draws on `ax`, or on new Axes, and returns them.

    Args:
        frames: where the facts come from.
    """

    def __init__(self, frames: PlotFrames) -> None:
        self._frames = frames

    def cost(self, *, ax: Axes | None = None) -> Axes:
        """Draw what was spent over time, by model, added up."""
        return cost(self._frames.turns(), ax)

    def tokens(self, *, ax: Axes | None = None) -> Axes:
        """Draw the tokens read and written over time, by model, added up."""
        return tokens(self._frames.turns(), ax)

    def cache_hits(self, *, ax: Axes | None = None) -> Axes:
        """Draw how much of what each turn read came from the prompt cache."""
        return cache_hits(self._frames.turns(), ax)

    def waterfall(self, turn_id: str | None = None, *, ax: Axes | None = None) -> Axes:
        """Draw what the time of one turn went to.

        Args:
            turn_id: the turn; `None` is the last one.
            ax: where to draw.

        Raises:
            ValueError: there is no such turn.
        """
        spans = getattr(self._frames, "spans", None)
        found = spans() if spans is not None else spans_of(self._frames.tools())
        return waterfall(self._frames.turns(), found, turn_id, ax)

    def tool_durations(self, *, ax: Axes | None = None) -> Axes:
        """Draw how long each use of each tool took."""
        return tool_durations(self._frames.tools(), ax)

    def tool_errors(self, *, ax: Axes | None = None) -> Axes:
        """Draw how often each tool failed or was denied."""
        return tool_errors(self._frames.tools(), ax)

    def timeline(self, *, ax: Axes | None = None) -> Axes:
        """Draw the sessions side by side, with each of their turns."""
        return timeline(self._frames.turns(), ax)

    def activity(self, *, ax: Axes | None = None) -> Axes:
        """Draw how many turns began at which hour of which weekday."""
        return activity(self._frames.turns(), ax)


# Over time.


def cost(turns: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw what was spent over time, by model, added up."""
    ax = axes(ax, "Cost by model", y="US dollars, added up")
    known = turns.dropna(subset=["started", "cost_usd"])
    if known.empty:
        return nothing_yet(ax)
    for name, rows, look in by_model(known):
        steps(ax, rows["started"], rows["cost_usd"], f"{name}: ${rows['cost_usd'].sum():,.4f}", look)
    number_ticks(ax.yaxis, lambda value: f"${value:,.6g}")
    ax.margins(y=0.2)
    ax.set_ylim(bottom=0)
    return legend(dated(ax))


def tokens(turns: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the tokens read and written over time, by model, added up."""
    ax = axes(ax, "Tokens by model", y="tokens, added up (log scale)")
    known = turns.assign(read=floats(turns[TOKENS_READ]).sum(axis=1), written=floats(turns["output_tokens"]))
    known = known[(known["read"] + known["written"] > 0) & known["started"].notna()]
    if known.empty:
        return nothing_yet(ax)
    for name, rows, look in by_model(known):
        for column, style in (("read", "-"), ("written", ":")):
            label = f"{name}, {column}: {rows[column].sum():,.0f}"
            steps(ax, rows["started"], rows[column], label, {**look, "linestyle": style})
    ax.set_yscale("log")
    number_ticks(ax.yaxis, lambda value: f"{value:,.0f}")
    return legend(dated(ax))


def cache_hits(turns: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw how much of what each turn read came from the prompt cache."""
    ax = axes(ax, "Read from the prompt cache", y="% of the tokens read")
    counts = floats(turns[TOKENS_READ])
    read = counts.sum(axis=1)
    known = turns.assign(share=100 * counts["cache_read_tokens"] / read.where(read > 0))
    known = known.dropna(subset=["started", "share"])
    if known.empty:
        return nothing_yet(ax)
    for name, rows, look in by_model(known):
        ax.plot(date_numbers(rows["started"]), rows["share"], label=f"{name}: a turn", **{**look, "linestyle": "none"})
    whole = 100 * counts["cache_read_tokens"].sum() / read.sum()
    ax.axhline(whole, color=INK, linestyle="--", label=f"all tokens together: {whole:.0f} %")
    ax.set_ylim(-5, 105)
    return legend(dated(ax))


def timeline(turns: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the sessions side by side, with each of their turns."""
    ax = axes(ax, "Sessions and their turns")
    known = turns.dropna(subset=["started"]).sort_values("started")
    if known.empty:
        return nothing_yet(ax)
    groups = list(known.groupby("session", sort=False))
    shown = groups[-_MOST_ROWS:]
    for place, (_, rows) in enumerate(shown):
        begins, lengths = date_numbers(rows["started"]), floats(rows["duration_s"]).to_numpy() / DAY_S
        failed = rows["outcome"].isin(FAILED).to_numpy()
        for which, colour, hatch, marker in ((~failed, BLUE, "", "|"), (failed, RED, "xxxx", "X")):
            look = {**filled(colour, hatch), "facecolor": f"{colour}40"}  # so that neighbours can be told apart
            ax.barh([place] * which.sum(), lengths[which], left=begins[which], height=0.5, **look)
            ax.plot(begins[which], [place] * which.sum(), marker, color=colour, markersize=9)
    named_rows(ax, [f"{name} ({len(rows)})" for name, rows in shown])
    left_out = f"; the last {len(shown)} of {len(groups)}" if len(shown) < len(groups) else ""
    ax.set_ylabel(f"session (turns){left_out}", color=INK)
    for colour, marker, label in ((BLUE, "|", "a turn, as long as it took"), (RED, "X", "one that failed")):
        ax.plot([], [], marker, color=colour, label=label)
    return legend(dated(ax), above=True)


def activity(turns: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw how many turns began at which hour of which weekday, by the clock of this machine."""
    ax = axes(ax, "When turns begin", x="hour of the day")
    times = turns["started"].dropna()
    if times.empty:
        return nothing_yet(ax)
    local = times.dt.tz_convert(tzlocal())
    counts = local.groupby([local.dt.day_of_week.rename("day"), local.dt.hour.rename("hour")]).size()
    days, hours = (counts.index.get_level_values(name).to_numpy() for name in ("day", "hour"))
    ax.scatter(hours, days, s=300 * counts / counts.max(), color=BLUE, linewidth=0)
    for day, hour, number in zip(days, hours, counts, strict=True):
        ax.annotate(str(number), (hour, day), xytext=(0, 10), textcoords="offset points", ha="center", color=INK)
    named_rows(ax, _WEEKDAYS)
    ax.set_ylim(6.7, -0.7)
    ax.set_xlim(-0.7, 23.7)
    ax.set_xticks(range(0, 24, 2))
    ax.set_ylabel("dot and number: turns", color=INK)
    return ax


# Tools, and the time of one turn.


def tool_durations(tools: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw how long each use of each tool took; the slowest tool, by its median, on top."""
    ax = axes(ax, "How long tools take", x="seconds")
    known = tools.dropna(subset=["name", "duration_s"])
    if known.empty:
        return nothing_yet(ax)
    medians = known.groupby("name")["duration_s"].median().sort_values(ascending=False).head(_MOST_ROWS)
    for place, (name, median) in enumerate(medians.items()):
        took = known.loc[known["name"] == name, "duration_s"]
        ax.plot(took, [place] * len(took), "o", color=BLUE, alpha=0.6, markersize=6, linestyle="none")
        ax.plot([median], [place], "|", color=RED, markersize=22, markeredgewidth=2.5)
        text = f"{median:.2g} s"
        ax.annotate(text, (median, place), xytext=(0, 13), textcoords="offset points", ha="center", color=INK)
    uses = known["name"].value_counts()
    named_rows(ax, [f"{name} ({uses[name]})" for name in medians.index])
    ax.set_ylabel("tool (uses)", color=INK)
    spread = known.loc[known["duration_s"] > 0, "duration_s"]
    if len(spread) and spread.max() > 50 * spread.min():
        ax.set_xscale("log")
    else:
        ax.set_xlim(left=0)
    number_ticks(ax.xaxis, lambda value: f"{value:g}")
    ax.plot([], [], "o", color=BLUE, alpha=0.6, label="one use")
    ax.plot([], [], "|", color=RED, markersize=12, markeredgewidth=2.5, label="median")
    return legend(ax, above=True)


def tool_errors(tools: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw how often each tool failed or was denied; the worst on top."""
    ax = axes(ax, "How often tools fail", x="% of their uses")
    known = tools.dropna(subset=["name"])
    if known.empty:
        return nothing_yet(ax)
    table = tool_failures(known).head(_MOST_ROWS)
    places = np.arange(len(table))
    failed, denied = (100 * (table[name] / table["uses"]).to_numpy(dtype="float64") for name in ("failed", "denied"))
    ax.barh(places, failed, height=0.55, label="failed", **filled(RED, "////"))
    ax.barh(places, denied, height=0.55, left=failed, label="denied", **filled(OCHRE, "...."))
    for place, row in enumerate(_each(table)):
        text = f" {row.failed} of {row.uses} failed" + (f", {row.denied} denied" if row.denied else "")
        ax.annotate(text, (failed[place] + denied[place], place), va="center", color=INK)
    named_rows(ax, table["name"])
    ax.set_ylabel("tool", color=INK)
    ax.set_xlim(0, 135)  # the words stand beside the longest bar
    ax.set_xticks(range(0, 101, 20))
    return legend(ax, above=True)


def waterfall(turns: pd.DataFrame, spans: pd.DataFrame, turn_id: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw what the time of one turn went to.

    Args:
        turns: one row per turn.
        spans: one row per stretch of time, as `frames.spans()` has them.
        turn_id: the turn; `None` is the last one.
        ax: where to draw.

    Raises:
        ValueError: there is no such turn.
    """
    known = turns.dropna(subset=["started", "turn_id"])
    chosen = known.tail(1) if turn_id is None else known[known["turn_id"] == turn_id]
    if chosen.empty and turn_id is not None:
        raise ValueError(f"There is no turn {turn_id!r}; `turns()` lists those there are.")
    if chosen.empty:
        return nothing_yet(axes(ax, "Where the time of a turn went"))
    turn = chosen.iloc[-1]
    number = "" if pd.isna(turn["turn"]) else f", turn {turn['turn']}"
    stretches = _stretches(turn, spans)
    lengths = stretches["duration_s"]
    visible = lengths[lengths >= _SHORTEST_SHARE * lengths.sum()]
    longest = stretches.loc[visible.nlargest(_MOST_ROWS).index].sort_index()
    height = 1.4 + 0.3 * len(longest)
    ax = axes(ax, f"Where the time went: {turn['session']}{number}", x="seconds from the prompt on", height=height)
    for place, one in enumerate(_each(longest)):
        ax.barh(place, one.duration_s, left=one.begin_s, height=0.7, **filled(*_LOOKS[one.kind]))
        ax.annotate(f" {one.duration_s:.2g} s", (one.begin_s + one.duration_s, place), va="center", color=INK)
    named_rows(ax, [_span_label(one.kind, one.name) for one in _each(longest)])
    if len(longest) < len(stretches):
        ax.set_ylabel(f"the {len(longest)} longest of {len(stretches)}", color=INK)
    ax.set_xlim(0, 1.15 * (longest["begin_s"] + longest["duration_s"]).max())
    return ax


def spans_of(tools: pd.DataFrame) -> pd.DataFrame:
    """Return what tool uses alone say of the time, in the shape of `frames.spans()`; for frames that have no spans."""
    main = tools[tools["parent_tool_use_id"].isna() & tools["duration_s"].notna()]
    return main[["session", "turn", "turn_id", "name", "started", "duration_s"]].assign(kind="tool")


def _stretches(turn: Any, spans: pd.DataFrame) -> pd.DataFrame:
    """Return kind, name, begin_s and duration_s of a turn's stretches, in order; seconds from its first moment."""
    own = spans[spans["turn_id"] == turn["turn_id"]]
    origin = min([turn["started"], *own["started"]])
    rows = [
        (one.kind, "" if pd.isna(one.name) else one.name, (one.started - origin).total_seconds(), one.duration_s)
        for one in _each(own)
    ]
    if all(kind == "tool" for kind, *_ in rows):
        end = (turn["started"] - origin).total_seconds() + _or_zero(turn["duration_s"])
        rows += [("rest", "", begin, length) for begin, length in _gaps(rows, end)]
    rows.sort(key=lambda row: (row[2], -row[3]))
    return pd.DataFrame(rows, columns=["kind", "name", "begin_s", "duration_s"])


def _gaps(rows: list[tuple[str, str, float, float]], end: float) -> Iterator[tuple[float, float]]:
    """Yield begin and length of the time from 0 to `end` in which none of the rows is."""
    at = 0.0
    for begin, length in sorted((row[2], row[3]) for row in rows):
        if begin > at:
            yield at, begin - at
        at = max(at, begin + length)
    if end > at or not rows:
        yield at, max(0.0, end - at)


def _span_label(kind: str, name: str) -> str:
    if kind == "tool":
        return name
    text = KIND_WORDS.get(kind, "the model")
    return f"{text} ({name})" if name else text


def _each(frame: pd.DataFrame) -> Iterator[Any]:
    return frame.itertuples()


def _or_zero(value: Any) -> float:
    return 0.0 if pd.isna(value) else float(value)
