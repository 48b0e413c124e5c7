"""`%claude transcripts`: the CLI's own session files, from a cell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from IPython.core.error import UsageError

from claude_magic import read_transcripts

FILES = Path(__file__).parents[2] / "notebooks" / "data" / "session_files"


@pytest.fixture(autouse=True)
def session_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The user's session files are those of the example notebook; the cache is a folder of the test's own."""
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(FILES))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def table(shell: Any, line: str) -> pd.DataFrame:
    frame = shell.run_cell(f"%claude transcripts {line}").result
    assert isinstance(frame, pd.DataFrame)
    assert list(frame.index) == list(range(len(frame)))
    return frame


@pytest.mark.parametrize("name", ["sessions", "turns", "messages", "tools", "usage"])
def test_each_table(shell: Any, capsys: pytest.CaptureFixture[str], name: str) -> None:
    """The cell's value is the table that `read_transcripts` has, and nothing is printed."""
    expected = getattr(read_transcripts(cache=False), name)()

    found = table(shell, name)

    pd.testing.assert_frame_equal(found, expected)
    assert len(found) > 1
    assert capsys.readouterr().err == ""


def test_sessions_come_first(shell: Any) -> None:
    """With no word, the table is the one whose ids `%claude resume` takes."""
    assert list(table(shell, "")["session_id"]) == list(read_transcripts(cache=False).sessions()["session_id"])


@pytest.mark.parametrize("name", ["sessions", "turns", "messages", "tools", "usage"])
def test_one_session_by_the_beginning_of_its_id(shell: Any, name: str) -> None:
    """A session of the files has no short name: the beginning of its id, which its name ends with, is enough."""
    busiest = read_transcripts(cache=False).tools()["session"].mode()[0]
    whole = table(shell, name)

    for wanted in (f'"{busiest}"', busiest[-9:-1]):
        part = table(shell, f"{name} --session {wanted}")
        assert 0 < len(part) < len(whole)
        key = {"sessions": "name", "usage": "session_id"}.get(name, "session")
        assert (part[key].str.startswith(busiest[-9:-1]) if key == "session_id" else part[key] == busiest).all()


def test_by_tool(shell: Any) -> None:
    """Each table keeps what has to do with the tool."""
    tools = read_transcripts(cache=False).tools()
    name = tools["name"].value_counts().index[-1]
    used = tools[tools["name"] == name]

    assert len(table(shell, f"tools --tool {name}")) == len(used)
    assert set(table(shell, f"turns --tool {name}")["turn_id"]) == set(used["turn_id"].dropna())
    assert set(table(shell, f"sessions --tool {name}")["name"]) == set(used["session"])
    assert set(table(shell, f"usage --tool {name}")["turn_id"]) == set(used["turn_id"].dropna())


def test_by_time_project_and_number(shell: Any) -> None:
    """The newest rows, those since a moment, and those of a folder."""
    turns = read_transcripts(cache=False).turns()
    moment = turns["started"].sort_values().iloc[len(turns) // 2]

    assert list(table(shell, "turns --last 2")["turn_id"]) == list(turns["turn_id"][-2:])
    assert len(table(shell, f"turns --since {moment.isoformat()}")) == (turns["started"] >= moment).sum()
    assert len(table(shell, "turns --project no-such-folder")) == 0


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("logs", "'logs' is none of sessions, turns"),
        ("turn", "did you mean turns?"),
        ("--proyect .", "unrecognized filter --proyect; did you mean --project?"),
        ("turns --level error", "--level"),
        ("--all", "--all"),
        ("--session nobody", "no session 'nobody'"),
        ("--since soon", "neither a time back"),
    ],
)
def test_a_mistake_is_one_line(shell: Any, line: str, complaint: str) -> None:
    """It names the mistake."""
    with pytest.raises(UsageError) as raised:
        shell.run_cell(f"%claude transcripts {line}")

    assert complaint in str(raised.value)
    assert "\n" not in str(raised.value)
