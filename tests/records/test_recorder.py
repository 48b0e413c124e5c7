"""The recorder: one look at each batch for all records, one order, and nothing left of sessions that are gone."""

from __future__ import annotations

from typing import Any

import pytest
from fakes import FakeCLIs

from claude_magic.messages import Batch, Message, MessageType
from claude_magic.records.log import LogAggregator
from claude_magic.records.recorder import Recorder

from .lines import Stream, asks, batch, delta, result, tool_result, use


def test_recorder_puts_a_note_after_the_text_before_it_and_into_its_turn() -> None:
    """Through the recorder, as the client does it; the text goes on as another block."""
    recorder = Recorder()
    recorder.begin_turn("main", 1, "t1", "go", 90.0)
    recorder.add_batch(batch(delta("half an ")))
    recorder.add_note("main", "info", "a word between")
    recorder.add_batch(batch(delta("answer"), result()))
    recorder.add_note("main", "info", "a word after")

    assert [(entry.message.split(":")[0], entry.turn_id) for entry in recorder.log.entries("main")] == [
        ("half an ", "t1"),
        ("a word between", "t1"),
        ("answer", "t1"),
        ("turn ended", "t1"),
        ("a word after", ""),
    ]
    assert "".join(one.text for one in recorder.messages.records() if one.kind == "text") == "gohalf an answer"


def test_recorder_puts_a_note_into_the_turn_also_before_its_first_block() -> None:
    """Pieces that are not whole yet, or technical events, are enough."""
    recorder, stream = Recorder(), Stream()
    recorder.add_batch(stream.batch(delta("a")))
    recorder.add_batch(stream.batch(delta("b")))
    recorder.add_note("main", "warning", "now")

    assert [(entry.message, entry.turn_id) for entry in recorder.log.entries()] == [("ab", "t1"), ("now", "t1")]


def test_recorder_keeps_a_message_in_the_records_that_can_take_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And the messages after it are in all of them; it is said once."""
    recorder = Recorder()
    add_message = recorder.tools.add_message

    def picky(batch: Batch, message: Message) -> None:
        if message.tool_use_id == "x":
            raise OverflowError("too large")
        add_message(batch, message)

    monkeypatch.setattr(recorder.tools, "add_message", picky)
    recorder.add_batch(batch(use("x"), tool_result("x", "1"), use("y"), tool_result("y", "2"), result()))

    assert [record.tool_use_id for record in recorder.tools.records()] == ["y"]
    assert [record.kind for record in recorder.messages.records()] == ["tool_use", "tool_result"] * 2
    assert [entry.source for entry in recorder.log.entries()] == ["assistant", "tool"] * 2 + ["system"]
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 1


def test_recorder_keeps_a_bounded_log_of_closed_sessions() -> None:
    """Over any number of them: the newest stay readable, what is dropped is counted, and open ones lose nothing."""
    recorder = Recorder(LogAggregator(max_entries=50))
    recorder.add_batch(batch(*[tool_result("x", "1")] * 40, session="open"))
    for number in range(300):
        name = f"session-{number}"
        recorder.begin_turn(name, 1, "t1", "go", 90.0)
        recorder.add_batch(
            Batch(name, "sid", "t1", [Message(MessageType.TOOL_RESULT, "x" * 100, b"{}", float(number))] * 10)
        )
        recorder.end_turn(name)
        recorder.forget_closed(["open"])

    assert [one.session for one in recorder.log.summaries() if one.session.startswith("session")] == [
        f"session-{number}" for number in range(295, 300)
    ]
    assert len(recorder.log.entries("open")) == 40
    assert recorder.log.summary().dropped == 295 * 10


def test_recorder_forgets_of_a_closed_session_what_only_an_open_one_needs() -> None:
    """Whatever it was in the middle of; what it did stays on record."""
    recorder = Recorder()
    recorder.spans.note_spawn("main", 0.5)
    recorder.begin_turn("main", 1, "t1", "go", 90.0)
    recorder.add_batch(batch(use("x"), asks("x"), delta("open")))
    recorder.forget_closed([])
    assert held(recorder)  # its turn still runs

    recorder.end_turn("main")
    recorder.forget_closed([])

    assert not held(recorder)
    assert len(recorder.tools.records()) == 1


def held(recorder: Recorder) -> list[Any]:
    """What the recorder holds for sessions that may go on."""
    tracked = (recorder._assembler._open, recorder.messages._turns, recorder.tools._turns, recorder.spans._open)
    return [name for names in (*tracked, recorder.spans._spawned, recorder._running) for name in names]


def test_recorder_ends_no_other_turn_for_one_that_was_never_sent() -> None:
    """One that waited is dropped while another one runs."""
    recorder = Recorder()
    recorder.begin_turn("main", 1, "t1", "go", 90.0)
    recorder.end_unsent("main", "t2")
    assert held(recorder)

    recorder.end_unsent("main", "t1")
    recorder.forget_closed([])
    assert not held(recorder)


async def test_recorder_does_not_grow_with_sessions_that_come_and_go() -> None:
    """Measured in names that are known, after a first few; records of the last ones can be read."""
    async with FakeCLIs().client(log_entries=20) as client:
        for number in range(30):
            session = await client.create_session()
            await client.execute(session, f"{number}")
            await client.close_session(session)
            assert not held(client.records._recorder)
        assert len(client.records.log_summaries()) < 15
        assert client.frames.turns()["prompt"].tolist() == [str(number) for number in range(30)]
