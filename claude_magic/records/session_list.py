"""`SessionList`: the open sessions in one look, which is a table too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any, ClassVar

import pandas as pd

from claude_magic.clock import ago
from claude_magic.records.summary import html_table, text_table
from claude_magic.strings import opening

WAITING = "waiting"
"""State of a session that runs and waits for a person's answer."""
_LONGEST_PROMPT = 60


class SessionList(pd.DataFrame):
    """One row per open session, shown as what a person wants to know; what is made from it is a plain DataFrame.

    Columns: those of `frames.sessions()`; the state is `waiting` where a question is open. `session_list` makes it.
    """

    # Names of attributes that are not columns, as pandas wants them said.
    _metadata: ClassVar[list[str]] = ["_rows", "headline"]
    _rows: list[list[str]]
    headline: str

    def __repr__(self) -> str:
        return "\n".join([self.headline, *([text_table(self._rows)] if len(self._rows) > 1 else [])])

    @property
    def table_html(self) -> str:
        """The sessions as an HTML table; "" if there are none."""
        return html_table(self._rows) if len(self._rows) > 1 else ""

    def _repr_html_(self) -> str:
        return f"<div><p><strong>{escape(self.headline)}</strong></p>{self.table_html}</div>"


def session_list(
    sessions: pd.DataFrame, prompts: Mapping[str, str], waiting: Mapping[str, str], now: float
) -> SessionList:
    """Return the list of open sessions.

    Args:
        sessions: one row per session, as `frames.sessions()` has them.
        prompts: the last prompt of each session that is over, by name.
        waiting: what each session waits for a person to allow, by name.
        now: the time, in unix seconds.
    """
    is_waiting = sessions["name"].isin(list(waiting)) & (sessions["state"] == "running")
    made = SessionList(sessions.assign(state=sessions["state"].mask(is_waiting, WAITING)))
    names = sessions["name"][is_waiting].tolist()
    parts = [f"{len(sessions):,} session{'' if len(sessions) == 1 else 's'} open"]
    parts += [f"{name} waits for you ({waiting[name]})" for name in names]
    made.headline = " · ".join(parts)
    made._rows = [["session", "state", "model", "turns", "cost", "last used", "last prompt"]]
    made._rows += [_row(one, prompts.get(one.name, ""), waiting, now) for one in _each(made)]
    return made


def _row(one: Any, prompt: str, waiting: Mapping[str, str], now: float) -> list[str]:
    state = f"waits for you ({waiting[one.name]})" if one.state == WAITING else str(one.state)
    kind = "simulated" if one.simulated else str(one.model or "default model")
    begun = opening(prompt, _LONGEST_PROMPT)
    return [
        one.name,
        state,
        kind,
        f"{one.turns:,}",
        f"${one.cost_usd:,.4f}",
        ago(now - one.last_used.timestamp()),
        begun,
    ]


def _each(frame: pd.DataFrame) -> Iterable[Any]:
    return pd.DataFrame(frame).itertuples(index=False)
