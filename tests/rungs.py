"""Which rung a test stands on; pytest marks each test with its own, so that `-m "pure or fake"` picks the fast ones."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parent
RUNGS = {
    "pure": "values in, values out",
    "fake": "sessions over a CLI in memory; a shell in this process; the simulator on a thread",
    "process": "starts processes of its own, such as a child that misbehaves in place of the CLI",
    "cli": "runs the real CLI against the simulator",
    "kernel": "runs a real kernel",
    "browser": "drives a real JupyterLab in a real Chromium",
}
"""From the lowest to the highest."""

_OF_PLACES = {
    "browser": "browser",
    "kernel": "kernel",
    "test_benchmarks.py": "kernel",
    "test_notebooks.py": "kernel",
    "batch/test_dask.py": "process",
    "batch/test_store.py": "process",
    "cli/test_command.py": "process",
    "cli/test_process.py": "process",
    "cli/test_reaper.py": "process",
    "simulator/test_simulator_command.py": "process",
    "test_wheel.py": "process",
    "transcripts/test_workers.py": "process",
}
_HELPERS = {"batch.maps": "fake", "fakes": "fake", "sessions": "fake", "shells": "fake"}
_FIXTURES = {"cli_path": "cli", "clis": "fake", "play": "fake"}
_STARTERS = {"subprocess": "process"}


def rung_of(item: pytest.Item) -> str:
    """Return the highest rung that the place, the fixtures or the code of a test ask for."""
    function = inspect.unwrap(getattr(item, "function", rung_of))
    reasons = {_of_place(item.path), _of_code(function)}
    reasons.update(_FIXTURES[name] for name in getattr(item, "fixturenames", ()) if name in _FIXTURES)
    return max(reasons, key=list(RUNGS).index)


def is_above(path: Path, marks: str) -> bool:
    """Say whether all tests of a file stand above those that are asked for, so that it need not be read.

    Args:
        path: the file.
        marks: what pytest was given with `-m`; anything else than rungs, as in "pure or fake", keeps every file.
    """
    rungs = list(RUNGS)
    asked = marks.split(" or ")
    return set(asked) <= RUNGS.keys() and rungs.index(_of_place(path)) > max(map(rungs.index, asked))


@cache
def _of_place(path: Path) -> str:
    place = path.relative_to(TESTS)
    return next((_OF_PLACES[one.as_posix()] for one in (place, *place.parents) if one.as_posix() in _OF_PLACES), "pure")


@cache
def _of_code(function: Any) -> str:
    """Say which rung the names ask for that a test, the helpers of its module and the imports of that use."""
    helpers = {getattr(value, "__module__", "") for value in function.__globals__.values()} & _HELPERS.keys()
    reasons = {"pure", *map(_HELPERS.__getitem__, helpers)}
    reasons.update(_STARTERS[name] for name in _names(function, set()) if name in _STARTERS)
    return max(reasons, key=list(RUNGS).index)


def _names(function: Any, seen: set[Any]) -> Iterator[str]:
    """Yield the names that a function uses, and those of the functions of its own module that it calls."""
    seen.add(function)
    codes = [function.__code__]
    for code in codes:
        codes += [constant for constant in code.co_consts if inspect.iscode(constant)]
        yield from code.co_names
    for name in {name for code in codes for name in code.co_names}:
        helper = function.__globals__.get(name)
        if inspect.isfunction(helper) and helper.__module__ == function.__module__ and helper not in seen:
            yield from _names(helper, seen)
