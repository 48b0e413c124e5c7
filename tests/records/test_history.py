"""What outlives a kernel: written beside the turns, read as the same frames, and never more than the user wants."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fakes import FakeCLIs, FakeTransport, prompt_of
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from claude_magic.config import SessionConfig, SimulatedAPI
from claude_magic.engine.session_info import SessionInfo
from claude_magic.errors import HistoryError
from claude_magic.permissions import Allow
from claude_magic.records.columns import SESSIONS, TOOLS, TURNS, to_frame
from claude_magic.records.frames import sessions_frame, tools_frame, turns_frame
from claude_magic.records.history import FinishedTurn, History, HistoryWriter, history_of
from claude_magic.records.tool_uses import ToolRecord
from claude_magic.records.turns import TurnRecord

SECRET = "s3cret-value-123"


def finished(number: int = 1, session: str = "main", **changes: Any) -> FinishedTurn:
    """A turn with one tool use."""
    turn = TurnRecord(
        session=session, session_id="abc", turn=number, turn_id=f"{session}-{number}", model="opus",
        started=1000.0 + number, duration_s=2.5, ttft_s=None, outcome="success", error="", num_steps=2,
        input_tokens=10, output_tokens=20, cache_read_tokens=30, cache_write_tokens=40, cost_usd=0.25,
        estimated=False, tool_uses=1, prompt="the prompt", text="the answer", simulated=False,
    )  # fmt: skip
    tool = ToolRecord(
        session=session, turn=number, turn_id=turn.turn_id, tool_use_id=f"use-{number}", parent_tool_use_id="",
        name="Bash", input='{"command":"the input"}', started=1001.0 + number, duration_s=0.5, is_error=False,
        permission="allowed", result_chars=7,
    )  # fmt: skip
    info = SessionInfo(
        name=session, session_id="abc", workspace_id="default", state="running", model="opus", working_dir="folder",
        pid=12, created=1000.0, last_used=1001.0, turns=number, cost_usd=0.25 * number, simulated=False,
    )  # fmt: skip
    return FinishedTurn(replace(turn, **changes), [tool], info)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "history.sqlite"


def all_bytes(path: Path) -> bytes:
    """Everything that the database left on disk, its log too."""
    return b"".join(file.read_bytes() for file in path.parent.iterdir())


# The file.


def test_history_reads_what_it_wrote(path: Path) -> None:
    """Numbers and names come back as they were; texts, pid and state are not kept."""
    one = finished()
    History(path).write("kernel", [one])

    history = History(path)
    assert history.turns() == [replace(one.turn, prompt=None, text=None)]  # type: ignore[arg-type]
    assert [(tool.name, tool.input, tool.is_error) for tool in history.tools()] == [("Bash", None, False)]
    assert history.sessions() == [replace(one.session, pid=None, state=None)]  # type: ignore[arg-type]


def test_history_frames_have_the_same_columns_and_dtypes(path: Path) -> None:
    """Also where nothing was kept, and where a value is missing."""
    history = History(path)
    tool = ToolRecord("main", None, "main-1", "use-2", "", "Read", "{}", 1000.0)
    for _ in range(2):
        for frame, schema in (
            (turns_frame(history.turns()), TURNS),
            (tools_frame(history.tools()), TOOLS),
            (sessions_frame(history.sessions()), SESSIONS),
        ):
            assert_frame_equal(frame.dtypes.to_frame(), to_frame([], schema).dtypes.to_frame())
        history.write("kernel", [FinishedTurn(finished().turn, [*finished().tools, tool], finished().session)])

    assert tools_frame(history.tools())["is_error"].isna().tolist() == [True, False]
    assert turns_frame(history.turns())["prompt"].isna().all()


def test_history_keeps_texts_only_on_the_users_word(path: Path) -> None:
    """Prompt, answer and inputs of tools are in the file with `texts=True`, and nowhere in it without."""
    words = (b"the prompt", b"the answer", b"the input")
    History(path).write("kernel", [finished()])
    assert [word in all_bytes(path) for word in words] == [False, False, False]

    history = History(path, texts=True)
    history.write("kernel", [finished(2)])
    assert [word in all_bytes(path) for word in words] == [True, True, True]
    assert [turn.text for turn in history.turns()] == [None, "the answer"]


def test_history_has_one_row_of_a_session_that_follows_its_turns(path: Path) -> None:
    """The last turn's count and cost stand in it; a session of the same name in another kernel is another one."""
    history = History(path)
    history.write("one", [finished(1), finished(2)])
    history.write("two", [finished(1)])

    assert [(info.turns, info.cost_usd) for info in history.sessions()] == [(2, 0.5), (1, 0.25)]
    assert len(history.turns()) == 3


def test_history_makes_no_file_by_reading(path: Path) -> None:
    """Where nothing was kept there is nothing to read, and nothing is left."""
    assert History(path).turns() == []
    assert not path.parent.exists()


def test_history_file_is_for_its_user_only(path: Path) -> None:
    """No one else on the machine can look into it."""
    History(path).write("kernel", [finished()])

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_history_leaves_a_file_of_a_newer_version_alone(path: Path) -> None:
    """Neither read nor written; the words say what to do."""
    History(path).write("kernel", [finished()])
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()

    for use in (History(path).turns, lambda: History(path).write("kernel", [finished(2)])):
        with pytest.raises(HistoryError, match="newer claude_magic"):
            use()


def test_history_refuses_a_file_that_is_not_a_database(path: Path) -> None:
    """It is named, and stays as it is."""
    path.parent.mkdir()
    path.write_text("these are my notes, and no database at all\n" * 10)
    before = path.read_bytes()

    for use in (History(path).turns, lambda: History(path).write("kernel", [finished()])):
        with pytest.raises(HistoryError, match=r"history\.sqlite' cannot be (read|written): file is not a database"):
            use()
    assert path.read_bytes() == before


def test_history_takes_what_kernels_write_at_the_same_time(path: Path) -> None:
    """No turn of any process is lost, the making of the file included."""
    program = (
        "import sys; sys.path[:0] = sys.argv[3:]\n"
        "from test_history import finished, History\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "history = History(sys.argv[1])\n"
        "for number in range(25): history.write(sys.argv[2], [finished(number, sys.argv[2])])\n"
    )
    folders = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1]), str(Path(__file__).parent)]
    kernels = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(path), f"kernel-{number}", *folders],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    for kernel in kernels:
        assert kernel.stdout is not None
        assert kernel.stdout.readline() == "ready\n"
    for kernel in kernels:
        assert kernel.stdin is not None
        kernel.stdin.write("go\n")
        kernel.stdin.flush()
    for kernel in kernels:
        kernel.communicate(timeout=60)

    assert [kernel.returncode for kernel in kernels] == [0, 0, 0, 0]
    turns = turns_frame(History(path).turns())
    assert turns.groupby("session", observed=True).size().tolist() == [25, 25, 25, 25]
    assert len(History(path).sessions()) == 4


# The writer.


async def test_history_writer_keeps_what_cannot_be_written_for_the_next_turn(
    path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A locked database is one warning, and what waited is written when it is free."""
    monkeypatch.setattr("claude_magic.records.history._BUSY_S", 0.01)
    History(path).write("other", [finished()])
    other = sqlite3.connect(path, isolation_level=None)
    writer = HistoryWriter(History(path))
    with caplog.at_level(logging.WARNING, "claude_magic"):
        other.execute("BEGIN IMMEDIATE")
        for number in (1, 2):
            writer.add_turn(finished(number))
            await writer.flush()
        other.execute("ROLLBACK")
        other.close()
        writer.add_turn(finished(3))
        await writer.flush()

    assert [record.getMessage().count("database is locked") for record in caplog.records] == [1]
    assert len(History(path).turns()) == 4


async def test_history_writer_writes_turns_next_that_end_while_it_writes(path: Path) -> None:
    """None is forgotten."""
    writer = HistoryWriter(History(path))
    for number in range(5):
        writer.add_turn(finished(number))
        await asyncio.sleep(0)
    await writer.flush()

    assert [turn.turn for turn in History(path).turns()] == [0, 1, 2, 3, 4]


def test_history_argument_of_each_kind(tmp_path: Path, state_folder: Path) -> None:
    """Nothing, the user's own, a file, or one made before."""
    own = history_of(True)
    named = history_of(tmp_path / "mine.sqlite")
    made = History(tmp_path / "other.sqlite", texts=True)

    assert history_of(None) is None
    assert history_of(False) is None
    assert own is not None
    assert own.path == state_folder / "history.sqlite"
    assert named is not None
    assert (named.path, named.texts) == (tmp_path / "mine.sqlite", False)
    assert history_of(made) is made


# The client.


async def with_a_tool(cli: FakeTransport, message: dict[str, Any]) -> None:
    """Use a tool with the prompt as its input, and answer with it."""
    cli.begin(message)
    command = {"command": f"echo {prompt_of(message)}"}
    await cli.ask("Bash", command)
    use = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": command}
    cli.say({"type": "assistant", "message": {"content": [use]}, "parent_tool_use_id": None})
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": prompt_of(message)}
    cli.say({"type": "user", "message": {"content": [result]}, "parent_tool_use_id": None})
    cli.text(prompt_of(message))
    cli.result()


async def test_history_of_a_client_has_what_it_finishes(path: Path) -> None:
    """Another client reads it as frames that are equal to those of the first, but for what is not kept."""
    async with FakeCLIs(with_a_tool).client(history=path, ask=lambda request: Allow()) as first:
        await first.create_session(name="main")
        for prompt in ("one", "two"):
            await first.execute("main", prompt)
        await first.records.flush_history()
        turns, tools, sessions = first.frames.turns(), first.frames.tools(), first.frames.sessions()

    async with FakeCLIs().client(history=path) as second:
        assert_frame_equal(second.frames.turns(history=True).drop(columns=["prompt", "text", "prompted"]),
                           turns.drop(columns=["prompt", "text", "prompted"]))  # fmt: skip
        assert_frame_equal(second.frames.tools(history=True).drop(columns="input"), tools.drop(columns="input"))
        kept = second.frames.sessions(history=True)
        assert kept[["name", "session_id", "turns", "cost_usd"]].equals(
            sessions[["name", "session_id", "turns", "cost_usd"]]
        )
        assert kept[["pid", "state"]].isna().all(axis=None)
        assert len(second.frames.turns()) == 0


@pytest.mark.parametrize("texts", [False, True])
async def test_history_file_has_no_secret(path: Path, texts: bool) -> None:
    """Not from the prompt, the answer, a tool's input or an error."""

    async def leak(cli: FakeTransport, message: dict[str, Any]) -> None:
        if prompt_of(message).startswith("fail"):
            cli.begin(message)
            cli.result(is_error=True, result=f"broken by {SECRET}")
        else:
            await with_a_tool(cli, message)

    config = SessionConfig(api_key=SECRET)
    history = History(path, texts=texts)
    async with FakeCLIs(leak).client(config, history=history, ask=lambda request: Allow()) as client:
        await client.create_session(name="main")
        await client.execute("main", f"say {SECRET}")
        with pytest.raises(Exception, match="broken by"):
            await client.execute("main", f"fail {SECRET}")

    written = all_bytes(path)
    assert len(history.turns()) == 2
    assert SECRET.encode() not in written
    assert (b"[redacted api_key]" in written) is True


async def test_history_has_no_simulated_turn(path: Path) -> None:
    """Nothing was spent, and nothing is kept."""
    simulated = SessionConfig(simulated=SimulatedAPI("http://127.0.0.1:9", "folder", "key"))
    async with FakeCLIs().client(simulated, history=path) as client:
        await client.create_session(name="main")
        await client.execute("main", "x")

    assert not path.exists()


async def test_history_has_no_played_turn(path: Path, tmp_path: Path) -> None:
    """It was written when it was recorded, if at all."""
    async with FakeCLIs().client(record=tmp_path / "tape.jsonl") as client:
        await client.create_session(name="main")
        await client.execute("main", "x")
    async with FakeCLIs().client(history=path, replay=tmp_path / "tape.jsonl") as client:
        await client.create_session(name="main")
        await client.execute("main", "x")

    assert not path.exists()


async def test_history_of_a_plain_client_is_not_written(state_folder: Path) -> None:
    """Only the kernel's own client, and who is told to, keeps anything."""
    async with FakeCLIs().client() as client:
        await client.create_session(name="main")
        await client.execute("main", "x")

        assert client.history is None
        assert client.frames.turns(history=True).empty
    assert not state_folder.exists()


async def test_history_that_is_broken_hurts_no_turn(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The answers come, and one warning is logged."""
    path.parent.mkdir()
    path.write_text("no database\n" * 100)
    async with FakeCLIs().client(history=path) as client:
        await client.create_session(name="main")
        texts = [(await client.execute("main", prompt)).text for prompt in ("one", "two")]

    assert texts == ["echo: one", "echo: two"]
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "cannot be written" in warnings[0]


async def test_history_is_switched_off_and_on_while_the_client_lives(path: Path) -> None:
    """Only what ends while it is on is written."""
    async with FakeCLIs().client() as client:
        await client.create_session(name="main")
        for history in (None, History(path), None):
            client.history = history
            await client.execute("main", "x")
            await client.records.flush_history()

    assert [turn.turn for turn in History(path).turns()] == [2]


def test_history_seconds_are_exact_to_the_microsecond(path: Path) -> None:
    """Times come back as they were."""
    History(path).write("kernel", [finished(started=1763828651.123456)])

    assert turns_frame(History(path).turns())["started"][0] == pd.Timestamp("2025-11-22 16:24:11.123456", tz="UTC")


ODD = st.text(st.characters(exclude_categories=[]) | st.sampled_from("\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\ud800\0\n"))


@pytest.mark.fuzz
@given(ODD, ODD, st.integers(), st.floats(), st.one_of(st.none(), st.floats()))
def test_history_reads_any_turn_back(
    tmp_path_factory: pytest.TempPathFactory, prompt: str, name: str, count: int, seconds: float, ttft: float | None
) -> None:
    """Every character, but half of a surrogate pair; numbers that the database cannot hold become what it can."""
    path = tmp_path_factory.getbasetemp() / "any.sqlite"
    history = History(path, texts=True)
    changes: dict[str, Any] = {"prompt": prompt, "text": name, "output_tokens": count, "started": seconds}
    history.write("me", [finished(1, **changes, ttft_s=ttft), finished(2)])

    kept = {turn.turn: turn for turn in history.turns()}
    assert kept[1].prompt == prompt.encode("utf-8", "replace").decode()
    assert kept[1].text == name.encode("utf-8", "replace").decode()
    assert kept[1].output_tokens == max(-(2**63), min(2**63 - 1, count))
    assert kept[2] == replace(finished(2).turn, simulated=False)
    assert len(turns_frame(history.turns())) == 2
