"""What the ratios were in the last run that was committed: absolute times say more of the machine than of the code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.measuring import ROOT

FILE = ROOT / "benchmarks" / "baseline.json"
TOLERANCE = 0.15
"""How much worse a ratio may get before it is named."""

Ratios = dict[str, dict[str, float]]
"""For each benchmark, its ratios by what they compare."""


def read(file: Path = FILE) -> Ratios:
    """Return the ratios of the committed run; none if there was no run."""
    if not file.exists():
        return {}
    ratios: Ratios = json.loads(file.read_text(encoding="utf-8"))
    return ratios


def write(benchmarks: Mapping[str, Any], file: Path = FILE) -> None:
    """Keep the ratios of a run in place of those that were kept of the same benchmarks.

    Args:
        benchmarks: what the benchmarks found, as `Report.as_json` says it.
        file: where they are kept.
    """
    kept = read(file) | {name: ratios for name, found in benchmarks.items() if (ratios := _ratios(found))}
    file.write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def worse(benchmarks: Mapping[str, Any], ratios: Ratios) -> list[str]:
    """Return a line for each ratio of a run that is worse than it was by more than `TOLERANCE`.

    Args:
        benchmarks: what the benchmarks found, as `Report.as_json` says it.
        ratios: those of an earlier run. What is new or gone is not compared.
    """
    lines = []
    for name, found in benchmarks.items():
        is_lower_better = {one["what"]: one["at_most"] for one in found["ratios"]}
        before = ratios.get(name, {})
        for what, value in _ratios(found).items():
            if what not in before or not before[what] or not value:
                continue
            share = value / before[what] if is_lower_better[what] else before[what] / value
            if share > 1 + TOLERANCE:
                lines.append(f"{name}: {what}: {value:.3g} x, was {before[what]:.3g} x ({share:.2f} times worse)")
    return lines


def _ratios(found: Mapping[str, Any]) -> dict[str, float]:
    return {one["what"]: float(f"{one['value']:.3g}") for one in found["ratios"] if one["unit"] == "x"}
