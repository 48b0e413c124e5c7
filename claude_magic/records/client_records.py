"""`ClientRecords`: everything a client keeps on record: log, messages, tools, turns, numbers."""

from __future__ import annotations

import logging
import os
import sys
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from claude_magic.clock import unix_time
from claude_magic.engine.pool import SessionPool
from claude_magic.engine.registry import SessionRegistry
from claude_magic.engine.session_info import SessionInfo
from claude_magic.engine.turn import Turn
from claude_magic.messages import Batch
from claude_magic.observers import ObserverGuard
from claude_magic.records.buffer import BoundedBuffer
from claude_magic.records.history import FinishedTurn, History, HistoryWriter, history_of
from claude_magic.records.kernel_changes import CellChange, VariableChange
from claude_magic.records.log import LogAggregator, LogEntry, LogSummary
from claude_magic.records.message_records import MessageRecord
from claude_magic.records.metrics import Metrics, Stats
from claude_magic.records.recorder import Recorder
from claude_magic.records.sinks import sink_for
from claude_magic.records.spans import SpanRecord
from claude_magic.records.tool_uses import ToolRecord
from claude_magic.records.turns import TurnRecord
from claude_magic.redaction import redactor_for
from claude_magic.response import Response

if TYPE_CHECKING:
    from claude_magic.records.frames import Frames

_KEPT_TURNS = 100_000
_KEPT_TURNS_BYTES = 256_000_000
"""Finished turns that are remembered, and what their texts may take; older ones are dropped."""
_KEPT_CHANGES = 10_000
"""Changes of variables and of cells that are remembered; older ones are dropped."""
_RECORDS = "A part of the records"
_NOTED = {
    "spawn": "info",
    "reuse": "info",
    "retry": "warning",
    "reap": "info",
    "end": "info",
    "prewarm_failed": "warning",
}
"""Events of the engine that the log keeps, with their level."""


def _bytes_of(record: TurnRecord) -> int:
    return sys.getsizeof(record.prompt) + sys.getsizeof(record.text)


class ClientRecords:
    """What a client keeps on record; the `FrameSource` of its `frames`. Lives on the loop thread.

    Args:
        sessions: the open sessions.
        pool: their processes, which the numbers count.
        guard: calls what observes turns, so that no failure reaches them; what it says goes to the log.
        history: where finished turns are kept for later kernels, as for the client.
    """

    def __init__(
        self,
        sessions: SessionRegistry,
        pool: SessionPool,
        guard: ObserverGuard,
        history: History | str | Path | bool | None,
    ) -> None:
        self._guard = guard
        self._sessions = sessions
        self._pool = pool
        self._metrics = Metrics()
        self._turn_records: BoundedBuffer[TurnRecord] = BoundedBuffer(_KEPT_TURNS, _KEPT_TURNS_BYTES, _bytes_of)
        self._variable_changes: deque[VariableChange] = deque(maxlen=_KEPT_CHANGES)
        self._cell_changes: deque[CellChange] = deque(maxlen=_KEPT_CHANGES)
        self._turn_numbers: dict[str, tuple[str, int]] = {}
        self._frames: Frames | None = None
        self._log_stops: list[Callable[[], None]] = []
        log = LogAggregator(pool.config.log_entries, redactor=redactor_for(os.environ), guard=guard)
        self._recorder = Recorder(log, self._guard)
        self._guard.note = lambda text: self._recorder.add_note("", "warning", text, turn_id="")
        self._history = HistoryWriter(history_of(history))

    @property
    def history(self) -> History | None:
        """Where finished turns are kept for later kernels; `None` is nowhere. May be changed at any time."""
        return self._history.history

    @history.setter
    def history(self, history: History | None) -> None:
        self._history.history = history

    @property
    def frames(self) -> Frames:
        """What happened, as DataFrames."""
        if self._frames is None:
            from claude_magic.records.frames import Frames

            self._frames = Frames(self)
        return self._frames

    def log_to(self, target: str | Path | logging.Handler) -> Callable[[], None]:
        """Send the log to a file or a `logging` handler too; see `AsyncClaudeClient.log_to`."""
        sink = sink_for(target)
        sinks = self._recorder.log.sinks

        def stop() -> None:
            if sink in sinks:
                sinks.remove(sink)
            sink.close()
            if stop in self._log_stops:
                self._log_stops.remove(stop)

        sinks.append(sink)
        self._log_stops.append(stop)
        return stop

    def session_infos(self) -> list[SessionInfo]:
        """Return what there is to know about each open session."""
        return self._sessions.infos()

    def turn_records(self) -> list[TurnRecord]:
        """Return the finished turns, oldest first, those of closed sessions too."""
        return list(self._turn_records)

    def message_records(self) -> list[MessageRecord]:
        """Return what was said, oldest first."""
        return self._recorder.messages.records()

    def tool_records(self) -> list[ToolRecord]:
        """Return the tool uses, oldest first."""
        return self._recorder.tools.records()

    def span_records(self) -> list[SpanRecord]:
        """Return the stretches of the turns' time, in the order they ended."""
        return self._recorder.spans.records()

    def variable_changes(self) -> list[VariableChange]:
        """Return what turns changed in the kernel, oldest first."""
        return list(self._variable_changes)

    def cell_changes(self) -> list[CellChange]:
        """Return what turns changed in the notebook, oldest first."""
        return list(self._cell_changes)

    def stored_history(self) -> History:
        """Return what is kept of earlier kernels; a turn that ended just now may not be there yet."""
        return self.history or History()

    async def flush_history(self) -> None:
        """Return when the finished turns are where they are kept, or cannot be."""
        await self._history.flush()

    def log_entries(self, session: str | None) -> list[LogEntry]:
        """Return the log of one session, or of all (`None`), oldest first."""
        return self._recorder.log.entries(session)

    def log_summaries(self) -> list[LogSummary]:
        """Return the counts of each session's log."""
        return self._recorder.log.summaries()

    def stats(self) -> Stats:
        """Return the numbers of the client: requests, response times, processes."""
        counts = self._pool.counts
        return self._metrics.snapshot(
            active_sessions=len(self._sessions),
            created=counts.created,
            reused=counts.reused,
            destroyed=counts.destroyed,
            waiting=self._pool.waiting,
        )

    # What happens is written down here. The engine calls these in the middle of a turn, so none of them raises.

    def note_batch(self, batch: Batch) -> None:
        self._guard.call(_RECORDS, self._recorder.add_batch, batch)

    def note_change(self, change: CellChange | VariableChange) -> None:
        """Keep what a turn changed in the kernel or in its notebook."""
        turn_id, number = self._turn_numbers.get(change.session, ("", 0))
        numbered = msgspec.structs.replace(change, turn=number if turn_id == change.turn_id else None)
        if isinstance(numbered, CellChange):
            self._cell_changes.append(numbered)
        else:
            self._variable_changes.append(numbered)

    def note_begin(self, turn: Turn, number: int, prompt: str) -> None:
        self._turn_numbers[turn.session] = (turn.id, number)
        self._guard.call(
            _RECORDS, self._recorder.begin_turn, turn.session, number, turn.id, prompt, unix_time(), turn.asked
        )

    def note_response(self, response: Response, info: SessionInfo) -> None:
        self._guard.call(_RECORDS, self._recorder.end_turn, info.name)
        self._guard.call(_RECORDS, self._record_turn, response, info)

    def _record_turn(self, response: Response, info: SessionInfo) -> None:
        record = TurnRecord.from_response(response)
        self._turn_records.append(record)
        self._metrics.count_record(record)
        if self.history is not None and not record.simulated:
            tools = self._recorder.tools.records_of_turn(info.name, response.turn_id)
            self._history.add_turn(FinishedTurn(record, tools, info))

    def note_unsent(self, turn: Turn) -> None:
        self._metrics.count_turn(0.0, ok=False)
        self._guard.call(_RECORDS, self._recorder.end_unsent, turn.session, turn.id)
        text = f"the prompt was not sent: {turn.error}"
        self._guard.call(_RECORDS, partial(self._recorder.add_note, turn.session, "error", text, turn_id=turn.id))

    def note_event(self, event: str, fields: dict[str, Any]) -> None:
        self._guard.call(_RECORDS, self._record_event, event, fields)

    def _record_event(self, event: str, fields: dict[str, Any]) -> None:
        if event == "spawn" and fields["session"]:
            self._recorder.spans.note_spawn(fields["session"], fields["took_s"])
        if event in _NOTED:
            text = ", ".join(f"{name} {value}" for name, value in fields.items() if name != "session")
            self._recorder.add_note(str(fields.get("session", "")), _NOTED[event], f"{event}: {text}")

    def note_closed(self) -> None:
        names = {info.name for info in self._sessions.infos()}
        self._turn_numbers = {name: turn for name, turn in self._turn_numbers.items() if name in names}
        self._guard.call(_RECORDS, self._recorder.forget_closed, [info.name for info in self._sessions.infos()])

    def close_logs(self) -> None:
        for stop in list(self._log_stops):
            self._guard.call("A log that is closed", stop)
