"""Filling in: values of variables that exist, outside code, bounded, and nothing else is touched."""

from __future__ import annotations

import re
import time
from datetime import datetime
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from claude_magic.magics.filling import LONGEST_VALUE, evaluate, fill, value_text
from claude_magic.values.tables import frame_markdown


class Thing:
    size = 3
    parts: dict[str, Any] = {"a": [10, 20]}  # noqa: RUF012  it is never changed

    @property
    def broken(self) -> str:
        raise RuntimeError("out of order")

    def __str__(self) -> str:
        return "a thing"


class Unprintable:
    def __str__(self) -> str:
        raise OSError("no words")


NAMES: dict[str, Any] = {
    "x": 5, "name": "Ann", "thing": Thing(), "items": [1, 2, 3], "d": {"a": 1, "b c": 2}, "i": 1, "größe": 7,
    "Übung": 8, "unprintable": Unprintable(), "pi": 3.14159, "big": 1234567, "share": 0.125, "width": 4,
    "day": datetime(2026, 1, 2, 3, 4), "f": len,
}  # fmt: skip


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{x} and {name}", "5 and Ann"),
        ("{x}{x}", "55"),
        ("{thing}, {thing.size}", "a thing, 3"),
        ("{items[0]} {items[-1]} {items[i]} {items[1:]}", "1 3 2 [2, 3]"),
        ("{d['a']} {d[\"b c\"]}", "1 2"),
        ("{thing.parts['a'][1]}", "20"),
        ("{größe} {Übung}", "7 8"),
        ("{{x}}", "{x}"),
        ("{{thing.size}} {{nosuch}}", "{thing.size} {nosuch}"),
        ("{{{x}}}", "{{x}}"),
        ("{nosuch} {nosuch.a} {nosuch[0]}", "{nosuch} {nosuch.a} {nosuch[0]}"),
        ('{"a": 1} {} {1} {"a", "b"} {"x": {x}}', '{"a": 1} {} {1} {"a", "b"} {"x": 5}'),
        ("{x } { x} { x }", "5 5 5"),
        ("{name!r} {name!s} {name=} {x=} { x = }", "'Ann' Ann name='Ann' x=5  x = 5"),
        ("{pi:.2f} {pi:>8.3f}| {big:,} {x:03d} {share:.1%} {name:>5}", "3.14    3.142| 1,234,567 005 12.5%   Ann"),
        ("{pi: .2f} {name!r:>7} {x:{width}} {day:%d.%m.%Y %H:%M}", " 3.14   'Ann'    5 02.01.2026 03:04"),
        ("{d['a']:>3} {items[-1]!r} {thing.size:02d} {d['b c']=}", "  1 3 03 d['b c']=2"),
        ("{{x:.2f}} {{x!r}} {{f(x)}} {{nosuch:.2f}}", "{x:.2f} {x!r} {f(x)} {{nosuch:.2f}}"),
        ("a {x: 1} b {x: red} c {x: 1, y: 2}", "a {x: 1} b {x: red} c {x: 1, y: 2}"),
        ("{x\n}", "{x\n}"),
        ("{a `} {x} `b}`", "{a `} {x} `b}`"),
        ("{{ x }} {{x | upper}} {{x}", "{{ x }} {{x | upper}} {5"),
        ("{f(x)} {x + 1} {x if x else x}", "{f(x)} {x + 1} {x if x else x}"),
        ("`{x}` {x} ``a ` {x}`` {x}", "`{x}` 5 ``a ` {x}`` 5"),
        ("it`s {x}", "it`s 5"),
        ("a tick ` here, {x}\n\nand `code` there", "a tick ` here, 5\n\nand `code` there"),
        ("`a span\nover lines {x}` {x}", "`a span\nover lines {x}` 5"),
        ("```python\nf'{x}'\n```\n{x}", "```python\nf'{x}'\n```\n5"),
        ("~~~\n{x}\n\n`\n~~~\n{x}", "~~~\n{x}\n\n`\n~~~\n5"),
        ("````\n```\n{x}\n```\n````\n{x}", "````\n```\n{x}\n```\n````\n5"),
        ("- ```python\n  {x}\n\n  {x}\n  ```\n- {x}", "- ```python\n  {x}\n\n  {x}\n  ```\n- 5"),
        ("> ```\n> {x}\n> ```\n> {x}", "> ```\n> {x}\n> ```\n> 5"),
        ("```x``` and {x}", "```x``` and 5"),
        ("{x}\n```\nnever closed {x}\n\n{x}", "5\n```\nnever closed {x}\n\n{x}"),
        ("```\n{{x}}\n```\n`{{x}}`", "```\n{{x}}\n```\n`{{x}}`"),
        ("$x $i {x}?", "$x $i 5?"),
    ],
)
def test_filling(template: str, text: str) -> None:
    """Names with attributes and items, outside code only; every other brace stays as typed."""
    assert fill(template, NAMES).text == text


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{thing.nosuch}", "AttributeError"),
        ("{thing.broken}", "RuntimeError: out of order"),
        ("{d['z']}", "KeyError: 'z'"),
        ("{items[9]}", "IndexError"),
        ("{items[nosuch]}", "KeyError: 'nosuch'"),
        ("{unprintable}", "OSError: no words"),
    ],
)
def test_a_value_that_is_not_there(template: str, words: str) -> None:
    """The variable exists, its part does not: that is a mistake, said in one line that names it."""
    with pytest.raises(ValueError, match=re.escape(template)) as caught:
        fill(template, NAMES)

    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{len(items)}", "calls are not filled in; assign the value to a name first"),
        ("{thing.total()}", "calls are not filled in"),
        ("{', '.join(items)}", "calls are not filled in"),
        ("{items[f(1)]}", "calls are not filled in"),
        ("{x + 1}", "only names with attributes and items are filled in; assign the value to a name first"),
        ("{-x}", "only names"),
        ("{items[x > 1]}", "only names"),
        ("{items[x for]}", "only names"),
        ("{x if x else name}", "only names"),
        ("{name:.2f}", "a value of type str cannot be shown so: ValueError: Unknown format code 'f'"),
        ("{x!z}", "its format cannot be used"),
        ("{name.upper}", "calls are not filled in"),
        ("\\frac{x}{2}", "taken for LaTeX"),
        ("\\frac{1}{x}", "taken for LaTeX"),
        ("{thing:>9}", "a value of type Thing cannot be shown so: TypeError"),
        ("{x:123456789}", "its format cannot be used"),
        ("{x:red}", "its format cannot be used"),
        ("{x:{big}}", "a value of type int cannot be shown so: ValueError: the width is too large"),
        ("{thign}", "there is no thign; did you mean thing?"),
        ("{thign.size:.2f}", "there is no thign; did you mean thing?"),
        ("{len(itmes)}", "there is no itmes; did you mean items?"),
        ("{month}", "there is no variable month"),
        ("{user.age}", "there is no variable user"),
        ("{user['age']}", "there is no variable user"),
    ],
)
def test_what_looks_meant_and_stays_as_typed_is_told(template: str, reason: str) -> None:
    """Once, with what can be done; Python's own words for its syntax are no help."""
    filled = fill(f"a {template} b {template}", NAMES)

    assert filled.text == f"a {template} b {template}"
    [(inner, why)] = filled.left.items()
    assert "{" + inner + "}" in template
    assert why.startswith(reason)
    assert filled.left_words.startswith(f"left as typed: {{{inner}}} ({reason}")
    assert "ast." not in filled.left_words


@pytest.mark.parametrize(
    "template",
    [
        '{"a": 1, "b": {"c": [1, 2]}}',
        "{'key': 'value'}",
        r"\frac{a}{b} \text{where} \sqrt[3]{value} \begin{align} {\bf bold} t_{max} e^{time} \{word\}",
        "p { color: red; } a{top:0} .b {margin: 0 auto}",
        "${shell} ${a}{b} {a,b} {1..5} {} { } {a} a{2,3}",
        "{% if user %} {{ user }} {{user | upper}} {# note #}",
        "if (a) { return b; } function() {\n  month\n}",
        "`{month}`",
        "{{month}}",
    ],
)
def test_braces_of_other_languages_are_left_alone(template: str) -> None:
    """JSON, LaTeX, CSS, shells and templates cause no word."""
    assert fill(template, NAMES).left == {}


def test_many_braces_cost_little() -> None:
    """Time grows with the length, whatever is open and never closed."""
    began = time.perf_counter()
    for template in ("{" * 50_000, "{x" * 50_000, "{a." * 30_000 + "}" * 30_000, '{"a": ' * 20_000 + "}" * 20_000):
        assert fill(template, {"y": 1}).text == template

    assert time.perf_counter() - began < 5


@pytest.mark.parametrize("value", [object(), Figure(), (n for n in range(3)), lambda: 1])
def test_what_has_no_text_of_its_own_is_not_filled_in(value: Any) -> None:
    """An address in memory says nothing; the way to send it is told."""
    filled = fill("about {it}", {"it": value})

    assert filled.text == "about {it}"
    assert "--attach it" in filled.left_words


def test_addresses_within_a_value_are_left_out() -> None:
    """They mean nothing, and would make each run's prompt another one."""
    assert fill("{them}", {"them": [print, object()]}).text == "[<built-in function print>, <object object>]"
    assert fill("{axes}", {"axes": Figure().subplots(2, 2)}).left == {"axes": "a picture; send it with --attach axes"}


def test_nothing_is_called() -> None:
    """Only names, attributes and items have a value here."""
    with pytest.raises(ValueError, match="calls are not filled in"):
        evaluate("print(1)", {"print": print})


def test_a_value_is_not_filled_in_again() -> None:
    """What a value contains is data, also if it looks like a name."""
    assert fill("{a}", {"a": "{b} `{a}`", "b": "no"}).text == "{b} `{a}`"


def test_a_long_value_is_cut_and_says_so() -> None:
    """10,000 characters of each value, and how many were left out."""
    text = fill("{a}", {"a": "z" * 25_000}).text

    assert text == "z" * LONGEST_VALUE + "… [15,000 characters left out]"


def test_what_was_filled_in_is_told() -> None:
    """Each expression once, with a few words about its value."""
    frame = pd.DataFrame({"a": range(2000)})
    filled = fill("{name} {name} {long} {df} `{x}`", {**NAMES, "df": frame, "long": "word " * 20})

    assert filled.summary == "filled in: {name} = Ann, {long} = " + ("word " * 20)[
        :39
    ] + "… (100 characters), {df} = " + ("DataFrame 2,000 × 1")
    assert fill("{nosuch}", NAMES).summary == ""


def test_a_frame_is_shape_and_head() -> None:
    """Each column keeps its own type, and a pipe does not break the table."""
    frame = pd.DataFrame({"n": range(7), "share": [0.5] * 7, "word": ["a|b"] * 7})

    assert value_text(frame) == (
        "DataFrame with 7 rows and 3 columns:\n\n"
        "| column | dtype | missing |\n| --- | --- | --- |\n"
        f"| n | int64 | 0 |\n| share | float64 | 0 |\n| word | {frame.dtypes['word']} | 0 |\n\nFirst 5 rows:\n\n"
        "| n | share | word |\n| --- | --- | --- |\n"
        + "".join(f"| {n} | 0.5 | a\\|b |\n" for n in range(5))
        + "\n… and 2 more rows\n"
    )


def test_times_in_a_frame_are_readable() -> None:
    """An array of dates alone would become numbers of nanoseconds."""
    frame = pd.DataFrame({"day": pd.to_datetime(["2026-01-02"])})

    assert "| 2026-01-02 00:00:00 |" in frame_markdown(frame)


@pytest.mark.parametrize("name", ["a", "b"])
def test_an_index_with_a_name_is_a_column(name: str) -> None:
    """Also where a column has the same name."""
    frame = pd.DataFrame({"b": [1]}, index=pd.Index(["k"], name=name))

    assert frame_markdown(frame).startswith(f"| {name} | b |\n| --- | --- |\n| k | 1 |")


def test_a_wide_frame_is_bounded() -> None:
    """A thousand columns of long words are still one value."""
    frame = pd.DataFrame({f"column {n}": ["word " * 40] for n in range(1000)})

    assert len(value_text(frame)) < LONGEST_VALUE + 200


def test_a_subclass_of_a_frame_is_a_frame() -> None:
    """As GeoPandas has one."""

    class GeoFrame(pd.DataFrame):
        pass

    assert value_text(GeoFrame({"a": [1]})).startswith("DataFrame with 1 rows and 1 columns")


@given(st.text(alphabet="ab{}[]().`~ \n'\"\\:|$@/", max_size=60))
def test_without_names_only_escapes_change(template: str) -> None:
    """Nothing but `{{name}}` outside code becomes anything else, and that becomes `{name}`."""
    text = fill(template, {}).text

    unescaped = re.sub(r"\{(\{[ab](?:\.[ab]+|\[[^\[\]{}]*\]|[ab])*\})\}", r"\1", template)
    assert len(text) in range(len(unescaped), len(template) + 1)
    assert text.replace("{", "").replace("}", "") == template.replace("{", "").replace("}", "")
    if "{{" not in template:
        assert text == template


@given(st.text(max_size=80), st.text(max_size=20))
def test_a_value_stands_where_its_name_stood(before: str, value: str) -> None:
    """Whatever the value, the rest of the prompt is the same."""
    clean = re.sub(r"[{}`~\\]", "", before)

    assert fill(clean + "{a}" + clean, {"a": value}).text == clean + value + clean


@given(st.text(alphabet="`~ab{}\n >-1.", max_size=200))
def test_code_is_never_filled_in(text: str) -> None:
    """A fence that is never closed protects all that follows."""
    template = "```\n" + text.replace("`", "'")

    assert fill(template, {"a": "VALUE", "b": "VALUE"}).text == template
