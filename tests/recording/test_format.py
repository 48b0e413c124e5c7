"""Reading a tape: whole runs, and one clear sentence for what is not a tape."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from claude_magic.recording import TapeRecorder, TapeReplayer, read_tape


def test_tape_loses_a_half_written_last_line(tmp_path: Path) -> None:
    """A kernel that died while writing leaves a tape that can be played."""
    path = tmp_path / "runs.jsonl"
    path.write_text(json.dumps({"tape": 1}) + "\n" + json.dumps({"run": "1", "prompt": "one"}) + '\n{"at": 0.1, "li')

    assert [run.prompt for run in read_tape(path)] == ["one"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "it is empty"),
        ("no json", "not a tape of version 1"),
        ("no json\n{}\n", "not a tape of version 1"),
        ('{"tape": 1}\n5\n', "broken line 2"),
        ('{"other": 1}\n{}\n', "is not a tape of version 1"),
    ],
)
def test_tape_format_refuses_another_file(tmp_path: Path, content: str, words: str) -> None:
    """Reading and recording both refuse it, and it stays as it is."""
    path = tmp_path / "file"
    path.write_text(content)

    with pytest.raises(ValueError, match=words):
        TapeReplayer(path)
    if content:
        with pytest.raises(ValueError, match=words):
            TapeRecorder().begin(path)
    assert path.read_text() == content


def test_tape_that_is_missing_is_one_clear_sentence(tmp_path: Path) -> None:
    """The sentence names the file."""
    with pytest.raises(ValueError, match="cannot be read"):
        TapeReplayer(tmp_path / "none")
