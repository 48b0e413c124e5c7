"""Where the log can go besides memory."""

from __future__ import annotations

import json
import logging
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fakes import FakeCLIs, FakeTransport

from claude_magic.blocking import ClaudeClient
from claude_magic.config import PoolConfig, SessionConfig
from claude_magic.observers import ObserverGuard
from claude_magic.records.describe import Level
from claude_magic.records.frames import logs_frame
from claude_magic.records.log import LogAggregator, LogEntry
from claude_magic.records.sinks import LOGGER_NAME, LinesSink, sink_for
from claude_magic.redaction import Redactor

ENTRY = LogEntry(1_700_000_000.25, "main", "sid", "t1", Level.WARNING, "tool", "tool_result", "100 % of {it} %s\nnext")


class Kept(logging.Handler):
    """A handler that keeps its records."""

    def __init__(self, level: int = logging.NOTSET) -> None:
        super().__init__(level)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_lines_sink_writes_one_line_with_the_columns_of_the_frame(tmp_path: Path) -> None:
    """And pandas reads the file back as it is."""
    sink = LinesSink(tmp_path / "log.jsonl")
    sink(ENTRY)
    sink(ENTRY)
    sink.close()

    expected = {
        "time": "2023-11-14T22:13:20.250000+00:00",
        "session": "main",
        "session_id": "sid",
        "turn_id": "t1",
        "level": "warning",
        "source": "tool",
        "type": "tool_result",
        "message": ENTRY.message,
    }
    assert lines(sink.path) == [expected, expected]
    assert list(pd.read_json(sink.path, lines=True).columns) == list(logs_frame([ENTRY]).columns)


def test_lines_sink_writes_at_once(tmp_path: Path) -> None:
    """Nothing waits for the file to be closed; what was there stays; closing twice is fine."""
    path = tmp_path / "log.jsonl"
    path.write_text('{"message": "before"}\n')
    sink, other = LinesSink(path), LinesSink(path)
    sink(ENTRY)
    other(ENTRY)

    assert [line["message"] for line in lines(path)] == ["before", ENTRY.message, ENTRY.message]
    for one in (sink, other, sink):
        one.close()
    with pytest.raises(ValueError, match="closed"):
        sink(ENTRY)


def test_lines_sink_file_is_for_the_user_only(tmp_path: Path) -> None:
    """It holds what was said. (On Windows it has the permissions of its folder.)"""
    sink = LinesSink(tmp_path / "log.jsonl")
    sink.close()

    assert sys.platform == "win32" or stat.S_IMODE(os.stat(sink.path).st_mode) == 0o600


def test_lines_sink_survives_half_a_character(tmp_path: Path) -> None:
    """It may come from a broken line."""
    sink = LinesSink(tmp_path / "log.jsonl")
    sink(LogEntry(1.0, "main", "", "", Level.INFO, "tool", "text", "half \ud83d"))
    sink.close()

    assert lines(sink.path)[0]["message"] == "half ?"


def test_handler_sink_gives_records_the_fields_of_the_entry() -> None:
    """A format may name them, and the message is taken literally."""
    handler = Kept()
    sink_for(handler)(ENTRY)

    (record,) = handler.records
    assert (record.name, record.levelno, record.created) == (LOGGER_NAME, logging.WARNING, ENTRY.time)
    words = logging.Formatter("%(levelname)s %(session)s %(turn_id)s %(source)s %(type)s: %(message)s").format(record)
    assert words == f"WARNING main t1 tool tool_result: {ENTRY.message}"


def test_handler_sink_heeds_level_and_filters() -> None:
    """As they do under any logger."""
    strict, picky = Kept(logging.ERROR), Kept()
    picky.addFilter(lambda record: record.__dict__["session"] != "main")
    for handler in (strict, picky):
        sink_for(handler)(ENTRY)

    assert strict.records == picky.records == []


@pytest.mark.parametrize("target", [".", "nowhere/log.jsonl", 7])
def test_sink_refuses_a_target_that_cannot_be(target: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is said at once."""
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ValueError, match=r"cannot be written|goes to the path"):
        sink_for(target)


def test_sink_gets_what_memory_drops_and_cuts() -> None:
    """Nothing is lost there: every entry, its message whole, secrets redacted."""
    log, got = LogAggregator(max_entries=2, redactor=Redactor({"API_KEY": "hunter22"})), []
    log.sinks.append(got.append)
    for number in range(5):
        log.add_note("main", Level.INFO, f"{number} " + "x" * 50_000 + " hunter22")

    assert len(log.entries()) == 2
    assert [entry.message[0] for entry in got] == list("01234")
    assert all(entry.message.endswith("x [redacted API_KEY]") for entry in got)
    assert all(len(entry.message) == 2_000 for entry in log.entries())


def test_sink_that_fails_is_switched_off_and_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    """The others go on."""

    def broken(entry: LogEntry) -> None:
        raise OSError("disk full")

    guard, got = ObserverGuard(), []
    log = LogAggregator(guard=guard)
    guard.note = lambda words: log.add_note("", "warning", words)
    log.sinks += [broken, got.append]
    log.add_note("main", "info", "one")
    log.add_note("main", "info", "two")

    assert [entry.message for entry in got if entry.session == "main"] == ["one", "two"]
    (complaint,) = [entry for entry in log.entries() if entry.level == "warning"]
    assert "is switched off, the turn goes on: OSError: disk full" in complaint.message
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [complaint.message]


async def test_log_to_writes_to_a_file_and_a_handler_until_told_to_stop(tmp_path: Path) -> None:
    """All that the log has of it; a secret that a tool printed is in neither."""

    async def leak(cli: FakeTransport, message: dict[str, Any]) -> None:
        await cli.answer(message, "the key is sk-planted-1")

    path, handler = tmp_path / "log.jsonl", Kept()
    async with FakeCLIs(leak).client(SessionConfig(api_key="sk-planted-1")) as client:
        await client.create_session(name="main")
        client.log_to(path)
        stop = client.log_to(handler)
        await client.execute("main", "hi")
        stop()
        seen = len(handler.records)
        await client.execute("main", "hi")
        stop()

        messages = [entry.message for entry in client.records.log_entries(None)]
        assert [line["message"] for line in lines(path)] == messages
        assert [record.getMessage() for record in handler.records] == messages[:seen]
        assert 0 < seen < len(messages)
    whole = path.read_text()
    assert "sk-planted-1" not in whole
    assert "[redacted" in whole
    if sys.platform == "linux":
        assert str(path) not in map(os.path.realpath, Path("/proc/self/fd").iterdir())


def test_log_to_of_the_blocking_client(tmp_path: Path) -> None:
    """Stopping and closing happen where the entries come from."""
    from fakes import compile_fake

    path = tmp_path / "log.jsonl"
    with ClaudeClient(start=FakeCLIs().start, compile=compile_fake, pool=PoolConfig(prewarm=0)) as client:
        stop = client.log_to(path)
        client.create_session(name="main")
        client.execute("main", "hi")
        stop()
        kept = lines(path)
        client.execute("main", "hi")

        assert lines(path) == kept
        assert "echo: hi" in [line["message"] for line in kept]
        with pytest.raises(ValueError, match="cannot be written"):
            client.log_to(tmp_path)
