"""Tapes that hold any character, and files that are not what a tape should be."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeTransport
from hypothesis import given
from hypothesis import strategies as st
from tapes import record, replayer

from claude_magic.client import AsyncClaudeClient
from claude_magic.config import SessionConfig
from claude_magic.errors import ClaudeError
from claude_magic.recording import TapeRecorder, TapeReplayer, decode_record, encode_record, read_tape
from claude_magic.recording.format import TapeRun

HEADER = '{"tape": 1, "created": "x"}\n'
RUN = HEADER + '{"run":"1","prompt":"p"}\n'
SEPARATORS = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\r"
TEXTS = st.text(st.characters(exclude_categories=[]) | st.sampled_from([*SEPARATORS, "\n", "\ud800", "\udfff", "\0"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=9,
)

BROKEN = {
    "a run without a prompt": (HEADER + '{"run":"1"}\n', 2),
    "a number as prompt": (HEADER + '{"run":"1","prompt":5}\n', 2),
    "words as blocks": (HEADER + '{"run":"1","prompt":["a"]}\n', 2),
    "a word as time": (RUN + '{"of":"1","at":"x","line":{}}\n', 3),
    "a list as time": (RUN + '{"of":"1","at":[],"line":{}}\n', 3),
    "no time at all": (RUN + '{"of":"1","at":NaN,"line":{}}\n', 3),
    "an endless time": (RUN + '{"of":"1","at":1e999,"line":{}}\n', 3),
    "a time before": (RUN + '{"of":"1","at":-1,"line":{}}\n', 3),
    "a list as line": (RUN + '{"of":"1","at":0,"line":[1]}\n', 3),
    "a list as answer": (RUN + '{"of":"1","at":0,"sent":[1]}\n', 3),
    "nested too deeply": (RUN + '{"of":"1","at":0,"line":' + "[" * 100_000 + "]" * 100_000 + "}\n{}\n", 3),
    "an empty line": (RUN + "\n{}\n", 3),
    "bytes that are no text": (RUN + '{"of":"\udcff"}\n{}\n', 3),
}
"""What is on the tape, and in which line it is wrong."""


def write(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-8", "surrogateescape"))


def read_or_refused(path: Path) -> bool:
    """Whether a tape is read, or refused in the one way there is."""
    try:
        return all(isinstance(run, TapeRun) for run in read_tape(path))
    except ValueError as error:
        return "has a broken line" in str(error)


@pytest.mark.parametrize(("text", "line"), BROKEN.values(), ids=BROKEN)
def test_tape_with_a_broken_line_is_one_sentence_that_names_it(tmp_path: Path, text: str, line: int) -> None:
    """For playing and for adding to it; the file stays as it is."""
    path = tmp_path / "tape.jsonl"
    write(path, text)
    before = path.read_bytes()

    for use in (TapeReplayer, TapeRecorder().begin):
        with pytest.raises(ValueError, match=rf"tape\.jsonl' has a broken line {line}: "):
            use(path)
    assert path.read_bytes() == before


@pytest.mark.fuzz
@given(st.lists(st.binary(max_size=30) | JSON.map(lambda value: json.dumps(value).encode()), max_size=5))
def test_tape_of_any_lines_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]) -> None:
    """With runs, or with one `ValueError`; nothing else comes of them."""
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    path.write_bytes(b"\n".join([RUN.encode().rstrip(b"\n"), *lines]))

    assert read_or_refused(path)


@pytest.mark.fuzz
@given(
    st.fixed_dictionaries(
        {},
        optional={
            name: JSON for name in ("tape", "run", "prompt", "of", "at", "line", "sent", "type", "request", "response")
        },
    )
)
def test_tape_of_any_record_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, record: dict[str, Any]
) -> None:
    """Also where its fields have the right names."""
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    path.write_bytes(RUN.encode() + encode_record({"of": "1", "line": {"type": "control_request"}, **record}))

    assert read_or_refused(path)


@pytest.mark.fuzz
@given(st.dictionaries(TEXTS, JSON, max_size=3))
def test_tape_gives_a_record_back_as_it_was(record: dict[str, Any]) -> None:
    """Whatever characters are in it, and as one line."""
    line = encode_record(record)

    assert line.count(b"\n") == 1
    assert line.isascii()
    assert repr(decode_record(line, dict[str, Any])) == repr(json.loads(json.dumps(record)))


@pytest.mark.parametrize("character", [*SEPARATORS, "\n", "\0", "\ud800", "\N{GRINNING FACE}"])
async def test_tape_keeps_every_character(tmp_path: Path, character: str) -> None:
    """In the prompt and in the answer; half a surrogate pair becomes a mark of replacement, as in a live answer."""
    path, whole = tmp_path / "tape.jsonl", f"a{character}b"

    async def repeat(cli: FakeTransport, message: dict[str, Any]) -> None:
        cli.begin(message)
        cli.text(whole)
        cli.result()

    await record(path, whole, behave=repeat)
    async with AsyncClaudeClient(replay=replayer(path)) as client:
        await client.create_session(name="main")
        response = await client.execute("main", whole)

    assert response.text == whole.replace("\ud800", "\N{REPLACEMENT CHARACTER}")


def test_tape_of_the_first_version_still_plays(tmp_path: Path) -> None:
    """It was written with every character as it is."""
    path = tmp_path / "tape.jsonl"
    line = {"type": "assistant", "message": {"content": [{"type": "text", "text": f"a{SEPARATORS}b"}]}}
    records = [{"tape": 1, "created": "2026"}, {"run": "1", "prompt": "p\u2028"}, {"of": "1", "at": 0.5, "line": line}]
    write(path, "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))

    (run,) = read_tape(path)
    assert (run.prompt, run.lines) == ("p\u2028", [(0.5, line)])


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [{"type": "assistant", "message": {"content": [{"type": "text", "text": "hi"}]}}],
        [{"type": "control_request", "request_id": "x", "request": 5}],
        [{"type": "control_request", "request_id": "x"}],
        [{"type": "control_request", "request_id": "x", "request": {"subtype": "can_use_tool"}}],
        [{"type": "stream_event", "event": [1]}],
        [{"type": "user", "isReplay": True, "uuid": "1"}],
        [{"type": "command_lifecycle", "command_uuid": "1", "state": "queued"}],
    ],
    ids=json.dumps,
)
async def test_tape_of_a_run_without_an_end_is_an_error(tmp_path: Path, lines: list[dict[str, Any]]) -> None:
    """And no one waits for more."""
    path = tmp_path / "tape.jsonl"
    path.write_bytes(RUN.encode() + b"".join(encode_record({"of": "1", "at": 0.0, "line": line}) for line in lines))

    async with asyncio.timeout(20), AsyncClaudeClient(SessionConfig(), replay=replayer(path)) as client:
        await client.create_session(name="main")
        with pytest.raises(ClaudeError, match="its recording stopped before the turn was over"):
            await client.execute("main", "p")


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_tape_is_for_the_user_alone(tmp_path: Path, umask: int) -> None:
    """Whatever the umask; one that is there keeps its rights."""
    before, recorder = os.umask(umask), TapeRecorder()
    try:
        recorder.begin(tmp_path / "tape.jsonl")
    finally:
        os.umask(before)
        recorder.close()
    assert stat.S_IMODE((tmp_path / "tape.jsonl").stat().st_mode) == 0o600


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_tape_that_is_not_a_file_is_refused_at_once(tmp_path: Path, make: Any) -> None:
    """For playing and for recording."""
    path = tmp_path / "odd"
    make(path)

    for use in (TapeReplayer, TapeRecorder().begin):
        with pytest.raises(ValueError, match="odd' cannot be "):
            use(path)
