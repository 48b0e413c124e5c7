"""A dashboard in Voila: the answer as HTML where the extension does not draw, and the viewer as a widget."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from .conftest import SETUP, Guard
from .lab import Server, Surroundings, start_voila
from .notebook import PICTURES, TAKES_PICTURES

CELLS = [
    SETUP,
    "from claude_magic.widgets.viewer import StreamViewer\nviewer = StreamViewer('main')\nviewer",
    "%%claude\na rich answer",
]


@pytest.fixture
def voila(tmp_path: Path) -> Iterator[Server]:
    surroundings = Surroundings(tmp_path / "here")
    surroundings.write_notebook("board.ipynb", CELLS)
    server = start_voila(surroundings, "board.ipynb")
    yield server
    server.stop()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of its own: Voila asks other machines for style sheets, and gets none."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    Guard(context)
    yield context.new_page()
    context.close()


def test_dashboard_shows_answer_and_viewer(voila: Server, page: Page) -> None:
    """Both the cell's answer and the widget are there, with the table and the facts."""
    page.goto(voila.address(""))
    expect(page.locator("table").first).to_contain_text("215")
    answers = page.get_by_text("The end of the rich answer.")
    expect(answers).to_have_count(2)
    expect(page.locator(".claude-run")).to_have_attribute("data-outcome", "success")
    if TAKES_PICTURES:
        PICTURES.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=PICTURES / "voila.png", full_page=True)
