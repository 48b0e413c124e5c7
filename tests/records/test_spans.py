"""Where the time of turns went."""

from __future__ import annotations

from claude_magic.messages import Batch
from claude_magic.records.recorder import Recorder
from claude_magic.records.spans import KIND_WORDS, SpanKind, SpanRecorder

from .lines import Stream, asks, decides, delta, result, said, stop, thought, tool_result, use


def recorder_at(began: float, *, asked: float | None = None) -> Recorder:
    """A recorder whose session `main` has begun a turn."""
    recorder = Recorder()
    recorder.begin_turn("main", 1, "t1", "hi", began, asked)
    return recorder


def spans(recorder: Recorder) -> list[tuple[str, str, float, float]]:
    """Kind, name, begin and end of each span."""
    return [(one.kind, one.name, one.started, one.started + one.duration_s) for one in recorder.spans.records()]


def test_spans_tell_the_time_of_a_turn_apart() -> None:
    """What lies between two things is the model's; the spans follow each other without a gap."""
    recorder, stream = recorder_at(101.0, asked=100.0), Stream()
    recorder.add_batch(stream.batch(thought("h"), at=103.0))
    recorder.add_batch(stream.batch(thought("m"), stop(), at=104.0))
    recorder.add_batch(stream.batch(said("hm", "thinking"), delta("Let me"), at=105.0))
    recorder.add_batch(stream.batch(said("Let me"), at=106.0))
    recorder.add_batch(stream.batch(use("x"), at=107.0))
    recorder.add_batch(stream.batch(tool_result("x", "42"), at=109.0))
    recorder.add_batch(stream.batch(delta("42"), at=110.0))
    recorder.add_batch(stream.batch(said("42"), at=112.0))
    recorder.add_batch(stream.batch(result(), at=112.0))
    recorder.end_turn("main")

    assert spans(recorder) == [
        ("queue", "", 100.0, 101.0),
        ("model", "", 101.0, 103.0),
        ("thinking", "", 103.0, 105.0),
        ("text", "", 105.0, 106.0),
        ("model", "", 106.0, 107.0),
        ("tool", "Bash", 107.0, 109.0),
        ("model", "", 109.0, 110.0),
        ("text", "", 110.0, 112.0),
    ]


def test_spans_have_the_start_of_a_process_before_the_turn() -> None:
    """It is told apart once, for the turn it was started for."""
    recorder = Recorder()
    recorder.spans.note_spawn("main", 0.75)
    recorder.begin_turn("main", 1, "t1", "hi", 102.0, 100.0)
    recorder.begin_turn("main", 2, "t2", "hi", 202.0, 200.0)

    assert spans(recorder) == [
        ("queue", "", 100.0, 101.25),
        ("spawn", "", 101.25, 102.0),
        ("queue", "", 200.0, 202.0),
    ]


def test_spans_keep_a_persons_time_out_of_the_tools() -> None:
    """The tool runs from the answer on; 2.1.330 may ask before it shows the use, 2.1.197 after."""
    for lines in ([use("x"), asks("x")], [asks("x"), use("x")]):
        recorder, stream = recorder_at(100.0), Stream()
        recorder.add_batch(stream.batch(*lines, at=101.0))
        recorder.add_batch(stream.batch(decides("x"), at=105.0))
        recorder.add_batch(stream.batch(tool_result("x", "42"), at=106.0))

        assert spans(recorder) == [
            ("model", "", 100.0, 101.0),
            ("person", "Bash", 101.0, 105.0),
            ("tool", "Bash", 105.0, 106.0),
        ]


def test_spans_are_not_changed_by_an_answer_to_no_question() -> None:
    """It was withdrawn, or the turn is over."""
    recorder = recorder_at(100.0)
    recorder.add_batch(Stream().batch(decides("x"), at=105.0))

    assert spans(recorder) == []


def test_spans_of_simultaneous_tools_overlap() -> None:
    """The model is waited for from the end of the last one."""
    recorder, stream = recorder_at(100.0), Stream()
    recorder.add_batch(stream.batch(use("x", "Bash"), use("y", "Read"), at=100.0))
    recorder.add_batch(stream.batch(tool_result("y", "1"), at=101.0))
    recorder.add_batch(stream.batch(tool_result("x", "2"), at=103.0))
    recorder.add_batch(stream.batch(result(), at=104.0))

    assert spans(recorder) == [
        ("tool", "Read", 100.0, 101.0),
        ("tool", "Bash", 100.0, 103.0),
        ("model", "", 103.0, 104.0),
    ]


def test_spans_have_a_subagents_tools_inside_the_tool_that_started_it() -> None:
    """Their time is not counted twice."""
    recorder, stream = recorder_at(100.0), Stream()
    recorder.add_batch(stream.batch(use("x", "Agent"), at=100.0))
    recorder.add_batch(stream.batch(use("y", "Bash", parent="x"), at=101.0))
    recorder.add_batch(stream.batch(tool_result("y", "1"), at=102.0))
    recorder.add_batch(stream.batch(tool_result("x", "2"), at=103.0))

    assert spans(recorder) == [("tool", "Agent", 100.0, 103.0)]


def test_spans_of_a_turn_that_is_cut_off_end_with_its_last_message() -> None:
    """The tool or the question that was open ran until then."""
    for line, expected in ((use("x"), "tool"), (asks("x"), "person")):
        recorder, stream = recorder_at(100.0), Stream()
        recorder.add_batch(stream.batch(line, at=100.0))
        recorder.add_batch(stream.batch(stop(), delta("a"), said("a"), at=103.0))
        recorder.end_turn("main")

        assert spans(recorder)[-1] == (expected, "Bash", 100.0, 103.0)


def test_spans_of_a_failed_turn_are_the_models() -> None:
    """Nothing came but the result."""
    recorder = recorder_at(100.0)
    recorder.add_batch(Stream().batch(result(is_error=True), at=160.0))

    assert spans(recorder) == [("model", "", 100.0, 160.0)]


def test_spans_of_an_unprompted_turn_begin_with_its_first_message() -> None:
    """And has no number."""
    recorder, stream = Recorder(), Stream(turn_id="extra")
    recorder.add_batch(stream.batch(delta("a"), at=100.0))
    recorder.add_batch(stream.batch(said("a"), at=101.0))

    assert spans(recorder) == [("text", "", 100.0, 101.0)]
    assert [(one.turn, one.turn_id) for one in recorder.spans.records()] == [(None, "extra")]


def test_spans_have_nothing_between_turns() -> None:
    """Nor for a batch with nothing in it."""
    recorder = Recorder()
    recorder.add_batch(Stream(turn_id="").batch(delta("a"), said("a"), at=100.0))
    recorder.add_batch(Batch("main", "sid", "t1", []))

    assert recorder.spans.records() == []


def test_spans_are_bounded() -> None:
    """The oldest go first."""
    recorder = SpanRecorder(max_records=2)
    for number in range(3):
        recorder.begin_turn("main", number, f"t{number}", 100.0 + number, 101.0 + number)
    recorder.begin_turn("other", 1, "u", 100.0, 101.0)

    assert [one.turn_id for one in recorder.records()] == ["t2", "u"]


def test_span_kinds_all_have_words() -> None:
    """For pictures and summaries."""
    assert list(KIND_WORDS) == [kind.value for kind in SpanKind]
