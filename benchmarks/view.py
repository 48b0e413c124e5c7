"""`view`: from the CLI's line to the pixel in a real JupyterLab, and what it costs page and kernel.

A stand-in for the CLI writes the time into each piece of text. A probe in the page finds out after which frame a piece
stood there; both read the clock of the same machine. Every way is fed by the same engine from the same stand-in.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measuring import ROOT, in_turns, median, percentile, stand_in, temporary_home
from benchmarks.report import Report

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.notebook import Notebook

COLUMNS = ["p50 ms", "p95 ms", "frames/s", "long tasks/s", "page busy %", "kernel ms per 1000"]
KEYS = ("p50_ms", "p95_ms", "frames_per_s", "long_tasks_per_s", "page_busy_percent", "kernel_ms")
QUIET_S, READ_S = 0.5, 120.0
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]

Finding = dict[str, float]


def run(seconds: float = 6.0, rate: int = 40, runs: int = 8, rounds: int = 3) -> Report:
    """Measure.

    Args:
        seconds: how long each run streams.
        rate: pieces of text a second in each run; a model's usual pace.
        runs: how many are live at the same time, beside one alone.
        rounds: how often each way is measured.
    """
    ways = {
        "the live view, 1 run": ("cell", 1),
        "updated display of Markdown, 1 run": ("display", 1),
        f"the live view, {runs} runs": ("cells", runs),
        f"StreamViewer.grid, {runs} runs": ("grid", runs),
        f"updated display of Markdown, {runs} runs": ("display", runs),
    }
    lines = int(seconds * rate) + 2
    with temporary_home() as home, stand_in(messages=lines, first=4, rate=rate, shape="stamped") as cli:
        os.environ |= {"CLAUDE_MAGIC_CLI": str(cli), "PYTHONPATH": _python_path()}
        with notebook(home / "lab") as opened:
            calls = {name: partial(measure, opened, way, count) for name, (way, count) in ways.items()}
            found = in_turns(calls, rounds)
    return report(found, f"{rounds} rounds of {seconds:g} s in turns; {rate} pieces of text a second in each run.")


def report(found: dict[str, list[Finding]], sizes: str) -> Report:
    """Say what was measured."""
    made = Report("view", "from the CLI's line to the pixel, and what it costs", COLUMNS)
    for name, findings in found.items():
        made.rows[name] = [median([one[key] for one in findings]) for key in KEYS]
    (one, plain_one), (many, grid, plain_many) = list(made.rows)[:2], list(made.rows)[2:]
    for plain, ours in ((plain_one, one), (plain_many, many)):
        for key in ("p95_ms", "kernel_ms"):
            shares = [a[key] / b[key] for a, b in zip(found[plain], found[ours], strict=True)]
            made.ratio(f"{plain}, beside {ours}: {COLUMNS[KEYS.index(key)]}", median(shares))
    for name in (many, grid):
        made.ratio(f"{name}: frames", made.rows[name][2] or 0.0, unit="a second", aim=57)
    made.notes += [
        sizes,
        "The pixel: the first moment after the frame that shows it, in a Chromium without a graphics processor.",
        "A long task holds the page's main thread for more than 50 ms; busy is its share of that thread's time.",
        "The kernel's milliseconds are processor time of all threads for 1000 pieces of text, the engine's included.",
    ]
    return made


def _python_path() -> str:
    return os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))


# JupyterLab, and what its page shows when.


@contextlib.contextmanager
def notebook(folder: Path) -> Iterator[Notebook]:
    """Open a notebook with one cell in a JupyterLab of its own; both end with the block."""
    from playwright.sync_api import sync_playwright

    from tests.browser.lab import Surroundings, start_lab
    from tests.browser.notebook import Notebook

    surroundings = Surroundings(folder)
    surroundings.write_notebook("view.ipynb", ["%load_ext claude_magic\nfrom benchmarks import showing", ""])
    server = start_lab(surroundings)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=_chromium(), args=FLAGS)
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            opened = Notebook(page, server, "view.ipynb")
            opened.open()
            opened.run(0)
            yield opened
            browser.close()
    finally:
        server.stop()


def _chromium() -> str:
    script = ROOT / "tests" / "browser" / "ensure_chromium.sh"
    return subprocess.run([script, sys.executable], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def measure(opened: Notebook, way: str, count: int) -> Finding:
    """Let runs stream into the notebook's cell, one way, and find out how the page took them."""
    page = opened.page
    page.evaluate(_SET_SOURCE, f"showing.show({way!r}, {count})")
    page.evaluate(_PROBE)
    with busy_time(page) as busy:
        opened.run(1)
        page.wait_for_function(_IS_QUIET, arg=1e3 * QUIET_S, timeout=1e3 * READ_S)
    seen = page.evaluate("() => window.viewProbe.stop()")
    (told,) = [output["text"] for output in opened.outputs(1) if output["output_type"] == "stream"]
    return finding(seen, busy[0], json.loads("".join(told).splitlines()[-1]))


@contextlib.contextmanager
def busy_time(page: Page) -> Iterator[list[float]]:
    """Give a list that holds, after the block, the processor seconds that the page's main thread spent in it."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def taken() -> float:
        metrics = session.send("Performance.getMetrics")["metrics"]
        return float(next(one["value"] for one in metrics if one["name"] == "TaskDuration"))

    before, spent = taken(), list[float]()
    yield spent
    spent.append(taken() - before)
    session.detach()


@dataclass(frozen=True)
class Seen:
    """What the probe in the page saw of one run.

    Attributes:
        stamps: the time written into each piece of text, in unix milliseconds, rising.
        paints: the newest stamp on the page and the time after its frame, in order, in unix milliseconds.
    """

    stamps: list[int]
    paints: list[tuple[int, float]]

    def waits(self) -> list[float]:
        """Return for each piece how long it took to the pixel, in milliseconds."""
        newest = [stamp for stamp, _ in self.paints]
        return [self.paints[bisect_left(newest, stamp)][1] - stamp for stamp in self.stamps if stamp <= newest[-1]]


def finding(seen: dict[str, Any], busy_s: float, told: Finding) -> Finding:
    """Put together what page and kernel found.

    Raises:
        RuntimeError: not every piece of text was seen on the page.
    """
    runs = [Seen(one["stamps"], [(int(stamp), at) for stamp, at in one["paints"]]) for one in seen["runs"]]
    waits = [wait for one in runs for wait in one.waits()]
    if len(waits) < told["pieces"]:
        raise RuntimeError(f"of {told['pieces']:.0f} pieces of text, {len(waits)} were seen on the page")
    first, last = min(one.stamps[0] for one in runs), max(one.paints[-1][1] for one in runs)
    within = [at for at in seen["frames"] if first <= at <= last]
    span_s = (last - first) / 1e3
    return {
        "p50_ms": percentile(waits, 0.5),
        "p95_ms": percentile(waits, 0.95),
        "frames_per_s": (len(within) - 1) / (within[-1] - within[0]) * 1e3,
        "long_tasks_per_s": sum(first <= at <= last for at in seen["longTasks"]) / span_s,
        "page_busy_percent": 100 * busy_s / span_s,
        "kernel_ms": 1e6 * told["cpu_s"] / told["pieces"],
    }


_SET_SOURCE = "source => window.jupyterapp.shell.currentWidget.content.widgets[1].model.sharedModel.setSource(source)"
_IS_QUIET = "ms => performance.now() - window.viewProbe.changed > ms"
# A frame's mutations are those before its end. The message that is sent when it begins comes after it was painted.
_PROBE = r"""() => {
    const cell = window.jupyterapp.shell.currentWidget.content.widgets[1].outputArea.node;
    const toClock = Date.now() - performance.now();
    const paints = [], frames = [], longTasks = [];
    const probe = window.viewProbe = {changed: performance.now()};
    const roots = () => {
        const runs = cell.querySelectorAll('.claude-run');
        return [...(runs.length > 0 ? runs : cell.querySelectorAll('.jp-OutputArea-child .jp-RenderedMarkdown'))];
    };
    const newest = root => {
        const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
        while (walker.lastChild() !== null);
        do {
            const found = walker.currentNode.data?.slice(-400).match(/.*t(\d{13})/s);
            if (found) return Number(found[1]);
        } while (walker.previousNode() !== null);
        return 0;
    };
    const changes = new MutationObserver(() => {
        probe.changed = performance.now();
        roots().forEach((root, at) => {
            const stamp = newest(root);
            paints[at] ??= [];
            const last = paints[at].at(-1);
            if (stamp > (last?.[0] ?? 0)) paints[at].push([stamp, null]);
        });
    });
    changes.observe(cell, {subtree: true, childList: true, characterData: true});
    const long = new PerformanceObserver(list => {
        for (const {startTime} of list.getEntries()) longTasks.push(startTime + toClock);
    });
    long.observe({entryTypes: ['longtask']});
    const afterFrame = new MessageChannel();
    afterFrame.port1.onmessage = () => {
        for (const run of paints) {
            for (let at = run.length - 1; at >= 0 && run[at][1] === null; at--) run[at][1] = Date.now();
        }
    };
    const frame = time => {
        frames.push(time + toClock);
        afterFrame.port2.postMessage(0);
        probe.next = requestAnimationFrame(frame);
    };
    probe.next = requestAnimationFrame(frame);
    probe.stop = () => {
        cancelAnimationFrame(probe.next);
        changes.disconnect();
        long.disconnect();
        const stamps = root => [...root.textContent.matchAll(/t(\d{13})/g)].map(found => Number(found[1]));
        return {frames, longTasks, runs: roots().map((root, at) => ({stamps: stamps(root), paints: paints[at]}))};
    };
}"""
