"""`%%claude --map`, `df.claude.map` and `%claude map` in a shell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from fakes import FakeCLIs
from IPython.core.error import UsageError


@pytest.fixture
def reviews(shell: Any) -> pd.DataFrame:
    """A table of the notebook's."""
    shell.run_cell("import pandas as pd")
    frame = pd.DataFrame({"title": ["A", "B", "C"]}, index=[7, 7, 8])
    shell.user_ns["df"] = frame
    return frame


def test_a_cell_maps_its_prompt_over_a_frame(
    shell: Any, reviews: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    """The variable gets the result; what it came to is said in a line."""
    shell.run_cell("%%claude --map df -o out\nRate {title}.")

    out = shell.user_ns["out"]
    assert out["text"].tolist() == ["echo: Rate A.", "echo: Rate B.", "echo: Rate C."]
    assert out.index.tolist() == [7, 7, 8]
    assert "3 done; $0.0300" in capsys.readouterr().err


def test_the_same_cell_again_costs_nothing(
    shell: Any, reviews: pd.DataFrame, clis: FakeCLIs, capsys: pytest.CaptureFixture[str]
) -> None:
    """Until it says `--fresh`."""
    for option in ("", "", "--fresh"):
        shell.run_cell(f"%%claude --map df {option}\nRate {{title}}.")

    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("map-") and "; $" in line]
    assert [line.partition(": ")[2] for line in told] == ["3 done; $0.0300", "3 cached; $0.0000", "3 done; $0.0300"]


def test_an_expression_names_the_rows(shell: Any, reviews: pd.DataFrame) -> None:
    """As for --attach."""
    shell.run_cell("%%claude --map df.head(1) -o out --quiet\nRate {title}.")

    assert len(shell.user_ns["out"]) == 1


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--map nothing", "--map nothing: it has no value"),
        ("--map 3", "takes a DataFrame or a Series"),
        ("--map df -s other", "-s makes no sense with --map"),
        ("--map df --attach df", "--attach makes no sense with --map"),
        ("--map df --schema table", "name the fields as a schema"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(
    shell: Any, reviews: pd.DataFrame, clis: FakeCLIs, line: str, words: str
) -> None:
    """And nothing starts."""
    with pytest.raises(UsageError, match=words):
        shell.run_cell(f"%%claude {line}\nRate {{title}}.")
    assert clis.started == []


def test_an_unknown_column_is_said_in_a_line(shell: Any, reviews: pd.DataFrame, clis: FakeCLIs) -> None:
    """With the columns there are."""
    with pytest.raises(UsageError, match=r"no column 'titles'\. Did you mean \{title\}"):
        shell.run_cell("%%claude --map df\nRate {titles}.")
    assert clis.started == []


def test_dry_run_shows_the_first_prompt(
    shell: Any, reviews: pd.DataFrame, clis: FakeCLIs, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is sent."""
    shell.run_cell("%%claude --map df --dry-run\nRate {title}.")

    assert "3 prompts" in (printed := capsys.readouterr().out)
    assert "Rate A." in printed
    assert clis.started == []


def test_a_frame_has_the_map_as_a_method(shell: Any, reviews: pd.DataFrame) -> None:
    """From the cell on that follows the import of pandas; a Series, too."""
    shell.run_cell('run = df.claude.map("Rate {title}.")\nout = run.result()')
    shell.run_cell('out2 = df["title"].claude.map("Rate {title}.").result()')

    assert shell.user_ns["out"]["_status"].tolist() == ["done"] * 3
    assert shell.user_ns["out2"]["_status"].tolist() == ["cached"] * 3


def test_the_table_of_maps(shell: Any, reviews: pd.DataFrame) -> None:
    """One row for each map of this kernel."""
    shell.run_cell("%%claude --map df --bg -o run\nRate {title}.")
    shell.user_ns["run"].result()
    shell.run_cell("maps = %claude map")
    maps = shell.user_ns["maps"]

    assert maps[["state", "rows", "done", "failed"]].to_numpy().tolist() == [["done", 3, 3, 0]]
    assert maps["map_id"].tolist() == [shell.user_ns["run"].map_id]


def test_budgets_of_the_settings_hold(
    make_shell: Callable[..., Any], clis: FakeCLIs, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is exhausted is a status, and no exception; an earlier map of the day counts."""
    shell = make_shell(daily_budget_usd=0.05)
    shell.user_ns["rows"] = list(range(20))
    shell.run_cell("%%claude --map rows -o out\nRate {value}.")
    shell.run_cell("%%claude --map rows -o again\nGrade {value}.")

    statuses = [row["_status"] for row in shell.user_ns["out"]]
    assert 4 <= statuses.count("done") <= 5
    assert statuses.count("done") + statuses.count("stopped") == 20
    again = [row["_status"] for row in shell.user_ns["again"]]
    assert statuses.count("done") + again.count("done") == 5
    assert "the budget of today is spent: $0.05 of $0.05" in capsys.readouterr().err
