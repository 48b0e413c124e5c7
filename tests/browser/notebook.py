"""Driving a notebook in JupyterLab's page as a person would, and looking at what it shows."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, TimeoutError, expect

from .lab import ROOT, Server

PICTURES = ROOT / "output" / "browser"
TAKES_PICTURES = os.environ.get("CLAUDE_MAGIC_TEST_PICTURES", "") != ""
"""Whether the views are photographed, which takes the page a second or more each time and proves nothing."""
GUARD_MS = 60_000
_CURRENT = "window.jupyterapp.shell.currentWidget"
_CELL = f"{_CURRENT}.content.widgets[cell]"


class Notebook:
    """An open notebook.

    Args:
        page: the browser's page with JupyterLab.
        server: the server.
        path: the notebook, below the server's root.
    """

    def __init__(self, page: Page, server: Server, path: str) -> None:
        self.page = page
        self.server = server
        self.path = path
        self.folder = (server.surroundings.root / path).parent

    # Coming and going.

    def open(self, workspace: str = "") -> None:
        """Load the page of the notebook, and wait for its kernel; this may be tried twice."""
        where = f"workspaces/{workspace}/tree" if workspace else "tree"
        for last in (False, True):
            self.page.goto(self.server.address(f"lab/{where}/{self.path}?reset"))
            try:
                return self._wait_for_kernel()
            except TimeoutError:
                # Once in dozens of times JupyterLab's page does not come to rest.
                if last:
                    raise

    def show(self) -> None:
        """Open the notebook in the page that is loaded already."""
        self.page.evaluate(
            """async path => {
                await window.jupyterapp.commands.execute('docmanager:open', {path, factory: 'Notebook'});
            }""",
            self.path,
        )
        self._wait_for_kernel()

    def show_without_kernel(self) -> None:
        """Open a notebook whose kernel is not there, and choose none in the dialog that comes."""
        self.page.evaluate(
            "path => { void window.jupyterapp.commands.execute('docmanager:open', {path, factory: 'Notebook'}); }",
            self.path,
        )
        self.page.locator(".jp-Dialog").get_by_role("button", name="No Kernel").click()
        self.page.wait_for_function(
            "path => window.jupyterapp.shell.currentWidget?.context?.path === path", arg=self.path
        )

    def _wait_for_kernel(self) -> None:
        """Wait until the notebook is there and its kernel answers; the file browser is put away."""
        self.page.wait_for_function(
            """path => {
                const panel = window.jupyterapp?.shell?.currentWidget;
                const kernel = panel?.sessionContext?.session?.kernel;
                return panel?.context?.path === path && panel.context.isReady && panel.content.widgets.length > 0
                    && kernel?.connectionStatus === 'connected' && ['idle', 'busy'].includes(kernel.status);
            }""",
            arg=self.path,
            timeout=30_000,
        )
        self.page.evaluate("() => window.jupyterapp.shell.collapseLeft()")

    def close(self) -> None:
        """End the kernel and close the notebook, when no save of it is under way any more."""
        self.page.evaluate(
            """async path => {
                const app = window.jupyterapp;
                for (const widget of [...app.shell.widgets('main')]) {
                    if (widget.context?.path !== path) continue;
                    void widget.sessionContext?.session?.shutdown();  // takes seconds, and nothing waits for it
                    await widget.context.save();
                    widget.dispose();
                }
            }""",
            self.path,
        )

    def revert(self) -> None:
        """Load it again from its file, which another window has written."""
        self.page.evaluate(f"async () => {{ await {_CURRENT}.context.revert(); }}")

    def save(self) -> None:
        """Save it."""
        self.page.evaluate(f"async () => {{ await {_CURRENT}.context.save(); }}")

    @property
    def saved(self) -> dict[str, Any]:
        """What is on the disk."""
        content: dict[str, Any] = json.loads((self.server.surroundings.root / self.path).read_text(encoding="utf-8"))
        return content

    # Running cells.

    def start(self, cell: int) -> None:
        """Run a cell, without waiting for its end."""
        self.page.evaluate(
            f"""cell => {{
                const notebook = {_CURRENT}.content;
                notebook.deselectAll();
                notebook.activeCellIndex = cell;
                window.testRuns ??= {{}};
                window.testRuns[cell] = false;
                window.jupyterapp.commands.execute('notebook:run-cell').then(() => {{ window.testRuns[cell] = true; }});
            }}""",
            cell,
        )

    def wait(self, cell: int) -> None:
        """Wait until a cell that was started is over."""
        self.page.wait_for_function("cell => window.testRuns[cell] === true", arg=cell, timeout=GUARD_MS)

    def run(self, cell: int) -> None:
        """Run a cell to its end."""
        self.start(cell)
        self.wait(cell)

    def run_all(self) -> None:
        """Run all cells, without waiting."""
        self.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")

    def wait_until_idle(self) -> None:
        """Wait until the kernel has nothing to do and no cell waits for it.

        The status alone says "idle" also while a cell runs, after a message on the control channel.
        """
        self.page.wait_for_function(
            f"""() => {_CURRENT}.sessionContext.session?.kernel?.status === 'idle'
                && {_CURRENT}.content.widgets.every(cell => !cell.inputArea?.promptNode.textContent.includes('*'))""",
            timeout=GUARD_MS,
        )

    def interrupt(self) -> None:
        """Press the notebook's own interrupt button."""
        self.page.evaluate("async () => { await window.jupyterapp.commands.execute('notebook:interrupt-kernel'); }")

    # Looking.

    def cell(self, cell: int) -> Locator:
        """A cell, its input and its output."""
        return self.page.locator(
            f".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell[data-windowed-list-index='{cell}']"
        ).first

    def output(self, cell: int) -> Locator:
        """The output area of a cell."""
        return self.cell(cell).locator(".jp-Cell-outputArea").first

    def view(self, cell: int) -> Locator:
        """The live view in a cell's output."""
        return self.output(cell).locator(".claude-run")

    def scroll_to(self, cell: int) -> None:
        """Bring a cell into sight; a notebook takes cells off the page that are far from the visible part."""
        self.page.evaluate(f"async cell => {{ await {_CURRENT}.content.scrollToItem(cell, 'start'); }}", cell)

    def text(self, cell: int) -> str:
        """All text of a cell's output."""
        return self.output(cell).inner_text()

    def outputs(self, cell: int) -> list[dict[str, Any]]:
        """The outputs of a cell as the notebook's model holds them."""
        made: list[dict[str, Any]] = self.page.evaluate(f"cell => {_CELL}.model.outputs.toJSON()", cell)
        return made

    def error(self, cell: int) -> str:
        """The name of the error that a cell ended with, or ""."""
        return next((str(output["ename"]) for output in self.outputs(cell) if output["output_type"] == "error"), "")

    def is_run(self, cell: int) -> bool:
        """Whether a cell was run."""
        return bool(self.page.evaluate(f"cell => {_CELL}.model.executionCount !== null", cell))

    def picture(self, name: str, cell: int, *, whole: bool = False) -> None:
        """Put pictures of a cell's output, or of the whole cell, into the tests' output: light, dark, and narrow."""
        if not TAKES_PICTURES:
            return
        PICTURES.mkdir(parents=True, exist_ok=True)
        size = self.page.viewport_size
        assert size is not None
        node = self.cell(cell) if whole else self.output(cell)
        for theme in ("Light", "Dark"):
            self.theme(theme)
            _shoot(f"{name}-{theme.lower()}", node)
        self.theme("Light")
        self.page.set_viewport_size({"width": 480, "height": size["height"]})
        _shoot(f"{name}-narrow", node)
        self.page.set_viewport_size(size)

    def picture_of(self, node: Locator, name: str) -> None:
        """Put pictures of any part of the page into the tests' output, if they are wanted: light and dark."""
        if TAKES_PICTURES:
            PICTURES.mkdir(parents=True, exist_ok=True)
            for theme in ("Dark", "Light"):
                self.theme(theme)
                node.screenshot(path=PICTURES / f"{name}-{theme.lower()}.png", animations="disabled")

    def theme(self, word: str) -> None:
        """Choose JupyterLab's light or dark theme."""
        name = f"JupyterLab {word}"
        self.page.evaluate(
            "async theme => { await window.jupyterapp.commands.execute('apputils:change-theme', {theme}); }", name
        )
        expect(self.page.locator(f"body[data-jp-theme-name='{name}']")).to_be_attached()


def _shoot(name: str, node: Locator) -> None:
    node.scroll_into_view_if_needed()
    node.screenshot(path=PICTURES / f"{Path(name)}.png", animations="disabled")
