"""What a model, a tool or a file name says is hostile: in no home does it run, fetch, hide or fake anything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, Request, expect
from rendering.hostile import PAYLOADS

from .conftest import MakeNotebook
from .lab import Server

TESTS = Path(__file__).parents[1]
IMPORT = f"import sys; sys.path.insert(0, {str(TESTS)!r}); from browser.hostile_homes import *"
AT_ONCE = 40
PARTS = [(first, min(first + AT_ONCE, len(PAYLOADS))) for first in range(0, len(PAYLOADS), AT_ONCE)]
"""The corpus in pieces that a page draws at once."""
HOMES = {"view": ".claude-run", "widget": ".claude-run", "static page": ".jp-RenderedHTMLCommon"}
"""The homes of a view, with what one run is in them."""
# The words after a fence that JupyterLab does something for: its editor's languages, and what renders fenced blocks.
NAMES_OF_FENCES = """
() => {
    const services = [...window.jupyterapp.pluginRegistry._plugins.values()].map(plugin => plugin.service ?? {});
    const languages = services.flatMap(service => service.getLanguages?.() ?? []);
    const renderers = services.flatMap(({languages}) => Array.isArray(languages) ? languages : []);
    return {
        languages: languages.flatMap(one => [one.name, ...(one.alias ?? []), ...(one.extensions ?? [])]),
        renderers: renderers.filter(name => typeof name === 'string'),
    };
}
"""
# Looks at everything in an output. What the model said may hold no element, attribute, class or button of ours, and
# nothing in it may run, fetch, take the focus, or cover anything.
LOOK = r"""
root => {
    const wrong = [];
    const note = (what, node) => wrong.push(`${what}: ${node.outerHTML.slice(0, 200)}`);
    const never = new Set(['script', 'iframe', 'frame', 'object', 'embed', 'form', 'style', 'link', 'meta', 'base',
        'audio', 'video', 'source', 'template', 'noscript', 'marquee', 'dialog', 'math-field', 'portal', 'picture',
        'area', 'map', 'applet', 'foreignobject', 'animate', 'set', 'use', 'feimage', 'maction', 'select', 'option']);
    const addresses = ['href', 'xlink:href', 'action', 'formaction', 'src', 'data', 'poster', 'background', 'cite'];
    const forbidden = ['srcset', 'srcdoc', 'ping', 'autofocus', 'contenteditable', 'draggable', 'accesskey', 'popover',
        'popovertarget', 'form', 'usemap', 'is', 'slot', 'data-commandlinker-command'];
    for (const node of root.querySelectorAll('*')) {
        const said = node.closest('.claude-text');
        const ours = said && node.closest('.claude-code') && !node.closest('pre');
        const formula = node.closest('mjx-container');
        if (never.has(node.localName.toLowerCase())) note('element', node);
        if (node.localName === 'img' && !node.src.startsWith('data:image/')) note('picture', node);
        for (const { name, value } of node.attributes) {
            const address = value.trim().toLowerCase();
            if (name.startsWith('on') || forbidden.includes(name)) note(name, node);
            if (addresses.includes(name) && !/^(https?:|mailto:)/.test(address)
                && !(node.localName === 'img' && address.startsWith('data:image/svg+xml'))) note(name, node);
            if (name === 'style' && /url\(|image-set|expression|@import|position|animation/i.test(value)
                && !formula) note('style', node);
            if (said && !ours && !formula && ['id', 'name', 'style'].includes(name)) note(name, node);
        }
        if (said && !formula && [...node.classList].some(name => /^(claude-|jp-|lm-)/.test(name))
            && !node.matches('.claude-text, .claude-block, .claude-table, .claude-code, .claude-as-written')
            && !node.matches('.claude-number, li.claude-task') && !ours) note('class', node);
        if (formula && /claude-|jp-(?!Rendered)/.test(node.getAttribute('class') ?? '')) note('class', node);
        const computed = getComputedStyle(node);
        if (computed.position === 'fixed') note('fixed', node);
        if (said && /url\(/.test(computed.backgroundImage)) note('background', node);
        if (formula && !node.closest('mjx-merror, merror') && computed.backgroundColor !== 'rgba(0, 0, 0, 0)')
            note('painted formula', node);
        if (node.matches('button, input, textarea, select, [role=button]')) {
            const own = node.classList.contains('claude-button') || node.classList.contains('claude-editor')
                || node.matches('.claude-choice > input');
            if (!own || (said && !ours)) note('button', node);
        }
        if (/^(allow|deny|restore)/i.test(node.textContent) && said && node.classList.contains('claude-button'))
            note('fake', node);
    }
    const copy = root.cloneNode(true);
    copy.querySelectorAll('mjx-container, textarea').forEach(node => node.remove());
    const labels = [...copy.querySelectorAll('*')].flatMap(node => ['title', 'aria-label', 'alt', 'placeholder']
        .map(name => node.getAttribute(name) ?? ''));
    const hidden = [copy.textContent, ...labels].join(' ').match(
        /[\0-\x08\v-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\u{e0000}-\u{e007f}]/u);
    if (hidden) wrong.push(`hidden U+${hidden[0].codePointAt(0).toString(16)} near ${
        hidden.input.slice(Math.max(0, hidden.index - 60), hidden.index + 60)}`);
    if (root.contains(document.activeElement)) note('focus', document.activeElement);
    if (window.hit !== undefined || document.querySelector('base, head meta[http-equiv]')) wrong.push('the page');
    return wrong;
}
"""


@pytest.fixture
def fetched(page: Page, lab: Server) -> Iterator[list[str]]:
    """Every address that was fetched and is not of the server of JupyterLab."""
    seen: list[str] = []

    def note(request: Request) -> None:
        if is_foreign(request.url, lab.url):
            seen.append(request.url)

    page.on("request", note)
    yield seen
    page.remove_listener("request", note)


def is_foreign(address: str, own: str) -> bool:
    """Whether an address is of another machine, or of another port of this one."""
    parts, ours = urlsplit(address), urlsplit(own)
    return parts.scheme not in ("data", "blob") and (parts.scheme, parts.netloc) != (ours.scheme, ours.netloc)


def wrong(within: Locator) -> list[str]:
    """What should not be there."""
    found: list[str] = within.evaluate(LOOK)
    return found


def open_all(within: Locator) -> None:
    """Unfold everything, and wait until it is drawn; what unfolds may hold more."""
    for _ in range(3):
        within.evaluate(
            """root => {
                root.querySelectorAll('details').forEach(one => { one.open = true; });
                root.querySelectorAll('.claude-more').forEach(one => one.click());
            }"""
        )
        wait_until_drawn(within)


def wait_until_drawn(within: Locator) -> None:
    """Wait until every stretch of an answer is rendered."""
    within.evaluate(
        """root => new Promise(done => {
            const texts = () => [...root.querySelectorAll('.claude-text')];
            const look = () => texts().every(one => one.querySelector('.claude-block *'))
                ? done() : setTimeout(look, 50);
            requestAnimationFrame(look);
        })"""
    )


def click_what_the_model_said(within: Locator) -> None:
    """Click, as a script may and a person might, everything of the model's that says to allow, links aside."""
    within.evaluate(
        """root => root.querySelectorAll('.claude-text *, .claude-answers *, .claude-form legend').forEach(node => {
            if (/allow|deny|restore/i.test(node.textContent) && !node.closest('a') && !node.closest('.claude-code-bar'))
                node.dispatchEvent(new MouseEvent('click', {bubbles: true, cancelable: true}));
        })"""
    )


@pytest.mark.parametrize(
    ("address", "foreign"),
    [
        ("http://127.0.0.1:8888/api/kernels", False),
        ("data:image/svg+xml,x", False),
        ("http://evil.example/api/leak", True),
        ("http://evil.example/static/lab/x.js", True),
        ("http://127.0.0.1:8889/api/kernels", True),
        ("http://127.0.0.1:8888@evil.example/api/kernels", True),
        ("https://127.0.0.1:8888/api/kernels", True),
    ],
)
def test_what_is_fetched_elsewhere_is_seen(address: str, foreign: bool) -> None:
    """The host decides, not the path."""
    assert is_foreign(address, "http://127.0.0.1:8888") is foreign


@pytest.mark.parametrize(
    "bad",
    [
        "<button class='claude-button claude-main'>Allow</button>",
        "<p class=claude-text><button class=claude-button>Allow</button></p>",
        "<p class=claude-text><b class=claude-ask>Run this?</b></p>",
        "<p class=claude-text id=x><b id=jupyterapp>x</b></p>",
        "<img src='http://127.0.0.1:1/x.png'>",
        "<a href='javascript:hit()'>x</a>",
        "<a href='https://x.example' ping='https://x.example'>x</a>",
        "<p onclick='hit()'>x</p>",
        "<p style='position:fixed'>x</p>",
        "<p style='background-image:url(data:,x)'>x</p>",
        "<svg><a xlink:href='data:text/html,x'>x</a></svg>",
        "<input autofocus>",
        "<p>exe.\u202efdp</p>",
        "<p title='\u200b'>x</p>",
        "<mjx-container><i style='background-color:blue'>Allow</i></mjx-container>",
        "<template>x</template>",
    ],
)
def test_what_is_wrong_is_seen(context: BrowserContext, bad: str) -> None:
    """The look that the other tests trust finds each of these, and nothing in a harmless answer."""
    page = context.new_page()
    page.set_content(f"<div class=good><p class=claude-text>Allow <a href='https://x.example'>x</a></p></div>{bad}")

    assert wrong(page.locator(".good")) == []
    assert wrong(page.locator("body"))
    page.close()


@pytest.mark.parametrize(("first", "last"), PARTS)
def test_live_view_and_saved_run(notebook: MakeNotebook, fetched: list[str], first: int, last: int) -> None:
    """Runs that say a payload everywhere draw no fake button, and only the real cards ask, live and when over."""
    count = last - first
    nb = notebook(IMPORT, f"begin_live({first}, {last})", "end_live()")
    nb.run(1)
    fetched.clear()
    nb.run(2)
    expect(nb.view(2)).to_have_count(count)
    expect(nb.view(2).locator(".claude-ask")).to_have_count(3 * count)
    wait_until_drawn(nb.output(2))
    assert wrong(nb.output(2)) == []
    click_what_the_model_said(nb.output(2))
    nb.run(3)
    assert nb.text(3).endswith("0")
    expect(nb.output(2).locator(".claude-run[data-standing=over]")).to_have_count(count)
    expect(nb.view(2).locator(".claude-ask")).to_have_count(0)
    open_all(nb.output(2))
    assert wrong(nb.output(2)) == []
    assert fetched == []


@pytest.mark.parametrize(
    ("show", "shown"),
    [
        pytest.param("viewers", ".claude-run[data-standing=over]", id="widget"),
        pytest.param("pages", ".jp-RenderedHTMLCommon", id="static page"),
    ],
)
def test_widget_and_static_page(notebook: MakeNotebook, fetched: list[str], show: str, shown: str) -> None:
    """The same in the widget, and in the HTML that stays in the notebook: JupyterLab itself would run what it holds."""
    nb = notebook(IMPORT, *[f"{show}({first}, {last})" for first, last in PARTS])
    nb.run(1)
    fetched.clear()
    for cell, (first, last) in enumerate(PARTS, start=2):
        nb.run(cell)
        expect(nb.output(cell).locator(shown)).to_have_count(last - first)
        open_all(nb.output(cell))
        assert wrong(nb.output(cell)) == []
    assert fetched == []


@pytest.fixture(scope="module")
def fence_names(page: Page, lab: Server) -> list[str]:
    """Every word that JupyterLab itself does something for when it stands after the marks of a fence."""
    if not page.url.startswith(f"{lab.url}/lab"):
        page.goto(lab.address("lab?reset"))
    page.wait_for_function(f"() => window.jupyterapp && ({NAMES_OF_FENCES})().renderers.includes('mermaid')")
    found: dict[str, list[str]] = page.evaluate(NAMES_OF_FENCES)
    assert len(found["languages"]) > 200
    return sorted({*found["languages"], *found["renderers"]})


@pytest.mark.parametrize(("home", "shown"), HOMES.items())
def test_variants_and_fences(
    notebook: MakeNotebook, fetched: list[str], fence_names: list[str], home: str, shown: str
) -> None:
    """Each construct in each place, and a fence of every name that JupyterLab knows."""
    nb = notebook(IMPORT, f"say_variants({home!r})", f"say_in_fences({home!r}, {fence_names!r})")
    nb.run(1)
    fetched.clear()
    for cell in (2, 3):
        nb.run(cell)
        expect(nb.output(cell).locator(shown).first).to_be_visible()
        open_all(nb.output(cell))
        assert wrong(nb.output(cell)) == []
    assert nb.output(3).inner_text().count("flowchart LR") == len(fence_names)
    assert fetched == []
