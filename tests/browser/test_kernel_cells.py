"""Claude at the kernel and in the open notebook of a real JupyterLab: looks, runs, adds, edits and deletes cells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Locator, expect

from claude_magic.widgets.notebook_page import version_of

from .conftest import HERE, OTHER_KERNELS, Guard, MakeNotebook
from .notebook import Notebook
from .test_view import press, question

DATA = """import pandas as pd
sales = pd.DataFrame({"month": ["Jan", "Feb", "Mar"] * 3, "revenue": [5, 6, 1, 4, 6, 2, 5, 7, 1]})"""
TOTAL = "total = sum([1, 2])\nprint(total)"
PARTS = "prices = [1, 2]\ntotal = sum(prices)\n\nnames = ['a', 'b', 'c']\n\nprint(total)"
CELLS = "window.jupyterapp.shell.currentWidget.content.widgets"


@pytest.fixture
def scenario(tmp_path: Path) -> str:
    """A line that has the simulator play the kernel's scenario, with the version of the cell `TOTAL`."""
    file = tmp_path / "kernel.toml"
    file.write_text(
        (HERE / "kernel_scenario.toml")
        .read_text()
        .replace("VERSION", version_of(TOTAL))
        .replace("PARTS", version_of(PARTS))
    )
    return f"%claude simulate on {file}"


def sources(nb: Notebook) -> list[str]:
    made: list[str] = nb.page.evaluate(f"() => {CELLS}.map(cell => cell.model.sharedModel.getSource())")
    return made


def cell(nb: Notebook, at: int) -> dict[str, Any]:
    made: dict[str, Any] = nb.page.evaluate(f"at => {CELLS}[at].model.toJSON()", at)
    return made


def lines_stand_together(nb: Notebook, width: int) -> bool:
    """Whether the code of a question and its colours break their lines at the same places, on a page of this width."""
    size = nb.page.viewport_size
    assert size is not None
    nb.page.set_viewport_size({"width": width, "height": size["height"]})
    heights: list[int] = (
        nb.view(3)
        .locator(".claude-code-editor > *")
        .evaluate_all(
            """nodes => nodes.map(node => {
            const copy = document.createElement('div');
            const style = getComputedStyle(node);
            for (const name of ['font', 'whiteSpace', 'overflowWrap', 'wordBreak', 'lineBreak', 'padding', 'boxSizing',
                'tabSize', 'letterSpacing']) {
                copy.style[name] = style[name];
            }
            copy.style.width = `${node.clientWidth}px`;
            copy.textContent = `${node.value ?? node.textContent.replace(/\\n$/, '')}`;
            document.body.append(copy);
            const { height } = copy.getBoundingClientRect();
            copy.remove();
            return height;
        })"""
        )
    )
    nb.page.set_viewport_size(size)
    return len(heights) == 2 and heights[0] == heights[1]


def allow(card: Locator) -> None:
    """Allow what an open question asks, and wait until that question is gone; the next one may stand there already."""
    number = card.get_attribute("aria-labelledby")
    asked = card.page.locator(f".claude-ask[aria-labelledby='{number}']")
    press(card, "Allow")
    expect(asked).not_to_be_attached()


def name_cell(nb: Notebook, at: int, name: str) -> None:
    """Put a cell with a known id in the place of another."""
    nb.page.evaluate(
        """([at, name]) => {
            const model = window.jupyterapp.shell.currentWidget.content.model.sharedModel;
            const { source } = model.cells[at].toJSON();
            model.deleteCell(at);
            model.insertCell(at, { cell_type: 'code', id: name, source, metadata: {}, outputs: [] });
        }""",
        [at, name],
    )


@pytest.mark.parametrize("kernel", ["this", *OTHER_KERNELS])
def test_cells_that_claude_adds_last(notebook: MakeNotebook, scenario: str, kernel: str) -> None:
    """It looks without asking, asks for code and cells, and the notebook runs again without it."""
    nb = notebook(
        scenario, DATA, "%%claude\nWhy do revenues drop in March? Show me.", "print('the end')", kernel=kernel
    )
    nb.run(1)
    nb.run(2)
    nb.start(3)
    card = question(nb.view(3))
    expect(card).to_contain_text("Run this code in the kernel?")
    expect(card).to_contain_text("Find the worst month")
    nb.picture("kernel-run-question", 3)
    assert lines_stand_together(nb, 1280)
    assert lines_stand_together(nb, 480)
    press(card, "Allow")
    for title in ("Add this cell to the notebook?", "Add this cell to the notebook?"):
        card = question(nb.view(3))
        expect(card).to_contain_text(title)
        allow(card)
    nb.wait(3)
    expect(nb.view(3)).to_have_attribute("data-outcome", "success")
    nb.picture("kernel-answer", 3)

    assert sources(nb)[4].startswith("monthly = ")
    assert sources(nb)[5].startswith("**March** is the worst")
    assert sources(nb)[6] == "print('the end')"
    figure = cell(nb, 4)
    number = cell(nb, 3)["execution_count"]
    assert figure["execution_count"] == number + 1
    assert any("image/png" in output.get("data", {}) for output in figure["outputs"])
    assert figure["metadata"]["claude"]["session"] == "main"
    nb.picture("kernel-added-cell", 4)
    nb.run(6)
    assert cell(nb, 6)["execution_count"] == number + 2

    nb.page.evaluate(
        """async () => {
            const panel = window.jupyterapp.shell.currentWidget;
            panel.content.model.sharedModel.deleteCell(3);
            await panel.sessionContext.restartKernel();
        }"""
    )
    nb.run(2)
    nb.run(3)
    assert any("image/png" in output.get("data", {}) for output in nb.outputs(3))


def test_cells_are_read_as_they_stand(notebook: MakeNotebook, scenario: str) -> None:
    """What was typed and not run or saved is read; the answers of Claude are not repeated."""
    nb = notebook(scenario, "typed = 1", "%%claude\nread the notebook")
    nb.run(1)
    nb.page.evaluate(f"() => {CELLS}[2].model.sharedModel.setSource('typed = 2  # not saved')")
    nb.run(3)

    expect(nb.view(3)).to_contain_text("typed = 2 # not saved")
    expect(nb.view(3)).to_contain_text("[not run]")


def test_an_edit_is_shown_and_decided(notebook: MakeNotebook, scenario: str) -> None:
    """The card shows the difference; allowed, the cell has the new source, and one undo takes it back."""
    nb = notebook(scenario, TOTAL, "%%claude\ncorrect the total")
    nb.run(1)
    name_cell(nb, 2, "total-cell")
    nb.start(3)
    card = question(nb.view(3))
    expect(card).to_contain_text("Change this cell?")
    expect(card.locator(".claude-inserted")).to_contain_text("total = sum([1, 2, 3])")
    expect(card.locator(".claude-deleted")).to_contain_text("total = sum([1, 2])")
    nb.picture("kernel-edit-question", 3)
    press(card, "Allow")
    nb.wait(3)

    assert sources(nb)[2] == "total = sum([1, 2, 3])\nprint(total)"
    expect(nb.view(3)).to_contain_text("Told: Changed.")
    nb.page.evaluate(f"() => {CELLS}[2].model.sharedModel.undo()")
    assert sources(nb)[2] == TOTAL


def test_a_part_of_an_edit_is_rejected_in_its_cell(notebook: MakeNotebook, scenario: str) -> None:
    """The change stands in the cell that it would change, also after a reload; what is rejected there is not made."""
    nb = notebook(scenario, PARTS, "%%claude\ncorrect both")
    nb.run(1)
    name_cell(nb, 2, "total-cell")
    nb.start(3)
    question(nb.view(3))
    nb.save()
    nb.open()
    nb.scroll_to(3)
    question(nb.view(3)).get_by_role("button", name="Show it in its cell").click()
    proposal = nb.cell(2).locator(".claude-proposal")
    expect(proposal).to_contain_text("Claude proposes this change.")
    expect(proposal.locator(".cm-deletedChunk")).to_have_count(2)
    assert sources(nb)[2] == PARTS
    nb.picture("kernel-proposal", 2, whole=True)
    proposal.get_by_role("button", name="Reject this part").last.click()
    expect(proposal.locator(".cm-deletedChunk")).to_have_count(1)
    press(proposal, "Accept")
    expect(nb.view(3)).to_have_attribute("data-outcome", "success")

    assert sources(nb)[2] == PARTS.replace("[1, 2]", "[1, 2, 3]")
    expect(proposal).not_to_be_attached()
    expect(nb.view(3)).to_contain_text("The user edited the input before allowing it.")
    expect(nb.cell(2).locator(".jp-InputArea-editor").first).to_be_visible()


def test_an_edit_of_what_was_typed_meanwhile_is_refused(notebook: MakeNotebook, scenario: str) -> None:
    nb = notebook(scenario, TOTAL, "%%claude\ncorrect the total")
    nb.run(1)
    name_cell(nb, 2, "total-cell")
    nb.start(3)
    card = question(nb.view(3))
    nb.page.evaluate(f"() => {CELLS}[2].model.sharedModel.setSource('total = 99')")
    press(card, "Allow")
    nb.wait(3)

    assert sources(nb)[2] == "total = 99"
    expect(nb.view(3)).to_contain_text("The user has changed the cell since you read it")


def test_a_deletion_is_denied_and_allowed(notebook: MakeNotebook, scenario: str) -> None:
    nb = notebook(scenario, TOTAL, "%%claude\nremove the total", "%%claude --new\nremove the total")
    nb.run(1)
    name_cell(nb, 2, "total-cell")
    nb.start(3)
    card = question(nb.view(3))
    expect(card).to_contain_text("Delete this cell?")
    press(nb.cell(2).locator(".claude-proposal"), "Reject")
    nb.wait(3)
    assert TOTAL in sources(nb)
    nb.start(4)
    press(question(nb.view(4)), "Allow")
    nb.page.wait_for_function(f"() => {CELLS}.length === 4")
    assert TOTAL not in sources(nb)


def test_what_a_turn_changed_in_cells_is_put_back_at_once(notebook: MakeNotebook, scenario: str) -> None:
    """The edited cell and the deleted one, with its output; a cell in which the person has typed since stays."""
    nb = notebook(scenario, TOTAL, TOTAL, "%%claude --kernel run\nrework both", "%%claude --kernel run\nrework both")
    for index in (1, 2, 3):
        nb.run(index)
    name_cell(nb, 2, "total-cell")
    name_cell(nb, 3, "second-cell")
    before = [cell(nb, 2), cell(nb, 3)]
    nb.run(4)
    assert sources(nb)[2] != TOTAL
    assert TOTAL not in sources(nb)
    nb.view(3).get_by_role("button", name="Undo cell changes").click()
    expect(nb.view(4)).to_contain_text("Restored 2 cells.")
    expect(nb.view(4).get_by_role("button", name="Undo cell changes")).to_be_hidden()
    assert [cell(nb, 2), cell(nb, 3)] == before
    nb.picture("kernel-cells-undone", 4)

    nb.run(5)
    nb.page.evaluate(f"() => {CELLS}[2].model.sharedModel.setSource('total = 99')")
    nb.view(4).get_by_role("button", name="Undo cell changes").click()
    expect(nb.view(5)).to_contain_text("Restored 1 cell. 1 cell was changed since: left alone.")
    assert sources(nb)[2:4] == ["total = 99", TOTAL]


def test_cells_are_added_after_the_page_was_loaded_again(notebook: MakeNotebook, scenario: str) -> None:
    """The question stands there again, and the page that answers it gets the cells."""
    nb = notebook(scenario, DATA, "%%claude\nWhy do revenues drop in March? Show me.")
    nb.run(1)
    nb.run(2)
    nb.start(3)
    question(nb.view(3))
    nb.save()
    nb.open()
    nb.scroll_to(3)
    for _ in range(3):
        allow(question(nb.view(3)))
    expect(nb.view(3)).to_have_attribute("data-outcome", "success")

    assert sources(nb)[4].startswith("monthly = ")
    assert any("image/png" in output.get("data", {}) for output in cell(nb, 4)["outputs"])


def test_only_the_window_that_ran_the_prompt_gets_the_cells(
    notebook: MakeNotebook, scenario: str, context: BrowserContext, guard: Guard
) -> None:
    nb = notebook(scenario, DATA, "%%claude --kernel run\nWhy do revenues drop in March? Show me.")
    nb.run(1)
    nb.run(2)
    nb.save()
    other = Notebook(context.new_page(), nb.server, nb.path)
    other.open("second")
    nb.page.bring_to_front()
    nb.run(3)

    assert sources(nb)[4].startswith("monthly = ")
    assert len(sources(other)) == 4
    expect(nb.view(3).locator(".claude-mode")).to_contain_text(["runs code without asking"])
    other.page.close()


def test_a_change_of_the_file_by_a_command_is_told_once(notebook: MakeNotebook, scenario: str) -> None:
    """The page keeps what it has until the person reloads it."""
    marked = "# before the change"
    nb = notebook(scenario, marked, "%%claude --allow Bash\nchange the file", "%claude ask change the file")
    nb.run(1)
    nb.save()
    nb.run(3)
    notice = nb.page.locator(".Toastify__toast", has_text="was changed on disk by another program")
    expect(notice).to_be_visible()
    assert sources(nb)[2] == marked

    notice.get_by_role("button", name="Reload from disk").click()
    nb.page.wait_for_function(f"() => {CELLS}[2]?.model?.sharedModel.getSource() === '# after the change'")
    expect(notice).not_to_be_attached()


def test_a_tape_brings_the_cells_that_were_recorded(notebook: MakeNotebook, scenario: str) -> None:
    """With their outputs and without running anything, and once: a notebook that has them gets no second ones."""
    prompt = "%%claude --new --kernel run\nWhy do revenues drop in March? Show me."
    nb = notebook(
        scenario, DATA, "%claude record on run.jsonl", prompt, "%claude record off", "%claude replay run.jsonl 0"
    )
    for index in range(1, 5):
        nb.run(index)
    recorded = [cell(nb, index) for index in (5, 6)]
    nb.run(7)
    nb.run(8)
    nb.page.evaluate(
        f"() => {{ for (let n = 0; n < 2; n++) {CELLS.replace('.widgets', '.model.sharedModel')}.deleteCell(5); }}"
    )
    assert len(sources(nb)) == 7

    nb.run(4)
    nb.page.wait_for_function(f"() => {CELLS}.length === 9")
    played = [cell(nb, index) for index in (5, 6)]
    assert [one["source"] for one in played] == [one["source"] for one in recorded]
    assert [one["cell_type"] for one in played] == ["code", "markdown"]
    assert played[0]["execution_count"] is None
    figures = [output["data"]["image/png"] for output in played[0]["outputs"] if "image/png" in output.get("data", {})]
    assert len(figures) == 1

    nb.run(4)
    nb.run(8)  # a cell that ends after every message of the one before it
    assert len(sources(nb)) == 9
