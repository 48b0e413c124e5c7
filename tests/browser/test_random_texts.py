"""Texts put together at random, in the three homes of a view.

Nothing is fetched or run, nothing holds the page, and every word is there. CLAUDE_MAGIC_RANDOM_TEXTS says how many.
"""

from __future__ import annotations

import os
import re

import pytest
from playwright.sync_api import Locator, expect
from rendering.random_texts import random_text

from .conftest import MakeNotebook
from .test_hostile import IMPORT, fetched, open_all, wrong

__all__ = ["fetched"]  # a fixture

COUNT = int(os.environ.get("CLAUDE_MAGIC_RANDOM_TEXTS", "120"))
AT_ONCE = 40
LONGEST_TASK_MS = 1_000
WATCH = """() => {
    window.longest = 0;
    new PerformanceObserver(list => {
        for (const task of list.getEntries()) window.longest = Math.max(window.longest, task.duration);
    }).observe({entryTypes: ['longtask']});
}"""


def missing(shown: Locator, first: int) -> list[str]:
    """Words that no reader finds; those in addresses of pictures, in definitions and after fences do not count."""
    found: list[str] = []
    for place, text in enumerate(shown.evaluate_all("all => all.map(one => one.textContent + one.innerHTML)")):
        source, words = random_text(first + place)
        unseen = " ".join(re.findall(r"^ {0,3}\[[^\n]*|!\[[^\n]*|(?:`{3,}|~{3,})[^\n]*", source, re.MULTILINE))
        found += [word for word in words if word not in text and word not in unseen]
    return found


@pytest.mark.parametrize(
    ("show", "shown"),
    [
        pytest.param("random_runs", ".claude-run", id="view"),
        pytest.param("random_viewers", ".claude-run", id="widget"),
        pytest.param("random_pages", ".jp-RenderedHTMLCommon", id="static page"),
    ],
)
def test_random_texts_are_harmless(notebook: MakeNotebook, fetched: list[str], show: str, shown: str) -> None:
    """Batch by batch: drawn, looked at, and taken away again."""
    nb = notebook(IMPORT, f"batch = iter(range(0, {COUNT}, {AT_ONCE}))", f"{show}(next(batch), {AT_ONCE})")
    nb.run(1)
    nb.run(2)
    fetched.clear()
    nb.page.evaluate(WATCH)
    for first in range(0, COUNT, AT_ONCE):
        nb.run(3)
        drawn = nb.output(3).locator(shown)
        expect(drawn).to_have_count(AT_ONCE)
        open_all(nb.output(3))
        assert wrong(nb.output(3)) == []
        assert missing(drawn, first) == []
    assert fetched == []
    assert nb.page.evaluate("window.longest") < LONGEST_TASK_MS
