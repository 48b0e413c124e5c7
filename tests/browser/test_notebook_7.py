"""The extension in Jupyter Notebook 7, which has no tabs and no status bar."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from .conftest import SETUP, Guard
from .lab import Server, Surroundings, start_notebook

CELLS = [SETUP, "sales = 1", "%%claude -s analysis\nsay **hello** about {sales} and {slaes}", "1 / 0"]


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = start_notebook(Surroundings(tmp_path_factory.mktemp("notebook7")))
    yield started
    started.stop()


@pytest.fixture
def opened(server: Server, browser: Browser) -> Iterator[Page]:
    """The page of a notebook whose kernel is there."""
    server.surroundings.write_notebook("a.ipynb", CELLS)
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    guard = Guard(context)
    page = context.new_page()
    page.goto(server.address("notebooks/a.ipynb"))
    page.wait_for_function(
        "() => window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'",
        timeout=60_000,
    )
    yield page
    guard.check()
    context.close()


def test_prompts_buttons_and_sessions(opened: Page) -> None:
    """Prompts are Markdown with names of the kernel, errors have buttons, and the sessions have their panel."""
    run = "window.jupyterapp.commands.execute"
    opened.evaluate(f"() => {{ void {run}('notebook:run-all-cells'); }}")
    expect(opened.locator(".claude-prompt-meant")).to_have_text("sales?")
    expect(opened.locator(".claude-run")).to_have_attribute("data-outcome", "success")
    expect(opened.locator(".claude-run .claude-piece")).to_have_count(2)
    opened.locator(".claude-error-bar").get_by_role("button", name="Explain").click()
    expect(opened.locator(".jp-Cell")).to_have_count(5)
    expect(opened.locator(".jp-Cell.jp-mod-active .claude-prompt-magic")).to_have_text("%%claude")

    opened.evaluate(f"() => {{ void {run}('claude-magic:show-sessions'); }}")
    expect(opened.locator("#claude-magic-sessions .claude-card")).to_contain_text("analysis")
