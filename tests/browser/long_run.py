"""For a notebook's cells: a run of 2 MB of text and 500 tool uses. Imported inside a kernel."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from IPython import get_ipython
from rendering.builders import message, response, result, use

from claude_magic.display.live import LiveDisplay
from claude_magic.messages import Message
from claude_magic.response import AnswerSource
from claude_magic.widgets.kernel_bridge import bridge_of

SCATTERED, IN_A_ROW = 460, 40
"""Tool uses with text between them, and others one after the other."""
TEXT = "".join(
    f"""

### Finding

The column **{name}** holds dates as text, so they sort as words; `{name}` must be read as dates. {"It is so. " * 20}

- first, the header is repeated
- then, a few rows are empty

```python
frame["{name}"] = pd.to_datetime(frame["{name}"])
```
"""
    for name in ("ordered", "packed", "shipped", "billed", "paid", "returned", "refunded", "filed", "closed", "kept")
)
OUTPUT = "\n".join(f"2026-11-{day:02d}  1299.00  0.25  north  shipped" for day in range(1, 29))
SECONDS, BATCHES = 3.0, 60


def show() -> None:
    """Show the run as the extension does: most of it at once, the rest slowly.

    It begins when there is a file `begin`, and is over when there is a file `end`.
    """
    display = LiveDisplay(
        bridge_of(get_ipython().kernel), session="long", model="claude-opus-4-8", mode="default",
        source=AnswerSource.SIMULATOR,
        on_stop=lambda: None, on_undo=lambda channel, dry_run: None,
    )  # fmt: skip
    display.begin()
    _wait_for("begin")
    every = list(messages())
    begun = len(every) * 9 // 10
    display.add(every[:begun])
    for at in range(begun, len(every), (len(every) - begun) // BATCHES):
        display.add(every[at : at + (len(every) - begun) // BATCHES])
        time.sleep(SECONDS / BATCHES)
    _wait_for("end")
    display.finish(response(*every, session="long"), {})


def _wait_for(name: str) -> None:
    while not Path(name).exists():
        time.sleep(0.02)


def messages() -> Iterator[Message]:
    """Yield what the run says."""
    yield from _tools(0, IN_A_ROW)
    for number in range(SCATTERED):
        for at in range(0, len(TEXT), 400):
            yield message("text", TEXT[at : at + 400])
        yield from _tools(IN_A_ROW + number, 1)
    yield message("text", "\n\n## The end of the long run")


def _tools(first: int, count: int) -> Iterator[Message]:
    for number in range(first, first + count):
        yield use(f"tool-{number}", "Bash", {"command": f"python summarize.py --by region --part {number}"})
        yield result(f"tool-{number}", OUTPUT)
