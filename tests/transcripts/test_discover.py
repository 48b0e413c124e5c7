"""Which session files are read: the user's, those of a project, those that changed."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from claude_magic import read_transcripts
from claude_magic.paths import claude_dir
from claude_magic.transcripts.discover import since_when

from .transcript_records import (
    OTHER,
    SESSION,
    agent_path,
    agents_work,
    answer,
    day_of_work,
    prompt,
    read,
    session_path,
    text,
    write,
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(session_path(tmp_path), day_of_work())
    path = write(agent_path(tmp_path, "a1"), agents_work())
    path.with_suffix(".meta.json").write_text('{"toolUseId": "tool-2"}')
    return tmp_path


def test_since_leaves_out_sessions_that_did_not_change(root: Path) -> None:
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


def test_since_is_understood_as_people_write_it() -> None:
    """Spans count back from now; days begin at local midnight."""
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    assert since_when("90m", now) == now - timedelta(minutes=90)
    assert since_when("1.5h", now) == now - timedelta(hours=1.5)
    assert since_when("2 w", now) == now - timedelta(weeks=2)
    assert since_when("2026-11-01", now) == datetime(2026, 11, 1).astimezone()
    assert since_when("2026-11-01T10:00:00Z", now) == datetime(2026, 11, 1, 10, tzinfo=UTC)
    assert since_when(None, now) is None


@pytest.mark.parametrize("project", ["-home-you-project", "/home/you/project", "project", Path("/home/you/project")])
def test_project_is_named_by_its_folder(root: Path, project: str | Path) -> None:
    """By the path, by its last part, or as the CLI writes it."""
    write(session_path(root, OTHER, "-home-you-another"), [prompt("x", 0)])
    assert read(root, project=project).sessions()["session_id"].to_list() == [SESSION]
    assert len(read(root, project="nothing").sessions()) == 0


def test_project_is_the_folder_that_was_recorded(tmp_path: Path) -> None:
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


def test_find_root_finds_the_users_own_files(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`CLAUDE_CONFIG_DIR`, else the home folder; no files at all are no failure."""
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(root))
    assert len(read_transcripts(cache=False).sessions()) == 1
    monkeypatch.delenv("CLAUDE_CONFIG_DIR")
    monkeypatch.setenv("HOME", str(tmp_path / "empty"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "empty"))
    assert len(read_transcripts(cache=False).sessions()) == 0
    write(session_path(tmp_path / "empty" / ".claude"), day_of_work())
    assert len(read_transcripts(cache=False).sessions()) == 1


def test_find_root_wants_the_folder_to_be_there(tmp_path: Path) -> None:
    """A typing error is no empty history."""
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read(tmp_path / "nowhere")


@pytest.mark.parametrize(("given", "folder"), [("~/mine", "mine"), ("~", "")])
def test_claude_dir_knows_the_home_folder(tmp_path: Path, given: str, folder: str) -> None:
    """As a shell would have read it."""
    environment = {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path), "CLAUDE_CONFIG_DIR": given}

    assert claude_dir(environment) == tmp_path / folder


def test_find_files_takes_files_of_any_name(tmp_path: Path) -> None:
    """Then the records say which session and which subagent they are of."""
    write(tmp_path / "first.jsonl", day_of_work())
    write(tmp_path / "second.jsonl", [{**record, "sessionId": SESSION} for record in agents_work()])
    transcripts = read(tmp_path)
    assert transcripts.sessions()["session_id"].to_list() == [SESSION]
    assert transcripts.turns()["tool_uses"].to_list() == [1, 2]


def test_find_files_names_odd_entries_and_hides_no_session(tmp_path: Path) -> None:
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
