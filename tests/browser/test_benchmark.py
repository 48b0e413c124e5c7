"""The benchmark of the live view runs; how fast anything is, is no matter of a test."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from test_benchmarks import check_filled

from benchmarks.__main__ import QUICK, measure


@pytest.mark.timeout(240)
def test_view_is_measured() -> None:
    """Every way to show a run is measured with tiny sizes, and the report tells it."""
    with ThreadPoolExecutor(1) as thread:  # a browser of its own cannot be driven where another one already is
        report = thread.submit(measure, "view", **QUICK["view"]).result()
    check_filled(report, "view")
