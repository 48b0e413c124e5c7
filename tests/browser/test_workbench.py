"""Buttons and commands beside a prompt: on errors, on cells, on code of an answer, before the magics are loaded."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from .conftest import SETUP, Guard, MakeNotebook
from .lab import Server
from .notebook import Notebook


def sources(nb: Notebook) -> list[str]:
    """The sources of all cells."""
    found: list[str] = nb.page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.content.widgets.map(one => one.model.sharedModel.getSource())"
    )
    return found


def wait_for_cells(nb: Notebook, count: int) -> None:
    """Wait until there are so many cells, and the caret stands in the active one."""
    nb.page.wait_for_function(
        """count => {
            const notebook = window.jupyterapp.shell.currentWidget.content;
            return notebook.widgets.length === count && notebook.activeCell.editor?.hasFocus();
        }""",
        arg=count,
    )


def select(nb: Notebook, cell: int) -> None:
    """Select a cell, in command mode."""
    nb.page.evaluate(
        """cell => {
            const notebook = window.jupyterapp.shell.currentWidget.content;
            notebook.deselectAll();
            notebook.activeCellIndex = cell;
            notebook.mode = 'command';
            notebook.activate();
        }""",
        cell,
    )


def test_error_is_explained_or_fixed(notebook: MakeNotebook) -> None:
    """A click on a traceback puts a prompt below its cell, with both of them, ready to be run."""
    nb = notebook("def half(x):\n    return x / 2\nhalf('a')", "print('below')")
    nb.run(1)
    bar = nb.output(1).locator(".claude-error-bar")
    expect(bar.get_by_role("button")).to_have_text(["Explain", "Fix"])
    nb.picture("error-buttons", 1)

    bar.get_by_role("button", name="Fix").click()
    wait_for_cells(nb, 4)
    nb.page.keyboard.type(" Be brief.")

    prompt = sources(nb)[2]
    assert prompt.startswith("%%claude\nThis cell failed:\n\n```python\ndef half(x):")
    assert "TypeError: unsupported operand" in prompt
    assert "\x1b" not in prompt
    assert prompt.endswith("give the corrected cell. Be brief.")
    nb.page.keyboard.press("Shift+Enter")
    expect(nb.view(2)).to_have_attribute("data-outcome", "success")


def test_no_buttons_where_nothing_failed(notebook: MakeNotebook) -> None:
    """A prompt that fails says itself what to do, and a cell that was stopped did not fail."""
    nb = notebook("%%claude --resume 12345678-1234-4234-8234-123456789abc\nhi", "raise KeyboardInterrupt")
    for cell in (1, 2):
        nb.run(cell)
        assert nb.error(cell)
        expect(nb.output(cell).locator(".claude-error-bar button:visible")).to_have_count(0)


def test_prompts_from_keys_and_toolbar(notebook: MakeNotebook) -> None:
    """Q begins a prompt below, in the session of the cell; the cell's toolbar asks about it with what it printed."""
    nb = notebook("%%claude -s analysis\nhello", "print('so much')")
    nb.run(2)
    select(nb, 1)
    nb.page.keyboard.press("q")
    wait_for_cells(nb, 4)
    nb.page.keyboard.type("and then")
    assert sources(nb)[2] == "%%claude -s analysis\nand then"

    nb.page.keyboard.press("Escape")
    select(nb, 3)
    nb.page.locator(".jp-Cell.jp-mod-active .jp-cell-toolbar [data-command='claude-magic:ask-about-cell']").click()
    wait_for_cells(nb, 5)
    nb.page.keyboard.type("Why?")
    written = (
        "%%claude\nAbout this cell:\n\n```python\nprint('so much')\n```\n\nIts output:\n\n```text\nso much\n```\n\nWhy?"
    )
    assert sources(nb)[4] == written


def test_code_of_an_answer_runs_below(notebook: MakeNotebook) -> None:
    """Run below makes a cell of a code block and runs it."""
    nb = notebook("%%claude\nonly code")
    nb.run(1)
    nb.view(1).get_by_role("button", name="Insert this code as a new cell below, and run it").click()
    nb.page.wait_for_function("() => window.jupyterapp.shell.currentWidget.content.widgets.length === 3")
    nb.wait_until_idle()
    assert nb.is_run(2)


@pytest.fixture
def unloaded(lab: Server, page: Page, guard: Guard) -> Iterator[Notebook]:
    """A notebook whose kernel does not have the magics."""
    path = "unloaded/0.ipynb"
    lab.surroundings.write_notebook(path, ["%%claude\nonly code", SETUP, "x = 1"])
    made = Notebook(page, lab, path)
    if page.url.startswith(f"{lab.url}/lab"):
        made.show()
    else:
        made.open()
    yield made
    made.close()
    guard.check()


def test_magics_are_loaded_where_they_are_missed(unloaded: Notebook) -> None:
    """A prompt in a kernel without them is followed by an offer; a click loads them and runs it again."""
    nb = unloaded
    nb.run(0)
    offer = nb.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .claude-load")
    expect(offer).to_contain_text("Claude is not loaded in this kernel.")
    nb.page.evaluate(
        """() => {
            const cell = window.jupyterapp.shell.currentWidget.content.widgets[0];
            cell.model.sharedModel.setSource('%claude version');
        }"""
    )

    offer.get_by_role("button", name="Load it and run this cell").click()

    expect(offer).to_have_count(0)
    expect(nb.output(0)).to_contain_text("claude_magic")
