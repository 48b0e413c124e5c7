"""Markdown to HTML, whole and while it grows."""

from __future__ import annotations

import re

import pytest

from claude_magic.rendering import MarkdownStream, markdown, style, to_html

from .pages import Page

DOCUMENT = """# Title

A paragraph with *words*,
on two lines.

- one

- two
  continued

  and a paragraph

1. first
2. second

```python
def f():

    return "# no heading"
```

| a | b |
|---|--:|
| 1 | 2 |

Setext
------

> quote
lazily continued

    indented code

~~~text
```
~~~

End, with a [reference][r].

[r]: https://x.example
"""


def plain(html: str) -> str:
    """The structure without styles and without the white space between elements."""
    return re.sub(r"\s+", " ", re.sub(r' style="[^"]*"', "", html)).replace("> <", "><").strip()


@pytest.mark.parametrize("step", [1, 3, 7, 40, 10_000])
def test_markdown_stream_ends_as_the_whole_text(step: int) -> None:
    """However the text arrives, its last picture is the picture of the whole text."""
    document = DOCUMENT.replace("[reference][r]", "reference")
    stream = MarkdownStream()
    html = [stream.update(document[:end]) for end in range(step, len(document) + step, step)][-1]

    assert plain(to_html(document)) == plain(html)


def test_markdown_stream_forgets_a_half_written_link_definition() -> None:
    """A definition counts as it is when it is whole, not as it was on the way."""
    document = "[r]: https://x.example/a/long/way\n\nSee [here][r], and\n\nthere [too][r].\n"
    stream = MarkdownStream()
    html = [stream.update(document[:end]) for end in range(1, len(document) + 1)][-1]

    assert Page(html).links == ["https://x.example/a/long/way"] * 2


def test_markdown_stream_renders_finished_blocks_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is rendered while a long text grows is a small multiple of the text, not its square."""
    rendered = []
    whole = markdown.to_html
    monkeypatch.setattr(markdown, "to_html", lambda text, *rest: rendered.append(len(text)) or whole(text, *rest))
    text = "A paragraph of some words.\n\n```python\nx = 1\n```\n\n" * 400
    stream = MarkdownStream()
    for end in range(0, len(text), 50):
        stream.update(text[:end])

    assert sum(rendered) < 4 * len(text)


@pytest.mark.parametrize(
    "text", ["- item of a list\n" * 1500, "| a | b |\n|---|---|\n" + "| 1 | 2 |\n" * 2000, "word " * 6000]
)
def test_markdown_stream_renders_a_long_open_block_now_and_then(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block that grows long is rendered at intervals that grow with it; all its text is shown at any time."""
    rendered = []
    whole = markdown.to_html
    monkeypatch.setattr(markdown, "to_html", lambda text, *rest: rendered.append(len(text)) or whole(text, *rest))
    stream = MarkdownStream()
    for end in range(100, len(text) + 100, 100):
        html = stream.update(text[:end])

    assert sum(rendered) < 12 * len(text)
    shown = Page(html).text
    assert shown.count("item") + shown.count("1") + shown.count("word") == text.count("item") + text.count(
        "1"
    ) + text.count("word")


def test_markdown_stream_loses_withdrawn_text() -> None:
    """A shorter, or a different, text is rendered as such."""
    stream = MarkdownStream()
    stream.update("One.\n\nTwo.\n\nThree.")

    assert plain(to_html("One.\n\nTw")) == plain(stream.update("One.\n\nTw"))
    assert plain(to_html("Other.")) == plain(stream.update("Other."))


def test_markdown_stream_shows_an_open_fence_as_code_at_once() -> None:
    """Code is shown as code before its fence is closed, without the fence."""
    page = Page(MarkdownStream().update("Look:\n\n```python\nx = 1 < 2\n"))

    assert "pre" in page.tags
    assert "```" not in page.text
    assert "x = 1 < 2" in page.text


def test_markdown_headings_fit_under_those_of_a_notebook() -> None:
    """The first level becomes the third, and so on to the sixth."""
    tags = Page(to_html("# a\n\n## b\n\n##### c")).tags

    assert tags == ["h3", "h4", "h6"]


def test_markdown_list_keeps_its_first_number() -> None:
    """A list that begins with 3 begins with 3."""
    assert 'start="3"' in to_html("3. three\n4. four")


def test_markdown_table_keeps_its_alignment() -> None:
    """A column that Markdown aligns to the right is aligned so."""
    assert "text-align:right" in to_html("| a |\n|--:|\n| 1 |")


def test_markdown_leaves_mathematics_to_the_page() -> None:
    """Formulas arrive as they were typed, emphasis signs in them included."""
    page = Page(to_html(r"With $a_1 * b_1 * c_1$ and $$\frac{x_1}{y_1}$$ and \(z_1 z_2\)."))

    assert page.text.strip() == r"With $a_1 * b_1 * c_1$ and $$\frac{x_1}{y_1}$$ and \(z_1 z_2\)."
    assert "em" not in page.tags


def test_markdown_does_not_take_money_for_mathematics() -> None:
    """A dollar sign that is no formula stands in an element of its own, so that MathJax leaves it alone."""
    assert "It costs <span>$</span>5 and not <span>$</span>6." in to_html("It costs $5 and not $6.")


@pytest.mark.parametrize("tex", [r"\href{javascript:alert(1)}{x}", r"\class{a}{x}", r"\def\a{x}", r"\cssId{a}{b}"])
def test_markdown_shows_unsafe_tex_as_plain_text(tex: str) -> None:
    """TeX that could make links or styles is taken apart."""
    html = to_html(f"$${tex}$$")

    assert "<span>\\</span>" in html
    assert "$$" not in html


def test_highlight_colours_a_known_language_only() -> None:
    """Colours come with a language that Pygments knows; another word is shown; the code itself is never changed."""
    code = "def f():\n    return 1  # one\n"
    coloured, bare = to_html(f"```python\n{code}```"), to_html(f"```nosuch\n{code}```")

    assert "color-mix" in coloured
    assert "color-mix" not in bare
    assert code.strip() == Page(coloured).text.strip() == Page(bare).text.strip().removeprefix("nosuch")


@pytest.mark.parametrize("info", ["{mermaid}", 'python title="a.py"', "<b>not</b> code", "nosuch"])
def test_markdown_shows_what_a_fence_says(info: str) -> None:
    """All that follows the marks of a fence is there, unless it is the name of the language that the colours show."""
    whole, growing = to_html(f"```{info}\nx = 1\n```"), MarkdownStream().update(f"~~~ {info}\nx = 1\n")

    assert Page(whole).text.strip() == Page(growing).text.strip() == f"{info}x = 1"
    assert info not in Page(to_html("```python\nx = 1\n```")).text


def test_highlight_paints_no_background() -> None:
    """Colours of code are colours of text only."""
    spans = re.findall(r'<span style="([^"]*)"', to_html("```python\nclass A:\n    x = 'a' + 1  # b\n```"))

    assert spans
    assert not [words for words in spans if "background" in words]


def channel(value: float) -> float:
    return value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4


def luminance(colour: tuple[float, ...]) -> float:
    red, green, blue = (channel(value / 255) for value in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def rgb(text: str) -> tuple[float, ...]:
    return tuple(int(text[i : i + 2], 16) for i in (1, 3, 5))


def blend(one: str, other: str, share: float) -> tuple[float, ...]:
    return tuple(share * a + (1 - share) * b for a, b in zip(rgb(one), rgb(other), strict=True))


@pytest.mark.parametrize("name", style.HUES)
@pytest.mark.parametrize(
    ("ink", "paper"),
    [
        ("#212121", "#ffffff"),
        ("#212121", "#eeeeee"),
        ("#e4e4e7", "#111111"),
        ("#ffffff", "#111111"),
        ("#e4e4e7", "#292929"),
    ],
)
def test_highlight_colours_read_in_light_and_dark(name: str, ink: str, paper: str) -> None:
    """Each hue, mixed into the page's text colour, has a contrast of at least 4.5 on light and on dark pages."""
    hue, share = style.HUES[name]

    assert contrast(blend(ink, hue, share / 100), rgb(paper)) >= 4.5


def test_highlight_could_not_do_that_with_fixed_colours() -> None:
    """The reason for mixing: the best fixed grey stays below 4.5 on one of #fff and #111."""
    greys = [(value, value, value) for value in range(256)]

    assert max(min(contrast(grey, rgb("#ffffff")), contrast(grey, rgb("#111111"))) for grey in greys) < 4.5


def test_markdown_leaves_a_very_long_paragraph_plain() -> None:
    """A paragraph beyond the limit keeps its text and loses its emphasis: hostile ones take too long."""
    page = Page(to_html("*a* [" * 5000))

    assert "em" not in page.tags
    assert page.text.count("*a*") == 5000


def test_markdown_tasks_have_boxes_and_no_bullets() -> None:
    """As a page shows them that knows lists of tasks."""
    html = to_html("- [x] done\n- [ ] to do\n- plain [x]")

    assert "☑ done" in html
    assert "☐ to do" in html
    assert "plain [x]" in html
    assert html.count("list-style-type:none") == 2


def test_markdown_table_cells_do_not_break_inside_words() -> None:
    """A narrow page scrolls the table instead."""
    html = to_html("| region | n |\n|---|---|\n| north | 120 |")

    assert html.count("overflow-wrap:normal") == 4
    assert "overflow-x:auto" in html
