"""What an edit changes: from the CLI, from the file, from the input alone."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from claude_magic.cli.decoder import Decoder
from claude_magic.redaction import Redactor
from claude_magic.rendering import MIME_TYPE, response_bundle
from claude_magic.rendering.patches import Hunk, as_text, compared, patch_in, stated
from claude_magic.widgets.previews import preview

from .builders import message, response, use
from .pages import Page

TEN = "".join(f"line {number}\n" for number in range(1, 11))


def test_patch_has_the_lines_around_a_change_and_their_numbers() -> None:
    """Three on each side; a deleted line has the number it had, every other the one it has."""
    (hunk,) = compared(TEN, TEN.replace("line 5\n", "line five\nand more\n"))

    assert [f"{number} {line}" for line, number in hunk.numbered()] == [
        "2  line 2", "3  line 3", "4  line 4", "5 -line 5", "5 +line five", "6 +and more",
        "7  line 6", "8  line 7", "9  line 8",
    ]  # fmt: skip


def test_patch_has_hunks_for_places_far_from_each_other() -> None:
    """And nothing is one where nothing differs."""
    long = TEN + TEN
    changed = "first\n" + long.removeprefix("line 1\n").removesuffix("line 10\n") + "last\n"

    assert [(hunk.old, hunk.new) for hunk in compared(long, changed)] == [(1, 1), (17, 17)]
    assert compared(TEN, TEN) == ()
    assert compared("", "x", 0) == (Hunk(0, 0, ("+x",)),)


def test_patch_of_a_long_change_replaces_all() -> None:
    """Comparing it line by line would take too long."""
    before = "head\n" + "".join(f"a{number}\n" for number in range(500)) + "tail\n"
    (hunk,) = compared(before, before.replace("a", "b").replace("tbil", "tail").replace("hebd", "head"))

    assert [line for line in hunk.lines if line.startswith(" ")] == [" head", " tail"]
    assert len(hunk.lines) == 1002


@pytest.mark.parametrize(
    "odd", [None, 3, {"structuredPatch": 3}, {"structuredPatch": [3, {"lines": 4}]}, {"cell_id": 1}]
)
def test_patch_is_not_made_of_odd_words_of_the_cli(odd: object) -> None:
    """Whatever stands beside a result."""
    assert all(hunk["lines"] == [] for hunk in patch_in(odd))


def wire(**beside: object) -> list[bytes]:
    content = [{"type": "tool_result", "tool_use_id": "e", "content": "ok"}]
    line = {"type": "user", "message": {"role": "user", "content": content}, "tool_use_result": beside}
    return [json.dumps(line).encode()]


def test_patch_of_the_cli_is_shown_in_every_form_without_secrets() -> None:
    """Lines around, numbers, and no value that is secret."""
    hunk = {
        "oldStart": 40,
        "oldLines": 3,
        "newStart": 40,
        "newLines": 3,
        "lines": [" key = 'S3CR3T-V4LUE'", "-a", "+b"],
    }
    told = Decoder(Redactor({"KEY": "S3CR3T-V4LUE"})).decode(wire(structuredPatch=[hunk]), 0.0)
    bundle = response_bundle(
        response(use("e", "Edit", {"file_path": "x", "old_string": "a", "new_string": "b"}), *told)
    )

    text = Page(bundle["text/html"]).text
    assert "S3CR3T" not in json.dumps(bundle)
    assert "41 - a" in text
    assert "41 + b" in text
    assert "40   key = " in text
    assert bundle[MIME_TYPE]["parts"][0]["patch"][0]["old"] == 40


@pytest.mark.parametrize(
    ("name", "given", "lines"),
    [
        ("Edit", {"file_path": "f", "old_string": "line 5", "new_string": "five"}, ["-line 5", "+five"]),
        ("Write", {"file_path": "f", "content": TEN + "more\n"}, ["+more"]),
        (
            "MultiEdit",
            {
                "file_path": "f",
                "edits": [{"old_string": "line 5", "new_string": "x"}, {"old_string": "x", "new_string": "y"}],
            },
            ["-line 5", "+y"],
        ),
        ("NotebookEdit", {"notebook_path": "n", "cell_id": "c", "new_source": "a\nB"}, ["-b", "+B"]),
        ("Edit", {"file_path": "f", "old_string": "not there", "new_string": "x"}, []),
        ("Edit", {"file_path": "pipe", "old_string": "a", "new_string": "b"}, []),
        ("Edit", {"file_path": "missing", "old_string": "a", "new_string": "b"}, []),
        ("Bash", {"file_path": "f"}, []),
    ],
)
def test_patch_preview_is_of_the_file_as_it_is(
    name: str, given: dict[str, object], lines: list[str], tmp_path: Path
) -> None:
    """Before anybody has said yes; a file that cannot be read is none, and nothing waits for it."""
    (tmp_path / "f").write_text(TEN)
    (tmp_path / "n").write_text(json.dumps({"cells": [{"id": "c", "source": ["a\n", "b"]}]}))
    os.mkfifo(tmp_path / "pipe")

    hunks = preview(name, given, tmp_path)

    assert [line for hunk in hunks for line in hunk["lines"] if line[0] != " "] == lines


def test_patch_is_made_of_the_input_where_the_cli_gives_none() -> None:
    """A turn that was kept before CLIs gave patches."""
    turn = response(use("e", "Edit", {"file_path": "x", "old_string": "a", "new_string": "b"}), message("text", "ok"))

    assert "- a" in Page(response_bundle(turn)["text/html"]).text


def test_patch_as_text_has_numbers_and_an_end() -> None:
    """Of what is left out, the lines are counted; numbers that are not known are left out."""
    hunks = [*compared("a\nb\nc\n", "a\nx\nc\n", 10), *stated("Edit", {"old_string": "p", "new_string": "q"})]

    assert as_text(hunks, 99) == "  10   a\n  11 - b\n  11 + x\n  12   c\n     ⋮\n     - p\n     + q"
    assert as_text(hunks, 3) == "  10   a\n  11 - b\n  11 + x\n     … 4 more lines"


@pytest.mark.parametrize(
    ("name", "given", "text"),
    [
        ("Write", {"content": "one\ntwo\n"}, "   1 + one\n   2 + two"),
        ("MultiEdit", {"edits": [{"old_string": "a", "new_string": "b"}, {}]}, "     - a\n     + b"),
        ("NotebookEdit", {"new_source": "x = 1"}, "     + x = 1"),
        ("Edit", {}, ""),
        ("Bash", {"command": "ls"}, ""),
    ],
)
def test_patch_stated_by_each_tool(name: str, given: dict[str, Any], text: str) -> None:
    """What the input says, where the file is not known."""
    assert as_text(stated(name, given), 9) == text
