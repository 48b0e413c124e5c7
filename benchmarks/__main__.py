"""`python -m benchmarks [NAME ...]`: run benchmarks, print their tables, and keep the numbers as JSON.

Ratios between alternatives, which are measured in turns, are compared with those of the last run that was committed
(`benchmarks/baseline.json`); each that got worse by more than 15 % is named. `--write-baseline` keeps those of this run
instead, for the benchmarks that were run: commit the file with the change that explains them.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks import baseline
from benchmarks.measuring import ROOT
from benchmarks.report import Report, machine, say

NAMES = (
    "stream",
    "latency",
    "map",
    "cluster",
    "load",
    "kernel",
    "memory",
    "frames",
    "looking",
    "transcripts",
    "view",
    "soak",
)
QUICK: dict[str, dict[str, Any]] = {
    "stream": {"messages": 2_000, "rounds": 1},
    "latency": {"rounds": 1},
    "cluster": {"rows": 40, "workers": 8, "stored": 20},
    "map": {"rows": 4, "own_rows": 40, "rounds": 1},
    "load": {"rounds": 1, "cells": ("nothing", "%load_ext claude_magic", "import claude_agent_sdk")},
    "kernel": {"sessions": 2, "seconds": 0.3, "rounds": 1},
    "memory": {"entries": 2_000, "messages": 2_000, "rounds": 1},
    "frames": {"turns": 200, "rounds": 1},
    "looking": {"names": 20, "rows": 1_000, "columns": 10, "rounds": 1},
    "transcripts": {"megabytes": 1, "rounds": 1, "alone": True},
    "soak": {"minutes": 0.05, "turns": 6, "sessions": 3},
    "view": {"seconds": 1.0, "runs": 2, "rounds": 1},
}
"""Sizes that show that a benchmark works, and nothing else."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with these arguments (`None`: those of the process) and return its exit code."""
    parser = _parser()
    options = parser.parse_args(argv)
    if options.quick and options.write_baseline:
        parser.error("what tiny sizes show is nothing to compare with: leave out --quick or --write-baseline")
    found: dict[str, Any] = {"machine": machine(), "quick": options.quick, "benchmarks": {}}
    if not options.json:
        print(_machine_lines(found["machine"]))
    for name in options.names or NAMES:
        say(f"{name} ...")
        report = measure(name, **(QUICK[name] if options.quick else {}))
        found["benchmarks"][name] = report.as_json()
        if not options.json:
            print(f"\n{report.as_text()}", flush=True)
    kept = baseline.read()
    found["worse"] = [] if options.quick else baseline.worse(found["benchmarks"], kept)
    if options.write_baseline:
        baseline.write(found["benchmarks"])
    text = json.dumps(found, indent=2)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(text + "\n", encoding="utf-8")
    if options.json:
        print(text)
    else:
        print(f"\n{_compared(found, kept)}\nThe numbers as JSON: {options.output}")
    return 0


def measure(name: str, **sizes: Any) -> Report:
    """Run one benchmark.

    Args:
        name: one of `NAMES`.
        sizes: arguments of its `run`; its own defaults are the full sizes.
    """
    started = time.perf_counter()
    report: Report = import_module(f"benchmarks.{name}").run(**sizes)
    report.took_s = time.perf_counter() - started
    return report


def _compared(found: dict[str, Any], kept: baseline.Ratios) -> str:
    """Return what there is to say about the last committed run."""
    known = [name for name in found["benchmarks"] if name in kept]
    if found["quick"] or not known:
        return "Nothing was compared with an earlier run."
    words = f"{100 * baseline.TOLERANCE:.0f} % beside {baseline.FILE.relative_to(ROOT)}"
    if not found["worse"]:
        return f"No ratio of {', '.join(known)} got worse by more than {words}."
    return "\n".join([f"Worse by more than {words}:", *(f"  {line}" for line in found["worse"])])


def _machine_lines(facts: dict[str, Any]) -> str:
    return "\n".join(f"  {name:<16}  {value}" for name, value in facts.items())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[*NAMES, []], help=f"{', '.join(NAMES)}; all")
    parser.add_argument("--json", action="store_true", help="print the JSON instead of the tables")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that everything works")
    parser.add_argument(
        "--write-baseline", action="store_true", help="keep this run's ratios in benchmarks/baseline.json"
    )
    parser.add_argument("--output", type=Path, default=ROOT / "output" / "benchmarks.json", help="file for the JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
