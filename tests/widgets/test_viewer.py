"""`StreamViewer`: a session's turns as a widget."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import pytest
from fakes import FakeCLIs, FakeTransport, compile_fake

from claude_magic.blocking import ClaudeClient
from claude_magic.config import PoolConfig
from claude_magic.permissions import Deny, PermissionRequest, Withdrawn
from claude_magic.rendering import response_bundle
from claude_magic.widgets import run_widget
from claude_magic.widgets.front_ends import FrontEnd
from claude_magic.widgets.kernel_bridge import bridge_of
from claude_magic.widgets.protocol import VERSION
from claude_magic.widgets.viewer import StreamViewer

from .stand_ins import FakeKernel

GUARD_S = 20


class Heard(StreamViewer):
    """A viewer whose page remembers what it was sent."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.sent: queue.Queue[dict[str, Any]] = queue.Queue()
        super().__init__(*args, **kwargs)

    def send(self, content: Any, buffers: Any = None) -> None:
        self.sent.put(content)

    def say(self, **request: Any) -> None:
        """Send what the page would."""
        self._handle_custom_msg({"version": VERSION, **request}, [])

    def until(self, kind: str) -> list[dict[str, Any]]:
        """The messages up to the first of this kind."""
        heard = [self.sent.get(timeout=GUARD_S)]
        while heard[-1]["type"] != kind:
            heard.append(self.sent.get(timeout=GUARD_S))
        return heard


async def until_stopped(cli: FakeTransport, message: dict[str, Any]) -> None:
    cli.begin(message)
    cli.text("This takes ", "long.")
    await cli.until_interrupted()


async def two_words(cli: FakeTransport, message: dict[str, Any]) -> None:
    await cli.answer(message, "Hello", ", world")


@pytest.fixture
def clis() -> FakeCLIs:
    return FakeCLIs(two_words)


@pytest.fixture
def client(clis: FakeCLIs) -> Iterator[ClaudeClient]:
    with ClaudeClient(pool=PoolConfig(prewarm=0), start=clis.start, compile=compile_fake) as client:
        client.create_session(name="main")
        yield client


@pytest.fixture
def viewer(client: ClaudeClient) -> Iterator[Heard]:
    made = Heard("main", client)
    yield made
    made.close()


def test_viewer_follows_a_turn(client: ClaudeClient, viewer: Heard) -> None:
    """A turn arrives as a snapshot, operations and the final data, and the state says how it ended."""
    client.execute("main", "hi")
    heard = viewer.until("final")
    final = heard[-1]["run"]

    assert heard[0]["type"] == "snapshot"
    assert [one["seq"] for one in heard] == list(range(1, len(heard) + 1))
    assert (final["outcome"], final["live"], final["session"]) == ("success", False, "main")
    assert final["parts"] == [{"type": "text", "text": "Hello, world"}]
    assert final["session_cost_usd"] == pytest.approx(0.01)
    assert final["run"] == heard[0]["run"]["run"] != ""
    assert viewer.state == "success"


def test_viewer_that_comes_late_shows_the_last_turn(client: ClaudeClient) -> None:
    """What the session did before is there at once, with what it took; the next turn takes its place."""
    client.execute("main", "one")
    last = client.execute("main", "two")
    late = Heard("main", client)
    final = late.until("final")[-1]["run"]

    assert (final["turn_id"], final["outcome"], final["live"]) == (last.turn_id, "success", False)
    assert final["parts"] == [{"type": "text", "text": "Hello, world"}]
    assert final["session_cost_usd"] == pytest.approx(0.02)
    assert late.state == "success"
    client.execute("main", "three")
    assert late.until("final")[-1]["run"]["turn"] == 3
    late.close()


def test_viewer_of_a_session_that_is_not_there_yet_waits(client: ClaudeClient) -> None:
    """It shows nothing before the session's first turn."""
    early = Heard("later", client)
    assert (early.sent.empty(), early.state) == (True, "idle")
    client.create_session(name="later")
    client.execute("later", "hi")
    assert early.until("final")[-1]["run"]["session"] == "later"
    early.close()


def test_each_turn_is_a_run_of_its_own(client: ClaudeClient, viewer: Heard) -> None:
    """The next turn begins with a snapshot that holds nothing of the last one."""
    client.execute("main", "one")
    first = viewer.until("final")
    client.execute("main", "two")
    second = viewer.until("final")

    assert second[0]["type"] == "snapshot"
    assert second[0]["run"]["run"] != first[0]["run"]["run"]
    assert second[-1]["run"]["parts"] == [{"type": "text", "text": "Hello, world"}]


def test_other_sessions_are_not_shown(client: ClaudeClient, viewer: Heard) -> None:
    """A viewer shows its own session only."""
    client.create_session(name="other")
    client.execute("other", "hi")

    assert viewer.sent.empty()
    assert viewer.state == "idle"


def test_page_stops_the_turn(client: ClaudeClient, clis: FakeCLIs, viewer: Heard) -> None:
    """The stop button ends the turn; what was said is kept."""
    clis.behave = until_stopped
    answer = client.submit("main", "go on and on")
    viewer.until("ops")
    viewer.say(action="stop")

    assert answer.result(timeout=GUARD_S).outcome == "interrupted"
    final = viewer.until("final")[-1]["run"]
    assert final["parts"] == [{"type": "text", "text": "This takes long."}]
    assert viewer.state == "interrupted"


async def test_page_stops_the_turn_while_a_cell_runs(
    client: ClaudeClient, clis: FakeCLIs, viewer: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A running cell blocks the widget's own messages; a request on the control channel arrives."""
    kernel = FakeKernel()
    monkeypatch.setattr(run_widget, "get_ipython", lambda: type("Shell", (), {"kernel": kernel}))
    clis.behave = until_stopped
    answer = client.submit("main", "go on and on")
    run = viewer.until("ops")[0]["run"]["run"]

    assert await kernel.control(run=run, action="stop") == {"status": "ok", "found": True}
    assert answer.result(timeout=GUARD_S).outcome == "interrupted"


async def test_page_is_known_to_draw_widgets(
    client: ClaudeClient, viewer: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hello of any viewer counts for its page: on the control channel, or as a message of the widget."""
    kernel = FakeKernel("page-2")
    monkeypatch.setattr(run_widget, "get_ipython", lambda: type("Shell", (), {"kernel": kernel}))
    Heard("other", client).close()
    bridge = bridge_of(kernel)

    viewer.say(run="", action="hello", widget=True)
    assert bridge._front_ends.get("page-2") is FrontEnd.WIDGET_NO_INPUT
    assert (await kernel.control("page-1", run="", action="hello", widget=True))["found"]
    assert bridge._front_ends.get("page-1") is FrontEnd.WIDGET


def test_page_that_comes_late_gets_a_snapshot(client: ClaudeClient, viewer: Heard) -> None:
    """A view that is drawn after the turn attaches and sees all of it."""
    viewer.say(action="attach")
    assert viewer.sent.empty()
    client.execute("main", "hi")
    viewer.until("final")
    viewer.say(action="attach")

    assert [message["type"] for message in viewer.until("final")] == ["snapshot", "final"]


def test_viewer_can_ask(client: ClaudeClient, clis: FakeCLIs, viewer: Heard) -> None:
    """A viewer puts permission questions on its page, and the page's answer decides."""
    decided: Future[Any] = Future()

    async def ask(cli: FakeTransport, message: dict[str, Any]) -> None:
        cli.begin(message)
        decided.set_result(await cli.ask("Bash", {"command": "ls"}))
        cli.result()

    clis.behave = ask
    client.ask = lambda request: viewer.ask(request).result(timeout=GUARD_S)
    answer = client.submit("main", "look")
    question = None
    while question is None:
        ops = viewer.until("ops")[-1]["ops"]
        question = next((op[1] for op in ops if op[0] == "ask"), None)
    viewer.say(action="answer", question=question["id"], token=question["token"], decision="allow")

    assert decided.result(timeout=GUARD_S)["response"]["behavior"] == "allow"
    assert answer.result(timeout=GUARD_S).outcome == "success"


async def refused_tool(cli: FakeTransport, message: dict[str, Any]) -> None:
    """Use a tool, ask for it, and wait."""
    cli.begin(message)
    block = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "ls"}}
    cli.say({"type": "assistant", "message": {"content": [block]}, "parent_tool_use_id": None})
    await cli.ask("Bash", {"command": "ls"})
    await cli.until_interrupted()


def test_decision_made_elsewhere_is_shown(client: ClaudeClient, clis: FakeCLIs, viewer: Heard) -> None:
    """Whoever answers, the card shows at once what became of the tool."""
    clis.behave = refused_tool
    client.ask = lambda request: Deny("no")
    answer = client.submit("main", "look")
    states: list[str] = []
    while "denied" not in states:
        ops = viewer.until("ops")[-1]["ops"]
        states += [op[2]["state"] for op in ops if op[0] == "part" and op[2]["type"] == "tool"]

    client.interrupt("main")
    assert answer.result(timeout=GUARD_S).outcome == "interrupted"


def test_question_that_nobody_answered_before_the_stop_is_no_denial(
    client: ClaudeClient, clis: FakeCLIs, viewer: Heard
) -> None:
    """The card says that it was cancelled, and the records that it was stopped; nothing says that you denied it."""
    clis.behave = refused_tool
    client.ask = lambda request: Withdrawn()
    answer = client.submit("main", "look")
    viewer.until("ops")
    client.interrupt("main")
    response = answer.result(timeout=GUARD_S)
    final = viewer.until("final")[-1]["run"]

    assert response.outcome == "interrupted"
    assert [part["state"] for part in final["parts"] if part["type"] == "tool"] == ["cancelled"]
    assert "denied" not in response_bundle(response)["text/html"]


def test_viewer_without_a_turn_cannot_ask(viewer: Heard) -> None:
    """Where nothing runs there is nothing to ask about."""
    with pytest.raises(RuntimeError, match="no running turn"):
        viewer.ask(PermissionRequest("main", "turn", "Bash", {}))


def test_stored_run_can_be_shown(viewer: Heard) -> None:
    """The data of a notebook's output is drawn as it was kept."""
    viewer.show({"version": VERSION, "run": "", "session": "old", "outcome": "max_turns", "parts": []})
    final = viewer.until("final")[-1]["run"]

    assert (final["session"], final["outcome"], viewer.state) == ("old", "max_turns", "max_turns")


def test_closed_viewer_follows_no_more(client: ClaudeClient, viewer: Heard) -> None:
    """Closing takes the viewer off the client; closing twice is no harm."""
    viewer.close()
    client.execute("main", "hi")
    viewer.close()

    assert viewer.sent.empty()
    assert client.observers == []
    assert client.response_observers == []


def test_state_is_small(viewer: Heard) -> None:
    """What the notebook would save of a widget is its session and its state."""
    synced = set(viewer.get_state()) - {name for name in viewer.keys if name.startswith("_")}

    assert synced <= {"session", "state", "run", "in_cell", "layout", "tabbable", "tooltip"}


def test_grid_has_a_viewer_for_each_session(client: ClaudeClient) -> None:
    """Several sessions stand side by side, as many as fit, and each viewer follows its own."""
    grid = StreamViewer.grid("a", "b", "c", client=client)

    assert [child.session for child in grid.children] == ["a", "b", "c"]
    assert grid.layout.grid_template_columns == "repeat(auto-fit, minmax(min(100%, 320px), 1fr))"
    for child in grid.children:
        child.close()


def test_grid_of_so_many_columns(client: ClaudeClient) -> None:
    """The number of viewers side by side can be said."""
    grid = StreamViewer.grid("a", "b", "c", client=client, columns=3)

    assert grid.layout.grid_template_columns == "repeat(3, minmax(0, 1fr))"
    for child in grid.children:
        child.close()
