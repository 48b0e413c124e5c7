"""Frames as pictures: cost, tokens, tools and time. The only module that needs matplotlib (extra `plots`).

Every function takes frames, draws on the given Axes or on new ones, and returns them. Lines, bars and words have colours
that can be read on white and on black alike, and differ in style, marker or hatch as well: so a picture is as good on
paper as on a dark page, whatever is behind it. Times are those of this machine's clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import cycle
from typing import Any, Protocol

import pandas as pd
from dateutil.tz import tzlocal

try:
    from matplotlib import dates, pyplot
    from matplotlib.axes import Axes
    from matplotlib.ticker import FuncFormatter, MaxNLocator
except ModuleNotFoundError as error:
    raise ImportError("The plots need matplotlib: pip install 'claude-magic[plots]'") from error

INK = "#757575"
"""Words, ticks and frames."""
BLUE, RED, GREEN, PURPLE, OCHRE = "#0072b2", "#d55e00", "#009070", "#b06090", "#a07800"
COLOURS = (BLUE, RED, GREEN, PURPLE, OCHRE)
"""Chosen after Okabe and Ito, to be told apart by the colour-blind, none too light for paper or too dark for a screen."""
_STYLES = ("-", "--", "-.", ":")
_MARKERS = ("o", "s", "^", "D", "v")
_NOTHING = "nothing yet"
_FAILED = ("error", "timeout")
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_TOKENS = ["input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens"]
_KINDS = {
    "queue": ("waiting for a process", INK, "...."),
    "spawn": ("starting the process", INK, "////"),
    "model": ("waiting for the model", BLUE, "...."),
    "thinking": ("thinking", PURPLE, "xxxx"),
    "text": ("writing", BLUE, ""),
    "tool": ("tool at work", GREEN, "////"),
    "person": ("waiting for a person", RED, "\\\\\\\\"),
    "other": ("model", BLUE, ""),
}
"""Kinds of spans: name, colour, hatch."""


class PlotFrames(Protocol):
    """What has the frames: a client's `frames`, or transcripts. A `spans()` is used where there is one."""

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

    def cost(self, ax: Axes | None = None) -> Axes:
        """Draw what was spent over time, by model, added up."""
        return cost(self._frames.turns(), ax)

    def tokens(self, ax: Axes | None = None) -> Axes:
        """Draw the tokens read and written over time, by model, added up."""
        return tokens(self._frames.turns(), ax)

    def cache_hits(self, ax: Axes | None = None) -> Axes:
        """Draw how much of each prompt came from the cache."""
        return cache_hits(self._frames.turns(), ax)

    def waterfall(self, turn_id: str | None = None, ax: Axes | None = None) -> Axes:
        """Draw what the time of one turn was spent on.

        Args:
            turn_id: the turn; `None` is the last one that ended.
            ax: where to draw.

        Raises:
            ValueError: there is no such turn.
        """
        return waterfall(self._frames.turns(), self._spans(), turn_id, ax)

    def tool_durations(self, ax: Axes | None = None) -> Axes:
        """Draw how long each tool took."""
        return tool_durations(self._frames.tools(), ax)

    def tool_errors(self, ax: Axes | None = None) -> Axes:
        """Draw how often each tool failed or was denied."""
        return tool_errors(self._frames.tools(), ax)

    def timeline(self, ax: Axes | None = None) -> Axes:
        """Draw the sessions side by side, with each of their turns."""
        return timeline(self._frames.turns(), ax)

    def activity(self, ax: Axes | None = None) -> Axes:
        """Draw how many turns began at which hour of which weekday."""
        return activity(self._frames.turns(), ax)

    def _spans(self) -> pd.DataFrame:
        recorded = getattr(self._frames, "spans", None)
        return recorded() if recorded is not None else spans_of_tools(self._frames.tools())


def cost(turns: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw what was spent over time, by model, added up; see `Plots.cost`."""
    ax = _axes(ax, "Cost by model", "", "US dollars, added up")
    known = turns.dropna(subset=["started", "cost_usd"])
    if known.empty:
        return _nothing(ax)
    for (name, rows), look in zip(_by_model(known), _looks(), strict=False):
        total = f"{name}: ${rows['cost_usd'].sum():,.4f}"
        _steps(ax, rows["started"], rows["cost_usd"].cumsum(), label=total, **look)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"${value:,.6g}"))
    ax.set_ylim(bottom=0)
    return _with_legend(_with_dates(ax))


def tokens(turns: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the tokens read and written over time, by model, added up; see `Plots.tokens`."""
    ax = _axes(ax, "Tokens by model", "", "tokens, added up (log scale)")
    known = turns.dropna(subset=["started"])
    counts = known[_TOKENS].astype("Float64").fillna(0).astype("float64")
    known = known.assign(read=counts[_TOKENS[:3]].sum(axis=1), written=counts["output_tokens"])
    known = known[known["read"] + known["written"] > 0]
    if known.empty:
        return _nothing(ax)
    for (name, rows), look in zip(_by_model(known), _looks(), strict=False):
        for column, style in (("read", "-"), ("written", ":")):
            label = f"{name}, {column}: {rows[column].sum():,.0f}"
            _steps(ax, rows["started"], rows[column].cumsum(), label=label, **{**look, "linestyle": style})
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter(FuncFormatter(_short))
    return _with_legend(_with_dates(ax))


def cache_hits(turns: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw how much of each prompt came from the cache; see `Plots.cache_hits`."""
    ax = _axes(ax, "Read from the cache", "", "share of the tokens read, %")
    counts = turns[_TOKENS[:3]].astype("Float64").fillna(0).astype("float64")
    read = counts.sum(axis=1)
    known = turns.assign(share=100 * counts["cache_read_tokens"] / read)[(read > 0) & turns["started"].notna()]
    if known.empty:
        return _nothing(ax)
    for (name, rows), look in zip(_by_model(known), _looks(), strict=False):
        look = {**look, "linestyle": "none"}
        ax.plot(_local(rows["started"]), rows["share"], label=f"{name}, one turn each", **look)
    whole = 100 * counts["cache_read_tokens"].sum() / read.sum()
    ax.axhline(whole, color=INK, linestyle="--", label=f"of all tokens: {whole:.0f} %")
    ax.set_ylim(-4, 104)
    return _with_legend(_with_dates(ax))


def waterfall(turns: pd.DataFrame, spans: pd.DataFrame, turn_id: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw what the time of one turn was spent on; see `Plots.waterfall`.

    Args:
        turns: one row per turn.
        spans: one row per stretch of time, as `frames.spans()` has it.
        turn_id: the turn; `None` is the last one that ended.
        ax: where to draw.

    Raises:
        ValueError: there is no such turn.
    """
    ax = _axes(ax, "Where the turn's time went", "seconds since the prompt was handed in", "")
    known = turns.dropna(subset=["started", "turn_id"])
    if turn_id is None and known.empty:
        return _nothing(ax)
    chosen = known[known["turn_id"] == turn_id] if turn_id is not None else known.iloc[-1:]
    if chosen.empty:
        raise ValueError(f"There is no turn {turn_id!r}; `frames.turns()` lists them.")
    turn = chosen.iloc[-1]
    own = _stretches(turn, spans)
    for place, span in enumerate(own.itertuples()):
        name, colour, hatch = _KINDS[str(span.kind)]
        label = name if pd.isna(span.name) else f"{span.name}: {name}"
        ax.barh(place, span.duration_s, left=span.offset_s, height=0.7, **_filled(colour, hatch))
        ax.annotate(f" {span.duration_s:.2g} s", (span.offset_s + span.duration_s, place), va="center", color=INK)
        own.loc[span.Index, "label"] = label
    ax.set_yticks(range(len(own)), list(own["label"]))
    ax.invert_yaxis()
    ax.margins(x=0.12)
    ax.set_xlim(left=0)
    whole = "" if pd.isna(turn["duration_s"]) else f": {turn['duration_s']:.1f} s"
    which = "" if pd.isna(turn["turn"]) else f", turn {turn['turn']}"
    ax.set_title(f"Where the time went: {turn['session']}{which}{whole}", color=INK)
    ax.get_figure().set_figheight(max(2.2, 1.2 + 0.3 * len(own)))
    return ax


def tool_durations(tools: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw how long each tool took; see `Plots.tool_durations`."""
    ax = _axes(ax, "How long tools took", "seconds (a person's time included)", "")
    known = tools.dropna(subset=["name", "duration_s"])
    if known.empty:
        return _nothing(ax)
    groups = {str(name): rows["duration_s"].to_numpy() for name, rows in known.groupby("name")}
    names = sorted(groups, key=lambda name: float(pd.Series(groups[name]).median()))
    line = {"color": INK}
    ax.boxplot(
        [groups[name] for name in names],
        orientation="horizontal" if _has_orientation() else None,
        widths=0.5,
        showfliers=False,
        boxprops=line,
        whiskerprops=line,
        capprops=line,
        medianprops={"color": RED, "linewidth": 2},
        **({} if _has_orientation() else {"vert": False}),
    ) if False else _boxes(ax, [groups[name] for name in names])
    return ax
