"""`Assembly`: one history out of the facts of many files, in which everything counts once. No pandas.

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
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from claude_magic.engine.prices import PriceTable
from claude_magic.transcripts.facts import FileFacts
from claude_magic.transcripts.packs import COUNTED, SIMULATED, Calls, Pack
from claude_magic.transcripts.prompts import opening_of
from claude_magic.transcripts.rows import PaidCalls, Rows, columns, named, numbered
from claude_magic.transcripts.tables import (
    NO_COUNT,
    Array,
    Table,
    Unknown,
    counts,
    flags,
    numbers,
    repeated,
    texts,
    words,
)

_ID_LENGTH = 8
_OPENING_LENGTH = 32


@dataclass(slots=True)
class _Session:
    """A session while it is put together; `place` is its place among all."""

    id: str
    place: int
    title: str = ""
    name: str = ""
    working_dir: str = ""
    started: float | None = None
    ended: float | None = None
    turns: list[_Turn] = field(default_factory=list)
    loose: _Turn | None = None

    @property
    def all_turns(self) -> list[_Turn]:
        """Its turns, and at the end what came before the first."""
        return [*self.turns, self.loose] if self.loose is not None else self.turns


@dataclass(slots=True)
class _Turn:
    """A turn; number 0 is what came before a session's first prompt.

    Attributes:
        place: its place among all, those of number 0 included.
        pack, row: where its facts are.
    """

    session: _Session
    number: int
    place: int
    pack: int = -1
    row: int = -1
    id: str = ""
    started: float | None = None


class Assembly:
    """Takes the facts of files and makes the tables.

    Args:
        packs: the facts of all files, in any order; the result does not depend on it.
        prices: what the tokens cost.

    Attributes:
        unpriced: models without a price, and how many calls they answered.
    """

    def __init__(self, packs: Iterable[Pack], prices: PriceTable) -> None:
        self._packs = sorted(packs, key=lambda pack: _rank(pack.file))
        self._sessions: dict[str, _Session] = {}
        self._turns: list[_Turn] = []
        self._turn_by_id: dict[str, _Turn] = {}
        self._turn_by_prompt_id: dict[str, _Turn] = {}
        self._calls: Rows[tuple[str, str | None]] = Rows()
        self._tools: Rows[str] = Rows()
        self._main_calls: dict[str, dict[str, tuple[Calls, int]]] = {}
        for place, pack in enumerate(self._packs):
            self._add(place, pack)
        self._name_sessions()
        self._paid = PaidCalls(self._packs, self._calls)
        self._costs = self._paid.costs(prices)
        self.unpriced = self._paid.unpriced(self._costs)
        self._sums = self._summed()
        self._simulated = self._simulated_sessions()

    def _keys(self, pack: Pack, session: _Session) -> list[tuple[str, str | None]]:
        """Return the key of each call of a file.

        A subagent that begins with a part of the conversation writes its calls again, with request ids of its own.
        """
        calls = pack.calls
        keys = list(zip(calls.message_ids, calls.request_ids, strict=True))
        main = self._main_calls.setdefault(session.id, {})
        if not pack.file.agent_id:
            main |= {id: (calls, row) for row, id in enumerate(calls.message_ids)}
            return keys
        for row, id in enumerate(calls.message_ids):
            found = main.get(id)
            if found is not None and _facts_of_call(calls, row) == _facts_of_call(*found):
                keys[row] = (id, found[0].request_ids[found[1]])
        return keys

    def _add(self, place: int, pack: Pack) -> None:
        session = self._session(pack.file)
        started = memoryview(pack.turns.times).cast("d")[: len(pack.turns.ids)]
        if pack.file.agent_id:
            told = zip(pack.turns.prompt_ids, started, strict=True)
            turns = [self._turn_of_agent(pack.file, prompt_id, moment, session) for prompt_id, moment in told]
        else:
            turns = [self._turn(place, row, pack, moment, session) for row, moment in enumerate(started)]
        if pack.is_loose:
            turns.append(self._loose(session))  # stands last, because its number in the file is -1
        calls, tools = pack.calls, pack.tools
        of_calls = memoryview(calls.counts).cast("q")[: len(calls.message_ids)]
        of_tools = memoryview(tools.counts).cast("q")[: len(tools.ids)]
        self._calls.add(self._keys(pack, session), [turns[turn].place for turn in of_calls], place)
        self._tools.add(tools.ids, [turns[turn].place for turn in of_tools], place)

    def _session(self, facts: FileFacts) -> _Session:
        session = self._sessions.get(facts.session_id)
        if session is None:
            session = _Session(facts.session_id, len(self._sessions))
            self._sessions[facts.session_id] = session
        session.title = session.title or facts.title or facts.ai_title
        session.working_dir = session.working_dir or facts.working_dir
        # A fork's first moment is its own; what it copied was said before.
        session.started = _least(session.started, facts.started if facts.agent_id else facts.first or facts.started)
        session.ended = _most(session.ended, facts.ended)
        return session

    def _name_sessions(self) -> None:
        """Name each by its title, else by how it began; with the beginning of its id where that may not be unique."""
        titles = Counter(session.title for session in self._sessions.values())
        for session in self._sessions.values():
            words = session.title or self._opening(session)
            id = session.id[:_ID_LENGTH]
            is_unique = session.title and titles[session.title] == 1
            session.name = words if is_unique else f"{words} ({id})" if words else id

    def _opening(self, session: _Session) -> str:
        prompts = (self._packs[turn.pack].turns.prompt(turn.row) for turn in session.turns)
        return opening_of(next(filter(None, prompts), ""), _OPENING_LENGTH)

    def _turn(self, place: int, row: int, pack: Pack, started: float, session: _Session) -> _Turn:
        known = self._turn_by_id.get(pack.turns.ids[row])
        if known is not None:
            return known
        turn = _Turn(session, len(session.turns) + 1, len(self._turns), place, row, pack.turns.ids[row], started)
        session.turns.append(turn)
        self._turns.append(turn)
        self._turn_by_id[turn.id] = turn
        prompt_id = pack.turns.prompt_ids[row]
        if prompt_id:
            self._turn_by_prompt_id.setdefault(prompt_id, turn)
        return turn

    def _turn_of_agent(self, facts: FileFacts, prompt_id: str | None, told: float, session: _Session) -> _Turn:
        turn = self._turn_by_prompt_id.get(prompt_id or "")
        started_by = self._tools.places.get(facts.parent_tool_use_id)
        if turn is None and started_by is not None:
            turn = self._turns[self._tools.turns[started_by]]
        return turn or self._turn_at(session, told)

    def _turn_at(self, session: _Session, moment: float) -> _Turn:
        """Return the turn of a session that ran at a moment."""
        begun = [turn for turn in session.turns if turn.started and turn.started <= moment]
        return begun[-1] if begun else self._loose(session)

    def _loose(self, session: _Session) -> _Turn:
        if session.loose is None:
            session.loose = _Turn(session, 0, len(self._turns))
            self._turns.append(session.loose)
        return session.loose

    def _summed(self) -> Array:
        """Return a row for each sum over turns, and a column for each turn: `_SUMMED`, cost and tool uses."""
        paid = self._paid
        turns = np.array(self._calls.turns, "int64")[paid.rows]
        written = paid.cache_write_5m_tokens + paid.cache_write_1h_tokens
        main = paid.is_sidechain == 0
        read = paid.cache_read_tokens
        sums = [_sum(turns, values, len(self._turns))
                for values in (main, paid.input_tokens, paid.output_tokens, read, written, self._costs)]  # fmt: skip
        uses = np.array(self._tools.turns, "int64")[self._tools.counting()]
        return np.array([*sums, np.bincount(uses, minlength=len(self._turns))])

    def _simulated_sessions(self) -> set[str]:
        found = set()
        for id, request_id in self._calls.places if any(pack.is_simulated for pack in self._packs) else ():
            if id.startswith(SIMULATED):
                turn = self._turns[self._calls.turns[self._calls.places[id, request_id]]]
                found.add(turn.session.id)
        return found

    def _last_model(self, session: _Session) -> str | None:
        models = (self._packs[turn.pack].turns.models[turn.row] for turn in reversed(session.turns))
        return next((model for model in models if model), None)

    # Tables.

    def usage(self) -> Table:
        """Return one row per API message, oldest first."""
        paid = self._paid
        order = _by_time(paid.times)
        rows = paid.rows[order]
        turns = np.array(self._calls.turns, "int64")[rows]
        message_ids = [id for pack in self._packs for id in pack.calls.message_ids]
        request_ids = [id for pack in self._packs for id in pack.calls.request_ids]
        return {
            "time": numbers(paid.times[order]),
            "session_id": repeated([turn.session.id for turn in self._turns], turns),
            "turn_id": repeated([turn.id for turn in self._turns], turns),
            "message_id": words(message_ids[row] or None for row in rows.tolist()),
            "request_id": words(request_ids[row] for row in rows.tolist()),
            "model": repeated(paid.models, paid.model[order]),
            "is_sidechain": flags(paid.is_sidechain[order]),
            **{name: counts(getattr(paid, name)[order]) for name in COUNTED[:5]},
            "cost_usd": numbers(self._costs[order]),
            "estimated": flags(np.ones(len(rows))),
        }

    def tools(self) -> Table:
        """Return one row per tool use, oldest first."""
        rows = self._tools.counting()
        times = columns("float64", 2, (pack.tools.times for pack in self._packs))
        rows = rows[_by_time(times[0, rows])]
        started, ended = times[:, rows]
        _, name, _, is_error, result_chars = columns("int64", 5, (pack.tools.counts for pack in self._packs))[:, rows]
        turns = np.array(self._tools.turns, "int64")[rows]
        files = np.array(self._tools.files, "int64")[rows]
        ids = [id for pack in self._packs for id in pack.tools.ids]
        names, name = named([pack.tools.names for pack in self._packs], files, name)
        return {
            "session": repeated([turn.session.name for turn in self._turns], turns),
            "turn": counts(np.array([turn.number or NO_COUNT for turn in self._turns], "int64")[turns]),
            "turn_id": repeated([turn.id for turn in self._turns], turns),
            "tool_use_id": words(ids[row] for row in rows.tolist()),
            "parent_tool_use_id": repeated([pack.file.parent_tool_use_id for pack in self._packs], files),
            "name": repeated(names, name),
            "input": texts((pack.tools.inputs for pack in self._packs), rows),
            "started": numbers(started),
            "duration_s": numbers(_spans(started, ended)),
            "is_error": flags(is_error),
            "permission": Unknown(len(rows)),
            "result_chars": counts(result_chars),
        }

    def turns(self) -> Table:
        """Return one row per turn, oldest first."""
        rows = [turn for turn in self._turns if turn.number]
        times = columns("float64", 2, (pack.turns.times for pack in self._packs))
        begins = np.cumsum([0, *(len(pack.turns.ids) for pack in self._packs)])
        facts = np.array([begins[turn.pack] + turn.row for turn in rows], "int64")
        order = np.lexsort((np.array([turn.number for turn in rows]), np.nan_to_num(times[0, facts])))
        rows, facts = [rows[place] for place in order.tolist()], facts[order]
        started, ended = times[:, facts]
        sums = self._sums[:, [turn.place for turn in rows]]
        of_turns = [(self._packs[turn.pack].turns, turn.row) for turn in rows]
        return {
            "session": repeated(*numbered(turn.session.name for turn in rows)),
            "session_id": repeated(*numbered(turn.session.id for turn in rows)),
            "turn": counts(turn.number for turn in rows),
            "turn_id": words(turn.id for turn in rows),
            "model": repeated(*numbered(turns.models[row] for turns, row in of_turns)),
            "started": numbers(started),
            "duration_s": numbers(_spans(started, ended)),
            "ttft_s": Unknown(len(rows)),
            "outcome": repeated(*numbered(_OUTCOMES.get(turns.lasts[row], "") for turns, row in of_turns)),
            "error": repeated(*numbered(turns.errors[row] for turns, row in of_turns)),
            **{name: counts(values) for name, values in zip(_SUMMED, sums, strict=False)},
            "cost_usd": numbers(sums[-2]),
            "estimated": flags(np.ones(len(rows))),
            "tool_uses": counts(sums[-1]),
            "prompt": texts((pack.turns.prompts for pack in self._packs), facts),
            "text": texts((pack.turns.texts for pack in self._packs), facts),
            "simulated": flags(turn.session.id in self._simulated for turn in rows),
        }

    def sessions(self) -> Table:
        """Return one row per session that has a turn or a call of its own, oldest first."""
        rows = [session for session in self._sessions.values() if session.turns or session.loose is not None]
        rows.sort(key=lambda session: (session.started or 0.0, session.id))
        costs = self._sums[-2]
        return {
            "name": words(row.name for row in rows),
            "session_id": words(row.id for row in rows),
            "workspace_id": Unknown(len(rows)),
            "state": Unknown(len(rows)),
            "model": words(self._last_model(row) for row in rows),
            "working_dir": words(row.working_dir or None for row in rows),
            "pid": Unknown(len(rows)),
            "created": numbers(row.started for row in rows),
            "last_used": numbers(row.ended for row in rows),
            "turns": counts(len(row.turns) for row in rows),
            "cost_usd": numbers(sum(costs[turn.place] for turn in row.all_turns) for row in rows),
            "simulated": flags(row.id in self._simulated for row in rows),
        }


_SUMMED = ("num_steps", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
_OUTCOMES = {"text": "success", "error": "error", "interrupted": "interrupted"}
"""How a turn stands at the end -> its outcome. One that ends with a tool use was cut off; the file cannot say how."""


def _rank(facts: FileFacts) -> tuple[bool, bool, float, str, str]:
    return (bool(facts.agent_id), facts.is_fork, facts.first or 0.0, facts.session_id, facts.agent_id)


def _least(*moments: float | None) -> float | None:
    return min((moment for moment in moments if moment is not None), default=None)


def _most(*moments: float | None) -> float | None:
    return max((moment for moment in moments if moment is not None), default=None)


def _by_time(moments: Array) -> Array:
    """Return the order by time; what has no time comes first."""
    return np.argsort(np.nan_to_num(moments), kind="stable")


def _spans(begins: Array, ends: Array) -> Array:
    spans: Array = np.maximum(0.0, ends - begins)
    return spans


def _sum(turns: Array, values: Array, count: int) -> Array:
    return np.bincount(turns, weights=values, minlength=count)


def _facts_of_call(calls: Calls, row: int) -> tuple[float, ...]:
    """Return when a call was made and how many tokens it took; gateways may give every call the same id."""
    size = len(calls.message_ids)
    counts = memoryview(calls.counts).cast("q")
    columns = range(3, len(counts) // size)  # behind the turn, the model and whether it is a subagent's
    return (memoryview(calls.times).cast("d")[row], *(counts[column * size + row] for column in columns))
