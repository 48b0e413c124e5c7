"""The list of open sessions: a DataFrame that shows what a person wants to know."""

from __future__ import annotations

import pandas as pd

from claude_magic.engine.session_info import SessionInfo
from claude_magic.records.frames import sessions_frame
from claude_magic.records.session_list import SessionList, session_list

NOW = 1_800_000_000.0


def info(name: str, state: str = "idle", ago_s: float = 0.0) -> SessionInfo:
    return SessionInfo(name, "id", "w", state, "opus", "/w", 1, NOW - 900, NOW - ago_s, 3, 0.5, name == "sim")


def listed(*infos: SessionInfo, waiting: dict[str, str] | None = None) -> SessionList:
    return session_list(sessions_frame(infos), {"main": "why\n<b>not</b>? " * 9}, waiting or {}, NOW)


def test_session_list_says_first_who_waits_for_a_person() -> None:
    """In the headline, in the row, and in the table; a question that is just over does not count."""
    shown = listed(info("main", "running"), info("sim", ago_s=7200), waiting={"main": "Bash", "sim": "Write"})

    assert shown.headline == "2 sessions open · main waits for you (Bash)"
    assert shown["state"].tolist() == ["waiting", "idle"]
    assert repr(shown).splitlines()[2].split()[:5] == ["main", "waits", "for", "you", "(Bash)"]
    assert repr(shown).splitlines()[3].split()[:5] == ["sim", "idle", "simulated", "3", "$0.5000"]
    assert "2 h ago" in repr(shown)


def test_session_list_is_a_small_table_on_a_page() -> None:
    """Long prompts are cut, and nothing in them is markup."""
    page = listed(info("main"))._repr_html_()

    assert "just now" in page
    assert "why &lt;b&gt;not&lt;/b&gt;?" in page
    assert "…" in page
    assert listed()._repr_html_() == "<div><p><strong>0 sessions open</strong></p></div>"


def test_session_list_is_a_frame() -> None:
    """All columns are there, and what is made from it is a plain DataFrame."""
    shown = listed(info("main"))

    assert list(shown.columns) == list(sessions_frame([]).columns)
    assert type(shown[shown["turns"] > 0]) is pd.DataFrame
