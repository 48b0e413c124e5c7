"""A recorded run, played in the live view."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from .conftest import MakeNotebook
from .test_view import press, question


def test_tape_plays_like_a_live_run(notebook: MakeNotebook) -> None:
    """What was recorded streams in again with no CLI: the same answer, the same card, and nobody is asked."""
    nb = notebook(
        "%claude record on run.jsonl",
        "%%claude\nmake a file",
        "%claude record off",
        "%claude replay run.jsonl 0.5",
        "%%claude\nmake a file",
        "%%claude\nnever recorded",
    )
    nb.run(1)
    nb.start(2)
    press(question(nb.view(2)), "Allow")
    nb.wait(2)
    nb.run(3)
    nb.run(4)
    nb.start(5)
    played = nb.view(5)
    expect(played).to_have_attribute("data-standing", "live")
    nb.wait(5)
    expect(played).to_have_attribute("data-outcome", "success")
    expect(played.locator(".claude-tool")).to_have_attribute("data-state", "done")
    expect(played.locator(".claude-ask")).to_have_count(0)
    body = ".claude-parts, .claude-body"
    texts = [re.sub(r"\d+(?:\.\d)? s", "", nb.view(cell).locator(body).first.inner_text()) for cell in (2, 5)]
    assert texts[0] == texts[1]
    nb.picture("played", 5)

    nb.run(6)
    assert nb.error(6) == "ResultError"
    assert "not on the tape. It knows: make a file." in nb.text(6)
