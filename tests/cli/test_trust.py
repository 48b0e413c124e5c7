"""Folder trust: what counts as a risk, whose word counts as trust."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from claude_magic.cli.trust import TrustDecision, examine_folder, examine_folders, record_path, trust_folder

HOOKS = {"hooks": {"SessionStart": [{"hooks": [{"type": "command", "command": "true"}]}]}}


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A user with an empty home."""
    home = tmp_path / "home"
    home.mkdir()
    return {"HOME": str(home), "USERPROFILE": str(home), "APPDATA": str(home / "AppData")}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """An empty working folder."""
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def write(path: Path, content: Any) -> None:
    """Write text as it is, anything else as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def accept(record: Path, *folders: Path) -> None:
    """Write the CLI's own record of trust."""
    write(record, {"projects": {str(folder): {"hasTrustDialogAccepted": True} for folder in folders}})


def worktree(main: Path, tree: Path, *, known: bool = True) -> None:
    """Lay out a git worktree as git does; one that is not known merely claims to belong to the repository."""
    write(tree / ".git", f"gitdir: {main}/.git/worktrees/tree\n")
    own = main / ".git/worktrees/tree"
    write(own / "commondir", "../..\n")
    write(own / "gitdir", f"{tree if known else main / 'elsewhere'}/.git\n")


def test_trust_finds_nothing_in_an_empty_folder(project: Path, environ: dict[str, str]) -> None:
    """A folder without settings has no findings, and nothing is withheld though no one trusted it."""
    decision = examine_folder(project, environ)
    assert decision == TrustDecision(str(project.resolve()), False, (), decision.digest)
    assert not decision.withheld


@pytest.mark.parametrize("name", ["settings.json", "settings.local.json"])
@pytest.mark.parametrize(
    ("settings", "finding"),
    [
        (HOOKS, "hooks"),
        ({"env": {"ANTHROPIC_BASE_URL": "http://127.0.0.1:1"}}, "env"),
        ({"apiKeyHelper": "./helper"}, "apiKeyHelper"),
        ({"awsAuthRefresh": "./helper"}, "awsAuthRefresh"),
        ({"awsCredentialExport": "./helper"}, "awsCredentialExport"),
        ({"otelHeadersHelper": "./helper"}, "otelHeadersHelper"),
        ({"statusLine": {"type": "command", "command": "true"}}, "statusLine"),
        ({"enableAllProjectMcpServers": True}, "enableAllProjectMcpServers"),
        ({"enabledMcpjsonServers": ["x"]}, "enabledMcpjsonServers"),
        ({"aKeyOfTheFuture": 1}, "aKeyOfTheFuture"),
        ({"permissions": {"defaultMode": "bypassPermissions"}}, "permissions.defaultMode"),
        ({"permissions": ["odd"]}, "permissions"),
        ("{broken", "unreadable content"),
        ("[]", "unreadable content"),
    ],
)
def test_trust_names_risky_settings(
    project: Path, environ: dict[str, str], name: str, settings: Any, finding: str
) -> None:
    """Whatever may run code or redirect traffic is a finding that names the key and the file."""
    write(project / ".claude" / name, settings)
    decision = examine_folder(project, environ)
    assert decision.findings == (f"{finding} in .claude/{name}",)
    assert decision.withheld


def test_trust_passes_over_settings_that_say_nothing(project: Path, environ: dict[str, str]) -> None:
    """Empty settings do not have to be left out; every other one is named, harmless as it may look."""
    write(project / ".claude/settings.json", {"$schema": "x", "env": {}, "hooks": {}, "model": "opus"})
    assert examine_folder(project, environ).findings == ("model in .claude/settings.json",)


@pytest.mark.parametrize("name", ["scheduled_tasks.json", "workflows", "routines", "launch.json", "loop.md", "new"])
def test_trust_finds_unknown_names(project: Path, environ: dict[str, str], name: str) -> None:
    """A later CLI may obey what this one does not know; the names of text and data are known."""
    write(project / ".claude" / name / "x" if "." not in name else project / ".claude" / name, "x")
    write(project / ".claude/CLAUDE.md", "text")
    write(project / ".claude/rules/x.md", "text")
    assert examine_folder(project, environ).findings == (f"{name} in .claude",)


def test_trust_finds_a_settings_file_that_is_a_pipe(project: Path, environ: dict[str, str]) -> None:
    """A pipe in the place of a file counts as unreadable instead of blocking for ever."""
    (project / ".claude").mkdir()
    os.mkfifo(project / ".claude/settings.json")
    assert examine_folder(project, environ).findings == ("unreadable content in .claude/settings.json",)


def test_trust_names_mcp_servers_up_to_the_top(project: Path, environ: dict[str, str]) -> None:
    """MCP servers of the folder and of folders above it are findings, as the CLI starts them all."""
    write(project / ".mcp.json", {"mcpServers": {"x": {"command": "true"}, "y": {"command": "true"}}})
    write(project.parent / ".mcp.json", {"mcpServers": {"z": {"command": "true"}}})
    assert examine_folder(project, environ).findings == (
        "MCP server 'x' in .mcp.json",
        "MCP server 'y' in .mcp.json",
        f"MCP server 'z' in {project.parent.resolve() / '.mcp.json'}",
    )


@pytest.mark.parametrize("content", ["{broken", '{"mcpServers": []}', '{"mcpServers": null}'])
def test_trust_finds_an_unreadable_mcp_file(project: Path, environ: dict[str, str], content: str) -> None:
    """A list of MCP servers that cannot be understood counts as risky."""
    write(project / ".mcp.json", content)
    assert examine_folder(project, environ).findings == ("unreadable content in .mcp.json",)


@pytest.mark.parametrize("name", ["agents/x.md", "agents/deep/x.md", "commands/x.md", "skills/x/SKILL.md"])
def test_trust_finds_prompt_files(project: Path, environ: dict[str, str], name: str) -> None:
    """Agents, commands and skills can carry hooks, servers and shell commands in many spellings: each one counts."""
    write(project / ".claude" / name, "only text")
    folder = name.partition("/")[0]
    assert examine_folder(project, environ).findings == (f"1 file in .claude/{folder}",)


def test_trust_follows_prompt_files_in_the_folder_only(project: Path, environ: dict[str, str]) -> None:
    """A circle of links ends, a link within the project is followed, one that leaves it is a finding by itself."""
    write(project / "kept/x.md", "text")
    write(project.parent / "outside/y.md", "text")
    skills = project / ".claude/skills"
    skills.mkdir(parents=True)
    (skills / "circle").symlink_to(skills)
    (skills / "inside").symlink_to(project / "kept")
    (skills / "away").symlink_to(project.parent / "outside")
    (skills / "root").symlink_to("/")
    assert examine_folder(project, environ).findings == ("3 files in .claude/skills",)
    before = trust_folder(project, environ)
    write(project / "kept/x.md", "other text")
    assert examine_folder(project, environ).digest != before.digest


def test_trust_counts_prompt_files_to_a_thousand(project: Path, environ: dict[str, str]) -> None:
    """Looking at a folder costs no more than that, whatever is in it."""
    for number in range(1_100):
        write(project / f".claude/agents/{number // 100}/{number}.md", "")
    assert examine_folder(project, environ).findings == ("more than 1,000 files in .claude/agents",)


def test_trust_does_not_read_large_and_odd_files(project: Path, environ: dict[str, str]) -> None:
    """A sparse file of terabytes and a pipe cost nothing, and a change of them is seen."""
    agents = project / ".claude/agents"
    agents.mkdir(parents=True)
    os.mkfifo(agents / "pipe.md")
    with (agents / "sparse.md").open("wb") as file:
        file.truncate(2**42)
    first = examine_folder(project, environ)
    with (agents / "sparse.md").open("ab") as file:
        file.truncate(2**42 + 1)
    assert first.findings == ("2 files in .claude/agents",)
    assert examine_folder(project, environ).digest != first.digest


def test_trust_looks_above_the_folder_only_at_the_root_of_the_repository(
    project: Path, environ: dict[str, str]
) -> None:
    """In a folder of a repository the settings at its root are looked at too, those in between are not."""
    below = project / "a/b"
    below.mkdir(parents=True)
    write(project / ".claude/settings.local.json", HOOKS)
    write(project / "a/.claude/settings.json", HOOKS)
    assert examine_folder(below, environ).findings == ()
    (project / ".git").mkdir()
    root_file = project.resolve() / ".claude/settings.local.json"
    assert examine_folder(below, environ).findings == (f"hooks in {root_file}",)


def test_trust_looks_at_the_main_repository_for_a_worktree(project: Path, environ: dict[str, str]) -> None:
    """A worktree is looked at together with the repository it belongs to."""
    tree = project.parent / "tree"
    worktree(project, tree)
    write(project / ".claude/settings.json", HOOKS)
    assert examine_folder(tree, environ).findings == (f"hooks in {project.resolve() / '.claude/settings.json'}",)


@pytest.mark.parametrize("custom", [False, True])
def test_trust_passes_over_the_users_own_settings(environ: dict[str, str], custom: bool) -> None:
    """In the home folder, the user's own configuration is not held against it."""
    home = Path(environ["HOME"])
    own = home / ("custom/.claude" if custom else ".claude")
    write(own / "settings.json", HOOKS)
    if custom:
        environ["CLAUDE_CONFIG_DIR"] = str(own)
    assert examine_folder(own.parent, environ).findings == ()


def test_trust_given_in_the_cli_counts(project: Path, environ: dict[str, str]) -> None:
    """A folder whose trust question was answered in the CLI is trusted; the findings stay named."""
    write(project / ".claude/settings.json", HOOKS)
    accept(Path(environ["HOME"], ".claude.json"), project.resolve())
    decision = examine_folder(project, environ)
    assert decision.trusted
    assert decision.findings == ("hooks in .claude/settings.json",)
    assert not decision.withheld


def test_trust_record_lies_in_the_configuration_folder(project: Path, environ: dict[str, str]) -> None:
    """With CLAUDE_CONFIG_DIR, the record there counts and the one in the home folder does not."""
    custom = project.parent / "custom"
    environ["CLAUDE_CONFIG_DIR"] = str(custom)
    accept(Path(environ["HOME"], ".claude.json"), project.resolve())
    assert not examine_folder(project, environ).trusted
    accept(custom / ".claude.json", project.resolve())
    assert examine_folder(project, environ).trusted


def test_trust_goes_by_the_repository_and_not_by_folders_above(project: Path, environ: dict[str, str]) -> None:
    """As in the CLI: a repository's root speaks for all in it, a folder above speaks for none."""
    record = Path(environ["HOME"], ".claude.json")
    below = project.resolve() / "below"
    below.mkdir()
    accept(record, project.resolve(), Path("/"))
    assert not examine_folder(below, environ).trusted
    (project / ".git").mkdir()
    assert examine_folder(below, environ).trusted
    accept(record, below)
    assert not examine_folder(below, environ).trusted


@pytest.mark.parametrize("known", [True, False])
def test_trust_of_a_repository_holds_for_its_worktree(project: Path, environ: dict[str, str], known: bool) -> None:
    """A worktree shares the trust of the repository that knows it; a folder that merely claims so does not."""
    tree = project.parent / "tree"
    worktree(project, tree, known=known)
    accept(Path(environ["HOME"], ".claude.json"), project.resolve())
    assert examine_folder(tree, environ).trusted is known


@pytest.mark.parametrize(
    "record",
    ["{broken", "[]", '{"projects": []}', '{"projects": {"PROJECT": true}}',
     '{"projects": {"PROJECT": {"hasTrustDialogAccepted": "yes"}}}'],
)  # fmt: skip
def test_trust_record_that_is_unreadable_means_untrusted(project: Path, environ: dict[str, str], record: str) -> None:
    """Whatever is not clearly a yes in the CLI's record is a no."""
    write(Path(environ["HOME"], ".claude.json"), record.replace("PROJECT", str(project.resolve())))
    assert not examine_folder(project, environ).trusted


def test_trust_given_here_holds_until_the_content_changes(project: Path, environ: dict[str, str]) -> None:
    """`trust_folder` trusts today's content; a changed file is asked about again."""
    write(project / ".claude/settings.json", HOOKS)
    decision = trust_folder(project, environ)
    assert decision == examine_folder(project, environ)
    assert decision.trusted
    assert decision.findings == ("hooks in .claude/settings.json",)
    write(project / ".claude/settings.json", HOOKS | {"model": "opus"})
    assert examine_folder(project, environ).withheld


def test_trust_given_here_is_for_one_folder(project: Path, environ: dict[str, str]) -> None:
    """The same content in another folder is not trusted with it, and earlier trust is kept."""
    other = project.parent / "other"
    for folder in (project, other):
        write(folder / ".mcp.json", {"mcpServers": {"x": {"command": "true"}}})
    trust_folder(project, environ)
    assert examine_folder(other, environ).withheld
    trust_folder(other, environ)
    assert examine_folder(project, environ).trusted
    assert examine_folder(other, environ).trusted


def test_trust_record_of_our_own_is_private_and_the_clis_files_stay_untouched(
    project: Path, environ: dict[str, str]
) -> None:
    """Trust is kept in a file of our own that others cannot write; nothing half-written is left beside it."""
    trust_folder(project, environ)
    record = record_path(environ)
    assert not record.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    assert list(record.parent.iterdir()) == [record]
    assert not Path(environ["HOME"], ".claude.json").exists()


def test_trust_record_of_our_own_that_is_broken_means_untrusted_and_is_mended(
    project: Path, environ: dict[str, str]
) -> None:
    """A record that cannot be read trusts no folder; trusting again writes a good one."""
    write(project / ".claude/settings.json", HOOKS)
    write(record_path(environ), "{broken")
    assert examine_folder(project, environ).withheld
    trust_folder(project, environ)
    assert examine_folder(project, environ).trusted


def test_trust_cannot_be_given_to_a_folder_that_does_not_exist(project: Path, environ: dict[str, str]) -> None:
    """Trusting a folder by a mistyped name is an error that names it."""
    with pytest.raises(ValueError, match="nowhere"):
        trust_folder(project / "nowhere", environ)


def test_trust_looks_only_at_the_prompt_files_of_an_added_folder(project: Path, environ: dict[str, str]) -> None:
    """Of an added folder only prompt files are findings, and it is trusted for itself."""
    added = project.parent / "added"
    write(added / ".claude/settings.json", HOOKS)
    assert examine_folders(project, [added], environ).findings == ()
    write(added / ".claude/agents/x.md", "---\nhooks: {}\n---\n")
    decision = examine_folders(project, [added], environ)
    assert decision.findings == (f"1 file in .claude/agents of {added.resolve()}",)
    assert decision.withheld
    trust_folder(added, environ)
    assert not examine_folders(project, [added], environ).withheld
