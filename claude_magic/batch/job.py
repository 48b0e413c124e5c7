"""`MapJob`: one map from its first look into the store to its last row. Lives on the loop's thread."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TypeVar

from claude_magic.batch.governor import Governor
from claude_magic.batch.keys import KeyMaker
from claude_magic.batch.money import Estimate, RowBudget, estimate
from claude_magic.batch.plan import (
    CACHED,
    DONE,
    FAILED,
    HALTED,
    RUNNING,
    STATUSES,
    WAITING,
    FinishedRow,
    MapPlan,
    caps_of,
    checked,
    pilot_of,
    row_to_store,
)  # fmt: skip
from claude_magic.batch.rows import STOPPED, RowResult, RowRunner
from claude_magic.batch.store import RowStore, StoredRow
from claude_magic.errors import ClaudeError

logger = logging.getLogger("claude_magic")
T = TypeVar("T")

_MOST_ATTEMPTS = 3
_EQUAL_ERRORS = 5
"""So many failures in a row with one code stop a map: a login or a schema that is wrong is wrong for all rows."""
_LOOK_EVERY_S = 0.25
"""How often to look whether another process has answered its rows."""
_BEAT_EVERY_S = 30.0


class MapJob:
    """One map.

    Args:
        plan: what it does.
        runner: sends the rows.
        open_store: opens the store; called on a worker thread.
        governor: how many rows may be on their way.
        is_busy: whether a prompt of a person waits for a process, which comes first.

    Attributes:
        plan: as given.
        states: how each row stands, by position.
        keys: the key of each row; empty before they are known.
        cost_usd: what this run has cost, in US dollars.
        estimate: what the rest would cost when it was judged by the pilot; `None` before that.
        reason: why it was stopped, in words; "" if it was not.
        notice: what it waits for, in words; "" if it does not.
        is_over: whether it has ended.
        began: when, in unix seconds.
    """

    def __init__(
        self,
        plan: MapPlan,
        runner: RowRunner,
        open_store: Callable[[], RowStore],
        governor: Governor,
        is_busy: Callable[[], bool],
    ) -> None:
        self.plan = plan
        self.states = bytearray(plan.table.rows)
        self.keys: list[bytes] = []
        self.cost_usd = 0.0
        self.estimate: Estimate | None = None
        self.reason = ""
        self.notice = ""
        self.is_over = False
        self.began = time.time()
        self.observers: list[Callable[[FinishedRow], None]] = []
        self._runner = runner
        self._open_store = open_store
        self._governor = governor
        self._is_busy = is_busy
        self._thread = ThreadPoolExecutor(1, "claude-magic-map")
        self._store: RowStore | None = None
        self._budget = RowBudget()
        self._row = plan.table.values(plan.template.columns)
        self._places: dict[bytes, list[int]] = {}
        self._before: dict[bytes, StoredRow] = {}
        self._attempts: Counter[bytes] = Counter()
        self._claimed: set[bytes] = set()
        self._pending: deque[bytes] = deque()
        self._ready: deque[bytes] = deque()
        self._elsewhere: dict[bytes, str] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._last_code, self._equal_codes = "", 0
        self._sample: tuple[list[float], list[float], int] = ([], [], 0)
        self._subscription = ""

    def __repr__(self) -> str:
        return f"<MapJob {self.plan.map_id} {self.counts()}>"

    def counts(self) -> dict[str, int]:
        """Return how many rows there are of each status."""
        return {name: self.states.count(code) for code, name in enumerate(STATUSES)}

    # The whole.

    async def run(self) -> None:
        """Ask every row that has no answer yet.

        Raises:
            ClaudeError: it cannot begin, or the store cannot be written; what was paid for is stored.
        """
        beat: asyncio.Task[None] | None = None
        try:
            await self._open()
            beat = asyncio.create_task(self._beat_regularly())
            waiting = await self._look_up()
            pilot = pilot_of(self.plan, waiting)
            if pilot:
                await self._ask(pilot)
                await self._judge(len(waiting) - len(pilot))
                chosen = set(pilot)
                waiting = [key for key in waiting if key not in chosen]
            if not self.reason:
                await self._ask(waiting)
        except BaseException as error:
            self.reason = self.reason or (error.message if isinstance(error, ClaudeError) else "it was interrupted.")
            raise
        finally:
            if beat is not None:
                beat.cancel()
            await asyncio.shield(self._end())

    async def retry_failed(self) -> None:
        """Ask those rows again that failed or were stopped; see `run`."""
        for position, state in enumerate(self.states):
            if state in (FAILED, HALTED):
                self.states[position] = WAITING
        self.plan = replace(self.plan, fresh=False)  # the others have been asked again
        self._thread = ThreadPoolExecutor(1, "claude-magic-map")
        self.reason, self.notice, self.is_over = "", "", False
        self._attempts.clear()
        self._equal_codes = 0
        self._elsewhere.clear()
        await self.run()

    def stop(self, reason: str) -> None:
        """Start no more rows, and end those on their way. Returns at once."""
        if not self.is_over and not self.reason:
            self.reason = reason
            self._wake.set()

    async def _open(self) -> None:
        if self._store is None:
            self._store = await self._in_thread(self._open_store)
        facts = await self._runner.facts()
        self._subscription = facts.subscription
        if not self.keys:
            maker = KeyMaker(self.plan.config, self.plan.template.text, model=facts.model, cli_version=facts.version)
            self.keys = await self._in_thread(lambda: [maker.key(self._row(at)) for at in range(self.plan.table.rows)])
            for position, key in enumerate(self.keys):
                self._places.setdefault(key, []).append(position)
        self._governor.begin(self.plan.workers)
        await self._note_state("running")

    async def _end(self) -> None:
        self.is_over = True
        for position, state in enumerate(self.states):
            if state in (WAITING, RUNNING):
                self.states[position] = HALTED
        try:
            if self._store is not None:
                await self._note_state(self.reason or "done")
        except ClaudeError as error:
            logger.warning("%s", error)
        finally:
            await self._runner.close()
            if self._store is not None:
                store, self._store = self._store, None
                await self._in_thread(store.close)
            self._thread.shutdown(wait=False)
            self.notice = ""

    # What there is already.

    async def _look_up(self) -> list[bytes]:
        """Return the keys that are to be asked, in order; the others are there already."""
        keys = list(self._places)
        store, fresh = self._opened(), self.plan.fresh
        found, self._before, self._budget.caps = await self._in_thread(
            lambda: (set() if fresh else store.done(keys), store.failed(keys), caps_of(self.plan, store, keys))
        )
        waiting = []
        for key in keys:
            if key not in found:
                waiting.append(key)
            elif self.states[self._places[key][0]] == WAITING:
                self._tell(key, CACHED, None)
        return waiting

    async def _judge(self, left: int) -> None:
        """Estimate the rest, and ask whether to go on where it is dear."""
        costs, seconds, tokens = self._sample
        if self.reason or not costs or not left:
            return
        self.estimate = estimate(
            costs, seconds, rows=left, workers=self.plan.workers, tokens=tokens, subscription=self._subscription
        )
        limit = self.plan.confirm_above_usd
        if limit is None or self.estimate.high_usd <= limit:
            return
        if not await self._is_agreed(self.estimate) and not self.reason:
            self.reason = (
                f"the estimate is above confirm_above_usd (${limit:g}), and no one agreed to it: {self.estimate}. "
                "What is done is kept; raise the limit to go on."
            )

    async def _is_agreed(self, estimate: Estimate) -> bool:
        """Ask whether to go on; who stops the map meanwhile has answered."""
        if self.plan.confirm is None:
            return False
        self.notice = "waits for your word"
        asking = asyncio.ensure_future(self.plan.confirm(estimate))
        try:
            while not asking.done() and not self.reason:
                stopped = asyncio.create_task(self._wake.wait())
                await asyncio.wait([asking, stopped], return_when=asyncio.FIRST_COMPLETED)
                stopped.cancel()
                self._wake.clear()
            return asking.done() and asking.result()
        finally:
            asking.cancel()
            self.notice = ""

    # Asking.

    async def _ask(self, keys: Iterable[bytes]) -> None:
        """Ask rows, as many at the same time as may be, until all are over or the map is stopped."""
        pending = self._pending = deque(keys)
        while not self.reason:
            self._wake.clear()
            if not self._ready and pending:
                await self._claim([pending.popleft() for _ in range(min(len(pending), self.plan.workers))])
            if not (self._ready or pending or self._running or self._elsewhere):
                return
            if self._ready and self._may_start():
                self._start(self._ready.popleft())
            elif self._elsewhere and not (self._ready or pending):
                await self._sleep(_LOOK_EVERY_S)
                others = list(self._elsewhere)
                self._elsewhere.clear()
                await self._claim(others)
            elif self._ready or not pending or self._running:
                await self._sleep(self._governor.wait_s() or _LOOK_EVERY_S)
        await self._stop_running()

    def _may_start(self) -> bool:
        if self.reason:
            return False
        running = len(self._running)
        if running >= self.plan.workers:
            return False
        if not self._budget.may_start():
            cap = self._budget.spent() if running == 0 else None
            if cap is not None:
                self.reason = cap.words()
            return False
        if self._is_busy():
            self.notice = "a cell's prompt goes first"
            return False
        may_start = self._governor.may_start(running)
        self.notice = "" if may_start else self._governor.words
        return may_start

    async def _sleep(self, seconds: float) -> None:
        """Wait until something happens, or for so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _claim(self, keys: list[bytes]) -> None:
        store = self._opened()
        fresh = self.plan.fresh
        mine, others, done = await self._in_thread(lambda: store.claim(keys, fresh=fresh))
        self._claimed |= mine
        self._elsewhere |= others
        self._ready.extend(key for key in keys if key in mine)
        for key in done:
            self._tell(key, CACHED, None)
        if others and not mine:
            self.notice = f"{len(self._elsewhere):,} rows are on their way in {next(iter(others.values()))}"

    def _start(self, key: bytes) -> None:
        for position in self._places[key]:
            self.states[position] = RUNNING
        self._budget.in_flight += 1
        task = asyncio.create_task(self._ask_one(key))
        self._running.add(task)
        task.add_done_callback(self._task_over)

    def _task_over(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._wake.set()
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.reason = self.reason or str(error)
            logger.error("a row of a map could not be stored or sent", exc_info=error)

    async def _ask_one(self, key: bytes) -> None:
        try:
            prompt = self.plan.template.fill(self._row(self._places[key][0]))
            await self._finish(key, checked(self.plan, await self._runner.run(prompt)))
        finally:
            self._budget.in_flight -= 1

    async def _finish(self, key: bytes, result: RowResult) -> None:
        stored = row_to_store(self.plan, key, result, self._before.get(key))
        if result.turn_id or result.code != STOPPED:
            store = self._opened()
            keep = partial(store.keep, stored, paid_usd=result.cost_usd, notebook=self.plan.notebook)
            await self._in_thread(keep)
            self._claimed.discard(key)
        self.cost_usd += result.cost_usd
        self._budget.note(result.cost_usd)
        self._steer(result)
        if result.code == STOPPED:
            self._set(key, WAITING)
        elif result.error and result.retryable and self._attempts[key] + 1 < _MOST_ATTEMPTS:
            self._attempts[key] += 1
            self._before[key] = stored
            self._set(key, WAITING)
            self._pending.append(key)
        else:
            self._before.pop(key, None)
            if not result.error:
                self._note_sample(result)
            self._tell(key, FAILED if result.error else DONE, stored)

    def _steer(self, result: RowResult) -> None:
        """Let an answer say how fast the others may come, and five equal errors that no more shall."""
        if not result.error:
            self._governor.answered(self.plan.workers)
            self._equal_codes = 0
            return
        if result.code == STOPPED:
            return
        if result.code in ("RATE_LIMITED", "OVERLOADED"):
            self._governor.refused(result.resets_at, len(self._running))
        if result.retryable:
            return
        self._equal_codes = self._equal_codes + 1 if result.code == self._last_code else 1
        self._last_code = result.code
        if self._equal_codes >= _EQUAL_ERRORS and not self.reason:
            self.reason = f"{_EQUAL_ERRORS} rows in a row failed alike ({result.code}): {result.error}"

    def _note_sample(self, result: RowResult) -> None:
        costs, seconds, tokens = self._sample
        if len(costs) < 1000:
            costs.append(result.cost_usd)
            seconds.append(result.seconds)
            self._sample = costs, seconds, tokens + result.input_tokens + result.output_tokens

    def _set(self, key: bytes, state: int) -> None:
        for position in self._places[key]:
            self.states[position] = state

    def _tell(self, key: bytes, state: int, stored: StoredRow | None) -> None:
        """A row is over; those equal to it are as if they had been there before."""
        for number, position in enumerate(self._places[key]):
            own = CACHED if state == DONE and number else state
            self.states[position] = own
            for observer in self.observers:
                observer(FinishedRow(position, STATUSES[own], stored))

    async def _stop_running(self) -> None:
        """End the rows on their way, and give up those that were not sent."""
        if self._running:
            stopping = asyncio.create_task(self._runner.stop())
            await asyncio.wait(self._running)
            await stopping
        store = self._opened()
        left, self._claimed = list(self._claimed), set()
        self._ready.clear()
        if left:
            await self._in_thread(lambda: store.unclaim(left))

    # The store, on a thread of its own.

    def _opened(self) -> RowStore:
        assert self._store is not None, "the store is open while the map runs"
        return self._store

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _beat_regularly(self) -> None:
        while True:
            await asyncio.sleep(_BEAT_EVERY_S)
            await self._note_state("running")

    async def _note_state(self, state: str) -> None:
        store, plan = self._opened(), self.plan
        note = partial(
            store.note_map, plan.map_id, notebook=plan.notebook, prompt=plan.template.text, began=self.began,
            rows=plan.table.rows, state=state,
        )  # fmt: skip
        await self._in_thread(note)
