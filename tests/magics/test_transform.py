"""`%claude` lines arrive as typed, and no other line is touched."""

from __future__ import annotations

import atexit
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.error import UsageError
from IPython.core.inputtransformer2 import TransformerManager
from IPython.core.interactiveshell import InteractiveShell

from claude_magic.magics import transform

MANAGER = TransformerManager()
MANAGER.token_transformers.insert(0, transform.ClaudeLine)


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[InteractiveShell]:
    """A bare shell."""
    shell = InteractiveShell(ipython_dir=str(tmp_path))
    yield shell
    shell.restore_sys_module_state()
    shell.atexit_operations()
    atexit.unregister(shell.atexit_operations)


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
    ("cell", "code"),
    [
        ("%%claude --help", "get_ipython().run_line_magic('claude', '--help')"),
        ("%%claude  -h\n\n", "get_ipython().run_line_magic('claude', '--help')"),
        ("%%claude --help\nwhat is this?", "get_ipython().run_cell_magic('claude', '--help', 'what is this?\\n')"),
        ("%%claude\n--help", "get_ipython().run_cell_magic('claude', '', '--help\\n')"),
        ("# ask\n\n# it\n%%claude -m x\nhi", "get_ipython().run_cell_magic('claude', '-m x', 'hi\\n')"),
        ("  %%claude\nhi\nthere", "get_ipython().run_cell_magic('claude', '', 'hi\\nthere\\n')"),
        ("%%Claude -m x\nhi", "get_ipython().run_cell_magic('claude', '-m x', 'hi\\n')"),
        ("%% claude\nhi", "get_ipython().run_cell_magic('claude', '', 'hi\\n')"),
        ("%%claude What is 2+2?", "get_ipython().run_cell_magic('claude', 'What is 2+2?', '\\n')"),
        ("%%claude\n# hi\n%%claude", "get_ipython().run_cell_magic('claude', '', '# hi\\n%%claude\\n')"),
        ("%%time\nx\n%%claude", "get_ipython().run_cell_magic('time', '', 'x\\n%%claude\\n')"),
        ("# only a comment", "# only a comment"),
        ("x = '''\n%%claude\n'''", "x = '''\n%%claude\n'''"),
        ("%claude\nx = 1", "get_ipython().run_line_magic('claude', '')\nx = 1"),
        ("%claude sessions\nnot code", "get_ipython().run_line_magic('claude', 'sessions')\nnot code"),
        ("%%cloud\nx", "get_ipython().run_cell_magic('cloud', '', 'x\\n')"),
    ],
)
def test_a_cell_that_is_nearly_a_prompt_is_one(shell: InteractiveShell, cell: str, code: str) -> None:
    """Comments, indentation and capitals do not matter; any other cell stays as it is."""
    transform.install(shell)

    assert shell.transform_cell(cell).rstrip() == code


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("import pandas\n%%claude\nhi", "%%claude comes first in its cell"),
        ("%load_ext claude_magic\n%%claude\nhi", "%%claude comes first in its cell"),
        ("!ls\nx = %who\n%%claude -m x\nhi", "put the code above it into a cell of its own"),
        ("%claude\nTell me about this", "begin the cell with %%claude"),
        ("%claude -m haiku\nTell me about this", "begin the cell with %%claude"),
        ("%claude ask tell me\nabout all of this", "begin the cell with %%claude"),
        ("%%cluade\nhi", "did you mean %%claude?"),
    ],
)
def test_a_cell_that_cannot_be_one_says_what_to_do(shell: InteractiveShell, cell: str, words: str) -> None:
    """IPython's own words send people to look for a missing installation. Nothing of the cell runs."""
    transform.install(shell)
    result = shell.run_cell(cell)

    assert isinstance(result.error_in_exec, UsageError)
    assert words in str(result.error_in_exec)
    assert "Nothing was sent." in str(result.error_in_exec)


@pytest.mark.parametrize("cell", ["%%claude", "%%claude -s a", "# why\n%%Claude -s a\nhi"])
def test_a_terminal_waits_for_the_prompt(shell: InteractiveShell, cell: str) -> None:
    """The cell goes on after its first line, until a blank one."""
    transform.install(shell)

    assert shell.check_complete(cell)[0] == "incomplete"
    assert shell.check_complete(cell + "\nhi\n\n")[0] == "complete"


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


def test_installed_once_and_taken_out(shell: InteractiveShell) -> None:
    """Loading twice installs one; unloading leaves none."""
    before = list(shell.input_transformer_manager.token_transformers)

    transform.install(shell)
    transform.install(shell)
    assert len(shell.input_transformer_manager.token_transformers) == len(before) + 1

    transform.uninstall(shell)
    transform.uninstall(shell)
    assert shell.input_transformer_manager.token_transformers == before
