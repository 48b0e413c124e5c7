"""Frames as pictures: what they show, and that they can be read anywhere."""

from __future__ import annotations

import builtins
import io
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest
from fakes import FakeCLIs, compile_fake
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb, to_rgba

from claude_magic.blocking import ClaudeClient
from claude_magic.config import PoolConfig
from claude_magic.records import drawing, plots
from claude_magic.records.frames import spans_frame, tools_frame, turns_frame
from claude_magic.records.plots import Plots
from claude_magic.records.spans import SpanRecord
from claude_magic.records.tool_uses import ToolRecord
from claude_magic.records.turns import TurnRecord

from .lines import turn

BEGAN = 1_700_000_000.0  # a Tuesday, 22:13 UTC
PICTURES = (
    "cost", "tokens", "cache_hits", "waterfall", "tool_durations", "tool_errors", "timeline", "activity"
)  # fmt: skip
TURNS = [
    turn(turn_id="t1", started=BEGAN, cost_usd=0.25, model="opus"),
    turn(turn_id="t2", started=BEGAN + 60, cost_usd=0.5, model="opus", outcome="error", session="other", turn=7),
    turn(turn_id="t3", started=BEGAN + 90, cost_usd=0.125, model="haiku", duration_s=9.0),
]
TOOLS = [
    ToolRecord("main", 3, "t3", "a", "", "Bash", "{}", BEGAN + 91, 2.0, True, "", 3),
    ToolRecord("main", 3, "t3", "b", "", "Bash", "{}", BEGAN + 94, 1.0, False, "allowed", 3),
    ToolRecord("main", 3, "t3", "c", "", "Edit", "{}", BEGAN + 95, 0.5, True, "denied", 3),
    ToolRecord("main", 3, "t3", "d", "a", "Read", "{}", BEGAN + 91.5, 0.5, False, "", 3),
    ToolRecord("main", 3, "t3", "e", "", "Read", "{}", BEGAN + 97),
]
SPANS = [
    SpanRecord("main", 3, "t3", kind, name, BEGAN + 90 + begin, length)
    for kind, name, begin, length in [
        ("queue", "", -1.5, 0.5),
        ("spawn", "", -1.0, 1.0),
        ("model", "", 0.0, 1.0),
        ("person", "Bash", 1.0, 3.0),
        ("tool", "Bash", 4.0, 2.0),
        ("thinking", "", 6.0, 1.0),
        ("text", "", 7.0, 2.0),
    ]
]


class Recorded:
    """Frames of turns and tools, as session files have them."""

    def __init__(self, turns: list[TurnRecord], tools: list[ToolRecord]) -> None:
        self._turns, self._tools = turns, tools

    def turns(self) -> pd.DataFrame:
        return turns_frame(self._turns)

    def tools(self) -> pd.DataFrame:
        return tools_frame(self._tools)


class Live(Recorded):
    """Frames that say where the time went, too."""

    def __init__(self, turns: list[TurnRecord], tools: list[ToolRecord], spans: list[SpanRecord]) -> None:
        super().__init__(turns, tools)
        self._spans = spans

    def spans(self) -> pd.DataFrame:
        return spans_frame(self._spans)


LIVE = Live(TURNS, TOOLS, SPANS)


@pytest.fixture(autouse=True)
def no_screen() -> Iterator[None]:
    """Pictures are drawn in memory; pyplot keeps them until they are closed."""
    pyplot.switch_backend("Agg")
    yield
    pyplot.close("all")


def draw(name: str, frames: Any = LIVE) -> Axes:
    """Draw a picture to its last pixel."""
    ax = getattr(Plots(frames), name)()
    ax.figure.savefig(io.BytesIO(), format="png", dpi=40)
    return ax


def words(ax: Axes) -> list[str]:
    """Everything that can be read beside the axes."""
    legend = ax.get_legend()
    labels = [text.get_text() for text in legend.get_texts()] if legend is not None else []
    return [*labels, *(text.get_text() for text in ax.texts)]


def rows(ax: Axes) -> list[str]:
    return [label.get_text() for label in ax.get_yticklabels()]


@pytest.mark.parametrize("name", ["cost", "timeline"])
@pytest.mark.parametrize("unit_s", [1, 60, 3600, 86_400])
def test_plots_have_ticks_for_any_stretch_of_time(name: str, unit_s: int) -> None:
    """A few, of the day or nearer, and matplotlib warns of nothing: a warning is an error here."""
    for units in (0, 1, 2, 3, 3.5, 4, 4.5, 5, 10, 59):
        moments = [turn(turn_id=f"t{n}", started=BEGAN + n * units * unit_s / 2, duration_s=0.0) for n in range(3)]
        ax = getattr(Plots(Recorded(moments, [])), name)()
        low, high = ax.get_xlim()
        ticks = [tick for tick in ax.get_xticks() if low <= tick <= high]

        assert 2 <= len(ticks) <= 9, (units, unit_s)
        assert (high - low) * 86_400 < max(62.0, 2 * units * unit_s)
        pyplot.close("all")


@pytest.mark.parametrize("name", PICTURES)
def test_plots_say_what_they_show(name: str) -> None:
    """A title, and the axes with their units."""
    ax = draw(name)

    assert ax.get_title(loc="left")
    assert ax.get_xlabel() or name in ("cost", "tokens", "cache_hits", "timeline")  # there the ticks are dates
    assert ax.get_ylabel() or name == "waterfall"  # whose rows say what they are


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("frames", [Recorded([], []), Live([], [], [])])
def test_plots_with_nothing_to_show_say_so(name: str, frames: Any) -> None:
    """And has a title all the same."""
    ax = draw(name, frames)

    assert words(ax) == ["nothing yet"]
    assert ax.get_title(loc="left")


@pytest.mark.parametrize("name", PICTURES)
def test_plots_leave_out_what_is_not_known(name: str) -> None:
    """A turn of a broken file may have neither time nor tokens nor cost."""
    nothing: dict[str, Any] = dict.fromkeys(
        ("started", "duration_s", "cost_usd", "input_tokens", "cache_read_tokens", "cache_write_tokens", "model")
    )
    unknown = ToolRecord("main", None, "", "x", "", "", "{}", BEGAN)

    assert words(draw(name, Recorded([turn(**nothing, output_tokens=None)], [unknown]))) == ["nothing yet"]
    draw(name, Recorded([turn(**{**nothing, "started": BEGAN}, turn=None), *TURNS], [unknown, *TOOLS]))


def test_plots_can_be_drawn_on_axes_that_are_there() -> None:
    """Beside other pictures of one figure."""
    _, (left, right) = pyplot.subplots(1, 2)

    assert Plots(LIVE).cost(ax=left) is left
    assert Plots(LIVE).waterfall(ax=right) is right
    assert len(pyplot.get_fignums()) == 1


# What they show.


def test_plot_of_cost_adds_up_by_model() -> None:
    """In the order of time; the legend has the sums."""
    ax = draw("cost")

    assert words(ax) == ["opus: $0.7500", "haiku: $0.1250"]
    assert [list(line.get_ydata()) for line in ax.lines] == [[0.25, 0.75], [0.125]]


def test_plot_of_tokens_counts_what_was_read_wherever_it_came_from() -> None:
    """Fresh, from the cache and into it."""
    labels = words(draw("tokens"))

    assert labels == ["opus, read: 160", "opus, written: 40", "haiku, read: 80", "haiku, written: 20"]


def test_plot_of_cache_hits_is_a_share_of_what_was_read() -> None:
    """Of each turn and of all together; a turn that read nothing has none."""
    idle = turn(input_tokens=0, cache_read_tokens=0, cache_write_tokens=0, started=BEGAN)
    half = turn(input_tokens=5, cache_read_tokens=5, cache_write_tokens=0, started=BEGAN + 1)
    ax = draw("cache_hits", Recorded([idle, half], []))

    assert [list(line.get_ydata()) for line in ax.lines] == [[50.0], [50.0, 50.0]]
    assert words(ax) == ["claude-test: a turn", "all tokens together: 50 %"]


def test_waterfall_shows_where_a_turns_time_went() -> None:
    """From the moment it was asked; every stretch at its place, with its length."""
    ax = draw("waterfall")

    assert rows(ax) == [
        "waiting for its turn",
        "starting the CLI",
        "waiting for the model",
        "waiting for a person (Bash)",
        "Bash",
        "thinking",
        "writing",
    ]
    assert [bar.get_x() for bar in ax.patches] == pytest.approx([0.0, 0.5, 1.5, 2.5, 5.5, 7.5, 8.5])
    assert words(ax) == [" 0.5 s", " 1 s", " 1 s", " 3 s", " 2 s", " 1 s", " 2 s"]


def test_waterfall_without_spans_knows_the_tools() -> None:
    """The rest of the turn was the model's; a subagent's tools are inside of theirs."""
    ax = draw("waterfall", Recorded(TURNS, TOOLS))

    assert rows(ax) == ["the model", "Bash", "the model", "Bash", "Edit", "the model"]
    assert words(ax) == [" 1 s", " 2 s", " 1 s", " 1 s", " 0.5 s", " 3.5 s"]


def test_waterfall_of_a_turn_by_its_id() -> None:
    """One there is none of is refused."""
    assert "other, turn 7" in Plots(LIVE).waterfall("t2").get_title(loc="left")
    with pytest.raises(ValueError, match="no turn 'nosuch'"):
        Plots(LIVE).waterfall("nosuch")


def test_waterfall_of_a_long_turn_has_the_longest_stretches() -> None:
    """As many as can be read."""
    many = [SpanRecord("main", 3, "t3", "tool", f"T{place}", BEGAN + 90 + place, 1 + place) for place in range(200)]
    ax = draw("waterfall", Live(TURNS, [], [*SPANS, *many]))

    assert rows(ax) == [f"T{place}" for place in range(160, 200)]
    assert ax.get_ylabel() == "the 40 longest of 207"


def test_plot_of_tool_durations_has_the_slowest_on_top() -> None:
    """By the median; a tool that still runs is not among them."""
    assert rows(draw("tool_durations")) == ["Bash (2)", "Edit (1)", "Read (1)"]


def test_plot_of_tool_errors_tells_failed_from_denied() -> None:
    """What was not allowed did not fail."""
    ax = draw("tool_errors")

    assert rows(ax) == ["Bash", "Edit", "Read"]
    assert words(ax) == [
        "failed", "denied", " 1 of 2 failed", " 0 of 1 failed, 1 denied", " 0 of 2 failed"
    ]  # fmt: skip


def test_timeline_has_a_row_for_each_session() -> None:
    """In the order they began."""
    ax = draw("timeline")

    assert rows(ax) == ["main (2)", "other (1)"]
    assert sorted(bar.get_width() * 86_400 for bar in ax.patches) == pytest.approx([2.5, 2.5, 9.0])


def test_plot_of_activity_counts_turns_by_hour_and_weekday(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the clock of this machine."""
    from datetime import UTC

    monkeypatch.setattr(plots, "tzlocal", lambda: UTC)
    ax = draw("activity")

    assert words(ax) == ["3"]
    assert ax.collections[0].get_offsets().tolist() == [[22.0, 1.0]]
    assert rows(ax)[0] == "Mon"


# That they can be read.


def luminance(colour: Any) -> float:
    """The relative luminance of a colour as WCAG 2 defines it."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: Any, other: Any) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("background", ["#ffffff", "#111111"])
def test_drawing_colours_can_be_seen_on_paper_and_in_the_dark(background: str) -> None:
    """Words and lines keep a contrast of 3 to 1 at least (WCAG 2 for large text and for graphics)."""
    assert all(contrast(colour, background) >= 3 for colour in (*drawing.COLOURS, drawing.INK))
    assert contrast(drawing.INK, background) >= 4


@pytest.mark.parametrize("name", PICTURES)
def test_drawing_text_has_one_colour(name: str) -> None:
    """And what lies behind the picture is left as it is."""
    with pyplot.rc_context({"text.color": "red", "axes.labelcolor": "red", "xtick.color": "red", "ytick.color": "red"}):
        ax = draw(name)
    legend = ax.get_legend()
    texts = [
        *ax.texts, ax.title, ax.xaxis.label, ax.yaxis.label, *ax.get_xticklabels(), *ax.get_yticklabels(),
        ax.xaxis.get_offset_text(), *(legend.get_texts() if legend is not None else []),
    ]  # fmt: skip

    assert {to_hex(text.get_color()) for text in texts if text.get_text()} == {drawing.INK}
    assert ax.figure.get_facecolor() == to_rgba(pyplot.rcParams["figure.facecolor"])


def test_drawing_of_models_differs_in_more_than_colour() -> None:
    """For printers and for the colour-blind."""
    many = [turn(model=f"model-{number}", started=BEGAN + number) for number in range(8)]
    lines = draw("cost", Recorded(many, [])).lines

    assert len({(line.get_linestyle(), line.get_marker()) for line in lines}) == 8


# Where they come from.


def test_plots_of_a_client() -> None:
    """Drawn from its own frames."""
    with ClaudeClient(start=FakeCLIs().start, compile=compile_fake, pool=PoolConfig(prewarm=0)) as client:
        assert words(client.plots.cost()) == ["nothing yet"]
        client.create_session(name="main")
        client.execute("main", "hi")

        assert words(client.plots.cost()) == ["fake-model: $0.0100"]
        assert "main, turn 1" in client.plots.waterfall().get_title(loc="left")


def test_plots_import_matplotlib_only_for_pictures() -> None:
    """Frames do without."""
    program = (
        "import sys\nfrom claude_magic.client import AsyncClaudeClient\nclient = AsyncClaudeClient()\n"
        "client.frames.turns()\nprint('matplotlib' in sys.modules)\nclient.plots\nprint('matplotlib' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "False\nTrue\n"


def test_plots_without_matplotlib_say_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line that names the extra."""
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.partition(".")[0] == "matplotlib":
            raise ModuleNotFoundError(name)
        return real(name, *args, **kwargs)

    for name in ("drawing", "plots"):
        monkeypatch.delitem(sys.modules, f"claude_magic.records.{name}")
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"pip install 'claude-magic\[plots\]'"):
        import claude_magic.records.plots  # noqa: F401  # importing it is what is tested
