"""The filters of `%claude turns`, `tools`, `history`, `logs` and `stats`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from fakes import FakeCLIs, FakeTransport, prompt_of
from IPython.core.error import UsageError

from claude_magic.magics.filters import Filters, parse_filters
from claude_magic.records.summary import Summary

NOW = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)
WORDS = ("turns", "tools", "history", "logs", "stats")


async def work(cli: FakeTransport, message: dict[str, Any]) -> None:
    """Use the tools that the prompt names; `fail` is an error on stderr's behalf."""
    cli.begin(message)
    for number, name in enumerate(word for word in prompt_of(message).split() if word.istitle()):
        use_id = f"{message['uuid']}-{number}"
        block = {"type": "tool_use", "id": use_id, "name": name, "input": {}}
        cli.say({"type": "assistant", "message": {"content": [block]}, "parent_tool_use_id": None})
        result = {
            "type": "tool_result",
            "tool_use_id": use_id,
            "content": "x",
            "is_error": "fail" in prompt_of(message),
        }
        cli.say({"type": "user", "message": {"role": "user", "content": [result]}, "parent_tool_use_id": None})
    cli.text("done")
    cli.result()


@pytest.fixture
def clis() -> FakeCLIs:
    return FakeCLIs(work)


@pytest.fixture
def busy(shell: Any) -> Any:
    """A shell after three turns in two sessions, the second of them closed."""
    shell.run_cell("%claude ask --quiet Bash Read please")
    shell.run_cell("%claude ask --quiet nothing")
    shell.run_cell("%claude ask --quiet -s second Bash fail")
    magics = shell.magics_manager.registry["ClaudeMagics"]
    magics.context.close_session("second")
    return shell


def table(shell: Any, line: str) -> pd.DataFrame:
    frame = shell.run_cell(f"%claude {line}").result
    assert isinstance(frame, pd.DataFrame)
    assert list(frame.index) == list(range(len(frame)))
    return frame


# What was typed.


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", Filters()),
        ("main", Filters(session="main")),
        ("'my session' --last 3", Filters(session="my session", last=3)),
        ("--session main --level warning --tool Bash", Filters(session="main", level="warning", tool="Bash")),
        ("-s main --since=2d", Filters(session="main", since=NOW - timedelta(days=2))),
    ],
)
def test_filters_are_read(line: str, expected: Filters) -> None:
    """A word alone is a session."""
    assert parse_filters("logs", line, NOW) == expected


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("--since yesterday", "'yesterday' is neither a time back"),
        ("--since 2026-99-99", "neither"),
        ("--since 99999999w", "longer ago than there are dates"),
        ("--level loud", "debug"),
        ("--last 0", "'0' is not a whole number"),
        ("--last many", "'many' is not a whole number"),
        ("--sess main", "unrecognized filter --sess; did you mean --session?"),
        ("--sesion=main", "did you mean --session?"),
        ("last 5", "unrecognized filter last; did you mean --last?"),
        ("--level warn", "'warn' is none of debug, info, warning, error; did you mean warning?"),
        ("--nothing-like-it", "unrecognized filter --nothing-like-it."),
        ("main other", "unrecognized filter other."),
        ("main --session other", "two sessions"),
        ("--tool 'Bash", "cannot be read"),
    ],
)
def test_a_mistake_is_one_line(shell: Any, line: str, complaint: str) -> None:
    """It names the mistake and what there is."""
    with pytest.raises(UsageError, match=r"%claude turns: .*--last N") as raised:
        shell.run_cell(f"%claude turns {line}")

    assert complaint in str(raised.value)
    assert "\n" not in str(raised.value)


# What is returned.


@pytest.mark.parametrize("word", WORDS)
def test_nothing_else_is_printed(busy: Any, capsys: pytest.CaptureFixture[str], word: str) -> None:
    """The table is the value of the cell, and that is all."""
    capsys.readouterr()
    busy.run_cell(f"frame = %claude {word} --last 1")

    assert capsys.readouterr().out == ""
    assert len(busy.user_ns["frame"]) == 1


def test_by_session(busy: Any) -> None:
    """One that was closed keeps its records; one there never was is a mistake; an id is as good as a name."""
    assert table(busy, "turns --session main")["turn"].tolist() == [1, 2]
    assert table(busy, "tools --session second")["name"].tolist() == ["Bash"]
    assert set(table(busy, "logs main")["session"]) == {"main"}
    assert table(busy, "history -s second")["text"].tolist() == ["Bash fail", "Bash {}", "x", "done"]
    session_id = table(busy, "turns --session main").loc[0, "session_id"]
    assert len(table(busy, f"turns --session {session_id}")) == 2
    with pytest.raises(UsageError, match="There is no session 'nosuch'"):
        busy.run_cell("%claude turns --session nosuch")


def test_by_tool(busy: Any) -> None:
    """Its uses, and of other tables what belongs to the turns that used it."""
    assert table(busy, "tools --tool Bash")["session"].tolist() == ["main", "second"]
    assert table(busy, "turns --tool Read")["prompt"].tolist() == ["Bash Read please"]
    assert set(table(busy, "logs --tool Bash")["session"]) == {"main", "second"}
    assert len(table(busy, "history --tool Nosuch")) == 0


def test_by_level(busy: Any) -> None:
    """Entries, and of other tables what belongs to the turns that have such entries."""
    assert table(busy, "logs --level warning")["message"].tolist() == ["x"]
    assert table(busy, "turns --level warning")["session"].tolist() == ["second"]
    assert len(table(busy, "turns --level error")) == 0


def test_by_time_and_number(busy: Any) -> None:
    """The last ones of those that are left."""
    assert len(table(busy, "turns --since 1h")) == 3
    assert len(table(busy, "turns --since 2999-01-01")) == 0
    assert table(busy, "turns --session main --last 1")["turn"].tolist() == [2]
    assert len(table(busy, "logs --since 1h --last 2")) == 2


def test_dtypes_stay(busy: Any) -> None:
    """Also of a table that has lost all its rows."""
    whole, nothing = table(busy, "turns"), table(busy, "turns --since 2999-01-01")

    assert nothing.dtypes.to_dict() == whole.dtypes.to_dict()


def test_stats_of_some_turns(busy: Any) -> None:
    """A summary of these turns, their tools and their time; a table too."""
    made = table(busy, "stats")
    assert isinstance(made, Summary)
    assert made["session"].tolist() == ["main", "second"]
    assert made.by_tool["uses"].sum() == 3

    some = table(busy, "stats --session main --last 1")
    assert (some["turns"].tolist(), len(some.by_tool)) == ([1], 0)
    assert repr(some).startswith("1 turn, 1 session · $0.0100")
