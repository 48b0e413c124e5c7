"""Undo from the page: look, then restore, and say what happened."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest

from claude_magic.config import SessionConfig
from claude_magic.engine.rewind import Rewind
from claude_magic.errors import SessionError
from claude_magic.rendering import RunView
from claude_magic.widgets.live import LiveRun
from claude_magic.widgets.run_channel import RunChannel
from claude_magic.widgets.undoing import NOT_COVERED, undo_on_page, undo_words

from .stand_ins import FakeLink


class FakeClient:
    """A client whose undo is done when the test says so."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, bool]] = []
        self.future: Future[Rewind] = Future()

    def undo_soon(self, session: str, *, dry_run: bool) -> Future[Rewind]:
        self.asked.append((session, dry_run))
        return self.future


@pytest.fixture
def client() -> Any:
    return FakeClient()


def channel_with(transport: FakeLink) -> RunChannel:
    channel = RunChannel(LiveRun(RunView("main"), {}), transport, lambda: None, lambda dry_run: None)
    channel.open()
    return channel


def told(client: Any, dry_run: bool, finish: Any) -> dict[str, Any]:
    transport = FakeLink()
    session = SimpleNamespace(name="main", config=SessionConfig(working_dir="/"))
    undo_on_page(client, session, channel_with(transport), dry_run)  # type: ignore[arg-type]  # all that is read of one
    assert transport.ops == []
    finish(client.future)
    ((word, facts),) = transport.ops
    assert word == "set"
    return dict(facts["undo"])


@pytest.mark.parametrize("done", [False, True])
def test_page_learns_what_changes(client: Any, done: bool) -> None:
    """The page gets the files and lines as soon as the CLI has told them."""
    rewind = Rewind(("/src/a.py", "/b.py"), ("/b.py",), insertions=3, deletions=4, done=done)
    undo = told(client, not done, lambda future: future.set_result(rewind))

    assert [dry_run for _, dry_run in client.asked] == [not done]
    assert undo == {
        "files": ["src/a.py", "b.py"],
        "deleted": ["b.py"],
        "insertions": 3,
        "deletions": 4,
        "done": done,
        "error": "",
    }


@pytest.mark.parametrize(
    ("error", "words"), [(SessionError("The session is closed."), "The session is closed."), (OSError("disk"), "disk")]
)
def test_page_learns_what_went_wrong(client: Any, error: Exception, words: str) -> None:
    """An undo that failed is told in words, not swallowed."""
    undo = told(client, False, lambda future: future.set_exception(error))

    assert (undo["error"], undo["files"], undo["done"]) == (words, [], False)


def test_words_for_a_person() -> None:
    """The words say what would change or has changed, and that Bash is not covered."""
    files = ("/folder/a.py", "/folder/new.py")
    look = undo_words(Rewind(files, files[1:], insertions=2, deletions=1), "/folder")
    done = undo_words(Rewind(files, files[1:], insertions=2, deletions=1, done=True), "/folder")
    nothing = undo_words(Rewind(), "/folder")

    assert look.startswith("Undoing would change 2 files (+2 −1 lines)\n  a.py: back to what it was before\n")
    assert "  new.py: was created by this turn, is deleted\n" in look
    assert done.startswith("Undone: 2 files ")
    assert nothing.startswith("The last turn edited no file.")
    assert all(words.endswith(NOT_COVERED) for words in (look, done, nothing))
