"""One live CLI: requests and answers, whose messages these are, and how its end is told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fakes import FakeTransport, echo

from claude_magic.cli.transport import Launch
from claude_magic.engine.connection import Connection
from claude_magic.engine.turn import Turn
from claude_magic.errors import ControlError, ProcessError, ProtocolError, TurnTimeoutError
from claude_magic.messages import Message
from claude_magic.permissions import Allow, Decision, Deny, PermissionRequest


class Line:
    """A connection over one fake CLI, and what it told."""

    def __init__(self) -> None:
        self.cli = FakeTransport(Launch(("fake", "--session-id=s1")), echo)
        self.told: list[tuple[str, str]] = []
        self.extras: list[tuple[Turn, Message]] = []

    async def start(self, launch: Launch) -> FakeTransport:
        return self.cli

    async def open(self) -> Connection:
        connection = await Connection.open(self.cli.launch, self.start)
        connection.on_messages = self.tell
        connection.on_unsolicited = lambda turn, result: self.extras.append((turn, result))
        return connection

    def tell(self, turn: Turn | None, messages: list[Message]) -> None:
        who = "none" if turn is None else str(turn.prompt) or "unsolicited"
        self.told += [(who, str(message.type)) for message in messages]


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    made = Line()
    yield made
    await made.cli.close()


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_connection_gives_every_message_to_one_turn_or_to_none(line: Line) -> None:
    """Before, during and after a prompted turn, and in an unsolicited one; all in order."""
    connection = await line.open()
    line.cli.say({"type": "new"})
    await settle()
    await connection.run(Turn("main", "prompt"))
    line.cli.say({"type": "new"})
    line.cli.say({"type": "system", "subtype": "init"})
    line.cli.text("x")
    line.cli.result()
    line.cli.say({"type": "new"})
    await settle()

    assert line.told == [
        ("none", "unknown"),
        ("prompt", "init"), ("prompt", "event"), ("prompt", "event"), ("prompt", "text"), ("prompt", "block"),
        ("prompt", "result"), ("none", "unknown"), ("unsolicited", "init"), ("unsolicited", "event"),
        ("unsolicited", "text"), ("unsolicited", "block"), ("unsolicited", "result"), ("none", "unknown"),
    ]  # fmt: skip
    assert len(line.extras) == 1
    await connection.close()


async def test_connection_splits_a_batch_with_a_result_and_the_next_turn(line: Line) -> None:
    """The CLI may begin a turn of its own in the very batch that ends ours."""

    async def behave(cli: FakeTransport, message: dict[str, Any]) -> None:
        init = {"type": "system", "subtype": "init"}
        user = {"type": "user", "isReplay": True, "uuid": message["uuid"], "message": {"content": []}}
        done = {"type": "result", "subtype": "success", "is_error": False}
        cli.say(init, user, {**done, "result": "ours"}, init, {**done, "result": "its own"})

    line.cli.behave = behave
    connection = await line.open()

    result = await connection.run(Turn("main", "prompt"))

    assert result.text == "ours"
    assert [unsolicited.text for _, unsolicited in line.extras] == ["its own"]
    assert not connection.is_busy
    await connection.close()


async def test_connection_raises_a_control_error_for_a_refused_request(line: Line) -> None:
    """With the CLI's words; the connection goes on."""
    connection = await line.open()
    line.cli._control = lambda request_id, request: line.cli.say(  # type: ignore[method-assign]  # another answer
        {"type": "control_response", "response": {"subtype": "error", "request_id": request_id, "error": "no way"}}
    )

    with pytest.raises(ControlError, match="no way"):
        await connection.request("set_model", model="x")
    assert connection.is_alive
    await connection.close()


async def test_connection_gives_up_an_unanswered_request(line: Line) -> None:
    """In its time; a late answer belongs to no request."""
    connection = await line.open()
    line.cli._control = lambda request_id, request: None  # type: ignore[method-assign]  # it never answers

    with pytest.raises(ProcessError, match=r"'get_usage' within 0\.01 s"):
        await connection.request("get_usage", timeout_s=0.01)
    line.cli.say({"type": "control_response", "response": {"subtype": "success", "request_id": "claude-magic-2"}})
    await settle()
    assert connection.is_alive
    await connection.close()


async def test_connection_that_ends_ends_what_waits_on_it(line: Line) -> None:
    """A turn and a request learn why; later ones too."""

    async def dies(cli: FakeTransport, message: dict[str, Any]) -> None:
        cli.stderr_tail = "first\nlast words"
        cli.die(3)

    line.cli.behave = dies
    connection = await line.open()
    with pytest.raises(ProcessError, match=r"exit code 3\): last words"):
        await connection.run(Turn("main", "x"))
    with pytest.raises(ProcessError, match="exit code 3"):
        await connection.request("interrupt")
    with pytest.raises(ProcessError, match="exit code 3"):
        await connection.run(Turn("main", "y"))
    assert not connection.is_alive


async def test_connection_does_not_retry_words_about_its_own_arguments(line: Line) -> None:
    """An unknown option is unknown the next time too."""
    line.cli.stderr_tail = "error: unknown option '--nope'"
    line.cli.die(1)

    with pytest.raises(ProcessError, match="--nope") as caught:
        await line.open()
    assert not caught.value.retryable


async def test_connection_ends_at_output_that_cannot_be_followed(line: Line, caplog: pytest.LogCaptureFixture) -> None:
    """The CLI is ended: nothing it says can be trusted any more."""
    connection = await line.open()
    received = line.cli.receive

    async def receive() -> list[Message]:
        await received()
        raise ProtocolError("a line is too long", line="xxx")

    line.cli.receive = receive  # type: ignore[method-assign]  # the next batch is bad
    line.cli.say({"type": "new"})
    await settle()
    line.cli.say({"type": "new"})
    async with asyncio.timeout(5):
        while connection.is_alive:  # noqa: ASYNC110  a fake has nothing to wait on
            await asyncio.sleep(0)

    with pytest.raises(ProtocolError, match="too long"):
        await connection.request("interrupt")
    assert line.cli.closed


async def test_connection_refuses_a_question_that_cannot_be_answered(
    line: Line, caplog: pytest.LogCaptureFixture
) -> None:
    """The CLI does not wait for ever, and the log has the reason."""
    caplog.set_level(logging.ERROR)
    connection = await line.open()

    async def fails(request: PermissionRequest) -> Decision:
        raise ArithmeticError("oh")

    connection.decide = fails
    answer = await line.cli.ask("Bash", {})

    assert answer["subtype"] == "error"
    assert "oh" in caplog.text
    await connection.close()


async def test_connection_asks_a_question_of_a_background_turn_without_a_prompt(line: Line) -> None:
    """It is asked all the same."""
    connection = await line.open()
    asked: list[PermissionRequest] = []

    async def answer(request: PermissionRequest) -> Decision:
        asked.append(request)
        return Allow()

    connection.decide = answer
    connection.session = "main"

    assert (await line.cli.ask("Bash", {"command": "ls"}))["response"]["behavior"] == "allow"
    assert (asked[0].session, asked[0].turn_id, asked[0].tool_input) == ("main", "", {"command": "ls"})
    await connection.close()


async def test_connection_knows_background_tasks_that_come_and_go(line: Line) -> None:
    """By their own messages on the older CLI, by the full list on the newer one."""
    connection = await line.open()

    async def after(**fields: Any) -> set[str]:
        line.cli.say({"type": "system", **fields})
        await settle()
        return set(connection.background)

    assert await after(subtype="task_started", task_id="a") == {"a"}
    assert await after(subtype="task_started", task_id="b", is_backgrounded=False) == {"a"}
    assert await after(subtype="task_updated", task_id="a", patch={"status": "running"}) == {"a"}
    assert await after(subtype="task_updated", task_id="a", patch={"status": "killed"}) == set()
    assert await after(subtype="background_tasks_changed", tasks=[{"task_id": "c"}, {"task_id": "d"}]) == {"c", "d"}
    assert connection.has_background
    assert await after(subtype="task_notification", task_id="c") == {"d"}
    assert await after(subtype="background_tasks_changed", tasks=[]) == set()
    assert not connection.has_background
    await connection.close()


async def test_connection_that_closes_leaves_no_task(line: Line) -> None:
    """Neither the reader nor a pending question."""
    connection = await line.open()
    before = asyncio.all_tasks() - {asyncio.current_task()}

    async def never(request: PermissionRequest) -> Decision:
        await asyncio.Event().wait()
        return Allow()

    connection.decide = never
    question = asyncio.create_task(line.cli.ask("Bash", {}))
    await settle()

    await connection.close()
    question.cancel()
    await settle()

    assert before
    assert asyncio.all_tasks() == {asyncio.current_task()}


# Starts that hang.


async def test_connection_ends_a_hanging_start_with_the_limit_of_its_prompt(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says what the CLI was doing, and is not tried again."""
    monkeypatch.setattr(line.cli, "_control", lambda request_id, request: None)
    line.cli.stderr_tail = "waiting for the lock of /nfs/home"

    with pytest.raises(TurnTimeoutError, match=r"after 0\.05 s: its last words were: waiting for the lock") as caught:
        await Connection.open(line.cli.launch, line.start, within_s=0.05)

    assert not caught.value.retryable
    assert line.cli.closed


async def test_connection_has_a_limit_of_its_own_for_a_hanging_start(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A prompt without a limit does not wait for ever, and the CLI that hung is not started again."""
    monkeypatch.setattr(line.cli, "_control", lambda request_id, request: None)
    monkeypatch.setattr("claude_magic.engine.connection.INITIALIZE_TIMEOUT_S", 0.05)

    with pytest.raises(ProcessError, match="had not started") as caught:
        await line.open()

    assert not caught.value.retryable


async def test_connection_does_not_ask_a_question_that_is_withdrawn_at_once(line: Line) -> None:
    """In the same read: nothing is begun that no one would wait for."""
    connection = await line.open()
    asked: list[PermissionRequest] = []

    async def answer(request: PermissionRequest) -> Decision:
        asked.append(request)
        return Deny()

    connection.decide = answer
    request = {"subtype": "can_use_tool", "tool_name": "Bash", "input": {}, "tool_use_id": "t"}

    async def asks_and_withdraws(cli: FakeTransport, message: dict[str, Any]) -> None:
        question = {"type": "control_request", "request_id": "q", "request": request}
        cli.say(question, {"type": "control_cancel_request", "request_id": "q"})
        await cli.answer(message, "ok")

    line.cli.behave = asks_and_withdraws
    await connection.run(Turn("main", "x"))

    assert asked == []
    await connection.close()


async def test_connection_has_the_permission_mode_that_the_cli_says(line: Line) -> None:
    """An approved plan changes it; a mode that is asked for is sent whenever the CLI's own is another one."""
    connection = await line.open()
    await connection.set_permission_mode("plan")
    line.cli.say({"type": "system", "subtype": "status", "status": None, "permissionMode": "acceptEdits"})
    await settle()
    assert connection.permission_mode == "acceptEdits"

    await connection.set_permission_mode("plan")
    line.cli.say({"type": "system", "subtype": "init", "permissionMode": "default"})
    await settle()
    await connection.set_permission_mode("plan")
    await connection.set_permission_mode("plan")

    assert [request["mode"] for request in line.cli.requests("set_permission_mode")] == ["plan"] * 3


async def test_connection_asks_with_what_came_before_in_the_same_batch(line: Line) -> None:
    """The plan stands in the tool use, which the CLI may send together with its question."""
    asked: list[PermissionRequest] = []

    async def decide(request: PermissionRequest) -> Allow:
        asked.append(request)
        return Allow()

    async def behave(cli: FakeTransport, message: dict[str, Any]) -> None:
        cli.begin(message)
        use = {"type": "tool_use", "id": "toolu_1", "name": "ExitPlanMode", "input": {"plan": "# The plan"}}
        request = {"subtype": "can_use_tool", "tool_name": "ExitPlanMode", "input": {}, "tool_use_id": "toolu_1"}
        cli.answers["q1"] = asyncio.get_running_loop().create_future()
        cli.say(
            {"type": "assistant", "message": {"content": [use]}, "parent_tool_use_id": None},
            {"type": "control_request", "request_id": "q1", "request": request},
        )
        await cli.answers["q1"]
        cli.result()

    line.cli.behave = behave
    connection = await line.open()
    connection.decide = decide
    await connection.run(Turn("main", "prompt"))

    assert [request.plan for request in asked] == ["# The plan"]
