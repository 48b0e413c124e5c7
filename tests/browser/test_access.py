"""The live view for everybody: read in every theme, heard through a screen reader, used by keys, without motion."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from .conftest import MakeNotebook

THEMES = ("Light", "Dark", "Dark High Contrast")
CONTROLS = ("button", "DisclosureTriangle", "textbox", "radio", "checkbox", "link", "region", "timer")
# Colours of words on what really lies behind them. A canvas knows every notation of a colour. The colours of code in an
# answer are JupyterLab's own.
CONTRAST = """
root => {
    const canvas = Object.assign(document.createElement('canvas'), {width: 1, height: 1});
    const pen = canvas.getContext('2d', {willReadFrequently: true});
    const paint = (under, colour, opacity) => {
        pen.globalAlpha = 1;
        pen.fillStyle = `rgb(${under.join()})`;
        pen.fillRect(0, 0, 1, 1);
        pen.globalAlpha = opacity;
        pen.fillStyle = colour;
        pen.fillRect(0, 0, 1, 1);
        return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const light = rgb => rgb.map(value => value / 255)
        .map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
        .reduce((sum, value, at) => sum + value * [0.2126, 0.7152, 0.0722][at], 0);
    const behind = node => node === null ? [255, 255, 255]
        : paint(behind(node.parentElement), getComputedStyle(node).backgroundColor, 1);
    const seen = [];
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const node = walker.currentNode.parentElement;
        const words = walker.currentNode.data.trim();
        if (!words || !node.checkVisibility() || node.closest('.claude-spoken, mjx-container, :disabled')) continue;
        if (node.closest('.claude-code pre') && node.localName === 'span') continue;
        const below = behind(node);
        const [one, other] = [light(paint(below, getComputedStyle(node).color, 1)), light(below)];
        const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
        seen.push({ratio, words: words.slice(0, 40), of: node.className || node.localName});
    }
    return seen;
}
"""


def question(view: Locator) -> Locator:
    """The open question, ready to be answered."""
    card = view.locator(".claude-ask")
    expect(card).to_be_visible()
    expect(card.get_by_role("button").first).to_be_enabled()
    return card


def check_contrast(within: Locator) -> None:
    seen: list[dict[str, Any]] = within.evaluate(CONTRAST)
    assert len(seen) > 5
    assert [one for one in seen if one["ratio"] < 4.5] == []


@pytest.mark.parametrize("theme", THEMES)
def test_words_stand_out(notebook: MakeNotebook, theme: str) -> None:
    """Every word has a contrast of at least 4.5 to 1: a card, a form, a difference, an answer, a stopped run."""
    nb = notebook("%%claude\nedit my notes", "%%claude -s b\nask me", "%%claude -s c\na rich answer")
    (nb.folder / "notes.txt").write_text("first line\nsecond line\n")
    nb.theme(theme)
    nb.start(1)
    card = question(nb.view(1))
    card.locator(".claude-more").click()
    check_contrast(nb.view(1))
    card.get_by_role("button", name="Deny and stop").click()
    nb.wait(1)
    nb.view(1).locator("details").evaluate_all("all => all.forEach(one => { one.open = true; })")
    check_contrast(nb.view(1))
    nb.start(2)
    check_contrast(question(nb.view(2)))
    nb.interrupt()
    nb.wait(2)
    nb.run(3)
    nb.view(3).locator("details").evaluate_all("all => all.forEach(one => { one.open = true; })")
    expect(nb.view(3).locator(".claude-took dl")).to_contain_text("This turn")
    check_contrast(nb.view(3))
    nb.theme("Light")


def test_every_control_has_a_name(notebook: MakeNotebook) -> None:
    """Chromium's accessibility tree names each button, fold and field."""
    nb = notebook("%%claude\nmake a file", "%%claude -s b\nask me", "%%claude -s c\na rich answer")
    nb.run(3)
    nb.start(1)
    question(nb.view(1)).locator(".claude-more").click()
    found = names(nb.view(3)) + names(nb.view(1))
    nb.interrupt()
    nb.wait(1)
    nb.start(2)
    question(nb.view(2))
    found += names(nb.view(2))
    nb.interrupt()
    nb.wait(2)

    assert [one for one in found if not one[1].strip()] == []
    assert {role for role, _ in found} >= {"button", "DisclosureTriangle", "textbox", "radio", "region"}
    assert ("button", "Insert this code as a new cell below") in found


def names(view: Locator) -> list[tuple[str, str]]:
    """Role and name of every control in a view, as Chromium tells them to a screen reader."""
    session = view.page.context.new_cdp_session(view.page)
    session.send("DOM.getDocument")
    view.evaluate("node => { window.lookedAt = node; }")
    node = session.send("Runtime.evaluate", {"expression": "window.lookedAt"})["result"]["objectId"]
    found = []
    for role in CONTROLS:
        tree = session.send("Accessibility.queryAXTree", {"objectId": node, "role": role})
        found += [(role, one.get("name", {}).get("value", "")) for one in tree["nodes"] if not one.get("ignored")]
    session.detach()
    return found


def test_card_reads_as_it_looks(notebook: MakeNotebook) -> None:
    """What a screen reader finds in a question: its words as the name, then the command, then the choices."""
    nb = notebook("%%claude\nmake a file")
    nb.start(1)
    card = question(nb.view(1))

    assert card.aria_snapshot() == (
        '- region "Run this command?":\n'
        '  - heading "Run this command?" [level=4]\n'
        "  - paragraph: Bash · Make a file · you may edit the command\n"
        '  - textbox "The command that would be used; you may edit it": echo one >> made.txt && cat made.txt\n'
        '  - button "Allow"\n'
        "  - 'button \"Allow for this session: exactly this command\"':\n"
        '    - text: "Allow for this session:"\n'
        "    - code: exactly this command\n"
        "  - group: ▾\n"
        '  - button "Deny"\n'
        "  - 'textbox \"Deny, or say what to do instead: Claude is told\"':\n"
        "    - /placeholder: … or say what to do instead\n"
        '  - button "Deny and stop"'
    )
    nb.interrupt()
    nb.wait(1)


def test_question_is_answered_by_keys_alone(notebook: MakeNotebook) -> None:
    """Tab goes through the card in reading order, Escape closes the menu, Enter in the words sends; focus shows."""
    nb = notebook("%%claude\nmake a file")
    nb.start(1)
    card = question(nb.view(1))
    nb.view(1).get_by_role("button", name="Waiting for you").focus()
    press = nb.page.keyboard.press
    press("Enter")
    expect(card.get_by_role("textbox").first).to_be_focused()
    for name in ("Allow", "Allow for this session: exactly this command"):
        press("Tab")
        button = card.get_by_role("button", name=name, exact=True)
        expect(button).to_be_focused()
        width, style = button.evaluate(
            "node => [getComputedStyle(node).outlineWidth, getComputedStyle(node).outlineStyle]"
        )
        assert (width, style) == ("2px", "solid")
    press("Tab")
    more = card.locator(".claude-more")
    expect(more).to_be_focused()
    press("Enter")
    press("Tab")
    expect(card.get_by_role("button", name="Allow for this session: all of Bash")).to_be_focused()
    press("Escape")
    expect(more).to_be_focused()
    press("Tab")
    press("Tab")
    reason = card.get_by_label("Claude is told")
    expect(reason).to_be_focused()
    nb.page.keyboard.type("no, use another name")
    press("Enter")
    nb.wait(1)

    expect(nb.view(1)).to_contain_text("The tool said: no, use another name")
    expect(nb.view(1)).to_be_focused()
    assert not (nb.folder / "made.txt").exists()


def test_only_changes_of_state_are_announced(notebook: MakeNotebook) -> None:
    """A screen reader hears that a question waits and how the run ended, and none of the words in between."""
    nb = notebook("%%claude\nmake a file")
    nb.page.evaluate(
        """() => {
            window.heard = [];
            new MutationObserver(() => document.querySelectorAll('.claude-spoken').forEach(node => {
                if (window.heard.at(-1) !== node.textContent) window.heard.push(node.textContent);
            })).observe(document.body, {subtree: true, childList: true, characterData: true});
        }"""
    )
    nb.start(1)
    card = question(nb.view(1))
    live = nb.view(1).locator("[aria-live]")
    expect(live).to_have_count(1)
    assert live.evaluate("node => node.closest('[aria-busy=true]')") is None
    card.get_by_role("button", name="Deny", exact=True).click()
    nb.wait(1)
    expect(live).to_contain_text("Finished")
    *before, last = [words for words in nb.page.evaluate("window.heard") if words]

    assert before == ["Claude is working", "Claude needs an answer: Run this command?", "Claude is working"]
    assert last.startswith("Finished after ")
    assert last.endswith(", 1 tool use")


def test_nothing_moves_for_who_wants_no_motion(notebook: MakeNotebook) -> None:
    """With reduced motion not one animation runs in a working view; without it they do."""
    nb = notebook("%%claude --allow Bash\nwait at the gate")
    nb.start(1)
    view = nb.view(1)
    expect(view.locator(".claude-tool")).to_have_attribute("data-state", "running")
    moving = "node => node.getAnimations({subtree: true}).length"
    assert view.evaluate(moving) > 0
    nb.page.emulate_media(reduced_motion="reduce")
    assert view.evaluate(moving) == 0
    nb.page.emulate_media(reduced_motion="no-preference")
    (nb.folder / "open").touch()
    nb.wait(1)


@pytest.mark.parametrize(("width", "lines"), [(1280, 1), (830, 1), (480, 2)])
def test_footer_is_calm(notebook: MakeNotebook, width: int, lines: int) -> None:
    """The facts stand on one line, on two where it is narrow; the rest is told when they are opened."""
    nb = notebook("%%claude --permission-mode acceptEdits\nedit my notes")
    (nb.folder / "notes.txt").write_text("first line\nsecond line\n")
    nb.page.set_viewport_size({"width": width, "height": 900})
    nb.run(1)
    facts = nb.view(1).locator(".claude-facts")
    expect(facts.get_by_role("button", name="Undo edits")).to_be_visible()
    height = facts.evaluate("node => node.getBoundingClientRect().height")
    assert height <= 20 * lines + 6
    facts.locator("summary").click()
    expect(facts).to_contain_text("The session")
    facts.get_by_role("button", name="Undo edits").click()
    row = nb.view(1).locator(".claude-undo")
    expect(row.get_by_role("button", name="Restore")).to_be_visible()
    expect(facts.get_by_role("button", name="Undo edits")).to_be_hidden()
    nb.page.set_viewport_size({"width": 1280, "height": 900})
