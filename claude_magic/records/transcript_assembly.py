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

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from claude_magic.records.prices import PriceTable
from claude_magic.records.transcript_lines import Call, ToolUse, Turn
from claude_magic.records.transcript_scan import FileFacts
from claude_magic.records.transcript_tables import Table, Unknown, counts, flags, numbers, repeated, words

_SIMULATED = "msg_sim_"
NAME_LENGTH = 8


@dataclass(slots=True)
class _Session:
    """A session while it is put together."""

    id: str
    name: str
    working_dir: str = ""
    started: float | None = None
    ended: float | None = None
    turns: list[_Turn] = field(default_factory=list)
    loose: _Turn | None = None
    is_simulated: bool = False


@dataclass(slots=True)
class _Turn:
    """A turn with what belongs to it; number 0 is what came before a session's first prompt."""

    session: _Session
    number: int
    facts: Turn
    calls: list[_Call] = field(default_factory=list)
    tools: list[_Tool] = field(default_factory=list)

    @property
    def id(self) -> str | None:
        return self.facts.id or None

    @property
    def place(self) -> int | None:
        return self.number or None


@dataclass(slots=True)
class _Call:
    turn: _Turn
    facts: Call
    cost: float | None = None


@dataclass(slots=True)
class _Tool:
    turn: _Turn
    facts: ToolUse
    parent: str | None


class Assembly:
    """Takes the facts of files and makes the tables.

    Args:
        files: the facts of all files, in any order; the result does not depend on it.
        prices: what the tokens cost.

    Attributes:
        unpriced: models without a price, and how many calls they answered.
    """

    def __init__(self, files: Iterable[FileFacts], prices: PriceTable) -> None:
        self.unpriced: dict[str, int] = {}
        self._prices = prices
        self._sessions: dict[str, _Session] = {}
        self._turns: dict[str, _Turn] = {}
        self._by_prompt_id: dict[str, _Turn] = {}
        self._calls: dict[tuple[str, str | None], _Call] = {}
        self._tools: dict[str, _Tool] = {}
        ordered = sorted(files, key=_rank)
        for facts in ordered:
            self._add(facts)
        for call in self._calls.values():
            self._price(call)

    def _add(self, facts: FileFacts) -> None:
        session = self._session(facts)
        if facts.agent_id:
            places = [self._turn_of_agent(facts, turn, session) for turn in facts.turns]
        else:
            places = [self._turn(turn, session) for turn in facts.turns]
        for call in facts.calls:
            self._call(call, self._at(places, call.turn, session))
        for tool in facts.tools:
            if tool.id not in self._tools:
                turn = self._at(places, tool.turn, session)
                added = self._tools[tool.id] = _Tool(turn, tool, facts.parent_tool_use_id or None)
                turn.tools.append(added)

    def _session(self, facts: FileFacts) -> _Session:
        session = self._sessions.get(facts.session_id)
        if session is None:
            session = _Session(facts.session_id, facts.title or facts.session_id[:NAME_LENGTH])
            self._sessions[facts.session_id] = session
        session.working_dir = session.working_dir or facts.working_dir
        # A fork's first moment is its own; what it copied was said before.
        session.started = _least(session.started, facts.started if facts.agent_id else facts.first or facts.started)
        session.ended = _most(session.ended, facts.ended)
        return session

    def _turn(self, facts: Turn, session: _Session) -> _Turn:
        known = self._turns.get(facts.id)
        if known is not None:
            return known
        turn = _Turn(session, len(session.turns) + 1, facts)
        session.turns.append(turn)
        self._turns[facts.id] = turn
        if facts.prompt_id:
            self._by_prompt_id.setdefault(facts.prompt_id, turn)
        return turn

    def _turn_of_agent(self, facts: FileFacts, told: Turn, session: _Session) -> _Turn:
        turn = self._by_prompt_id.get(told.prompt_id or "")
        if turn is None:
            started_by = self._tools.get(facts.parent_tool_use_id)
            turn = started_by.turn if started_by is not None else None
        return turn or self._turn_at(session, told.started)

    def _turn_at(self, session: _Session, moment: float | None) -> _Turn:
        """Return the turn of a session that ran at a moment."""
        begun = [turn for turn in session.turns if moment and turn.facts.started and turn.facts.started <= moment]
        return begun[-1] if begun else self._loose(session)

    def _at(self, places: Sequence[_Turn], place: int, session: _Session) -> _Turn:
        return places[place] if 0 <= place < len(places) else self._loose(session)

    def _loose(self, session: _Session) -> _Turn:
        if session.loose is None:
            session.loose = _Turn(session, 0, Turn("", None, "", None))
        return session.loose

    def _call(self, facts: Call, turn: _Turn) -> None:
        key = (facts.message_id, facts.request_id)
        known = self._calls.get(key)
        if known is None:
            call = self._calls[key] = _Call(turn, facts)
            turn.calls.append(call)
            turn.session.is_simulated |= facts.message_id.startswith(_SIMULATED)
        elif (facts.seen or 0.0) > (known.facts.seen or 0.0):
            known.facts.take(facts)

    def _price(self, call: _Call) -> None:
        call.cost = self._prices.cost(call.facts)
        if call.cost is None:
            model = call.facts.model or "(no name)"
            self.unpriced[model] = self.unpriced.get(model, 0) + 1

    # Tables.

    def usage(self) -> Table:
        """Return one row per API message, oldest first."""
        rows = sorted(self._calls.values(), key=lambda call: call.facts.time or 0.0)
        facts = [row.facts for row in rows]
        return {
            "time": numbers(call.time for call in facts),
            "session_id": repeated(row.turn.session.id for row in rows),
            "turn_id": repeated(row.turn.id for row in rows),
            "message_id": words(call.message_id or None for call in facts),
            "request_id": words(call.request_id for call in facts),
            "model": repeated(call.model or None for call in facts),
            "is_sidechain": flags(call.is_sidechain for call in facts),
            "input_tokens": counts(call.input_tokens for call in facts),
            "output_tokens": counts(call.output_tokens for call in facts),
            "cache_read_tokens": counts(call.cache_read_tokens for call in facts),
            "cache_write_5m_tokens": counts(call.cache_write_5m_tokens for call in facts),
            "cache_write_1h_tokens": counts(call.cache_write_1h_tokens for call in facts),
            "cost_usd": numbers(row.cost for row in rows),
            "estimated": flags(True for _ in rows),
        }

    def tools(self) -> Table:
        """Return one row per tool use, oldest first."""
        rows = sorted(self._tools.values(), key=lambda tool: tool.facts.started or 0.0)
        facts = [row.facts for row in rows]
        return {
            "session": repeated(row.turn.session.name for row in rows),
            "turn": counts(row.turn.place for row in rows),
            "turn_id": repeated(row.turn.id for row in rows),
            "tool_use_id": words(tool.id for tool in facts),
            "parent_tool_use_id": repeated(row.parent for row in rows),
            "name": repeated(tool.name or None for tool in facts),
            "input": words(tool.input for tool in facts),
            "started": numbers(tool.started for tool in facts),
            "duration_s": numbers(_span(tool.started, tool.ended) for tool in facts),
            "is_error": flags(tool.is_error for tool in facts),
            "permission": Unknown(len(rows)),
            "result_chars": counts(tool.result_chars for tool in facts),
        }

    def turns(self) -> Table:
        """Return one row per turn, oldest first."""
        rows = sorted(self._turns.values(), key=lambda turn: (turn.facts.started or 0.0, turn.number))
        facts = [row.facts for row in rows]
        return {
            "session": repeated(row.session.name for row in rows),
            "session_id": repeated(row.session.id for row in rows),
            "turn": counts(row.number for row in rows),
            "turn_id": words(turn.id for turn in facts),
            "model": repeated(turn.model or None for turn in facts),
            "started": numbers(turn.started for turn in facts),
            "duration_s": numbers(_span(turn.started, turn.ended) for turn in facts),
            "ttft_s": Unknown(len(rows)),
            "outcome": repeated(_OUTCOMES.get(turn.last) for turn in facts),
            "error": repeated(turn.error or None for turn in facts),
            "num_steps": counts(sum(not call.facts.is_sidechain for call in row.calls) for row in rows),
            "input_tokens": counts(sum(call.facts.input_tokens for call in row.calls) for row in rows),
            "output_tokens": counts(sum(call.facts.output_tokens for call in row.calls) for row in rows),
            "cache_read_tokens": counts(sum(call.facts.cache_read_tokens for call in row.calls) for row in rows),
            "cache_write_tokens": counts(sum(map(_written, row.calls)) for row in rows),
            "cost_usd": numbers(_sum(row.calls) for row in rows),
            "estimated": flags(True for _ in rows),
            "tool_uses": counts(len(row.tools) for row in rows),
            "prompt": words(turn.prompt for turn in facts),
            "text": words("\n\n".join(turn.texts.values()) for turn in facts),
            "simulated": flags(row.session.is_simulated for row in rows),
        }

    def sessions(self) -> Table:
        """Return one row per session that has a turn or a call of its own, oldest first."""
        rows = [session for session in self._sessions.values() if session.turns or session.loose is not None]
        rows.sort(key=lambda session: (session.started or 0.0, session.id))
        return {
            "name": words(row.name for row in rows),
            "session_id": words(row.id for row in rows),
            "workspace_id": Unknown(len(rows)),
            "state": Unknown(len(rows)),
            "model": repeated(_last_model(row) for row in rows),
            "working_dir": repeated(row.working_dir or None for row in rows),
            "pid": Unknown(len(rows)),
            "created": numbers(row.started for row in rows),
            "last_used": numbers(row.ended for row in rows),
            "turns": counts(len(row.turns) for row in rows),
            "cost_usd": numbers(_sum(_all_calls(row)) for row in rows),
            "simulated": flags(row.is_simulated for row in rows),
        }


_OUTCOMES = {"text": "success", "error": "error", "interrupted": "interrupted"}
"""How a turn stands at the end -> its outcome. One that ends with a tool use was cut off; the file cannot say how."""


def _rank(facts: FileFacts) -> tuple[bool, bool, float, str, str]:
    return (bool(facts.agent_id), facts.is_fork, facts.first or 0.0, facts.session_id, facts.agent_id)


def _least(*moments: float | None) -> float | None:
    return min((moment for moment in moments if moment is not None), default=None)


def _most(*moments: float | None) -> float | None:
    return max((moment for moment in moments if moment is not None), default=None)


def _span(begin: float | None, end: float | None) -> float | None:
    return None if begin is None or end is None else max(0.0, end - begin)


def _written(call: _Call) -> int:
    return call.facts.cache_write_5m_tokens + call.facts.cache_write_1h_tokens


def _sum(calls: Iterable[_Call]) -> float | None:
    """Return what calls cost together, or `None` where one of them has no price."""
    total = 0.0
    for call in calls:
        if call.cost is None:
            return None
        total += call.cost
    return total


def _all_calls(session: _Session) -> list[_Call]:
    turns = [*session.turns, *([session.loose] if session.loose is not None else [])]
    return [call for turn in turns for call in turn.calls]


def _last_model(session: _Session) -> str | None:
    return next((turn.facts.model for turn in reversed(session.turns) if turn.facts.model), None)
