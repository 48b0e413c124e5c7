"""`AsyncMapRun`: a map in the hands of a user whose code awaits."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import closing, suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import finalize

from claude_magic.batch.governor import governor_of
from claude_magic.batch.job import MapJob
from claude_magic.batch.money import Estimate
from claude_magic.batch.plan import STATUSES, FinishedRow, MapPlan
from claude_magic.batch.result_frame import field_types, result_frame
from claude_magic.batch.rows import LocalRows, RowResult, RowRunner, unpacked
from claude_magic.batch.settings import MapSettings, notebook_name, row_config, worker_count
from claude_magic.batch.store import RowStore, StoredRow
from claude_magic.batch.table import given_back, table_of
from claude_magic.batch.template import Template
from claude_magic.client import AsyncClaudeClient
from claude_magic.config import SessionConfig
from claude_magic.engine.session_info import SessionInfo, SessionState
from claude_magic.messages import Batch
from claude_magic.paths import user_dir
from claude_magic.response import AnswerSource, Outcome, Response, Usage
from claude_magic.values.schemas import schema_of

if TYPE_CHECKING:
    import pandas as pd


class MapRow:
    """A row that is over, as iterating over a run yields it.

    Attributes:
        position: its place in the data, from 0.
        label: its label in the index; its position where there is none.
        status: "done", "cached", "failed" or "stopped".
        value: the answer: an object of the schema as plain data, or the text; `None` if there is none.
        error: what went wrong, in words; "" if nothing did.
        cost_usd: what it cost, in US dollars; 0 where the answer was there before.
        turn_id: id of its turn.
    """

    def __init__(self, position: int, label: Any, status: str, stored: StoredRow | None) -> None:
        is_answered = stored is not None and stored.answer is not None and status in ("done", "cached")
        self.position = position
        self.label = label
        self.status = status
        self.value: Any = json.loads(stored.answer) if is_answered and stored is not None and stored.answer else None
        self.error = stored.error if stored is not None and status == "failed" else ""
        self.cost_usd = stored.cost_usd if stored is not None and status != "cached" else 0.0
        self.turn_id = stored.turn_id if stored is not None else ""

    def __repr__(self) -> str:
        said = self.error or repr(self.value)
        return f"<MapRow {self.label!r} {self.status}: {said if len(said) <= 80 else said[:79] + '…'}>"


class AsyncMapRun:
    """A map that runs; what `AsyncClaudeClient.map` returns. `await run` brings the result.

    Attributes:
        map_id: its id, which its rows have in the frames.
    """

    def __init__(self, client: AsyncClaudeClient, data: Any, prompt: str, settings: MapSettings) -> None:
        settings.check()
        self._client = client
        self._table = table_of(data)
        template = Template(prompt, self._table.columns)
        schema = None if settings.schema is None else schema_of(settings.schema)
        self._fields = field_types(schema)
        self.map_id = f"map-{uuid.uuid4().hex[:6]}"
        config = row_config(settings.config or client.config, schema, settings.row_budget_usd)
        self._rows, workers = self._runner(settings, config)
        self._store_path = self._store_place(settings.cache, is_played=client.replayer is not None)
        self.confirm: Callable[[Estimate], Awaitable[bool]] | None = None
        plan = MapPlan(
            self.map_id,
            self._table,
            template,
            config,
            shape=settings.schema,
            workers=workers,
            budget_usd=settings.budget_usd,
            budgets=client.map_budgets,
            confirm_above_usd=settings.confirm_above_usd,
            confirm=self._confirm,
            notebook=notebook_name(),
            fresh=settings.fresh,
        )
        self.job = MapJob(
            plan, self._rows, lambda: RowStore(self._store_path), governor_of(client, client.observers), self._is_busy
        )
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.map_id}: {self.words}>"

    @property
    def words(self) -> str:
        """How it stands, in a few words."""
        return words_of(self.job)

    @property
    def estimate(self) -> Estimate | None:
        """What the rest would take when the pilot was over; `None` before that, and where there was none."""
        return self.job.estimate

    def start(self) -> None:
        """Begin, if it has not begun. It begins by itself when it is awaited or iterated over."""
        if self._task is None:
            loop = asyncio.get_running_loop()
            self._task = loop.create_task(self.job.run())
            # What makes the result takes a second to import, which it must not take when the map is stopped.
            loop.run_in_executor(None, import_module, "pandas")

    async def result(self) -> Any:
        """Wait until every row is over, and return the result: rows as in the data, of the same kind.

        Raises:
            ClaudeError: it could not begin, or the store could not be written.
        """
        self.start()
        assert self._task is not None
        try:
            await asyncio.shield(self._task)
        except asyncio.CancelledError:
            self.job.stop("it was interrupted.")
            raise
        return await asyncio.to_thread(lambda: given_back(self.frame, self._table))

    def __await__(self) -> Generator[Any, None, Any]:
        return self.result().__await__()

    async def __aiter__(self) -> AsyncIterator[MapRow]:
        """Yield the rows as they are over."""
        finished: asyncio.Queue[FinishedRow | None] = asyncio.Queue()
        self.job.observers.append(finished.put_nowait)
        self.start()
        assert self._task is not None
        self._task.add_done_callback(lambda task: finished.put_nowait(None))
        try:
            while (row := await finished.get()) is not None:
                yield await self._map_row(row)
        finally:
            self.job.observers.remove(finished.put_nowait)
        await self._task

    async def _map_row(self, row: FinishedRow) -> MapRow:
        stored = row.stored
        if stored is None:
            stored = await asyncio.to_thread(lambda: self.stored([row.position])[0])
        return MapRow(row.position, self._table.label(row.position), row.status, stored)

    async def stop(self) -> None:
        """Start no more rows, end those on their way, and return when they are over. What is done stays."""
        self.job.stop("it was stopped.")
        if self._task is not None:
            await asyncio.wait([self._task])

    def retry_failed(self) -> AsyncMapRun:
        """Ask the rows again that failed or were stopped; `await` what is returned, which is this run.

        Raises:
            RuntimeError: it still runs.
        """
        if self._task is None or not self._task.done():
            raise RuntimeError("The map still runs: wait for result(), or stop() it first.")
        with suppress(BaseException):  # how it ended is told by now
            self._task.exception()
        self._task = asyncio.get_running_loop().create_task(self.job.retry_failed())
        return self

    @property
    def frame(self) -> pd.DataFrame:
        """The result as far as it is there, as a pandas DataFrame with the index and order of the data."""
        return self.frame_of(bytes(self.job.states))

    def frame_of(self, states: bytes) -> pd.DataFrame:
        """Return the result with these states of its rows; see `MapJob.states`."""
        rows = self.stored(range(self._table.rows)) if self.job.keys else [None] * len(states)
        return result_frame(self._fields, [STATUSES[state] for state in states], rows, self._table.index)

    def stored(self, positions: Any) -> list[StoredRow | None]:
        """Return what is stored of some rows, by their positions."""
        return self._find([self.job.keys[position] for position in positions])

    def _find(self, keys: list[bytes], *, whole: bool = False) -> list[StoredRow | None]:
        if not self._store_path.exists():
            return [None] * len(keys)
        with closing(RowStore(self._store_path)) as store:
            found = store.find(dict.fromkeys(keys), whole=whole)
        return [found.get(key) for key in keys]

    def open(self, row: MapRow | int) -> Response:
        """Return the turn of a row; a notebook shows it like that of a cell.

        Args:
            row: a `MapRow`, or the position of a row in the data, from 0.

        Raises:
            ValueError: there is no such row, or nothing is stored of it.
        """
        position = row.position if isinstance(row, MapRow) else int(row)
        if not 0 <= position < self._table.rows or not self.job.keys:
            raise ValueError(f"There is no row {position}: the data has {self._table.rows:,} rows, counted from 0.")
        stored = self._find([self.job.keys[position]], whole=True)[0]
        if stored is None or not stored.turn_id:
            raise ValueError(f"Nothing is stored of row {position}: it has not been sent.")
        plan = self.job.plan
        prompt = plan.template.fill(self._table.values(plan.template.columns)(position))
        return _response(stored, prompt, f"{self.map_id}/{position}", has_schema=plan.config.json_schema is not None)

    def _runner(self, settings: MapSettings, config: SessionConfig) -> tuple[RowRunner, int]:
        """Return what sends the rows, and how many are on their way at the same time."""
        if settings.executor is None:
            workers = worker_count(settings.workers, self._client.pool.max_sessions, self._table.rows)
            return LocalRows(self._client, config, self.map_id, settings.timeout_s), workers
        try:
            from claude_magic.batch.distributed import DaskRows
        except ImportError:
            raise ValueError(
                "executor= needs Dask, which is not installed: %pip install 'claude-magic[dask]'"
            ) from None
        rows = DaskRows(settings.executor, config, self.map_id, settings.timeout_s, self._record)
        return rows, settings.workers or max(1, rows.threads)

    def _record(self, result: RowResult, worker: str) -> None:
        """Have a row of another process in the records, like those of this one."""
        name = f"{self.map_id}/{worker}"
        config = self.job.plan.config
        response = result_response(result, name, self.map_id)
        info = SessionInfo(
            name, result.session_id, config.workspace_id, str(SessionState.IDLE), result.model, config.working_dir,
            None, response.started, response.started + result.seconds, 1, result.cost_usd, response.simulated,
        )  # fmt: skip
        records = self._client.records
        records.note_batch(Batch(name, result.session_id, result.turn_id, list(response.messages)))
        records.note_response(response, info)

    def _store_place(self, cache: str | Path | bool | None, *, is_played: bool) -> Path:
        """Return the file of the store; one that is only for this run goes with it."""
        if cache is False or is_played:
            folder = tempfile.mkdtemp(prefix="claude-magic-map-")
            finalize(self, shutil.rmtree, folder, ignore_errors=True)
            return Path(folder, "rows.sqlite")
        if cache is None or cache is True:
            return user_dir("state") / "maps.sqlite"
        return Path(cache).expanduser().absolute()

    async def _confirm(self, estimate: Estimate) -> bool:
        return self.confirm is not None and await self.confirm(estimate)

    def _is_busy(self) -> bool:
        """Whether a prompt of someone else waits, which then goes first."""
        if not self._client.is_prompt_waiting:
            return False
        own = {session.name for session in self._rows.sessions} if isinstance(self._rows, LocalRows) else set()
        return any(
            info.state == SessionState.STARTING and info.name not in own for info in self._client.list_sessions()
        )


def words_of(job: MapJob) -> str:
    """Return how a map stands, in a few words."""
    parts = [f"{count:,} {name}" for name, count in job.counts().items() if count]
    money = f"${job.cost_usd:.4f}"
    why = f"; stopped: {job.reason}" if job.reason else f"; {job.notice}" if job.notice else ""
    return f"{', '.join(parts) or 'no rows'}, {money}{why}"


def result_response(result: RowResult, session: str, map_id: str) -> Response:
    """Return the response of a row that another process has sent.

    Args:
        result: what it brought.
        session: name of its session.
        map_id: its map.
    """
    ended = time.time()
    return Response(
        text=result.text,
        structured=result.structured,
        outcome=Outcome.ERROR if result.error else Outcome.SUCCESS,
        cost_usd=result.cost_usd,
        usage=Usage(result.input_tokens, result.output_tokens),
        duration_s=result.seconds,
        turn=1,
        turn_id=result.turn_id,
        session=session,
        session_id=result.session_id,
        model=result.model,
        messages=tuple(unpacked(result.shown, ended)),
        source=AnswerSource(result.source) if result.source else AnswerSource.MODEL,
        started=ended - result.seconds,
        error=result.error,
        map_id=map_id,
    )


def _response(stored: StoredRow, prompt: str, session: str, *, has_schema: bool) -> Response:
    answer = json.loads(stored.answer) if stored.answer is not None else None
    messages = unpacked(stored.shown or b"", stored.finished)
    text = "".join(message.text for message in messages if message.type == "text")
    source = AnswerSource(stored.source) if stored.source else AnswerSource.MODEL
    return Response(
        text=text or (answer if isinstance(answer, str) else ""),
        structured=answer if has_schema else None,
        cost_usd=stored.cost_usd,
        usage=Usage(stored.input_tokens, stored.output_tokens),
        duration_s=stored.seconds,
        turn=stored.attempts,
        turn_id=stored.turn_id,
        session=session,
        session_id=stored.session_id,
        model=stored.model,
        prompt=prompt,
        messages=tuple(messages),
        source=source,
        started=stored.finished - stored.seconds,
        error=stored.error,
    )
