"""A cell that remembers what was displayed below it."""

from __future__ import annotations

from typing import Any

VIEW = "application/vnd.jupyter.widget-view+json"


class Cell:
    """What is displayed below a cell, the latest last."""

    def __init__(self) -> None:
        self.shown: list[dict[str, Any]] = []

    def display(self, bundle: dict[str, Any], **options: Any) -> Cell:
        assert options == {"raw": True, "display_id": True}
        self.shown.append(bundle)
        return self

    def update(self, bundle: dict[str, Any], **options: Any) -> None:
        assert options == {"raw": True}
        self.shown.append(bundle)
