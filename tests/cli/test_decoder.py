"""The wire format: what each line means, that none is lost, and that no secret gets through."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lines import (
    Line,
    assistant,
    decode,
    delta,
    event,
    result,
    streamed,
    system,
    text_block,
    text_of,
    thought,
    tool_result,
    tool_use,
)

from claude_magic.cli.decoder import Decoder
from claude_magic.cli.line_text import block_text
from claude_magic.messages import MessageType
from claude_magic.redaction import Redactor

SECRET = "sk-ant-hunter2-hunter2"


def test_decoder_makes_every_line_one_message_in_order() -> None:
    """One message a line, in the order of the lines; only blank lines are none."""
    lines: list[Line | bytes] = [system("init"), delta("a"), b"", b"  ", b"noise", {"type": "new"}, result("a")]

    messages = decode(*lines)

    assert [str(message.type) for message in messages] == ["init", "text", "unknown", "unknown", "result"]
    assert [message.line for message in messages] == [
        line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines if line not in (b"", b"  ")
    ]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (system("init"), "init"),
        (system("status", status="requesting"), "status"),
        (system("api_retry", attempt=1, max_retries=2, retry_delay_ms=500, error_status=529), "retry"),
        (system("model_fallback", original_model="a", fallback_model="b"), "status"),
        (system("permission_denied", tool_name="Bash", tool_use_id="t"), "permission"),
        (system("task_started", description="d"), "task"),
        (system("session_state_changed", state="idle"), "status"),
        (system("hook_started"), "event"),
        (system("of_next_year"), "unknown"),
        (delta("x"), "text"),
        (thought("x"), "thinking"),
        (event("message_stop"), "event"),
        (assistant(tool_use()), "tool_use"),
        (tool_result("x"), "tool_result"),
        (assistant(text_block("x"), error="rate_limit"), "error"),
        (assistant(text_block("x"), parent_tool_use_id="t"), "task"),
        ({"type": "control_request", "request_id": "1", "request": {"subtype": "can_use_tool"}}, "permission"),
        ({"type": "control_cancel_request", "request_id": "1"}, "permission"),
        ({"type": "control_response", "response": {}}, "event"),
        ({"type": "rate_limit_event", "rate_limit_info": {"status": "allowed"}}, "rate_limit"),
        ({"type": "tool_progress", "tool_name": "Bash", "elapsed_time_seconds": 30}, "task"),
        ({"type": "conversation_reset"}, "status"),
        ({"type": "command_lifecycle"}, "event"),
        (result("x"), "result"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_decoder_says_what_a_line_means(line: Line, kind: str) -> None:
    """Each line the CLI is known to write has its type."""
    assert str(decode(line)[0].type) == kind


def test_decoder_keeps_unknown_types_and_fields() -> None:
    """A line of a type we have never seen, or with fields we have never seen, is there as it came."""
    strange: Line = {"type": "from_the_future", "wonders": [1, {"two": 3}], "session_id": "s"}
    message, known = decode(strange, result("x", wonders={"a": 1}))

    assert message.raw == strange
    assert message.session_id == "s"
    assert known.raw["wonders"] == {"a": 1}


@pytest.mark.parametrize(
    "line",
    [
        {"type": "assistant"},
        {"type": "assistant", "message": None},
        {"type": "user", "message": "text"},
        {"type": "stream_event", "event": {}},
        {"type": "stream_event", "event": None},
        {"type": "control_request"},
        {"type": "system", "subtype": 5},
        {"type": 5},
        {},
        {"type": "stream_event", "event": {"type": "x"}, "abandoned_blocks": {"from_block_index": "x"}},
    ],
)
def test_decoder_keeps_a_known_type_in_an_odd_shape(line: Line) -> None:
    """What cannot be understood does not end the stream: the line is kept and the next one is read."""
    messages = decode(line, delta("on"))

    assert messages[0].raw == line
    assert text_of(messages) == "on"


@pytest.mark.parametrize("line", [b"plain words", b"[1, 2]", b"null", b'{"type": "result", oops', b"\xff\xfe"])
def test_decoder_takes_a_line_that_is_not_a_json_object_as_text(line: bytes) -> None:
    """It is kept as unknown; its words are not part of the answer."""
    message = decode(line)[0]

    assert message.type is MessageType.UNKNOWN
    assert message.text == line.decode("utf-8", "replace")
    assert message.raw == {}


def test_decoder_redacts_a_secret_in_a_line_that_is_not_json() -> None:
    """Such a line may be the output of anything."""
    message = decode(f"token={SECRET}".encode(), redactor=Redactor({"T": SECRET}))[0]

    assert message.text == "token=[redacted T]"


@pytest.mark.parametrize(
    "line",
    [
        b'{"type":"result","subtype":"success","is_error":false,"result":"half \\ud83d pair"}',
        b'{"type":"result","subtype":"success","is_error":false,"result":"bad \xff byte"}',
        b'{"type":"result","subtype":"success","is_error":false,"result":"x","new":"\xff"}',
        b'{"type":"result","subtype":"success","is_error":false,"result":"x","new":1e999}',
        b'{"type":"result","subtype":"success","is_error":false,"result":"x","event":"other"}',
    ],
)
def test_decoder_reads_a_result_even_where_javascript_was_lenient(line: bytes) -> None:
    """Half a surrogate pair, broken UTF-8 or a number out of range must not hide the end of a turn."""
    message = decode(line)[0]

    assert message.type is MessageType.RESULT
    assert message.raw["subtype"] == "success"
    message.text.encode()


def test_decoder_takes_a_delta_with_half_a_surrogate_pair_as_text() -> None:
    """The broken character is replaced; the letters around it are part of the answer."""
    line = json.dumps(delta("a\ud83d")).encode()

    assert text_of(decode(line, delta("b"))) == "a�b"


def test_decoder_gives_a_block_after_its_deltas_no_text_again() -> None:
    """The completed block repeats what was streamed."""
    messages = decode(*streamed("Hello."), result("Hello."))

    assert [str(message.type) for message in messages] == ["text", "text", "text", "block", "result"]
    assert text_of(messages) == "Hello."


def test_decoder_makes_a_block_without_deltas_text() -> None:
    """Some answers come whole."""
    assert text_of(decode(assistant(text_block("Whole.")))) == "Whole."


def test_decoder_keeps_thinking_out_of_the_answer() -> None:
    """Deltas of thinking are new, the completed block is not."""
    messages = decode(thought("hm"), thought("m"), assistant({"type": "thinking", "thinking": "hmm"}), *streamed("A"))

    assert [str(message.type) for message in messages] == ["thinking", "thinking", "block", "text", "block"]
    assert text_of(messages) == "A"


def test_decoder_makes_blocks_paragraphs() -> None:
    """Text before and after a tool, and two blocks in a row, are paragraphs of their own."""
    messages = decode(
        event("message_start"), *streamed("One."), assistant(tool_use()), tool_result("ok"),
        event("message_start"), *streamed("Two."), *streamed("Three.", 1), assistant(text_block("Four.")),
    )  # fmt: skip

    assert text_of(messages) == "One.\n\nTwo.\n\nThree.\n\nFour."


def test_decoder_makes_no_paragraph_of_an_empty_block() -> None:
    """An empty delta shows nothing, not even the distance to what does not come."""
    messages = decode(*streamed("One."), delta("", 1), assistant(text_block("")))

    assert text_of(messages) == "One."


def test_decoder_keeps_turns_apart() -> None:
    """A new turn does not begin with the distance to the last one's answer."""
    decoder = Decoder()
    decode(system("init"), *streamed("One."), result(), decoder=decoder)

    assert text_of(decode(system("init"), *streamed("Two."), decoder=decoder)) == "Two."


def test_decoder_goes_on_where_a_mended_stream_broke() -> None:
    """The CLI asks for the rest by a synthetic message: what follows is no new paragraph."""
    synthetic = {"type": "user", "isSynthetic": True, "message": {"content": [text_block("Resume directly")]}}
    messages = decode(
        event("message_start"), *streamed("The answer is "), synthetic, event("message_start"), *streamed("42.")
    )

    assert text_of(messages) == "The answer is 42."


def kept_of(messages: list[Any]) -> str:
    """The text a reader has who follows withdrawals."""
    text = ""
    for message in messages:
        text = text[: len(text) - message.withdrawn]
        text += message.text if message.type == "text" else ""
    return text


def test_decoder_withdraws_an_abandoned_block() -> None:
    """Blocks from the named index on never happened; those before stay."""
    stop = event("message_stop", abandoned_blocks={"from_block_index": 1})
    messages = decode(event("message_start"), *streamed("Kept."), delta("Half a se", 1), stop)

    assert messages[-1].type is MessageType.STATUS
    assert messages[-1].withdrawn == len("\n\nHalf a se")
    assert kept_of(messages) == "Kept."


def test_decoder_withdraws_what_was_held_back_with_its_block() -> None:
    """Text that looked like the beginning of a secret counts as shown once it is shown."""
    stop = event("message_stop", abandoned_blocks={"from_block_index": 0})
    messages = decode(event("message_start"), *streamed("my sk-"), stop, redactor=Redactor({"T": SECRET}))

    assert "".join(message.text for message in messages) == "my sk-"
    assert kept_of(messages) == ""


def test_decoder_withdraws_text_only_once() -> None:
    """A second break in the same message counts only what came since."""
    stop = event("message_stop", abandoned_blocks={"from_block_index": 0})
    messages = decode(event("message_start"), delta("abc"), stop, delta("de"), stop)

    assert [message.withdrawn for message in messages if message.withdrawn] == [3, 2]


def test_decoder_redacts_a_secret_over_several_deltas() -> None:
    """No piece of it is shown, and `raw` is as it came."""
    messages = decode(*streamed(f"It is {SECRET}."), redactor=Redactor({"TOKEN": SECRET}))

    assert text_of(messages) == "It is [redacted TOKEN]."
    assert "".join(message.raw["event"]["delta"]["text"] for message in messages[:-1]) == f"It is {SECRET}."


def test_decoder_redacts_tools_errors_and_results() -> None:
    """Every text and input a person may see is redacted, at any depth."""
    request = {"subtype": "can_use_tool", "tool_name": "Bash", "input": {"command": f"echo {SECRET}"}}
    messages = decode(
        assistant(tool_use(command=f"echo {SECRET}", nested=[{"deep": SECRET}])),
        tool_result(f"{SECRET}\n", is_error=True),
        {"type": "control_request", "request_id": "1", "request": request},
        assistant(text_block(f"bad {SECRET}"), error="unknown"),
        system("informational", content=SECRET),
        result(f"no {SECRET}", is_error=True),
        redactor=Redactor({"K": SECRET}),
    )

    for message in messages:
        assert SECRET not in message.text + message.error + json.dumps(message.tool_input)
        assert SECRET in json.dumps(message.raw)


@given(
    before=st.text(alphabet="xsk-", max_size=20),
    secret=st.text(alphabet="sk-ant", min_size=6, max_size=12),
    after=st.text(alphabet="xsk-", max_size=20),
    cuts=st.lists(st.integers(0, 60)),
)
def test_decoder_lets_no_secret_through_however_it_is_cut(
    before: str, secret: str, after: str, cuts: list[int]
) -> None:
    """However the API cuts a text into deltas, the joined text is the redaction of the whole."""
    whole = f"{before} {secret} {after}"
    ends = sorted({min(cut, len(whole)) for cut in cuts} | {0, len(whole)})
    pieces = [whole[begin:end] for begin, end in itertools.pairwise(ends)]
    redactor = Redactor({"KEY": secret})

    shown = text_of(decode(*map(delta, pieces), assistant(text_block(whole)), redactor=redactor))

    assert f" {secret} " not in shown
    assert shown == redactor.text(whole)


def test_decoder_takes_pieces_together_or_one_by_one() -> None:
    """What arrives in one read gives the same texts as line by line: blocks, paragraphs, thoughts, secrets."""
    lines: list[Line] = [
        event("message_start"),
        delta("Let ", index=0), delta("me ", index=0), event("ping"), delta("look.", index=0),
        assistant(text_block("Let me look.")),
        thought("I "), thought("wonder."),
        delta("", index=1), delta("Half ", index=1), delta(f"of {SECRET[:9]}", index=1), delta(SECRET[9:], index=1),
        {"not": "known"},
        delta("one ", index=1), delta("two", index=2),
        result("done"),
    ]  # fmt: skip
    redactor = Redactor({"TOKEN": SECRET})
    together, alone = decode(*lines, redactor=redactor), Decoder(redactor)
    one_by_one = [message for line in lines for message in alone.decode([json.dumps(line).encode()], 0.0)]

    assert [(message.type, message.text) for message in together] == [(one.type, one.text) for one in one_by_one]
    assert text_of(together) == "Let me look.\n\nHalf of [redacted TOKEN]one two"


def test_decoder_names_the_tool_of_a_result() -> None:
    """A result has its tool's name and id; failures say so."""
    messages = decode(assistant(tool_use("Read", "t1", file="a")), tool_result("nope", "t1", is_error=True))

    assert (messages[0].tool_name, messages[0].tool_use_id, messages[0].tool_input) == ("Read", "t1", {"file": "a"})
    assert (messages[1].tool_name, messages[1].tool_use_id) == ("Read", "t1")
    assert messages[1].is_error
    assert messages[1].error == "nope"


def test_block_text_of_a_tool_result_names_pictures() -> None:
    """Text is text; a picture is its kind in brackets."""
    content = [text_block("See:"), {"type": "image", "source": {}}]

    assert decode(tool_result(content))[0].text == "See:\n[image]"
    assert block_text(None) == ""


def test_decoder_keeps_a_subagents_words_out_of_the_answer() -> None:
    """They belong to its task."""
    messages = decode(
        assistant(text_block("sub says"), parent_tool_use_id="t1"),
        assistant(tool_use("Read", "t2"), parent_tool_use_id="t1"),
        *streamed("Main."),
    )

    assert text_of(messages) == "Main."
    assert [message.parent_tool_use_id for message in messages[:2]] == ["t1", "t1"]


def test_decoder_says_of_a_retry_what_failed_and_when_it_goes_on() -> None:
    """One readable line, whether there was a status or only a broken connection."""
    status = decode(system("api_retry", attempt=1, max_retries=4, retry_delay_ms=512.7, error_status=529))[0]
    broken = decode(system("api_retry", attempt=2, max_retries=4, retry_delay_ms=1000, error_status=None))[0]

    assert status.text == "the API failed (529): retry 1 of 4 in 0.5 s"
    assert broken.text == "the API failed (connection failed): retry 2 of 4 in 1.0 s"


def test_message_timestamp_is_the_clis_own_where_it_says_one() -> None:
    """Else the time of arrival; a time in a strange form counts as none."""
    own, strange, none = decode(
        result(timestamp="2026-01-02T03:04:05.000Z"), result(timestamp="yesterday"), result("x")
    )

    assert own.timestamp.isoformat() == "2026-01-02T03:04:05+00:00"
    assert strange.timestamp == none.timestamp
    assert none.timestamp.timestamp() == 1_700_000_000.0


def test_decoder_bounds_the_memory_of_tool_names() -> None:
    """A session of a hundred thousand tool uses does not grow for ever."""
    decoder = Decoder()
    for number in range(5000):
        decode(assistant(tool_use("Bash", f"t{number}")), decoder=decoder)

    assert len(decoder._tool_names) < 4200
    assert decode(tool_result("x", "t4999"), decoder=decoder)[0].tool_name == "Bash"


@pytest.mark.parametrize(
    ("content", "words", "failed"),
    [
        (
            [{"type": "web_search_result", "title": "Tides", "url": "https://t.example"}],
            "Tides\nhttps://t.example",
            False,
        ),
        ({"type": "web_search_tool_result_error", "error_code": "unavailable"}, "unavailable", True),
        ({"type": "code_execution_result", "stdout": "4\n", "stderr": "", "return_code": 0}, "4\n", False),
        ({"type": "of_next_year", "amount": [1]}, "[of_next_year]", False),
        ("plain", "plain", False),
        (None, "", False),
    ],
)
def test_decoder_takes_a_tool_of_the_api_as_a_tool_use(content: Any, words: str, *, failed: bool) -> None:
    """The API runs it, and use and result both stand in the assistant's message, one block a line."""
    use = assistant({"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "tides"}})
    answer = assistant({"type": "web_search_tool_result", "tool_use_id": "s1", "content": content})

    begun, ended = decode(use, answer)

    assert (begun.type, begun.tool_name, begun.tool_use_id) == (MessageType.TOOL_USE, "web_search", "s1")
    assert begun.tool_input == {"query": "tides"}
    assert (ended.type, ended.tool_name, ended.tool_use_id) == (MessageType.TOOL_RESULT, "web_search", "s1")
    assert (ended.text, ended.is_error) == (words, failed)
