"""The kernel's end of the line: who is told what, and whose answers count."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from rendering.builders import message

from claude_magic.engine.grants import Remembered
from claude_magic.permissions import EDITS_WITHOUT_ASKING, KEEP_PLANNING, Allow, Decision, Deny, PermissionRequest
from claude_magic.rendering import RunView
from claude_magic.widgets.front_ends import FrontEnd
from claude_magic.widgets.kernel_bridge import KernelBridge
from claude_magic.widgets.live import LiveRun
from claude_magic.widgets.protocol import COMM_TARGET, REQUEST, VERSION, Request, Undo
from claude_magic.widgets.run_channel import CommTransport, RunChannel

from .stand_ins import FakeComms, FakeKernel, FakeLink

ASKED = PermissionRequest("analysis", "turn", "Bash", {"command": "ls"}, "t1")


class Calls:
    """What pages asked for, besides answers."""

    def __init__(self) -> None:
        self.stops = 0
        self.undos: list[bool] = []

    def stop(self) -> None:
        self.stops += 1

    def undo(self, dry_run: bool) -> None:
        self.undos.append(dry_run)


@pytest.fixture
def comms(monkeypatch: pytest.MonkeyPatch) -> FakeComms:
    return FakeComms.installed(monkeypatch)


@pytest.fixture
def kernel() -> FakeKernel:
    return FakeKernel()


@pytest.fixture
def bridge(kernel: FakeKernel, comms: FakeComms) -> KernelBridge:
    return KernelBridge(kernel)


def live() -> LiveRun:
    return LiveRun(RunView("analysis"), {"mode": "default"})


def linked(calls: Calls | None = None) -> tuple[RunChannel, FakeLink]:
    transport, calls = FakeLink(), calls or Calls()
    channel = RunChannel(live(), transport, calls.stop, calls.undo)
    channel.open()
    return channel, transport


def answer(question: dict[str, Any], **words: Any) -> dict[str, Any]:
    return {"action": "answer", "question": question["id"], "token": question["token"], **words}


# What pages are told.


def test_channel_begins_with_a_snapshot() -> None:
    """A page that starts to listen gets all that is known, and the open questions."""
    channel = RunChannel(live(), FakeLink(), Calls().stop, Calls().undo)
    transport: Any = channel._transport
    channel.add([message("text", "Hello")])
    channel.ask(ASKED)
    channel.open()

    (snapshot,) = transport.sent
    assert (snapshot["type"], snapshot["seq"]) == ("snapshot", 1)
    assert snapshot["run"]["parts"] == [{"type": "text", "text": "Hello"}]
    assert [question["tool_use_id"] for question in snapshot["questions"]] == ["t1"]


def test_numbers_have_no_gap() -> None:
    """Every message of a run has the number after the last one, snapshots too."""
    channel, transport = linked()
    for word in ("a", "b"):
        channel.add([message("text", word)])
        channel.flush()
    channel.receive({"action": "attach"})
    channel.set({"mode": "plan"})

    assert [sent["seq"] for sent in transport.sent] == [1, 2, 3, 4, 5]
    assert [sent["type"] for sent in transport.sent] == ["snapshot", "ops", "ops", "snapshot", "ops"]


def test_nothing_new_is_not_told() -> None:
    """A flush without news sends nothing."""
    channel, transport = linked()
    channel.flush()

    assert len(transport.sent) == 1


def test_end_is_told_to_those_who_come_later_too() -> None:
    """A page that attaches after the end gets the final data with the bundle, under the id that it knows."""
    channel, transport = linked()
    channel.finish({"version": VERSION, "run": "", "outcome": "success"}, {"text/plain": "all"})
    channel.receive({"action": "attach"})

    finals = [sent for sent in transport.sent if sent["type"] == "final"]
    assert len(finals) == 2
    assert finals[1]["run"] == {"version": VERSION, "run": channel.run.id, "outcome": "success"}
    assert finals[1]["bundle"] == {"text/plain": "all"}


# Whose answers count.


@pytest.mark.parametrize(
    ("words", "decision"),
    [
        ({"decision": "allow"}, Allow()),
        ({"decision": "allow", "input": {"command": "ls -l"}}, Allow({"command": "ls -l"})),
        ({"decision": "allow", "input": "rm"}, Allow()),
        ({"decision": "session"}, Allow()),
        ({"decision": "edits"}, Allow()),
        ({"decision": "deny"}, Deny()),
        ({"decision": "deny", "reason": " not now ", "stop": True}, Deny("not now", stop=True)),
        ({"decision": "deny", "reason": "  "}, Deny()),
        ({"decision": "anything"}, Deny()),
        ({}, Deny()),
    ],
)
def test_answer_becomes_a_decision(words: dict[str, Any], decision: Decision) -> None:
    """The page's words decide; words that make no sense are a denial."""
    channel, transport = linked()
    waiting = channel.ask(ASKED)
    question = transport.ops[-1][1]

    assert channel.receive(answer(question, **words))  # type: ignore[arg-type]  # what a page may send
    assert waiting.result(timeout=0) == decision
    assert type(waiting.result(timeout=0)) is type(decision)
    assert transport.ops[-1] == ["settled", question["id"]]


def rule(content: str) -> dict[str, Any]:
    """A suggestion of the CLI."""
    rules = [{"toolName": "Bash", "ruleContent": content}]
    return {"type": "addRules", "rules": rules, "behavior": "allow", "destination": "localSettings"}


@pytest.mark.parametrize(
    ("words", "granted"),
    [
        ({"grant": 0}, "Bash: wc *"),
        ({"grant": 1}, "Bash: wc a.csv"),
        ({"grant": 1, "input": {"command": "wc b.csv"}}, "Bash: wc b.csv"),
        ({"grant": 2}, "all of Bash"),
        ({"grant": 3}, None),
        ({"grant": -1}, None),
        ({"grant": True}, None),
        ({"grant": "all of Bash"}, None),
        ({}, None),
    ],
)
def test_answer_grants_what_its_number_names(words: dict[str, Any], granted: str | None) -> None:
    """And nothing where the page names nothing that was offered: then this one use is allowed."""
    channel, transport = linked()
    request = PermissionRequest("main", "turn", "Bash", {"command": "wc a.csv"}, suggestions=(rule("wc:*"),))
    waiting = channel.ask(request, remembers=True)
    question = transport.ops[-1][1]
    assert question["grants"] == ["wc *", "exactly this command", "all of Bash"]

    assert channel.receive(answer(question, decision="session", **words))  # type: ignore[arg-type]
    decision = waiting.result(timeout=0)
    assert isinstance(decision, Allow)
    assert (decision.grant.label if isinstance(decision, Remembered) else None) == granted


def test_no_grant_is_offered_where_none_is_remembered() -> None:
    """A button must not promise what does not happen."""
    channel, transport = linked()
    channel.ask(ASKED)

    assert transport.ops[-1][1]["grants"] == []


@pytest.mark.parametrize(
    ("words", "decision"),
    [
        ({"decision": "allow"}, Allow()),
        ({"decision": "edits"}, Allow(updates=(EDITS_WITHOUT_ASKING,))),
        ({"decision": "deny"}, Deny(KEEP_PLANNING)),
        ({"decision": "deny", "reason": "use polars"}, Deny("use polars")),
        ({"decision": "session", "grant": 0}, Allow()),
    ],
)
def test_plan_is_approved_once(words: dict[str, Any], decision: Decision) -> None:
    """The whole plan is told, with nothing to grant for the session."""
    channel, transport = linked()
    plan = "# Plan\n" + "step\n" * 20_000
    waiting = channel.ask(PermissionRequest("main", "turn", "ExitPlanMode", {}, plan=plan), remembers=True)
    question = transport.ops[-1][1]

    assert (question["kind"], question["plan"], question["grants"]) == ("plan", plan, [])
    assert channel.receive(answer(question, **words))  # type: ignore[arg-type]
    assert waiting.result(timeout=0) == decision


def test_revoked_grant_is_handed_on() -> None:
    """One by its words, or all of them; what is granted is known to pages that come after the end, too."""
    channel, transport = linked()
    revoked: list[str] = []
    channel.on_revoke(revoked.append)
    channel.finish({"version": VERSION}, {})
    channel.set({"granted": ["Bash: wc *"]})

    assert channel.receive({"action": "revoke", "grant": "Bash: wc *"})
    assert channel.receive({"action": "revoke"})
    assert revoked == ["Bash: wc *", ""]
    assert channel.receive({"action": "attach"})
    assert [transport.sent[at]["run"]["granted"] for at in (-2, -1)] == [["Bash: wc *"]] * 2


def test_answer_counts_once() -> None:
    """A second answer changes nothing and is not found."""
    channel, transport = linked()
    waiting = channel.ask(ASKED)
    question = transport.ops[-1][1]

    assert channel.receive(answer(question, decision="deny"))  # type: ignore[arg-type]
    assert not channel.receive(answer(question, decision="allow"))  # type: ignore[arg-type]
    assert waiting.result(timeout=0) == Deny()


@pytest.mark.parametrize("wrong", [{"token": "guessed"}, {"token": None}, {"question": "other"}, {"token": ["x"]}])
def test_wrong_token_changes_nothing(wrong: dict[str, Any]) -> None:
    """Only who was shown the question can answer it, and the right answer still counts afterwards."""
    channel, transport = linked()
    waiting = channel.ask(ASKED)
    question = transport.ops[-1][1]

    assert not channel.receive({**answer(question, decision="allow"), **wrong})  # type: ignore[arg-type, typeddict-item]
    assert not waiting.done()
    assert channel.receive(answer(question, decision="allow"))  # type: ignore[arg-type]


def test_token_of_one_question_opens_no_other() -> None:
    """Each question has a token of its own."""
    channel, transport = linked()
    first, second = channel.ask(ASKED), channel.ask(ASKED)
    one, other = (op[1] for op in transport.ops if op[0] == "ask")

    assert not channel.receive({**answer(one, decision="allow"), "question": other["id"]})  # type: ignore[arg-type, typeddict-item]
    assert not first.done()
    assert not second.done()


def test_end_denies_what_is_open() -> None:
    """Nobody waits for an answer that cannot come any more."""
    channel, transport = linked()
    waiting = channel.ask(ASKED)
    channel.finish({}, {})

    assert isinstance(waiting.result(timeout=0), Deny)
    assert transport.ops[-1][0] == "settled"
    assert not channel.receive(answer(transport.ops[-2][1], decision="allow"))


def test_question_that_nobody_waits_for_is_no_harm() -> None:
    """An answer to a question whose asker has gone away is taken quietly."""
    channel, transport = linked()
    channel.ask(ASKED).cancel()

    assert channel.receive(answer(transport.ops[-1][1], decision="allow"))


def test_stop_and_undo_reach_those_who_can() -> None:
    """Stop and undo are handed on; undo only looks unless told otherwise; other words are not found."""
    calls = Calls()
    channel, _ = linked(calls)

    assert channel.receive({"action": "stop"})
    assert channel.receive({"action": "undo"})
    assert channel.receive({"action": "undo", "dry_run": False})
    assert not channel.receive({"action": "format the disk"})
    assert not channel.receive({})
    assert (calls.stops, calls.undos) == (1, [True, False])


def test_undo_that_is_sent_again_goes_no_further_back() -> None:
    """Neither while it is at work nor when it is done; one that failed may be tried again."""
    calls = Calls()
    channel, _ = linked(calls)
    look: Request = {"action": "undo", "dry_run": True}
    undo: Request = {"action": "undo", "dry_run": False}
    told: Undo = {"files": ["a"], "deleted": [], "insertions": 1, "deletions": 0, "done": False, "error": ""}

    assert channel.receive(undo)
    assert not channel.receive(undo)
    channel.set({"undo": {**told, "error": "no"}})
    assert channel.receive(look)
    channel.set({"undo": told})
    assert channel.receive(undo)
    channel.set({"undo": {**told, "done": True}})
    assert not channel.receive(look)
    assert not channel.receive(undo)

    assert calls.undos == [False, True, False]


# The kernel's comms.


def open_channel(bridge: KernelBridge, calls: Calls | None = None) -> RunChannel:
    calls = calls or Calls()
    channel = bridge.channel(live(), CommTransport(), calls.stop, calls.undo)
    channel.open()
    return channel


def test_run_has_a_comm_of_its_own(bridge: KernelBridge, comms: FakeComms) -> None:
    """The comm names version and run, so that a page knows which view it feeds."""
    channel = open_channel(bridge)

    assert (comms[0].target_name, comms[0].data) == (COMM_TARGET, {"version": VERSION, "run": channel.run.id})
    assert [sent["type"] for sent in comms[0].sent] == ["snapshot"]


def test_attach_goes_on_with_a_new_comm(bridge: KernelBridge, comms: FakeComms) -> None:
    """A page that comes back listens to a new comm, and so does everybody else."""
    channel = open_channel(bridge)
    comms[0].say(run=channel.run.id, action="attach")
    channel.add([message("text", "more")])
    channel.flush()

    assert [comm.closed for comm in comms] == [True, False]
    assert [sent["type"] for sent in comms[1].sent] == ["snapshot", "ops"]


def test_comm_brings_answers_when_control_does_not(bridge: KernelBridge, comms: FakeComms) -> None:
    """The comm is the second way for a request, and is handled on a shell that the cell does not block."""
    channel = open_channel(bridge)
    waiting = channel.ask(ASKED)
    question = comms[0].sent[-1]["ops"][0][1]
    comms[0].say(run=channel.run.id, **answer(question, decision="allow"))

    assert waiting.result(timeout=0) == Allow()
    assert comms[0]._reply_subshell_for(None, "its own") == "its own"


# The control channel.


async def test_runs_that_go_on_are_told_with_their_cells(
    bridge: KernelBridge, kernel: FakeKernel, comms: FakeComms
) -> None:
    """So that a page that was loaded before the notebook was saved puts their views back; those that are over stay."""
    kernel.parent["metadata"] = {"cellId": "c1"}
    going_on, over = open_channel(bridge), open_channel(bridge)
    bridge.add(RunChannel(live(), FakeLink(), lambda: None, lambda dry_run: None))
    over.finish({}, {})

    assert await kernel.control(action="runs") == {
        "status": "ok",
        "found": True,
        "runs": [{"run": going_on.run.id, "cell": "c1"}],
    }


async def test_control_message_is_acknowledged(bridge: KernelBridge, kernel: FakeKernel, comms: FakeComms) -> None:
    """A request on the control channel is done and acknowledged; the ack says whether it was found."""
    calls = Calls()
    channel = open_channel(bridge, calls)

    assert await kernel.control(run=channel.run.id, action="stop") == {"status": "ok", "found": True}
    assert await kernel.control(run="unknown", action="stop") == {"status": "ok", "found": False}
    assert await kernel.control(run=channel.run.id, action="stop", version=99) == {"status": "ok", "found": False}
    assert calls.stops == 1


async def test_request_that_fails_is_acknowledged(
    kernel: FakeKernel, bridge: KernelBridge, comms: FakeComms, caplog: pytest.LogCaptureFixture
) -> None:
    """A request that cannot be done is logged, and the page is not left waiting."""

    def fail() -> None:
        raise OSError("no")

    channel = bridge.channel(live(), CommTransport(), fail, Calls().undo)

    assert await kernel.control(run=channel.run.id, action="stop") == {"status": "ok", "found": False}
    assert "a request of a page failed" in caplog.text


async def test_closed_hub_listens_no_more(bridge: KernelBridge, kernel: FakeKernel) -> None:
    """Unloading takes the handler away."""
    assert REQUEST in kernel.control_handlers
    bridge.close()

    assert REQUEST not in kernel.control_handlers


async def test_old_runs_are_forgotten(bridge: KernelBridge, kernel: FakeKernel, comms: FakeComms) -> None:
    """The kernel does not keep every run it ever showed; one that is still live is none of them."""
    runs = [bridge.channel(live(), CommTransport(), Calls().stop, Calls().undo) for _ in range(2)]
    for _ in range(60):
        runs[-1].finish(runs[-1].run.snapshot(), {})
        runs.append(bridge.channel(live(), CommTransport(), Calls().stop, Calls().undo))

    assert (await kernel.control(run=runs[0].run.id, action="stop"))["found"]
    assert not (await kernel.control(run=runs[1].run.id, action="stop"))["found"]
    assert (await kernel.control(run=runs[-1].run.id, action="stop"))["found"]


# What can the page draw?


class FakeWidget:
    """A widget that is not shown; `on_load` is what its front end does."""

    def __init__(self, on_load: Callable[[], object] = lambda: None) -> None:
        self.closed = False
        on_load()

    def close(self) -> None:
        self.closed = True


class Widgets(list[FakeWidget]):
    """Makes such widgets and remembers them."""

    def __init__(self, on_load: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self.on_load = on_load

    def make(self) -> FakeWidget:
        self.append(FakeWidget(self.on_load))
        return self[-1]


def hello(kernel: FakeKernel, client: str = "page-1", **more: Any) -> None:
    """Have a page say hello on the control channel while the kernel waits for it."""
    content = {"version": VERSION, "run": "", "action": "hello", **more}
    coroutine = kernel.control_handlers[REQUEST](None, [], {"header": {"session": client}, "content": content})
    with pytest.raises(StopIteration):
        coroutine.send(None)


def test_page_with_the_extension_says_hello(bridge: KernelBridge, kernel: FakeKernel, comms: FakeComms) -> None:
    """A page is asked once, by a comm that is closed again; what it said is remembered; no widget is made."""
    comms.on_open = lambda comm: hello(kernel)
    widgets = Widgets()

    assert bridge.front_end(widgets.make) is FrontEnd.EXTENSION
    assert bridge.front_end(widgets.make) is FrontEnd.EXTENSION
    assert [(comm.data, comm.closed) for comm in comms] == [({"version": VERSION, "hello": True}, True)]
    assert widgets == []


def test_page_that_draws_widgets_says_hello(bridge: KernelBridge, kernel: FakeKernel, comms: FakeComms) -> None:
    """Where the extension is silent, a widget that is not shown greets, and goes away when it was heard."""
    widgets = Widgets(lambda: hello(kernel, widget=True))

    assert bridge.front_end(widgets.make) is FrontEnd.WIDGET
    assert bridge.front_end(widgets.make) is FrontEnd.WIDGET
    assert [widget.closed for widget in widgets] == [True]


def test_silent_page_has_no_live_view(bridge: KernelBridge, comms: FakeComms) -> None:
    """A page that says nothing in time gets displays; it is not asked again, but the widget may still be loaded."""
    widgets = Widgets()

    assert bridge.front_end(widgets.make) is FrontEnd.PLAIN
    assert bridge.front_end(widgets.make) is FrontEnd.PLAIN
    assert len(comms) == 1
    assert [widget.closed for widget in widgets] == [False]
    bridge.close()
    assert widgets[0].closed


def test_slow_page_with_the_extension_keeps_the_widget(
    bridge: KernelBridge, kernel: FakeKernel, comms: FakeComms
) -> None:
    """The page may be loading it at this moment: it goes when it has greeted too, and not in between."""
    widgets = Widgets(lambda: hello(kernel))

    assert bridge.front_end(widgets.make) is FrontEnd.EXTENSION
    assert [widget.closed for widget in widgets] == [False]
    hello(kernel, widget=True)
    assert bridge.front_end(widgets.make) is FrontEnd.EXTENSION
    assert [widget.closed for widget in widgets] == [True]


def test_nothing_is_made_where_there_are_no_widgets(bridge: KernelBridge, comms: FakeComms) -> None:
    """Without the packages for widgets the page gets displays."""
    assert bridge.front_end(lambda: None) is FrontEnd.PLAIN


def test_late_hello_counts_for_the_next_cell(bridge: KernelBridge, kernel: FakeKernel, comms: FakeComms) -> None:
    """A page that was only slow gets what it can draw from then on, and the best of it."""
    widgets = Widgets()
    assert bridge.front_end(widgets.make) is FrontEnd.PLAIN

    bridge.register_widget()
    assert bridge.front_end(widgets.make) is FrontEnd.WIDGET_NO_INPUT
    assert widgets[0].closed
    hello(kernel, widget=True)
    assert bridge.front_end(widgets.make) is FrontEnd.WIDGET
    hello(kernel)
    assert bridge.front_end(widgets.make) is FrontEnd.EXTENSION
    bridge.register_widget()
    assert bridge.front_end(widgets.make) is FrontEnd.EXTENSION


def test_viewer_of_a_dashboard_speaks_for_its_page(bridge: KernelBridge, kernel: FakeKernel, comms: FakeComms) -> None:
    """A widget that was heard before the first cell is enough; the extension is asked nevertheless."""
    widgets = Widgets()
    hello(kernel, widget=True)
    assert bridge.front_end(widgets.make) is FrontEnd.WIDGET
    hello(kernel, "page-2", widget=True)
    kernel.parent["header"]["session"] = "page-2"
    comms.on_open = lambda comm: hello(kernel, "page-2")

    assert bridge.front_end(widgets.make) is FrontEnd.EXTENSION
    assert widgets == []


def test_every_page_is_asked_for_itself(bridge: KernelBridge, kernel: FakeKernel, comms: FakeComms) -> None:
    """Another browser's page, whatever it draws, does not speak for this one; each gets a widget to load."""
    widgets = Widgets(lambda: hello(kernel, "page-2", widget=True))

    assert bridge.front_end(widgets.make) is FrontEnd.PLAIN
    kernel.parent["header"]["session"] = "page-2"
    assert bridge.front_end(widgets.make) is FrontEnd.WIDGET
    kernel.parent["header"]["session"] = "page-3"
    assert bridge.front_end(widgets.make) is FrontEnd.PLAIN
    assert [widget.closed for widget in widgets] == [True, False]


def test_nobody_is_asked_where_nobody_watches(comms: FakeComms) -> None:
    """nbclient and papermill take no input: no comm is opened, no widget made, nothing is waited for."""
    widgets = Widgets()

    assert KernelBridge(FakeKernel(takes_input=False)).front_end(widgets.make) is FrontEnd.PLAIN
    assert (comms, widgets) == ([], [])


def test_kernel_without_control_channel_has_no_live_view(comms: FakeComms) -> None:
    """Where no control message can be handled, the live view is not used."""
    kernel = FakeKernel()
    del kernel.control_handlers
    bridge = KernelBridge(kernel)

    assert bridge.front_end(Widgets().make) is FrontEnd.PLAIN
    bridge.close()
