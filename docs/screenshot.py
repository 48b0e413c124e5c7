"""Make the still pictures: JupyterLab with the quickstart, its cells really run, light and dark.

    python docs/screenshot.py [FOLDER]       quickstart.png and quickstart-dark.png; docs/pictures/ by default

For what it needs, see lab_pages.py.
"""

from __future__ import annotations

import sys
from pathlib import Path
from time import sleep

import nbformat
from lab_pages import PICTURES, ROOT, choose_theme, notebook_page, run_cell
from playwright.sync_api import Page

NOTEBOOK = ROOT / "notebooks" / "quickstart.ipynb"
THEMES = {"quickstart.png": "JupyterLab Light", "quickstart-dark.png": "JupyterLab Dark"}
TOP_CELL = "%%claude\nThese are the sales"
"""The picture begins with this cell."""


def main() -> None:
    """Make the pictures."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURES
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    with notebook_page(NOTEBOOK, width=1180, height=715, scale=1.5) as page:
        for index, cell in enumerate(cells):
            if cell.cell_type == "code":
                run_cell(page, index)
            if cell.source.startswith("%%claude -s files"):
                break
        top = next(index for index, cell in enumerate(cells) if cell.source.startswith(TOP_CELL))
        for name, theme in THEMES.items():
            choose_theme(page, theme)
            _show(page, top)
            page.screenshot(path=folder / name)
            print(f"{folder / name}: {(folder / name).stat().st_size // 1024} kB")


def _show(page: Page, index: int) -> None:
    """Scroll the cell to the top, and take the selection out of the picture."""
    page.evaluate(
        """async index => {
            const notebook = window.jupyterapp.shell.currentWidget.content;
            notebook.activeCellIndex = index;
            await notebook.scrollToItem(index, 'start');
            notebook.widgets[index].node.scrollIntoView({block: 'start'});
        }""",
        index,
    )
    sleep(1)  # the scrolling is animated, and says nothing at its end


if __name__ == "__main__":
    main()
