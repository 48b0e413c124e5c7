"""What a map does, and what follows from it without asking anyone: its ceilings, its pilot, what is stored of a row."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from claude_magic.batch.money import Cap, Estimate
from claude_magic.batch.rows import RowResult
from claude_magic.batch.store import RowStore, StoredRow
from claude_magic.batch.table import MapData
from claude_magic.batch.template import Template
from claude_magic.config import MapBudgets, SessionConfig
from claude_magic.values.schemas import build

WAITING, RUNNING, DONE, CACHED, FAILED, HALTED = range(6)
"""How a row stands, as it is kept for each row."""
STATUSES = ("waiting", "running", "done", "cached", "failed", "stopped")
_PILOT_ROWS = 10
_PILOT_SHARE = 0.01

Confirm = Callable[[Estimate], Awaitable[bool]]


@dataclass
class MapPlan:
    """What a map does.

    Attributes:
        map_id: its id.
        table: the data.
        template: the prompt.
        config: settings of the rows.
        shape: what `schema` named: a model, a dataclass, a JSON Schema, or `None`.
        workers: rows on their way at the same time.
        budget_usd: its own ceiling, in US dollars, for all that its rows have ever cost.
        budgets: ceilings for what all maps may spend.
        confirm_above_usd: an estimate above this is asked about.
        confirm: asks; `None` is a no.
        notebook: whose budget it counts for.
        fresh: ask rows again that have an answer.
    """

    map_id: str
    table: MapData
    template: Template
    config: SessionConfig
    shape: Any = None
    workers: int = 1
    budget_usd: float | None = None
    budgets: MapBudgets = field(default_factory=MapBudgets)
    confirm_above_usd: float | None = None
    confirm: Confirm | None = None
    notebook: str = ""
    fresh: bool = False


@dataclass(frozen=True)
class FinishedRow:
    """A row that is over.

    Attributes:
        position: its place in the data, from 0.
        status: "done", "cached", "failed" or "stopped".
        stored: what is stored of it; `None` where nothing is.
    """

    position: int
    status: str
    stored: StoredRow | None


def caps_of(plan: MapPlan, store: RowStore, keys: Sequence[bytes]) -> list[Cap]:
    """Return the ceilings of a map, with what was spent of each before.

    Args:
        plan: the map.
        store: knows what was spent.
        keys: the keys of its rows.
    """
    caps, simulated = list[Cap](), plan.config.simulated is not None
    if plan.budget_usd is not None:
        advice = "Raise budget_usd to go on; what was spent before counts."
        caps.append(Cap("these rows", plan.budget_usd, store.cost_of(keys), advice))
    if plan.budgets.daily_usd is not None:
        spent = store.spent(simulated=simulated, day=datetime.now().date().isoformat())
        advice = "It is free again tomorrow; `%config ClaudeMagics.daily_budget_usd` raises it."
        caps.append(Cap("today", plan.budgets.daily_usd, spent, advice))
    if plan.budgets.notebook_usd is not None:
        spent = store.spent(simulated=simulated, notebook=plan.notebook)
        advice = "`%config ClaudeMagics.notebook_budget_usd` raises it."
        caps.append(Cap("this notebook", plan.budgets.notebook_usd, spent, advice))
    return caps


def pilot_of(plan: MapPlan, waiting: Sequence[bytes]) -> list[bytes]:
    """Return rows from all over the data that are asked first, to judge the others by; none where it is not worth it.

    Args:
        plan: the map.
        waiting: the keys of the rows that are to be asked.
    """
    size = min(_PILOT_ROWS, math.ceil(len(waiting) * _PILOT_SHARE))
    if len(waiting) <= 1 or (size <= 1 and plan.confirm_above_usd is None):
        return []
    # By their keys, which are hashes: a draw that is the same each time, whatever order the data has.
    return sorted(waiting)[:size]


def checked(plan: MapPlan, result: RowResult) -> RowResult:
    """Return a result whose object fits what `schema` named, or says that it does not."""
    if plan.shape is None or result.error:
        return result
    try:
        build(plan.shape, result.structured)
    except (ValueError, TypeError) as error:
        return replace(result, error=f"The answer does not fit: {error}", code="STRUCTURED_OUTPUT_FAILED")
    return result


def row_to_store(plan: MapPlan, key: bytes, result: RowResult, before: StoredRow | None) -> StoredRow:
    """Return what is to be stored of a row.

    Args:
        plan: the map.
        key: the key of the row.
        result: what the last attempt brought.
        before: what is stored of the attempts before, whose costs count.
    """
    before = before or StoredRow(key, "failed")
    answer = result.text if plan.config.json_schema is None else result.structured
    return StoredRow(
        key=key,
        status="failed" if result.error else "done",
        answer=None if result.error else json.dumps(answer),
        error=result.error,
        code=result.code,
        model=result.model,
        source=result.source,
        cost_usd=before.cost_usd + result.cost_usd,
        input_tokens=before.input_tokens + result.input_tokens,
        output_tokens=before.output_tokens + result.output_tokens,
        seconds=result.seconds,
        attempts=before.attempts + 1,
        turn_id=result.turn_id,
        session_id=result.session_id,
        map_id=plan.map_id,
        finished=time.time(),
        shown=result.shown,
    )
