"""The live view while a cell runs: what it shows, what it asks, how it is stopped."""

from __future__ import annotations

import base64
import re

from playwright.sync_api import Locator, expect

from .conftest import MakeNotebook

COMMAND = "echo one >> made.txt && cat made.txt"


def question(view: Locator) -> Locator:
    """The open question."""
    card = view.locator(".claude-ask")
    expect(card).to_be_visible()
    return card


DOT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEklEQVR4nGP4z8CAFWEXHbQSACj/P8Fu7N9hAAAAAElFTkSuQmCC"
)
"""A picture of 8 × 8 pixels."""


def press(within: Locator, name: str) -> None:
    within.get_by_role("button", name=name, exact=True).click()


def test_answer_streams_and_stays(notebook: MakeNotebook) -> None:
    """Text grows while the cell runs, and the finished answer has table, code, formula and facts."""
    nb = notebook("%%claude --allow Bash\nwait at the gate", "%%claude\na rich answer")
    nb.start(1)
    view = nb.view(1)
    expect(view).to_contain_text("Before the gate.")
    expect(view).to_have_attribute("data-standing", "live")
    expect(view.locator(".claude-tool")).to_have_attribute("data-state", "running")
    expect(view.get_by_role("button", name="Stop")).to_be_visible()
    nb.picture("running", 1)
    (nb.folder / "open").touch()
    nb.wait(1)
    expect(view).to_contain_text("After the gate: passed.")
    expect(view).to_have_attribute("data-outcome", "success")
    expect(view.locator(".claude-tool")).to_have_attribute("data-state", "done")
    expect(view.get_by_role("button", name="Stop")).to_be_hidden()

    nb.run(2)
    rich = nb.view(2)
    expect(rich.locator("table")).to_contain_text("215")
    expect(rich.get_by_role("cell", name="215")).to_have_css("text-align", "right")
    expect(rich.locator("mjx-container, .MathJax, .katex").first).to_be_attached()
    expect(rich.locator(".claude-code pre").first).to_contain_text("return sum(values)")
    expect(rich.locator(".claude-head")).to_contain_text("simulated")
    expect(rich.locator(".claude-foot")).not_to_contain_text("simulated")
    expect(rich.locator(".claude-spent")).to_have_text(re.compile(r"^\d+(\.\d)? s$"))
    expect(rich).to_contain_text("The end of the rich answer.")
    nb.picture("answer", 2)


def test_code_goes_to_new_cells_in_order(notebook: MakeNotebook) -> None:
    """Blocks are inserted below the prompt one after the other; the new cell is selected, and SQL gets its magic."""
    nb = notebook("%%claude\nseveral blocks", "'the last cell'")
    nb.run(1)
    buttons = nb.view(1).get_by_role("button", name="Insert this code as a new cell below", exact=True)
    expect(buttons).to_have_count(3)
    for place in range(3):
        buttons.nth(place).click()
    sources, active = nb.page.evaluate(
        """() => {
            const notebook = window.jupyterapp.shell.currentWidget.content;
            return [notebook.widgets.map(cell => cell.model.sharedModel.getSource()), notebook.activeCellIndex];
        }"""
    )

    assert sources[2:] == ["first = 1", "%%sql\nSELECT 2", "third = 3", "'the last cell'"]
    assert active == 4


def test_allow_runs_the_command(notebook: MakeNotebook) -> None:
    """The card shows the command and nothing runs before Allow is pressed, while the cell runs."""
    nb = notebook("%%claude\nmake a file")
    nb.start(1)
    card = question(nb.view(1))
    expect(card.get_by_role("textbox").first).to_have_value(COMMAND)
    expect(nb.view(1)).to_contain_text("Waiting for you")
    nb.picture("question", 1)
    assert not (nb.folder / "made.txt").exists()
    press(card, "Allow")
    nb.wait(1)

    expect(card).to_have_count(0)
    expect(nb.view(1)).to_contain_text("The tool said: one.")
    assert (nb.folder / "made.txt").read_text() == "one\n"


def test_deny_runs_nothing(notebook: MakeNotebook) -> None:
    """After Deny nothing has run, the card says denied, and the turn goes on."""
    nb = notebook("%%claude\nmake a file")
    nb.start(1)
    press(question(nb.view(1)), "Deny")
    nb.wait(1)

    expect(nb.view(1).locator(".claude-tool")).to_have_attribute("data-state", "denied")
    expect(nb.view(1)).to_contain_text("That was all.")
    nb.picture("denied", 1)
    assert not (nb.folder / "made.txt").exists()


def test_deny_tells_the_model_why(notebook: MakeNotebook) -> None:
    """The reason of a denial reaches the model."""
    nb = notebook("%%claude\nmake a file")
    nb.start(1)
    card = question(nb.view(1))
    card.get_by_label("Claude is told").fill("write it elsewhere")
    nb.picture("reason", 1)
    expect(card.get_by_role("button", name="Deny", exact=True)).to_be_enabled()
    card.get_by_label("Claude is told").press("Enter")
    nb.wait(1)

    expect(nb.view(1)).to_contain_text("The tool said: write it elsewhere")
    assert not (nb.folder / "made.txt").exists()


def test_deny_and_stop_ends_the_turn(notebook: MakeNotebook) -> None:
    """Deny and stop ends the turn without another word of the model, plainly marked."""
    nb = notebook("%%claude\nmake a file")
    nb.start(1)
    card = question(nb.view(1))
    press(card, "Deny and stop")
    nb.wait(1)

    expect(nb.view(1)).to_have_attribute("data-outcome", "denied")
    expect(nb.view(1)).to_contain_text("Stopped because you denied a tool use.")
    assert "That was all." not in nb.text(1)


def test_command_is_edited_before_it_runs(notebook: MakeNotebook) -> None:
    """What was edited in the card is what runs, and what stays to be seen."""
    nb = notebook("%%claude\nmake a file")
    nb.start(1)
    card = question(nb.view(1))
    card.get_by_role("textbox").first.fill("echo two > other.txt && cat other.txt")
    press(card, "Allow")
    nb.wait(1)

    expect(nb.view(1)).to_contain_text("The tool said: two.")
    expect(nb.view(1).locator(".claude-tool")).to_contain_text("echo two > other.txt")
    expect(nb.view(1).locator(".claude-tool")).to_contain_text("edited by you")
    assert (nb.folder / "other.txt").read_text() == "two\n"
    assert not (nb.folder / "made.txt").exists()


def test_allow_for_this_session_asks_once(notebook: MakeNotebook) -> None:
    """What the button names runs unasked in this session until it is taken back in the header; another session asks."""
    nb = notebook(
        "%%claude\nmake a file", "%%claude\nmake a file", "%%claude -s other\nmake a file", "%%claude\nmake a file"
    )
    nb.start(1)
    press(question(nb.view(1)), "Allow for this session: exactly this command")
    nb.wait(1)
    nb.run(2)
    assert (nb.folder / "made.txt").read_text() == "one\none\n"
    nb.start(3)
    press(question(nb.view(3)), "Deny")
    nb.wait(3)
    expect(nb.view(1)).not_to_contain_text("1 allowed")
    nb.view(2).get_by_text("1 allowed").click()
    nb.picture("granted", 2)
    press(
        nb.view(2).locator(".claude-granted"), "Take back: ask again about Bash: echo one >> made.txt && cat made.txt"
    )
    expect(nb.view(2)).not_to_contain_text("1 allowed")
    nb.start(4)
    press(question(nb.view(4)), "Deny")
    nb.wait(4)

    assert (nb.folder / "made.txt").read_text() == "one\none\n"


def test_keyboard_alone_can_allow(notebook: MakeNotebook) -> None:
    """The buttons are reached and pressed without a mouse."""
    nb = notebook("%%claude\nmake a file")
    nb.start(1)
    allow = question(nb.view(1)).get_by_role("button", name="Allow", exact=True)
    expect(allow).to_be_enabled()
    question(nb.view(1)).get_by_role("textbox").first.focus()
    nb.page.keyboard.press("Tab")
    expect(allow).to_be_focused()
    nb.page.keyboard.press("Enter")
    nb.wait(1)

    assert (nb.folder / "made.txt").read_text() == "one\n"


def test_script_cannot_allow(notebook: MakeNotebook) -> None:
    """A click that no person made decides nothing."""
    nb = notebook("%%claude\nmake a file")
    nb.start(1)
    card = question(nb.view(1))
    allow = card.get_by_role("button", name="Allow", exact=True)
    expect(allow).to_be_enabled()
    allow.evaluate("button => { button.click(); button.dispatchEvent(new MouseEvent('click', {bubbles: true})); }")
    expect(card).to_be_visible()
    expect(allow).to_be_enabled()
    assert not (nb.folder / "made.txt").exists()
    press(card, "Deny")
    nb.wait(1)

    assert not (nb.folder / "made.txt").exists()


def test_questions_of_the_model_are_a_form(notebook: MakeNotebook) -> None:
    """AskUserQuestion shows its questions, and the model gets the answer."""
    nb = notebook("%%claude\nask me")
    nb.start(1)
    card = question(nb.view(1))
    expect(card).to_contain_text("Which colour?")
    nb.picture("form", 1)
    card.get_by_role("radio", name=re.compile("Blue")).check()
    press(card, "Send answers")
    nb.wait(1)

    told = nb.view(1).locator(".claude-answers")
    expect(told).to_contain_text("Which colour?")
    expect(told).to_contain_text("Blue")
    expect(nb.view(1).locator(".claude-tool")).not_to_contain_text("{")
    nb.picture("answered", 1)


def test_stop_button_keeps_text_and_session(notebook: MakeNotebook) -> None:
    """Stop keeps the text, marks the run, stops Run All, and the session answers the next prompt."""
    nb = notebook("%%claude\na long story", "print('not reached')", "%%claude\nhello")
    nb.run_all()
    view = nb.view(1)
    expect(view).to_contain_text("And on day 2")
    press(view, "Stop")
    expect(view).to_have_attribute("data-outcome", "interrupted")
    expect(view).to_contain_text("Stopped by you.")
    nb.wait_until_idle()
    nb.picture("stopped", 1)

    assert nb.error(1) == "KeyboardInterrupt"
    assert "Once upon a time" in nb.text(1)
    assert not nb.is_run(2)
    nb.run(3)
    expect(nb.view(3)).to_contain_text("Hello from the session.")


def test_interrupt_button_does_the_same(notebook: MakeNotebook) -> None:
    """The notebook's own interrupt keeps the text and marks the run."""
    nb = notebook("%%claude\na long story", "print('not reached')")
    nb.run_all()
    view = nb.view(1)
    expect(view).to_contain_text("And on day 2")
    nb.interrupt()
    expect(view).to_have_attribute("data-outcome", "interrupted")
    nb.wait_until_idle()

    assert nb.error(1) == "KeyboardInterrupt"
    assert "Once upon a time" in nb.text(1)
    assert not nb.is_run(2)


def test_interrupt_at_an_open_question(notebook: MakeNotebook) -> None:
    """An interrupt while the card waits takes the card away, and nothing runs."""
    nb = notebook("%%claude\nmake a file")
    nb.start(1)
    card = question(nb.view(1))
    nb.interrupt()
    nb.wait(1)

    expect(card).to_have_count(0)
    expect(nb.view(1)).to_have_attribute("data-outcome", "interrupted")
    assert not (nb.folder / "made.txt").exists()


def test_a_failure_is_said_once_and_tried_again(notebook: MakeNotebook) -> None:
    """In plain words; a click runs the cell once more, in the same session."""
    nb = notebook("%%claude\nthis fails the first time")
    nb.run(1)
    output = nb.output(1)
    expect(nb.view(1).locator(".claude-end")).to_contain_text("The service failed (HTTP 500).")
    expect(output).not_to_contain_text("API Error")
    expect(output).to_contain_text("ServiceError: see above.")
    nb.picture("failed", 1)
    press(nb.view(1), "Try again")
    expect(nb.view(1)).to_contain_text("Now it went well.")
    expect(nb.view(1)).to_have_attribute("data-outcome", "success")


def test_a_picture_that_was_read_is_shown(notebook: MakeNotebook) -> None:
    """In the card of the tool, from the data alone."""
    nb = notebook("%%claude --allow Read\nlook at the picture")
    (nb.folder / "dot.png").write_bytes(DOT)
    nb.run(1)
    picture = nb.view(1).locator(".claude-tool img")
    expect(picture).to_have_attribute("src", re.compile("^data:image/png;base64,"))
    expect(picture).to_have_js_property("naturalWidth", 8)
    nb.picture("picture", 1)


def test_edit_shows_a_diff_and_can_be_undone(notebook: MakeNotebook) -> None:
    """An edit asks with its difference; afterwards Undo shows what comes back, and restores the file."""
    nb = notebook("%%claude\nedit my notes")
    notes = nb.folder / "notes.txt"
    notes.write_text("first line\nsecond line\n")
    nb.start(1)
    card = question(nb.view(1))
    expect(card).to_contain_text("second line")
    expect(card).to_contain_text("another line")
    expect(card.locator(".claude-diff-row").first.locator(".claude-line")).to_have_text("1")
    nb.picture("diff", 1)
    press(card, "Allow")
    nb.wait(1)
    assert notes.read_text() == "first line\nanother line\nand one more\n"
    view = nb.view(1)
    press(view, "Undo edits")
    expect(view).to_contain_text("Restore notes.txt (+1 −2 lines)?")
    nb.picture("undo", 1)
    assert notes.read_text() == "first line\nanother line\nand one more\n"
    expect(view.get_by_role("button", name="Undo edits")).to_be_hidden()
    press(view, "Restore")
    expect(view).to_contain_text("Restored notes.txt")
    expect(view.get_by_role("button", name="Restore")).to_have_count(0)

    assert notes.read_text() == "first line\nsecond line\n"


def test_kernel_is_busy_while_it_waits_for_a_person(notebook: MakeNotebook) -> None:
    """For JupyterLab and for the server's API, also after pages have spoken on the control channel; idle afterwards."""
    nb = notebook("%%claude\nmake a file")
    told = """async () => {
        const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
        const {baseUrl, token} = kernel.serverSettings;
        const headers = {Authorization: `token ${token}`};
        const answer = await fetch(`${baseUrl}api/kernels/${kernel.id}`, {headers, cache: 'no-store'});
        return [kernel.status, (await answer.json()).execution_state];
    }"""
    nb.start(1)
    question(nb.view(1))
    assert nb.page.evaluate(told) == ["busy", "busy"]
    press(question(nb.view(1)), "Deny")
    nb.wait(1)
    nb.wait_until_idle()
    assert nb.page.evaluate(told) == ["idle", "idle"]
