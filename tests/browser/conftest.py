"""Fixtures of the browser tests: one Chromium, one JupyterLab and one page of it, a notebook for each test."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import distributions
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Dialog, Error, Page, Route, expect, sync_playwright

from .lab import Server, Surroundings, start_lab
from .notebook import Notebook

HERE = Path(__file__).parent
SCENARIO = HERE / "scenario.toml"
SETUP = f"%load_ext claude_magic\n%claude simulate on {SCENARIO}"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


def _other_kernels() -> dict[str, Path]:
    """The folders that CLAUDE_MAGIC_TEST_IPYKERNEL names, by the version of ipykernel that is in them."""
    named = filter(None, os.environ.get("CLAUDE_MAGIC_TEST_IPYKERNEL", "").split(os.pathsep))
    return {next(iter(distributions(name="ipykernel", path=[one]))).version: Path(one) for one in named}


OTHER_KERNELS = _other_kernels()

# Long, because a machine that also runs other tests is slow; nothing waits for it to pass.
expect.set_options(timeout=30_000)

MakeNotebook = Callable[..., Notebook]


class Guard:
    """Watches a browser: what it asks of other machines, which dialogs open, which errors its pages meet."""

    def __init__(self, context: BrowserContext) -> None:
        self.foreign: list[str] = []
        self.dialogs: list[str] = []
        self.errors: list[str] = []
        context.route(lambda url: not _is_here(url), self._refuse)
        context.on("page", self._watch)

    def _refuse(self, route: Route) -> None:
        self.foreign.append(route.request.url)
        route.abort()

    def _watch(self, page: Page) -> None:
        page.on("dialog", self._on_dialog)
        page.on("pageerror", self._on_error)

    def _on_error(self, error: Error) -> None:
        """Note an error, unless it is one of JupyterLab, or Notebook, with itself.

        All of its stack stands in their scripts then, or it says what became of a request of JupyterLab's own.
        """
        places = re.findall(r"\w+://\S+", error.stack or "")
        its_own = "create_subshell_request" in error.message
        scripts = re.compile(r"/static/(?:lab|notebook)/")
        if not its_own and (not places or not all(scripts.search(place) for place in places)):
            self.errors.append(error.stack or error.message)

    def _on_dialog(self, dialog: Dialog) -> None:
        if dialog.type == "beforeunload":
            dialog.accept()
        else:
            self.dialogs.append(dialog.message)
            dialog.dismiss()

    def check(self) -> None:
        """Fail if a page did what it must not do since the last look."""
        found = {"foreign": self.foreign, "dialogs": self.dialogs, "errors": self.errors}
        self.foreign, self.dialogs, self.errors = [], [], []
        assert found == {"foreign": [], "dialogs": [], "errors": []}


def _is_here(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("data", "blob", "about") or parts.hostname in ("127.0.0.1", "localhost")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the Chromium that is used."""
    script = HERE / "ensure_chromium.sh"
    found = subprocess.run([script, sys.executable], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    return found.stdout.strip()


# Playwright's loop would be in the way of asyncio tests that follow in this process: it ends with this folder's tests.
@pytest.fixture(scope="package")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")
    context.set_default_timeout(30_000)
    yield context
    context.close()


@pytest.fixture(scope="package")
def guard(context: BrowserContext) -> Guard:
    return Guard(context)


@pytest.fixture(scope="package")
def page(context: BrowserContext, guard: Guard) -> Page:
    return context.new_page()


@pytest.fixture(scope="package")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A JupyterLab with the extension."""
    server = start_lab(Surroundings(tmp_path_factory.mktemp("lab"), OTHER_KERNELS))
    yield server
    server.stop()


@pytest.fixture
def notebook(lab: Server, page: Page, guard: Guard, request: pytest.FixtureRequest) -> Iterator[MakeNotebook]:
    """Opens a notebook with these cells after one that loads the magics, in a folder of its own."""
    opened: list[Notebook] = []

    def make(*cells: str, kernel: str = "this") -> Notebook:
        folder = re.sub(r"\W+", "-", request.node.name.removeprefix("test_"))
        path = f"{folder}/{len(opened)}.ipynb"
        lab.surroundings.write_notebook(path, [SETUP, *cells], kernel)
        made = Notebook(page, lab, path)
        opened.append(made)
        if page.url.startswith(f"{lab.url}/lab"):
            made.show()
        else:
            made.open()
        made.run(0)
        return made

    yield make
    for one in opened:
        one.close()
    guard.check()
