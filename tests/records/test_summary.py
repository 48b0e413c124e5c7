"""The summary: readable as it is, and a table too."""

from __future__ import annotations

import pandas as pd
import pytest

from claude_magic.records.frames import spans_frame, tools_frame, turns_frame
from claude_magic.records.spans import SpanRecord
from claude_magic.records.summary import Summary, bar, spark, summary
from claude_magic.records.tool_uses import ToolRecord

from .lines import turn

TURNS = [
    turn(turn_id="t1", cost_usd=0.25, duration_s=1.0),
    turn(turn_id="t2", cost_usd=0.5, duration_s=3.0, estimated=True),
    turn(turn_id="t3", session="other", outcome="error", simulated=False),
]
TOOLS = [
    ToolRecord("main", 1, "t1", "a", "", "Bash", "{}", 1.0, 2.0, True, "", 3),
    ToolRecord("main", 1, "t1", "b", "", "Bash", "{}", 1.0, 1.0, False, "allowed", 3),
    ToolRecord("main", 1, "t2", "c", "", "<b>", "{}", 1.0, None, True, "denied", 3),
]
SPANS = [SpanRecord("main", 1, "t1", "model", "", 1.0, 3.0), SpanRecord("main", 1, "t1", "tool", "Bash", 1.0, 1.0)]


def whole() -> Summary:
    return summary(turns_frame(TURNS), tools_frame(TOOLS), spans_frame(SPANS))


def empty() -> Summary:
    return summary(turns_frame([]), tools_frame([]), spans_frame([]))


def test_summary_is_a_table_of_sessions() -> None:
    """Counts and sums of each; what is made from it is an ordinary frame."""
    made = whole()

    assert made.set_index("session").loc["main"].to_dict() == {
        "turns": 2,
        "failed": 0,
        "tool_uses": 3,
        "tools_failed": 2,
        "input_tokens": 20,
        "cache_read_tokens": 60,
        "cache_write_tokens": 80,
        "output_tokens": 40,
        "cost_usd": 0.75,
        "duration_s": 4.0,
        "p50_s": 2.0,
        "p95_s": pytest.approx(2.9),
    }
    assert made["failed"].tolist() == [0, 1]
    assert type(made.head(1)) is type(made[made["turns"] > 1]) is pd.DataFrame


def test_summary_has_the_tools_and_the_time_as_tables() -> None:
    """The worst tool and the longest time first."""
    made = whole()

    assert made.by_tool.drop(columns="p50_s").values.tolist() == [["Bash", 2, 1, 0], ["<b>", 1, 0, 1]]
    assert made.by_kind["kind"].tolist() == ["model", "tool"]
    assert made.by_kind["share"].tolist() == [0.75, 0.25]


def test_summary_shows_itself_in_words() -> None:
    """The whole in one line, then the tables with small pictures."""
    head, sessions, times, tools = repr(whole()).split("\n\n")

    assert head == (
        "3 turns, 2 sessions, 1 failed · $0.7625 (1 estimated) · 2.5 s a turn, 95 % within 3.0 s · 3 tool uses"
        " · 2 simulated"
    )
    assert sessions.splitlines()[1].split() == ["main", "2", "0", "160", "40", "$0.7500", "2.0", "s", "▅█"]
    assert times.splitlines()[1] == "waiting for the model      3.0   75 %  ██████████████████"
    assert tools.splitlines()[1].split()[:6] == ["Bash", "2", "1", "0", "1.5", "s"]


def test_summary_of_many_sessions_and_tools_ends_in_the_sum_of_the_others() -> None:
    """Shown are the dearest sessions, of equal ones those of more tokens; nothing is left out unsaid."""
    turns = [turn(turn_id=f"t{n}", session=f"s{n}", cost_usd=0.25 * n, output_tokens=n) for n in range(15)]
    turns.append(turn(turn_id="much", session="much", cost_usd=3.0, output_tokens=5000, outcome="error"))
    tools = [ToolRecord("s1", 1, "t1", f"{n}", "", f"T{n:02}", "{}", 1.0, 1.0, n > 1, "", 3) for n in range(14)]
    made = summary(turns_frame(turns), tools_frame(tools), spans_frame([]))
    _, sessions, shown_tools = repr(made).split("\n\n")

    names = [line.split()[0] for line in sessions.splitlines()[1:]]
    assert names == ["s14", "s13", "much", "s12", *(f"s{n}" for n in range(11, 3, -1)), "and"]
    assert sessions.splitlines()[-1].split() == ["and", "4", "more", "4", "0", "320", "6", "$1.5000"]
    assert len(shown_tools.splitlines()) == 14
    assert shown_tools.splitlines()[-1].split() == ["and", "2", "more", "2", "0", "0"]
    assert "and 4 more" in made._repr_html_()
    assert made["session"].tolist()[:2] == ["s0", "s1"]


def test_summary_shows_itself_as_a_page() -> None:
    """The same words; a tool's name is no markup."""
    page = whole()._repr_html_()

    assert "<strong>3 turns, 2 sessions, 1 failed" in page
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    assert "▅█" in page


def test_summary_before_the_first_turn_says_so() -> None:
    """With the same columns and dtypes."""
    assert repr(empty()) == "No turn yet."
    assert "No turn yet." in empty()._repr_html_()
    assert empty().dtypes.to_dict() == whole().dtypes.to_dict()


@pytest.mark.parametrize(
    ("values", "expected"),
    [([], ""), ([0, 0], "▁▁"), ([1], "█"), ([0, 0.5, 1], "▁▅█"), ([float("nan"), -1, 2], "▁▁█")],
)
def test_bars_of_a_row(values: list[float], expected: str) -> None:
    """The highest is full; what is not known is nothing."""
    assert spark(values) == expected


def test_bar_of_a_share() -> None:
    """A little can be told from nothing."""
    assert [bar(share) for share in (0, 0.001, 0.5, 0.51, 1)] == ["", "▏", "█" * 12, "█" * 12 + "▎", "█" * 24]
