"""Bundles, footers, errors and the terminal."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from claude_magic.errors import (
    ClaudeError,
    CLINotFoundError,
    OverloadedError,
    ProcessError,
    RateLimitError,
    TurnTimeoutError,
)
from claude_magic.messages import Message
from claude_magic.permissions import NO_ONE_TO_ASK
from claude_magic.rendering import (
    MIME_TYPE,
    RunView,
    TerminalPrinter,
    error_bundle,
    footer,
    notice,
    response_bundle,
    run_bundle,
    run_data,
)
from claude_magic.rendering.footer import SIMULATED, unasked_notice
from claude_magic.rendering.text import shares
from claude_magic.rendering.tool_summaries import file_text, state_words
from claude_magic.response import AnswerSource, Outcome

from .builders import decision, message, permission, response, result, use
from .pages import Page

TURN = (
    message("init", raw={"model": "claude-opus-4-8", "cwd": "/home/me/project"}),
    message("text", "I **look**.", at=0.2),
    message("block"),
    use("r", "Read", {"file_path": "/home/me/project/etl/load.py"}, at=1.0),
    result("r", "64 lines", at=1.4),
    use("a", "Agent", {"description": "who else?"}, at=2.0),
    use("g", "Grep", {"pattern": "price"}, parent="a", at=2.0),
    result("g", "none", at=2.5),
    result("a", "nobody", at=11.0),
    message("text", "\n\nDone.", at=12.0),
)


def test_bundle_has_data_html_and_text() -> None:
    """One turn is one bundle of three kinds."""
    bundle = response_bundle(response(*TURN))

    assert {MIME_TYPE, "text/html", "text/plain"} == set(bundle)


def test_response_shows_itself() -> None:
    """A notebook asks the response, and gets the bundle."""
    turn = response(*TURN)

    assert response_bundle(turn) == turn._repr_mimebundle_()


def test_footer_tells_of_the_session_where_it_is_known() -> None:
    """Its cost so far, and how full the window is from a half on, stand in the static page and in the text."""
    began = message("event", raw={"event": {"message": {"usage": {"input_tokens": 120_000}}}}, event="message_start")
    over = message("result", raw={"modelUsage": {"opus": {"contextWindow": 200_000}}})
    turn = response(began, *TURN, over, outcome=Outcome.ERROR, error="broken")
    error = ClaudeError("broken")
    error.response = turn

    for bundle in (response_bundle(turn, 1.25), error_bundle(error, session_cost_usd=1.25)):
        for kind in ("text/html", "text/plain"):
            assert "session" in bundle[kind]
            assert "1.2500 · context 60 %" in bundle[kind]
    assert "session" not in footer(response(*TURN))
    assert "session" not in footer(response(*TURN), 0.0213)


def test_run_data_tells_the_run() -> None:
    """The stored data has the facts of the turn and its parts in reading order."""
    data = run_data(response(*TURN, prompt="Look", turn=2, turn_id="u", session_id="s"))

    assert tuple(data[key] for key in ("version", "session", "session_id", "turn", "turn_id", "model", "outcome")) == (
        1,
        "cleanup",
        "s",
        2,
        "u",
        "claude-opus-4-8",
        "success",
    )
    assert [part["type"] for part in data["parts"]] == ["text", "tool", "tool", "tool", "text"]
    assert data["parts"][3] == {
        "type": "tool",
        "id": "g",
        "name": "Grep",
        "input": {"pattern": "price"},
        "edited": False,
        "todos": [],
        "keys": ["pattern"],
        "patch": [],
        "pictures": [],
        "result": "none",
        "is_error": False,
        "state": "done",
        "parent": "a",
        "duration_s": 0.5,
    }
    assert data["usage"] == {
        "input_tokens": 900,
        "output_tokens": 842,
        "cache_read_tokens": 11_000,
        "cache_write_tokens": 200,
    }
    assert data["cut"] == {"characters": 0, "parts": 0}


def test_run_data_is_bounded_and_says_what_was_cut() -> None:
    """A run of many megabytes is stored in a few, and the data says what is missing."""
    big = "x" * 300_000
    many = [m for i in range(2500) for m in (use(str(i), "Bash", {"command": big[:5000]}), result(str(i), big[:5000]))]
    turn = response(message("text", big * 8), *many, use("l", "Odd", {"list": list(range(200_000))}), prompt=big)
    bundle = response_bundle(turn)
    data = bundle[MIME_TYPE]

    assert len(json.dumps(data)) < 4_000_000
    assert len(bundle["text/html"]) < 4_000_000
    assert len(bundle["text/plain"]) < 1_100_000
    assert data["cut"]["characters"] > 1_000_000
    assert data["cut"]["parts"] == 502
    assert "characters left out" in data["parts"][0]["text"]
    assert "not shown" in bundle["text/html"]


def test_run_data_keeps_the_conclusion_of_a_long_run() -> None:
    """What is cut is cut in the middle: the first words and the last ones stand in every form."""
    block = message("block")
    step = (message("text", "\n\n" + "y" * 1000), block)
    middle = [m for i in range(3000) for m in (*step, use(str(i), "Read", {}), result(str(i), "z"))]
    turn = response(message("text", "It begins."), block, *middle, message("text", "\n\nIt ends."), block)
    bundle = response_bundle(turn)
    parts = bundle[MIME_TYPE]["parts"]

    assert parts[0]["text"].startswith("It begins.")
    assert parts[-1]["text"].strip() == "It ends."
    assert bundle[MIME_TYPE]["cut"]["parts"] == 6001 - 2000
    assert "It begins." in bundle["text/html"]
    assert "It ends." in bundle["text/html"]
    assert "It begins." in bundle["text/plain"]
    assert "It ends." in bundle["text/plain"]


@pytest.mark.parametrize(
    ("lengths", "limit", "expected"),
    [
        ([], 10, []),
        ([3, 4], 10, [3, 4]),
        ([100, 3], 10, [7, 3]),
        ([3, 100, 2], 10, [3, 5, 2]),
        ([9, 9, 9], 9, [5, 0, 4]),
    ],
)
def test_shares_split_a_limit(lengths: list[int], limit: int, expected: list[int]) -> None:
    """Both ends have their half; what the end does not need goes to the beginning."""
    assert shares(lengths, limit) == expected


def test_page_tells_the_story() -> None:
    """Session and model, text, each tool as a line with its state, and the facts: all in plain words."""
    text = Page(response_bundle(response(*TURN))["text/html"]).text

    assert text.startswith("cleanup · opus 4.8I look.")
    assert "Read etl/load.py · ✓ 0.4 s" in text
    assert "Agent who else? · ✓ 9.0 s, 1 tool" in text
    assert "Grep price · ✓ 0.5 s, 1 line" in text
    assert text.rstrip().endswith("8.4 s · $0.0213")


def test_plain_text_is_the_answer_and_the_footer() -> None:
    """Markdown as it came, and one line of facts."""
    turn = response(*TURN)

    assert f"I **look**.\n\nDone.\n\n{footer(turn)}" == response_bundle(turn)["text/plain"]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"duration_s": 125.0, "cost_usd": 0.0}, "2 min 5 s"),
        ({"estimated": True}, "8.4 s · about $0.0213"),
        ({"cost_usd": 0.00001}, "8.4 s · under $0.0001"),
        ({"waited_s": 6.4}, "2.0 s + 6.4 s waiting for you · $0.0213"),
        ({"waited_s": 0.4}, "8.4 s · $0.0213"),
        ({"source": AnswerSource.RECORDING}, "played from a tape, $0.00 now · 8.4 s"),
        ({"duration_s": 0.0, "cost_usd": 0.0}, ""),
        ({"source": AnswerSource.SIMULATOR}, f"{SIMULATED} · 8.4 s"),
    ],
)
def test_footer_says_what_is_known(facts, expected: str) -> None:
    """Nothing stands in the footer that is zero or unknown; a simulation says so first."""
    assert expected == footer(response(**facts))


@pytest.mark.parametrize(
    "outcome", [Outcome.INTERRUPTED, Outcome.MAX_TURNS, Outcome.BUDGET, Outcome.DENIED, Outcome.TIMEOUT]
)
def test_notice_of_every_odd_end_says_what_to_do_next(outcome: Outcome) -> None:
    """An end that is no success is marked in HTML, text and data."""
    bundle = response_bundle(response(*TURN, outcome=outcome))
    words = notice(outcome)

    assert words
    assert f"■ {words}" in Page(bundle["text/html"]).text
    assert words in bundle["text/plain"]
    assert words == bundle[MIME_TYPE]["notice"]


def test_notice_of_a_timeout_is_told_in_full() -> None:
    """That it was stopped, after how long, and what to do stand in HTML, text and data."""
    words = "Stopped after 1 s, the limit of this prompt."
    error = TurnTimeoutError(words)
    error.response = response(*TURN, outcome=Outcome.TIMEOUT, error=words)

    for bundle in (error_bundle(error), response_bundle(error.response)):
        for shown in (Page(bundle["text/html"]).text, bundle["text/plain"], bundle[MIME_TYPE]["notice"]):
            assert shown.count(words) == 1
            assert shown.count("The text is kept: prompt again to go on.") == 1


@pytest.mark.parametrize("outcome", [Outcome.INTERRUPTED, Outcome.DENIED])
def test_notice_of_an_end_by_force_does_not_promise_a_warm_session(outcome: Outcome) -> None:
    """Where the process is gone, the words say so, and that the next prompt resumes."""
    bundle = response_bundle(response(*TURN, outcome=outcome, process_gone=True))

    assert notice(outcome, process_gone=True) in bundle["text/plain"]
    assert bundle[MIME_TYPE]["notice"] == notice(outcome, process_gone=True) != notice(outcome)


def test_notice_of_a_prompt_that_was_never_sent_does_not_promise_a_text() -> None:
    """Nothing was kept and nothing may be warm: the words say that Claude has not seen it."""
    bundle = response_bundle(response(outcome=Outcome.INTERRUPTED, sent=False))

    assert notice(Outcome.INTERRUPTED, sent=False) in bundle["text/plain"]
    assert bundle[MIME_TYPE]["notice"] == notice(Outcome.INTERRUPTED, sent=False)


def test_notice_of_a_success_is_empty() -> None:
    """A plain success is not marked."""
    assert "■" not in response_bundle(response(*TURN))["text/html"]


def test_notice_of_a_tool_that_no_one_could_allow_says_how() -> None:
    """Where there was no one to ask, the cell says which option allows the tool."""
    turn = response(
        use("1", "Bash", {"command": "ls"}), result("1", NO_ONE_TO_ASK, failed=True), denials=({"tool_use_id": "1"},)
    )

    bundle = response_bundle(turn)
    words = unasked_notice(["Bash"])
    assert words in Page(bundle["text/html"]).text
    assert words in bundle["text/plain"]
    assert bundle[MIME_TYPE]["notice"] == words


def test_page_says_a_final_error_once() -> None:
    """The API's failure is not repeated where it is how the turn ended."""
    failed = message("error", "API Error: 529", error="API Error: 529")
    turn = response(failed, outcome=Outcome.ERROR, error="The service is overloaded.")
    bundle = response_bundle(turn)

    assert Page(bundle["text/html"]).text.count("The service is overloaded.") == 1
    assert "API Error" not in Page(bundle["text/html"]).text + bundle["text/plain"]
    assert bundle[MIME_TYPE]["parts"] == []


ASKED = {
    "questions": [
        {
            "question": "Which format?",
            "options": [{"label": "CSV"}, {"label": "Parquet", "description": "small, typed"}],
        },
        {"question": "What else?", "multiSelect": True, "options": [{"label": "Dates"}]},
    ]
}


def answered(answers: dict[str, str]):
    raw = {"tool_use_result": {"answers": answers}}
    told = message("tool_result", "Your questions have been answered", raw=raw, tool_use_id="q", tool_name="")
    return response(message("text", "I ask."), message("block"), use("q", "AskUserQuestion", ASKED), told)


def test_page_shows_answered_questions_with_their_answers() -> None:
    """HTML, plain text and data tell what the model asked and what a person answered; no one has to read JSON."""
    bundle = response_bundle(answered({"Which format?": "Parquet", "What else?": "Dates, prices"}))
    text = Page(bundle["text/html"]).text

    assert "Question Parquet · Dates, prices · answered" in text
    assert "Which format?Parquet small, typed" in text
    assert "What else?Dates, prices" in text
    assert "have been answered" not in text
    assert bundle["text/plain"].startswith("I ask.\n\nWhich format? → Parquet\nWhat else? → Dates, prices\n\n8.4 s")
    assert bundle[MIME_TYPE]["parts"][1]["input"]["answers"] == {
        "Which format?": "Parquet",
        "What else?": "Dates, prices",
    }


def test_page_shows_what_there_was_to_choose_in_unanswered_questions() -> None:
    """Where a question was skipped, its choices are there and no answer is made up."""
    turn = response(use("q", "AskUserQuestion", ASKED), result("q", "The user skipped the questions.", failed=True))
    text = Page(response_bundle(turn)["text/html"]).text

    assert "not answered" in text
    assert "Which format?CSV · Parquet" in text
    assert "The user skipped the questions." in text


def test_page_opens_what_is_worth_reading() -> None:
    """A small change and the newest list of things to do are unfolded; everything else waits for a click."""
    edit = {"file_path": "a", "old_string": "a", "new_string": "b"}
    todos = {"todos": [{"content": "a", "status": "pending"}]}
    uses = [("Edit", edit), ("TodoWrite", todos), ("TodoWrite", todos), ("Bash", {"command": "ls"})]
    pairs = [(use(str(at), name, given), result(str(at), "x")) for at, (name, given) in enumerate(uses)]
    html = response_bundle(response(*[one for pair in pairs for one in pair]))["text/html"]

    assert [" open" in piece.split(">")[0] for piece in html.split("<details")[1:]] == [True, False, True, False]


def test_bundle_says_once_that_it_is_simulated() -> None:
    """In the header of the page, in the footer of the plain text, and nowhere twice."""
    bundle = response_bundle(response(*TURN, source=AnswerSource.SIMULATOR))

    assert Page(bundle["text/html"]).text.count("simulated") == 1
    assert bundle["text/plain"].count(SIMULATED) == 1


@pytest.mark.parametrize(
    ("name", "given", "lines"),
    [
        ("Write", {"file_path": "a", "content": "x\ny\n"}, "1 + x\n2 + y"),
        ("NotebookEdit", {"notebook_path": "a", "new_source": "x"}, "+ x"),
        (
            "MultiEdit",
            {"edits": [{"old_string": "a", "new_string": "b"}, {"old_string": "c", "new_string": "d"}, 3]},
            "- a\n+ b\n…\n- c\n+ d",
        ),
    ],
)
def test_page_shows_every_change_of_a_file_as_a_difference(name: str, given, lines: str) -> None:
    """Not only `Edit` shows what it changes."""
    html = response_bundle(response(use("1", name, given), result("1", "File written.")))["text/html"]

    assert lines in re.sub(" +$", "", Page(html).text, flags=re.MULTILINE)
    assert "File written." not in Page(html).text


@pytest.mark.parametrize(
    ("name", "given", "about"),
    [
        ("Bash", {"command": "ls  -la\n  src", "description": "list"}, "ls -la src"),
        ("Write", {"file_path": "/tmp/x.py", "content": "…"}, "/tmp/x.py"),
        ("Grep", {"pattern": "a|b", "path": "src"}, "a|b"),
        ("WebFetch", {"url": "https://x.example", "prompt": "p"}, "https://x.example"),
        ("Other", {"sql": "select 1", "limit": 5}, '{"sql": "select 1", "limit": 5}'),
        ("Bash", {"command": "x" * 500}, "x" * 119 + "…"),
        ("Ping", {}, ""),
    ],
)
def test_tool_line_shows_the_telling_argument(name: str, given, about: str) -> None:
    """One argument says what a tool use is about; of an unknown tool all of them do."""
    view = RunView()
    view.add([use("1", name, given, at=1.0)])
    text = Page(run_bundle(view, final=False, now=4.0)["text/html"]).text

    assert text.endswith(" ".join(filter(None, (name, about))) + " · running, 3.0 s")


@pytest.mark.parametrize(
    ("name", "given", "line"),
    [
        ("list_variables", {}, "Look at variables"),
        ("inspect", {"name": "sales"}, "Look at sales"),
        ("run_python", {"code": "\n\nx = 1\ny", "purpose": "Count"}, "Run Python Count"),
        ("run_python", {"code": "\n\nx = 1\ny"}, "Run Python x = 1"),
        ("add_cell", {"source": "# Title", "cell_type": "markdown"}, "Add cell # Title"),
        ("delete_cell", {"cell_id": "a", "version": "b"}, "Delete cell a"),
        ("read_cells", {"which": ["a", "b"]}, "Read cells a, b"),
    ],
)
def test_tool_line_of_the_kernel(name: str, given, line: str) -> None:
    view = RunView()
    view.add([use("1", f"mcp__kernel__{name}", given, at=1.0)])
    html = run_bundle(view, final=False, now=4.0)["text/html"]

    assert f"{line} · running, 3.0 s" in Page(html).text


def test_page_shows_the_code_that_ran_in_the_kernel() -> None:
    """With its colours, and what came back."""
    given = {"code": "total = sum(values)\nprint(total)", "purpose": "Add up"}
    html = response_bundle(response(use("1", "mcp__kernel__run_python", given), result("1", "42")))["text/html"]

    assert "Run Python Add up" in Page(html).text
    assert "total = sum(values)" in Page(html).text
    assert "42" in Page(html).text


def test_tool_line_names_a_to_do_list_as_people_say() -> None:
    """A tool's name for the model is not its name for a reader."""
    view = RunView()
    view.add([use("1", "TodoWrite", {"todos": [{"content": "a", "status": "completed"}, {"content": "b"}]}, at=1.0)])
    view.add([result("1", "Todos have been modified", at=1.0)])
    view.add([use("2", "mcp__db__query", {"sql": "x"}, at=1.0)])
    text = Page(run_bundle(view, final=False, now=1.0)["text/html"]).text

    assert "To do 1 of 2 done" in text
    assert "query (db)" in text


def test_page_shows_an_edit_as_a_difference() -> None:
    """What an edit took out and put in, and how many lines that are."""
    given = {"file_path": "a.py", "old_string": "a\nb\nc", "new_string": "a\nB\nBB\nc"}
    text = Page(response_bundle(response(use("1", "Edit", given), result("1", "ok")))["text/html"]).text

    assert "✓ +2 −1" in text
    assert "  a\n- b\n+ B\n+ BB\n  c" in re.sub(" +$", "", text, flags=re.MULTILINE)


def test_running_display_shows_the_end_of_a_long_run() -> None:
    """Of hundreds of tool uses the last are shown, and that there are more is said."""
    view = RunView()
    view.add([m for i in range(300) for m in (use(str(i), "Bash", {"command": f"run {i}"}), result(str(i)))])
    text = Page(run_bundle(view, final=False, now=1.0)["text/html"]).text

    assert "run 299" in text
    assert "run 5 " not in text
    assert "Earlier tool uses" in text


def test_running_display_nests_a_subagent() -> None:
    """While a subagent works, its last tool uses stand under it; afterwards their number does."""
    view = RunView()
    view.add(TURN[:7])
    during = Page(run_bundle(view, final=False, now=3.0)["text/html"]).text
    view.add(TURN[7:])
    after = Page(run_bundle(view, final=False, now=12.0)["text/html"]).text

    assert "Grep price" in during
    assert "Grep price" not in after
    assert "1 tool" in after


def test_run_bundle_at_the_end_says_that_nothing_runs() -> None:
    """The last picture of a run without a response has no running tool and says how it ended."""
    view = RunView(session="main")
    view.add([message("text", "Half"), use("1", "Bash", {"command": "sleep"}, at=1.0)])
    view.finish(Outcome.INTERRUPTED)
    bundle = run_bundle(view, final=True)

    assert "cancelled" in bundle["text/html"]
    assert notice(Outcome.INTERRUPTED) in bundle["text/plain"]


def test_error_bundle_is_one_readable_block() -> None:
    """What happened, what to do, and the end of stderr."""
    error = ProcessError("The CLI ended early.", exit_code=3, stderr_tail="\n".join(f"line {i}" for i in range(100)))
    bundle = error_bundle(error)
    text = Page(bundle["text/html"]).text

    for shown in (text, bundle["text/plain"]):
        assert "The CLI ended early." in shown
        assert "Prompt again" in shown
        assert "line 99" in shown
        assert "line 50" not in shown


def test_error_bundle_shows_what_there_was_of_an_answer() -> None:
    """The partial answer and its footer stand above the error, and in the data."""
    error = OverloadedError("Overloaded.")
    error.response = response(message("text", "I was **about** to"), outcome=Outcome.ERROR, error="Overloaded.")
    bundle = error_bundle(error)
    text = Page(bundle["text/html"]).text

    assert text.index("I was about to") < text.index("Overloaded.") < text.index("8.4 s")
    assert bundle[MIME_TYPE]["error"] == "Overloaded."
    assert bundle["text/plain"].startswith("I was **about** to")


def test_error_bundle_prefers_the_advice_of_the_caller() -> None:
    """Advice that is given replaces the usual one; an empty one leaves it out."""
    error = RateLimitError("Limit.", resets_at=1_795_356_979)

    assert "14:16 UTC" in error_bundle(error)["text/plain"]
    assert error_bundle(error, "Try `%claude sessions`.")["text/plain"] == "Limit.\nTry `%claude sessions`."
    assert error_bundle(error, "")["text/plain"] == "Limit."
    assert error_bundle(CLINotFoundError("No CLI."))["text/plain"] == "No CLI."
    assert error_bundle(ClaudeError("Odd."))["text/plain"] == "Odd."


def printed(*messages) -> str:
    written: list[str] = []
    TerminalPrinter(written.append).feed(messages)
    return "".join(written)


def test_terminal_prints_what_is_new() -> None:
    """Text as it comes, each tool use on one line, a subagent's further in."""
    assert printed(*TURN) == (
        "I **look**.\n\n"
        "  Read etl/load.py: done, 0.4 s\n"
        "  Agent who else?\n"
        "    Grep price: done, 0.5 s, 1 line\n"
        "  Agent: done, 9.0 s, 1 tool\n"
        "\nDone."
    )


def test_terminal_shows_what_an_edit_changed() -> None:
    """Below its line; not of one that failed."""
    edit = use("1", "Edit", {"file_path": "a.py", "old_string": "x", "new_string": "y"})

    assert printed(edit, result("1", "ok")).endswith("done, +1 −1\n     - x\n     + y\n")
    assert "- x" not in printed(edit, result("1", "no such file", failed=True))


def test_terminal_tells_what_was_answered() -> None:
    """A question is one line, with the answer when there is one."""
    lines = printed(*answered({"Which format?": "CSV"}).messages)

    assert lines == "I ask.\n\n  Question Which format? · What else?: answered: CSV\n"


def test_terminal_tells_notes_and_withdrawn_text() -> None:
    """Retries are lines; text that is taken back was printed already, so that is said."""
    retry = message("retry", raw={"error_status": 529, "retry_delay_ms": 500, "attempt": 1, "max_retries": 4})

    assert printed(message("text", "Half"), message("status", withdrawn=4), retry, message("text", "Whole")) == (
        "Half\n\n  (the text above was taken back)\n  The service was overloaded. Retry 1 of 4 in 0.5 s\n\nWhole"
    )


def test_terminal_prints_the_command_that_ran() -> None:
    """Below the one that was asked about; the end says who edited it."""
    asked = use("1", "Bash", {"command": "rm *"}), permission("1")

    assert printed(*asked, decision("1", edited={"command": "ls"}), result("1", "a.csv")) == (
        "  Bash rm *\n  Bash ls: done, edited by you\n"
    )


def test_terminal_ends_with_notice_and_footer() -> None:
    """How it ended, what to do, and the facts."""
    written: list[str] = []
    printer = TerminalPrinter(written.append)
    turn = response(
        message("text", "Half"), use("1", "Bash", {"command": "ls"}), permission("1"), outcome=Outcome.INTERRUPTED
    )
    printer.feed([*turn.messages, decision("1", allowed=False), result("1", "no", failed=True)])
    printer.finish(turn)

    assert f"Half\n\n  Bash ls: denied\n\n{notice(Outcome.INTERRUPTED)}\n" in "".join(written)
    assert "".join(written).endswith(footer(turn) + "\n")


def test_terminal_leaves_the_failure_to_who_raises_it() -> None:
    """The error is printed after the run by IPython: here only what it took, and failures that it does not tell."""
    written: list[str] = []
    printer = TerminalPrinter(written.append)
    first, last = message("error", "overloaded", error="overloaded"), message("error", "refused", error="refused")
    turn = response(message("text", "Half"), first, last, outcome=Outcome.ERROR, error="refused", duration_s=2.0)
    printer.feed(turn.messages)
    printer.fail(turn)

    assert "".join(written) == f"Half\n\n  overloaded\n\n{footer(turn)}\n"


def test_terminal_tells_of_a_failure_that_was_overcome() -> None:
    """It stands where it happened."""
    turn = response(message("error", "overloaded", error="overloaded"), message("text", "Well."))

    assert printed(*turn.messages) == "  overloaded\n\nWell."


@pytest.mark.parametrize("before", [(), (message("text", "I look."),)])
def test_terminal_ends_its_line_before_a_question(before: tuple[Message, ...]) -> None:
    """What another program writes begins a line, and the tool's end has its name."""
    written: list[str] = []
    printer = TerminalPrinter(written.append)
    printer.feed([*before, use("1", "Bash", {"command": "ls"})])
    printer.end_line()
    written.append("<question>\n")
    printer.feed([result("1", "a.txt", at=3.2), message("text", "One file.")])

    assert "".join(written).endswith("  Bash ls\n<question>\n  Bash: done, 3.2 s\n\nOne file.")


def test_rendering_import_stays_cheap() -> None:
    """Neither the package nor its rendering imports a Markdown parser, a sanitiser, colours or IPython."""
    heavy = "{'markdown_it', 'nh3', 'pygments', 'IPython', 'pandas'}"
    program = f"import sys, claude_magic, claude_magic.rendering; sys.exit(bool({heavy} & set(sys.modules)))"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_page_shows_a_plan_as_markdown() -> None:
    """It is open, whole, and not the JSON of an input; what the model was told of it is not said once more."""
    steps = "\n".join(f"{number}. step **{number}**" for number in range(1, 300))
    shown = response_bundle(
        response(
            use("p", "ExitPlanMode", {"plan": f"# The plan\n\n{steps}"}), result("p", "User has approved your plan")
        )
    )
    html = shown["text/html"]

    assert "<strong>299</strong>" in html
    assert "<details open" in html
    assert ">Plan</b>" in html
    assert "approved your plan" not in html
    assert "\\n" not in html


NOTES = "filled in: {city} = Bern · attached: fig (picture)\nAnswers are simulated."


@pytest.mark.parametrize("failed", [False, True])
def test_bundle_says_in_every_form_what_was_sent_along(failed: bool) -> None:
    """Above the answer, each line as one: also where no live view is, and where the turn failed."""
    turn = response(message("text", "Yes."), outcome=Outcome.ERROR if failed else Outcome.SUCCESS)
    error = OverloadedError("Overloaded.")
    error.response = turn
    bundle = error_bundle(error, notes=NOTES) if failed else response_bundle(turn, notes=NOTES)

    for text in (Page(bundle["text/html"]).text, bundle["text/plain"]):
        assert all(line in text for line in NOTES.split("\n"))
        assert text.index("fig (picture)") < text.index("Yes.")


def test_page_opens_the_note_about_values_to_the_prompt() -> None:
    """As it was sent; other notes, and turns whose prompt is not known, have nothing to open."""
    turn = response(message("text", "Yes."), prompt="Is <b>Bern</b> large?")
    html = response_bundle(turn, notes=NOTES)["text/html"]

    sent = html[html.index("<details>") : html.index("</details>")]
    assert sent.index(NOTES.split("\n")[0]) < sent.index("Is &lt;b&gt;Bern&lt;/b&gt; large?")
    assert NOTES.split("\n")[1] not in sent
    assert "<details" not in response_bundle(turn, notes="Answers are simulated.")["text/html"]
    assert "<details" not in response_bundle(response(message("text", "Yes.")), notes=NOTES)["text/html"]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("Read", "1\tone\n2\ttwo\n3\t", "done, 2 lines"),
        ("Read", "     1→one\n", "done, 1 line"),
        ("Read", '<cell id="a">x</cell id="a"><cell id="b">y</cell id="b">', "done, 2 cells"),
        ("Read", "[image]", "done"),
        ("Grep", "a\nb", "done, 2 lines"),
    ],
)
def test_tool_line_says_how_much_was_read(name: str, text: str, words: str) -> None:
    """The lines of the file; a number with no line is none."""
    tool = RunView.from_response(response(use("1", name), result("1", text))).tools[0]

    assert state_words(tool) == words
    assert "3" not in file_text(tool)


def test_page_structure_says_what_the_styles_say() -> None:
    """A page that drops every style still sets the answer off, and what is beside it small."""
    html = response_bundle(response(message("text", "Yes."), use("1", "Bash", {"command": "ls"})))["text/html"]

    assert html.startswith("<blockquote")
    assert html.count("<sub") == 2


@pytest.mark.parametrize(
    ("given", "cells"),
    [
        ({"orders": [{"who": "Ann", "n": 2}, {"who": "Ben", "n": 1}]}, "whonAnn2Ben1"),
        ({"month": "March", "tags": ["a", "b"], "n": {"x": 1}}, 'monthMarchtagsa, bn{"x": 1}'),
        ({"orders": [{"n": number} for number in range(23)]}, "3 more rows"),
    ],
)
def test_page_shows_an_answer_as_data_as_a_table(given: dict[str, object], cells: str) -> None:
    """Records as rows, else names and values; the order of the keys is kept beside them."""
    turn = response(use("s", "StructuredOutput", given), result("s", "Structured output provided successfully"))
    bundle = response_bundle(turn)

    text = Page(bundle["text/html"]).text.replace("\n", "")
    assert cells in text
    assert "provided successfully" not in text
    assert bundle[MIME_TYPE]["parts"][0]["keys"][: len(given)] == list(given)
