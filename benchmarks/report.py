"""What a benchmark found: rows of numbers, ratios between them, and how to print both."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

_PACKAGES = ("claude-magic", "claude-agent-sdk", "msgspec", "orjson", "ipython", "ipykernel", "pandas")


@dataclass(frozen=True)
class Ratio:
    """One number to judge by.

    Attributes:
        what: which two things are compared, or what was measured.
        value: the number.
        unit: its unit, "x" for a ratio.
        aim: what is to be reached, or `None`.
        at_most: whether less is better, and `aim` a ceiling; else more is, and it is a floor.
    """

    what: str
    value: float
    unit: str = "x"
    aim: float | None = None
    at_most: bool = False

    @property
    def is_reached(self) -> bool | None:
        """Whether the aim is reached; `None` where there is none."""
        if self.aim is None:
            return None
        return self.value <= self.aim if self.at_most else self.value >= self.aim


@dataclass
class Report:
    """What one benchmark found.

    Attributes:
        name: the benchmark.
        title: what it measures, in one line.
        columns: names of the numbers, with their unit.
        rows: the numbers of each alternative, by its name; `None` where one has none.
        ratios: what to judge by.
        notes: what a reader must know.
        took_s: how long it ran, in seconds.
    """

    name: str
    title: str
    columns: Sequence[str]
    rows: dict[str, list[float | None]] = field(default_factory=dict)
    ratios: list[Ratio] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    took_s: float = 0.0

    def ratio(
        self, what: str, value: float, *, unit: str = "x", aim: float | None = None, at_most: bool = False
    ) -> None:
        """Add a number to judge by; see `Ratio`."""
        self.ratios.append(Ratio(what, value, unit, aim, at_most))

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values for `json.dumps`."""
        return {
            "title": self.title,
            "rows": [{"name": name, **dict(zip(self.columns, row, strict=True))} for name, row in self.rows.items()],
            "ratios": [{**asdict(ratio), "reached": ratio.is_reached} for ratio in self.ratios],
            "notes": self.notes,
            "took_s": round(self.took_s, 1),
        }

    def as_text(self) -> str:
        """Return it as a table for people."""
        head = ["", *self.columns]
        body = [[name, *map(_number, row)] for name, row in self.rows.items()]
        lines = [f"{self.name}: {self.title}", "", *_table([head, *body])]
        if self.ratios:
            lines += ["", *_table([_ratio_row(ratio) for ratio in self.ratios])]
        lines += ["", *(f"  {note}" for note in self.notes)] if self.notes else []
        return "\n".join([*lines, f"  (took {self.took_s:.0f} s)"])


def machine() -> dict[str, Any]:
    """Return what the numbers depend on: the machine, how busy it is, and the versions."""
    load = os.getloadavg() if hasattr(os, "getloadavg") else ()
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "cores": os.cpu_count(),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.release()}",
        "load_1min": round(load[0], 2) if load else None,
        "python": platform.python_version(),
        **{name: _version(name) for name in _PACKAGES},
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _version(package: str) -> str:
    if package == "claude-magic":
        from claude_magic import __version__

        return __version__
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def _ratio_row(ratio: Ratio) -> list[str]:
    row = [ratio.what, f"{_number(ratio.value)} {ratio.unit}"]
    if ratio.aim is None:
        return [*row, "", ""]
    bound = "at most" if ratio.at_most else "at least"
    return [*row, f"aim: {bound} {_number(ratio.aim)}", "reached" if ratio.is_reached else "missed"]


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _table(rows: Iterable[Sequence[str]]) -> list[str]:
    """Lay out rows: the first column to the left, the others to the right."""
    rows = list(rows)
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return [
        "  " + "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]


def say(words: str) -> None:
    """Tell whoever waits how far it is, on stderr."""
    print(words, file=sys.stderr, flush=True)
