"""The options: every one is read, none swallows the prompt, and a mistake is one line."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.error import UsageError

from claude_magic.magics.options import Options, options_help, parse_options, split_prompt


def said(options: Options) -> dict[str, Any]:
    """What differs from the defaults."""
    return {name: value for name, value in vars(options).items() if value != getattr(Options(), name)}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", {}),
        ("-s a", {"session": "a"}),
        ("--session 'two words'", {"session": "two words"}),
        ("-m haiku --effort low", {"model": "haiku", "effort": "low"}),
        ("-o var --quiet --raw --new --dry-run", dict(output="var", quiet=True, raw=True, new=True, dry_run=True)),
        ('--system "You are \\"terse\\""', {"system": 'You are "terse"'}),
        ('--system="You are terse"', {"system": "You are terse"}),
        ("--system=", {"system": ""}),
        ("--tools Read,Bash", {"tools": ("Read", "Bash")}),
        ("--tools ''", {"tools": ()}),
        ("--allow Bash(git add, git commit),Read", {"allow": ("Bash(git add, git commit)", "Read")}),
        ("--permission-mode plan --max-turns 3", {"permission_mode": "plan", "max_turns": 3}),
        ("--budget 0.5 --timeout 90", {"budget": 0.5, "timeout": 90.0}),
        ('--cwd "C:\\new folder"', {"cwd": "C:\\new folder"}),
        ("--cwd C:\\temp", {"cwd": "C:\\temp"}),
        ("--resume 1234", {"resume": "1234"}),
        ("--attach a b --attach c", {"attach": ("a", "b", "c")}),
        ('--attach df["a b"] df[["a", "b"]] f(x, y)', {"attach": ('df["a b"]', 'df[["a", "b"]]', "f(x, y)")}),
        ('--schema {"type": "object"}', {"schema": '{"type": "object"}'}),
        ('--schema \'{"type": "object"}\' -o v', {"schema": '{"type": "object"}', "output": "v"}),
    ],
)
def test_options_of_a_cell(line: str, expected: dict[str, Any]) -> None:
    """Each option arrives with its value; quotes and brackets keep a value together."""
    assert said(parse_options(line)) == expected


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("--nope", "--nope"),
        ("--sess a", "--sess"),
        ("tell me more", "'tell' stands among the options"),
        ("-o 1x", "'1x' is not a name"),
        ("-o class", "'class' is not a name"),
        ("-o a.b", "'a.b' is not a name"),
        ("-o", "-o"),
        ("-s ''", "--session"),
        ("--max-turns 0", "'0' is not a whole number"),
        ("--max-turns -1", "'-1' is not a whole number"),
        ("--max-turns 1.5", "'1.5' is not a whole number"),
        ("--max-turns ²", "'²' is not a whole number"),
        ("--budget -1", "'-1' is not a number above 0"),
        ("--budget nan", "'nan' is not a number above 0"),
        ("--budget inf", "'inf' is not a number above 0"),
        ("--timeout soon", "'soon' is not a number above 0"),
        ("--effort lots", "'lots'"),
        ("--permission-mode always", "'always'"),
        ('--system "open', '" is missing'),
        ("--attach f(x", ") is missing"),
        ("--quiet=yes", "--quiet"),
    ],
)
def test_a_mistake_is_one_line(line: str, word: str) -> None:
    """It names what is wrong and says that nothing was sent."""
    with pytest.raises(UsageError) as caught:
        parse_options(line)

    assert word in str(caught.value)
    assert "Nothing was sent." in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "expected", "prompt"),
    [
        ("what is this?", {}, "what is this?"),
        ("-m haiku text", {"model": "haiku"}, "text"),
        ("-m haiku it's -o kay", {"model": "haiku"}, "it's -o kay"),
        ("-o=x --quiet why?", {"output": "x", "quiet": True}, "why?"),
        ("--attach df what is this?", {"attach": ("df",)}, "what is this?"),
        ('--attach df["a b"] -m x what?', {"attach": ('df["a b"]',), "model": "x"}, "what?"),
        ('--system "be brief" "quoted" prompt', {"system": "be brief"}, '"quoted" prompt'),
        ("--system=brief hi", {"system": "brief"}, "hi"),
        ("-- --help is what?", {}, "--help is what?"),
        ("- a list item", {}, "- a list item"),
        ("-5 + 3 = ?", {}, "-5 + 3 = ?"),
        ("  two  spaces ", {}, "two  spaces "),
        ('{"a": 1} -m x', {}, '{"a": 1} -m x'),
        ("--budget 1 /cost", {"budget": 1.0}, "/cost"),
    ],
)
def test_options_before_a_prompt_in_one_line(line: str, expected: dict[str, Any], prompt: str) -> None:
    """Only what stands before the first word of the prompt is an option; the rest is as typed."""
    options, rest = split_prompt(line)

    assert said(options) == expected
    assert rest == prompt


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("-verbose what?", "put -- before"),
        ("-m", "-m needs a value"),
        ("-s  ", "-s needs a value"),
        ("--raw=1 x", "--raw"),
    ],
)
def test_a_mistake_before_a_prompt_in_one_line(line: str, word: str) -> None:
    """A word with a dash that is no option is not silently sent, nor silently dropped."""
    with pytest.raises(UsageError, match="Nothing was sent") as caught:
        split_prompt(line)

    assert word in str(caught.value)


@given(st.text())
def test_what_is_no_option_arrives_as_typed(text: str) -> None:
    """After `--`, any text whatsoever is the prompt."""
    options, prompt = split_prompt("-- " + text)

    assert options == Options()
    assert prompt == text


@given(st.text(alphabet="-abmos=\"'({[]}) ,"))
def test_no_line_breaks_the_parser(line: str) -> None:
    """Whatever is typed gives options or a readable mistake."""
    for read in (parse_options, split_prompt):
        try:
            read(line)
        except UsageError as error:
            assert "Nothing was sent" in str(error)  # noqa: PT017  both ways are right


def test_the_help_names_every_option() -> None:
    """One line each, none too long for a cell."""
    lines = [line for line in options_help().splitlines() if line.startswith("    -")]

    assert len(lines) == len(vars(Options()))
    assert all(len(line) <= 110 for line in lines)
