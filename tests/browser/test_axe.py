"""What axe, the usual checker of accessibility, says of what the extension adds to the page: nothing."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from .conftest import MakeNotebook
from .lab import ROOT

AXE = ROOT / "labextension" / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PARTS = (".claude-run", ".claude-error-bar", ".claude-prompt-meant", "#claude-magic-sessions", ".claude-status")
PROMPT = """\
%%claude -s writer --sesion x
edit my notes for {city}, {cty}

```python
x = 1
```"""


def found(page: Page, selector: str) -> list[Any]:
    """What axe finds in a part of the page."""
    page.add_script_tag(path=AXE)
    violations: list[Any] = page.evaluate(
        """async ([selector, rules]) => {
            const nodes = [...document.querySelectorAll(selector)].filter(node => node.checkVisibility());
            if (nodes.length === 0) throw new Error(`nothing to check: ${selector}`);
            const result = await axe.run({include: nodes}, {runOnly: rules, rules: {region: {enabled: false}}});
            return result.violations.map(one => ({
                rule: one.id, nodes: one.nodes.map(node => [node.html.slice(0, 200), node.failureSummary])
            }));
        }""",
        [selector, RULES],
    )
    return violations


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_axe_finds_nothing(notebook: MakeNotebook, theme: str) -> None:
    """In the view with its pieces and a question, in a prompt's marks, below an error, in the panel and status bar."""
    nb = notebook(
        "city = 'Bern'", PROMPT.replace(" --sesion x", "").replace("%%claude", "%%claude --bg"), "1 / 0", PROMPT
    )
    page = nb.page
    (nb.folder / "notes.txt").write_text("first line\nsecond line\n")
    nb.theme(theme)
    for cell in (1, 2, 3):
        nb.run(cell)
    expect(nb.view(2).locator(".claude-ask")).to_be_visible()
    expect(nb.view(2).get_by_role("button", name="Allow", exact=True)).to_be_enabled()
    nb.view(2).locator(".claude-piece").first.click()
    expect(page.locator(".claude-prompt-meant").first).to_be_visible()
    page.locator(".claude-status button").click()
    panel = page.locator("#claude-magic-sessions")
    expect(panel.locator(".claude-card")).to_have_attribute("data-standing", "waits")
    if not panel.locator("details.claude-earlier").evaluate("node => node.open"):
        panel.get_by_text("Earlier conversations").click()
    expect(panel.locator(".claude-earlier-one").first).to_be_visible()
    for part in (
        ".claude-run",
        ".claude-error-bar",
        ".claude-prompt-meant",
        "#claude-magic-sessions",
        ".claude-status",
    ):
        assert found(page, part) == [], part
    page.evaluate("() => { window.jupyterapp.shell.collapseLeft(); }")
    nb.theme("Light")
