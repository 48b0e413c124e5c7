"""`--bg` on the page: the cell is over, and its view goes on, asks, can be stopped, and is kept."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from .conftest import OTHER_KERNELS, MakeNotebook
from .test_view import press, question


def test_the_view_goes_on_when_the_cell_is_over(notebook: MakeNotebook) -> None:
    """It asks there while other cells run, and what is kept stands in the notebook at the end."""
    nb = notebook(
        "%%claude --bg -s away -o run\nmake a file",
        "%%claude --bg -s far --allow Bash -o held\nwait at the gate",
        "%%claude\na rich answer",
        "run.result().text, held.result().outcome.value",
    )
    for cell in (1, 2, 3):
        nb.run(cell)
    expect(nb.view(3)).to_have_attribute("data-outcome", "success")
    nb.scroll_to(2)
    expect(nb.view(2)).to_have_attribute("data-standing", "live")
    press(nb.view(2), "Stop")
    expect(nb.view(2)).to_have_attribute("data-outcome", "interrupted")
    nb.scroll_to(1)
    card = question(nb.view(1))
    nb.picture("background", 1)
    press(card, "Allow")
    expect(nb.view(1)).to_have_attribute("data-outcome", "success")
    expect(nb.view(1)).to_contain_text("The tool said: one.")

    nb.run(4)
    nb.scroll_to(4)
    assert nb.text(4).endswith("'interrupted')")
    assert nb.error(2) == ""
    nb.save()
    kept = nb.saved["cells"][1]["outputs"][0]["data"]["application/vnd.claude-magic.v1+json"]
    assert (kept["outcome"], kept["live"]) == ("success", False)


@pytest.mark.parametrize("kernel", ["this", *OTHER_KERNELS])
def test_a_cell_that_waits_can_be_interrupted_and_answered(notebook: MakeNotebook, kernel: str) -> None:
    """While a cell waits for the result, the question is answered on the page; to interrupt it stops the wait only."""
    nb = notebook(
        "%%claude --bg -o run\nmake a file",
        "print('waiting')\nrun.result()",
        "run.result().outcome.value",
        kernel=kernel,
    )
    nb.run(1)
    card = question(nb.view(1))
    nb.start(2)
    expect(nb.output(2)).to_contain_text("waiting")
    nb.interrupt()
    nb.wait(2)
    assert nb.error(2) == "KeyboardInterrupt"
    nb.start(3)
    press(card, "Allow")
    nb.wait(3)

    assert "success" in nb.text(3)
