"""Tool uses, followed from use to result."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_magic.records.recorder import Recorder
from claude_magic.records.tool_uses import LONGEST_STRING, ToolRecord, ToolRecorder, input_text
from claude_magic.rendering.parts import ToolPart, ToolState
from claude_magic.rendering.view import RunView
from claude_magic.response import Response

from .lines import Line, Stream, asks, batch, decides, delta, result, system, tool_result, use


def followed(*lines: Line) -> ToolRecord:
    """The record of the only tool use in a turn's lines."""
    recorder = Recorder()
    recorder.add_batch(batch(*lines))
    (record,) = recorder.tools.records()
    return record


def test_tool_record_follows_a_tool_from_use_to_result() -> None:
    """Every column has its value; the time is from use to result."""
    recorder, stream = Recorder(), Stream()
    recorder.tools.begin_turn("main", 7, "t1")
    recorder.add_batch(stream.batch(delta("I look."), use("x", "Bash", parent="p", command="ls"), at=10.0))
    recorder.add_batch(stream.batch(tool_result("x", "a.py"), at=12.5))

    expected = ToolRecord("main", 7, "t1", "x", "p", "Bash", '{"command":"ls"}', 10.0, 2.5, False, "", 4)
    assert recorder.tools.records() == [expected]


def test_tool_record_follows_a_tool_of_the_api_and_it_is_shown() -> None:
    """The API runs it: use and result both stand in the assistant's message, each in a line of its own."""
    kind = "web_search_tool_result"
    found = [{"type": "web_search_result", "title": "Tides", "url": "https://t.example"}]
    use_block = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "tides"}}
    told = [
        {"type": "assistant", "message": {"role": "assistant", "content": [block]}, "parent_tool_use_id": None}
        for block in (use_block, {"type": kind, "tool_use_id": "s1", "content": found})
    ]
    lines = batch(*told)

    record = followed(*told)
    assert (record.name, record.input, record.is_error) == ("web_search", '{"query":"tides"}', False)
    (part,) = RunView.from_response(Response("", messages=tuple(lines.messages))).parts
    assert isinstance(part, ToolPart)
    assert (part.name, part.state, part.result) == ("web_search", ToolState.DONE, "Tides\nhttps://t.example")


def test_tool_record_of_a_running_tool_has_no_end_yet() -> None:
    """What is not known is not made up, and a snapshot does not change afterwards."""
    recorder, stream = Recorder(), Stream()
    recorder.add_batch(stream.batch(use("x")))
    before = recorder.tools.records()
    recorder.add_batch(stream.batch(tool_result("x", "done")))

    assert (before[0].duration_s, before[0].is_error, before[0].result_chars) == (None, None, None)
    assert recorder.tools.records()[0].is_error is False


ABORTED = result(
    permission_denials=[{"tool_name": "Bash", "tool_use_id": "x"}], terminal_reason="aborted_tools", is_error=True
)
DENIED = result(permission_denials=[{"tool_name": "Bash", "tool_use_id": "x"}])
REFUSED = system("permission_denied", tool_name="Bash", tool_use_id="x", message="no")


@pytest.mark.parametrize(
    ("lines", "permission"),
    [
        ((use("x"), tool_result("x", "ok"), result()), ""),
        ((use("x"), asks("x")), "asked"),
        ((use("x"), asks("x"), tool_result("x", "ok")), "allowed"),
        ((use("x"), asks("x"), tool_result("x", "Exit code 3", is_error=True)), "asked"),
        ((use("x"), asks("x"), tool_result("x", "Exit code 3", is_error=True), result()), "allowed"),
        ((use("x"), asks("x"), tool_result("x", "not now", is_error=True), DENIED), "denied"),
        ((use("x"), tool_result("x", "not now", is_error=True), DENIED), "denied"),
        ((use("x"), asks("x"), tool_result("x", "not now", is_error=True), ABORTED), "stopped"),
        ((use("x"), asks("x"), decides("x", allowed=False), tool_result("x", "no", is_error=True), ABORTED), "denied"),
        ((use("x"), REFUSED, tool_result("x", "no", is_error=True), result()), "denied"),
        ((use("x"), asks("x"), result(is_error=True, terminal_reason="aborted_tools")), "stopped"),
        ((asks("x"), use("x"), tool_result("x", "ok")), "allowed"),
    ],
)
def test_tool_record_reads_the_permission_from_how_the_turn_goes_on(lines: tuple[Line, ...], permission: str) -> None:
    """A failure after a question is a denial only where the result lists it."""
    assert followed(*lines).permission == permission


def test_tool_record_of_a_turn_that_never_ended_has_an_open_question() -> None:
    """The next turn's result says nothing about it."""
    recorder = Recorder()
    recorder.add_batch(batch(use("x"), asks("x"), tool_result("x", "bad", is_error=True), turn_id="t1"))
    recorder.add_batch(batch(use("y"), asks("y"), tool_result("y", "bad", is_error=True), result(), turn_id="t2"))

    assert [record.permission for record in recorder.tools.records()] == ["asked", "allowed"]


@pytest.mark.parametrize(("allowed", "permission"), [(True, "allowed"), (False, "denied")])
def test_tool_record_takes_a_decision_at_once(allowed: bool, permission: str) -> None:
    """Then nothing needs to be read from the turn."""
    recorder = Recorder()
    recorder.add_batch(batch(use("x"), asks("x"), decides("x", allowed), decides("never seen", allowed)))
    recorder.add_batch(batch(tool_result("x", "bad", is_error=True), result()))

    assert [record.permission for record in recorder.tools.records()] == [permission]


@pytest.mark.parametrize("lines", [(use("x", command="ls"), asks("x")), (asks("x", command="ls"), use("x"))])
def test_tool_record_has_the_edited_input_that_ran(lines: tuple[Line, ...]) -> None:
    """It replaces what the model wanted, and says so; also where the question comes before the use."""
    record = followed(*lines, decides("x", edited={"command": "pwd"}), tool_result("x", "/"), result())

    assert (record.input, record.permission) == ('{"command":"pwd"}', "edited")


@pytest.mark.parametrize("lines", [(use("x"), asks("x")), (asks("x"), use("x"))])
def test_tool_record_leaves_out_a_persons_time(lines: tuple[Line, ...]) -> None:
    """It counts from the decision on, whatever comes first; what was denied never ran."""
    for allowed, duration_s in ((True, 0.25), (False, None)):
        recorder, stream = Recorder(), Stream()
        recorder.add_batch(stream.batch(*lines, at=10.0))
        recorder.add_batch(stream.batch(decides("x", allowed), at=30.0))
        recorder.add_batch(stream.batch(tool_result("x", "?", is_error=not allowed), at=30.25))

        (record,) = recorder.tools.records()
        assert (record.started, record.duration_s) == (10.0, duration_s)


def test_tool_record_denied_without_a_question_has_no_duration() -> None:
    """The end of the turn lists it."""
    assert followed(use("x"), tool_result("x", "not now", is_error=True), DENIED).duration_s is None


def test_tool_record_is_one_where_the_question_comes_before_the_use() -> None:
    """It counts once, with what both of them know."""
    record = followed(asks("x", "Bash", command="ls"), use("x", "Bash", parent="agent", command="ls"))

    assert (record.parent_tool_use_id, record.input) == ("agent", '{"command":"ls"}')


def test_tool_record_is_another_where_an_id_comes_again_in_another_turn() -> None:
    """Results go to the latest one."""
    recorder = Recorder()
    recorder.add_batch(batch(use("x"), tool_result("x", "one"), turn_id="t1"))
    recorder.add_batch(batch(use("x"), tool_result("x", "three"), turn_id="t2"))

    assert [(record.turn_id, record.result_chars) for record in recorder.tools.records()] == [("t1", 3), ("t2", 5)]


def test_tool_record_of_an_unannounced_turn_has_no_number() -> None:
    """Also where an older turn of the session has one."""
    recorder = Recorder()
    recorder.tools.begin_turn("main", 1, "t1")
    recorder.add_batch(batch(use("x"), turn_id="t1"))
    recorder.add_batch(batch(use("y"), turn_id="background"))

    assert [record.turn for record in recorder.tools.records()] == [1, None]


def test_tool_recorder_leaves_results_of_unknown_uses_alone() -> None:
    """A session that was resumed may bring some."""
    recorder = Recorder()
    recorder.add_batch(batch(tool_result("x", "late"), result()))

    assert recorder.tools.records() == []


def test_tool_recorder_bounds_the_number_of_uses_and_counts_the_dropped() -> None:
    """The newest stay, and still get their results."""
    recorder = Recorder()
    recorder.tools = ToolRecorder(max_records=2)
    recorder.add_batch(batch(use("1"), use("2"), use("3"), tool_result("1", "gone"), tool_result("3", "kept")))

    assert [(record.tool_use_id, record.result_chars) for record in recorder.tools.records()] == [("2", None), ("3", 4)]
    assert recorder.tools.dropped == 1
    with pytest.raises(ValueError, match="max_records"):
        ToolRecorder(max_records=0)


def test_tool_recorder_bounds_the_memory_of_inputs() -> None:
    """Large inputs make room as well."""
    recorder = Recorder()
    large = {str(place): "x" * LONGEST_STRING for place in range(300)}
    recorder.add_batch(batch(use("1", **large), use("2", **large), use("3", **large)))

    assert [record.tool_use_id for record in recorder.tools.records()] == ["2", "3"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner, max_size=3),
    max_leaves=9,
)


@given(st.dictionaries(st.text("abc"), JSON, max_size=4))
def test_input_text_is_json_of_the_same_value(value: dict[str, object]) -> None:
    """What is short enough comes back as it was."""
    assert json.loads(input_text(value)) == value


def test_input_text_cuts_a_long_string_and_stays_json() -> None:
    """A written file does not fill the memory."""
    text = input_text({"path": "a", "edits": [{"content": "x" * 50_000}]})

    content = msgspec.json.decode(text)["edits"][0]["content"]
    assert (len(content), content[-1]) == (LONGEST_STRING, "…")
