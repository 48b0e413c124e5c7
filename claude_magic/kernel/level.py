"""`KernelLevel`: how much Claude may do in the kernel."""

from __future__ import annotations

from enum import StrEnum


class KernelLevel(StrEnum):
    """What Claude may do in the kernel, in rising order."""

    OFF = "off"
    READ = "read"
    ASK = "ask"
    RUN = "run"

    @property
    def rank(self) -> int:
        """0 for `off` to 3 for `run`."""
        return list(KernelLevel).index(self)

    def at_most(self, ceiling: KernelLevel) -> KernelLevel:
        """Return this level, or the ceiling where that is lower."""
        return self if self.rank <= ceiling.rank else ceiling
