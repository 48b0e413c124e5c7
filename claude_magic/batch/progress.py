"""The bar of a map: how many rows are over, what they cost, and how long it will take; then a line that stays."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

from claude_magic.batch.job import MapJob
from claude_magic.batch.plan import CACHED, DONE, FAILED


class MapProgress:
    """The bar of a map, while a person waits for it.

    Args:
        job: the map.
    """

    def __init__(self, job: MapJob) -> None:
        self._job = job
        self._bar: _Bar | None = None

    @contextmanager
    def shown(self, wish: bool | None) -> Iterator[None]:
        """Show the bar while the block runs; in its place stays what the map came to.

        Args:
            wish: whether to show one; `None` is where a person looks.
        """
        kernel = _kernel()
        if wish is False or (wish is None and kernel is None and not _is_terminal()):
            yield
            return
        self._bar = _NotebookBar(self._job) if kernel is not None else _Bar(self._job)
        try:
            yield
        finally:
            bar, self._bar = self._bar, None
            bar.close()

    def refresh(self) -> None:
        """Bring the bar up to date, if there is one."""
        if self._bar is not None:
            self._bar.refresh()


def told(job: MapJob) -> str:
    """Return what a map came to, in a line or two."""
    counts = ", ".join(f"{count:,} {name}" for name, count in job.counts().items() if count)
    simulated = " (simulated: no model was called)" if job.plan.config.simulated is not None else ""
    lines = [f"{job.plan.map_id}: {counts or 'no rows'}; ${job.cost_usd:.4f}{simulated}"]
    if job.reason:
        lines.append(f"Stopped: {job.reason}")
    missing = job.counts()["failed"] + job.counts()["stopped"]
    if missing:
        lines.append("The same map again asks those rows that have no answer; the others cost nothing.")
    return "\n".join(lines)


def _kernel() -> Any:
    """Return the kernel that this code runs in; `None` outside of one."""
    ipython = sys.modules.get("IPython")  # not imported for it
    return getattr(ipython.get_ipython(), "kernel", None) if ipython is not None else None


def _is_terminal() -> bool:
    return bool(sys.stderr and sys.stderr.isatty())


def may_ask() -> bool:
    """Whether a person can be asked by `input()`: nbclient and papermill cannot."""
    kernel = _kernel()
    if kernel is None:
        return sys.stdin is not None and sys.stdin.isatty()
    return bool((kernel.get_parent() or {}).get("content", {}).get("allow_stdin", False))


class _Bar:
    """A bar in a terminal."""

    def __init__(self, job: MapJob) -> None:
        self._job = job
        self._said = ""
        self._bar = self._make(total=job.plan.table.rows, unit="row", desc=job.plan.map_id)
        self.refresh()

    def _make(self, **options: Any) -> Any:
        from tqdm import tqdm

        return tqdm(**options)

    def refresh(self) -> None:
        job = self._job
        states = job.states
        done, cached, failed = states.count(DONE), states.count(CACHED), states.count(FAILED)
        facts = [
            f"{cached:,} cached" if cached else "",
            f"{failed:,} failed" if failed else "",
            f"${job.cost_usd:.2f}",
            job.notice,
        ]
        self._bar.n = done + cached + failed
        self._bar.set_postfix_str(", ".join(filter(None, facts)), refresh=True)
        if job.estimate is not None and not self._said:
            self._said = str(job.estimate)
            self._bar.write(self._said)

    def close(self) -> None:
        """End the bar, and say what the map came to."""
        self.refresh()
        self._bar.close()
        self._bar.write(told(self._job), file=sys.stderr)


class _NotebookBar(_Bar):
    """A bar in a notebook: a widget while the map runs, which would be dead in a saved notebook; then text."""

    def _make(self, **options: Any) -> Any:
        from tqdm.notebook import tqdm

        bar = tqdm(display=False, **options)
        # What is displayed under an id can be replaced. A kernel has IPython.
        self._display = sys.modules["IPython"].display.display(bar.container, display_id=True)
        return bar

    def close(self) -> None:
        self.refresh()
        self._bar.close()
        words = told(self._job)
        html = f"<div style='white-space: pre-wrap'>{escape(words)}</div>"
        self._display.update({"text/plain": words, "text/html": html}, raw=True)
