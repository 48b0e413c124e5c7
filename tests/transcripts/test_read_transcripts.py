"""Session files as frames: what counts, what counts once, and what belongs where."""

from __future__ import annotations

import json
import os
import warnings
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from claude_magic import read_transcripts
from claude_magic.records.columns import MESSAGES, SESSIONS, TOOLS, TURNS, Schema, to_frame
from claude_magic.redaction import redactor_for
from claude_magic.transcripts.columns import USAGE
from claude_magic.transcripts.discover import since_when
from claude_magic.transcripts.transcripts import Transcripts

from .transcript_records import (
    OTHER,
    SESSION,
    Record,
    agent_path,
    answer,
    enqueue,
    independent_totals,
    lines,
    our_totals,
    prompt,
    result,
    session_path,
    text,
    usage,
    use,
    write,
)

EXAMPLES = Path(__file__).resolve().parents[2] / "notebooks" / "data" / "session_files"


def read(root: Path, **options: object) -> Transcripts:
    return read_transcripts(root, cache=False, **options)


def day_of_work() -> list[Record]:
    """Two prompts: one with a tool that fails, one with a subagent."""
    return [
        enqueue(0),
        prompt("look", 1, id="prompt-1", prompt_id="p1"),
        answer("msg_1", 2, {"type": "thinking", "thinking": "hm"}, used=usage(output=1)),
        answer("msg_1", 3, text("I look."), used=usage(output=1)),
        answer("msg_1", 4, use("tool-1", command="ls"), used=usage(output=70)),
        result("tool-1", "no such file", 6.5, is_error=True, promptId="p1"),
        answer("msg_2", 8, text("It is not there.")),
        prompt("ask an agent", 10, id="prompt-2", prompt_id="p2"),
        answer("msg_3", 11, use("tool-2", "Agent", prompt="go")),
        result("tool-2", [text("done"), text("well")], 20),
        answer("msg_4", 21, text("The agent says done.")),
    ]


def agents_work() -> list[Record]:
    side = {"isSidechain": True, "agentId": "a1"}
    return [
        prompt("go", 12, prompt_id="p2", **side),
        answer("msg_5", 13, use("tool-3", "Grep", pattern="x"), model="claude-haiku-4-5", **side),
        result("tool-3", "x", 14, **side),
        answer("msg_6", 15, text("done"), model="claude-haiku-4-5", **side),
    ]


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


def test_a_subagents_turn_is_known_by_the_prompt_without_a_note_beside_its_file(root: Path) -> None:
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


def test_a_fork_counts_only_what_is_its_own(root: Path) -> None:
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


def test_what_a_compaction_writes_again_counts_once(tmp_path: Path) -> None:
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


def test_slash_commands_are_turns_and_their_echo_is_not(tmp_path: Path) -> None:
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


def test_outcomes_are_told_where_the_file_tells_them(tmp_path: Path) -> None:
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


def test_the_same_message_id_of_another_request_is_another_message(tmp_path: Path) -> None:
    """The key is both ids; a record without a request id has the message's alone."""
    records = [answer("m", 1, request="a"), answer("m", 2, request="b"), answer("m", 3, request=None)]
    write(session_path(tmp_path), records)
    frame = read(tmp_path).usage()
    assert frame["request_id"].to_list() == ["a", "b", pd.NA]
    assert frame["turn_id"].isna().all()


def test_unknown_models_cost_na_and_are_named_once(root: Path) -> None:
    """One warning with all their names; what is known stays known."""
    write(session_path(root, OTHER), [prompt("x", 0), answer("n1", 1, model="gpt"), answer("n2", 2, model="next")])
    with pytest.warns(UserWarning, match="No price is known for gpt, next") as told:
        transcripts = read(root)
    assert len(told) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert transcripts.usage()["cost_usd"].isna().sum() == 2
    assert transcripts.turns()["cost_usd"].isna().to_list() == [True, False, False]


def test_broken_lines_are_told_with_their_place(tmp_path: Path) -> None:
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


def test_a_record_whose_fields_are_not_as_known_is_a_problem_only_where_it_matters(tmp_path: Path) -> None:
    """A known type in another shape is told, and its other fields are read; an unknown type may have any shape."""
    odd: list[Record] = [{"type": "user", "message": 5}, {"type": "news", "message": "hello", "timestamp": 7}, {"a": 1}]
    write(session_path(tmp_path), [*odd, prompt("x", 0)])
    transcripts = read(tmp_path)
    assert transcripts.problems["line"].to_list() == [1]
    assert transcripts.record_types == {"(no type)": 1, "news": 1, "user": 2}
    assert transcripts.broken == 0


@pytest.mark.parametrize("value", [12.0, "12", 10**25, -1, 1.5, [], {}, "many", True, None])
def test_odd_number_of_tokens_is_lost_alone(tmp_path: Path, value: Any) -> None:
    """The answer that it stands in is read, and so is its other count."""
    record = answer("m1", 1, text("the answer"))
    record["message"]["usage"] = {"input_tokens": value, "output_tokens": 7}
    write(session_path(tmp_path), [prompt("x", 0), record])
    transcripts = read(tmp_path)
    assert transcripts.messages()["text"].to_list() == ["x", "the answer"]
    assert transcripts.usage()["output_tokens"].to_list() == [7]
    assert transcripts.usage()["input_tokens"].to_list() == [12 if value in (12.0, "12") else 0]


@pytest.mark.parametrize("content", [{"type": "web_search_tool_result_error", "error_code": "x"}, [7], 5, [[1]], True])
def test_odd_block_is_lost_alone(tmp_path: Path, content: Any) -> None:
    """A result of a server's tool, or a block in a new shape, leaves the text around it."""
    odd = {"type": "web_search_tool_result", "tool_use_id": "t", "content": content}
    write(session_path(tmp_path), [prompt("x", 0), answer("m1", 1, odd, text("the answer"))])
    assert read(tmp_path).messages()["text"].to_list() == ["x", "the answer"]


@pytest.mark.parametrize(
    "line", [b"[" * 100_000, b'{"type":"user","message":' + b"[" * 5_000 + b"]" * 5_000 + b"}", b"\0", b"\xff"]
)
def test_odd_line_is_lost_alone(tmp_path: Path, line: bytes) -> None:
    """What is nested too deeply, or no text, is a problem with its place; a byte order mark is none."""
    good = lines([prompt("x", 0), answer("m1", 1, text("y"))])
    write(session_path(tmp_path), b"\xef\xbb\xbf" + good + line + b"\n" + lines([answer("m2", 2, text("z"))]))
    transcripts = read(tmp_path)
    assert transcripts.messages()["text"].to_list() == ["x", "y", "z"]
    assert transcripts.problems["line"].to_list() == [3]


def test_odd_entries_hide_no_session(tmp_path: Path) -> None:
    """A pipe, a device, links to nothing and to themselves: each is a problem, and the sessions are read."""
    folder = session_path(tmp_path).parent
    write(session_path(tmp_path), [prompt("x", 0), answer("m1", 1, text("y"))])
    os.mkfifo(folder / "pipe.jsonl")
    for name, target in (("zero", "/dev/zero"), ("nothing", "nowhere"), ("loop", "loop.jsonl")):
        (folder / f"{name}.jsonl").symlink_to(target)
    (tmp_path / "projects" / "loop").symlink_to("loop")
    transcripts = read(tmp_path)
    assert transcripts.messages()["text"].to_list() == ["x", "y"]
    assert {Path(name).stem for name in transcripts.problems["file"]} == {"pipe", "zero", "nothing", "loop"}
    assert len(transcripts.sessions()) == 1


def test_copy_of_a_session_is_read_once(tmp_path: Path) -> None:
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


def test_no_line_is_too_long_and_no_text_too_odd(tmp_path: Path) -> None:
    """A line longer than what is read at once, and half a surrogate pair."""
    long = "x" * 9_000_000
    write(session_path(tmp_path), [prompt("x", 0), answer("m", 1, use("t")), result("t", long, 2), prompt("\ud83d", 3)])
    transcripts = read(tmp_path)
    assert transcripts.tools()["result_chars"].to_list() == [len(long)]
    assert (len(transcripts.turns()), transcripts.broken) in [(2, 0), (1, 1)]


@pytest.mark.parametrize("given", [b'{"command":"\xff"}', b'["\xff"]', b'{"command":"\xe4"}'])
def test_letters_that_are_no_utf8_are_replaced(tmp_path: Path, given: bytes) -> None:
    """Wherever they stand: they make neither the reading nor a frame fail."""
    records = lines([prompt("x", 0), answer("m1", 1, {"type": "thinking", "thinking": "?"}, use("t1", command="!"))])
    write(session_path(tmp_path), records.replace(b'{"command": "!"}', given).replace(b'"?"', b'"\xff"'))
    found = read(tmp_path)
    assert found.tools()["input"].to_list() == ["{}" if given.startswith(b"[") else '{"command":"\ufffd"}']
    assert found.messages()["text"].to_list()[1] == "\ufffd"
    assert our_totals(found.usage())["messages"] == 1


def test_only_sessions_that_changed_since_then_are_read(root: Path) -> None:
    """The time of the file decides, and a session stays together with its subagents."""
    old = write(session_path(root, OTHER), [prompt("old", 0, id="old")])
    os.utime(old, (1_600_000_000, 1_600_000_000))
    os.utime(agent_path(root, "a1"), (1_600_000_000, 1_600_000_000))
    for since in ("2d", timedelta(days=2), datetime.now(UTC) - timedelta(days=1), date(2021, 1, 1), "2021-01-01"):
        recent = read(root, since=since)
        assert recent.sessions()["session_id"].to_list() == [SESSION]
        assert len(recent.usage()) == 6
    assert len(read(root).sessions()) == 2
    with pytest.raises(ValueError, match="since='lately' is not a time"):
        read(root, since="lately")


def test_moments_are_understood_as_people_write_them() -> None:
    """Spans count back from now; days begin at local midnight."""
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    assert since_when("90m", now) == now - timedelta(minutes=90)
    assert since_when("1.5h", now) == now - timedelta(hours=1.5)
    assert since_when("2 w", now) == now - timedelta(weeks=2)
    assert since_when("2026-11-01", now) == datetime(2026, 11, 1).astimezone()
    assert since_when("2026-11-01T10:00:00Z", now) == datetime(2026, 11, 1, 10, tzinfo=UTC)
    assert since_when(None, now) is None


@pytest.mark.parametrize("project", ["-home-you-project", "/home/you/project", "project", Path("/home/you/project")])
def test_a_project_is_named_by_its_folder(root: Path, project: str | Path) -> None:
    """By the path, by its last part, or as the CLI writes it."""
    write(session_path(root, OTHER, "-home-you-another"), [prompt("x", 0)])
    assert read(root, project=project).sessions()["session_id"].to_list() == [SESSION]
    assert len(read(root, project="nothing").sessions()) == 0


def test_the_users_own_files_are_found(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`CLAUDE_CONFIG_DIR`, else the home folder; no files at all are no failure."""
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(root))
    assert len(read_transcripts(cache=False).sessions()) == 1
    monkeypatch.delenv("CLAUDE_CONFIG_DIR")
    monkeypatch.setenv("HOME", str(tmp_path / "empty"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "empty"))
    assert len(read_transcripts(cache=False).sessions()) == 0
    write(session_path(tmp_path / "empty" / ".claude"), day_of_work())
    assert len(read_transcripts(cache=False).sessions()) == 1


def test_a_folder_that_was_named_must_be_there(tmp_path: Path) -> None:
    """A typing error is no empty history."""
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read(tmp_path / "nowhere")


def test_a_folder_with_files_of_any_name_can_be_read(tmp_path: Path) -> None:
    """Then the records say which session and which subagent they are of."""
    write(tmp_path / "first.jsonl", day_of_work())
    write(tmp_path / "second.jsonl", [{**record, "sessionId": SESSION} for record in agents_work()])
    transcripts = read(tmp_path)
    assert transcripts.sessions()["session_id"].to_list() == [SESSION]
    assert transcripts.turns()["tool_uses"].to_list() == [1, 2]


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


def test_a_title_names_the_session(tmp_path: Path) -> None:
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
def test_a_session_without_a_title_is_named_by_how_it_began(tmp_path: Path, words: str, name: str) -> None:
    """The first words of its first prompt, and the beginning of its id, which alone would do to resume it."""
    write(session_path(tmp_path, OTHER), [prompt(words, 0), answer("m", 1, text("Yes."))])
    wanted = f"{name}({OTHER[:8]})" if name else OTHER[:8]

    assert read(tmp_path).sessions()["name"].to_list() == [wanted]
    assert read(tmp_path).turns()["session"].to_list() == [wanted]


def test_the_examples_of_both_clis_agree_with_an_independent_count() -> None:
    """Session files of the real CLIs: to the token, without a problem, and without a record of an unknown shape."""
    transcripts = read(EXAMPLES)
    assert our_totals(transcripts.usage()) == independent_totals(EXAMPLES)
    assert transcripts.broken == 0
    assert {"api-request", "cost-state", "last-prompt"} <= transcripts.record_types.keys()
    assert len(transcripts.sessions()) == 8


def test_the_estimate_is_what_the_newer_cli_counted_itself() -> None:
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


def test_a_broken_line_far_inside_is_told_with_its_number(tmp_path: Path) -> None:
    """Lines are counted on from the last broken one, however much is read at once."""
    good = lines([prompt("x" * 1000, 0)])
    write(session_path(tmp_path), good * 900 + b"one\n" + good * 900 + b"two\n" + good + b"three\n")
    assert read(tmp_path).problems["line"].to_list() == [901, 1802, 1804]


def test_a_prompt_is_told_without_the_mark_that_it_is_literal(tmp_path: Path) -> None:
    """Our own prompts end with a block of one line feed, so that the CLI looks for no command in them."""
    write(session_path(tmp_path), [prompt([text("what\n"), text("\n")], 0), prompt([text("one"), text("two")], 1)])
    transcripts = read(tmp_path)
    assert list(transcripts.turns()["prompt"]) == ["what\n", "one\ntwo"]
    assert list(transcripts.messages()["text"]) == ["what", "one\ntwo"]
