"""Cells of prompts in the editor: Markdown from the first frame on, names of the kernel, Python left alone."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Locator, Page, expect

from .conftest import MakeNotebook
from .notebook import Notebook

PROMPT = """\
%%claude -s analysis --sesion x
# What sells?

Look at {sales}, {slaes} and {rows[0]:.2f}, **not** at `{sales}`.

```python
def total(values):  # {sales}
    return sum(values)
```
"""
PYTHON = "def f(x):\n    return {x: [1, 2]}  # %%claude"


def editor(nb: Notebook, cell: int) -> Locator:
    """The editor of a cell."""
    where = f".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell[data-windowed-list-index='{cell}'] .cm-editor"
    return nb.page.locator(where).first


def set_setting(page: Page, name: str, value: Any) -> None:
    """Change a setting of the extension as the settings editor does."""
    page.evaluate(
        """async ([key, value]) => {
            const app = window.jupyterapp;
            const services = (app.pluginRegistry ?? app)._services;
            const token = [...services.keys()].find(({name}) => name === '@jupyterlab/coreutils:ISettingRegistry');
            const settings = await app.resolveRequiredService(token);
            await settings.set('claude-magic:view', key, value);
        }""",
        [name, value],
    )


def test_prompt_is_markdown_with_names_of_the_kernel(notebook: MakeNotebook) -> None:
    """Names that exist are marked, misspelt ones come with the one that was meant, which a click writes."""
    nb = notebook("sales, rows = {}, [1.5]", PROMPT)
    nb.run(1)
    prompt = editor(nb, 2)
    expect(prompt.locator(".claude-prompt-name")).to_have_text(["{sales}", "{rows[0]:.2f}"])
    expect(prompt.locator("span.claude-prompt-misspelt")).to_have_text(["--sesion", "slaes"])
    expect(nb.page.locator(".jp-InputArea-prompt[data-claude-session='analysis']")).to_be_visible()
    nb.picture("prompt-cell", 2, whole=True)

    prompt.locator(".claude-prompt-meant").click()

    expect(prompt.locator(".claude-prompt-misspelt")).to_have_text(["--sesion"])
    expect(prompt.locator(".claude-prompt-name")).to_have_text(["{sales}", "{sales}", "{rows[0]:.2f}"])


def test_long_lines_of_a_prompt_wrap_and_those_of_code_do_not(notebook: MakeNotebook) -> None:
    """It follows the magic line, too."""
    long = "words " * 100
    nb = notebook(f"%%claude\n{long}", f"text = '{long}'")
    fits = "node => node.scrollWidth <= node.clientWidth"
    prompt, code = (editor(nb, cell).locator(".cm-scroller") for cell in (1, 2))
    expect(prompt.locator(".claude-prompt-magic")).to_be_visible()
    assert [prompt.evaluate(fits), code.evaluate(fits)] == [True, False]

    nb.page.evaluate(
        """text => {
            const model = window.jupyterapp.shell.currentWidget.content.widgets[1].model.sharedModel;
            model.setSource(`text = '${text}'`);
        }""",
        long,
    )
    expect(prompt.locator(".claude-prompt-magic")).to_have_count(0)
    assert not prompt.evaluate(fits)


def test_it_is_a_prompt_from_the_first_frame_on(notebook: MakeNotebook) -> None:
    """The first frame in which a cell has an editor shows it as it is, and so does the frame after each key."""
    nb = notebook(PROMPT, PYTHON)
    nb.save()
    page = nb.page
    page.add_init_script(
        """(() => {
            window.testFrames = [];
            const look = () => {
                const seen = [...document.querySelectorAll('.jp-CodeCell .cm-content')].find(
                    one => one.textContent.startsWith('%%claude'));
                if (seen) window.testFrames.push(seen.closest('.cm-editor').matches('.claude-prompt')
                    && seen.querySelector('.claude-prompt-magic') !== null);
                if (window.testFrames.length < 3) requestAnimationFrame(look);
            };
            requestAnimationFrame(look);
        })()"""
    )
    nb.open()
    page.wait_for_function("() => window.testFrames.length >= 3")
    assert page.evaluate("window.testFrames") == [True, True, True]

    content = editor(nb, 2).locator(".cm-content")
    before = content.inner_html()
    content.click()
    page.keyboard.press("ControlOrMeta+Home")
    for key in "%%claude":
        page.keyboard.type(key)
    page.keyboard.press("Enter")
    expect(editor(nb, 2).locator(".claude-prompt-magic")).to_have_text("%%claude")
    for _ in range(9):
        page.keyboard.press("Backspace")
    expect(editor(nb, 2).locator(".claude-prompt-magic")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(content).not_to_be_focused()
    assert content.inner_html() == before


def test_keys_are_quick(notebook: MakeNotebook) -> None:
    """With a long prompt, what a key does to the editor takes less than a frame more than it takes in Python."""
    lines = "A line with {sales}, `code` and more **words** than that.\n" * 400
    nb = notebook("sales = 1", f"%%claude\n{lines}", lines)
    nb.run(1)
    measured: list[Any] = nb.page.evaluate(
        """async () => {
            const median = async cell => {
                const widget = window.jupyterapp.shell.currentWidget.content.widgets[cell];
                await window.jupyterapp.shell.currentWidget.content.scrollToItem(cell, 'start');
                const view = widget.editor.editor;
                const times = [];
                for (let i = 0; i < 41; i++) {
                    const at = view.state.doc.line(6).to;
                    const began = performance.now();
                    view.dispatch({changes: {from: at, insert: 'x'}, userEvent: 'input.type'});
                    times.push(performance.now() - began);
                    await new Promise(requestAnimationFrame);
                }
                return times.sort((a, b) => a - b)[20];
            };
            return [await median(2), await median(3)];
        }"""
    )
    assert measured[0] < measured[1] + 16, measured


def test_off_switch(notebook: MakeNotebook) -> None:
    """Switched off in the settings, a prompt looks as it does without us, at once; switched on again, as with us."""
    nb = notebook(PROMPT)
    expect(editor(nb, 1).locator(".claude-prompt-magic")).to_be_visible()
    set_setting(nb.page, "promptCells", False)
    expect(editor(nb, 1).locator("[class*=claude-prompt]")).to_have_count(0)
    set_setting(nb.page, "promptCells", True)
    expect(editor(nb, 1).locator(".claude-prompt-magic")).to_be_visible()
