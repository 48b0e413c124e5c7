"""Cells in a prompt: by their numbers, the last error, and those above it; and what goes in, part by part."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from IPython.core.error import UsageError

from claude_magic.magics.sent_parts import sent_value, tokens_of

Prompts = Callable[[], list[Any]]
Output = pytest.CaptureFixture[str]


@pytest.fixture
def cells(shell: Any) -> Any:
    """A shell in which three cells were run, the last of which failed."""
    for code in ("total = 41 + 1", "total", "total / 0"):
        try:
            shell.run_cell(code, store_history=True)
        except ZeroDivisionError:
            continue
    return shell


def ask(shell: Any, line: str, text: str) -> None:
    shell.run_cell(f"%%claude --quiet {line}\n{text}", store_history=True)


def test_cells_their_values_and_the_last_error(cells: Any, prompts: Prompts) -> None:
    """A cell comes as code, as it was typed; an error with its traceback."""
    number = cells.execution_count - 3

    ask(cells, "", f"Why {{In[{number}]}} and {{Out[{number + 1}]}}? {{Err}}")

    assert prompts()[0].startswith("Why \n```python\ntotal = 41 + 1\n```\n and 42? \n```text\nTraceback")
    assert prompts()[0].endswith("ZeroDivisionError: division by zero\n```\n")


def test_from_the_end(cells: Any, prompts: Prompts) -> None:
    """-1 is the cell before the prompt, and the last value."""
    ask(cells, "", "{In[-1]} {Out[-1]}")

    assert prompts() == ["\n```python\ntotal / 0\n```\n 42"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{In[99]}", r"{In\[99\]} has no value \(LookupError: there is no cell 99; the last one that was run is \d"),
        ("{Out[99]}", "cell 99 has shown no value"),
    ],
)
def test_what_is_not_there(cells: Any, prompts: Prompts, text: str, words: str) -> None:
    """Is said in words, and nothing is sent."""
    with pytest.raises(UsageError, match=words):
        ask(cells, "", text)
    assert prompts() == []


def test_no_error_yet(shell: Any, prompts: Prompts) -> None:
    """`{Err}` where no cell has failed."""
    with pytest.raises(UsageError, match="no cell has failed yet"):
        ask(shell, "", "Explain {Err}")
    assert prompts() == []


def test_names_of_the_users_own_win(cells: Any, prompts: Prompts) -> None:
    """`In`, `Out` and `Err` are variables like any other once they are assigned."""
    cells.run_cell("Err, In = 'mine', ['first']", store_history=True)

    ask(cells, "", "{Err} {In[0]}")

    assert prompts() == ["mine first"]


def test_cells_above(cells: Any, prompts: Prompts) -> None:
    """Where no page shows the notebook, as they were run; they stand before the prompt, secrets left out."""
    cells.run_cell("api_key = 'sk-ant-api03-0123456789abcdef'", store_history=True)

    ask(cells, "--cells-above 2", "Explain.")

    above, typed = (block["text"] for block in prompts()[0])
    assert above.startswith("The 2 cells above this prompt in the user's notebook, from top to bottom:\n\nIn[")
    assert "total / 0" in above
    assert "total = 41" not in above
    assert "0123456789abcdef" not in above
    assert typed == "Explain."


@pytest.mark.parametrize("number", ["0", "-1", "x"])
def test_cells_above_takes_a_number(shell: Any, prompts: Prompts, number: str) -> None:
    """Of at least 1."""
    with pytest.raises(UsageError, match=r"--cells-above.*not a whole number"):
        ask(shell, f"--cells-above={number}", "hi")
    assert prompts() == []


def test_a_file_is_attached_by_its_path(shell: Any, prompts: Prompts, tmp_path: Path) -> None:
    """A variable of that name wins."""
    (tmp_path / "notes.txt").write_text("from the file")
    ask(shell, "--attach notes.txt", "Explain.")
    assert "from the file" in prompts()[-1][0]["text"]

    shell.run_cell("class notes: txt = 'from the variable'")
    ask(shell, "--attach notes.txt", "Explain.")
    assert "from the variable" in prompts()[-1][0]["text"]


def test_dry_run_shows_each_part(cells: Any, prompts: Prompts, capsys: Output, tmp_path: Path) -> None:
    """With about how many tokens it has, and secrets masked; nothing is sent."""
    cells.run_cell("words = 'w ' * 2000\napi_key = 'sk-ant-api03-0123456789abcdef'", store_history=True)

    ask(cells, "--dry-run --cells-above 1 --attach words", "{total}, {api_key} and {words}")

    shown = capsys.readouterr().out
    assert prompts() == []
    assert "size:      about " in shown
    assert "{words}" in shown
    assert "1,000  {words}" in shown
    assert "cells above" in shown
    assert "0123456789abcdef" not in shown
    assert "the secret itself would be sent" in shown


def test_what_goes_in_is_kept_part_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """How it was asked for, what it is, about how many tokens; a long text is cut, a picture counts."""
    known = {"label": "{x}", "words": "str", "tokens": 2, "text": "abcdefgh", "pictures": []}
    assert sent_value("{x}", "str", "abcdefgh") == known
    assert len(sent_value("{x}", "str", "a" * 99_999)["text"]) == 4000
    assert sent_value("fig", "picture", [{"type": "image"}])["tokens"] > 1000
    assert tokens_of("") == 0


def test_completion_of_cells(cells: Any) -> None:
    """Their numbers, with how they begin."""
    from test_completing import complete_in

    number = cells.execution_count - 3
    assert complete_in(cells, "%%claude\n{E") == {"{Err": "the last error"}
    assert complete_in(cells, "%%claude\n{In[")[f"{{In[{number}]"] == "total = 41 + 1"
    assert complete_in(cells, "%%claude\n{Out[")[f"{{Out[{number + 1}]"] == "int"
