"""Which display a cell gets in a kernel, and that asking for it makes no prompt wait."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from cells import VIEW, Cell
from fakes import FakeCLIs, prompt_of
from IPython.core.displaypub import CapturingDisplayPublisher
from widgets.stand_ins import FakeComm, FakeComms, FakeKernel

from claude_magic.display import live, turn_display
from claude_magic.widgets.front_ends import FrontEnd
from claude_magic.widgets.kernel_bridge import KernelBridge, bridge_of
from claude_magic.widgets.protocol import MIME_TYPE

GUARD_S = 20


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> Cell:
    made = Cell()
    for module in (live, turn_display):
        monkeypatch.setattr(module, "display", made.display)
    return made


@pytest.fixture
def comms(monkeypatch: pytest.MonkeyPatch) -> FakeComms:
    return FakeComms.installed(monkeypatch)


@pytest.fixture
def bridge(shell: Any, comms: FakeComms, cell: Cell) -> KernelBridge:
    """The bridge of the shell, which has become a kernel's."""
    shell.kernel = FakeKernel()
    return bridge_of(shell.kernel)


def test_page_that_draws_widgets_gets_one(shell: Any, bridge: KernelBridge, cell: Cell) -> None:
    """The run begins in a widget, and what is kept takes its place."""
    bridge._front_ends.register("page-1", FrontEnd.WIDGET)
    shell.run_cell("%%claude\nhi")

    assert VIEW in cell.shown[0]
    assert set(cell.shown[-1]) == {MIME_TYPE, "text/html", "text/plain"}
    assert cell.shown[-1][MIME_TYPE]["outcome"] == "success"


def test_page_that_says_nothing_gets_displays(shell: Any, bridge: KernelBridge, cell: Cell, comms: FakeComms) -> None:
    """It is asked once, and no widget is displayed."""
    shell.run_cell("%%claude\nhi")
    shell.run_cell("%%claude\nhi")

    assert [comm.data.get("hello") for comm in comms] == [True]
    assert [bundle for bundle in cell.shown if VIEW in bundle] == []
    assert shell.user_ns["_claude"].turn == 2


@pytest.mark.parametrize("why", ["quiet", "captured", "no input"])
def test_nobody_looks(shell: Any, bridge: KernelBridge, cell: Cell, comms: FakeComms, why: str) -> None:
    """With --quiet, under %%capture and where nobody can be asked, no page is asked and no widget made."""
    bridge._front_ends.register("page-1", FrontEnd.WIDGET)
    if why == "captured":
        shell.display_pub = CapturingDisplayPublisher(parent=shell)
    if why == "no input":
        shell.kernel.parent["content"]["allow_stdin"] = False
    shell.run_cell(f"%%claude {'--quiet' if why == 'quiet' else ''}\nhi")

    assert comms == []
    assert [bundle for bundle in cell.shown if VIEW in bundle] == []
    assert shell.user_ns["_claude"].outcome == "success"


def test_turn_begins_while_the_page_is_asked(
    shell: Any, bridge: KernelBridge, comms: FakeComms, clis: FakeCLIs
) -> None:
    """The prompt is on its way before the page has answered."""
    seen = threading.Event()

    async def answer(cli: Any, message: dict[str, Any]) -> None:
        seen.set()
        await cli.answer(message, "here")

    clis.behave = answer
    waited: list[bool] = []
    comms.on_open = lambda comm: waited.append(seen.wait(GUARD_S))
    shell.run_cell("%%claude\nhi")

    assert waited == [True]
    assert shell.user_ns["_claude"].text == "here"


def test_interrupt_while_the_page_is_asked(shell: Any, bridge: KernelBridge, comms: FakeComms, clis: FakeCLIs) -> None:
    """The turn is ended, nothing of it is left running, and the session takes the next prompt."""

    def interrupt(comm: FakeComm) -> None:
        raise KeyboardInterrupt

    async def answer(cli: Any, message: dict[str, Any]) -> None:
        if prompt_of(message) == "wait":
            cli.begin(message)
            await cli.until_interrupted()
        else:
            await cli.answer(message, "here")

    comms.on_open, clis.behave = interrupt, answer
    with pytest.raises(KeyboardInterrupt):
        shell.run_cell("%%claude\nwait")

    shell.run_cell("%%claude\nstill there?")
    assert shell.user_ns["_claude"].text == "here"
