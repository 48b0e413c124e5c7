"""The log: levels, sources, counts, and its bound."""

from __future__ import annotations

import sys
import tracemalloc

import pytest

from claude_magic.messages import Batch, Message, MessageType
from claude_magic.records.describe import Level
from claude_magic.records.log import LogAggregator, LogEntry
from claude_magic.records.message_records import MessageRecorder
from claude_magic.records.recorder import Recorder
from claude_magic.records.tool_uses import ToolRecorder
from claude_magic.redaction import Redactor

from .lines import (
    Line,
    Stream,
    asks,
    batch,
    decides,
    delta,
    result,
    said,
    stderr,
    stop,
    system,
    thought,
    tool_result,
    use,
)


def entry_of(line: Line | bytes) -> LogEntry:
    """The only entry that a line makes."""
    recorder = Recorder()
    recorder.add_batch(batch(line))
    (entry,) = recorder.log.entries()
    return entry


def test_log_entry_says_when_where_and_what() -> None:
    """Every column of the log's frame has its value."""
    entry = entry_of(tool_result("x", "42 rows"))

    assert entry == LogEntry(100.0, "main", "sid", "t1", Level.INFO, "tool", "tool_result", "42 rows")


MEANINGS: list[tuple[Line | bytes, str, str, str]] = [
    (system("init", model="opus", claude_code_version="2.1.330"), "info", "system", "opus, CLI 2.1.330"),
    (use("x", "Read", file_path="a.py"), "info", "assistant", 'Read {"file_path":"a.py"}'),
    (tool_result("x", "all good, no error"), "info", "tool", "all good, no error"),
    (tool_result("x", "Exit code 3", is_error=True), "warning", "tool", "Exit code 3"),
    (asks("x", "Bash"), "info", "system", "Bash asks for permission"),
    (
        system("permission_denied", tool_name="Bash", tool_use_id="x", message="not here"),
        "warning",
        "system",
        "Bash was denied: not here",
    ),
    (
        system("api_retry", attempt=1, max_retries=4, retry_delay_ms=500, error_status=529),
        "warning",
        "system",
        "529",
    ),
    (system("model_fallback", original_model="a", fallback_model="b"), "warning", "system", "b answers"),
    (system("compact_boundary"), "info", "system", "compacted"),
    (system("informational", content="look", level="warning"), "warning", "system", "look"),
    (system("task_notification", status="failed", summary="tests"), "warning", "system", "tests"),
    (system("task_notification", status="completed", summary="ran"), "info", "system", "task notification: ran"),
    (system("task_started", description="tests"), "info", "system", "task started: tests"),
    (said("found it") | {"parent_tool_use_id": "x"}, "info", "assistant", "found it"),
    (
        {"type": "tool_progress", "tool_name": "Bash", "parent_tool_use_id": "x", "elapsed_time_seconds": 30},
        "info",
        "tool",
        "Bash running, 30 s",
    ),
    ({"type": "rate_limit_event", "rate_limit_info": {"status": "allowed"}}, "info", "system", "allowed"),
    ({"type": "rate_limit_event", "rate_limit_info": {"status": "allowed_warning"}}, "warning", "system", "allowed"),
    ({"type": "rate_limit_event", "rate_limit_info": {"status": "rejected"}}, "warning", "system", "rejected"),
    (said("Credit balance is too low") | {"error": "billing_error"}, "error", "system", "Credit balance"),
    (result(num_turns=2), "info", "system", "turn ended: success, 2 steps, 1.5 s"),
    (result("Overloaded", is_error=True), "error", "system", "turn ended: Overloaded"),
    (result(is_error=True, terminal_reason="aborted_tools"), "warning", "system", "interrupted"),
    (
        result(None, is_error=True, subtype="error_max_turns", errors=["Reached maximum number of turns (2)"]),
        "warning",
        "system",
        "turn ended: Reached maximum number of turns (2)",
    ),
    (result(None, is_error=True, subtype="error_max_budget_usd", errors=["Reached"]), "warning", "system", "Reached"),
    (b"plain words", "info", "system", "plain words"),
    (b"DeprecationWarning is one word, a Warning is another", "warning", "system", "another"),
    (b"Traceback (most recent call last):", "error", "system", "Traceback"),
    ({"type": "new_thing", "subtype": "odd"}, "info", "system", "new_thing/odd"),
]


@pytest.mark.parametrize(("line", "level", "source", "words"), MEANINGS)
def test_log_level_comes_from_the_meaning(line: Line | bytes, level: str, source: str, words: str) -> None:
    """What a message means decides; words decide only where there is no meaning for us."""
    entry = entry_of(line)

    assert (entry.level.value, entry.source) == (level, source)
    assert words in entry.message


@pytest.mark.parametrize(
    ("text", "level"),
    [("error: unknown option", "error"), ("effort bogus, default used", "warning"), ("terror and mirrors", "warning")],
)
def test_log_level_of_stderr_is_warning_or_what_it_says(text: str, level: str) -> None:
    """Words count as whole words only."""
    recorder = Recorder()
    recorder.add_batch(stderr(text))

    assert [(entry.level.value, entry.source, entry.message) for entry in recorder.log.entries()] == [
        (level, "stderr", text)
    ]


@pytest.mark.parametrize(
    "line",
    [stop(), system("status", status="requesting"), system("session_state_changed", state="idle"), said("")],
)
def test_log_has_no_entry_for_routine(line: Line) -> None:
    """What every turn does again and again is counted only."""
    recorder = Recorder()
    recorder.add_batch(batch(line))

    assert recorder.log.entries() == []
    assert recorder.log.summary("main").total_lines == 1


def test_log_warns_of_withdrawn_text() -> None:
    """An abandoned stream that had shown nothing more is no news."""
    abandoned = {"type": "stream_event", "event": {"type": "message_stop"}}
    recorder, stream = Recorder(), Stream()
    recorder.add_batch(stream.batch(abandoned | {"abandoned_blocks": {"from_block_index": 1}}))
    recorder.add_batch(stream.batch(delta("half"), abandoned | {"abandoned_blocks": {"from_block_index": 0}}))

    assert [(entry.level.value, entry.message) for entry in recorder.log.entries()] == [
        ("warning", "the CLI took back the last 4 characters of its answer")
    ]


def test_log_counts_streamed_text_in_pieces_and_keeps_it_in_blocks() -> None:
    """A thousand pieces are a thousand lines and one entry."""
    recorder, stream = Recorder(), Stream()
    recorder.add_batch(stream.batch(thought("let me "), thought("see")))
    for _ in range(10):
        recorder.add_batch(stream.batch(*[delta("ab")] * 100))
    recorder.add_batch(stream.batch(said("ab" * 1000), result()))

    kinds = [(entry.type, len(entry.message)) for entry in recorder.log.entries()]
    assert kinds[:2] == [("thinking", 10), ("text", 2000)]
    assert recorder.log.summary("main").total_lines == 1004


def test_log_cuts_a_long_message_and_says_so() -> None:
    """An entry has at most 2,000 characters."""
    entry = entry_of(tool_result("x", "a" * 5000))

    assert len(entry.message) == 2000
    assert entry.message.endswith("a…")


def test_log_does_not_count_a_decision_as_a_line_of_the_cli() -> None:
    """It is put among them by us: it has an entry, and `total_lines` does not count it."""
    recorder = Recorder()
    recorder.add_batch(batch(asks("1"), decides("1"), tool_result("1", "done")))

    assert [entry.type for entry in recorder.log.entries()] == ["permission", "decision", "tool_result"]
    assert recorder.log.summary("main").total_lines == 2


def test_log_summary_counts_lines_levels_and_tools() -> None:
    """For one session, for each, and for all together."""
    recorder = Recorder()
    recorder.add_batch(
        batch(use("1", "Read"), use("2", "Bash"), use("3", "Bash"), tool_result("2", "no", is_error=True))
    )
    recorder.add_batch(batch(use("1", "Read"), result("bad", is_error=True), session="other"))

    main, other = recorder.log.summaries()
    assert (main.session, main.total_lines, main.error_count, main.warning_count) == ("main", 4, 0, 1)
    assert (main.tool_usages, other.tool_usages) == ({"Read": 1, "Bash": 2}, {"Read": 1})
    everything = recorder.log.summary()
    assert (everything.session, everything.total_lines, everything.error_count) == ("", 6, 1)
    assert everything.tool_usages == {"Read": 2, "Bash": 2}
    assert recorder.log.summary("main") == main


def test_log_counts_what_it_drops() -> None:
    """The bound is on what is kept, not on what is known."""
    recorder = Recorder(LogAggregator(max_entries=3))
    for place in range(5):
        recorder.add_batch(batch(tool_result("x", str(place), is_error=True)))

    summary = recorder.log.summary("main")
    assert [entry.message for entry in recorder.log.entries()] == ["2", "3", "4"]
    assert (summary.dropped, summary.warning_count, summary.total_lines) == (2, 5, 5)


def test_log_refuses_an_impossible_bound() -> None:
    """At least one entry is kept."""
    with pytest.raises(ValueError, match="max_entries"):
        LogAggregator(max_entries=0)


def test_log_entries_of_all_sessions_are_in_the_order_of_time() -> None:
    """And those of one session can be had alone."""
    recorder = Recorder()
    recorder.add_batch(batch(tool_result("x", "first"), at=1.0, session="a"))
    recorder.add_batch(batch(tool_result("x", "third"), at=3.0, session="a"))
    recorder.add_batch(batch(tool_result("x", "second"), at=2.0, session="b"))

    assert [entry.message for entry in recorder.log.entries()] == ["first", "second", "third"]
    assert [entry.message for entry in recorder.log.entries("b")] == ["second"]
    assert recorder.log.entries("never seen") == []
    assert recorder.log.summary("never seen").total_lines == 0


def test_log_note_is_the_engines_own_entry() -> None:
    """It belongs to the turn that runs, and closes a block that a dead process left open."""
    recorder = Recorder()
    recorder.add_batch(batch(delta("half an ans")))
    recorder.add_note("main", "error", "the process died")

    text, note = recorder.log.entries()
    assert (text.type, text.message) == ("text", "half an ans")
    assert (note.level, note.source, note.type, note.turn_id) == (Level.ERROR, "engine", "note", "t1")
    assert recorder.log.summary("main").error_count == 1


def test_log_note_after_a_turn_belongs_to_none() -> None:
    """With a result or without one; a caller that knows better says which turn it is."""
    recorder = Recorder()
    recorder.add_batch(batch(result(), turn_id="one"))
    recorder.add_note("main", "info", "reaped")
    recorder.add_batch(batch(tool_result("x", "ok"), turn_id="two"))
    recorder.log.end_turn("main")
    recorder.log.end_turn("never seen")
    recorder.add_note("main", "info", "ended")
    recorder.add_note("main", "error", "not sent", turn_id="three")

    assert {entry.message: entry.turn_id for entry in recorder.log.entries() if entry.type == "note"} == {
        "reaped": "",
        "ended": "",
        "not sent": "three",
    }
    assert {entry.session_id for entry in recorder.log.entries()} == {"sid"}


def test_log_note_of_an_unknown_level_is_refused() -> None:
    """Levels are the four there are."""
    with pytest.raises(ValueError, match="loud"):
        LogAggregator().add_note("main", "loud", "hello")


def test_log_hides_secrets_in_notes_and_in_raw_values() -> None:
    """Text of messages comes redacted; what the log reads from raw lines it redacts itself."""
    recorder = Recorder(LogAggregator(redactor=Redactor({"API_KEY": "sk-secret-1"})))
    recorder.add_note("main", Level.INFO, "started with sk-secret-1")
    recorder.add_batch(batch({"type": "odd sk-secret-1"}, system("init", model="sk-secret-1")))

    assert all("sk-secret-1" not in entry.message for entry in recorder.log.entries())
    assert sum("[redacted API_KEY]" in entry.message for entry in recorder.log.entries()) == 3


def test_log_hides_a_secret_at_the_cut_whole() -> None:
    """No half of it is left where a long message is cut."""
    recorder = Recorder(LogAggregator(redactor=Redactor({"API_KEY": "sk-secret-1"})))
    recorder.add_note("main", Level.INFO, "a" * 1995 + "sk-secret-1" + "b" * 100)

    (entry,) = recorder.log.entries()
    assert (len(entry.message), "sk-" in entry.message) == (2000, False)


def test_log_of_a_long_session_takes_a_bounded_amount_of_memory() -> None:
    """However long the messages are, a session's log stays under 20 MB at the default bound."""
    recorder = Recorder()
    longest = "\N{GRINNING FACE}" * 3000
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for place in range(12):
        messages = [Message(MessageType.TOOL_RESULT, f"{place}{at} {longest}", b"", 1.0) for at in range(500)]
        recorder.add_batch(Batch("main", "sid", "t", messages))
    del messages
    recorder.messages, recorder.tools = MessageRecorder(), ToolRecorder()  # it is the log that is measured
    held = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()

    assert held < 20_000_000
    assert sum(sys.getsizeof(entry.message) for entry in recorder.log.entries()) <= 16_000_000
    assert recorder.log.summary().dropped == 6000 - len(recorder.log.entries()) > 0
