"""Asking for permission: on the cell's thread, remembered as long as the session lives, denied where nobody is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from claude_magic.background_loop import Inbox, wait_for
from claude_magic.config import SessionConfig
from claude_magic.display.asking import Asker, answer_questions, can_ask, telling
from claude_magic.display.turn_display import TurnDisplay
from claude_magic.engine.managed_session import ManagedSession
from claude_magic.engine.session import Session, managed
from claude_magic.permissions import KEEP_PLANNING, NO_ONE_TO_ASK, Allow, Decision, Deny, PermissionRequest, Withdrawn


class NotingDisplay(TurnDisplay):
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.flushed = 0

    def note(self, words: str) -> None:
        self.notes.append(words)

    def render_now(self) -> None:
        self.flushed += 1


class Desk:
    """An asker whose person types what the test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.can_ask = True
        self.asker = Asker(lambda: self.can_ask)
        self.display = NotingDisplay()
        self.sessions: dict[str, Session] = {}
        self.asked: list[str] = []
        self.typed: list[Any] = []
        monkeypatch.setattr("builtins.input", self._input)

    def _input(self, words: str) -> str:
        assert threading.current_thread() is threading.main_thread()
        self.asked.append(words)
        answer = self.typed.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return str(answer)

    def decide(self, request: PermissionRequest, *typed: Any) -> Decision:
        """Ask on another thread, as the client does, with the cell's thread waiting."""
        self.typed = list(typed)
        inbox = Inbox()
        session = self.sessions.setdefault(request.session, Session(ManagedSession(request.session, SessionConfig())))
        asking = self.asker.begin(session, "turn", inbox, shown(self.display))
        answer: Future[Decision] = Future()
        asker = threading.Thread(target=lambda: answer.set_result(self.asker(request)))
        asker.start()
        try:
            return wait_for(answer, inbox)
        finally:
            inbox.leave()
            self.asker.end(asking)
            asker.join()


def shown(display: TurnDisplay) -> Future[TurnDisplay]:
    ready: Future[TurnDisplay] = Future()
    ready.set_result(display)
    return ready


def bash(command: str = "ls", session: str = "main") -> PermissionRequest:
    return PermissionRequest(session, "turn", "Bash", {"command": command}, "toolu_1")


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """Somebody to ask."""
    desk = Desk(monkeypatch)
    yield desk
    assert desk.typed == []


@pytest.mark.parametrize("typed", ["y", "Y", " yes ", "YES", "ok", "Okay.", "sure", "yes!"])
def test_yes(desk: Desk, typed: str) -> None:
    """The tool runs as asked, and the next one is asked about again."""
    assert desk.decide(bash("rm -r build"), typed) == Allow()

    choices = "[y]es, [n]o, for this session [a]llow exactly this command or [all] of Bash, or say why not: "
    assert desk.asked == ["Claude wants to use Bash: rm -r build\nAllow? " + choices]
    assert desk.display.flushed == 1
    assert isinstance(desk.decide(bash(), "n"), Deny)


def test_edit_is_shown_before_it_is_allowed(desk: Desk, tmp_path: Path) -> None:
    """With the numbers of the file as it is; where that is not there, as the input has it."""
    (tmp_path / "notes.txt").write_text("one\ntwo\nthree\n")
    given = {"file_path": "notes.txt", "old_string": "two", "new_string": "\x1b[2Ktoo"}
    edit = PermissionRequest("main", "turn", "Edit", given, "toolu_1", working_dir=str(tmp_path))

    desk.decide(edit, "n")
    desk.decide(replace(edit, tool_input={**given, "file_path": "gone.txt"}), "n")

    file, stated = (asked.split("\nAllow? ")[0] for asked in desk.asked)
    shown = "Claude wants to use Edit: notes.txt\n   1   one\n   2 - two\n   2 + ␛[2Ktoo\n   3   three"
    assert file == shown
    assert stated == "Claude wants to use Edit: gone.txt\n     - two\n     + ␛[2Ktoo"


@pytest.mark.parametrize("typed", ["n", "No", "", "  ", EOFError()])
def test_no(desk: Desk, typed: Any) -> None:
    """Also by an empty line or the end of input."""
    assert desk.decide(bash(), typed) == Deny()


@pytest.mark.parametrize("typed", ["yes please", "ok, go on", "Y but only once", "sure, why not"])
def test_a_yes_with_more_words_is_asked_again(desk: Desk, typed: str) -> None:
    """It is no reason against it, and may be no plain yes either: one more line."""
    assert desk.decide(bash(), typed, "y") == Allow()
    assert [words.startswith("Is that a yes? [y]es") for words in desk.asked[1:]] == [True]

    assert desk.decide(bash(), typed, typed, "use git rm") == Deny("use git rm")


def test_an_open_question_is_known(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as it is open: a list of sessions says who waits for a person."""
    seen = []
    monkeypatch.setattr("builtins.input", lambda words: seen.append(desk.asker.waiting) or "y")

    assert desk.decide(bash()) == Allow()
    assert seen == [{"main": "Bash"}]
    assert desk.asker.waiting == {}


def test_own_words_are_the_reason(desk: Desk) -> None:
    """Claude is told why."""
    assert desk.decide(bash(), "use git rm instead") == Deny("use git rm instead")
    assert desk.decide(bash(), "okapi.txt stays") == Deny("okapi.txt stays")


def test_a_grant_holds_for_what_it_names_and_for_the_session(desk: Desk) -> None:
    """Neither for another command or tool, nor for another session, nor after the session is closed."""
    assert isinstance(desk.decide(bash(), "a"), Allow)
    assert desk.asker(bash()) == Allow()

    assert isinstance(desk.decide(bash("ls -a"), "n"), Deny)
    read = PermissionRequest("main", "turn", "Read", {"file_path": "/x"})
    assert isinstance(desk.decide(read, "n"), Deny)
    assert isinstance(desk.decide(bash(session="other"), "n"), Deny)

    managed(desk.sessions.pop("main")).close()
    assert isinstance(desk.asker(bash()), Deny)
    assert isinstance(desk.decide(bash(), "n"), Deny)


def test_all_of_a_tool_is_a_choice_of_its_own(desk: Desk) -> None:
    """It is named in the question, and then nothing of the tool is asked about."""
    assert isinstance(desk.decide(bash(), "all"), Allow)

    assert "[all] of Bash" in desk.asked[0]
    assert desk.asker(bash("rm -r build")) == Allow()
    assert desk.asker.granted(desk.sessions["main"]) == ["all of Bash"]


def test_the_suggested_rule_is_named_and_granted(desk: Desk) -> None:
    """The question says what would be granted, and it is that."""
    rules = [{"toolName": "Bash", "ruleContent": "wc:*"}]
    suggestion = {"type": "addRules", "rules": rules, "behavior": "allow", "destination": "localSettings"}
    request = replace(bash("wc -l a.csv"), suggestions=(suggestion,))

    assert isinstance(desk.decide(request, "a"), Allow)

    assert "[a]llow wc *" in desk.asked[0]
    assert desk.asker(bash("wc b.csv")) == Allow()
    assert isinstance(desk.decide(bash("wc x; rm -rf y"), "n"), Deny)


def test_a_grant_is_listed_and_taken_back(desk: Desk) -> None:
    """Then it is asked about again; the other grants stay, and secrets are not shown."""
    desk.sessions["main"] = Session(ManagedSession("main", SessionConfig(api_key="sk-ant-very-secret-key-123456")))
    desk.decide(bash("curl -H sk-ant-very-secret-key-123456 x"), "a")
    desk.decide(bash("ls"), "a")
    session = desk.sessions["main"]
    first, second = desk.asker.granted(session)
    assert "very-secret" not in first
    assert second == "Bash: ls"

    assert desk.asker.revoke(session, first) == [first]
    assert desk.asker.granted(session) == [second]
    assert desk.asker.revoke(session) == [second]
    assert isinstance(desk.decide(bash("ls"), "n"), Deny)


PLAN = "# The plan\n\n" + "\n".join(f"{number}. step {number}" for number in range(1, 500))


@pytest.mark.parametrize(
    ("typed", "decision"),
    [
        ("y", Allow()),
        ("e", Allow(updates=({"type": "setMode", "mode": "acceptEdits", "destination": "session"},))),
        ("n", Deny(KEEP_PLANNING)),
        ("", Deny(KEEP_PLANNING)),
        ("use polars instead", Deny("use polars instead")),
    ],
)
def test_a_plan_is_shown_whole_and_asked_about_each_time(desk: Desk, typed: str, decision: Decision) -> None:
    """Line by line, and whatever was answered before."""
    request = PermissionRequest("main", "turn", "ExitPlanMode", {}, "toolu_1", plan=PLAN)

    assert desk.decide(request, typed) == decision
    assert PLAN in desk.asked[0]
    assert isinstance(desk.decide(replace(request, plan="# Another"), "n"), Deny)
    assert "# Another" in desk.asked[1]


def test_no_plan_is_approved_for_good(desk: Desk) -> None:
    """A word that grants elsewhere is asked about here."""
    request = PermissionRequest("main", "turn", "ExitPlanMode", {}, "toolu_1", plan=PLAN)

    assert desk.decide(request, "a", "always", "y") == Allow()
    assert desk.asker.granted(desk.sessions["main"]) == []


def test_nobody_to_ask(desk: Desk) -> None:
    """Without input the policy decides; the ending of the run says so."""
    desk.can_ask = False

    assert desk.decide(bash()) == Deny(NO_ONE_TO_ASK)


def test_no_cell_waits(desk: Desk) -> None:
    """A prompt from Python code, or a background task, has nobody to ask."""
    assert isinstance(desk.asker(bash()), Deny)


def test_stopped_while_asking(desk: Desk) -> None:
    """The interrupt reaches the cell; the thread that asked gets an end of its question, and no decision."""
    seen: list[Decision] = []
    ask = desk.asker.__call__

    class Watched:
        def __call__(self, request: PermissionRequest) -> Decision:
            seen.append(ask(request))
            return seen[-1]

    desk.asker = _with_call(desk.asker, Watched())
    with pytest.raises(KeyboardInterrupt):
        desk.decide(bash(), KeyboardInterrupt())

    assert seen == [Withdrawn()]


def _with_call(asker: Asker, call: Callable[[PermissionRequest], Decision]) -> Any:
    return type(
        "Watched", (), {"__call__": lambda self, request: call(request), "begin": asker.begin, "end": asker.end}
    )()


def test_the_cell_left_before_it_was_asked(desk: Desk) -> None:
    """A question that nobody takes any more is withdrawn."""
    inbox = Inbox()
    desk.asker.begin(Session(ManagedSession("main", SessionConfig())), "turn", inbox, shown(desk.display))
    decisions: list[Decision] = []
    asker = threading.Thread(target=lambda: decisions.append(desk.asker(bash())))
    asker.start()
    while asker.is_alive():
        inbox.leave()
        asker.join(0.01)

    assert decisions == [Withdrawn()]


def test_a_question_waits_for_the_screen(desk: Desk) -> None:
    """The run may ask before it is known where it is shown."""
    desk.typed = ["y"]
    inbox = Inbox()
    later: Future[TurnDisplay] = Future()
    desk.asker.begin(Session(ManagedSession("main", SessionConfig())), "turn", inbox, later)
    answer: Future[Decision] = Future()
    asker = threading.Thread(target=lambda: answer.set_result(desk.asker(bash())))
    asker.start()
    later.set_result(desk.display)

    assert wait_for(answer, inbox) == Allow()
    asker.join()


def test_the_cell_ends_before_it_is_shown(desk: Desk) -> None:
    """Then a question that waits is withdrawn."""
    asking = desk.asker.begin(Session(ManagedSession("main", SessionConfig())), "turn", Inbox(), Future())
    answer: Future[Decision] = Future()
    asker = threading.Thread(target=lambda: answer.set_result(desk.asker(bash())))
    asker.start()
    desk.asker.end(asking)
    asker.join()

    assert isinstance(answer.result(), Deny)


def test_each_run_of_a_session_asks_in_its_own_cell(desk: Desk) -> None:
    """One runs in the background, where a terminal asks nobody; the next waits for it in a cell that can."""
    session = Session(ManagedSession("main", SessionConfig()))
    away = desk.asker.begin(session, "away", None, shown(desk.display))
    desk.sessions["main"] = session

    assert desk.decide(replace(bash(), turn_id="away")) == Deny(NO_ONE_TO_ASK)
    assert desk.decide(bash(), "y") == Allow()
    desk.asker.end(away)
    assert desk.asker(replace(bash(), turn_id="away")) == Deny(NO_ONE_TO_ASK)


@pytest.mark.parametrize(
    ("tool", "given", "words"),
    [
        ("Bash", {"command": "ls -l", "description": "list"}, "Bash: ls -l"),
        ("Write", {"file_path": "/a b", "content": "x"}, "Write: /a b"),
        ("WebFetch", {"url": "http://x", "prompt": "p"}, "WebFetch: http://x"),
        ("mcp__db__query", {"sql": "select"}, 'mcp__db__query: {"sql": "select"}'),
    ],
)
def test_what_a_tool_would_do(tool: str, given: dict[str, Any], words: str) -> None:
    """A person decides by the command, the file, the address; else by all of it."""
    assert telling(PermissionRequest("main", "t", tool, given)) == words


def test_control_characters_cannot_hide_a_command() -> None:
    """An escape sequence of the model must not repaint what is asked."""
    words = telling(bash("rm -rf ~ \x1b[2K\rls"))

    assert "rm -rf ~" in words
    assert "\x1b" not in words
    assert "\r" not in words


def test_questions_of_the_model(desk: Desk) -> None:
    """A number chooses a label; anything else is an answer of one's own."""
    questions = {
        "questions": [
            {"question": "Which?", "options": [{"label": "red"}, {"label": "blue"}]},
            {"question": "How many?", "options": [{"label": "one"}]},
            {"question": "Why?"},
        ]
    }
    request = PermissionRequest("main", "t", "AskUserQuestion", questions)

    assert desk.decide(request, "2", "7", " because ") == Allow(
        {**questions, "answers": {"Which?": "blue", "How many?": "7", "Why?": "because"}}
    )
    assert "1. red\n  2. blue" in desk.asked[0]


def test_no_questions() -> None:
    """An empty list asks nothing."""
    assert answer_questions({}) == {"answers": {}}


@pytest.mark.parametrize(
    ("parent", "expected"), [({"content": {"allow_stdin": True}}, True), ({"content": {}}, False), (None, False)]
)
def test_whether_a_notebook_can_be_asked(parent: Any, expected: bool) -> None:
    """The request that runs the cell says it."""
    assert can_ask(SimpleNamespace(kernel=SimpleNamespace(get_parent=lambda: parent))) is expected


@pytest.mark.parametrize("is_terminal", [True, False])
def test_whether_a_terminal_can_be_asked(monkeypatch: pytest.MonkeyPatch, is_terminal: bool) -> None:
    """Only if somebody sits at it."""
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: is_terminal))

    assert can_ask(SimpleNamespace()) is is_terminal
