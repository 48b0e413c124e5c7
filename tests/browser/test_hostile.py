"""What a model, a tool or a file name says is hostile: in no home does it run, fetch, hide or fake anything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Locator, Page, Request, expect
from rendering.hostile import PAYLOADS

from .conftest import MakeNotebook

TESTS = Path(__file__).parents[1]
IMPORT = f"import sys; sys.path.insert(0, {str(TESTS)!r}); from browser.hostile_homes import *"
OWN = ("/static/", "/lab/extensions/", "/lab/api/", "/api/")
LOOK = """
root => {
    const wrong = [];
    const never = new Set(['script', 'iframe', 'frame', 'object', 'embed', 'form', 'style', 'link', 'meta', 'base',
        'audio', 'video', 'source', 'template', 'noscript', 'marquee', 'dialog', 'math-field', 'portal']);
    for (const node of root.querySelectorAll('*')) {
        const said = node.closest('.claude-text');
        if (never.has(node.localName)) wrong.push(node.outerHTML.slice(0, 200));
        if (node.localName === 'img' && !node.src.startsWith('data:image/')) wrong.push(node.outerHTML.slice(0, 200));
        for (const { name, value } of node.attributes) {
            const address = value.trim().toLowerCase();
            if (name.startsWith('on')) wrong.push(`${node.localName}[${name}]`);
            if (['href', 'xlink:href', 'action', 'formaction'].includes(name)
                && !/^(https?:|mailto:)/.test(address)) wrong.push(`${node.localName}[${name}=${value}]`);
        }
        if (getComputedStyle(node).position === 'fixed') wrong.push(`fixed ${node.localName}`);
        if (node.matches('button, input, textarea, select, [role=button]')) {
            const own = node.classList.contains('claude-button') || node.classList.contains('claude-editor');
            if (!own || (said && !node.closest('.claude-code'))) wrong.push(node.outerHTML.slice(0, 200));
        }
        if (/^(allow|deny)/i.test(node.textContent) && said && node.classList.contains('claude-button'))
            wrong.push(`fake ${node.textContent}`);
    }
    const copy = root.cloneNode(true);
    copy.querySelectorAll('mjx-container, textarea').forEach(node => node.remove());
    const hidden = copy.textContent.match(
        /[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u200b-\\u200f\\u202a-\\u202e\\u2060-\\u2069\\ufeff]/);
    if (hidden) {
        const around = copy.textContent.slice(Math.max(0, hidden.index - 60), hidden.index + 60);
        wrong.push(`hidden U+${hidden[0].codePointAt(0).toString(16)} in ${around}`);
    }
    return wrong;
}
"""


@pytest.fixture
def fetched(page: Page) -> Iterator[list[str]]:
    """Every address that was fetched and is not JupyterLab's own."""
    seen: list[str] = []

    def note(request: Request) -> None:
        parts = urlsplit(request.url)
        own = parts.scheme in ("data", "blob") or parts.path.startswith(OWN)
        if not own:
            seen.append(request.url)

    page.on("request", note)
    yield seen
    page.remove_listener("request", note)


def wrong(within: Locator) -> list[str]:
    """What should not be there."""
    found: list[str] = within.evaluate(LOOK)
    return found


def test_live_view_and_saved_run(notebook: MakeNotebook, fetched: list[str]) -> None:
    """Runs that say a payload everywhere draw no fake button, and only the real cards ask, live and when over."""
    half = len(PAYLOADS) // 2
    nb = notebook(IMPORT, f"begin_live(0, {half})", f"begin_live({half}, {len(PAYLOADS)})", "end_live()")
    nb.run(1)
    fetched.clear()
    cells = {2: half, 3: len(PAYLOADS) - half}
    for cell, count in cells.items():
        nb.run(cell)
        expect(nb.view(cell)).to_have_count(count)
        expect(nb.view(cell).locator(".claude-ask")).to_have_count(count)
        assert wrong(nb.output(cell)) == []
    nb.run(4)
    assert nb.text(4).endswith("0")
    for cell, count in cells.items():
        expect(nb.output(cell).locator(".claude-run[data-standing=over]")).to_have_count(count)
        expect(nb.view(cell).locator(".claude-ask")).to_have_count(0)
        nb.output(cell).evaluate("root => root.querySelectorAll('details').forEach(one => { one.open = true; })")
        assert wrong(nb.output(cell)) == []
    assert fetched == []


def test_widget(notebook: MakeNotebook, fetched: list[str]) -> None:
    """The same in the widget."""
    nb = notebook(IMPORT, "viewers()")
    nb.run(1)
    fetched.clear()
    nb.run(2)
    expect(nb.output(2).locator(".claude-run[data-standing=over]")).to_have_count(len(PAYLOADS))
    nb.output(2).evaluate("root => root.querySelectorAll('details').forEach(one => { one.open = true; })")

    assert wrong(nb.output(2)) == []
    assert fetched == []


def test_static_page(notebook: MakeNotebook, fetched: list[str]) -> None:
    """The same in the HTML that stays in the notebook, where JupyterLab itself would run what it holds."""
    half = len(PAYLOADS) // 2
    nb = notebook(IMPORT, f"pages(0, {half})", f"pages({half}, {len(PAYLOADS)})")
    nb.run(1)
    fetched.clear()
    for cell in (2, 3):
        nb.run(cell)
        expect(nb.output(cell).locator(".jp-RenderedHTMLCommon").last).to_be_attached()
        assert wrong(nb.output(cell)) == []
    assert fetched == []
