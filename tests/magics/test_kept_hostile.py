"""Kept answers of earlier and later versions, with any character in them, and damaged in any way."""

from __future__ import annotations

import gzip
import json
import logging
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_magic.cli.decoder import Decoder
from claude_magic.config import SessionConfig
from claude_magic.magics.answer_cache import AnswerStore, Chain, KeptAnswer, continued
from claude_magic.redaction import Redactor
from claude_magic.response import AnswerSource, Response, Usage

SEPARATORS = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\r"
TEXTS = st.text(st.characters(exclude_categories=[]) | st.sampled_from([*SEPARATORS, "\n", "\ud800", "\udfff", "\0"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=9,
)
RESPONSE: dict[str, Any] = {
    "text": "the answer", "structured": None, "outcome": "success", "denials": [], "cost_usd": 0.5, "estimated": False,
    "usage": {"input_tokens": 3, "output_tokens": 4, "cache_read_tokens": 0, "cache_write_tokens": 0},
    "duration_s": 1.5, "ttft_s": 0.5, "turn": 1, "turn_id": "t1", "session": "main", "session_id": "s1", "model": "m",
    "num_steps": 1, "prompt": "p", "simulated": False, "source": "", "started": 1000.0, "error": "",
    "process_gone": False, "sent": True,
}  # fmt: skip
LINE = {"type": "assistant", "uuid": "a1", "message": {"content": [{"type": "text", "text": "the answer"}]}}


def lines(*records: Any) -> bytes:
    return gzip.compress(b"".join(json.dumps(record).encode() + b"\n" for record in records))


def first(**changes: Any) -> dict[str, Any]:
    return {"kept": 1, "answer_id": "a1", "response": RESPONSE, **changes}


def in_response(**changes: Any) -> bytes:
    return lines(first(response=RESPONSE | changes))


def kept(folder: Path, data: bytes) -> KeptAnswer | None:
    folder.mkdir(exist_ok=True)
    (folder / "key.jsonl.gz").write_bytes(data)
    return AnswerStore(folder).find("key")


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_an_answer_of_the_first_version_is_found(tmp_path: Path) -> None:
    """As it was written then; also one that had fewer facts, and one that has more."""
    for facts in (RESPONSE, {name: RESPONSE[name] for name in ("text", "started")}, RESPONSE | {"of_later": [1]}):
        run = kept(tmp_path, lines(first(response=facts), {"at": 1000.0, "line": LINE}))

        assert run is not None
        assert (run.response.text, run.response.cost_usd, len(run.response.messages)) == ("the answer", 0.0, 1)
        assert run.answer_id == "a1"
    assert run.response.usage == Usage(3, 4)


BROKEN: dict[str, bytes] = {
    "a later version": lines({"kept": 2, "all": "else"}),
    "no version": lines({"response": RESPONSE}),
    "a word as version": lines(first(kept="1")),
    "no response": lines({"kept": 1}),
    "a list as response": lines(first(response=[1])),
    "a number as text": in_response(text=5),
    "a word as cost": in_response(cost_usd="x"),
    "an unknown outcome": in_response(outcome="splendid"),
    "usage of words": in_response(usage={"input_tokens": "x"}),
    "denials of numbers": in_response(denials=[1]),
    "a time out of range": in_response(started=1e300),
    "no time at all": in_response(started=float("nan")),
    "a number as id": lines(first(answer_id=5)),
    "a line without its time": lines(first(), {"line": LINE}),
    "a list as line": lines(first(), {"at": 1.0, "line": [1]}),
    "nested too deeply": gzip.compress(b"[" * 200_000),
    "a line nested too deeply": gzip.compress(json.dumps(first()).encode() + b'\n{"at":1,"line":' + b"[" * 200_000),
    "cut off": lines(first())[:-12],
    "a damaged body": lines(first())[:30] + b"\xff" * 20,
    "nothing": b"",
    "nothing unpacked": gzip.compress(b""),
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_an_answer_that_cannot_be_used_is_asked_again(
    tmp_path: Path, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever is wrong with it; it is said in one line that names the file."""
    assert kept(tmp_path, data) is None

    (words,) = said(caplog)
    assert "key.jsonl.gz cannot be read, and the prompt is sent: " in words


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_not_a_file_is_asked_again_at_once(
    tmp_path: Path, make: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    """And does not stand in the way of what is kept next to it."""
    make(tmp_path / "key.jsonl.gz")
    runs = AnswerStore(tmp_path)

    assert runs.find("key") is None
    assert len(said(caplog)) == 1
    runs.keep("other", Response("text", started=1.0), Redactor())
    assert runs.find("other") is not None


def test_a_small_file_that_unpacks_to_a_huge_one_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No more of it is unpacked than an answer may take; a larger one is not kept either."""
    monkeypatch.setattr("claude_magic.magics.answer_cache._MOST_BYTES_OF_ONE", 10_000)
    assert kept(tmp_path, gzip.compress(b" " * 1_000_000)) is None
    assert "more than 10,000 bytes" in said(caplog)[0]

    with pytest.raises(ValueError, match="more than 10,000 bytes"):
        AnswerStore(tmp_path).keep("large", Response("x" * 20_000), Redactor())


@pytest.mark.fuzz
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_asked_again(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """Packed or not, nothing is raised."""
    folder = tmp_path_factory.getbasetemp() / "any"

    assert kept(folder, data) is None
    kept(folder, gzip.compress(data))


@pytest.mark.fuzz
@given(st.sampled_from(sorted(RESPONSE)), JSON, st.lists(JSON, max_size=3))
def test_any_facts_are_read_or_asked_again(
    tmp_path_factory: pytest.TempPathFactory, name: str, value: Any, records: list[Any]
) -> None:
    """What is found is a response with the types that it should have."""
    folder = tmp_path_factory.getbasetemp() / "any"
    run = kept(folder, lines(first(response=RESPONSE | {name: value}), *({"at": 1.0, "line": one} for one in records)))

    if run is not None:
        msgspec.convert({**vars(run.response), "messages": (), "usage": vars(run.response.usage)}, Response)


@pytest.mark.fuzz
@given(TEXTS, JSON)
def test_every_character_survives(tmp_path_factory: pytest.TempPathFactory, text: str, value: Any) -> None:
    """In text, object and messages. Half a surrogate pair in a message becomes a mark of replacement, as live."""
    folder = tmp_path_factory.getbasetemp() / "round"
    messages = Decoder().decode([json.dumps({"type": "odd", "text": text}).encode()], 1000.0)
    response = Response(text, structured=value, started=1000.0, messages=tuple(messages))
    runs = AnswerStore(folder)
    runs.keep("key", response, Redactor())

    run = runs.find("key")
    assert run is not None
    assert run.response.text == text
    assert repr(run.response.structured) == repr(json.loads(json.dumps(value)))
    assert [message.raw for message in run.response.messages] == [message.raw for message in messages]


@pytest.mark.parametrize("umask", [0o000, 0o777])
def test_kept_answers_are_for_the_user_alone(tmp_path: Path, umask: int) -> None:
    """Whatever the umask."""
    before = os.umask(umask)
    try:
        AnswerStore(tmp_path / "state" / "kept").keep("key", Response("text"), Redactor())
    finally:
        os.umask(before)

    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "state", tmp_path / "state" / "kept")}
    assert modes == {0o700}
    assert stat.S_IMODE((tmp_path / "state/kept/key.jsonl.gz").stat().st_mode) == 0o600


def test_the_key_of_a_question_stays_over_versions() -> None:
    """Another key would have everything that is kept asked and paid again."""
    config = SessionConfig(working_dir="/", model="haiku", allowed_tools=("Read",), environment={"A": "1"})
    chain = Chain("chain", 0)

    assert chain.key("hello", config, literal=True, schema=None) == (
        "aa3ebfe8331c99841db6fbce6dfa8afcd5be18f715c8ae6b6834ce698eadc819"
    )


def test_a_conversation_file_that_is_odd_is_passed_over(tmp_path: Path) -> None:
    """A pipe of the right name is not waited for, and the right file beside it is found."""
    session_id = "12345678-1234-4234-8234-123456789abc"
    config = SessionConfig(environment={"CLAUDE_CONFIG_DIR": str(tmp_path)})
    run = KeptAnswer(Response("text"), session_id, "a1")
    for name in ("one", "two", "three"):
        (tmp_path / "projects" / name).mkdir(parents=True)
    os.mkfifo(tmp_path / "projects" / "one" / f"{session_id}.jsonl")
    (tmp_path / "projects" / "two" / f"{session_id}.jsonl").mkdir()
    assert continued(config, run) is None

    (tmp_path / "projects" / "three" / f"{session_id}.jsonl").write_text('{"uuid":"a1"}\n')
    assert continued(config, run) == replace(config, resume=session_id, fork=True, resume_at="a1")


def test_answer_of_version_0_1_says_who_answered(tmp_path: Path) -> None:
    """It had a flag in place of the source."""
    sources = [AnswerSource.MODEL, AnswerSource.SIMULATOR]
    found = [kept(tmp_path / str(flag), in_response(simulated=flag)) for flag in (False, True)]

    assert [one and one.response.source for one in found] == [AnswerSource.CACHE, AnswerSource.CACHE]
    assert [one and one.response.cached_source for one in found] == sources
