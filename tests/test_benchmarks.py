"""The benchmarks run and report in their fixed shape; how fast anything is, is no matter of a test."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from benchmarks import baseline
from benchmarks.__main__ import NAMES, QUICK, main, measure
from benchmarks.measuring import in_turns, percentile
from benchmarks.report import Ratio, Report
from benchmarks.view import Seen


@pytest.mark.parametrize("name", [name for name in NAMES if name != "view"])  # that one needs a browser
def test_a_benchmark_runs_with_tiny_sizes_and_fills_its_table(name: str) -> None:
    """Each benchmark measures something for every row, and its table and its JSON say the same."""
    check_filled(measure(name, **QUICK[name]), name)


def test_the_command_prints_json_and_keeps_it_in_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--json` prints one JSON object, with the machine and every benchmark asked for, and writes the same file."""
    monkeypatch.setattr("benchmarks.__main__.measure", _measure_nothing)
    output = tmp_path / "deep" / "benchmarks.json"
    assert main(["stream", "memory", "--json", "--quick", f"--output={output}"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads(output.read_text())
    assert list(printed["benchmarks"]) == ["stream", "memory"]
    assert printed["benchmarks"]["stream"]["rows"] == [{"name": "ours", "messages/s": 2.0, "MB": None}]
    assert printed["benchmarks"]["stream"]["ratios"][0]["reached"] is False
    assert {"cores", "python", "claude-magic", "claude-agent-sdk"} <= set(printed["machine"])


def test_the_command_prints_a_table_of_all_benchmarks_by_default(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without names all of them run; a missed aim is said and is no failure."""
    monkeypatch.setattr("benchmarks.__main__.measure", _measure_nothing)
    assert main([f"--output={tmp_path / 'b.json'}"]) == 0
    printed = capsys.readouterr().out
    assert all(f"{name}: nothing at all" in printed for name in NAMES)
    assert "missed" in printed


def test_an_unknown_benchmark_is_refused() -> None:
    """A name that is none ends the command with the usual code for wrong arguments."""
    with pytest.raises(SystemExit) as ended:
        main(["speed"])
    assert ended.value.code == 2


def test_alternatives_are_measured_in_turns_from_changing_starts() -> None:
    """Every way is called once each round, and none of them is always the first."""
    calls: list[str] = []

    def way(name: str) -> str:
        calls.append(name)
        return name

    found = in_turns({"a": lambda: way("a"), "b": lambda: way("b")}, rounds=2)
    assert calls == ["a", "b", "b", "a"]
    assert found == {"a": ["a", "a"], "b": ["b", "b"]}


def test_a_ratio_that_got_worse_is_named(tmp_path: Path) -> None:
    """By more than 15 %, whichever way is better; what is new, is no ratio or is a little worse is not."""
    file = tmp_path / "baseline.json"
    baseline.write({"stream": _found({"fast": 10.0, "slow": 10.0, "gone": 1.0}, less={"lean": 2.0, "fat": 2.0})}, file)
    kept = baseline.read(file)
    found = _found({"fast": 8.8, "slow": 8.6, "new": 1.0}, less={"lean": 2.2, "fat": 2.4}, ms={"late": 99.0})

    assert kept == {"stream": {"fast": 10.0, "slow": 10.0, "gone": 1.0, "lean": 2.0, "fat": 2.0}}
    assert baseline.worse({"stream": found, "load": found}, kept) == [
        "stream: slow: 8.6 x, was 10 x (1.16 times worse)",
        "stream: fat: 2.4 x, was 2 x (1.20 times worse)",
    ]


def test_the_baseline_is_written_for_what_was_run(tmp_path: Path) -> None:
    """Other benchmarks keep theirs; a number with another unit than a ratio is not kept."""
    file = tmp_path / "baseline.json"
    assert baseline.read(file) == {}
    baseline.write({"stream": _found({"fast": 1.0}), "load": _found({"light": 1.0})}, file)
    baseline.write({"stream": _found({"fast": 2.34567}, ms={"late": 99.0})}, file)

    assert baseline.read(file) == {"stream": {"fast": 2.35}, "load": {"light": 1.0}}


def test_the_command_compares_with_the_committed_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says what got worse and is no failure; tiny sizes are neither compared nor kept."""
    monkeypatch.setattr("benchmarks.__main__.measure", _measure_nothing)
    monkeypatch.setattr("benchmarks.baseline.read", lambda: {"stream": {"ours beside theirs": 2.0}})
    output = f"--output={tmp_path / 'b.json'}"

    assert main(["stream", output]) == 0
    assert "  stream: ours beside theirs: 1 x, was 2 x (2.00 times worse)" in capsys.readouterr().out
    assert main(["stream", "--quick", output]) == 0
    assert "Nothing was compared" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["stream", "--quick", "--write-baseline", output])


def test_the_committed_run_knows_the_benchmarks_there_are() -> None:
    """None was renamed since; what it has are ratios."""
    kept = baseline.read()
    assert kept
    assert kept.keys() <= set(NAMES)
    assert all(value > 0 for ratios in kept.values() for value in ratios.values())


def test_an_aim_may_be_a_floor_or_a_ceiling() -> None:
    """`reached` follows the direction of the aim, and is open where there is none."""
    assert Ratio("faster", 11, aim=10).is_reached is True
    assert Ratio("memory", 21, "MB", aim=20, at_most=True).is_reached is False
    assert Ratio("anything", 1).is_reached is None


def test_a_percentile_is_one_of_the_values() -> None:
    """The 99th percentile of a hundred values is the largest but none beyond it."""
    values = [float(number) for number in range(100)]
    assert percentile(values, 0.99) == 99.0
    assert percentile(values, 0.5) == 50.0
    assert percentile([3.0], 0.99) == 3.0


def test_waits_are_from_the_piece_to_the_first_frame_that_shows_it() -> None:
    """A frame that shows several pieces ends the waits of all of them; what no frame showed is left out."""
    seen = Seen(stamps=[100, 110, 120, 200], paints=[(100, 116.0), (120, 133.0)])
    assert seen.waits() == [16.0, 23.0, 13.0]


def check_filled(report: Report, name: str) -> None:
    """Fail unless each row and ratio has its numbers, and text and JSON tell them all."""
    assert report.name == name
    assert len(report.rows) >= 3
    for row in report.rows.values():
        assert len(row) == len(report.columns)
        assert any(value is not None for value in row)
        assert all(math.isfinite(value) for value in row if value is not None)
    assert report.ratios
    assert all(math.isfinite(ratio.value) for ratio in report.ratios)
    text = report.as_text()
    found = report.as_json()
    assert [row["name"] for row in found["rows"]] == list(report.rows)
    for line in [*report.columns, *report.rows, *(ratio.what for ratio in report.ratios)]:
        assert line in text


def _found(ratios: dict[str, float], less: dict[str, float] | None = None, ms: dict[str, float] | None = None) -> Any:
    """What a benchmark found; in `less`, less is better."""
    report = Report("stream", "nothing at all", ["messages/s"])
    for what, value in ratios.items():
        report.ratio(what, value)
    for what, value in (less or {}).items():
        report.ratio(what, value, at_most=True)
    for what, value in (ms or {}).items():
        report.ratio(what, value, unit="ms")
    return report.as_json()


def _measure_nothing(name: str, **sizes: object) -> Report:
    report = Report(name, "nothing at all", ["messages/s", "MB"], {"ours": [2.0, None]})
    report.ratio("ours beside theirs", 1.0, aim=10)
    return report
