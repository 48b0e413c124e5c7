"""Lines of every shape: what is odd costs only itself, and is told with its place."""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_magic import read_transcripts

from .transcript_records import (
    Record,
    answer,
    lines,
    our_totals,
    prompt,
    read,
    result,
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


def test_problems_tell_the_place_of_broken_lines(tmp_path: Path) -> None:
    """Each is passed over and named; the lines around it count."""
    good = lines([prompt("x", 0), answer("m1", 1, text("y"))])
    data = good + b'{"type": "user", "mess\n' + b"\n" + b"null\n" + lines([answer("m2", 2)]) + b'{"type": "assis'
    path = write(session_path(tmp_path), data)
    transcripts = read(tmp_path)
    problems = transcripts.problems
    assert list(problems["line"]) == [3, 5, 7]
    assert list(problems["offset"]) == [len(good), data.index(b"\nnull") + 1, data.rindex(b"{")]
    assert problems["file"].unique().tolist() == [f"-home-you-project/{path.name}"]
    assert problems["reason"].iloc[2] == "half-written line"
    assert (transcripts.broken, len(transcripts.usage())) == (3, 2)


def test_problems_tell_the_number_of_a_line_far_inside(tmp_path: Path) -> None:
    """Lines are counted on from the last broken one, however much is read at once."""
    good = lines([prompt("x" * 1000, 0)])
    write(session_path(tmp_path), good * 900 + b"one\n" + good * 900 + b"two\n" + good + b"three\n")
    assert read(tmp_path).problems["line"].to_list() == [901, 1802, 1804]


def test_record_of_unknown_fields_is_a_problem_where_it_matters(tmp_path: Path) -> None:
    """A known type in another shape is told, and its other fields are read; an unknown type may have any shape."""
    odd: list[Record] = [{"type": "user", "message": 5}, {"type": "news", "message": "hello", "timestamp": 7}, {"a": 1}]
    write(session_path(tmp_path), [*odd, prompt("x", 0)])
    transcripts = read(tmp_path)
    assert transcripts.problems["line"].to_list() == [1]
    assert transcripts.record_types == {"(no type)": 1, "news": 1, "user": 2}
    assert transcripts.broken == 0


@pytest.mark.parametrize("value", [12.0, "12", 10**25, -1, 1.5, [], {}, "many", True, None])
def test_tokens_of_an_odd_number_are_lost_alone(tmp_path: Path, value: Any) -> None:
    """The answer that it stands in is read, and so is its other count."""
    record = answer("m1", 1, text("the answer"))
    record["message"]["usage"] = {"input_tokens": value, "output_tokens": 7}
    write(session_path(tmp_path), [prompt("x", 0), record])
    transcripts = read(tmp_path)
    assert transcripts.messages()["text"].to_list() == ["x", "the answer"]
    assert transcripts.usage()["output_tokens"].to_list() == [7]
    assert transcripts.usage()["input_tokens"].to_list() == [12 if value in (12.0, "12") else 0]


@pytest.mark.parametrize("content", [{"type": "web_search_tool_result_error", "error_code": "x"}, [7], 5, [[1]], True])
def test_block_that_is_odd_is_lost_alone(tmp_path: Path, content: Any) -> None:
    """A result of a server's tool, or a block in a new shape, leaves the text around it."""
    odd = {"type": "web_search_tool_result", "tool_use_id": "t", "content": content}
    write(session_path(tmp_path), [prompt("x", 0), answer("m1", 1, odd, text("the answer"))])
    assert read(tmp_path).messages()["text"].to_list() == ["x", "the answer"]


@pytest.mark.parametrize(
    "line", [b"[" * 100_000, b'{"type":"user","message":' + b"[" * 5_000 + b"]" * 5_000 + b"}", b"\0", b"\xff"]
)
def test_line_that_is_odd_is_lost_alone(tmp_path: Path, line: bytes) -> None:
    """What is nested too deeply, or no text, is a problem with its place; a byte order mark is none."""
    good = lines([prompt("x", 0), answer("m1", 1, text("y"))])
    write(session_path(tmp_path), b"\xef\xbb\xbf" + good + line + b"\n" + lines([answer("m2", 2, text("z"))]))
    transcripts = read(tmp_path)
    assert transcripts.messages()["text"].to_list() == ["x", "y", "z"]
    assert transcripts.problems["line"].to_list() == [3]


def test_line_may_be_long_and_its_text_odd(tmp_path: Path) -> None:
    """A line longer than what is read at once, and half a surrogate pair."""
    long = "x" * 9_000_000
    write(session_path(tmp_path), [prompt("x", 0), answer("m", 1, use("t")), result("t", long, 2), prompt("\ud83d", 3)])
    transcripts = read(tmp_path)
    assert transcripts.tools()["result_chars"].to_list() == [len(long)]
    assert (len(transcripts.turns()), transcripts.broken) in [(2, 0), (1, 1)]


@pytest.mark.parametrize("given", [b'{"command":"\xff"}', b'["\xff"]', b'{"command":"\xe4"}'])
def test_text_that_is_not_utf8_is_replaced(tmp_path: Path, given: bytes) -> None:
    """Wherever they stand: they make neither the reading nor a frame fail."""
    records = lines([prompt("x", 0), answer("m1", 1, {"type": "thinking", "thinking": "?"}, use("t1", command="!"))])
    write(session_path(tmp_path), records.replace(b'{"command": "!"}', given).replace(b'"?"', b'"\xff"'))
    found = read(tmp_path)
    assert found.tools()["input"].to_list() == ["{}" if given.startswith(b"[") else '{"command":"\ufffd"}']
    assert found.messages()["text"].to_list()[1] == "\ufffd"
    assert our_totals(found.usage())["messages"] == 1


def test_tools_input_may_hold_a_number_beyond_any_use(tmp_path: Path) -> None:
    """What is only passed over at first is read with the same patience."""
    records = lines([prompt("x", 0), answer("m1", 1, use("t1", command="!"))])
    write(session_path(tmp_path), records.replace(b'"!"', b"1e400"))
    assert read(tmp_path).tools()["input"].to_list() == ['{"command":null}']


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
def test_record_with_an_odd_field_is_read_without_it(tmp_path: Path, old: bytes, new: bytes) -> None:
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
def test_record_that_is_changed_leaves_the_others(data: st.DataObject) -> None:
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
