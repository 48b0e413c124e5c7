"""What pages ask a kernel beside its runs: completion, also while a cell runs, and the sessions with their commands."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kernels import GUARD_S, Content, Kernel

pytestmark = pytest.mark.newest_cli


def ask(kernel: Kernel, action: str, **fields: Any) -> Content:
    """Ask on the control channel, as a page does, and return the reply."""
    content = {"version": 1, "run": "", "action": action, **fields}
    request = kernel.client.session.msg("claude_magic_request", content)
    kernel.client.control_channel.send(request)
    while True:
        reply = kernel.client.get_control_msg(timeout=GUARD_S)
        if reply["parent_header"].get("msg_id") == request["header"]["msg_id"]:
            return dict(reply["content"])


def until(kernel: Kernel, is_so: Callable[[list[Content]], object]) -> list[Content]:
    """Ask for the sessions until something holds of them; return them."""
    deadline = time.monotonic() + GUARD_S
    while time.monotonic() < deadline:
        found: list[Content] = ask(kernel, "sessions")["sessions"]
        if is_so(found):
            return found
        time.sleep(0.05)
    raise TimeoutError(found)


def complete(kernel: Kernel, code: str) -> list[str]:
    """What the kernel offers on the shell channel, as every front end asks."""
    wanted = kernel.client.complete(code, len(code))
    while True:
        reply = kernel.client.get_shell_msg(timeout=GUARD_S)
        if reply["parent_header"].get("msg_id") == wanted:
            return list(reply["content"]["matches"])


def test_completion_through_the_kernel(kernel: Kernel) -> None:
    """Options and names where they belong, and nothing in prose, before anything was sent."""
    kernel.run("import pandas as pd\nsales = pd.DataFrame({'price': [1.5], 'qty': [2]})")

    assert complete(kernel, "%%claude --mo") == ["--model"]
    assert complete(kernel, "%%claude\nHow large is {sal") == ["sales"]
    assert complete(kernel, "%%claude\n{sales.")[:2] == ["price", "qty"]
    assert complete(kernel, "%%claude\nimport o") == []
    assert "sales" in complete(kernel, "x = sal")


def test_completion_while_a_cell_runs(kernel: Kernel, tmp_path: Path) -> None:
    """The shell channel waits then; the control channel does not."""
    end = tmp_path / "end"
    kernel.run("table = {'a': 1}")
    running = kernel.start(f"import os, time\nwhile not os.path.exists({str(end)!r}): time.sleep(0.02)")

    found = ask(kernel, "complete", code="%%claude\n{tab", cursor=13)["completion"]
    named = ask(kernel, "names", names=["table", "taple", "nothing"])["names"]
    other = ask(kernel, "complete", code="import o", cursor=8)
    end.touch()
    kernel.follow(running)

    assert found == {"start": 10, "items": [{"text": "table", "words": "dict, 1 item"}]}
    assert named["known"] == {"table": "dict, 1 item"}
    assert named["meant"] == {"taple": "table"}
    assert "--model" in named["options"]
    assert other["completion"] is None


def test_sessions_and_their_commands(kernel: Kernel) -> None:
    """A page sees who works and what waits, and stops, edits, withdraws, renames and closes."""
    kernel.run("%%claude --bg -s work\ngo on for long")
    kernel.run("%%claude --bg -s work\nfirst in line")
    kernel.run("%%claude --bg -s work\nsecond in line")

    [work] = until(kernel, lambda found: found and found[0]["state"] == "running" and len(found[0]["queue"]) == 2)
    assert (work["name"], work["prompt"], work["doing"]) == ("work", "go on for long", "Writes")
    assert work["since"] > 0
    assert [one["prompt"] for one in work["queue"]] == ["first in line", "second in line"]

    first, second = (one["turn_id"] for one in work["queue"])
    assert (
        ask(kernel, "command", command="withdraw", session="work", turn=first)["words"] == "The prompt was withdrawn."
    )
    assert ask(kernel, "command", command="edit", session="work", turn=second, text="an edited one")["found"]
    assert "at work" in ask(kernel, "command", command="rename", session="work", name="other")["problem"]
    assert "No such prompt" in ask(kernel, "command", command="move", session="work", turn=first, place=1)["problem"]
    assert ask(kernel, "command", command="nosuch", session="work")["problem"] == "There is no command 'nosuch'."

    assert ask(kernel, "command", command="stop", session="work")["words"] == "work is told to stop."
    until(kernel, lambda found: found[0]["state"] == "idle" and found[0]["queue"] == [])
    assert ask(kernel, "command", command="rename", session="work", name="done")["found"]
    [done] = until(kernel, len)
    assert (done["name"], done["turns"], done["simulated"], done["resume"]) == ("done", 1, True, "")
    ask(kernel, "command", command="close", session="done")
    until(kernel, lambda found: found == [])


def test_a_page_that_watches_is_told(kernel: Kernel) -> None:
    """Soon after something has begun, and after it has ended; not for every piece of text."""
    nudges: list[Content] = []

    def note(kind: str, content: Content) -> None:
        if kind == "comm_open" and content["data"].get("changed"):
            nudges.append(content)

    ask(kernel, "sessions", watch=True)
    kernel.run("%claude ask --quiet -s watched three seconds", on=note)
    kernel.run("import time; time.sleep(1)", on=note)

    assert 1 <= len(nudges) <= 8


def test_going_back_from_a_page(kernel: Kernel) -> None:
    """The turns, what would change, and then the change; the prompt's cell comes with it."""
    kernel.run("%%claude --quiet -s back\nfirst")
    kernel.run("%%claude --quiet -s back\nsecond")

    first, second = ask(kernel, "turns", session="back")["turns"]
    assert [first["prompt"], second["prompt"]] == ["first", "second"]
    asked = {"command": "rewind", "session": "back", "turn": first["turn_id"], "what": "conversation"}
    look = ask(kernel, "command", **asked, dry_run=True)["rewind"]
    assert look["prompt"] == "%%claude --quiet -s back\nfirst"
    assert "takes back 2 turns of back" in look["words"]
    assert len(ask(kernel, "turns", session="back")["turns"]) == 2
    assert "Back before turn 1" in ask(kernel, "command", **asked)["words"]
    assert ask(kernel, "turns", session="back")["turns"] == []
    assert "Forward again" in ask(kernel, "command", command="redo", session="back")["words"]
    assert "nothing to go forward to" in ask(kernel, "command", command="redo", session="back")["problem"]
