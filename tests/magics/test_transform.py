"""`%claude` lines arrive as typed, and no other line is touched."""

from __future__ import annotations

import atexit
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.inputtransformer2 import TransformerManager
from IPython.core.interactiveshell import InteractiveShell

from claude_magic.magics import transform

MANAGER = TransformerManager()
MANAGER.token_transformers.insert(0, transform.ClaudeLine)


def call(text: str) -> str:
    return f"get_ipython().run_line_magic('claude', {text!r})\n"


@pytest.mark.parametrize(
    "text",
    [
        "ask what is $i?",
        "ask what is this??",
        'ask why {"a": 1} and {{i}} and {i}?',
        "ask it's \"unbalanced",
        "ask f(x[{ and no end",
        'ask a """ docstring',
        "ask 100 % of %claude and !ls and ; # no comment",
        "ask \\n stays",
        "ask r = %claude ask x?",
        "",
        "status",
        "sessions",
    ],
)
def test_a_line_arrives_as_typed(text: str) -> None:
    """Whatever Python or IPython would make of it."""
    assert MANAGER.transform_cell(f"%claude {text}") == call(text)
    assert (
        MANAGER.transform_cell(f"x = 1\nif x:\n    %claude {text}\ny = 2") == f"x = 1\nif x:\n    {call(text)}y = 2\n"
    )
    assert MANAGER.transform_cell(f"r = %claude {text}") == f"r = {call(text)}"


@pytest.mark.parametrize(
    ("cell", "lines"),
    [
        (["%%claude --help"], ["%claude --help\n"]),
        (["%%claude  -h\n", "\n"], ["%claude --help\n"]),
        (["%%claude --help\n", "what is this?"], ["%%claude --help\n", "what is this?"]),
        (["%%claude\n", "--help"], ["%%claude\n", "--help"]),
        ([], []),
    ],
)
def test_a_cell_that_asks_for_help(cell: list[str], lines: list[str]) -> None:
    """Becomes a line, as IPython refuses a cell without a body; any other cell stays."""
    assert transform.help_cell(cell) == lines


def test_several_lines() -> None:
    """An open bracket in the first does not swallow the second."""
    assert (
        MANAGER.transform_cell("%claude ask f(\n%claude ask g['\nz = 1") == call("ask f(") + call("ask g['") + "z = 1\n"
    )


def test_a_line_that_goes_on() -> None:
    """A backslash at the end continues a line magic, as everywhere in IPython; on the last line it is itself."""
    assert MANAGER.transform_cell("%claude ask a \\\n  b?\nx = 1") == call("ask a    b?") + "x = 1\n"
    assert MANAGER.transform_cell("%claude ask a \\") == call("ask a \\")


@pytest.mark.parametrize(
    "cell",
    [
        'x = """\n%claude ask hello\n"""\n',
        "# %claude ask hi?\n",
        "%claudex\n",
        "a %claude\n",
        "%%time\n%claude\n",
        "5 % claude\n",
    ],
)
def test_nothing_else_is_touched(cell: str) -> None:
    """Strings, comments, operators and other magics."""
    assert MANAGER.transform_cell(cell) == TransformerManager().transform_cell(cell)


@pytest.mark.parametrize("cell", ["%claude?", "%claude??", "%%claude?"])
def test_a_question_mark_alone_asks_for_help(cell: str) -> None:
    """As for every other magic."""
    assert "pinfo" in MANAGER.transform_cell(cell)


@given(st.text(st.characters(blacklist_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1))
def test_any_text_arrives(text: str) -> None:
    """One line of anything, as a `%claude ask`."""
    namespace: dict[str, list[str]] = {"got": []}

    class Shell:
        def run_line_magic(self, name: str, line: str) -> None:
            namespace["got"].append(line)

    exec(MANAGER.transform_cell(f"%claude ask _{text}"), {"get_ipython": Shell})

    assert namespace["got"] == [f"ask _{text}".rstrip()]


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[InteractiveShell]:
    """A bare shell."""
    shell = InteractiveShell(ipython_dir=str(tmp_path))
    yield shell
    shell.restore_sys_module_state()
    shell.atexit_operations()
    atexit.unregister(shell.atexit_operations)


def test_installed_once_and_taken_out(shell: InteractiveShell) -> None:
    """Loading twice installs one; unloading leaves none."""
    before = list(shell.input_transformer_manager.token_transformers)

    transform.install(shell)
    transform.install(shell)
    assert len(shell.input_transformer_manager.token_transformers) == len(before) + 1

    transform.uninstall(shell)
    transform.uninstall(shell)
    assert shell.input_transformer_manager.token_transformers == before
