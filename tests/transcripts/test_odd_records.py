"""Records of every shape: whose words they are, and that what is odd costs only itself."""

from __future__ import annotations

import copy
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_magic import read_transcripts
from claude_magic.paths import claude_dir

from .transcript_records import (
    SESSION,
    Record,
    agent_path,
    answer,
    at,
    lines,
    prompt,
    session_path,
    text,
    usage,
    use,
    write,
)


def said(root: Path, records: list[Record] | bytes) -> list[tuple[str, str]]:
    """Role and text of each message in a session file."""
    write(session_path(root), records)
    found = read_transcripts(root, cache=False).messages()
    return list(zip(found["role"], found["text"], strict=True))


def queued(words: Any, seconds: float, mode: str = "prompt") -> Record:
    attachment = {"type": "queued_command", "commandMode": mode, "prompt": words}
    return {
        "type": "attachment",
        "uuid": "q1",
        "timestamp": at(seconds),
        "sessionId": SESSION,
        "attachment": attachment,
    }


@pytest.mark.parametrize("words", ["use polars", [text("use polars")]])
def test_prompt_typed_while_claude_works_is_the_persons(tmp_path: Path, words: Any) -> None:
    """The CLI writes it as an attachment; what a task reports in the same way is not a prompt."""
    records = [
        prompt("analyse", 0),
        queued(words, 1),
        queued("a task is done", 2, "task-notification") | {"uuid": "q2"},
    ]

    assert said(tmp_path, [*records, answer("m1", 3, text("done"))]) == [
        ("user", "analyse"), ("user", "use polars"), ("assistant", "done"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "more", "kept"),
    [
        ('<teammate-message from="ann">done</teammate-message>', {}, "note"),
        ("<system-reminder>Today is Friday.</system-reminder>", {}, None),
        ("go on", {"isMeta": True}, None),
    ],
)
def test_queued_words_of_others_are_not_the_persons(tmp_path: Path, words: str, more: Record, kept: str | None) -> None:
    """What another agent says is a note; what the CLI says to itself is left out."""
    record = queued(words, 1)
    record["attachment"] |= more

    told = [("system", words)] if kept else []
    assert said(tmp_path, [prompt("analyse", 0), record, answer("m1", 3, text("done"))]) == [
        ("user", "analyse"), *told, ("assistant", "done"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "words",
    [
        "<system-reminder>\nToday is Friday.\n</system-reminder>\nWhich day?",
        "<system-reminder>a</system-reminder>\n<system-reminder>b</system-reminder>\n\nWhich day?",
        [text("<system-reminder>Today is Friday.</system-reminder>"), text("Which day?")],
    ],
)
def test_reminder_before_the_words_is_not_the_prompt(tmp_path: Path, words: Any) -> None:
    """In the same block or in one of its own; prompt and session are named by what was typed."""
    assert said(tmp_path, [prompt(words, 0), answer("m1", 1, text("Friday"))])[0] == ("user", "Which day?")
    found = read_transcripts(tmp_path, cache=False)
    assert found.turns()["prompt"].to_list() == ["Which day?"]
    assert found.sessions()["name"].to_list()[0].startswith("Which day?")


def test_reminder_alone_begins_no_turn(tmp_path: Path) -> None:
    """It is the CLI that speaks; a person who writes about reminders is not cut."""
    records = [
        prompt("x", 0),
        prompt("<system-reminder>a</system-reminder>", 1),
        prompt("Is <system-reminder> HTML?", 2),
    ]

    assert said(tmp_path, records) == [("user", "x"), ("user", "Is <system-reminder> HTML?")]
    assert len(read_transcripts(tmp_path, cache=False).turns()) == 2


def test_words_of_another_agent_are_not_the_persons(tmp_path: Path) -> None:
    """They begin a turn that no person prompted."""
    told = '<teammate-message teammate_id="reviewer">\nall done\n</teammate-message>'

    roles = said(
        tmp_path, [prompt("start", 0), answer("m1", 1, text("a")), prompt(told, 2), answer("m2", 3, text("b"))]
    )

    assert [role for role, _ in roles] == ["user", "assistant", "system", "assistant"]


def test_subagent_that_repeats_a_call_costs_it_once(tmp_path: Path) -> None:
    """It has the message's id, time and tokens, and another request; one of this id at another time counts."""
    write(session_path(tmp_path), [prompt("x", 0), answer("m1", 1, text("a"), used=usage(1000, 100))])
    side = [answer("m1", 1, text("a"), used=usage(1000, 100), request="r9"), answer("m7", 5, text("b"), request="r10")]
    other = answer("m1", 9, text("c"), used=usage(5, 5), request="r11")
    write(agent_path(tmp_path, "b1"), [record | {"isSidechain": True} for record in [*side, other]])

    assert read_transcripts(tmp_path, cache=False).usage()["message_id"].to_list() == ["m1", "m7", "m1"]


def test_call_of_another_model_within_an_answer_is_paid(tmp_path: Path) -> None:
    """An advisor's tokens stand among the iterations of an answer, and not in its counts."""
    own = {"type": "message", "input_tokens": 1, "output_tokens": 5}
    advisor = {"type": "advisor_message", "model": "claude-opus-4-5", "input_tokens": 60_000, "output_tokens": 800}
    used = usage(1, 5, iterations=[own, advisor])
    write(session_path(tmp_path), [prompt("x", 0), *[answer("m1", 1, text("a"), used=used)] * 2])

    found = read_transcripts(tmp_path, cache=False).usage()
    assert found["model"].to_list() == ["claude-opus-4-8", "claude-opus-4-5"]
    assert found["input_tokens"].to_list() == [1, 60_000]
    assert found["cost_usd"].to_list()[1] > 0.1


def test_recorded_folder_says_whose_a_session_is(tmp_path: Path) -> None:
    """Two folders may have one name, or one's name end as the other's does."""
    for number, folder in enumerate(["/w/api", "/w/my-api", "/w/a.b", "/w/a-b"]):
        name = "".join(sign if sign.isalnum() else "-" for sign in folder)
        path = session_path(tmp_path, f"00000000-0000-4000-8000-{number:012d}", name)
        write(path, [prompt("x", 0, cwd=folder), answer("m1", 1, text("a"))])

    def found(project: str) -> list[str]:
        return read_transcripts(tmp_path, project=project, cache=False).sessions()["working_dir"].to_list()

    assert found("api") == ["/w/api"]
    assert found("my-api") == ["/w/my-api"]
    assert found("/w/a-b") == ["/w/a-b"]


DEEP = b'{"type":"new","x":' + b"[" * 5_000 + b"]" * 5_000 + b"}"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"isSidechain": false', b'"unknown": ' + DEEP),
        (b'"requestId": "req_1"', b'"requestId": "\xff"'),
        (b'"input_tokens": 1000', b'"input_tokens": ' + b"9" * 5_000),
        (b'"input_tokens": 1000', b'"input_tokens": NaN'),
        (b'"input_tokens": 1000', b'"input_tokens": 4611686018427387904'),
        (b'[{"type": "text", "text": "the answer"}]', b'{"type": "text", "text": "the answer"}'),
    ],
)
def test_odd_field_costs_only_itself(tmp_path: Path, old: bytes, new: bytes) -> None:
    """Nested deeply, not UTF-8, longer than any number, no number, beyond belief, an object for a list."""
    written = lines([prompt("x", 0), answer("m1", 1, text("the answer"), used=usage(output=7))])
    head, _, last = written.rpartition(b'{"message"')
    assert old in last

    assert said(tmp_path, head + b'{"message"' + last.replace(old, new, 1)) == [
        ("user", "x"),
        ("assistant", "the answer"),
    ]
    found = read_transcripts(tmp_path, cache=False)
    assert found.usage()["output_tokens"].to_list() == [7]
    assert (found.usage()["input_tokens"] >= 0).all()


def test_secret_in_json_within_json_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that holds JSON is written as JSON once more."""
    secret = 'pa"ss\\word-of-mine'
    monkeypatch.setenv("DB_PASSWORD", secret)
    inner = json.dumps({"password": secret})
    write(session_path(tmp_path), [prompt("x", 0), answer("m1", 1, use("t1", command=f"curl -d {json.dumps(inner)}"))])

    found = read_transcripts(tmp_path, cache=False)
    for given_text in (found.tools()["input"][0], found.messages()["text"][1]):
        assert "[redacted DB_PASSWORD]" in given_text
        assert "word-of-mine" not in given_text


@pytest.mark.parametrize(("given", "folder"), [("~/mine", "mine"), ("~", "")])
def test_home_in_the_clis_folder_is_the_home_folder(tmp_path: Path, given: str, folder: str) -> None:
    """As a shell would have read it."""
    environment = {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path), "CLAUDE_CONFIG_DIR": given}

    assert claude_dir(environment) == tmp_path / folder


ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**30), 10**30), st.floats(), st.text(max_size=5),
    st.recursive(st.none(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner)),
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something can be changed in a record."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [place for key, item in inside for place in places(item, (*path, key))]


@pytest.mark.fuzz
@pytest.mark.filterwarnings("ignore:No price is known")
@given(st.data())
def test_changed_record_leaves_the_others(data: st.DataObject) -> None:
    """Anything may stand anywhere in a record: nothing fails, and the records around it keep words and tokens."""
    changed = copy.deepcopy(answer("m2", 2, text("changed"), use("t2", command="ls"), used=usage(5, 6)))
    for _ in range(data.draw(st.integers(1, 3))):
        *path, last = data.draw(st.sampled_from(places(changed)))
        holder = changed
        for step in path:
            holder = holder[step]
        if data.draw(st.booleans()):
            del holder[last]
        else:
            holder[last] = data.draw(ODD)
    before, after = answer("m1", 1, text("before"), used=usage(1, 2)), answer("m3", 3, text("after"), used=usage(3, 4))
    with tempfile.TemporaryDirectory() as root:
        write(session_path(Path(root)), [prompt("x", 0), before, changed, after])
        found = read_transcripts(Path(root), cache=False)

        texts = found.messages()["text"].to_list()
        assert (texts[:2], texts[-1]) == (["x", "before"], "after")
        tokens = found.usage().set_index("message_id")["output_tokens"]
        assert (tokens["m1"], tokens["m3"]) == (2, 4)
        assert (found.turns()["output_tokens"] >= 0).all()
        found.tools(), found.sessions(), found.problems
