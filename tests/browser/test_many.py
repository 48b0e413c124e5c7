"""Many runs at once, and the viewer as a widget among others."""

from __future__ import annotations

from playwright.sync_api import expect

from .conftest import MakeNotebook

GRID = """
from claude_magic import get_client
from claude_magic.widgets.viewer import StreamViewer
%config ClaudeMagics.allowed_tools = ["Bash"]
names = [f"run {number}" for number in range(8)]
for name in names:
    get_ipython().run_line_magic("claude", f"new {name}")
StreamViewer.grid(*names, columns=4)
"""
SUBMIT = "futures = [get_client().submit(name, 'wait at the gate') for name in names]"
OUTCOMES = "[future.result(60).outcome for future in futures]"

BOX = """
from ipywidgets import Button, VBox
from claude_magic.widgets.viewer import StreamViewer
VBox([Button(description="a button of the user"), StreamViewer("main")])
"""


def test_eight_runs_side_by_side(notebook: MakeNotebook) -> None:
    """Eight sessions run at the same time, each in its own viewer of a grid."""
    nb = notebook(GRID, SUBMIT, OUTCOMES)
    nb.run(1)
    nb.run(2)
    views = nb.output(1).locator(".claude-run")
    expect(views).to_have_count(8)
    for number in range(8):
        expect(views.nth(number)).to_contain_text("Before the gate.")
        expect(views.nth(number)).to_have_attribute("data-standing", "live")
    nb.picture("grid-running", 1)
    (nb.folder / "open").touch()
    for number in range(8):
        expect(views.nth(number)).to_contain_text("After the gate: passed.")
        expect(views.nth(number)).to_contain_text(f"run {number}")
        expect(views.nth(number)).to_have_attribute("data-outcome", "success")
    nb.run(3)
    nb.picture("grid", 1)

    assert nb.text(3).count("success") == 8


def test_viewer_stands_among_other_widgets(notebook: MakeNotebook) -> None:
    """In a box with a button, the viewer follows the session of a cell, as the cell's own view does."""
    nb = notebook(BOX, "%%claude\na rich answer")
    nb.run(1)
    expect(nb.output(1).get_by_role("button", name="a button of the user")).to_be_visible()
    expect(nb.output(1)).to_contain_text("main: nothing runs now. The next prompt of this session is shown here.")
    nb.run(2)
    view = nb.output(1).locator(".claude-run")
    expect(view).to_have_attribute("data-outcome", "success")
    expect(view.locator("table")).to_contain_text("215")
    expect(view).to_contain_text("The end of the rich answer.")
    expect(nb.view(2)).to_contain_text("The end of the rich answer.")
    nb.picture("viewer", 1)


def test_viewer_stops_a_running_cell(notebook: MakeNotebook) -> None:
    """The viewer's stop button works while the cell that runs blocks the kernel."""
    nb = notebook(BOX, "%%claude\na long story")
    nb.run(1)
    nb.start(2)
    view = nb.output(1).locator(".claude-run")
    expect(view).to_contain_text("And on day 2")
    view.get_by_role("button", name="Stop", exact=True).click()
    nb.wait(2)

    assert nb.error(2) == "KeyboardInterrupt"
    expect(view).to_have_attribute("data-outcome", "interrupted")
    expect(nb.view(2)).to_have_attribute("data-outcome", "interrupted")


def test_eight_notebooks_run_at_once(notebook: MakeNotebook) -> None:
    """Eight notebooks with a kernel each run at the same time, and each page shows its own run to its end."""
    opened = [notebook("%%claude --allow Bash\nwait at the gate") for _ in range(8)]
    for nb in opened:
        nb.show()
        nb.start(1)
    for nb in opened:
        nb.show()
        expect(nb.view(1)).to_contain_text("Before the gate.")
        expect(nb.view(1)).to_have_attribute("data-standing", "live")
    (opened[0].folder / "open").touch()  # they stand in one folder
    for nb in opened:
        nb.show()
        expect(nb.view(1)).to_contain_text("After the gate: passed.")
        expect(nb.view(1)).to_have_attribute("data-outcome", "success")
