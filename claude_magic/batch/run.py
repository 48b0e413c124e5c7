"""`MapRun`: a map in the hands of a user whose code waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from claude_magic.background_loop import BackgroundLoop, Inbox, until_done
from claude_magic.batch.async_run import AsyncMapRun, MapRow
from claude_magic.batch.money import Estimate
from claude_magic.batch.plan import HALTED, RUNNING, STATUSES, WAITING
from claude_magic.batch.progress import MapProgress, may_ask
from claude_magic.batch.settings import MapSettings
from claude_magic.batch.table import given_back
from claude_magic.client import AsyncClaudeClient
from claude_magic.daemon_thread import in_daemon_thread
from claude_magic.response import Response

if TYPE_CHECKING:
    import pandas as pd

_STOP_S = 0.8
"""How long a map that is stopped may take before what is there is returned."""


class MapRun:
    """A map that runs; what `ClaudeClient.map` and `df.claude.map` return.

    Example::

        run = client.map(["Great!", "Never again."], "Is this review good or bad? {value}")
        print(run.result())
        print(run.retry_failed().result())

    Attributes:
        map_id: its id, which its rows have in the frames.
        was_interrupted: whether Ctrl-C, or the stop button, has stopped it.
    """

    def __init__(self, run: AsyncMapRun, loop: BackgroundLoop) -> None:
        self._run = run
        self._loop = loop
        self._progress = MapProgress(run.job)
        self._inbox = Inbox(self._progress.refresh)
        self.map_id = run.map_id
        run.confirm = self._confirm_in_thread
        self._asker: Callable[[Estimate], bool] = _ask_by_input
        self.was_interrupted = False
        self._done = loop.submit(self._finish())

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.map_id}: {self._run.words}>"

    @classmethod
    def begin(
        cls, client: AsyncClaudeClient, loop: BackgroundLoop, data: Any, prompt: str, settings: MapSettings
    ) -> MapRun:
        """Begin a map on a loop of its own; see `AsyncClaudeClient.map`."""
        return cls(AsyncMapRun(client, data, prompt, settings), loop)

    async def _finish(self) -> None:
        self._run.start()
        assert self._run._task is not None
        await asyncio.shield(self._run._task)

    @property
    def is_done(self) -> bool:
        """Whether it is over."""
        return self._done.done()

    @property
    def estimate(self) -> Estimate | None:
        """What the rest would take when the pilot was over; `None` before that, and where there was none."""
        return self._run.estimate

    @property
    def words(self) -> str:
        """How it stands, in a few words."""
        return self._run.words

    @property
    def frame(self) -> pd.DataFrame:
        """The result as far as it is there, as a pandas DataFrame with the index and order of the data."""
        return self._run.frame

    def result(self, *, progress: bool | None = None) -> Any:
        """Wait until every row is over, and return the result: rows as in the data, of the same kind.

        Ctrl-C, or the stop button, stops the map and returns within a second what is there; the rows that are missing
        have the status `stopped`, and a new run or `retry_failed` goes on with them.

        Args:
            progress: show a bar; `None` is where a person looks: in a notebook or a terminal.

        Raises:
            ClaudeError: it could not begin, or the store could not be written.
        """
        with self._progress.shown(progress):
            try:
                until_done(self._done, self._inbox)
            except KeyboardInterrupt:
                self.was_interrupted = True
                self._stop_soon()
        if not self.was_interrupted:
            self._done.result()
        # Rows that are just being stopped are, for who does not wait for them.
        over = bytes(HALTED if state in (WAITING, RUNNING) else state for state in self._run.job.states)
        return given_back(self._run.frame_of(over), self._run._table)

    def _stop_soon(self) -> None:
        self._loop.submit(self._run.stop())
        with suppress(TimeoutError, KeyboardInterrupt):
            until_done(self._done, timeout_s=_STOP_S)

    def stop(self) -> None:
        """Start no more rows, end those on their way, and return when they are over. What is done stays."""
        self._loop.call(self._run.stop())

    def retry_failed(self) -> MapRun:
        """Ask the rows again that failed or were stopped; returns this run.

        Raises:
            RuntimeError: it still runs.
        """

        async def again() -> None:
            self._run.retry_failed()

        self._loop.call(again())
        self.was_interrupted = False
        self._done = self._loop.submit(self._finish())
        return self

    def __iter__(self) -> Iterator[MapRow]:
        """Yield the rows as they are over, those first that are over already."""
        job = self._run.job

        async def rows() -> AsyncIterator[list[MapRow]]:
            async for row in self._run:
                yield [row]

        early = [at for at, state in enumerate(bytes(job.states)) if STATUSES[state] in ("done", "cached", "failed")]
        stored = self._run.stored(early) if early else []
        for at, one in zip(early, stored, strict=True):
            yield MapRow(at, self._run._table.label(at), STATUSES[job.states[at]], one)
        seen = set(early)
        for batch in self._loop.iterate(rows):
            yield from (row for row in batch if row.position not in seen)

    def open(self, row: MapRow | int) -> Response:
        """Return the turn of a row; a notebook shows it like that of a cell. See `AsyncMapRun.open`."""
        return self._run.open(row)

    @property
    def counts(self) -> dict[str, int]:
        """How many rows there are of each status: waiting, running, done, cached, failed, stopped."""
        return self._run.job.counts()

    @property
    def cost_usd(self) -> float:
        """What this run has cost so far, in US dollars."""
        return self._run.job.cost_usd

    @property
    def reason(self) -> str:
        """Why it was stopped, in words; "" if it was not."""
        return self._run.job.reason

    @property
    def prompt(self) -> str:
        """The prompt, as it was given."""
        return self._run.job.plan.template.text

    @property
    def began(self) -> float:
        """When it began, in unix seconds."""
        return self._run.job.began

    async def _confirm_in_thread(self, estimate: Estimate) -> bool:
        """Ask on the thread that waits for the result; where none waits, the answer waits with it."""
        return await in_daemon_thread(lambda: self._inbox.run(lambda: self._asker(estimate)), "claude-magic-confirm")


def _ask_by_input(estimate: Estimate) -> bool:
    """Ask a person whether to go on; where no one can be asked, the answer is no."""
    if not may_ask():
        return False
    return input(f"{estimate}. Go on? [y/n] ").strip().lower() in ("y", "yes")
