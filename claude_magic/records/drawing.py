"""What all pictures have in common: Axes, colours, legends, and frames as matplotlib wants them.

Words and lines have colours that can be read on white and on black alike, and differ in style, marker or hatch too:
so a picture is as good on paper as on a dark page, whatever is behind it. Times of day are those of this machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

import pandas as pd
from dateutil.tz import tzlocal  # type: ignore[import-untyped]  # publishes no types

try:
    from matplotlib import dates, pyplot
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.ticker import FuncFormatter
except ModuleNotFoundError as error:
    raise ImportError("The plots need matplotlib: pip install 'claude-magic[plots]'") from error

INK = "#757575"
BLUE, RED, GREEN, PURPLE, OCHRE = "#1f77b4", "#d55e00", "#008f6b", "#b5639b", "#a07800"
COLOURS = (BLUE, RED, GREEN, PURPLE, OCHRE)
"""After Okabe and Ito, to be told apart by the colour-blind; none too light for paper or too dark for a screen."""
_STYLES, _MARKERS = ("-", "--", "-."), ("o", "s", "^", "D", "v")
_NOTHING = "nothing yet"
_MOST_MARKERS = 60
DAY_S = 86_400


def axes(ax: Axes | None, title: str, *, x: str = "", y: str = "", height: float = 3.6) -> Axes:
    """Return the Axes to draw on, in neutral colours; nothing behind them is touched."""
    if ax is None:
        _, ax = pyplot.subplots(figsize=(8.0, height), layout="constrained")
    ax.set_title(title, color=INK, loc="left", fontweight="bold")
    ax.set_xlabel(x, color=INK)
    ax.set_ylabel(y, color=INK)
    ax.tick_params(colors=INK, which="both")
    for side, spine in ax.spines.items():
        spine.set_color(INK)
        spine.set_visible(side in ("left", "bottom"))
    ax.grid(True, color=INK, alpha=0.25, linewidth=0.6)
    ax.set_axisbelow(True)
    return ax


def number_ticks(axis: Axis, label: Callable[[float], str]) -> None:
    """Write the numbers along an axis as `words` says."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: label(value)))


def nothing_yet(ax: Axes) -> Axes:
    """Say that there is nothing to draw."""
    ax.text(0.5, 0.5, _NOTHING, transform=ax.transAxes, ha="center", va="center", color=INK, fontsize="x-large")
    ax.grid(False)
    ax.set_xticks([])
    ax.set_yticks([])
    return ax


def filled(colour: str, hatch: str) -> dict[str, Any]:
    """Return how a bar is filled: its colour lightly, its hatch and its edge in full."""
    if not hatch:
        return {"facecolor": colour, "edgecolor": colour}
    return {"facecolor": f"{colour}40", "edgecolor": colour, "hatch": hatch}


def by_model(turns: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame, dict[str, Any]]]:
    """Yield the name of each model, its turns in the order of time, and how they look."""
    ordered = turns.sort_values("started").assign(model=turns["model"].fillna("unknown model"))
    looks = zip(cycle(COLOURS), cycle(_STYLES), cycle(_MARKERS))
    for (name, rows), (colour, style, marker) in zip(ordered.groupby("model", sort=False), looks, strict=False):
        marker = marker if len(rows) <= _MOST_MARKERS else ""
        yield str(name), rows, {"color": colour, "linestyle": style, "marker": marker, "markersize": 5}


def steps(ax: Axes, times: pd.Series[Any], amounts: pd.Series[Any], label: str, look: dict[str, Any]) -> None:
    """Draw amounts over time, added up, as a line with steps."""
    ax.plot(date_numbers(times), amounts.cumsum().to_numpy(), drawstyle="steps-post", label=label, **look)


def named_rows(ax: Axes, names: Any) -> None:
    """Name the rows 0, 1, 2 and so on, from the top."""
    ax.set_yticks(range(len(names)), [str(name) for name in names])
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.grid(False, axis="y")


def dated(ax: Axes) -> Axes:
    """Write dates and times of day along the x axis, as precise as what is drawn needs."""
    zone = tzlocal()
    first, last = ax.dataLim.intervalx
    if last - first < 1 / DAY_S:  # a single moment: else matplotlib would show years
        ax.set_xlim(first - 30 / DAY_S, last + 30 / DAY_S)
    # With its usual minimum of 5 ticks, matplotlib has no interval for 211 to 299 seconds, minutes and the like.
    locator = dates.AutoDateLocator(tz=zone, minticks=3, maxticks=8)
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator, tz=zone))
    ax.xaxis.get_offset_text().set_color(INK)
    return ax


def legend(ax: Axes, *, above: bool = False) -> Axes:
    """Add the legend where there is room; `above` is right of the title, for rows that fill the picture."""
    place = {"loc": "lower right", "bbox_to_anchor": (1.0, 0.99), "ncols": 2} if above else {}
    ax.legend(frameon=False, labelcolor=INK, **place)
    return ax


def date_numbers(times: pd.Series[Any]) -> Any:
    """Return moments as matplotlib counts them: days."""
    return dates.date2num(times.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy())


def floats(values: Any) -> Any:
    """Return counts or seconds as floats; what is not known counts nothing."""
    return values.astype("Float64").fillna(0).astype("float64")
