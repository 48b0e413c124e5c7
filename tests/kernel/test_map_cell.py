"""`%%claude --map` in a real kernel, with the real CLI."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from kernels import Content, Kernel

pytestmark = pytest.mark.newest_cli

DATA = "import pandas as pd\ndf = pd.DataFrame({'t': [f'text {n}' for n in range(12)]})"


def test_a_cell_maps_over_a_table(kernel: Kernel) -> None:
    """A bar while it runs; then a line with what it came to, and the table in the variable."""
    kernel.run(DATA)
    cell = kernel.run("%%claude --map df -o labels --tools ''\nLabel {t}")
    again = kernel.run("%%claude --map df -o labels\nLabel {t}")

    assert cell.error == ""
    assert "application/vnd.jupyter.widget-view+json" in cell.updates[0]
    assert ": 12 done; $" in cell.text
    assert set(cell.updates[-1]) == {"text/plain", "text/html"}, "a widget would be dead in a saved notebook"
    assert ": 12 cached; $0.0000" in again.text
    assert kernel.value("labels['text'].tolist()[:2]") == "['You said: Label text 0', 'You said: Label text 1']"
    assert kernel.value("labels['_status'].unique().tolist()") == "['cached']"


def test_a_map_as_a_method(kernel: Kernel) -> None:
    """From the cell on that follows the import of pandas."""
    kernel.run(DATA)
    cell = kernel.run("run = df.head(3).claude.map('Say {t}', workers=2)\nout = run.result(progress=False)")

    assert cell.error == ""
    assert kernel.value("out['text'].tolist()[2]") == "'You said: Say text 2'"
    assert kernel.value("run.open(1)").startswith("<Response success") or "You said" in kernel.value("run.open(1)")


def test_the_stop_button_returns_what_is_there(kernel: Kernel) -> None:
    """Within a second of being pressed; the cell ends as a stopped one, so that Run All stops."""
    kernel.run("rows = ['quick 1', 'quick 2', *(f'go on for long {n}' for n in range(20))]")
    pressed: list[float] = []

    def press() -> None:
        time.sleep(0.2)
        pressed.append(time.monotonic())
        os.kill(kernel.pid, signal.SIGINT)

    def watch(kind: str, content: Content) -> None:
        if not pressed and "2/22" in str(content) and kind in ("comm_msg", "stream", "display_data"):
            pressed.append(0.0)
            threading.Thread(target=press).start()

    cell = kernel.run("%%claude --map rows -o out\n{value}", on=watch)
    took = time.monotonic() - pressed[-1]

    assert "KeyboardInterrupt: stopped; run the cell again" in cell.error
    assert "Traceback" not in cell.error
    assert took < 3.0, "a second, on a machine that has nothing else to do"
    statuses = kernel.value("sorted({row['_status'] for row in out})")
    assert statuses == "['done', 'stopped']"


def test_a_wrong_column_is_one_line(kernel: Kernel) -> None:
    """Nothing is sent."""
    kernel.run(DATA)
    cell = kernel.run("%%claude --map df\nLabel {text}")

    assert "There is no column 'text'" in cell.printed
    assert "Traceback" not in cell.printed + cell.error


def test_the_state_of_maps(kernel: Kernel, folder: Path) -> None:
    """As a table."""
    kernel.run(DATA)
    kernel.run("%%claude --map df --bg -o run\nOnce {t}")
    kernel.run("run.result(progress=False)")

    assert "Once {t}" in kernel.run("%claude map").result
