"""What goes out: literal prompts, whole lines, and control messages in the CLI's shape."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from lines import text_block

from claude_magic.cli.encoder import control_error, control_request, control_success, encode, user_message


def test_encoder_makes_a_prompt_literal_unless_told_otherwise() -> None:
    """The last text block is a line feed, in which the CLI finds no command and no path."""
    literal = user_message("/cost @/etc/passwd", "id-1")
    typed = user_message("/cost", "id-2", literal=False)
    blocks = user_message([text_block("see")], "id-3")

    assert literal["message"]["content"] == [text_block("/cost @/etc/passwd"), text_block("\n")]
    assert literal["uuid"] == "id-1"
    assert typed["message"]["content"] == "/cost"
    assert blocks["message"]["content"] == [text_block("see"), text_block("\n")]


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner), max_leaves=5))
def test_encoder_writes_one_json_line(value: Any) -> None:
    """Whatever is in a message, it is one line that reads back."""
    line = encode({"value": value})

    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert json.loads(line) == {"value": value}


def test_encoder_escapes_a_lone_surrogate() -> None:
    """A str from a broken file cannot be encoded as UTF-8; it must not end the session."""
    assert json.loads(encode({"a": "x\ud83d"})) == {"a": "x\ud83d"}


def test_encoder_writes_control_messages() -> None:
    """Requests and both kinds of answers have the CLI's shape."""
    assert control_request("r1", "set_model", model="m") == {
        "type": "control_request", "request_id": "r1", "request": {"subtype": "set_model", "model": "m"},
    }  # fmt: skip
    assert control_success("r1", {"a": 1})["response"] == {
        "subtype": "success", "request_id": "r1", "response": {"a": 1},
    }  # fmt: skip
    assert control_error("r1", "no")["response"] == {"subtype": "error", "request_id": "r1", "error": "no"}
