"""The sessions of all kernels: their panel, the status bar, and word of what waits out of sight."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from .conftest import MakeNotebook
from .notebook import Notebook

FAR = "x = 1\n" * 60


@pytest.fixture
def panel(page: Page) -> Iterator[Locator]:
    """The panel; a notebook must be open. It is closed again, and so are the toasts."""
    yield page.locator("#claude-magic-sessions")
    page.evaluate("() => { window.jupyterapp.shell.collapseLeft(); }")


def status(page: Page) -> Locator:
    """The words in the status bar."""
    return page.locator(".claude-status button")


def toast(page: Page) -> Locator:
    """What is announced."""
    return page.locator(".Toastify__toast", has_text="Claude asks in")


def card(panel: Locator, session: str) -> Locator:
    """The session in the panel."""
    return panel.locator(".claude-card", has=panel.page.get_by_role("button", name=session, exact=True))


def answer(dialog_of: Page, text: str) -> None:
    """Write into the dialog that has opened, and accept it."""
    dialog = dialog_of.locator(".jp-Dialog")
    dialog.locator("input").fill(text)
    dialog.get_by_role("button", name="OK").click()
    expect(dialog).to_have_count(0)


def look_away(nb: Notebook) -> None:
    """Scroll to the end of the notebook, past what runs."""
    place = nb.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-WindowedPanel-outer").bounding_box()
    assert place is not None
    nb.page.mouse.move(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
    nb.page.mouse.wheel(0, 10_000)


def working(notebook: MakeNotebook) -> Notebook:
    """A notebook with a session that works, a prompt that waits behind it, and a session that waits for the person."""
    nb = notebook(
        "%%claude -s analysis --bg\nwait at the gate",
        "%%claude -s writer --bg\nedit my notes",
        "%%claude -s analysis --bg\nhello again",
        FAR, FAR,
    )  # fmt: skip
    (nb.folder / "notes.txt").write_text("first line\nsecond line\n")
    for cell in (1, 2, 3):
        nb.run(cell)
    expect(nb.view(2).locator(".claude-ask")).to_be_visible()
    return nb


def test_panel_and_status_bar_tell_what_goes_on(notebook: MakeNotebook, panel: Locator) -> None:
    """State, what it does, what waits; a click goes to the cell; an answer is seen; ended, it says what it took."""
    nb = working(notebook)
    page = nb.page
    expect(status(page)).to_have_text(re.compile(r"^Claude: 1 works, 1 waits, 1 queued"))
    status(page).click()
    expect(card(panel, "analysis")).to_have_attribute("data-standing", "works")
    expect(card(panel, "analysis")).to_contain_text("Bash until [ -e open ]")
    expect(card(panel, "analysis").locator(".claude-card-queue")).to_contain_text("hello again")
    expect(card(panel, "writer")).to_have_attribute("data-standing", "waits")
    expect(card(panel, "writer")).to_contain_text("waits for you: Edit")
    nb.picture_of(panel, "sessions")

    look_away(nb)
    card(panel, "writer").get_by_role("button", name="writer", exact=True).click()
    expect(nb.view(2).locator(".claude-ask")).to_be_in_viewport()
    nb.view(2).get_by_role("button", name="Allow", exact=True).click()
    expect(card(panel, "writer")).to_have_attribute("data-standing", "idle")
    (nb.folder / "open").touch()
    expect(card(panel, "analysis")).to_have_attribute("data-standing", "idle")
    expect(card(panel, "analysis")).to_contain_text("2 turns")
    expect(status(page)).to_have_text(re.compile(r"^Claude: \$0\.\d+$"))


def test_question_out_of_sight_is_announced_once(notebook: MakeNotebook) -> None:
    """By one toast and in the browser's title; a click goes there; answered, both are gone."""
    nb = notebook("%%claude -s writer --bg\nedit my notes", FAR, FAR)
    page = nb.page
    (nb.folder / "notes.txt").write_text("first line\nsecond line\n")
    nb.run(1)
    look_away(nb)
    expect(toast(page)).to_have_count(1)
    expect(page).to_have_title(re.compile(r"^\(1\) "))

    toast(page).get_by_role("button", name="Show").click()
    expect(nb.view(1).locator(".claude-ask")).to_be_in_viewport()
    nb.view(1).get_by_role("button", name="Deny", exact=True).click()
    expect(toast(page)).to_have_count(0)
    expect(page).not_to_have_title(re.compile(r"^\("))


def test_it_is_true_after_reload_and_in_a_second_window(notebook: MakeNotebook, panel: Locator) -> None:
    """A page that is loaded in the middle knows all of it; a cell that it has not drawn is announced all the same."""
    nb = working(notebook)
    nb.save()
    other = nb.page.context.new_page()
    try:
        second = Notebook(other, nb.server, nb.path)
        second.open("sessions-second")
        expect(status(other)).to_have_text(re.compile(r"1 works, 1 waits, 1 queued"))
    finally:
        other.close()
    nb.open()
    expect(status(nb.page)).to_have_text(re.compile(r"1 works, 1 waits, 1 queued"))
    nb.view(2).get_by_role("button", name="Deny", exact=True).click()
    expect(status(nb.page)).to_have_text(re.compile(r"1 works, 1 queued"))
    (nb.folder / "open").touch()
    expect(status(nb.page)).not_to_contain_text("works")


def test_what_can_be_done_to_a_session(notebook: MakeNotebook, panel: Locator) -> None:
    """A prompt that waits is changed and withdrawn; a session is stopped, renamed, copied and closed."""
    nb = working(notebook)
    page = nb.page
    status(page).click()
    queue = card(panel, "analysis").locator(".claude-card-queue li")
    queue.get_by_role("button", name="Edit").click()
    answer(page, "hello once more")
    expect(queue).to_contain_text("hello once more")
    queue.get_by_role("button", name="Withdraw").click()
    expect(queue).to_have_count(0)

    card(panel, "analysis").get_by_role("button", name="Stop").click()
    expect(card(panel, "analysis")).to_have_attribute("data-standing", "idle")
    card(panel, "analysis").get_by_role("button", name="Rename").click()
    answer(page, "study")
    card(panel, "study").get_by_role("button", name="Fork").click()
    answer(page, "study-copy")
    expect(card(panel, "study-copy")).to_have_attribute("data-standing", "idle")
    card(panel, "study-copy").get_by_role("button", name="Rename").click()
    answer(page, "study")
    expect(page.locator(".Toastify__toast", has_text="There is a session 'study' already")).to_be_visible()
    card(panel, "study-copy").get_by_role("button", name="Close").click()
    expect(card(panel, "study-copy")).to_have_count(0)
    expect(card(panel, "study")).to_have_count(1)


def test_earlier_conversation_goes_on(notebook: MakeNotebook, panel: Locator) -> None:
    """It is found by words of its title; a click makes a session of it, and a prompt for that."""
    nb = notebook("%%claude -s first\nhello there, my friend", "%%claude -s second\nhello to somebody else")
    nb.run(1)
    nb.run(2)
    status(nb.page).click()
    panel.get_by_text("Earlier conversations").click()
    panel.get_by_role("searchbox").fill("there friend")
    found = panel.locator(".claude-earlier-one")
    expect(found).to_have_count(1)
    found.click()
    expect(card(panel, "hello-there-my")).to_have_count(1)
    nb.page.wait_for_function(
        """() => window.jupyterapp.shell.currentWidget.content.activeCell?.model.sharedModel.getSource()
            === '%%claude -s hello-there-my\\n'"""
    )


def test_sessions_go_with_their_kernel(notebook: MakeNotebook) -> None:
    """After a restart there are none."""
    nb = notebook("%%claude\nhello")
    nb.run(1)
    expect(status(nb.page)).to_have_text(re.compile(r"^Claude: \$0"))
    nb.page.evaluate("async () => { await window.jupyterapp.shell.currentWidget.sessionContext.restartKernel(); }")
    expect(status(nb.page)).to_be_hidden()


def test_going_back_takes_three_clicks(notebook: MakeNotebook, panel: Locator) -> None:
    """The turns, the difference, go: files and conversation are as before, the prompt is back; that is undone, too."""
    nb = notebook(
        "%%claude -s writer --permission-mode acceptEdits\nedit my notes", "%%claude -s writer\nhello, second turn"
    )
    notes = nb.folder / "notes.txt"
    notes.write_text("first line\nsecond line\n")
    nb.run(1)
    nb.run(2)
    status(nb.page).click()
    card(panel, "writer").get_by_role("button", name="Go back").click()
    turns = card(panel, "writer").locator(".claude-earlier-one")
    expect(turns).to_have_count(2)
    expect(turns.nth(1)).to_contain_text("1 edited file")
    turns.nth(1).click()
    dialog = nb.page.locator(".jp-Dialog")
    expect(dialog.locator(".claude-back-removed").first).to_contain_text("another line")
    nb.picture_of(dialog.locator(".jp-Dialog-content"), "going-back")
    dialog.get_by_role("button", name="Go back").click()

    done = nb.page.locator(".Toastify__toast", has_text="Back before turn 1")
    expect(done).to_be_visible()
    assert notes.read_text() == "first line\nsecond line\n"
    nb.page.wait_for_function(
        """() => window.jupyterapp.shell.currentWidget.content.activeCell?.model.sharedModel.getSource()
            .includes('edit my notes')"""
    )
    done.get_by_role("button", name="Undo").click()
    expect(done).to_have_count(0)
    card(panel, "writer").get_by_role("button", name="Go back").click()
    expect(turns).to_have_count(2)
    assert notes.read_text() == "first line\nanother line\nand one more\n"
