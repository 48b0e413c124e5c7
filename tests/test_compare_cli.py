"""What `compare_cli.py` says of two versions: shapes and names, not values."""

from __future__ import annotations

from compare_cli import differences, shapes


def test_shapes_names_fields_and_not_values() -> None:
    """Fields of objects and of the items of lists, by type and subtype."""
    lines = [b'{"type":"system","subtype":"init","tools":["Bash"],"plugins":[{"name":"a"},{"path":"b"}]}']

    assert shapes(lines) == {
        "system/init": {
            "type",
            "subtype",
            "tools",
            "tools[]",
            "plugins",
            "plugins[]",
            "plugins[].name",
            "plugins[].path",
        }
    }


def test_shapes_do_not_look_into_data() -> None:
    """Arguments of a tool and names of models are no part of the protocol."""
    lines = [b'{"type":"assistant","input":{"command":"ls"},"modelUsage":{"claude-x":{"costUSD":1}}}']

    assert shapes(lines) == {"assistant": {"type", "input", "modelUsage"}}


def test_shapes_tell_events_and_requests_apart() -> None:
    """Each event of the stream and each control request is a kind of its own."""
    lines = [
        b'{"type":"stream_event","event":{"type":"message_stop"}}',
        b'{"type":"control_request","request":{"subtype":"can_use_tool"}}',
    ]

    assert sorted(shapes(lines)) == ["control_request/can_use_tool", "stream_event/message_stop"]


def test_differences_are_told_in_both_directions() -> None:
    """New and missing headings, new and missing names under one heading."""
    before = {"flags": ["--a", "--b"], "gone/kind": ["x"], "same": ["x"]}
    now = {"flags": ["--b", "--c", "--d"], "new/kind": ["x"], "same": ["x"]}

    assert differences(before, now) == [
        "new: new/kind",
        "gone: gone/kind",
        "flags: new --c, --d",
        "flags: gone --a",
    ]
