"""What outlives the page: reload, a second window, the saved notebook with no kernel, exports."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, WebSocketRoute, expect

from claude_magic.widgets.protocol import MIME_TYPE

from .conftest import Guard, MakeNotebook
from .lab import Server
from .notebook import Notebook


def press(within: Locator, name: str) -> None:
    within.get_by_role("button", name=name, exact=True).click()


def bundle(notebook: dict[str, Any], cell: int) -> dict[str, Any]:
    """The run that a saved notebook keeps in a cell, as its MIME bundle."""
    (output,) = [one for one in notebook["cells"][cell]["outputs"] if MIME_TYPE in one.get("data", {})]
    data: dict[str, Any] = output["data"]
    return {kind: "".join(text) if isinstance(text, list) else text for kind, text in data.items()}


@pytest.mark.parametrize("saves", [True, False], ids=["saved when it asks", "never saved"])
@pytest.mark.parametrize("options", ["", " --bg"], ids=["in its cell", "in the background"])
def test_question_is_there_after_a_reload_that_nobody_prepared(
    notebook: MakeNotebook, options: str, *, saves: bool
) -> None:
    """The notebook is saved by itself; and where it could not be, the kernel says which cell the run belongs to."""
    nb = notebook(f"%%claude{options}\nmake a file", "1 + 1")
    if not saves:
        nb.page.evaluate("() => { window.jupyterapp.shell.currentWidget.context.model.readOnly = true; }")
    nb.start(1)
    expect(nb.view(1).locator(".claude-ask")).to_be_visible()
    if saves:
        nb.page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")
        assert any(cell.get("outputs") for cell in nb.saved["cells"])
    nb.open()

    card = nb.view(1).locator(".claude-ask")
    expect(nb.view(1).locator(".claude-ask")).to_have_count(1)
    nb.picture("reloaded", 1)
    press(card, "Allow")
    expect(nb.view(1)).to_contain_text("The tool said: one.")
    assert (nb.folder / "made.txt").read_text() == "one\n"


def test_saves_do_not_meet(notebook: MakeNotebook) -> None:
    """The notebook is saved by itself while the person and JupyterLab save it: no question about a changed file."""
    nb = notebook("%%claude\nmake a file")
    nb.start(1)
    expect(nb.view(1).locator(".claude-ask")).to_be_visible()
    nb.page.evaluate(
        """async () => {
            const { context } = window.jupyterapp.shell.currentWidget;
            const saves = [];
            for (let at = 0; at < 20; at++) {
                context.model.setMetadata('beat', at);
                saves.push(context.save());
                await new Promise(resolve => setTimeout(resolve, 25));
            }
            await Promise.race([Promise.all(saves), new Promise(resolve => setTimeout(resolve, 10000))]);
        }"""
    )

    expect(nb.page.locator(".jp-Dialog")).to_have_count(0)
    assert nb.saved["metadata"]["beat"] == 19
    press(nb.view(1), "Allow")
    expect(nb.view(1)).to_contain_text("The tool said: one.")


def test_only_the_window_that_ran_the_cell_saves_unasked(notebook: MakeNotebook, lab: Server, page: Page) -> None:
    """Two windows that saved at once would each ask what to do about a file that the other has changed."""
    nb = notebook("%%claude\nmake a file", "%%claude\nmake a file")
    nb.start(1)
    expect(nb.view(1).locator(".claude-ask")).to_be_visible()
    nb.save()
    saves: list[str] = []
    other = page.context.new_page()
    other.on("request", lambda request: saves.append(request.url) if request.method == "PUT" else None)
    window = Notebook(other, lab, nb.path)
    window.open(workspace="watching")
    expect(window.view(1).locator(".claude-ask")).to_be_visible()
    press(window.view(1), "Allow")
    nb.wait(1)
    nb.start(2)
    expect(nb.view(2).locator(".claude-ask")).to_be_visible()
    nb.page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")

    assert [url for url in saves if url.partition("?")[0].endswith(".ipynb")] == []
    for shown in (nb.page, other):
        expect(shown.locator(".jp-Dialog")).to_have_count(0)
    other.close()
    press(nb.view(2), "Allow")
    nb.wait(2)


def test_reload_goes_on_and_saves_the_end(notebook: MakeNotebook) -> None:
    """A page that is loaded again in the middle of a run finds its question, its text, and keeps the end."""
    nb = notebook("%%claude\nmake a file")
    nb.start(1)
    expect(nb.view(1).locator(".claude-ask")).to_be_visible()
    nb.save()
    nb.open()
    view = nb.view(1)
    expect(view).to_contain_text("I will make a file.")
    expect(view).to_have_attribute("data-standing", "live")
    press(view.locator(".claude-ask"), "Allow")
    expect(view).to_contain_text("The tool said: one. That was all.")
    expect(view).to_have_attribute("data-outcome", "success")
    nb.wait_until_idle()
    nb.save()

    kept = bundle(nb.saved, 1)
    assert (kept[MIME_TYPE]["outcome"], kept[MIME_TYPE]["live"]) == ("success", False)
    assert "That was all." in kept["text/html"]
    assert "That was all." in kept["text/plain"]


def test_second_window_shows_the_same_run(notebook: MakeNotebook) -> None:
    """Another window shows the question too, either may answer, and both see the end."""
    nb = notebook("%%claude\nmake a file")
    nb.start(1)
    expect(nb.view(1).locator(".claude-ask")).to_be_visible()
    nb.save()
    second = Notebook(nb.page.context.new_page(), nb.server, nb.path)
    second.open(workspace="second")
    press(second.view(1).locator(".claude-ask"), "Allow")
    for window in (nb, second):
        expect(window.view(1)).to_contain_text("The tool said: one. That was all.")
        expect(window.view(1).locator(".claude-ask")).to_have_count(0)
        expect(window.view(1)).to_have_attribute("data-outcome", "success")
    second.page.close()


def test_lost_message_is_repaired(notebook: MakeNotebook, lab: Server, page: Page) -> None:
    """A message of the kernel that never reaches the page is noticed, and what it said comes with a snapshot."""
    lost: list[bytes | str] = []
    asked: list[bytes | str] = []

    def relay(route: WebSocketRoute) -> None:
        kernel = route.connect_to_server()

        def to_kernel(message: bytes | str) -> None:
            asked.extend([message] * (b'"attach"' in _raw(message)))
            kernel.send(message)

        def to_page(message: bytes | str) -> None:
            if not lost and b'"ops"' in _raw(message) and b"And on day 2" in _raw(message):
                lost.append(message)
            else:
                route.send(message)

        route.on_message(to_kernel)
        kernel.on_message(to_page)

    nb = notebook("%%claude\na long story")
    nb.save()
    other = page.context.new_page()
    other.route_web_socket(re.compile("/api/kernels/"), relay)
    window = Notebook(other, lab, nb.path)
    window.open(workspace="lossy")
    window.start(1)
    view = window.view(1)
    expect(view).to_contain_text("And on day 4")
    press(view, "Stop")
    window.wait(1)
    window.save()
    other.close()
    nb.revert()

    assert len(lost) == 1
    assert len(asked) == 1


def _raw(message: bytes | str) -> bytes:
    return message.encode() if isinstance(message, str) else message


def test_saved_notebook_tells_the_same_story_everywhere(
    notebook: MakeNotebook, lab: Server, page: Page, guard: Guard
) -> None:
    """Reopened without a kernel, and exported to HTML and Markdown, the run reads as it did live."""
    nb = notebook("%%claude --allow Bash\nmake a file", "%%claude\na rich answer")
    nb.run(1)
    nb.run(2)
    story = ["I will make a file.", "echo one >> made.txt", "The tool said: one.", "month", "215", "return sum(values)"]
    nb.save()
    nb.page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")
    saved = nb.saved
    saved["metadata"]["kernelspec"] = {"name": "gone", "display_name": "gone", "language": "python"}
    (nb.folder / "reopened.ipynb").write_text(json.dumps(saved), encoding="utf-8")

    reopened = Notebook(page, lab, nb.path.replace("0.ipynb", "reopened.ipynb"))
    reopened.show_without_kernel()
    for cell in (1, 2):
        view = reopened.view(cell)
        expect(view).to_have_attribute("data-standing", "over")
        for name in ("Stop", "Undo edits", "Allow"):
            expect(view.get_by_role("button", name=name)).to_be_hidden()
    reopened.view(1).locator(".claude-tool summary").click()
    read = reopened.text(1) + reopened.text(2)
    reopened.picture("reopened", 1)
    reopened.close()

    for kind, ending in (("html", "html"), ("markdown", "md")):
        lab.surroundings.run("jupyter", "nbconvert", "--to", kind, nb.path)
        exported = (nb.folder / f"0.{ending}").read_text(encoding="utf-8")
        text = html.unescape(re.sub(r"<[^>]+>", "", exported))
        assert [part for part in story if part not in text] == [], kind
    assert [part for part in story if part not in read] == []


def test_code_of_a_reopened_notebook_becomes_cells(notebook: MakeNotebook, lab: Server, page: Page) -> None:
    """Cells that are drawn before they are on the page offer their code for a new cell too, and it comes below them."""
    nb = notebook("%%claude\nonly code", "pass")
    nb.run(1)
    nb.save()
    nb.page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")
    saved = nb.saved
    saved["metadata"]["kernelspec"] = {"name": "gone", "display_name": "gone", "language": "python"}
    answered = saved["cells"][1]
    saved["cells"][1:1] = [answered | {"id": f"again-{number}"} for number in range(8)]
    (nb.folder / "reopened.ipynb").write_text(json.dumps(saved), encoding="utf-8")

    reopened = Notebook(page, lab, nb.path.replace("0.ipynb", "reopened.ipynb"))
    reopened.show_without_kernel()
    for cell in (1, 2, 9):
        reopened.scroll_to(cell)
        insert = reopened.view(cell).get_by_role("button", name="Insert this code as a new cell below", exact=True)
        expect(insert).to_be_visible()
    press(reopened.view(9), "Insert this code as a new cell below")
    page.wait_for_function("() => window.jupyterapp.shell.currentWidget.content.widgets.length === 12")
    reopened.save()
    sources = ["".join(cell["source"]) for cell in reopened.saved["cells"]]
    assert sources[10].startswith("def total(values):")
    assert sources[11] == "pass"
    reopened.close()


def test_question_out_of_sight_is_announced(notebook: MakeNotebook, lab: Server) -> None:
    """Another tab is in front: a notification says who asks, leads to the question, and goes when it is answered."""
    nb = notebook("%%claude\nmake a file", *["1"] * 30)
    lab.surroundings.write_notebook("elsewhere.ipynb", ["2 + 2"], "this")
    nb.start(1)
    nb.page.evaluate(
        """() => {
            void window.jupyterapp.commands.execute('docmanager:open', {path: 'elsewhere.ipynb', factory: 'Notebook'});
        }"""
    )
    notice = nb.page.locator(".Toastify__toast", has_text="Claude asks in 0.ipynb: Run this command?")
    expect(notice).to_be_visible()
    notice.get_by_role("button", name="Show").click()

    expect(nb.view(1).locator(".claude-ask")).to_be_in_viewport()
    press(nb.view(1), "Allow")
    expect(nb.view(1)).to_contain_text("The tool said: one.")
    expect(notice).to_have_count(0)


@pytest.mark.parametrize("answer", ["Go ahead", "Keep planning"])
def test_plan_is_read_before_it_is_approved(notebook: MakeNotebook, answer: str) -> None:
    """It is drawn as Markdown, whole, and words go along with "Keep planning"."""
    nb = notebook("%%claude --permission-mode plan\nplan the work")
    nb.start(1)
    card = nb.view(1).locator(".claude-ask")
    expect(card.get_by_role("heading", name="The plan")).to_be_visible()
    expect(card.locator("ol > li")).to_have_count(2)
    nb.picture(f"plan-{answer.replace(' ', '-')}", 1)
    if answer == "Keep planning":
        card.get_by_role("textbox").fill("count the months, too")
    press(card, answer)

    expected = "count the months, too" if answer == "Keep planning" else "User has approved"
    expect(nb.view(1)).to_contain_text(expected)
    expect(nb.view(1)).to_have_attribute("data-outcome", "success")
