"""A map on many machines: `DaskRows` sends rows to the workers of a Dask cluster; job, money and store stay here.

Each worker has a client with a pool of its own (`ClaudeWorker`, a WorkerPlugin). A row is one task, and a lease: the
job sets money aside for it before it is submitted, and starts no more rows than its caps allow, so that there is one
budget for the whole cluster. A result is told twice, as an event in the moment it is there and as the task's own: the
first one to arrive counts, and a worker that is lost afterwards costs nothing. A row that was on a lost worker is sent
again by the scheduler, as one that was in flight when a kernel was killed. Only prompts and answers go through the
scheduler: credentials are those of the workers' own environment.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from distributed import Client, Future, WorkerPlugin, get_worker

from claude_magic.background_loop import background_loop
from claude_magic.batch.rows import STOPPED, CLIFacts, LocalRows, RowResult
from claude_magic.client import AsyncClaudeClient
from claude_magic.config import PoolConfig, SessionConfig
from claude_magic.redaction import secrets_in

logger = logging.getLogger("claude_magic")

MakeClient = Callable[[SessionConfig, int], AsyncClaudeClient]
"""Makes the client of a worker with so many threads."""
OnResult = Callable[[RowResult, str], None]
"""Told of each result, and of the worker that it came from."""
WORKER_LOST = "WORKER_LOST"


def worker_client(config: SessionConfig, threads: int) -> AsyncClaudeClient:
    """Return the client of a worker: a process for each of its threads, and none in reserve."""
    return AsyncClaudeClient(config, pool=PoolConfig(max_sessions=threads, prewarm=0))


class ClaudeWorker(WorkerPlugin):  # type: ignore[misc]  # Dask publishes no types
    """What a Dask worker needs for the rows of one map: a client. Nothing starts before the first row comes.

    Args:
        config: settings of the rows, without credentials.
        map_id: the map.
        timeout_s: longest a row may take, in seconds.
        make_client: makes the client.
    """

    def __init__(self, config: SessionConfig, map_id: str, timeout_s: float | None, make_client: MakeClient) -> None:
        self.name = plugin_name(map_id)
        self._config = config
        self._map_id = map_id
        self._timeout_s = timeout_s
        self._make_client = make_client
        self._threads = 1
        self._client: AsyncClaudeClient | None = None
        self._rows: LocalRows | None = None

    def setup(self, worker: Any) -> None:
        """The worker is there."""
        self._threads = int(worker.state.nthreads)

    def teardown(self, worker: Any) -> None:
        """The map, or the worker, is over: its CLIs end."""
        client, self._client = self._client, None
        if client is not None:
            background_loop().submit(client.close())

    async def _opened(self) -> LocalRows:
        if self._rows is None:
            self._client = self._make_client(self._config, self._threads)
            self._rows = LocalRows(self._client, self._config, self._map_id, self._timeout_s)
        return self._rows

    async def facts(self) -> CLIFacts:
        """Return what the CLI of this worker says of itself."""
        return await (await self._opened()).facts()

    async def run(self, prompt: str) -> RowResult:
        """Send a row, and return what came of it."""
        return await (await self._opened()).run(prompt)

    async def stop(self) -> None:
        """End the rows on their way."""
        if self._rows is not None:
            await self._rows.stop()


def plugin_name(map_id: str) -> str:
    """Return the name of the plugin of a map."""
    return f"claude-{map_id}"


def _plugin(map_id: str) -> ClaudeWorker:
    plugin: ClaudeWorker = get_worker().plugins[plugin_name(map_id)]
    return plugin


# What runs on a worker; on one of its threads, so that its own loop stays free.


def _facts_on_worker(map_id: str) -> dict[str, Any]:
    return asdict(background_loop().submit(_plugin(map_id).facts()).result())


def _row_on_worker(map_id: str, row: str, prompt: str) -> dict[str, Any]:
    result = asdict(background_loop().submit(_plugin(map_id).run(prompt)).result())
    worker = get_worker()
    told = {"row": row, "worker": str(worker.name), "result": result}
    worker.log_event(plugin_name(map_id), told)
    return told


def _stop_on_worker(map_id: str) -> None:
    plugin = get_worker().plugins.get(plugin_name(map_id))
    if plugin is not None:
        background_loop().submit(plugin.stop())


class DaskRows:
    """Sends rows to a Dask cluster; a `RowRunner`.

    Args:
        cluster: a client of the cluster, in its waiting form.
        config: settings of the rows.
        map_id: the map.
        timeout_s: longest a row may take, in seconds.
        on_result: told of each result, for the records.
        make_client: makes the client of a worker.

    Raises:
        ValueError: the settings hold a credential, which would travel with the tasks; or the client is asynchronous.
    """

    def __init__(
        self,
        cluster: Client,
        config: SessionConfig,
        map_id: str,
        timeout_s: float | None,
        on_result: OnResult,
        make_client: MakeClient | None = None,
    ) -> None:
        if cluster.asynchronous:
            raise ValueError("executor= takes a Dask client that waits: Client(...) without asynchronous=True.")
        named = [name for name, _ in config.secrets] + list(secrets_in(dict(config.environment)))
        if named:
            raise ValueError(
                f"{', '.join(named)} would travel through the scheduler: leave it out of the settings, and set it in "
                "the environment of the workers. Nothing was sent."
            )
        self._cluster = cluster
        self._map_id = map_id
        self._plugin = ClaudeWorker(config, map_id, timeout_s, make_client or worker_client)
        self._on_result = on_result
        self._waiting: dict[str, asyncio.Future[RowResult]] = {}
        self._tasks: dict[str, Future] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = False

    @property
    def threads(self) -> int:
        """How many rows the cluster can have on their way."""
        return sum(self._cluster.nthreads().values())

    async def facts(self) -> CLIFacts:
        self._loop, self._stopping = asyncio.get_running_loop(), False
        await asyncio.to_thread(self._begin)
        task = self._cluster.submit(_facts_on_worker, self._map_id, pure=False)
        return CLIFacts(**await asyncio.to_thread(task.result))

    def _begin(self) -> None:
        self._cluster.register_plugin(self._plugin)
        self._cluster.subscribe_topic(plugin_name(self._map_id), self._on_event)

    async def run(self, prompt: str) -> RowResult:
        row = uuid.uuid4().hex
        done: asyncio.Future[RowResult] = asyncio.get_running_loop().create_future()
        self._waiting[row] = done
        task = self._tasks[row] = self._cluster.submit(
            _row_on_worker, self._map_id, row, prompt, key=f"{plugin_name(self._map_id)}-{row}", pure=False
        )
        task.add_done_callback(lambda over: self._on_task(row, over))
        try:
            return await done
        finally:
            self._waiting.pop(row, None)
            self._tasks.pop(row, None)
            task.release()

    def _on_event(self, event: Any) -> None:
        """A worker has told a result; called on a thread of Dask's."""
        told = event[1] if isinstance(event, tuple | list) else event
        if isinstance(told, dict) and "row" in told:
            self._settle(told["row"], RowResult(**told["result"]), str(told["worker"]))

    def _on_task(self, row: str, task: Future) -> None:
        """A task is over; called on a thread of Dask's."""
        if row not in self._waiting:
            return  # its event came first
        if task.cancelled():
            self._settle(row, RowResult(error="It was stopped.", code=STOPPED), "")
            return
        error = task.exception()
        if error is None:
            told = task.result()
            self._settle(row, RowResult(**told["result"]), str(told["worker"]))
        else:
            words = f"The worker of the row was lost ({type(error).__name__})."
            self._settle(row, RowResult(error=words, code=WORKER_LOST, retryable=True), "")

    def _settle(self, row: str, result: RowResult, worker: str) -> None:
        assert self._loop is not None, "rows are sent after facts"
        self._loop.call_soon_threadsafe(self._take, row, result, worker)

    def _take(self, row: str, result: RowResult, worker: str) -> None:
        waiting = self._waiting.get(row)
        if waiting is None or waiting.done():
            return
        waiting.set_result(result)
        if result.turn_id:
            self._on_result(result, worker)

    async def stop(self) -> None:
        tasks = list(self._tasks.values())
        await asyncio.to_thread(self._stop, tasks)

    def _stop(self, tasks: list[Future]) -> None:
        """Rows that have begun end as interrupted, and say what they cost; the others are never begun."""
        with suppress(Exception):  # the cluster may be gone
            self._cluster.run(_stop_on_worker, self._map_id)
        for task in tasks:
            if task.status == "pending":
                with suppress(Exception):
                    self._cluster.cancel([task])

    async def close(self) -> None:
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        name = plugin_name(self._map_id)
        for end in (self._cluster.unsubscribe_topic, self._cluster.unregister_worker_plugin):
            with suppress(Exception):  # the cluster may be gone
                end(name)
