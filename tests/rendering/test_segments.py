"""Texts that take a parser too long are plain text, in the static HTML as on the page; nothing is lost."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_magic.rendering import limits
from claude_magic.rendering.highlight import ColouringBudget, highlight
from claude_magic.rendering.markdown import to_html
from claude_magic.rendering.segments import Work, segments

from .long_texts import LONG, long_text
from .pages import Page

HOSTILE = {
    "emphasis": "*a **a " * 14_285,
    "emphasis in many paragraphs": "*a **a *a **a\n\n" * 3_000,
    "emphasis in many lines": "*a **a *a **a\n" * 7_000,
    "emphasis in items that are none": "x\n" + "2) *a **a *a **a\n" * 6_000,
    "backticks": " ".join("`" * size for size in range(1, 450)),
    "an address": "a" * 50_000 + "@",
    "quotes in each other": ">" * 5_000 + " deepest",
    "quotes, 31 deep": "> " * 31 + "deepest",
    "lists in each other": "- " * 5_000 + "deepest",
    "lists, 40 deep": "- " * 40 + "deepest",
    "lists below each other": "\n".join("  " * depth + "- item" for depth in range(300)) + "deepest",
    "lists below each other, 20 deep": "\n".join("  " * depth + "- item" for depth in range(20)) + "deepest",
    "brackets": "[" * 50_000,
    "links": "[a](" * 12_000,
    "a wide table": "|" + "a|" * 50_000 + "\n|" + "-|" * 50_000 + "\n|" + "b|" * 50_000,
    "a long table": "|a|b|\n|-|-|\n" + "|a|b|\n" * 20_000,
    "an open fence": "```\n" + "*a **a " * 14_285,
    "dollars": "$a " * 30_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_segments_lose_nothing_and_are_shown(name: str) -> None:
    """Joined they are the text; the HTML has its first and last words, and is not much larger than the text."""
    text = HOSTILE[name]
    assert "\n".join(one.text for one in segments(text)) == text

    html = to_html(f"first\n\n{text}\n\nlast")
    shown = Page(html).text

    assert shown.startswith("first")
    assert "last" in shown[-20:]
    assert ("deepest" in shown) is ("deepest" in text)
    assert len(html) <= limits.MOST_HTML + 10 * len(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# A\n\nb *c*\n\n- d\n- e\n",
        "\n".join(f"{number}. **Bold** and `code_name` with a [link](https://x.example)" for number in range(1, 100)),
        "| a | b |\n|---|---|\n" + "\n".join(f"| {row} | `x_{row}` |" for row in range(200)),
        "```py\n" + "x[a_b] = c*d\n" * 3_000 + "```",
    ],
)
def test_segments_leave_what_people_write_whole(text: str) -> None:
    """Long lists, tables and code are no reason to show plain text."""
    assert [one.is_plain for one in segments(text)] == [False]


RAGGED = {
    "one more cell": "| a | b |\n|---|---|\n| 1 | 2 | word3 |",
    "no bars at the ends": "a | b\n--|--\n1 | 2 | word3",
    "a pipe in code": "| command | meaning |\n|:--|--:|\n| `ls | word3` | word4 |",
    "backslashes before a pipe": "|a|b|\n|-|-|\n|1|2 \\\\| word3|",
    "one column": "|a|\n|-|\n|1|word3|",
    "a column without bars": "a\n:-\n1|word3",
    "in a quote": "> |a|b|\n> |-|-|\n> |1|2|word3|",
    "in an item": "- |a|b|\n  |-|-|\n  |1|2|word3|",
    "what looks like an item": "|a|b|\n|-|-|\n2) 1|2|word3",
    "under a second heading": "|a|\n|-|\n|1|\n|b|c|\n|-|-|\n|d|word3|",
}


@pytest.mark.parametrize("name", RAGGED)
def test_segments_show_cells_without_a_column(name: str) -> None:
    """A table with more cells in a row than columns is plain text: its cells are all there."""
    html = to_html(f"before\n\n{RAGGED[name]}\n\nafter *that*")

    assert re.findall(r"word\d", RAGGED[name]) == re.findall(r"word\d", Page(html).text)
    assert "em" in Page(html).tags


@pytest.mark.parametrize(
    "text",
    [
        "| a | b |\n|---|---|\n| 1 | 2 |\n| 3 |\n| `x \\| y` | 4 |\n| 5 | 6 | |",
        "> | a | b |\n> |---|---|\n> | 1 | 2 |\n>\n> a | b | c",
        "- | a | b |\n  |---|---|\n  | 1 | 2 |",
    ],
)
def test_segments_leave_tables_that_fit(text: str) -> None:
    """Missing cells, empty ones and escaped bars are no reason to show plain text."""
    assert "table" in Page(to_html(text)).tags


@pytest.mark.parametrize("name", LONG)
def test_segments_of_a_long_text_take_little_time(name: str) -> None:
    """Whatever 200 KB are made of, they are HTML within a second of work, and all of them are there."""
    text = long_text(name)
    began = time.thread_time()
    html = to_html(text)

    assert time.thread_time() - began < 2  # a guard: it is half a second, and was up to five
    assert Page(html).text.rstrip().endswith("last")


def test_segments_of_a_turn_share_what_may_be_rendered() -> None:
    """Many texts cost no more than one."""
    work = Work()
    pages = [Page(to_html("- a\n" * 3_000, work=work)) for _ in range(4)]

    assert ["li" in page.tags for page in pages] == [True, True, False, False]
    assert [page.text.count("a") for page in pages] == [3_000] * 4


class Clock:
    """A clock that goes on by a fixed time whenever it is read."""

    def __init__(self, step_s: float) -> None:
        self.now, self.step_s = 0.0, step_s

    def monotonic(self) -> float:
        self.now += self.step_s
        return self.now


def test_highlight_stops_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes after the deadline is there without colours; the next block has what is left of the turn's time."""
    code = "x = 1\n" * 200
    monkeypatch.setattr("claude_magic.rendering.highlight.time", Clock(limits.COLOURING_S / 50))
    budget = ColouringBudget()
    first = highlight(code, "python", budget)
    later = [highlight(code, "python", budget) for _ in range(8)]

    assert Page(first).text == code
    assert 0 < first.count("<span") < code.count("1")
    assert later[-1].count("<span") == 0
    assert Page(later[-1]).text == code


ATOMS = (
    *"*_~`[]()<>#-+|!&;:\\$\"'=\t ",
    *(
        "\n",
        "\n\n",
        "\n    ",
        "\n> ",
        "\n- ",
        "\n1. ",
        "\n```\n",
        "\n~~~py\n",
        "**",
        "$$",
        "![",
        "](",
        "http://x.example",
    ),
    *(
        "&#36;",
        "&lt;",
        "\\(",
        "\\[",
        "|-|-|\n",
        "\u2028",
        "\x85",
        "\u202e",
        "\ufdd0",
        "\ufdd1",
        "<b>",
        "<!--",
        "é",
        "漢",
    ),
)
WORDS = [f"word{number}" for number in range(40)]


@pytest.mark.fuzz
@given(st.lists(st.one_of(st.sampled_from(ATOMS), st.sampled_from(WORDS)), max_size=60).map("".join))
def test_markdown_shows_every_word(text: str) -> None:
    """Whatever stands around a word, a reader finds it; a link's address and a definition count as words, too."""
    html = to_html(text)
    shown = Page(html).text + " ".join(re.findall(r'href="([^"]*)"', html))
    definitions = " ".join(re.findall(r"^ {0,3}\[.*", text, re.MULTILINE))

    for word in re.findall(r"word\d+", text):
        assert word in shown or word in definitions or word in infos(text)


def infos(text: str) -> str:
    """Words after the marks of a fence say how to read the code, and are not shown."""
    return " ".join(re.findall(r"(?:`{3,}|~{3,}).*", text))
