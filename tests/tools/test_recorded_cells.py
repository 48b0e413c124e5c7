"""What a recorded turn added to the notebook, read from its messages."""

from __future__ import annotations

import json
from typing import Any

from claude_magic.cli.decoder import Decoder
from claude_magic.kernel.recorded_cells import recorded_cells
from claude_magic.redaction import Redactor

PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}


def texts(*lines: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": line} for line in lines]


def turn(*calls: tuple[dict[str, Any], list[dict[str, Any]], bool]) -> list[Any]:
    """The messages of a turn that added cells: input, content of the result, whether that is an error."""
    lines: list[dict[str, Any]] = []
    for number, (given, content, is_error) in enumerate(calls):
        name = f"toolu_{number}"
        use = {"type": "tool_use", "id": name, "name": "mcp__kernel__add_cell", "input": given}
        result = {"type": "tool_result", "tool_use_id": name, "content": content, "is_error": is_error}
        lines.append({"type": "assistant", "message": {"id": f"m{number}", "role": "assistant", "content": [use]}})
        lines.append({"type": "user", "message": {"role": "user", "content": [result]}})
    return Decoder(Redactor([])).decode([json.dumps(line).encode() for line in lines], 0.0)


def test_a_code_cell_has_what_the_model_was_told_of_its_outputs() -> None:
    told = [*texts("The cell c1 was added and run as [3].", "42\n"), PNG]

    (made,) = recorded_cells(turn(({"source": "print(42)"}, told, False)))

    assert made == {
        "cell_type": "code", "source": "print(42)", "execution_count": None,
        "outputs": [
            {"output_type": "stream", "name": "stdout", "text": "42\n"},
            {"output_type": "display_data", "data": {"image/png": "AAAA"}, "metadata": {}},
        ],
    }  # fmt: skip


def test_a_cell_that_failed_was_added_and_one_that_was_denied_was_not() -> None:
    failed = texts("The cell c1 was added and run as [3].", "ZeroDivisionError: division by zero")
    calls = (({"source": "1/0"}, failed, True), ({"source": "x"}, texts("The user denied it."), True))

    assert [made["source"] for made in recorded_cells(turn(*calls))] == ["1/0"]


def test_markdown_and_a_cell_that_was_not_run() -> None:
    text = ({"source": "**so**", "cell_type": "markdown"}, texts("Added the cell c2."), False)
    unrun = ({"source": "await x"}, texts("Added the cell c3; it was not run: a cell that awaits."), False)

    made = recorded_cells(turn(text, unrun))

    assert [(one["cell_type"], one.get("outputs")) for one in made] == [("markdown", None), ("code", None)]
