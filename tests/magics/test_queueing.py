"""`%claude queue` and `--steer`: prompts that wait, from cells."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fakes import FakeCLIs, FakeTransport, prompt_of
from IPython.core.error import UsageError

Prompts = Callable[[], list[Any]]


@pytest.fixture
def busy(shell: Any, clis: FakeCLIs) -> Iterator[Callable[..., None]]:
    """Begins prompts in the background that are answered when the fixture is called with nothing, in order."""
    go_on: list[asyncio.Event] = []
    loops: list[asyncio.AbstractEventLoop] = []

    async def behave(cli: FakeTransport, message: dict[str, Any]) -> None:
        if not go_on:
            go_on.append(asyncio.Event())
            loops.append(asyncio.get_running_loop())
        cli.begin(message)
        await go_on[0].wait()
        cli.text(f"echo: {prompt_of(message)}")
        cli.result()

    clis.behave = behave

    def begin(*cells: str) -> None:
        for cell in cells:
            shell.run_cell(cell)
        if cells:
            wait(lambda: go_on)
        else:
            loops[0].call_soon_threadsafe(go_on[0].set)

    yield begin
    if loops:
        begin()


def wait(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def waiting(shell: Any) -> list[str]:
    return list(shell.run_cell("%claude queue").result["prompt"])


def test_list_drop_edit_and_move(shell: Any, busy: Callable[..., None], prompts: Prompts) -> None:
    """Each prompt that is left has its own response, in the new order."""
    cells = [f"%%claude --bg --quiet -o r{number}\np{number}" for number in range(5)]
    busy(*cells)
    assert waiting(shell) == ["p1", "p2", "p3", "p4"]

    shell.run_cell("%claude queue drop 2")
    wait(lambda: len(waiting(shell)) == 3)
    shell.run_cell("%claude queue edit 2 p3, and {why}")
    table = shell.run_cell("%claude queue main move 3 1").result

    assert table["prompt"].tolist() == ["p4", "p1", "p3, and {why}"]
    assert table["place"].tolist() == [1, 2, 3]
    assert not table["steers"].any()
    busy()
    texts = [shell.user_ns[f"r{number}"].result(10).text for number in (0, 1, 3, 4)]
    assert texts == ["echo: p0", "echo: p1", "echo: p3, and {why}", "echo: p4"]
    assert prompts() == ["p0", "p4", "p1", "p3, and {why}"]


def test_a_prompt_that_steers_is_next(shell: Any, busy: Callable[..., None], prompts: Prompts) -> None:
    """Without a step of the running turn to send it in with; `steer N` does the same to one that waits."""
    busy("%%claude --bg --quiet\np0", "%%claude --bg --quiet\np1", "%%claude --bg --quiet\np2")
    shell.run_cell("%%claude --bg --quiet --steer\nnow")
    assert waiting(shell) == ["now", "p1", "p2"]

    assert shell.run_cell("%claude queue steer 3").result["steers"].tolist() == [True, True, False]
    busy()
    wait(lambda: len(prompts()) == 4)
    assert prompts() == ["p0", "p2", "now", "p1"]


def test_an_edited_prompt_is_not_kept_as_the_old_one(shell: Any, busy: Callable[..., None], prompts: Prompts) -> None:
    """The cell that asked it asks again."""
    busy("%%claude --bg --quiet\np0", "%%claude --bg --quiet --keep -o kept\nold words")
    shell.run_cell("%claude queue edit 1 new words")
    busy()
    assert shell.user_ns["kept"].result(10).text == "echo: new words"

    shell.run_cell("%claude new other")
    shell.run_cell("%%claude --quiet --keep -s other\nold words")
    assert prompts().count("old words") == 1


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("queue drop 9", "no prompt 9 waits in main"),
        ("queue drop x", "is not understood; it takes"),
        ("queue edit 1", "The prompt is empty"),
        ("queue move 1 x", "its new place"),
        ("queue nosuch drop 1", "There is no session 'nosuch'"),
    ],
)
def test_mistakes(shell: Any, busy: Callable[..., None], line: str, words: str) -> None:
    """One sentence; the queue is as it was."""
    busy("%%claude --bg --quiet\np0", "%%claude --bg --quiet\np1")

    with pytest.raises(UsageError) as caught:
        shell.run_cell(f"%claude {line}")

    assert words in str(caught.value)
    assert waiting(shell) == ["p1"]


def test_nothing_waits(shell: Any) -> None:
    """An empty table; there is nothing to change."""
    assert len(shell.run_cell("%claude queue").result) == 0
    with pytest.raises(UsageError, match="no prompt waits in any session"):
        shell.run_cell("%claude queue drop 1")
