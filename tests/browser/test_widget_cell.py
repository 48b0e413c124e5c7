"""JupyterLab with widgets but without the extension: a cell's run is drawn by a widget, which leaves with the run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from claude_magic.widgets.protocol import MIME_TYPE

from .conftest import OTHER_KERNELS, MakeNotebook
from .lab import Server, Surroundings, start_lab
from .notebook import Notebook

KEPT = {MIME_TYPE, "text/html", "text/plain"}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A JupyterLab whose user has disabled the extension."""
    server = start_lab(Surroundings(tmp_path_factory.mktemp("lab"), OTHER_KERNELS), without=("claude-magic",))
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def fresh_page(page: Page) -> None:
    """Each notebook is opened by a page of its own.

    JupyterLab's page does not always come to rest when one with widgets is closed and the next is opened at once.
    """
    page.goto("about:blank")


LEFT = """\
import time
from ipywidgets.widgets import widget

until = time.monotonic() + 20
while (left := [w for w in list(widget._instances.values()) if type(w).__name__ == "RunWidget"]):
    if time.monotonic() > until:
        break
    time.sleep(0.02)
len(left)"""


def press(within: Locator, name: str) -> None:
    within.get_by_role("button", name=name, exact=True).click()


def kept(nb: Notebook, cell: int) -> dict[str, Any]:
    """The one display that a cell keeps in the saved notebook; it holds no widget."""
    nb.save()
    (shown,) = [one for one in nb.saved["cells"][cell]["outputs"] if one["output_type"] == "display_data"]
    data: dict[str, Any] = shown["data"]
    assert set(data) == KEPT
    return {kind: "".join(text) if isinstance(text, list) else text for kind, text in data.items()}


def test_first_cell_streams_in_the_widget_and_keeps_the_page(notebook: MakeNotebook) -> None:
    """The first cell of a page is drawn by the widget already; what stays is the static picture of the run."""
    nb = notebook("%%claude --allow Bash\nwait at the gate")
    nb.start(1)
    view = nb.view(1)
    expect(view).to_contain_text("Before the gate.")
    expect(view).to_have_attribute("data-standing", "live")
    expect(view.locator(".claude-tool")).to_have_attribute("data-state", "running")
    nb.picture("widget-running", 1)
    (nb.folder / "open").touch()
    nb.wait(1)

    expect(view).to_have_count(0)
    expect(nb.output(1)).to_contain_text("After the gate: passed.")
    data = kept(nb, 1)
    assert (data[MIME_TYPE]["outcome"], data[MIME_TYPE]["live"], data[MIME_TYPE]["run"]) == ("success", False, "")
    assert "After the gate: passed." in data["text/html"]
    assert "After the gate: passed." in data["text/plain"]
    nb.picture("widget-over", 1)


@pytest.mark.parametrize("kernel", ["this", *OTHER_KERNELS])
def test_allow_in_the_widget_runs_the_command(notebook: MakeNotebook, kernel: str) -> None:
    """The question is asked and answered in the widget while the cell runs, on each version of ipykernel."""
    nb = notebook("%%claude\nhello", "%%claude\nmake a file", LEFT, kernel=kernel)
    nb.run(1)  # a slow page may answer late what it can draw; it counts from then on
    nb.start(2)
    card = nb.view(2).locator(".claude-ask")
    expect(card).to_be_visible()
    expect(nb.output(2).locator(".jp-Stdin-input")).to_have_count(0)
    nb.picture("widget-question", 2)
    assert not (nb.folder / "made.txt").exists()
    press(card, "Allow")
    nb.wait(2)

    expect(nb.output(2)).to_contain_text("The tool said: one.")
    assert (nb.folder / "made.txt").read_text() == "one\n"
    assert "The tool said: one." in kept(nb, 2)["text/plain"]
    nb.run(3)
    assert nb.text(3).strip().endswith("0")


def test_reload_in_the_middle_shows_the_end(notebook: MakeNotebook) -> None:
    """A page that is loaded again while the cell runs shows the whole run when the cell is over."""
    nb = notebook("%%claude --allow Bash\nwait at the gate")
    nb.start(1)
    expect(nb.view(1)).to_contain_text("Before the gate.")
    nb.save()
    nb.page.goto(nb.server.address(f"lab/tree/{nb.path}?reset"))
    expect(nb.output(1)).to_contain_text("Loading widget")
    (nb.folder / "open").touch()

    expect(nb.view(1)).to_contain_text("After the gate: passed.")
    expect(nb.view(1)).to_have_attribute("data-outcome", "success")
    assert "was not saved here" in "".join(nb.saved["cells"][1]["outputs"][0]["data"]["text/plain"])


def test_stop_in_the_widget_keeps_text_and_session(notebook: MakeNotebook) -> None:
    """Stop ends the turn; the static picture takes the widget's place, and the session goes on."""
    nb = notebook("%%claude\na long story", "print('not reached')", "%%claude\nhello")
    nb.run_all()
    view = nb.view(1)
    expect(view).to_contain_text("And on day 2")
    press(view, "Stop")
    expect(nb.output(1)).to_contain_text("Stopped by you")
    nb.wait_until_idle()

    expect(view).to_have_count(0)
    assert nb.error(1) == "KeyboardInterrupt"
    assert not nb.is_run(2)
    data = kept(nb, 1)
    assert data[MIME_TYPE]["outcome"] == "interrupted"
    assert "Once upon a time" in data["text/plain"]
    nb.run(3)
    expect(nb.output(3)).to_contain_text("Hello from the session.")
    assert kept(nb, 3)[MIME_TYPE]["outcome"] == "success"


def test_interrupt_at_a_question_takes_the_widget_away(notebook: MakeNotebook) -> None:
    """The notebook's own interrupt does so too, and nothing runs."""
    nb = notebook("%%claude\nmake a file")
    nb.start(1)
    expect(nb.view(1).locator(".claude-ask")).to_be_visible()
    nb.interrupt()
    nb.wait(1)

    expect(nb.view(1)).to_have_count(0)
    assert nb.error(1) == "KeyboardInterrupt"
    assert kept(nb, 1)[MIME_TYPE]["outcome"] == "interrupted"
    assert not (nb.folder / "made.txt").exists()


def test_widget_without_a_control_channel_only_shows(notebook: MakeNotebook) -> None:
    """Where what is said in a widget arrives late, the widget has no Stop, and the question comes as an input field."""
    nb = notebook("%%claude\nhello", "%%claude\nmake a file")
    nb.page.evaluate(
        """() => {
            const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
            const send = kernel.sendControlMessage.bind(kernel);
            kernel.sendControlMessage = (message, ...more) => {
                if (message.header.msg_type === 'claude_magic_request') throw new Error('no way through');
                return send(message, ...more);
            };
        }"""
    )
    nb.run(1)
    expect(nb.output(1)).to_contain_text("Hello from the session.")
    assert kept(nb, 1)[MIME_TYPE]["outcome"] == "success"

    nb.start(2)
    field = nb.output(2).locator(".jp-Stdin-input")
    expect(field).to_be_visible()
    view = nb.view(2)
    expect(view).to_have_attribute("data-standing", "live")
    expect(view).to_contain_text("I will make a file.")
    expect(view.locator(".claude-ask")).to_have_count(0)
    expect(view.get_by_role("button", name="Stop")).to_be_hidden()
    nb.picture("widget-mute", 2)
    field.fill("y")
    field.press("Enter")
    nb.wait(2)
    expect(view).to_have_count(0)
    assert "The tool said: one." in kept(nb, 2)["text/plain"]


def test_viewer_needs_no_extension(notebook: MakeNotebook) -> None:
    """`StreamViewer` stays where it is displayed, and draws the run beside the cell's own view."""
    nb = notebook(
        "from claude_magic.widgets.viewer import StreamViewer\nStreamViewer('main')", "%%claude\na rich answer"
    )
    nb.run(1)
    nb.run(2)
    view = nb.view(1)

    expect(view).to_have_attribute("data-outcome", "success")
    expect(view.locator("table")).to_contain_text("215")
    expect(view.get_by_role("cell", name="215")).to_have_css("text-align", "right")
    expect(view.locator("pre .code-keyword")).to_have_text(["def", "return"])
    expect(view.locator(".language-math")).to_have_text("x̄ = 1/n ∑ᵢ xᵢ")
    expect(nb.output(2)).to_contain_text("return sum(values)")
    nb.picture("plain-viewer", 1)
