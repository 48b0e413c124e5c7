"""Prompts that wait: in order, one response each; withdrawn, edited, moved, or sent in while a turn runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fakes import FakeTransport, prompt_of
from sessions import Begin, fake_sessions, in_background, until

from claude_magic.client import AsyncClaudeClient
from claude_magic.engine.session import managed
from claude_magic.response import Outcome


@pytest.fixture
async def begin() -> AsyncIterator[Begin]:
    """Makes a client over fake CLIs with one session, `main`."""
    async with fake_sessions() as begin:
        yield begin


class Worker:
    """A CLI that answers a prompt when it is told to; "work" uses a tool first, and reads what is sent in with it."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.echoes = True

    async def __call__(self, cli: FakeTransport, message: dict[str, Any]) -> None:
        if len(cli.prompts) > 1 and not self.go_on.is_set():
            return  # sent in: the turn that runs reads it
        cli.begin(message)
        if prompt_of(message).startswith("work"):
            use = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "wait"}}
            cli.say({"type": "assistant", "message": {"content": [use]}, "parent_tool_use_id": None})
            await self.go_on.wait()
            result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "done"}
            cli.say({"type": "user", "message": {"content": [result]}, "parent_tool_use_id": None})
            for sent_in in [one for one in cli.sent if one["type"] == "user"][1:] if self.echoes else ():
                cli.say({"type": "user", "isReplay": True, "uuid": sent_in["uuid"], "message": sent_in["message"]})
        else:
            await self.go_on.wait()
        cli.text(f"echo: {prompt_of(message)}")
        cli.result()


async def running(begin: Begin, worker: Worker, first: str) -> tuple[AsyncClaudeClient, Any, asyncio.Task[Any]]:
    """A client whose session runs a prompt."""
    client, clis = await begin(worker)
    task = in_background(client, first)
    await until(lambda: client.get_session("main").recent)
    return client, clis, task


async def test_what_waits_is_listed_and_changed(begin: Begin) -> None:
    """Withdrawn, edited and moved; each of the others has its own response, in the new order."""
    worker = Worker()
    client, clis, first = await running(begin, worker, "p0")
    others = [in_background(client, f"p{number}") for number in range(1, 5)]
    await until(lambda: len(client.list_queued("main")) == 4)
    ids = {one.prompt: one.turn_id for one in client.list_queued("main")}

    client.withdraw("main", ids["p2"])
    client.edit_queued("main", ids["p3"], "p3, please")
    client.move_queued("main", ids["p4"], 1)
    await until(lambda: len(client.list_queued("main")) == 3)

    assert [(one.place, one.prompt) for one in client.list_queued("main")] == [(1, "p4"), (2, "p1"), (3, "p3, please")]
    worker.go_on.set()
    texts = [(await task).text for task in [first, *others]]
    assert texts == ["echo: p0", "echo: p1", "", "echo: p3, please", "echo: p4"]
    assert clis.last.prompts == ["p0", "p4", "p1", "p3, please"]
    assert client.list_queued("main") == []


async def test_what_has_begun_cannot_be_changed(begin: Begin) -> None:
    """Nor what never was; it is said in words."""
    worker = Worker()
    client, _, first = await running(begin, worker, "p0")
    turn_id = managed(client.get_session("main")).recent[0]

    for change in (client.withdraw, client.steer):
        with pytest.raises(ValueError, match="No such prompt waits there"):
            change("main", "nosuch")
    task = in_background(client, "p1")
    await until(lambda: client.list_queued("main"))
    with pytest.raises(ValueError, match="The prompt is empty"):
        client.edit_queued("main", client.list_queued("main")[0].turn_id, "  ")
    worker.go_on.set()
    assert [(await one).text for one in (first, task)] == ["echo: p0", "echo: p1"]
    assert turn_id is not None


async def test_attached_blocks_stay_when_a_prompt_is_edited(begin: Begin) -> None:
    """Only the typed text, which comes last, changes."""
    worker = Worker()
    client, clis, first = await running(begin, worker, "p0")
    blocks = [{"type": "text", "text": "a table"}, {"type": "text", "text": "old"}]
    task = asyncio.create_task(client.execute("main", blocks))
    await until(lambda: client.list_queued("main"))

    client.edit_queued("main", client.list_queued("main")[0].turn_id, "new")
    worker.go_on.set()
    await asyncio.gather(first, task)

    assert clis.last.prompts[-1] == "a table\nnew"


async def test_a_prompt_is_sent_in_while_a_tool_runs(begin: Begin) -> None:
    """It is read with the running turn, has no turn of its own, and both say so."""
    worker = Worker()
    client, clis, first = await running(begin, worker, "work")
    steered = asyncio.create_task(client.execute("main", "look left"))
    await until(lambda: client.list_queued("main"))

    client.steer("main", client.list_queued("main")[0].turn_id)
    await until(lambda: clis.last.prompts == ["work", "look left"])
    worker.go_on.set()
    host, own = await first, await steered

    assert host.text == "echo: work"
    assert "Sent in while it worked: look left" in [message.text for message in host.messages]
    assert (own.outcome, own.text, own.sent, own.cost_usd) == (Outcome.SUCCESS, "", False, 0.0)
    assert own.messages == () or "read this with the turn that ran" in own.messages[-1].text
    assert client.get_session("main").turns == 1
    assert clis.last.requests("cancel_async_message") == []


@pytest.mark.parametrize("first", ["text only", "work"])
async def test_what_was_not_read_is_the_next_turn(begin: Begin, first: str) -> None:
    """Without a tool nothing is sent in; what the CLI has not read at the end is taken back."""
    worker = Worker()
    worker.echoes = False
    client, clis, running_turn = await running(begin, worker, first)
    last = in_background(client, "later")
    await until(lambda: client.list_queued("main"))
    stream = client.stream("main", "look left", steer=True)
    clis.last.cancels = True

    async with stream:
        await until(lambda: len(client.list_queued("main")) == 2)
        assert [one.prompt for one in client.list_queued("main")] == ["look left", "later"]
        if first == "work":
            await until(lambda: len(clis.last.prompts) == 2)
        worker.go_on.set()
        own = await stream.wait()
    await asyncio.gather(running_turn, last)

    assert own.text == "echo: look left"
    assert own.sent
    assert clis.last.prompts[-2:] == ["look left", "later"]
    ids = [message["uuid"] for message in clis.last.sent if message["type"] == "user"]
    assert len(ids) == len(set(ids))


async def test_a_command_is_not_sent_in(begin: Begin) -> None:
    """Nor a prompt with a model of its own: they need a turn."""
    worker = Worker()
    client, clis, first = await running(begin, worker, "work")
    async with (
        client.stream("main", "/compact", literal=False, steer=True) as command,
        client.stream("main", "hi", model="other-model", steer=True) as other,
    ):
        await until(lambda: len(client.list_queued("main")) == 2)
        assert clis.last.prompts == ["work"]
        worker.go_on.set()
        await asyncio.gather(first, command.wait(), other.wait())

    assert clis.last.prompts == ["work", "/compact", "hi"]
