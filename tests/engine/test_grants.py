"""What is granted for a session covers what its words say, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from claude_magic.engine.grants import Grant, offered
from claude_magic.permissions import PermissionRequest

MODE = {"type": "setMode", "mode": "acceptEdits", "destination": "session"}


def asked(tool: str, given: dict[str, Any], *suggestions: dict[str, Any], **more: Any) -> PermissionRequest:
    return PermissionRequest("main", "turn", tool, given, suggestions=suggestions, **more)


def bash(command: str, *rules: str, **more: Any) -> PermissionRequest:
    suggestions = [add("Bash", *rules)] if rules else []
    return asked("Bash", {"command": command}, *suggestions, **more)


def add(tool: str, *contents: str, behavior: str = "allow") -> dict[str, Any]:
    rules = [{"toolName": tool, "ruleContent": content} for content in contents]
    return {"type": "addRules", "rules": rules, "behavior": behavior, "destination": "localSettings"}


def first(request: PermissionRequest) -> Grant:
    return offered(request)[0]


@pytest.mark.parametrize(
    ("request_", "choices"),
    [
        (bash("wc -l a.csv", "wc:*"), ["wc *", "exactly this command", "all of Bash"]),
        (bash("git commit -m x", "git commit *"), ["git commit *", "exactly this command", "all of Bash"]),
        (bash("python3 -c 'print(1)'", "python3 -c 'print(1)'"), ["exactly this command", "all of Bash"]),
        (bash("touch q; rm q", "touch q *", "rm q *"), ["exactly this command", "all of Bash"]),
        (bash("ls", "wc *"), ["exactly this command", "all of Bash"]),
        (bash("ls -l", "*"), ["exactly this command", "all of Bash"]),
        (bash("ls -l", ":*"), ["exactly this command", "all of Bash"]),
        (bash("ls -l"), ["exactly this command", "all of Bash"]),
        (
            asked("Bash", {"command": "wc x"}, add("Bash", "wc *", behavior="deny")),
            ["exactly this command", "all of Bash"],
        ),
        (
            asked("Read", {"file_path": "/d/x"}, add("Read", "//d/**")),
            ["reading in d", "exactly this input", "all of Read"],
        ),
        (
            asked("WebFetch", {"url": "https://example.com/a"}, add("WebFetch", "domain:example.com")),
            ["example.com", "exactly this input", "all of WebFetch"],
        ),
        (
            asked("Write", {"file_path": "/w/a/x"}, MODE, working_dir="/w/a"),
            ["edits in a", "exactly this input", "all of Write"],
        ),
        (asked("Write", {"file_path": "/w/x"}, MODE, working_dir="/w/a"), ["exactly this input", "all of Write"]),
        (asked("AskUserQuestion", {"questions": []}), []),
        (asked("ExitPlanMode", {"plan": "x"}, MODE), []),
        (asked("EnterPlanMode", {}), []),
        (asked("", {}), []),
    ],
)
def test_grants_offer_what_the_cli_suggests_else_this_input(request_: PermissionRequest, choices: list[str]) -> None:
    """Only what covers the use at hand is offered; the whole tool is a choice of its own, and the last."""
    assert [grant.choice for grant in offered(request_)] == choices
    assert all(grant.covers(request_) for grant in offered(request_))


@pytest.mark.parametrize(
    "command",
    ["wc", "wc -l b.csv", "wc  *.csv", "wc 'a b; c'", 'wc "a & b"', " wc x", "'wc' x", "wc ~/x.csv", "wc a=b"],
)
def test_grant_of_words_covers_a_command_with_any_arguments(command: str) -> None:
    """One command that begins with these words."""
    assert first(bash("wc -l a.csv", "wc:*")).covers(bash(command))


@pytest.mark.parametrize(
    "command",
    [
        "wc x; rm -rf y",
        "wc x;rm -rf y",
        "wc x && rm y",
        "wc x || rm y",
        "wc x | sh",
        "wc x |& sh",
        "wc x & rm y",
        "wc x\nrm y",
        "wc x\rrm y",
        "wc x\u2028rm y",
        "wc x\x00rm y",
        "wc $(rm y)",
        'wc "$(rm y)"',
        "wc `rm y`",
        'wc "`rm y`"',
        "wc $HOME",
        "wc ${x:=y}",
        "wc $'\\n'",
        "wc <(rm y)",
        "wc > /etc/passwd",
        "wc x >> y",
        "wc < x",
        "wc x 2>y",
        "wc \\\nrm",
        'wc "x\\"; rm y"',
        "wc 'x",
        'wc "x',
        "wc {a,b}",
        "wc x # y",
        "FOO=1 wc x",
        "PATH=. wc x",
        "A+=1 wc x",
        "sudo wc x",
        "env wc x",
        "wcx y",
        "wc-l y",
        "./wc x",
        "w\\c x",
        "wc\tx",
        "wc\u00a0x",
        "(wc x)",
        "{ wc x; }",
        "! wc x",
        "",
        " ",
        "\u202ewc x",
        None,
        ["wc", "x"],
    ],
)
def test_grant_of_words_covers_nothing_that_does_more(command: Any) -> None:
    """Whatever a shell could read as more than that one command is asked about."""
    assert not first(bash("wc -l a.csv", "wc:*")).covers(bash(command))


def test_grant_of_words_does_not_reach_other_folders_or_out_of_the_sandbox() -> None:
    """What the CLI names besides the command is asked about."""
    grant = first(bash("touch a", "touch *"))

    assert grant.covers(bash("touch b"))
    assert not grant.covers(bash("touch /etc/x", blocked_path="/etc/x"))
    assert not grant.covers(asked("Bash", {"command": "touch b", "dangerouslyDisableSandbox": True}))


def test_grant_of_one_command_is_the_command_and_how_it_runs() -> None:
    """The model's words about it may differ, and its time limit."""
    grant = first(asked("Bash", {"command": "make a; make b", "description": "Build"}))

    assert grant.covers(asked("Bash", {"command": "make a; make b", "description": "Again", "timeout": 5}))
    assert not grant.covers(bash("make a; make c"))
    assert not grant.covers(bash("make a; make b "))
    assert not grant.covers(asked("Bash", {"command": "make a; make b", "dangerouslyDisableSandbox": True}))
    assert not grant.covers(asked("Monitor", {"command": "make a; make b"}))


@pytest.mark.parametrize(
    ("path", "is_covered"),
    [
        ("{here}/x.py", True),
        ("x.py", True),
        ("{here}/deep/er/x.py", True),
        ("{here}/../other/x.py", False),
        ("../x.py", False),
        ("{here}", False),
        ("{here}x/x.py", False),
        ("/etc/passwd", False),
        ("{here}/link/x.py", False),
        ("{here}/link_to_file", False),
        ("{here}/.git/hooks/pre-commit", False),
        ("{here}/.claude/settings.json", False),
        ("{here}/sub/.bashrc", False),
        ("~/x.py", False),
        ("", False),
        ("{here}/a\x00b", False),
        (None, False),
        (7, False),
    ],
)
def test_grant_of_edits_in_a_folder(tmp_path: Path, path: Any, is_covered: bool) -> None:
    """Of any editing tool, in that folder and below, not through a link and not of what is hidden."""
    here = tmp_path / "here"
    here.mkdir()
    (here / "link").symlink_to(tmp_path)
    (here / "link_to_file").symlink_to("/etc/passwd")
    grant = first(asked("Write", {"file_path": str(here / "a.py")}, MODE, working_dir=str(here)))
    given = path.format(here=here) if isinstance(path, str) else path

    for tool, name in (("Write", "file_path"), ("Edit", "file_path"), ("NotebookEdit", "notebook_path")):
        assert grant.covers(asked(tool, {name: given}, working_dir=str(here))) is is_covered
    assert not grant.covers(asked("Read", {"file_path": str(here / "a.py")}, working_dir=str(here)))


def test_grant_of_reading_in_a_folder(tmp_path: Path) -> None:
    """Of files there, not beyond; a pattern could reach further, so that other tools ask."""
    grant = first(asked("Read", {"file_path": str(tmp_path / "x")}, add("Read", f"/{tmp_path}/**")))

    assert grant.covers(asked("Read", {"file_path": str(tmp_path / "y" / "z")}))
    assert not grant.covers(asked("Read", {"file_path": str(tmp_path / ".." / "z")}))
    assert not grant.covers(asked("Glob", {"pattern": "/etc/*", "path": str(tmp_path)}))
    assert not grant.covers(asked("Write", {"file_path": str(tmp_path / "x")}))


@pytest.mark.parametrize(
    ("url", "is_covered"),
    [
        ("https://example.com/b?c=d#e", True),
        ("http://EXAMPLE.com:8080", True),
        ("https://www.example.com/", False),
        ("https://example.com.evil.org/", False),
        ("https://example.com@evil.org/", False),
        ("https://example.com:80@evil.org/", False),
        ("https://evil.org\\@example.com/", False),
        ("https://evil.org/@example.com/", False),
        ("https://evil.org#@example.com/", False),
        ("https:\\\\evil.org/example.com", False),
        ("https://example.com\n.evil.org", False),
        ("ftp://example.com/", False),
        ("example.com", False),
        ("", False),
        (None, False),
    ],
)
def test_grant_of_fetching_from_a_host(url: Any, is_covered: bool) -> None:
    """From that host, in an address that can be read in one way only."""
    grant = first(asked("WebFetch", {"url": "https://example.com/a"}, add("WebFetch", "domain:example.com")))

    assert grant.covers(asked("WebFetch", {"url": url})) is is_covered


@pytest.mark.parametrize("tool", ["ExitPlanMode", "AskUserQuestion", "EnterPlanMode"])
def test_grants_never_cover_what_is_asked_every_time(tool: str) -> None:
    """Whatever was granted."""
    assert not Grant("tool", tool).covers(asked(tool, {}))


@pytest.mark.parametrize(
    "suggestions",
    [({},), ({"type": "addRules"},), ({"type": "addRules", "rules": [None, "x", {}]},), ({"type": 7, "rules": {}},)],
)
def test_grants_survive_suggestions_of_any_shape(suggestions: tuple[dict[str, Any], ...]) -> None:
    """What cannot be understood is not offered."""
    assert first(asked("Bash", {"command": "ls"}, *suggestions)).choice == "exactly this command"
