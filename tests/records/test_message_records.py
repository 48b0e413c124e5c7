"""The messages that a person would read, and the one observer that feeds all records."""

from __future__ import annotations

from claude_magic.messages import Batch, Message, MessageDetails, MessageType
from claude_magic.records.message_records import LONGEST_TEXT, MessageRecord, MessageRecorder
from claude_magic.records.recorder import Recorder

from .lines import Stream, asks, batch, delta, result, said, stderr, stop, system, thought, tool_result, use


def test_message_records_of_a_turn_read_like_a_conversation() -> None:
    """Prompt, thinking, answer, tool use, result and the rest of the answer, each whole and in order."""
    recorder, stream = Recorder(), Stream()
    recorder.messages.begin_turn("main", 3, "t1", "how many?", 90.0)
    recorder.add_batch(stream.batch(system("init", model="m"), thought("hm"), delta("I look"), stop(), at=91.0))
    recorder.add_batch(stream.batch(said("I look"), use("x", "Bash", command="ls"), asks("x"), at=92.0))
    recorder.add_batch(stream.batch(tool_result("x", "42"), delta("It is "), delta("42."), result(), at=93.0))

    assert recorder.messages.records() == [
        MessageRecord("main", 3, "t1", 90.0, "user", "text", "how many?"),
        MessageRecord("main", 3, "t1", 91.0, "assistant", "thinking", "hm"),
        MessageRecord("main", 3, "t1", 92.0, "assistant", "text", "I look"),
        MessageRecord("main", 3, "t1", 92.0, "assistant", "tool_use", 'Bash {"command":"ls"}'),
        MessageRecord("main", 3, "t1", 93.0, "tool", "tool_result", "42"),
        MessageRecord("main", 3, "t1", 93.0, "assistant", "text", "\n\nIt is 42."),
    ]


def test_message_records_have_notes_of_what_went_wrong() -> None:
    """Retries, failures and limits that are near; not the technical rest."""
    recorder = Recorder()
    near = {"type": "rate_limit_event", "rate_limit_info": {"status": "allowed_warning"}}
    fine = {"type": "rate_limit_event", "rate_limit_info": {"status": "allowed"}}
    retry = system("api_retry", attempt=1, max_retries=4, retry_delay_ms=500, error_status=529)
    recorder.add_batch(batch(retry, near, fine, result("Overloaded", is_error=True)))
    recorder.add_batch(stderr("some warning"))

    notes = [(record.role, record.kind, record.text) for record in recorder.messages.records()]
    assert notes == [
        ("system", "note", "the API failed (529): retry 1 of 4 in 0.5 s"),
        ("system", "note", "rate limit: allowed_warning"),
        ("system", "note", "turn ended: Overloaded"),
    ]


def test_message_records_have_a_failure_once_that_is_told_twice() -> None:
    """The CLI says it in a message and again in the result."""
    recorder = Recorder()
    failure = said("Credit balance is too low") | {"error": "billing_error"}
    recorder.add_batch(batch(failure, result("Credit balance is too low", is_error=True)))
    recorder.add_batch(batch(result("Credit balance is too low", is_error=True), session="other"))

    assert [(record.session, record.text) for record in recorder.messages.records()] == [
        ("main", "Credit balance is too low"),
        ("other", "turn ended: Credit balance is too low"),
    ]


def test_message_records_of_tasks_are_their_end_and_what_subagents_say() -> None:
    """Their progress is in the log."""
    recorder = Recorder()
    progress = {"type": "tool_progress", "tool_name": "Bash", "parent_tool_use_id": "x", "elapsed_time_seconds": 30}
    spoken = said("I found it") | {"parent_tool_use_id": "x"}
    ended = system("task_notification", status="completed", summary="tests ran")
    recorder.add_batch(batch(system("task_started", description="tests"), progress, spoken, ended))

    assert [(record.role, record.text) for record in recorder.messages.records()] == [
        ("assistant", "I found it"),
        ("system", "task notification: tests ran"),
    ]


def test_message_records_of_an_unprompted_turn_have_no_prompt() -> None:
    """Its messages still have its number."""
    recorder = Recorder()
    recorder.messages.begin_turn("main", 4, "t1", "", 90.0)
    recorder.add_batch(batch(delta("The task is done."), result()))

    assert [(record.turn, record.role) for record in recorder.messages.records()] == [(4, "assistant")]


def test_message_records_lose_withdrawn_text() -> None:
    """First what is open, then whole blocks, then the end of an earlier one."""
    recorder = recorder_of_three_turns()
    recorder.add_batch(taken_back(len(", lost" + "\n\nlost too" + "open")))

    texts = [record.text for record in recorder.messages.records() if record.kind == "text"]
    assert texts == ["other", "before", "kept"]
    assert [record.kind for record in recorder.messages.records()][-2:] == ["tool_use", "note"]


def test_message_records_lose_withdrawn_text_of_the_same_turn_only() -> None:
    """However much it is."""
    recorder = recorder_of_three_turns()
    recorder.add_batch(taken_back(1000))

    assert [record.text for record in recorder.messages.records() if record.kind == "text"] == ["other", "before"]


def recorder_of_three_turns() -> Recorder:
    """A turn of another session, an earlier turn, and one that runs, with three texts."""
    recorder = Recorder()
    recorder.add_batch(batch(delta("other"), result(), session="other"))
    recorder.add_batch(batch(delta("before"), result(), turn_id="t0"))
    blocks = (delta("kept, lost"), said("kept, lost"), use("x"), delta("lost too"), said("lost too"))
    recorder.add_batch(Stream().batch(*blocks))
    recorder.add_batch(batch(delta("open")))
    return recorder


def taken_back(count: int) -> Batch:
    """The message that takes back the last characters of the answer."""
    return Batch("main", "sid", "t1", [Message(MessageType.STATUS, "", b"{}", 100.0, MessageDetails(withdrawn=count))])


def test_message_records_cut_long_texts_and_drop_the_oldest() -> None:
    """Both bounds hold."""
    recorder = Recorder()
    recorder.messages = MessageRecorder(max_records=2)
    recorder.messages.begin_turn("main", 1, "t1", "first", 1.0)
    recorder.messages.begin_turn("main", 2, "t2", "second", 2.0)
    recorder.messages.begin_turn("main", 3, "t3", "x" * (LONGEST_TEXT + 1), 3.0)

    second, third = recorder.messages.records()
    assert (second.text, len(third.text), third.text[-1]) == ("second", LONGEST_TEXT, "…")


def test_message_records_have_what_a_dead_process_left_open() -> None:
    """The half block is recorded when the engine says that nothing more comes."""
    recorder = Recorder()
    recorder.add_batch(batch(delta("half an ans")))
    recorder.end_turn("main")
    recorder.end_turn("main")
    recorder.log.add_note("main", "info", "reaped")

    assert [record.text for record in recorder.messages.records()] == ["half an ans"]
    entries = [(entry.message, entry.turn_id) for entry in recorder.log.entries("main")]
    assert entries == [("half an ans", "t1"), ("reaped", "")]
