"""`Assembly`: one history out of many scanned files, in which everything counts once.

Plan:

1. A session's own files come before forks, and forks in the order they were made: a fork's file begins at a later
   moment than the records it copied.
2. The first file that has a prompt, a call or a tool use owns it; copies elsewhere add nothing. Of a call's counts the
   latest record wins, in whatever file it stands.
3. A subagent's calls and tools belong to the turn that prompted it: by the prompt's id, or by the tool use that
   started it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from types import SimpleNamespace

import msgspec
import numpy as np

from claude_magic.engine.prices import PriceTable
from claude_magic.strings import opening
from claude_magic.transcripts.columns import Array, Table, boolean, dictionary, float64, int64, string, unknown
from claude_magic.transcripts.rows import CallRow, ScannedFile, ToolRow, TurnRow

SIMULATED = "msg_sim_"
"""Begins the ids of the simulator's messages."""
TOKENS = (
    "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens",
)  # fmt: skip
PAID = (*TOKENS, "web_searches", "is_fast", "is_us")
"""What the price of a call depends on, beside its model: attributes of `CallRow`."""
_OUTCOMES = {"text": "success", "error": "error", "interrupted": "interrupted"}
"""How a turn stands at the end -> its outcome. One that ends with a tool use was cut off; the file cannot say how."""
_ID_LENGTH = 8
_OPENING_LENGTH = 32

CallKey = tuple[str, str | None]


@dataclass(slots=True, eq=False)
class _Session:
    id: str
    title: str = ""
    name: str = ""
    working_dir: str = ""
    started: float | None = None
    ended: float | None = None
    turns: list[_Turn] = field(default_factory=list)
    before_first: _Turn | None = None
    main_calls: dict[str, CallRow] = field(default_factory=dict)

    @property
    def all_turns(self) -> list[_Turn]:
        return [*self.turns, self.before_first] if self.before_first is not None else self.turns


class _Turn(msgspec.Struct, eq=False):
    """A turn of the history; number 0 is what came before a session's first prompt.

    Attributes:
        index: its place among all turns.
        row: what its file says of it.
    """

    session: _Session
    number: int
    index: int
    row: TurnRow


class _Call(msgspec.Struct, eq=False, gc=False):
    """A call that counts: `row` was met first, `latest` was written last and tells the tokens."""

    row: CallRow
    latest: CallRow
    turn: _Turn


class _Tool(msgspec.Struct, eq=False, gc=False):
    row: ToolRow
    turn: _Turn
    file: ScannedFile


class Assembly:
    """Takes what was scanned and makes the tables.

    Args:
        files: all files, in any order; the result does not depend on it.
        prices: what the tokens cost.

    Attributes:
        unpriced: models without a price, and how many calls they answered.
    """

    def __init__(self, files: Iterable[ScannedFile], prices: PriceTable) -> None:
        self._sessions: dict[str, _Session] = {}
        self._turns: list[_Turn] = []
        self._turn_by_id: dict[str, _Turn] = {}
        self._turn_by_prompt_id: dict[str, _Turn] = {}
        self._calls: dict[CallKey, _Call] = {}
        self._tools: dict[str, _Tool] = {}
        for file in sorted(files, key=_rank):
            self._add(file)
        self._name_sessions()
        self._paid = self._paid_columns()
        self._costs = self._call_costs(prices)
        priced = zip(self._calls.values(), np.isnan(self._costs).tolist(), strict=True)
        self.unpriced = dict(Counter(call.row.model or "(no name)" for call, is_unpriced in priced if is_unpriced))
        self._sums = self._turn_sums()
        self._simulated = {call.turn.session for (id, _), call in self._calls.items() if id.startswith(SIMULATED)}

    # What belongs where.

    def _add(self, file: ScannedFile) -> None:
        session = self._session(file)
        take_turn = self._turn_of_agent if file.agent_id else self._turn
        turns = [take_turn(file, session, row) for row in file.turns]
        if not file.agent_id:
            session.main_calls |= {call.message_id: call for call in file.calls}
        for call in file.calls:
            key = _key_of_agent(call, session) if file.agent_id else (call.message_id, call.request_id)
            counted = self._calls.get(key)
            if counted is None:
                turn = turns[call.turn] if call.turn is not None else self._before_first(session)
                self._calls[key] = _Call(call, call, turn)
            elif (call.seen or 0.0) > (counted.latest.seen or 0.0):
                counted.latest = call
        for tool in file.tools:
            if tool.id not in self._tools:
                turn = turns[tool.turn] if tool.turn is not None else self._before_first(session)
                self._tools[tool.id] = _Tool(tool, turn, file)

    def _session(self, file: ScannedFile) -> _Session:
        session = self._sessions.setdefault(file.session_id, _Session(file.session_id))
        session.title = session.title or file.title or file.ai_title
        session.working_dir = session.working_dir or file.working_dir
        # A fork's first moment is its own; what it copied was said before.
        started = file.started if file.agent_id else file.first or file.started
        session.started = _least(session.started, started)
        session.ended = _most(session.ended, file.ended)
        return session

    def _turn(self, file: ScannedFile, session: _Session, row: TurnRow) -> _Turn:
        known = self._turn_by_id.get(row.id)
        if known is not None:
            return known
        turn = self._new_turn(session, len(session.turns) + 1, row)
        session.turns.append(turn)
        self._turn_by_id[row.id] = turn
        if row.prompt_id:
            self._turn_by_prompt_id.setdefault(row.prompt_id, turn)
        return turn

    def _turn_of_agent(self, file: ScannedFile, session: _Session, row: TurnRow) -> _Turn:
        prompted = self._turn_by_prompt_id.get(row.prompt_id or "")
        if prompted is not None:
            return prompted
        started_by = self._tools.get(file.parent_tool_use_id)
        if started_by is not None:
            return started_by.turn
        told = row.started
        begun = [turn for turn in session.turns if told and turn.row.started and turn.row.started <= told]
        return begun[-1] if begun else self._before_first(session)

    def _before_first(self, session: _Session) -> _Turn:
        """Return the turn that stands for what came before a session's first prompt."""
        if session.before_first is None:
            session.before_first = self._new_turn(session, 0, TurnRow("", None, "", None))
        return session.before_first

    def _new_turn(self, session: _Session, number: int, row: TurnRow) -> _Turn:
        turn = _Turn(session, number, len(self._turns), row)
        self._turns.append(turn)
        return turn

    def _name_sessions(self) -> None:
        """Name each by its title, else by how it began; with the beginning of its id where that may not be unique."""
        titles = Counter(session.title for session in self._sessions.values())
        for session in self._sessions.values():
            prompt = next((turn.row.prompt for turn in session.turns if turn.row.prompt), "")
            name, id = session.title or opening(prompt, _OPENING_LENGTH), session.id[:_ID_LENGTH]
            is_unique = session.title and titles[session.title] == 1
            session.name = name if is_unique else f"{name} ({id})" if name else id

    # Sums.

    def _paid_columns(self) -> dict[str, Array]:
        """Return what the price of each call depends on, by the names of `PAID`."""
        latest = [call.latest for call in self._calls.values()]
        return {name: np.fromiter(map(attrgetter(name), latest), "int64", len(latest)) for name in PAID}

    def _call_costs(self, prices: PriceTable) -> Array:
        """Return what each call costs in US dollars, NaN where its model has no price."""
        tokens = SimpleNamespace(**self._paid)
        models = np.array([call.row.model for call in self._calls.values()], object)
        costs = np.full(len(models), np.nan)
        for model in set(models):
            cost = prices.cost(model, tokens, np.where)
            if cost is not None:
                costs = np.where(models == model, cost, costs)
        return costs

    def _turn_sums(self) -> dict[str, Array]:
        """Return what each turn adds up to, by the names of its columns."""
        paid, size = self._paid, len(self._turns)
        turns = np.array([call.turn.index for call in self._calls.values()], "int64")
        written = paid["cache_write_5m_tokens"] + paid["cache_write_1h_tokens"]
        columns = {
            "num_steps": np.array([not call.row.is_sidechain for call in self._calls.values()], "int64"),
            **{name: paid[name] for name in ("input_tokens", "output_tokens", "cache_read_tokens")},
            "cache_write_tokens": written,
            "cost_usd": self._costs,
        }
        sums = {name: np.bincount(turns, values, size) for name, values in columns.items()}
        uses = np.array([tool.turn.index for tool in self._tools.values()], "int64")
        return sums | {"tool_uses": np.bincount(uses, minlength=size)}

    # Tables.

    def table(self, name: str) -> Table:
        """Return `sessions`, `turns`, `tools` or `usage`: one row per session, turn, tool use or API message.

        The oldest row comes first, and before it what has no time.
        """
        made: Table = getattr(self, f"_{name}_table")()
        return made

    def _sessions_table(self) -> Table:
        rows = [session for session in self._sessions.values() if session.all_turns]
        rows.sort(key=lambda session: (session.started or 0.0, session.id))
        costs = self._sums["cost_usd"]
        return {
            "name": string(row.name for row in rows),
            "session_id": string(row.id for row in rows),
            "workspace_id": unknown(len(rows)),
            "state": unknown(len(rows)),
            "model": string(next((turn.row.model for turn in row.turns[::-1] if turn.row.model), None) for row in rows),
            "working_dir": string(row.working_dir or None for row in rows),
            "pid": int64([None] * len(rows)),
            "created": float64(row.started for row in rows),
            "last_used": float64(row.ended for row in rows),
            "turns": int64(len(row.turns) for row in rows),
            "cost_usd": float64(sum(costs[turn.index] for turn in row.all_turns) for row in rows),
            "simulated": boolean(row in self._simulated for row in rows),
        }

    def _turns_table(self) -> Table:
        turns = [turn for turn in self._turns if turn.number]
        turns.sort(key=lambda turn: (turn.row.started or 0.0, turn.number))
        rows, places = [turn.row for turn in turns], [turn.index for turn in turns]
        sums = {name: values[places] for name, values in self._sums.items()}
        steps_and_tokens = ("num_steps", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
        return {
            "session": dictionary(turn.session.name for turn in turns),
            "session_id": dictionary(turn.session.id for turn in turns),
            "turn": int64(turn.number for turn in turns),
            "turn_id": string(row.id for row in rows),
            "model": dictionary(row.model for row in rows),
            "started": float64(row.started for row in rows),
            "duration_s": float64(_spans(rows)),
            "ttft_s": float64([None] * len(rows)),
            "outcome": dictionary(_OUTCOMES.get(row.last) for row in rows),
            "error": dictionary(row.error for row in rows),
            **{name: int64(sums[name]) for name in steps_and_tokens},
            "cost_usd": float64(sums["cost_usd"]),
            "estimated": boolean(True for _ in rows),
            "tool_uses": int64(sums["tool_uses"]),
            "prompt": string(row.prompt for row in rows),
            "text": string("\n\n".join(row.texts) for row in rows),
            "simulated": boolean(turn.session in self._simulated for turn in turns),
            "prompted": boolean(row.prompt != "" for row in rows),
            "map_id": dictionary(None for _ in turns),
        }

    def _tools_table(self) -> Table:
        tools = sorted(self._tools.values(), key=lambda tool: tool.row.started or 0.0)
        rows, turns = [tool.row for tool in tools], np.array([tool.turn.index for tool in tools], "int64")
        return {
            "session": dictionary([turn.session.name for turn in self._turns], turns),
            "turn": int64([tool.turn.number or None for tool in tools]),
            "turn_id": dictionary([turn.row.id for turn in self._turns], turns),
            "tool_use_id": string([row.id for row in rows]),
            "parent_tool_use_id": dictionary([tool.file.parent_tool_use_id for tool in tools]),
            "name": dictionary([row.name for row in rows]),
            "input": string([row.input for row in rows]),
            "started": float64([row.started for row in rows]),
            "duration_s": float64(_spans(rows)),
            "is_error": boolean([row.is_error for row in rows]),
            "permission": unknown(len(rows)),
            "result_chars": int64([row.result_chars for row in rows]),
        }

    def _usage_table(self) -> Table:
        calls = list(self._calls.values())
        order = np.argsort([call.row.time or 0.0 for call in calls], kind="stable")
        calls = [calls[place] for place in order.tolist()]
        turns = np.array([call.turn.index for call in calls], "int64")
        return {
            "time": float64([call.row.time for call in calls]),
            "session_id": dictionary([turn.session.id for turn in self._turns], turns),
            "turn_id": dictionary([turn.row.id for turn in self._turns], turns),
            "message_id": string([call.row.message_id or None for call in calls]),
            "request_id": string([call.row.request_id for call in calls]),
            "model": dictionary([call.row.model for call in calls]),
            "is_sidechain": boolean([call.row.is_sidechain for call in calls]),
            **{name: int64(self._paid[name][order]) for name in TOKENS},
            "cost_usd": float64(self._costs[order]),
            "estimated": boolean([True] * len(calls)),
        }


_told = attrgetter("time", *PAID)


def _key_of_agent(call: CallRow, session: _Session) -> CallKey:
    """Return what a subagent's call is known by.

    One that begins with a part of the conversation writes its calls again, with request ids of its own.
    """
    main = session.main_calls.get(call.message_id)
    is_copy = main is not None and call.time is not None and _told(call) == _told(main)
    return call.message_id, main.request_id if main is not None and is_copy else call.request_id


def _rank(file: ScannedFile) -> tuple[bool, bool, float, str, str]:
    return (bool(file.agent_id), file.is_fork, file.first or 0.0, file.session_id, file.agent_id)


def _least(*moments: float | None) -> float | None:
    return min((moment for moment in moments if moment is not None), default=None)


def _most(*moments: float | None) -> float | None:
    return max((moment for moment in moments if moment is not None), default=None)


def _spans(rows: Sequence[TurnRow | ToolRow]) -> Array:
    """Return how long each took in seconds, NaN where its begin or its end is not known."""
    started = np.array([row.started for row in rows], "float64")
    spans: Array = np.maximum(0.0, np.array([row.ended for row in rows], "float64") - started)
    return spans
