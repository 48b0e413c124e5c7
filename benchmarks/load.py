"""`load`: what it costs a kernel to have the extension loaded."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from benchmarks.kernels import kernel
from benchmarks.measuring import in_turns, median, share_of, temporary_home
from benchmarks.report import Report

_MEASURED = """
import gc as _gc, json as _json, time as _time, psutil as _psutil
_gc.collect()
_before, _started = _psutil.Process().memory_info().rss, _time.perf_counter()
{code}
_took = _time.perf_counter() - _started
print(_json.dumps([1e3 * _took, (_psutil.Process().memory_info().rss - _before) / 1e6]))
"""
_CELLS = {
    "nothing": "pass",
    "import claude_magic": "import claude_magic",
    "%load_ext claude_magic": "get_ipython().run_line_magic('load_ext', 'claude_magic')",
    "claude_magic.ClaudeClient": "from claude_magic import ClaudeClient",
    "import claude_agent_sdk": "import claude_agent_sdk",
    "import pandas": "import pandas",
}


def run(rounds: int = 5, cells: Sequence[str] = tuple(_CELLS)) -> Report:
    """Measure.

    Args:
        rounds: how many kernels are started for each cell.
        cells: which ones.
    """
    with temporary_home():
        for name in cells:
            cost(_CELLS[name])  # from now on it is compiled
        found = in_turns({name: partial(cost, _CELLS[name]) for name in cells}, rounds)
    report = Report("load", "what one cell costs a fresh kernel", ["ms", "MB"])
    bare = found["nothing"]
    report.rows["bare kernel: start, and all it holds"] = [
        1e3 * median([took for took, *_ in bare]),
        median([holds for _, holds, *_ in bare]),
    ]
    for name, values in found.items():
        report.rows[name] = [median([value[2] for value in values]), median([value[3] for value in values])]
    ms = {name: [value[2] for value in values] for name, values in found.items()}
    report.ratio(
        "import claude_agent_sdk beside %load_ext",
        share_of(ms["import claude_agent_sdk"], ms["%load_ext claude_magic"]),
    )
    for name, aim_ms in (("import claude_magic", 1), ("%load_ext claude_magic", 60)):
        if name in ms:
            report.ratio(name, median(ms[name]), unit="ms", aim=aim_ms, at_most=True)
    added = median([value[3] for value in found["%load_ext claude_magic"]])
    report.ratio("%load_ext claude_magic", added, unit="MB", aim=3, at_most=True)
    report.notes.append(f"{rounds} fresh kernels for each cell, in turns; what a kernel has already costs nothing.")
    return report


def cost(code: str) -> tuple[float, float, float, float]:
    """Return seconds until a kernel is ready, MB it holds, and milliseconds and MB that a cell adds."""
    with kernel() as fresh:
        holds = fresh.value("import psutil\nprint(psutil.Process().memory_info().rss / 1e6)")
        ms, mb = fresh.value(_MEASURED.format(code=code))
        return fresh.started_s, holds, ms, mb
