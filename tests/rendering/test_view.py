"""Folding messages into the parts of a run."""

from __future__ import annotations

import pytest

from claude_magic.rendering import NotePart, RunView, TextPart, ThinkingPart, ToolPart, ToolState, response_bundle
from claude_magic.rendering.tool_summaries import state_words
from claude_magic.response import Outcome

from .builders import decision, message, permission, response, result, use


def shapes(view: RunView) -> list[str]:
    return [
        f"tool {part.name} {part.state}" if isinstance(part, ToolPart) else f"{type(part).__name__} {part.text}"
        for part in view.walk()
    ]


def view_of(*messages) -> RunView:
    view = RunView()
    view.add(messages)
    return view


def test_view_has_parts_in_the_order_they_came() -> None:
    """Thoughts, text, tools and text again: one part each, in order."""
    view = view_of(
        message("thinking", "Hm"),
        message("thinking", "m."),
        message("text", "I "),
        message("text", "look."),
        message("block"),
        use("1", "Read"),
        result("1", "x"),
        message("text", "\n\nDone."),
    )

    assert shapes(view) == ["ThinkingPart Hmm.", "TextPart I look.", "tool Read done", "TextPart Done."]
    assert view.text == "I look.\n\nDone."


def test_view_does_not_split_a_text_by_a_note() -> None:
    """Words that go on after a rate limit warning go on in the same part, also over an empty line."""
    warning = message("rate_limit", raw={"rate_limit_info": {"status": "allowed_warning", "utilization": 0.91}})
    view = view_of(message("text", "```\na"), warning, message("text", "\n\nb\n```"))

    assert shapes(view) == ["TextPart ```\na\n\nb\n```", "NotePart Rate limit: 91% used"]


def test_view_does_not_split_a_text_by_a_background_tool() -> None:
    """A subagent that works beside the text stays with the tool use that started it."""
    view = view_of(
        use("a", "Agent"),
        result("a", "launched"),
        message("text", "I wait"),
        use("b", "Bash", parent="a"),
        message("text", " for it."),
    )

    assert shapes(view) == ["tool Agent done", "tool Bash running", "TextPart I wait for it."]
    assert [view.tools[1]] == view.tools[0].children


def test_view_removes_withdrawn_text() -> None:
    """What the CLI takes back goes, also over several parts, and what follows it stands where it stood."""
    view = view_of(
        message("text", "Keep. "),
        message("text", "Go"),
        message("block"),
        use("1", "Read"),
        message("text", "\n\naway"),
        message("status", withdrawn=8),
        message("text", "Again."),
    )

    assert view.text == "Keep. Again."
    assert shapes(view) == ["TextPart Keep. Again.", "tool Read running"]


@pytest.mark.parametrize(
    ("messages", "state"),
    [
        ([], ToolState.RUNNING),
        ([permission("1")], ToolState.WAITING),
        ([result("1", "ok")], ToolState.DONE),
        ([result("1", "no", failed=True)], ToolState.FAILED),
        ([permission("1"), result("1", "ok")], ToolState.DONE),
        (
            [message("permission", "no", tool_use_id="1", is_error=True), result("1", "no", failed=True)],
            ToolState.DENIED,
        ),
        ([permission("1"), message("task", "Bash running", tool_name="Bash", tool_use_id="1")], ToolState.RUNNING),
        (
            [result("1", "The user doesn't want to proceed with this tool use. The", failed=True)],
            ToolState.CANCELLED,
        ),
        (
            [
                permission("1"),
                result("1", "why", failed=True),
                message("result", raw={"permission_denials": [{"tool_use_id": "1"}]}),
            ],
            ToolState.DENIED,
        ),
    ],
)
def test_view_tool_state_follows_its_messages(messages, state: ToolState) -> None:
    """A tool use is running, waiting, done, failed, denied or cancelled, as its messages say."""
    view = view_of(use("1", "Bash"), *messages)

    assert state is view.tools[0].state


@pytest.mark.parametrize(("allowed", "state"), [(True, ToolState.RUNNING), (False, ToolState.DENIED)])
def test_view_tool_goes_on_after_a_decision(allowed: bool, state: ToolState) -> None:
    """It runs, or never will; also where the question came before the use, and one about no tool is no harm."""
    late = view_of(permission("1"), decision("1", allowed), use("1", "Bash"))
    view = view_of(use("1", "Bash"), permission("1"), decision("1", allowed), decision("nobody", allowed))

    assert (state, state) == (view.tools[0].state, late.tools[0].state)


def test_view_tool_time_leaves_out_a_persons() -> None:
    """A tool takes time from the decision on; one that was denied takes none."""
    asked = use("1", "Bash", at=10.0), permission("1")
    (ran,) = view_of(*asked, decision("1", at=30.0), result("1", "ok", at=30.25)).tools
    (denied,) = view_of(*asked, decision("1", allowed=False, at=30.0), result("1", "no", failed=True, at=31.0)).tools

    assert (ran.duration_s(), denied.duration_s()) == (0.25, 0.0)
    assert state_words(ran) == "done, 0.2 s"


def test_view_tool_has_the_input_that_ran() -> None:
    """A person may edit it; a decision that does not leaves it as it was."""
    edited = decision("1", edited={"command": "pwd"})
    for messages in (
        (use("1", "Bash", {"command": "ls"}), permission("1"), edited),
        (permission("1"), edited, use("1", "Bash", {"command": "ls"})),
    ):
        (tool,) = RunView.from_response(response(*messages, result("1", "/"))).tools
        assert (tool.input, tool.edited, state_words(tool)) == ({"command": "pwd"}, True, "done, edited by you")

    (plain,) = view_of(use("1", "Bash", {"command": "ls"}), permission("1"), decision("1")).tools
    assert (plain.input, plain.edited) == ({"command": "ls"}, False)


def test_view_joins_retries_in_a_row_to_one_note_with_what_they_cost() -> None:
    """Retries count up in one line; a later one starts a new line."""
    retry = message("retry", raw={"error_status": 529, "retry_delay_ms": 1500})
    view = view_of(retry, retry, message("text", "Hello"), retry)

    assert shapes(view) == [
        "NotePart The service was overloaded: 2 retries, 3.0 s of waiting",
        "TextPart Hello",
        "NotePart The service was overloaded: 1 retry, 1.5 s of waiting",
    ]


def test_view_has_one_note_of_a_compaction() -> None:
    """The note that it began becomes the note that it is over, with sizes and time."""
    metadata = {"pre_tokens": 120_000, "post_tokens": 8000, "duration_ms": 12_000}
    view = view_of(
        message("status", "compacting"),
        message("status", ""),
        message("status", "the conversation was compacted", raw={"compact_metadata": metadata}),
    )

    assert shapes(view) == ["NotePart The conversation was compacted: 120.0k → 8.0k tokens, 12 s"]


def test_view_has_no_note_of_phases() -> None:
    """The CLI's steps between messages leave no part behind."""
    quiet = [message("status", words) for words in ("requesting", "running", "idle", "requires_action", "")]
    view = view_of(
        *quiet, message("rate_limit", raw={"rate_limit_info": {"status": "allowed"}}), message("stderr", "x")
    )

    assert view.parts == []


def test_view_survives_odd_facts() -> None:
    """Notes whose raw line has another shape than expected are shown with what can be read."""
    view = view_of(
        message("rate_limit", raw={"rate_limit_info": []}),
        message("retry", raw={"error_status": [], "retry_delay_ms": "soon"}),
        message("status", "the conversation was compacted", raw={"compact_metadata": 3}),
        message("result", raw={"permission_denials": ["x", {}]}),
        result("unknown", "x"),
    )

    assert len(view.parts) == 2


def test_view_finish_cancels_what_still_ran() -> None:
    """After an interrupt a running tool is cancelled; after a success, background work goes on."""
    running = (use("a", "Agent"), result("a", "launched"), use("b", "Bash", parent="a"))
    stopped, over = view_of(*running), view_of(*running)
    stopped.finish(Outcome.INTERRUPTED)
    over.finish(Outcome.SUCCESS)

    assert ToolState.CANCELLED is stopped.tools[1].state
    assert ToolState.RUNNING is over.tools[1].state


@pytest.mark.parametrize("outcome", [Outcome.INTERRUPTED, Outcome.TIMEOUT])
def test_view_does_not_show_a_question_open_at_the_stop_as_a_denial(outcome: Outcome) -> None:
    """The CLI lists it as denied; only what a person has denied is shown so."""
    asked = [message for name in ("open", "refused") for message in (use(name, "Bash"), permission(name))]
    rejected = "The user doesn't want to proceed with this tool use. The tool use was rejected."
    ended = [result(name, rejected, failed=True) for name in ("open", "refused")]
    listed = [{"tool_use_id": "open"}, {"tool_use_id": "refused"}]
    over = message("result", raw={"permission_denials": listed})
    turn = response(*asked, decision("refused", allowed=False), *ended, over, denials=listed, outcome=outcome)

    states = {tool.id: tool.state for tool in RunView.from_response(turn).tools}
    bundle = response_bundle(turn)

    assert states == {"open": ToolState.CANCELLED, "refused": ToolState.DENIED}
    assert bundle["text/html"].count("denied") == 1
    assert "cancelled" in bundle["text/html"]


def test_view_knows_model_and_folder_from_init() -> None:
    """The CLI's own word on its model and folder is used."""
    view = view_of(message("init", raw={"model": "claude-x", "cwd": "/home/me"}))

    assert (view.model, view.working_dir) == ("claude-x", "/home/me")


def test_view_thinking_knows_how_long_it_took() -> None:
    """From its first to its last word, in seconds."""
    view = view_of(message("thinking", "a", at=10.0), message("thinking", "b", at=13.0))
    part = view.parts[0]

    assert isinstance(part, ThinkingPart)
    assert part.duration_s == 3.0


def test_view_of_a_response_without_messages_shows_its_text() -> None:
    """A turn whose messages were let go still has its answer."""
    view = RunView.from_response(response(text="Kept."))

    assert shapes(view) == ["TextPart Kept."]


def test_view_marks_the_tools_that_the_response_says_were_denied() -> None:
    """What the response lists as denied is shown as denied."""
    turn = response(use("1", "Bash"), result("1", "no", failed=True), denials=({"tool_use_id": "1"},))

    assert ToolState.DENIED is RunView.from_response(turn).tools[0].state


def test_view_has_an_error_line_as_a_note() -> None:
    """A failure of the API inside a turn is a line, not the end."""
    view = view_of(message("error", "API Error", error="API Error: 529"))

    assert isinstance(view.parts[0], NotePart)
    assert view.parts[0].is_error
    assert not [part for part in view.parts if isinstance(part, TextPart)]


def test_view_takes_a_plan_from_its_question() -> None:
    """The CLI (2.1.332) reads it from the plan's file; the use of the tool itself is empty."""
    view = RunView()
    asked = message("permission", "asks", tool_use_id="p", tool_input={"plan": "# The plan"})
    view.add([use("p", "ExitPlanMode"), asked, decision("p"), result("p", "approved")])

    assert view.tools[0].input == {"plan": "# The plan"}


def test_view_has_the_words_of_a_blocking_hook_once() -> None:
    """The CLI says them in a status and again in the result, which is the answer."""
    words = "UserPromptSubmit operation blocked by hook:\nNo prompts on Thursdays."
    told = {"subtype": "informational", "prompt_submit_outcome": {"kind": "blocked_by_hook"}}
    view = RunView.from_response(response(message("status", words, raw=told), message("text", words)))

    assert [part.text for part in view.parts] == [words]
