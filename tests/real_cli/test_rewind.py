"""Going back to a turn with the real CLI: files, conversation or both, the difference first, and forward again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from real import real_client, real_config

from claude_magic.client import AsyncClaudeClient
from claude_magic.simulator import Scenario, Simulator, rule, text, tool


@pytest.fixture
async def client(cli_path: Path, tmp_path: Path) -> AsyncIterator[AsyncClaudeClient]:
    """A client with one session, `main`, which has had three turns: an edit, a new file, and a command."""
    work = tmp_path / "work"
    work.mkdir()
    (work / "old.txt").write_text("one\ntwo\n")
    (work / "gone.txt").write_text("gone")
    (work / "sub").mkdir()
    (work / "sub" / "deleted.txt").write_text("x")
    old = str(work / "old.txt")
    edit = tool("Edit", file_path=old, old_string="two", new_string="2")
    rules = [
        rule("amber", tool("Read", file_path=old), edit, text("a")),
        rule("beryl", tool("Write", file_path=str(work / "new.txt"), content="new\n"), text("b")),
        rule("citrine", tool("Bash", command="echo x > made.txt; rm sub/deleted.txt"), text("c")),
        rule(None, text("You said: {prompt}")),
    ]
    with Simulator(Scenario(rules=rules)) as api:
        config = real_config(cli_path, tmp_path, api, allowed_tools=("Read", "Edit", "Write", "Bash"))
        made = real_client(config)
        made.api = api  # type: ignore[attr-defined]  # for the test
        await made.create_session(name="main")
        for prompt in ("amber", "beryl", "citrine"):
            await made.execute("main", prompt)
        yield made
        await made.close()


def content_of(tmp_path: Path) -> dict[str, str]:
    work = tmp_path / "work"
    return {str(path.relative_to(work)): path.read_text() for path in work.rglob("*") if path.is_file()}


def last_said(client: Any) -> str:
    """What the last request told the model of the conversation."""
    return str([request.body["messages"] for request in client.api.requests if not request.side][-1])


async def test_turns_say_what_they_did(client: AsyncClaudeClient) -> None:
    """What tools edited, and what commands changed or deleted."""
    turns = client.list_turns("main")

    assert [(turn.turn, turn.prompt) for turn in turns] == [(1, "amber"), (2, "beryl"), (3, "citrine")]
    assert [[Path(path).name for path in turn.files] for turn in turns] == [["old.txt"], ["new.txt"], []]
    assert [turn.not_restorable for turn in turns] == [(), (), ("made.txt", "sub/")]


async def test_back_two_turns_and_forward_again(client: AsyncClaudeClient, tmp_path: Path) -> None:
    """The difference first; files and conversation as they were then; then all of it as before."""
    before = content_of(tmp_path)
    first = client.list_turns("main")[0].turn_id

    look = await client.rewind("main", first, dry_run=True)
    assert content_of(tmp_path) == before
    assert sorted(Path(path).name for path in look.files) == ["new.txt", "old.txt"]
    assert [Path(path).name for path in look.deleted] == ["new.txt"]
    assert "-2\n+two" in look.diff
    assert "-new" in look.diff
    assert look.not_restorable == ("made.txt", "sub/")

    done = await client.rewind("main", first)
    assert done.done
    assert content_of(tmp_path) == {"old.txt": "one\ntwo\n", "gone.txt": "gone", "made.txt": "x\n"}
    assert client.list_turns("main") == []

    again = await client.redo("main")
    assert again.done
    assert content_of(tmp_path) == before
    assert len(client.list_turns("main")) == 3
    await client.execute("main", "what was said?")
    assert "citrine" in last_said(client)


async def test_the_conversation_goes_on_from_there(client: AsyncClaudeClient, tmp_path: Path) -> None:
    """It has forgotten what came later; the files stay where only the conversation is taken back."""
    before = content_of(tmp_path)
    second = client.list_turns("main")[1].turn_id

    await client.rewind("main", second, files=False)
    response = await client.execute("main", "go on")

    assert content_of(tmp_path) == before
    assert response.text == "You said: go on"
    assert response.turn == 4
    assert "beryl" not in last_said(client)
    assert "amber" in last_said(client)
    assert [turn.prompt for turn in client.list_turns("main")] == ["amber", "go on"]
    with pytest.raises(ValueError, match="nothing to go forward to"):
        await client.redo("main")


async def test_before_the_first_turn_it_begins_anew(client: AsyncClaudeClient) -> None:
    """Under another id, with nothing of what was said."""
    old = client.get_session("main").session_id

    await client.rewind("main", client.list_turns("main")[0].turn_id, files=False)
    response = await client.execute("main", "hello again")

    assert response.session_id != old
    assert "beryl" not in last_said(client)


async def test_only_the_files(client: AsyncClaudeClient, tmp_path: Path) -> None:
    """The conversation knows what was said; a file that was changed since is left alone when one goes forward."""
    turns = client.list_turns("main")
    await client.rewind("main", turns[1].turn_id, conversation=False)
    assert "new.txt" not in content_of(tmp_path)
    assert content_of(tmp_path)["old.txt"] == "one\n2\n"

    (tmp_path / "work" / "new.txt").write_text("mine")
    done = await client.redo("main")
    assert [Path(path).name for path in done.not_restorable] == ["new.txt"]
    assert content_of(tmp_path)["new.txt"] == "mine"
    await client.execute("main", "and now?")
    assert "beryl" in last_said(client)


async def test_what_cannot_be_gone_back_to(client: AsyncClaudeClient) -> None:
    """Is said in words, and changes nothing."""
    with pytest.raises(ValueError, match="no such turn"):
        await client.rewind("main", "nosuch")
    with pytest.raises(ValueError, match="Say what to take back"):
        await client.rewind("main", client.list_turns("main")[0].turn_id, files=False, conversation=False)


async def test_undo_says_what_commands_changed(client: AsyncClaudeClient) -> None:
    """It restores the last edits, and names what it cannot restore."""
    look = await client.undo("main", dry_run=True)

    assert [Path(path).name for path in look.files] == ["new.txt"]
    assert look.not_restorable == ("made.txt", "sub/")
