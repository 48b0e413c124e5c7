"""Cells in a prompt: `{In[3]}`, `{Out[3]}`, `{Err}`, and those above it with `--cells-above`."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from typing import Any

from IPython.core.error import UsageError

from claude_magic.display.surfaces import make_widget
from claude_magic.kernel.cells import cell_blocks
from claude_magic.magics.context import NotebookContext
from claude_magic.rendering.text import plural
from claude_magic.values.content import text_block
from claude_magic.widgets.notebook_page import ANSWERS_WITHIN_S
from claude_magic.widgets.protocol import CellData

LONGEST_TRACEBACK = 6000
_ABOVE = "The {} above this prompt in the user's notebook, from top to bottom:\n\n{}"


class Fenced:
    """A text that stands in a prompt as a block of code.

    Args:
        text: it.
        language: the word after the fence.
    """

    def __init__(self, text: str, language: str) -> None:
        self._text, self._language = text.strip("\n"), language

    def __str__(self) -> str:
        fence = "```"
        while fence in self._text:
            fence += "`"
        return f"\n{fence}{self._language}\n{self._text}\n{fence}\n"


class Inputs:
    """`In` in a prompt: the cells that were run, as they were typed.

    Args:
        sources: their sources by number; the last one is the prompt's own.
    """

    def __init__(self, sources: list[str]) -> None:
        self._sources = sources

    def __getitem__(self, number: int) -> Fenced:
        place = number + len(self._sources) - 1 if number < 0 else number
        if not 0 < place < len(self._sources) - 1:
            raise LookupError(f"there is no cell {number}; the last one that was run is {len(self._sources) - 2}")
        return Fenced(self._sources[place], "python")


class Outputs:
    """`Out` in a prompt: the values that cells have shown.

    Args:
        values: they, by number.
    """

    def __init__(self, values: Mapping[int, Any]) -> None:
        self._values = values

    def __getitem__(self, number: int) -> Any:
        known = sorted(self._values)
        place = known[number] if number < 0 and -number <= len(known) else number
        if place not in self._values:
            raise LookupError(f"cell {number} has shown no value")
        return self._values[place]


class LastError:
    """`Err` in a prompt: the last error of a cell.

    Args:
        failure: source and error of the cell; `None` if none has failed.
    """

    def __init__(self, failure: tuple[str, BaseException] | None) -> None:
        self._failure = failure

    def __str__(self) -> str:
        if self._failure is None:
            raise LookupError("no cell has failed yet in this kernel")
        return str(Fenced(traceback_text(self._failure[1]), "text"))


def traceback_text(error: BaseException) -> str:
    """Return the traceback of a cell's error; of a long one its end."""
    # The first frame is IPython's own, which runs the cell.
    begin = error.__traceback__ and error.__traceback__.tb_next
    lines = "".join(traceback.format_exception(type(error), error, begin))
    return lines.strip() if len(lines) <= LONGEST_TRACEBACK else f"…\n{lines[-LONGEST_TRACEBACK:].strip()}"


def with_cells(context: NotebookContext, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the variables of a prompt with `In`, `Out` and `Err`; one of the user's own of that name wins.

    Args:
        context: what the magics share.
        variables: the variables where the prompt stands.
    """
    history: Any = context.shell.history_manager
    found: dict[str, Any] = dict(variables)
    if history is not None and found.get("In") is history.input_hist_parsed:
        found["In"] = Inputs(list(history.input_hist_raw))
    if history is not None and found.get("Out") is history.output_hist:
        found["Out"] = Outputs(found["Out"])
    found.setdefault("Err", LastError(context.last_failure))
    return found


def cells_above(context: NotebookContext, count: int) -> list[dict[str, Any]]:
    """Return the content blocks that carry the cells above the prompt: as the page shows them, or as they were run.

    Args:
        context: what the magics share.
        count: how many.

    Raises:
        UsageError: the page does not answer.
    """
    cells = _from_page(context)
    if cells is None:
        sources = list(context.shell.history_manager.input_hist_raw)[1:-1][-count:]
        first = len(context.shell.history_manager.input_hist_raw) - 1 - len(sources)
        shown = [f"In[{first + place}]:\n{source}" for place, source in enumerate(sources)]
    else:
        shown = [block["text"] for cell in cells[-count:] for block in cell_blocks(cell)]
    if not shown:
        return []
    words = plural(len(shown) if cells is None else len(cells[-count:]), "cell")
    return [context.kernel_tools.secrets().blocks([text_block(_ABOVE.format(words, "\n\n".join(shown)))])[0]]


def _from_page(context: NotebookContext) -> list[CellData] | None:
    """Return the cells above the prompt's own; `None` where no page shows the notebook."""
    bridge = context.runner.bridge
    if bridge is None:
        return None
    bridge.front_end(make_widget)
    place = bridge.prompt_cell()
    if place is None:
        return None
    for client in (place.client, *place.page.others(place.client)):
        reply = place.page.request(client, place.cell, "read")
        try:
            cells = reply.result(timeout=ANSWERS_WITHIN_S).get("cells") or []
        except TimeoutError:
            reply.cancel()
            continue
        ids = [cell.get("id") for cell in cells]
        return cells[: ids.index(place.cell)] if place.cell in ids else cells
    raise UsageError("--cells-above: the page that shows this notebook does not answer. Nothing was sent.")
