"""Hostile text, wherever it stands: nothing outside the allow list comes out."""

from __future__ import annotations

import json
import re

import pytest

from claude_magic.errors import ProcessError
from claude_magic.rendering import (
    MIME_TYPE,
    MarkdownStream,
    RunView,
    TerminalPrinter,
    clean,
    error_bundle,
    response_bundle,
    run_bundle,
    to_html,
    visible,
)
from claude_magic.response import Outcome

from .builders import message, response, result, use
from .hostile import PAYLOADS, VARIANTS
from .pages import Page

HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)


def hostile_response(payload: str):
    return response(
        message("init", raw={"model": payload, "cwd": payload}),
        message("thinking", payload),
        message("text", payload),
        message("block"),
        use("t1", payload, {payload: payload, "command": payload}),
        result("t1", payload, failed=True),
        use("t2", "Bash", {"command": f"{payload}\n{payload}"}),
        result("t2", payload),
        use("t3", "Edit", {"file_path": payload, "old_string": payload, "new_string": f"x{payload}\ny"}),
        result("t3", payload),
        use("t4", "Agent", {"description": payload, "prompt": payload}),
        use("t5", "TodoWrite", {"todos": [{"content": payload, "status": payload}]}, parent="t4"),
        result("t4", payload),
        use("t6", "AskUserQuestion", hostile_questions(payload)),
        message("tool_result", payload, raw={"tool_use_result": {"answers": {payload: payload}}}, tool_use_id="t6"),
        use("t7", "MultiEdit", {"file_path": payload, "edits": [{"old_string": payload, "new_string": ""}] * 2}),
        result("t7", payload, failed=True),
        use("t8", "Write", {"file_path": payload, "content": payload}),
        result("t8", payload),
        use("t9", "NotebookEdit", {"notebook_path": payload, "new_source": payload}),
        use("t10", "WebFetch", {"url": payload, "prompt": payload}),
        use("t11", f"mcp__{payload}__{payload}", {"list": [payload, {payload: payload}]}),
        use(payload, "Bash", {"command": payload, "description": payload}, parent=payload),
        message("permission", payload, tool_use_id=payload),
        message("retry", raw={"error_status": payload, "attempt": payload, "max_retries": payload}),
        message("rate_limit", payload, raw={"rate_limit_info": {"status": "rejected", "rateLimitType": payload}}),
        message("status", payload),
        message("error", payload, error=payload),
        message("text", "\n\n" + payload),
        session=payload,
        model=payload,
        prompt=payload,
        outcome=Outcome.ERROR,
        error=payload,
    )


def hostile_questions(payload: str):
    option = {"label": payload, "description": payload}
    asked = {"question": payload, "header": payload, "options": [option, option]}
    return {"questions": [asked, {**asked, "multiSelect": True}]}


def test_hostile_payloads_are_enough() -> None:
    """The corpus is large, and no payload stands in it twice."""
    assert len(PAYLOADS + VARIANTS) == len({*PAYLOADS, *VARIANTS}) >= 500


@pytest.mark.parametrize("payload", PAYLOADS + VARIANTS)
def test_hostile_text_leaves_nothing_outside_the_allow_list_in_a_bundle(payload: str) -> None:
    """A finished turn that says a payload in every place shows only allowed elements, and nothing hidden."""
    bundle = response_bundle(hostile_response(payload))
    page = Page(bundle["text/html"])

    assert page.wrong == []
    assert HIDDEN.search(page.text) is None
    assert HIDDEN.search(bundle["text/plain"]) is None


@pytest.mark.parametrize("payload", PAYLOADS)
def test_hostile_text_leaves_nothing_outside_the_allow_list_in_a_running_display(payload: str) -> None:
    """So does the running display, at every message on the way."""
    view = RunView(session=payload, model=payload)
    for one in hostile_response(payload).messages:
        view.add([one])
        page = Page(run_bundle(view, final=False, now=1.0)["text/html"])

        assert page.wrong == []
        assert HIDDEN.search(page.text) is None


@pytest.mark.parametrize("payload", PAYLOADS)
def test_hostile_text_leaves_nothing_outside_the_allow_list_in_an_error(payload: str) -> None:
    """So does an error whose message, stderr and partial answer are hostile."""
    error = ProcessError(payload, exit_code=1, stderr_tail=payload)
    error.response = hostile_response(payload)
    for bundle in (error_bundle(error), error_bundle(ProcessError(payload, stderr_tail=payload), payload)):
        assert Page(bundle["text/html"]).wrong == []
        assert HIDDEN.search(bundle["text/plain"]) is None


@pytest.mark.parametrize("payload", PAYLOADS)
def test_hostile_text_leaves_no_control_characters_in_a_terminal(payload: str) -> None:
    """No escape sequence of a model or a tool reaches a terminal."""
    written: list[str] = []
    printer = TerminalPrinter(written.append)
    turn = hostile_response(payload)
    printer.feed(turn.messages)
    printer.finish(turn)

    assert HIDDEN.search("".join(written)) is None


@pytest.mark.parametrize("payload", PAYLOADS + VARIANTS)
def test_sanitizer_stands_alone(payload: str) -> None:
    """Raw HTML that went straight to the second wall would still be cleaned."""
    assert Page(clean(f"<div>{payload.replace(chr(0xD800), '')}</div>")).wrong == []


@pytest.mark.parametrize("payload", PAYLOADS + VARIANTS)
def test_hostile_text_that_is_half_written_does_no_more(payload: str) -> None:
    """A payload that arrives a few characters at a time is clean at each of them."""
    stream = MarkdownStream()
    short = payload[:300]
    for end in range(1, len(short) + 1, 3):
        assert Page(stream.update(short[:end])).wrong == []


@pytest.mark.parametrize("payload", PAYLOADS)
def test_hostile_text_as_data_can_be_written_to_a_notebook(payload: str) -> None:
    """The stored data is JSON in UTF-8, whatever was said."""
    data = response_bundle(hostile_response(payload))[MIME_TYPE]

    assert data == json.loads(json.dumps(data, ensure_ascii=False).encode("utf-8"))


def test_markdown_picture_becomes_words_and_an_address() -> None:
    """A picture is not fetched: its alternative text, its address and its title stand in its place."""
    page = Page(to_html('See ![a chart](http://x.example/a.png) and ![b](c "d") here.'))

    assert page.text.strip() == 'See [image: a chart] (http://x.example/a.png) and [image: b] (c "d") here.'
    assert page.links == []


def test_markdown_links_are_of_three_kinds_of_address_only() -> None:
    """http, https and mailto are links; any other address is shown as text."""
    page = Page(to_html("[a](http://x.example) [b](https://y.example) [c](mailto:me@z.example) [d](src/load.py)"))

    assert page.links == ["http://x.example", "https://y.example", "mailto:me@z.example"]
    assert "d (src/load.py)" in page.text


def test_sanitizer_drops_what_could_fetch_or_cover() -> None:
    """Style properties that fetch, hide or leave the flow do not pass, relative addresses neither."""
    dirty = '<a href="/x" style="position:fixed;color:red;background:url(http://e.example);display:none">x</a>'

    assert clean(dirty.replace(' href="/x"', "")) == '<a style="color:red" rel="noopener noreferrer">x</a>'
    assert "href" not in clean(dirty)


def test_markdown_leaves_prose_about_links_alone() -> None:
    """A text that only looks like an attribute stays as it is."""
    assert '<a href="x">' in Page(to_html('write `<a href="x">` and "href=\\"y\\""')).text


@pytest.mark.parametrize(
    ("hidden", "shown"),
    [
        ("a\u202eb", "a⟨U+202E⟩b"),
        ("a\u200b\u200bb", "a⟨U+200B and 1 more⟩b"),
        ("\x1b[31m", "␛[31m"),
        ("\x00", "␀"),
        ("\x9b", "⟨U+009B⟩"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("a\u200db", "a⟨U+200D⟩b"),
        ("\ud800", "\ufffd"),
    ],
)
def test_visible_shows_hidden_characters(hidden: str, shown: str) -> None:
    """What shows nothing, or changes the order of reading, is named."""
    assert shown == visible(hidden)


@pytest.mark.parametrize("text", ["tab\tand\nline", "نمی\u200cخواهم", "👩\u200d🔬", "❤\ufe0f", "naïve 日本語"])
def test_visible_leaves_honest_text_alone(text: str) -> None:
    """Scripts and emoji that need joiners keep them."""
    assert text == visible(text)
