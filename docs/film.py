"""Make the moving picture of the README: a question about a table, from the first key to the cell that lands.

    python docs/film.py [FILE]       docs/pictures/first_look.webp by default

A real JupyterLab is driven in a headless Chromium: a prompt is typed, the answer streams in, three questions are
answered by real clicks. The answers are those of first_look.toml; code, difference and figure are real. The time
that a person would need to read is cut, and a pointer is drawn, which headless browsers do not show.
For what it needs, see lab_pages.py; Pillow comes with matplotlib.
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import nbformat
from lab_pages import PICTURES, ROOT, notebook_page, run_cell
from PIL import Image
from playwright.sync_api import Locator, Page

from claude_magic.widgets.notebook_page import version_of

WIDTH, HEIGHT = 940, 600
FRAME_S = 0.12
LAST_S = 4.0
QUALITY = 75
FINDING = "**Finding.** Penguins with longer bills have shallower bills (correlation −0.24)."
DATA = """import pandas as pd

penguins = pd.read_csv("data/penguins.csv")
penguins[["species", "bill_length_mm", "bill_depth_mm", "sex"]].sample(3, random_state=5)"""
PROMPT = "%%claude\nIs my finding true, or is there a trap? Show me."

_POINTER = """() => {
    const pointer = document.createElement('div');
    pointer.id = 'film-pointer';
    pointer.innerHTML = `<svg width="22" height="22" viewBox="0 0 22 22"><path d="M3 1 L3 17 L7.4 13.2 L10.2 19.6
        L13 18.4 L10.2 12.2 L16 12 Z" fill="#111" stroke="#fff" stroke-width="1.4"/></svg>`;
    Object.assign(pointer.style, {position: 'fixed', left: '0', top: '0', zIndex: 100000, pointerEvents: 'none'});
    document.body.append(pointer);
}"""
_PLACE_POINTER = "([x, y]) => { document.getElementById('film-pointer').style.translate = `${x - 3}px ${y - 1}px`; }"
# As a person does: what is being written, or asked, stays in sight.
_FOLLOW = """([selector, share]) => {
    const outer = document.querySelector('.jp-NotebookPanel:not(.lm-mod-hidden) .jp-WindowedPanel-outer');
    const nodes = [...document.querySelectorAll(selector)];
    if (!outer || !nodes.length) return;
    const bottom = nodes[nodes.length - 1].getBoundingClientRect().bottom;
    const over = bottom - (outer.getBoundingClientRect().bottom - 14);
    if (over > 0) outer.scrollTop += Math.ceil(over * share);
}"""


class Film:
    """Takes pictures of a page, one after the other, and keeps those that show something new.

    Args:
        page: what is filmed.
        follow: selects what is to stay in sight.
    """

    def __init__(self, page: Page, follow: str) -> None:
        self.page = page
        self.follow = follow
        self.frames: list[Image.Image] = []
        self.durations_s: list[float] = []
        self._pointer = (WIDTH * 0.7, HEIGHT * 0.8)
        page.evaluate(_POINTER)
        self._place(self._pointer)

    def shoot(self, duration_s: float = FRAME_S) -> None:
        """Take a picture that is shown for so long."""
        self.page.evaluate(_FOLLOW, [self.follow, 0.5])
        panel = self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)").bounding_box()
        assert panel is not None
        clip = {name: panel[name] for name in ("x", "y", "width", "height")}
        picture = Image.open(io.BytesIO(self.page.screenshot(clip=clip))).convert("RGB")
        if self.frames and picture.tobytes() == self.frames[-1].tobytes():
            self.durations_s[-1] += duration_s
        else:
            self.frames.append(picture)
            self.durations_s.append(duration_s)

    def until(self, there: Locator, longest_s: float = 30) -> None:
        """Film until something is there."""
        end = monotonic() + longest_s
        while not there.is_visible():
            if monotonic() > end:
                raise RuntimeError(f"{there} did not come")
            self.shoot()

    def hold(self, seconds: float) -> None:
        """Film what stands there, until nothing scrolls, and show it for so long."""
        for _ in range(6):
            self.shoot()
        self.shoot(seconds)

    def click(self, button: Locator) -> None:
        """Move the pointer to a button, and click."""
        box = button.bounding_box()
        assert box is not None
        target = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        begin = self._pointer
        for step in (0.3, 0.65, 0.9, 1.0):
            self._place(tuple(a + (b - a) * step for a, b in zip(begin, target, strict=True)))
            self.shoot(0.07)
        self.shoot(0.2)
        self.page.mouse.click(*target)

    def save(self, path: Path) -> None:
        """Write it as an animated WebP that begins anew."""
        durations_ms = [round(1000 * seconds) for seconds in self.durations_s]
        first, *rest = self.frames
        first.save(
            path, save_all=True, append_images=rest, duration=durations_ms, loop=0, quality=QUALITY, method=6,
            minimize_size=True,
        )  # fmt: skip

    def _place(self, pointer: tuple[float, ...]) -> None:
        self._pointer = (pointer[0], pointer[1])
        self.page.evaluate(_PLACE_POINTER, list(self._pointer))


def main() -> None:
    """Make the film."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURES / "first_look.webp"
    with _notebook() as notebook:
        files = (notebook.with_name("first_look.toml"), ROOT / "notebooks" / "data")
        with notebook_page(notebook, *files, width=WIDTH, height=HEIGHT + 80, scale=1, all_cells=True) as page:
            film = _filmed(page)
    film.save(path)
    seconds, size = sum(film.durations_s), path.stat().st_size // 1024
    print(f"{path}: {len(film.frames)} pictures, {seconds:.0f} s, {size} kB")


@contextmanager
def _notebook() -> Iterator[Path]:
    """The notebook that is filmed, and its scenario, which names the version of the cell that is changed."""
    cell, text = nbformat.v4.new_code_cell, nbformat.v4.new_markdown_cell
    cells = [cell("%load_ext claude_magic\n%claude simulate on first_look.toml"), cell(DATA), text(FINDING), cell("")]
    for one, name in zip(cells, ("load", "data", "finding", "prompt"), strict=True):
        one["id"] = name
    with tempfile.TemporaryDirectory(prefix="claude-magic-film-") as folder:
        scenario = Path(__file__).with_name("first_look.toml").read_text(encoding="utf-8")
        Path(folder, "first_look.toml").write_text(scenario.replace("VERSION", version_of(FINDING)), encoding="utf-8")
        notebook = Path(folder, "penguins.ipynb")
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), notebook)
        yield notebook


def _filmed(page: Page) -> Film:
    for index in (0, 1, 2):
        run_cell(page, index)
    page.evaluate(
        """() => {
            const content = window.jupyterapp.shell.currentWidget.content;
            content.widgets[1].node.scrollIntoView({block: 'start'});
            content.activeCellIndex = 3;
            content.mode = 'edit';
            content.activeCell.editor.focus();
        }"""
    )
    film = Film(page, ".claude-run")
    film.shoot(0.8)
    for at, character in enumerate(PROMPT):
        page.keyboard.insert_text(character) if character != "\n" else page.keyboard.press("Enter")
        if at % 3 == 0:
            film.shoot(0.09)
    film.shoot(0.5)
    page.keyboard.press("Shift+Enter")
    for title, seconds in (
        ("Run this code in the kernel?", 1.4),
        ("Change this cell?", 1.6),
        ("Add this cell to the notebook?", 1.4),
    ):
        card = page.locator(".claude-ask").filter(has_text=title)
        film.until(card)
        film.hold(seconds)
        film.click(card.get_by_role("button", name="Allow", exact=True))
        card.wait_for(state="detached")
    film.until(page.locator(".claude-run[data-outcome='success']").first)
    film.hold(1.6)
    film.follow = ".jp-Notebook .jp-Cell"  # the last one: the cell that has landed
    film.hold(LAST_S)
    return film


if __name__ == "__main__":
    main()
