"""Session files as frames: what counts, what counts once, and what belongs where."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pandas as pd
import pytest

from claude_magic import read_transcripts
from claude_magic.records.columns import MESSAGES, SESSIONS, TOOLS, TURNS, Schema, to_frame
from claude_magic.redaction import redactor_for
from claude_magic.transcripts.columns import USAGE

from .transcript_records import (
    OTHER,
    SESSION,
    agent_path,
    agents_work,
    answer,
    day_of_work,
    enqueue,
    independent_totals,
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

EXAMPLES = Path(__file__).resolve().parents[2] / "notebooks" / "data" / "session_files"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(session_path(tmp_path), day_of_work())
    path = write(agent_path(tmp_path, "a1"), agents_work())
    path.with_suffix(".meta.json").write_text('{"toolUseId": "tool-2"}')
    return tmp_path


def test_turns_have_the_tokens_and_the_cost_of_all_that_worked_for_them(root: Path) -> None:
    """Each message counts once with its last record, subagents are in, and money follows the price table."""
    turns = read(root).turns()
    assert list(turns["turn_id"]) == ["prompt-1", "prompt-2"]
    assert list(turns["input_tokens"]) == [2000, 4000]
    assert list(turns["output_tokens"]) == [120, 200]
    assert turns["cost_usd"].to_list() == pytest.approx([0.013, 2 * 0.00625 + 2 * 0.00125])
    assert list(turns["num_steps"]) == [2, 2]
    assert list(turns["tool_uses"]) == [1, 2]
    assert turns["estimated"].all()


def test_turns_tell_prompt_answer_and_time(root: Path) -> None:
    """The answer is the main thread's text; the time is from the prompt to the last record."""
    turns = read(root).turns()
    assert list(turns["prompt"]) == ["look", "ask an agent"]
    assert list(turns["text"]) == ["I look.\n\nIt is not there.", "The agent says done."]
    assert list(turns["duration_s"]) == [7.0, 11.0]
    assert list(turns["outcome"]) == ["success", "success"]
    assert turns["ttft_s"].isna().all()


def test_tools_have_their_result_and_their_place(root: Path) -> None:
    """Duration, failure and length come from the result; a subagent's tool names the use that started it."""
    tools = read(root).tools().set_index("tool_use_id")
    assert tools.loc["tool-1", "duration_s"] == 2.5
    assert tools["is_error"].to_dict() == {"tool-1": True, "tool-2": False, "tool-3": False}
    assert tools.loc["tool-2", "result_chars"] == len("done\nwell")
    assert tools.loc["tool-3", ["turn_id", "parent_tool_use_id"]].to_list() == ["prompt-2", "tool-2"]
    assert tools.loc["tool-1", "input"] == '{"command":"ls"}'
    assert tools["permission"].isna().all()


def test_subagents_turn_is_known_by_the_prompt_without_a_note(root: Path) -> None:
    """Older CLIs write no note which tool use started it."""
    agent_path(root, "a1").with_suffix(".meta.json").unlink()
    transcripts = read(root)
    assert list(transcripts.turns()["tool_uses"]) == [1, 2]
    assert transcripts.tools()["parent_tool_use_id"].isna().all()


def test_sessions_sum_up_their_turns(root: Path) -> None:
    """One row, with the money of its turns and the folder of its work."""
    transcripts = read(root)
    session = transcripts.sessions().iloc[0]
    assert session["session_id"] == SESSION
    assert session["cost_usd"] == pytest.approx(transcripts.turns()["cost_usd"].sum())
    assert (session["turns"], session["working_dir"], session["model"]) == (2, "/home/you/project", "claude-opus-4-8")
    assert session["created"] == pd.Timestamp("2026-11-02 09:00:00", tz="UTC")


def test_messages_are_what_a_person_would_read(root: Path) -> None:
    """Prompts, thoughts, tools, results and answers, in the order of the file, joined to their turn."""
    messages = read(root).messages()
    main = messages[messages["turn_id"] == "prompt-1"]
    assert list(main["kind"]) == ["text", "thinking", "text", "tool_use", "tool_result", "text"]
    assert list(main["role"]) == ["user", "assistant", "assistant", "assistant", "tool", "assistant"]
    assert main["text"].iloc[3] == 'Bash {"command":"ls"}'
    assert set(messages[messages["turn"] == 2]["text"]) >= {"done", "The agent says done."}


def test_messages_come_in_chunks(root: Path) -> None:
    """Small frames that together are the whole."""
    transcripts = read(root)
    chunks = list(transcripts.iter_messages(chunk=3))
    assert {len(chunk) for chunk in chunks[:-1]} == {3}
    pd.testing.assert_frame_equal(pd.concat(chunks, ignore_index=True), transcripts.messages())
    with pytest.raises(ValueError, match="at least 1"):
        transcripts.iter_messages(chunk=0)


@pytest.mark.parametrize(
    ("name", "schema"),
    [("sessions", SESSIONS), ("turns", TURNS), ("tools", TOOLS), ("usage", USAGE), ("messages", MESSAGES)],
)  # fmt: skip
def test_columns_and_dtypes_are_the_same_without_rows(root: Path, tmp_path: Path, name: str, schema: Schema) -> None:
    """An empty history has the frames of a full one, and both have those of the live records."""
    (tmp_path / "nothing").mkdir()
    empty = getattr(read(tmp_path / "nothing"), name)()
    full = getattr(read(root), name)()
    assert list(full.columns) == list(schema)
    assert full.dtypes.to_dict() == empty.dtypes.to_dict() == to_frame([], schema).dtypes.to_dict()
    assert (len(empty), len(full) > 0) == (0, True)


def test_fork_counts_only_what_is_its_own(root: Path) -> None:
    """The CLI copies the history into the fork's file; turns, tools, tokens and messages stay with the original."""
    copied = [{**record, "sessionId": OTHER} for record in day_of_work()[1:7]]
    own = [prompt("go on", 100, id="prompt-3"), answer("msg_9", 101, text("Yes."))]
    before = read(root)
    write(session_path(root, OTHER), [enqueue(99, OTHER), *copied, *own])
    after = read(root)
    assert len(after.usage()) == len(before.usage()) + 1
    fork = after.turns().query("session_id == @OTHER")
    assert list(fork["prompt"]) == ["go on"]
    assert list(fork["turn"]) == [1]
    assert len(after.tools()) == len(before.tools())
    messages = after.messages()
    assert list(messages[messages["session"] == f"go on ({OTHER[:8]})"]["text"]) == ["go on", "Yes."]
    assert after.sessions().set_index("session_id").loc[OTHER, "created"] == pd.Timestamp("2026-11-02 09:01:39Z")


def test_turns_count_once_what_a_compaction_writes_again(tmp_path: Path) -> None:
    """The older CLI repeats records with their uuids, and the summary is no prompt."""
    work = day_of_work()
    summary = prompt("This session is being continued", 30, isCompactSummary=True)
    boundary = {"type": "system", "subtype": "compact_boundary", "content": "Conversation compacted", "uuid": "b",
                "timestamp": "2026-11-02T09:00:29Z"}  # fmt: skip
    write(session_path(tmp_path), [*work, *work[-2:], boundary, summary])
    turns = read(tmp_path).turns()
    assert list(turns["text"]) == ["I look.\n\nIt is not there.", "The agent says done."]
    assert list(turns["input_tokens"]) == [2000, 2000]
    assert list(read(tmp_path).messages()["text"])[-2:] == ["The agent says done.", "Conversation compacted"]


def test_turns_are_begun_by_slash_commands_but_not_by_their_echo(tmp_path: Path) -> None:
    """A command is told as it was typed; what the CLI writes around it is no prompt."""
    records = [
        prompt("<local-command-caveat>Caveat", 1, isMeta=True),
        prompt("<command-name>/compact</command-name>\n <command-message>compact</command-message>\n "
               "<command-args>short</command-args>", 2),
        prompt("<local-command-stdout>Compacted</local-command-stdout>", 3),
        prompt("Continue from where you left off.", 4, isMeta=True),
        answer("own", 4, text("No response requested."), model="<synthetic>"),
        prompt("<task-notification>done</task-notification>", 5),
        answer("msg_1", 6, text("I saw it.")),
    ]  # fmt: skip
    write(session_path(tmp_path), records)
    turns = read(tmp_path).turns()
    assert list(turns["prompt"]) == ["/compact short", ""]
    assert list(turns["outcome"]) == ["success", "success"]
    assert list(turns["text"]) == ["", "I saw it."]


def test_outcome_is_told_where_the_file_tells_it(tmp_path: Path) -> None:
    """Interrupted, failed, and cut off in mid-work, which the file cannot name."""
    records = [
        prompt("one", 1), answer("m1", 2, text("I beg")), prompt("[Request interrupted by user]", 3),
        prompt("two", 4), answer("x", 5, text("API Error: 529"), model="<synthetic>", isApiErrorMessage=True),
        prompt("three", 6), answer("m2", 7, use("t1")),
        prompt("four", 8),
    ]  # fmt: skip
    write(session_path(tmp_path), records)
    turns = read(tmp_path).turns()
    assert turns["outcome"].to_list() == ["interrupted", "error", pd.NA, pd.NA]
    assert turns["error"].to_list() == [pd.NA, "API Error: 529", pd.NA, pd.NA]
    assert turns["duration_s"].isna().to_list() == [False, False, False, True]
    assert len(read(tmp_path).usage()) == 2


def test_usage_keeps_the_two_kinds_of_cache_writes_apart(tmp_path: Path) -> None:
    """An hour costs more than five minutes; a file that tells only the sum means five minutes."""
    only_sum = usage(0, 0) | {"cache_creation_input_tokens": 900}
    del only_sum["cache_creation"]
    records = [
        prompt("x", 0),
        answer("m1", 1, used=usage(0, 0, wrote_5m=300, wrote_1h=700)),
        answer("m2", 2, used=only_sum),
    ]
    write(session_path(tmp_path), records)
    frame = read(tmp_path).usage()
    assert list(frame["cache_write_5m_tokens"]) == [300, 900]
    assert list(frame["cache_write_1h_tokens"]) == [700, 0]
    assert frame["cost_usd"].to_list() == pytest.approx([300 * 6.25e-6 + 700 * 10e-6, 900 * 6.25e-6])


def test_usage_takes_another_request_for_another_message(tmp_path: Path) -> None:
    """The key is both ids; a record without a request id has the message's alone."""
    records = [answer("m", 1, request="a"), answer("m", 2, request="b"), answer("m", 3, request=None)]
    write(session_path(tmp_path), records)
    frame = read(tmp_path).usage()
    assert frame["request_id"].to_list() == ["a", "b", pd.NA]
    assert frame["turn_id"].isna().all()


def test_cost_of_unknown_models_is_na_and_they_are_named_once(root: Path) -> None:
    """One warning with all their names; what is known stays known."""
    write(session_path(root, OTHER), [prompt("x", 0), answer("n1", 1, model="gpt"), answer("n2", 2, model="next")])
    with pytest.warns(UserWarning, match="No price is known for gpt, next") as told:
        transcripts = read(root)
    assert len(told) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert transcripts.usage()["cost_usd"].isna().sum() == 2
    assert transcripts.turns()["cost_usd"].isna().to_list() == [True, False, False]


def test_session_that_was_copied_is_read_once(tmp_path: Path) -> None:
    """The same file in another folder adds neither messages nor tokens."""
    records = [prompt("x", 0), answer("m1", 1, text("y"))]
    path = write(session_path(tmp_path), records)
    write(path.parent.parent / "-elsewhere" / path.name, records)
    transcripts = read(tmp_path)
    assert transcripts.messages()["text"].to_list() == ["x", "y"]
    assert len(transcripts.usage()) == 1


def test_secret_in_a_tools_input_is_found_as_json_writes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Quotes, backslashes and line ends of a password are escaped there."""
    monkeypatch.setenv("DB_PASSWORD", 'p"a\\ss\nword-9')
    use = {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": 'login p"a\\ss\nword-9'}}
    write(session_path(tmp_path), [prompt("x", 0), answer("m1", 1, use)])
    (given,) = read(tmp_path).tools()["input"]
    assert "word-9" not in given
    assert "[redacted DB_PASSWORD]" in given


@pytest.mark.parametrize("told", ["environment", "session"])
def test_secrets_are_in_no_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str) -> None:
    """Prompt, answer, input, result and title are all cleaned, whoever was told the secret."""
    secret = f"sk-ant-planted-for-the-{told}"
    if told == "environment":
        monkeypatch.setenv("PLANTED_API_KEY", secret)
    else:
        redactor_for(named=[("PLANTED_API_KEY", secret)])  # as the launch of a session does
    records = [
        {"type": "custom-title", "customTitle": f"about {secret}"}, prompt(f"use {secret}", 0, id="p"),
        answer("m", 1, text(secret), use("t", command=f"echo {secret}")), result("t", secret, 2),
    ]  # fmt: skip
    write(session_path(tmp_path), records)
    transcripts = read_transcripts(tmp_path, cache=tmp_path / "cache")
    frames = [transcripts.sessions(), transcripts.turns(), transcripts.tools(), transcripts.messages()]
    assert not any(secret in frame.to_csv() for frame in frames)
    assert all("[redacted PLANTED_API_KEY]" in frame.to_csv() for frame in frames)
    assert not any(secret.encode() in path.read_bytes() for path in (tmp_path / "cache").iterdir())


def test_session_is_named_by_its_title(tmp_path: Path) -> None:
    """A person's before the CLI's, the last one of each; with the beginning of the id where two are the same."""
    by_a_person = [{"type": "custom-title", "customTitle": title} for title in ("a draft", "the report")]
    by_the_cli = [{"type": "ai-title", "aiTitle": title, "sessionId": "x"} for title in ("Draft", "Plot of sales")]
    ids = [OTHER[:-1] + digit for digit in "1234"]
    for number, (id, titles) in enumerate(
        zip(ids, [by_a_person + by_the_cli, by_the_cli, by_the_cli[:1]], strict=False)
    ):
        write(session_path(tmp_path, id), [prompt("x", number), *titles])
    write(session_path(tmp_path, ids[3]), [prompt("y", 9), {"type": "ai-title", "aiTitle": "Draft"}])

    begin = OTHER[:8]
    assert read(tmp_path).sessions()["name"].to_list() == [
        "the report", "Plot of sales", f"Draft ({begin})", f"Draft ({begin})"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("Which month\nbrought  the most?", "Which month brought the most? "),
        ("Compare the sales of both shops, please", "Compare the sales of both shops… "),
        ("<task-notification>done</task-notification>", ""),
    ],
)
def test_session_without_a_title_is_named_by_how_it_began(tmp_path: Path, words: str, name: str) -> None:
    """The first words of its first prompt, and the beginning of its id, which alone would do to resume it."""
    write(session_path(tmp_path, OTHER), [prompt(words, 0), answer("m", 1, text("Yes."))])
    wanted = f"{name}({OTHER[:8]})" if name else OTHER[:8]

    assert read(tmp_path).sessions()["name"].to_list() == [wanted]
    assert read(tmp_path).turns()["session"].to_list() == [wanted]


def test_usage_of_real_files_agrees_with_an_independent_count() -> None:
    """Session files of the real CLIs: to the token, without a problem, and without a record of an unknown shape."""
    transcripts = read(EXAMPLES)
    assert our_totals(transcripts.usage()) == independent_totals(EXAMPLES)
    assert transcripts.broken == 0
    assert {"api-request", "cost-state", "last-prompt"} <= transcripts.record_types.keys()
    assert len(transcripts.sessions()) == 8


def test_cost_is_what_the_newer_cli_counted_itself() -> None:
    """It notes its own total after each turn of these sessions; ours is the same money."""
    transcripts = read(EXAMPLES)
    costs = transcripts.turns().groupby("session_id")["cost_usd"].sum()
    counted = {}
    for path in EXAMPLES.rglob("*.jsonl"):
        for record in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
            if record["type"] == "cost-state":
                counted[record["sessionId"]] = record["totalCostUSD"]
    assert len(counted) == 3
    assert {session: pytest.approx(cost) for session, cost in counted.items()} == costs[list(counted)].to_dict()


def test_usage_counts_a_call_once_that_a_subagent_repeats(tmp_path: Path) -> None:
    """It has the message's id, time and tokens, and another request; one of this id at another time counts."""
    write(session_path(tmp_path), [prompt("x", 0), answer("m1", 1, text("a"), used=usage(1000, 100))])
    side = [answer("m1", 1, text("a"), used=usage(1000, 100), request="r9"), answer("m7", 5, text("b"), request="r10")]
    other = answer("m1", 9, text("c"), used=usage(5, 5), request="r11")
    write(agent_path(tmp_path, "b1"), [record | {"isSidechain": True} for record in [*side, other]])

    assert read_transcripts(tmp_path, cache=False).usage()["message_id"].to_list() == ["m1", "m7", "m1"]


def test_usage_has_a_call_of_another_model_within_an_answer(tmp_path: Path) -> None:
    """An advisor's tokens stand among the iterations of an answer, and not in its counts."""
    own = {"type": "message", "input_tokens": 1, "output_tokens": 5}
    advisor = {"type": "advisor_message", "model": "claude-opus-4-5", "input_tokens": 60_000, "output_tokens": 800}
    used = usage(1, 5, iterations=[own, advisor])
    write(session_path(tmp_path), [prompt("x", 0), *[answer("m1", 1, text("a"), used=used)] * 2])

    found = read_transcripts(tmp_path, cache=False).usage()
    assert found["model"].to_list() == ["claude-opus-4-8", "claude-opus-4-5"]
    assert found["input_tokens"].to_list() == [1, 60_000]
    assert found["cost_usd"].to_list()[1] > 0.1


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
