"""JupyterLab without the extension and without widgets: an updated display, `input()` for permissions, interrupt."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, expect

from claude_magic.rendering.footer import SIMULATED

from .conftest import MakeNotebook
from .lab import Server, Surroundings, start_lab
from .notebook import Notebook


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A JupyterLab whose user has disabled the extension and the widgets."""
    without = ("claude-magic", "@jupyter-widgets/jupyterlab-manager")
    server = start_lab(Surroundings(tmp_path_factory.mktemp("lab")), without=without)
    yield server
    server.stop()


def stdin(notebook: Notebook, cell: int) -> Locator:
    return notebook.output(cell).locator(".jp-Stdin-input")


def answer(notebook: Notebook, cell: int, words: str) -> None:
    """Answer the cell's `input()`."""
    field = stdin(notebook, cell)
    expect(field).to_be_visible()
    field.fill(words)
    field.press("Enter")


def test_answer_is_drawn_as_safe_html(notebook: MakeNotebook) -> None:
    """The answer stands below the cell as HTML, with table and code, and there is no live view."""
    nb = notebook("%%claude\na rich answer")
    nb.run(1)

    expect(nb.view(1)).to_have_count(0)
    expect(nb.output(1).locator("table")).to_contain_text("215")
    expect(nb.output(1).get_by_role("cell", name="215")).to_have_css("text-align", "right")
    expect(nb.output(1)).to_contain_text("return sum(values)")
    expect(nb.output(1)).to_contain_text(SIMULATED)
    nb.picture("plain-answer", 1)


def test_permission_is_asked_by_input(notebook: MakeNotebook) -> None:
    """Without the live view the question comes as an input field, and the command runs when it is allowed."""
    nb = notebook("%%claude\nmake a file")
    nb.start(1)
    expect(nb.output(1)).to_contain_text("echo one >> made.txt && cat made.txt")
    nb.picture("plain-question", 1)
    assert not (nb.folder / "made.txt").exists()
    answer(nb, 1, "y")
    nb.wait(1)

    expect(nb.output(1)).to_contain_text("The tool said: one.")
    assert (nb.folder / "made.txt").read_text() == "one\n"


def test_denial_with_a_reason_by_input(notebook: MakeNotebook) -> None:
    """Words other than yes and no deny, and the model is told them."""
    nb = notebook("%%claude\nmake a file")
    nb.start(1)
    answer(nb, 1, "use another name")
    nb.wait(1)

    expect(nb.output(1)).to_contain_text("The tool said: use another name")
    assert not (nb.folder / "made.txt").exists()


def test_interrupt_keeps_the_text_and_stops_run_all(notebook: MakeNotebook) -> None:
    """The notebook's own interrupt button keeps what was said, stops Run All, and the session goes on."""
    nb = notebook("%%claude\na long story", "print('not reached')", "%%claude\nhello")
    nb.run_all()
    expect(nb.output(1)).to_contain_text("And on day 2")
    nb.interrupt()
    expect(nb.output(1)).to_contain_text("Stopped by you")
    nb.wait_until_idle()

    assert nb.error(1) == "KeyboardInterrupt"
    assert "Once upon a time" in nb.text(1)
    assert not nb.is_run(2)
    nb.run(3)
    expect(nb.output(3)).to_contain_text("Hello from the session.")


def test_interrupt_while_a_question_is_open(notebook: MakeNotebook) -> None:
    """An interrupt at the input field ends the turn, and nothing runs."""
    nb = notebook("%%claude\nmake a file")
    nb.start(1)
    expect(stdin(nb, 1)).to_be_visible()
    nb.interrupt()
    nb.wait(1)

    assert nb.error(1) == "KeyboardInterrupt"
    assert not (nb.folder / "made.txt").exists()


def test_undo_by_magic(notebook: MakeNotebook) -> None:
    """`%claude undo` shows what the last turn edited, asks, and restores it."""
    nb = notebook("%%claude --permission-mode acceptEdits\nedit my notes", "%claude undo")
    notes = nb.folder / "notes.txt"
    notes.write_text("first line\nsecond line\n")
    nb.run(1)
    assert notes.read_text() == "first line\nanother line\nand one more\n"
    nb.start(2)
    expect(nb.output(2)).to_contain_text("Undoing would change 1 file (+1 −2 lines)")
    answer(nb, 2, "y")
    nb.wait(2)

    expect(nb.output(2)).to_contain_text("Undone: 1 file")
    expect(nb.output(2)).to_contain_text("What Bash commands did is not covered.")
    assert notes.read_text() == "first line\nsecond line\n"
