"""A live run below its cell: what is displayed while it lasts, and what is left in any case."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from cells import VIEW, Cell
from rendering.builders import message, response
from widgets.stand_ins import FakeKernel, FakeLink

from claude_magic.display import live
from claude_magic.display.live import LiveDisplay
from claude_magic.display.surfaces import ExtensionSurface, WidgetSurface, make_widget, surface_for
from claude_magic.errors import ClaudeError, OverloadedError
from claude_magic.permissions import PermissionRequest, Withdrawn
from claude_magic.response import AnswerSource, Outcome
from claude_magic.widgets.front_ends import FrontEnd
from claude_magic.widgets.kernel_bridge import KernelBridge
from claude_magic.widgets.protocol import MIME_TYPE, VERSION
from claude_magic.widgets.run_widget import RunWidget


class Widget(RunWidget):
    """A widget whose page remembers what it was sent."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.closed = False
        super().__init__("analysis", in_cell=True)

    def send(self, content: Any, buffers: Any = None) -> None:
        self.sent.append(content)

    def close(self) -> None:
        self.closed = True
        super().close()

    def leave(self) -> None:
        """Say what the page says when the display was replaced."""
        self._handle_custom_msg({"version": VERSION, "run": self.run, "action": "leave"}, [])


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> Cell:
    made = Cell()
    monkeypatch.setattr(live, "display", made.display)
    return made


@pytest.fixture
def widget() -> Widget:
    return Widget()


def display_on(surface: Any, bridge: KernelBridge | None = None) -> LiveDisplay:
    return LiveDisplay(
        bridge or KernelBridge(FakeKernel()),
        session="analysis",
        model="opus",
        source=AnswerSource.MODEL,
        mode="default",
        on_stop=lambda: None,
        on_undo=lambda channel, dry_run: None,
        surface=surface,
    )


@pytest.fixture
def display(widget: Widget) -> LiveDisplay:
    made = display_on(WidgetSurface(widget, can_ask=True))
    made.begin()
    return made


def test_widget_is_displayed_with_words_beside_it(cell: Cell, widget: Widget, display: LiveDisplay) -> None:
    """The words are for a notebook saved in the middle; the widget has its snapshot and the run's id."""
    (bundle,) = cell.shown

    assert bundle[VIEW] == {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    assert set(bundle) == {VIEW, "text/html", "text/plain"}
    assert "session analysis" in bundle["text/plain"]
    assert "`_claude` in a cell" in bundle["text/html"]
    assert [sent["type"] for sent in widget.sent] == ["snapshot"]
    assert widget.run == widget.sent[0]["run"]["run"] != ""
    display.close()


def test_words_beside_the_widget_are_no_html() -> None:
    """The name of a session is somebody's text."""
    widget = Widget()
    bundle = WidgetSurface(widget, can_ask=True).bundle({"session": "<img src=x>"})

    assert "<img" not in bundle["text/html"]
    widget.close()


def test_finished_run_takes_the_widgets_place(cell: Cell, widget: Widget, display: LiveDisplay) -> None:
    """The display is replaced by what is kept, which names no live run; the widget ends when the page has left it."""
    display.note("filled in: sales")
    display.note("attached: fig (picture)")
    turn = response(message("text", "Hello"))
    display.add(turn.messages)
    display.finish(turn, {"session_cost_usd": 0.5})
    display.close()

    kept = cell.shown[-1]
    assert len(cell.shown) == 2
    assert set(kept) == {MIME_TYPE, "text/html", "text/plain"}
    data = kept[MIME_TYPE]
    assert data["filled"] == "filled in: sales · attached: fig (picture)"
    assert (data["run"], data["live"], data["session_cost_usd"]) == ("", False, 0.5)
    assert widget.sent[-1]["type"] == "final"
    assert widget.sent[-1]["bundle"] == {}
    assert not widget.closed
    widget.leave()
    assert widget.closed
    widget.leave()


@pytest.mark.parametrize(
    "error", [OverloadedError("busy"), OverloadedError("busy", response=response(outcome="error"))]
)
def test_failed_run_takes_the_widgets_place(
    cell: Cell, widget: Widget, display: LiveDisplay, error: ClaudeError
) -> None:
    """An error is left as words, with what there was of an answer."""
    assert display.fail(error, {}) == live.ALREADY_SHOWN
    display.close()

    assert VIEW not in cell.shown[-1]
    assert "busy" in cell.shown[-1]["text/plain"]
    widget.leave()
    assert (len(cell.shown), widget.closed) == (2, True)


def test_cell_that_breaks_off_leaves_no_widget(cell: Cell, widget: Widget, display: LiveDisplay) -> None:
    """Whatever happened: the widget goes, the words so far stay, and nobody waits for an answer."""
    display.add([message("text", "So far")])
    waiting = display.ask(PermissionRequest("analysis", "turn", "Bash", {"command": "ls"}, "t1"))
    display.close()

    assert set(cell.shown[-1]) == {"text/html", "text/plain"}
    assert "So far" in cell.shown[-1]["text/plain"]
    widget.leave()
    assert widget.closed
    assert waiting.result(timeout=0) == Withdrawn("The turn is over.")


def test_widgets_that_no_page_leaves_are_few(cell: Cell) -> None:
    """A page that was loaded again needs the widget; pages that are gone for good do not pile them up."""
    bridge, widgets = KernelBridge(FakeKernel()), [Widget() for _ in range(5)]
    for widget in widgets:
        display = display_on(WidgetSurface(widget, can_ask=True), bridge)
        display.begin()
        display.finish(response(message("text", "Hello")), {})
        display.close()

    assert [widget.closed for widget in widgets] == [True, True, False, False, False]
    for widget in widgets:
        widget.leave()
    assert all(widget.closed for widget in widgets)


def test_view_of_the_extension_stays(cell: Cell) -> None:
    """It goes on to show the run, and its data keeps the id by which the page can ask for an undo."""
    surface = ExtensionSurface()
    transport = FakeLink()
    surface.transport = transport
    display = display_on(surface)
    display.begin()
    turn = response(message("text", "Hello"))
    display.finish(turn, {})
    display.close()

    first, last = cell.shown
    assert set(first) == {MIME_TYPE, "text/plain"}
    assert first[MIME_TYPE]["run"] == last[MIME_TYPE]["run"] != ""
    assert transport.sent[-1]["bundle"] == last


@pytest.mark.parametrize(
    ("page", "kind", "can_ask"),
    [
        (FrontEnd.EXTENSION, ExtensionSurface, True),
        (FrontEnd.WIDGET, WidgetSurface, True),
        (FrontEnd.WIDGET_NO_INPUT, WidgetSurface, False),
    ],
)
def test_best_stage_that_a_page_can_draw(page: FrontEnd, kind: type, can_ask: bool) -> None:
    """Only what the page said it can draw; questions only where an answer arrives in time."""
    surface = surface_for(page, "analysis")

    assert isinstance(surface, kind)
    assert display_on(surface).can_ask is can_ask
    surface.close()


def test_page_that_said_nothing_has_no_stage() -> None:
    """Nobody gets a dead view."""
    assert surface_for(FrontEnd.PLAIN, "analysis") is None


def test_no_widget_without_its_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where anywidget is not installed the cell has its display."""
    monkeypatch.delitem(sys.modules, "claude_magic.widgets.run_widget")
    monkeypatch.setitem(sys.modules, "anywidget", None)

    assert make_widget() is None
    assert surface_for(FrontEnd.WIDGET, "analysis") is None


def test_outcomes_of_a_stopped_run(cell: Cell, display: LiveDisplay) -> None:
    """A run that was stopped is kept as such."""
    display.finish(response(message("text", "So far"), outcome=Outcome.INTERRUPTED), {})
    display.close()

    assert cell.shown[-1][MIME_TYPE]["outcome"] == "interrupted"
