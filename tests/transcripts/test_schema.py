"""What a person typed, among what the CLI writes for itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from claude_magic import read_transcripts

from .transcript_records import (
    SESSION,
    Record,
    answer,
    at,
    prompt,
    read,
    session_path,
    text,
    write,
)


def said(root: Path, records: list[Record] | bytes) -> list[tuple[str, str]]:
    """Role and text of each message in a session file."""
    write(session_path(root), records)
    found = read_transcripts(root, cache=False).messages()
    return list(zip(found["role"], found["text"], strict=True))


def queued(words: Any, seconds: float, mode: str = "prompt") -> Record:
    attachment = {"type": "queued_command", "commandMode": mode, "prompt": words}
    return {
        "type": "attachment",
        "uuid": "q1",
        "timestamp": at(seconds),
        "sessionId": SESSION,
        "attachment": attachment,
    }


@pytest.mark.parametrize("words", ["use polars", [text("use polars")]])
def test_prompt_typed_while_claude_works_is_the_persons(tmp_path: Path, words: Any) -> None:
    """The CLI writes it as an attachment; what a task reports in the same way is not a prompt."""
    records = [
        prompt("analyse", 0),
        queued(words, 1),
        queued("a task is done", 2, "task-notification") | {"uuid": "q2"},
    ]

    assert said(tmp_path, [*records, answer("m1", 3, text("done"))]) == [
        ("user", "analyse"), ("user", "use polars"), ("assistant", "done"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "more", "kept"),
    [
        ('<teammate-message from="ann">done</teammate-message>', {}, "note"),
        ("<system-reminder>Today is Friday.</system-reminder>", {}, None),
        ("go on", {"isMeta": True}, None),
    ],
)
def test_prompt_queued_by_others_is_not_the_persons(tmp_path: Path, words: str, more: Record, kept: str | None) -> None:
    """What another agent says is a note; what the CLI says to itself is left out."""
    record = queued(words, 1)
    record["attachment"] |= more

    told = [("system", words)] if kept else []
    assert said(tmp_path, [prompt("analyse", 0), record, answer("m1", 3, text("done"))]) == [
        ("user", "analyse"), *told, ("assistant", "done"),
    ]  # fmt: skip


def test_prompt_of_another_agent_is_not_the_persons(tmp_path: Path) -> None:
    """They begin a turn that no person prompted."""
    told = '<teammate-message teammate_id="reviewer">\nall done\n</teammate-message>'

    roles = said(
        tmp_path, [prompt("start", 0), answer("m1", 1, text("a")), prompt(told, 2), answer("m2", 3, text("b"))]
    )

    assert [role for role, _ in roles] == ["user", "assistant", "system", "assistant"]


@pytest.mark.parametrize(
    "words",
    [
        "<system-reminder>\nToday is Friday.\n</system-reminder>\nWhich day?",
        "<system-reminder>a</system-reminder>\n<system-reminder>b</system-reminder>\n\nWhich day?",
        [text("<system-reminder>Today is Friday.</system-reminder>"), text("Which day?")],
    ],
)
def test_prompt_is_told_without_a_reminder_before_it(tmp_path: Path, words: Any) -> None:
    """In the same block or in one of its own; prompt and session are named by what was typed."""
    assert said(tmp_path, [prompt(words, 0), answer("m1", 1, text("Friday"))])[0] == ("user", "Which day?")
    found = read_transcripts(tmp_path, cache=False)
    assert found.turns()["prompt"].to_list() == ["Which day?"]
    assert found.sessions()["name"].to_list()[0].startswith("Which day?")


def test_prompt_is_more_than_a_reminder(tmp_path: Path) -> None:
    """It is the CLI that speaks; a person who writes about reminders is not cut."""
    records = [
        prompt("x", 0),
        prompt("<system-reminder>a</system-reminder>", 1),
        prompt("Is <system-reminder> HTML?", 2),
    ]

    assert said(tmp_path, records) == [("user", "x"), ("user", "Is <system-reminder> HTML?")]
    assert len(read_transcripts(tmp_path, cache=False).turns()) == 2


def test_prompt_is_told_without_the_mark_that_it_is_literal(tmp_path: Path) -> None:
    """Our own prompts end with a block of one line feed, so that the CLI looks for no command in them."""
    write(session_path(tmp_path), [prompt([text("what\n"), text("\n")], 0), prompt([text("one"), text("two")], 1)])
    transcripts = read(tmp_path)
    assert list(transcripts.turns()["prompt"]) == ["what\n", "one\ntwo"]
    assert list(transcripts.messages()["text"]) == ["what", "one\ntwo"]
