"""`%%claude --map` on the page: a bar while it runs, and words that stay."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from .conftest import MakeNotebook


def test_a_bar_while_it_runs_and_a_line_that_stays(notebook: MakeNotebook) -> None:
    """The bar is a widget, which would be dead in the saved notebook: text takes its place."""
    nb = notebook(
        "rows = [f'hello {n}' for n in range(30)]",
        "%%claude --map rows -o out\nSay {value}",
        "len(out), out[0]['_status']",
    )
    nb.run(1)
    nb.start(2)
    expect(nb.output(2).locator(".jupyter-widgets").first).to_contain_text(re.compile(r"map-\w+"))
    expect(nb.output(2)).to_contain_text(re.compile(r"[1-9]\d?/30"))
    nb.picture("map-running", 2)
    nb.wait(2)
    expect(nb.output(2)).to_contain_text(re.compile(r"map-\w+: 30 done; \$"))
    nb.picture("map-done", 2)
    nb.run(3)
    assert nb.text(3).endswith("(30, 'done')")
    nb.save()
    [kept] = [output["data"] for output in nb.saved["cells"][2]["outputs"] if "data" in output]
    assert set(kept) == {"text/plain", "text/html"}
