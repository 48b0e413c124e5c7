"""The cells that a recorded turn added, put into the notebook as they were recorded: nothing is run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from claude_magic.kernel.outputs import Output
from claude_magic.lenient import items, mapping, mappings, string
from claude_magic.messages import Message, MessageType
from claude_magic.values.content import Block
from claude_magic.widgets.notebook_page import ANSWERS_WITHIN_S, PromptCell
from claude_magic.widgets.protocol import CellData

_TOOL = "mcp__kernel__add_cell"
_SHOWN = ("image/png", "image/jpeg", "image/gif", "image/webp")


def add_recorded_cells(place: PromptCell, turn_id: str, messages: Iterable[Message]) -> None:
    """Put the cells that a recorded turn added below its prompt, with the outputs that the model was told of.

    A notebook that was saved with such a cell has it already, and gets no second one.

    Args:
        place: the cell of the prompt that was played.
        turn_id: id of the prompt.
        messages: those of the turn.
    """
    cells = recorded_cells(messages)
    if not cells:
        return
    try:
        present = place.page.request(place.client, place.cell, "read").result(ANSWERS_WITHIN_S)
    except TimeoutError:
        return  # the page was closed; the answer shows what each cell was
    sources = {cell.get("source") for cell in present.get("cells") or ()}
    for cell in cells:
        if cell["source"] not in sources:
            cell["metadata"] = {"claude": {"turn": turn_id, "recorded": True}}
            place.page.request(place.client, place.cell, "insert", cell=cell)


def recorded_cells(messages: Iterable[Message]) -> list[CellData]:
    """Return the cells that a turn added, in order; those that were denied are not among them.

    Args:
        messages: those of the turn.
    """
    asked: dict[str, CellData] = {}
    cells: list[CellData] = []
    for message in messages:
        if message.type is MessageType.TOOL_USE and message.tool_name == _TOOL:
            kind = "markdown" if message.tool_input.get("cell_type") == "markdown" else "code"
            asked[message.tool_use_id] = {"cell_type": kind, "source": string(message.tool_input.get("source"))}
        elif message.type is MessageType.DECISION and message.edited and message.tool_use_id in asked:
            asked[message.tool_use_id]["source"] = string(message.tool_input.get("source"))
        elif message.type is MessageType.TOOL_RESULT and (cell := asked.pop(message.tool_use_id, None)) is not None:
            blocks = _result_blocks(message)
            head = next((at for at, block in enumerate(blocks) if " run as [" in string(block.get("text"))), None)
            if head is not None and cell["cell_type"] == "code":
                outputs = [output for block in blocks[head + 1 :] if (output := _output(block)) is not None]
                cells.append(cell | {"outputs": outputs, "execution_count": None})
            elif not message.is_error:
                cells.append(cell | {"execution_count": None})
    return cells


def _result_blocks(message: Message) -> list[Block]:
    results = mappings(mapping(message.raw.get("message")).get("content"))
    mine = [result for result in results if result.get("tool_use_id") == message.tool_use_id]
    return list(mappings(items(mine[0].get("content")))) if mine else []


def _output(block: dict[str, Any]) -> Output | None:
    if block.get("type") == "text":
        return {"output_type": "stream", "name": "stdout", "text": string(block.get("text"))}
    source = mapping(block.get("source"))
    kind, data = source.get("media_type"), source.get("data")
    if kind not in _SHOWN or not isinstance(data, str):
        return None
    return {"output_type": "display_data", "data": {kind: data}, "metadata": {}}
