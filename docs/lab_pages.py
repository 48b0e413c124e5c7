"""A JupyterLab of its own in a headless Chromium, for the pictures of the documentation.

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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs" / "pictures"
START_S = 60

_QUIET = {
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/apputils-extension/themes": {"theme": "JupyterLab Light"},
}
_ALL_CELLS = {"@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"}}
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


@contextmanager
def notebook_page(
    notebook: Path, *files: Path, width: int, height: int, scale: float, all_cells: bool = False
) -> Iterator[Page]:
    """Give a page in which a copy of a notebook is open and its kernel is idle.

    Args:
        notebook: the notebook.
        files: what stands beside it: files and folders.
        width: of the page, in pixels of CSS, as `height`.
        scale: pixels of the picture for one of CSS.
        all_cells: keep cells on the page that are out of sight.
    """
    with (
        _lab(notebook, files, _QUIET | (_ALL_CELLS if all_cells else {})) as address,
        _page(width, height, scale) as page,
    ):
        page.goto(address)
        page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=START_S * 1000)
        page.wait_for_function(_KERNEL_IS_IDLE, timeout=START_S * 1000)
        page.evaluate(
            """async () => {
                window.jupyterapp.shell.collapseLeft();
                for (const side of ['left', 'right']) {
                    await window.jupyterapp.commands.execute('application:toggle-side-tabbar', {side});
                }
            }"""
        )
        yield page


def run_cell(page: Page, index: int) -> None:
    """Run a cell to its end."""
    page.evaluate(_RUN_CELL, index)


def choose_theme(page: Page, theme: str) -> None:
    """Change the theme of the page, such as `JupyterLab Dark`."""
    page.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
    page.wait_for_selector(f"body[data-jp-theme-name='{theme}']", state="attached")


@contextmanager
def _page(width: int, height: int, scale: float) -> Iterator[Page]:
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.name == "posix" and os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        try:
            yield browser.new_page(viewport={"width": width, "height": height}, device_scale_factor=scale)
        finally:
            browser.close()


@contextmanager
def _lab(notebook: Path, files: Sequence[Path], settings: dict[str, dict[str, Any]]) -> Iterator[str]:
    """A JupyterLab with a home of its own and a copy of the notebook; gives the address to open."""
    with tempfile.TemporaryDirectory(prefix="claude-magic-screenshot-", ignore_cleanup_errors=True) as home:
        work = Path(home, "notebooks")
        work.mkdir()
        shutil.copy(notebook, work)
        for file in files:
            (shutil.copytree if file.is_dir() else shutil.copy)(file, work / file.name)
        for place, value in settings.items():
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
                yield f"http://127.0.0.1:{port}/lab/tree/{notebook.name}?token={token}&reset"
            finally:
                lab.terminate()
                lab.wait(30)


def _environment(home: str) -> dict[str, str]:
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
    deadline = monotonic() + START_S
    while True:
        try:
            urllib.request.urlopen(address, timeout=2).close()
            return
        except (urllib.error.URLError, OSError):
            if lab.poll() is not None or monotonic() > deadline:
                raise RuntimeError("JupyterLab did not start") from None
            sleep(0.2)
