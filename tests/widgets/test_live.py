"""A run told to pages: a snapshot, then small operations that lead to the same picture."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from rendering.builders import decision, message, permission, result, use
from rendering.hostile import PAYLOADS

from claude_magic.messages import Message
from claude_magic.permissions import PermissionRequest
from claude_magic.rendering import RunView
from claude_magic.response import AnswerSource
from claude_magic.widgets.live import LiveRun
from claude_magic.widgets.protocol import VERSION, Op


def live(**facts: Any) -> LiveRun:
    return LiveRun(RunView("analysis", "model-a", source=AnswerSource.SIMULATOR), facts)  # type: ignore[arg-type]  # some RunData


def told(run: LiveRun, *messages: Message) -> list[Op]:
    run.add(messages)
    return run.operations()


def applied(parts: list[dict[str, Any]], ops: Iterable[Op]) -> list[dict[str, Any]]:
    """What a page makes of operations."""
    parts = json.loads(json.dumps(parts))
    for op in ops:
        if op[0] == "append":
            parts[op[1]]["text"] += op[2]
        elif op[0] == "part":
            parts[op[1] : op[1] + 1] = [op[2]]
    return parts


STORY = [
    message("thinking", "Let me ", at=1.0),
    message("thinking", "see.\n", at=1.5),
    message("thinking", "Yes.", at=2.0),
    message("text", "I will "),
    message("text", "look.\n"),
    message("block"),
    use("t1", "Bash", {"command": "ls"}, at=3.0),
    permission("t1"),
    result("t1", "a.csv", at=4.0),
    use("t2", "Agent", {"prompt": "read"}, at=5.0),
    use("t3", "Read", {"file_path": "a.csv"}, parent="t2", at=6.0),
    message("text", "\n\nMeanwhile"),
    result("t3", "1,2", at=7.0),
    result("t2", "done", at=8.0),
    message("text", "\n\nIt is there."),
]


def test_operations_lead_to_the_snapshot() -> None:
    """A page that applies every operation, whenever they are asked for, holds the parts of the snapshot."""
    for step in range(1, len(STORY) + 1):
        run, parts = live(), []
        for start in range(0, len(STORY), step):
            parts = applied(parts, told(run, *STORY[start : start + step]))

        texts = [part["text"] for part in parts if part["type"] in ("text", "thinking")]
        kept = [part["text"] for part in run.snapshot()["parts"] if part["type"] in ("text", "thinking")]
        assert texts == kept
        tools = [part for part in parts if part["type"] == "tool"]
        assert tools == [part for part in run.snapshot()["parts"] if part["type"] == "tool"]


def test_text_grows_by_appending() -> None:
    """Text that grows is told by what is new, and nothing is told twice."""
    run = live()

    assert told(run, message("text", "Hel")) == [["part", 0, {"type": "text", "text": "Hel"}]]
    assert told(run, message("text", "lo")) == [["append", 0, "lo"]]
    assert told(run) == []


def test_withdrawn_text_is_told_anew() -> None:
    """Where the CLI takes back what it had sent, the part is told as it is now."""
    run = live()
    told(run, message("text", "Hello, wor"))

    assert told(run, message("status", withdrawn=5)) == [["part", 0, {"type": "text", "text": "Hello"}]]
    assert told(run, message("status", withdrawn=5)) == [["part", 0, {"type": "text", "text": ""}]]


def test_tool_tells_its_states() -> None:
    """A tool is told when it begins, when it waits for a person, and when it is done."""
    run = live()
    states = [
        told(run, use("t1", "Bash", {"command": "ls"}, at=10.0)),
        told(run, permission("t1")),
        told(run, result("t1", "a.csv", at=12.5)),
    ]

    assert [ops[0][2]["state"] for ops in states] == ["running", "waiting", "done"]
    assert [ops[0][1] for ops in states] == [0, 0, 0]
    assert states[2][0][2] | {"input": {}} == {
        "type": "tool", "id": "t1", "name": "Bash", "input": {}, "edited": False, "todos": [],
            "result": "a.csv", "is_error": False, "keys": ["command"], "patch": [], "pictures": [],
        "state": "done", "parent": "", "duration_s": 2.5, "started": 10.0,
    }  # fmt: skip


def test_decision_is_told() -> None:
    """A denied tool says so before the CLI does."""
    run = live()
    told(run, use("t1", "Bash"), permission("t1"))

    assert [op[2]["state"] for op in told(run, decision("t1", allowed=False))] == ["denied"]


def test_edited_input_is_told() -> None:
    """The card shows what runs."""
    run = live()
    told(run, use("t1", "Bash", {"command": "ls"}), permission("t1"))
    (op,) = told(run, decision("t1", edited={"command": "pwd"}))

    assert (op[2]["input"], op[2]["edited"]) == ({"command": "pwd"}, True)


def test_subagents_name_their_parent() -> None:
    """A subagent's tools come after what is there already, and say whose they are."""
    run = live()
    told(run, use("t1", "Agent"), message("text", "Meanwhile"))
    ops = told(run, use("t2", "Read", parent="t1"))

    assert [(op[1], op[2]["parent"]) for op in ops] == [(2, "t1")]


def test_model_is_told_when_the_cli_says_it() -> None:
    """The header learns the model from the CLI's first line."""
    run = live()

    assert told(run, message("init", raw={"model": "model-b"})) == [["set", {"model": "model-b"}]]
    assert run.snapshot()["model"] == "model-b"


def test_snapshot_is_what_pages_were_told() -> None:
    """A snapshot says nothing that no operation has told: the next operations fit on it."""
    run = live(mode="plan")
    told(run, message("text", "Hello"))
    run.add([message("text", ", world")])
    before = run.snapshot()
    parts = applied(before["parts"], run.operations())  # type: ignore[arg-type]  # parts are dicts

    assert parts == [{"type": "text", "text": "Hello, world"}]
    assert (before["version"], before["run"], before["live"], before["outcome"]) == (VERSION, run.id, True, None)
    assert (before["session"], before["mode"], before["simulated"]) == ("analysis", "plan", True)
    assert before["started"] > 0


def test_facts_are_told_and_kept() -> None:
    """A field that is set reaches pages that are there and pages that come later."""
    run = live()

    assert run.set({"filled": "filled in: df"}) == ["set", {"filled": "filled in: df"}]
    assert run.snapshot()["filled"] == "filled in: df"


def test_ids_and_tokens_cannot_be_guessed() -> None:
    """No two runs or questions share an id or a token, and both are long."""
    runs = [live() for _ in range(20)]
    request = PermissionRequest("analysis", "turn", "Bash", {"command": "ls"})
    questions = [run.ask(request) for run in runs]

    for values in ([run.id for run in runs], [q["token"] for q in questions], [q["id"] for q in questions]):
        assert len(set(values)) == len(values)
        assert min(map(len, values)) >= 20


@pytest.mark.parametrize(
    ("tool", "title", "editable", "kind"),
    [
        ("Bash", "Run this command?", "command", "permission"),
        ("Edit", "Edit this file?", "", "permission"),
        ("WebFetch", "Fetch this page?", "url", "permission"),
        ("mcp__db__query", "Use query (db)?", "", "permission"),
        ("AskUserQuestion", "Claude asks", "", "questions"),
        ("ExitPlanMode", "Go ahead with this plan?", "", "plan"),
    ],
)
def test_question_says_what_would_happen(tool: str, title: str, editable: str, kind: str) -> None:
    """A question carries the tool's input, a title in words, and which choices there are."""
    run = live()
    question = run.ask(PermissionRequest("analysis", "turn", tool, {"command": "ls"}, "t1"), ["this"])

    assert (question["tool"], question["tool_use_id"], question["input"]) == (tool, "t1", {"command": "ls"})
    assert (question["title"], question["editable"]) == (title, editable)
    assert (question["kind"], question["grants"]) == (kind, ["this"])
    assert run.questions == {question["id"]: question}


def test_mode_is_what_the_cli_says() -> None:
    """From its first word on; in the middle of a turn, too."""
    run = live()
    run.set({"mode": "plan"})

    assert ["set", {"mode": "default"}] in told(run, message("init", raw={"permissionMode": "default"}))
    assert told(run, message("status", raw={"permissionMode": "acceptEdits"})) == [["set", {"mode": "acceptEdits"}]]
    assert told(run, message("status", raw={"status": "requesting"})) == []
    assert (run.mode, run.snapshot()["mode"]) == ("acceptEdits", "acceptEdits")


@pytest.mark.parametrize("payload", PAYLOADS)
def test_everything_told_can_be_sent(payload: str) -> None:
    """Whatever is said, in whatever pieces, an operation is JSON in UTF-8."""
    run = live()
    half = len(payload) // 2
    pieces = [payload[:half], payload[half:]]
    ops = [
        *told(run, message("text", "a")),
        *[op for piece in pieces for op in told(run, message("text", piece), message("thinking", piece))],
        *told(run, message("init", raw={"model": payload})),
        *told(run, use("t1", payload, {payload: [payload]}), message("error", payload, error=payload)),
        *told(run, result("t1", payload)),
        ["ask", run.ask(PermissionRequest(payload, "turn", payload, {payload: payload, "command": payload}))],
    ]

    assert json.loads(json.dumps(ops, ensure_ascii=False).encode()) == ops
    snapshot = run.snapshot()
    assert json.loads(json.dumps(snapshot, ensure_ascii=False).encode()) == snapshot


def test_long_results_are_cut_once_told() -> None:
    """A tool result of many megabytes does not go to the page whole."""
    run = live()
    ops = told(run, use("t1", "Bash"), result("t1", "x" * 5_000_000))

    assert len(json.dumps(ops)) < 100_000


def test_facts_can_be_sent() -> None:
    """A variable's value that is filled in may hold half a surrogate pair; what is told of it does not."""
    run = live(filled="a\ud800b")

    assert run.snapshot()["filled"] == "a?b"
    assert run.set({"filled": "c\ud800"}) == ["set", {"filled": "c?"}]
