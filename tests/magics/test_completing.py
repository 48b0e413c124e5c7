"""Completion in prompts: options, values, names; nothing in prose, and nothing of the user's runs for it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from IPython.core.completer import provisionalcompleter

from claude_magic.magics.options import flags

Complete = Callable[..., dict[str, str]]


def complete_in(shell: Any, text: str, offset: int | None = None) -> dict[str, str]:
    """What the shell offers at the end of a text, or at a place in it: the whole word, and the words beside it."""
    offset = len(text) if offset is None else offset
    with provisionalcompleter():
        found = list(shell.Completer.completions(text, offset))
    words = {ord("\u00a0"): " ", ord("\u2011"): "-"}  # no line breaks there
    assert not any(set(one.type) & set(" -") for one in found if one._origin == "claude_magic")
    begun = [text[: one.start].rpartition("\n")[2].rpartition(" ")[2] for one in found]
    return {before + one.text: one.type.translate(words) for before, one in zip(begun, found, strict=True)}


@pytest.fixture
def complete(shell: Any) -> Complete:
    return lambda text, offset=None: complete_in(shell, text, offset)


def test_options_with_their_help(complete: Complete) -> None:
    """Each that was not said yet; where nothing was begun, all of them."""
    assert set(complete("%%claude --mo")) == {"--model"}
    assert complete("%%claude --dry")["--dry-run"].startswith("show what would be sent")
    assert set(complete("%%claude ")) == {name for name in flags() if name.startswith("--")}
    assert "--model" not in complete("%%claude -m opus --")
    assert "--attach" in complete("%%claude --attach x --")


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("%%claude -m op", {"opus"}),
        ("%%claude --model=ha", {"--model=haiku"}),
        ("%%claude --effort h", {"high"}),
        ("%%claude --permission-mode pl", {"plan"}),
        ("%%claude --kernel r", {"read", "run"}),
        ("%%claude --allow Read,Ba", {"Read,Bash"}),
        ("%%claude --tools mcp__kernel__insp", {"mcp__kernel__inspect"}),
        ("%%claude --cwd do", {"docs/"}),
        ("%%claude --attach da", {"data.csv"}),
        ("%%claude --attach other sal", {"sales"}),
        ("%%claude --schema ta", {"table"}),
        ("%%claude --offer pri", {"price_of"}),
        ("%claude simulate o", {"on", "off"}),
        ("%claude transcripts us", {"usage"}),
        ("%claude trust do", {"docs/"}),
        ("%claude ses", {"sessions"}),
        ("x = %claude tu", {"turns"}),
        ("%claude ask --effort ma", {"max"}),
        ("%claude ask -m opus how is {sal", {"{sales"}),
        ("1 + 1\n%claude ask {sal", {"{sales"}),
    ],
)
def test_values(shell: Any, complete: Complete, tmp_path: Path, text: str, offered: set[str]) -> None:
    """Of options and commands, with what each stands for."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "data.csv").write_text("a")
    shell.run_cell("sales = [1]\ndef price_of(x: int) -> int:\n    'Its price.'\n    return x")

    assert set(complete(text)) == offered


def test_models_and_tools_of_a_session_that_has_started(shell: Any, complete: Complete) -> None:
    """The CLI says itself what this account has."""
    shell.run_cell("%claude ask --quiet -s review hi")

    assert set(complete("%%claude -m ")) == {"fake-model", "other-model"}
    assert complete("%%claude -s re") == {"review": "idle, 1 turn, $0.01"}
    assert set(complete("%claude stop ")) == {"review"}
    assert set(complete("%%claude --fork ")) == {"review"}


def test_names_with_type_and_size(shell: Any, complete: Complete) -> None:
    """Columns and keys after them; of a secret the type alone."""
    shell.user_ns |= {
        "df": pd.DataFrame({"price": [1.5, 2.5], "the count": [1, 2]}),
        "settings": {"depth": 3, "password": "hunter2hunter2"},
        "api_token": "abc123abc123abc123",
    }

    assert complete("%%claude\nWhat is in {d") == {"{df": "DataFrame 2 × 2"}
    assert complete("%%claude\n{df.pri") == {"{df.price": "float64"}
    assert complete("%%claude\n{df[") == {"{df['price']": "float64", "{df['the count']": "int64"}
    assert set(complete('%%claude\n{df["pr')) == {'{df["price"]'}
    assert complete("%%claude\n{settings[") == {"{settings['depth']": "int", "{settings['password']": "str (secret)"}
    assert complete("%%claude\n{api_") == {"{api_token": "str (secret)"}


@pytest.mark.parametrize("text", [
    "%%claude\nplease open the im", "%%claude\nimport o", "%%claude\n`{d", "%%claude\n```python\n{d\n", "%%claude\n{{d",
    "%%claude\nof {df} d", "%%claude What is d", "%%claude\n", "%claude ask the d", "%%claude\n~~~\n{d",
    "%claude nosuch d",
    "%%claude -o d", "%%claude --timeout 1", "%%claude --nosuch d",
])  # fmt: skip
def test_prose_and_code_get_nothing(shell: Any, complete: Complete, text: str) -> None:
    """Neither names nor the words of Python, as they stand in a prompt."""
    shell.run_cell("df = 1\ndata = 2")

    assert complete(text) == {}


def test_other_cells_are_completed_by_ipython(shell: Any, complete: Complete) -> None:
    """Also one that only mentions the magic, and its name itself."""
    shell.run_cell("measured = 1")

    assert "measured" in complete("x = 'claude'\nmeas")
    assert "%%claude" in complete("%%cla")
    shell.run_cell("%unload_ext claude_magic")
    assert complete("%%claude --mod") == {}


def test_conversations_with_title_and_age(complete: Complete, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A title that a person gave, else how the first prompt began; those with nothing of a person are left out."""
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "home"))
    folder = tmp_path / "home" / "projects" / "-work"
    folder.mkdir(parents=True)
    say = {"type": "user", "cwd": "/work", "message": {"role": "user", "content": "Why is the\ntable empty?"}}
    ids = [f"{digit * 8}-{digit * 4}-4{digit * 3}-8{digit * 3}-{digit * 12}" for digit in "123"]
    lines = [[say], [say, {"type": "custom-title", "customTitle": "The empty table"}], [{"type": "summary"}]]
    for name, records in zip(ids, lines, strict=True):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))

    assert complete("%%claude --resume ") == {
        ids[0]: "Why is the table empty? · just now",
        ids[1]: "The empty table · just now",
    }
    assert set(complete("%claude resume 2")) == {ids[1]}


def test_nothing_of_the_users_runs(shell: Any, complete: Complete) -> None:
    """Neither a `repr`, nor a length, nor a property, nor the metaclass."""
    shell.run_cell(
        "ran = []\n"
        "class Meta(type):\n"
        "    def __getattribute__(cls, name): ran.append(name); return type.__getattribute__(cls, name)\n"
        "class Odd(metaclass=Meta):\n"
        "    def __getattribute__(self, name): ran.append(name); raise SystemError\n"
        "    def __len__(self): ran.append('len'); return 1\n"
        "    @property\n"
        "    def cost(self): ran.append('cost')\n"
        "odd = Odd()\nran.clear()"
    )

    assert complete("%%claude\n{od") == {"{odd": "Odd", "{Odd": "class"}
    assert complete("%%claude\n{odd.") == {"{odd.cost": "property"}
    assert complete("%%claude --schema O") == {}
    assert shell.user_ns["ran"] == []


def test_it_is_quick_with_many_names_and_large_values(shell: Any, complete: Complete) -> None:
    """Two thousand names, a list and a table of a million: far below what a person notices."""
    shell.user_ns |= {f"name_{number}": [number] for number in range(2000)}
    shell.user_ns |= {"big_list": list(range(1_000_000)), "big_table": pd.DataFrame({"x": range(1_000_000)})}
    complete("%%claude\n{")

    begun = time.process_time()
    for _ in range(20):
        assert len(complete("%%claude\n{name_")) == 300
        assert complete("%%claude\n{big_l") == {"{big_list": "list, 1,000,000 items"}
        assert complete("%%claude\n{big_table.") | {"{big_table.x": "int64"} == complete("%%claude\n{big_table.")
    assert (time.process_time() - begun) / 80 < 0.1
