"""The benchmark of the live view runs; how fast anything is, is no matter of a test."""

from __future__ import annotations

import pytest
from test_benchmarks import check_filled

from benchmarks.__main__ import QUICK, measure


@pytest.mark.timeout(240)
def test_view_is_measured() -> None:
    """Every way to show a run is measured with tiny sizes, and the report tells it."""
    check_filled(measure("view", **QUICK["view"]), "view")
