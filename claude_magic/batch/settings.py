"""The arguments of a map, and what follows from them: the settings of its rows, and how many run at once."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from claude_magic.config import SessionConfig, positive

_MOST_WORKERS = 8
_BYTES_PER_WORKER = 500_000_000
"""What a CLI may take; measured are 0.3 GB at the start and 0.4 GB after some hundred rows."""
_ROW_TIMEOUT_S = 600.0


@dataclass(frozen=True)
class MapSettings:
    """The arguments of `map` beside the data and the prompt; `AsyncClaudeClient.map` says what each is."""

    schema: Any = None
    workers: int | None = None
    budget_usd: float | None = None
    cache: str | Path | bool | None = None
    executor: Any = None
    config: SessionConfig | None = None
    row_budget_usd: float | None = None
    confirm_above_usd: float | None = None
    timeout_s: float = _ROW_TIMEOUT_S
    fresh: bool = False

    def check(self) -> None:
        """Raise `ValueError` where a number makes no sense."""
        for name in ("budget_usd", "row_budget_usd", "confirm_above_usd", "timeout_s"):
            if getattr(self, name) is not None:
                positive(name, getattr(self, name))
        if self.workers is not None and (not isinstance(self.workers, int) or self.workers < 1):
            raise ValueError(f"workers must be a whole number of at least 1, not {self.workers!r}.")


def row_config(base: SessionConfig, schema: Any, row_budget_usd: float | None) -> SessionConfig:
    """Return the settings of a map's rows: no tools but those that were named, and no one is asked."""
    changes: dict[str, Any] = {"json_schema": schema or base.json_schema}
    if base.tools is None:
        changes["tools"] = _builtin(base.allowed_tools)
    if base.permission_mode == "default":
        changes["permission_mode"] = "dontAsk"
    if row_budget_usd is not None:
        changes["max_budget_usd"] = row_budget_usd
    return base.replace(resume=None, fork=False, resume_at=None, **changes)


def _builtin(allowed: Iterable[str]) -> tuple[str, ...]:
    """Return the CLI's own tools that rules such as `Bash(git *)` allow; those of servers need no naming."""
    names = (rule.partition("(")[0].strip() for rule in allowed)
    return tuple(dict.fromkeys(name for name in names if not name.startswith("mcp__")))


def notebook_name() -> str:
    """Return whose budget a map counts for: the notebook's file, else the folder."""
    return os.environ.get("JPY_SESSION_NAME") or str(Path.cwd())


def worker_count(wanted: int | None, processes: int, rows: int) -> int:
    """Return how many rows are on their way at the same time.

    Raises:
        ValueError: more are wanted than there may be processes.
    """
    if wanted is not None:
        if wanted > processes:
            raise ValueError(
                f"workers={wanted} needs as many processes, and the pool may have {processes}: raise max_sessions "
                f"(`%config ClaudeMagics.max_sessions = {wanted + 1}`, or PoolConfig). Nothing was sent."
            )
        return wanted
    by_memory = int(psutil.virtual_memory().available // _BYTES_PER_WORKER)
    # One process is left for the cells.
    return max(1, min(_MOST_WORKERS, processes - 1, by_memory, rows or 1))
