"""Make the pictures of the README: JupyterLab with the quickstart, its cells really run, in a headless Chromium.

    python docs/screenshot.py [FOLDER]       quickstart.png and quickstart-dark.png; docs/pictures/ by default

Needs Playwright for Python (pip install playwright) and a Chromium, in PATH or from `playwright install chromium`.
Answers are simulated; nothing of the user is used or shown.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import nbformat
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "notebooks" / "quickstart.ipynb"
FOLDER = ROOT / "docs" / "pictures"
THEMES = {"quickstart.png": "JupyterLab Light", "quickstart-dark.png": "JupyterLab Dark"}
WIDTH, HEIGHT = 1180, 715
TOP_CELL = "%%claude\nThese are the sales"
"""The picture begins with this cell."""

_START_S = 60
_QUIET = {
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/apputils-extension/themes": {"theme": "JupyterLab Light"},
}
_RUN_CELL = """async index => {
    const notebook = window.jupyterapp.shell.currentWidget.content;
    notebook.deselectAll();
    notebook.activeCellIndex = index;
    await window.jupyterapp.commands.execute('notebook:run-cell');
}"""
_KERNEL_IS_IDLE = """() => {
    const kernel = window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel;
    return kernel?.status === 'idle' && kernel.connectionStatus === 'connected';
}"""


def main() -> None:
    """Make the pictures."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    with _lab() as address, _page() as page:
        page.goto(address)
        page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=_START_S * 1000)
        page.wait_for_function(_KERNEL_IS_IDLE, timeout=_START_S * 1000)
        page.evaluate("() => window.jupyterapp.commands.execute('application:toggle-left-area')")
        cells = nbformat.read(NOTEBOOK, as_version=4).cells
        for index, cell in enumerate(cells):
            if cell.cell_type == "code":
                page.evaluate(_RUN_CELL, index)
            if cell.source.startswith("%%claude -s files"):
                break
        top = next(index for index, cell in enumerate(cells) if cell.source.startswith(TOP_CELL))
        for name, theme in THEMES.items():
            page.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
            page.wait_for_selector(f"body[data-jp-theme-name='{theme}']", state="attached")
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


@contextmanager
def _page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.name == "posix" and os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        try:
            yield browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, device_scale_factor=1.5)
        finally:
            browser.close()


@contextmanager
def _lab() -> Iterator[str]:
    """A JupyterLab with a home of its own and a copy of the notebook; gives the address to open."""
    with tempfile.TemporaryDirectory(prefix="claude-magic-screenshot-", ignore_cleanup_errors=True) as home:
        work = Path(home, "notebooks")
        work.mkdir()
        shutil.copy(NOTEBOOK, work)
        for place, value in _QUIET.items():
            path = Path(home, "config", "lab", "user-settings", f"{place}.jupyterlab-settings")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(value), encoding="utf-8")
        port, token = _free_port(), secrets.token_hex(16)
        root = ["--allow-root"] if os.name == "posix" and os.geteuid() == 0 else []
        command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--expose-app-in-browser", *root]
        command += [f"--port={port}", f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={work}"]
        with Path(home, "lab.log").open("wb") as log:
            lab = subprocess.Popen(command, env=_environment(home), cwd=work, stdout=log, stderr=log)
            try:
                _wait(f"http://127.0.0.1:{port}/api?token={token}", lab)
                yield f"http://127.0.0.1:{port}/lab/tree/{NOTEBOOK.name}?token={token}&reset"
            finally:
                lab.terminate()
                lab.wait(30)


def _environment(home: str) -> dict[str, Any]:
    private = ("ANTHROPIC_", "CLAUDE", "JUPYTER", "IPYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(private)}
    places = {"HOME": home, "JUPYTER_CONFIG_DIR": f"{home}/config", "JUPYTER_DATA_DIR": f"{home}/data"}
    return kept | places | {"CLAUDE_MAGIC_SIMULATE": "auto", "PYTHONPATH": str(ROOT), "JUPYTER_PREFER_ENV_PATH": "1"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(address: str, lab: subprocess.Popen[bytes]) -> None:
    deadline = monotonic() + _START_S
    while True:
        try:
            urllib.request.urlopen(address, timeout=2).close()
            return
        except (urllib.error.URLError, OSError):
            if lab.poll() is not None or monotonic() > deadline:
                raise RuntimeError("JupyterLab did not start") from None
            sleep(0.2)


if __name__ == "__main__":
    main()
