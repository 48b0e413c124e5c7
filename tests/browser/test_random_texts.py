"""Texts put together at random, in the three homes of a view.

Nothing is fetched or run, nothing holds the page, and every word is there. CLAUDE_MAGIC_RANDOM_TEXTS says how many.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Locator, Page, expect
from rendering.random_texts import random_text

from .conftest import MakeNotebook
from .test_hostile import HOMES, IMPORT, fetched, open_all, wrong

__all__ = ["fetched"]  # a fixture

COUNT = int(os.environ.get("CLAUDE_MAGIC_RANDOM_TEXTS", "120"))
AT_ONCE = 40
LONGEST_TASK_MS = 1_000


@contextmanager
def longest_task(page: Page) -> Iterator[list[float]]:
    """Note how many milliseconds of processor time the longest task of the page takes: other programs do not count."""
    browser = page.context.browser
    assert browser is not None
    found: list[float] = []
    browser.start_tracing(page=page, categories=["toplevel"])
    try:
        yield found
    finally:
        events = json.loads(browser.stop_tracing())["traceEvents"]
        pages = {(one["pid"], one["tid"]) for one in events if one.get("args", {}).get("name") == "CrRendererMain"}
        found.append(max(one.get("tdur", 0) for one in events if (one["pid"], one["tid"]) in pages) / 1000)


def missing(shown: Locator, first: int) -> list[str]:
    """Words that no reader finds, where the texts are drawn or in the address to which a link leads."""
    found: list[str] = shown.evaluate_all(
        """async (all, words) => {
            const missing = () => all.flatMap((one, at) => {
                const text = one.textContent + one.innerHTML;
                return words[at].filter(word => !text.includes(word));
            });
            const guard = performance.now() + 60000;
            let left = missing();
            while (left.length > 0 && performance.now() < guard) {
                await new Promise(requestAnimationFrame); // texts are drawn one after the other
                left = missing();
            }
            return left;
        }""",
        [random_text(number)[1] for number in range(first, first + AT_ONCE)],
    )
    return found


@pytest.mark.parametrize(("home", "shown"), HOMES.items())
def test_random_texts_are_harmless(notebook: MakeNotebook, fetched: list[str], home: str, shown: str) -> None:
    """Batch by batch: drawn, looked at, and taken away again."""
    nb = notebook(
        IMPORT, f"batch = iter(range(0, {COUNT}, {AT_ONCE}))", f"say_at_random({home!r}, next(batch), {AT_ONCE})"
    )
    nb.run(1)
    nb.run(2)
    fetched.clear()
    for first in range(0, COUNT, AT_ONCE):
        with longest_task(nb.page) as task_ms:
            nb.run(3)
            drawn = nb.output(3).locator(shown)
            expect(drawn).to_have_count(AT_ONCE)
            open_all(nb.output(3))
        assert wrong(nb.output(3)) == []
        assert missing(drawn, first) == []
        assert max(task_ms) < LONGEST_TASK_MS
    assert fetched == []
