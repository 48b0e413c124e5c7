"""The asynchronous client: sessions by name, prompts, observers, records."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
from fakes import FakeCLIs, FakeTransport, echo, prompt_of

from claude_magic.client import AsyncClaudeClient
from claude_magic.config import SessionConfig
from claude_magic.errors import PoolClosedError, SessionNotFoundError
from claude_magic.messages import Batch
from claude_magic.permissions import Allow
from claude_magic.rendering import MIME_TYPE, response_bundle

Make = Callable[..., AsyncClaudeClient]


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    """Makes clients and closes them."""
    made: list[AsyncClaudeClient] = []

    def client(clis: FakeCLIs | None = None, **options: Any) -> AsyncClaudeClient:
        made.append((clis or FakeCLIs()).client(**options))
        return made[-1]

    yield client
    for started in made:
        await started.close()


async def test_names(make: Make) -> None:
    """Given or made up; a taken or an empty one is a ValueError; a made-up one is never a taken one."""
    client = make()
    await client.create_session(name="session-1")
    session = await client.create_session()

    assert session.name == "session-2"
    for wrong in ("session-1", " "):
        with pytest.raises(ValueError, match="name"):
            await client.create_session(name=wrong)
    await client.close_session("session-1")
    assert (await client.create_session(name="session-1")).name == "session-1"


async def test_pool_limits_that_are_changed_hold_for_new_sessions(make: Make) -> None:
    """How many messages a session keeps, too."""
    client = make()
    client.pool = replace(client.pool, messages=2)
    session = await client.create_session()

    await client.execute(session, "hello")

    assert len(session.recent) == 2


SECRET = "s3cret-value-123"


async def runs_a_tool(cli: FakeTransport, message: dict[str, Any]) -> None:
    """Ask for a tool and use it, with the input that the host allows."""
    cli.begin(message)
    name, given = ("Bash", {"command": "rm *"})
    if prompt_of(message) == "question":
        name, given = "AskUserQuestion", {"questions": [{"question": "Which?", "options": []}]}
    block = {"type": "tool_use", "id": "toolu_1", "name": name, "input": given}
    cli.say({"type": "assistant", "message": {"content": [block]}, "parent_tool_use_id": None})
    await cli.ask(name, given)
    done = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "a.csv"}
    cli.say({"type": "user", "message": {"content": [done]}, "parent_tool_use_id": None})
    cli.result()


async def test_an_edited_command_is_recorded_as_the_one_that_ran(make: Make) -> None:
    """In the records, the data, the HTML and a kept run; with its secrets hidden, and marked as edited by you."""
    client = make(FakeCLIs(runs_a_tool), ask=lambda request: Allow({"command": f"ls {SECRET}"}))
    await client.create_session(SessionConfig(api_key=SECRET), name="a")
    response = await client.execute("a", "go")

    (record,) = client.records.tool_records()
    assert (record.input, record.permission) == ('{"command":"ls [redacted api_key]"}', "edited")
    note = next(one for one in client.records.message_records() if one.role == "user" and one.kind == "note")
    assert note.text == 'Bash was allowed, edited by you: {"command":"ls [redacted api_key]"}'
    bundle = response_bundle(response)
    part = bundle[MIME_TYPE]["parts"][0]
    assert (part["input"], part["edited"]) == ({"command": "ls [redacted api_key]"}, True)
    assert "edited by you" in bundle["text/html"]
    assert "rm *" not in bundle["text/html"]


async def test_what_was_not_edited_is_not_called_so(make: Make) -> None:
    """The same input, none at all, and the answers to the model's own questions."""
    inputs: dict[str, Any] = {"same": {"command": "rm *"}, "none": None, "question": {"answers": {"Which?": "this"}}}
    for prompt, given in inputs.items():
        client = make(FakeCLIs(runs_a_tool), ask=lambda request, given=given: Allow(given))
        await client.create_session(name="a")
        response = await client.execute("a", prompt)

        assert [record.permission for record in client.records.tool_records()] == ["allowed"]
        assert "edited by you" not in response_bundle(response)["text/html"]


async def test_get_session(make: Make) -> None:
    """By name or handle; an unknown one is told which there are."""
    client = make()
    session = await client.create_session(name="a")

    assert client.get_session("a") is client.get_session(session) is session
    with pytest.raises(SessionNotFoundError, match="'a'"):
        client.get_session("b")


@pytest.mark.parametrize("prompt", ["", " \n", []])
async def test_an_empty_prompt_is_refused(make: Make, prompt: Any) -> None:
    """Before anything starts."""
    clis = FakeCLIs()
    client = make(clis)
    await client.create_session(name="a")

    with pytest.raises(ValueError, match="empty"):
        client.stream("a", prompt)
    assert clis.started == []


async def test_a_prompt_of_content_blocks(make: Make) -> None:
    """Reaches the CLI as it is."""
    clis = FakeCLIs()
    client = make(clis)
    await client.create_session(name="a")
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": ""}}

    response = await client.execute("a", [{"type": "text", "text": "see"}, image])

    user = next(message for message in clis.last.sent if message["type"] == "user")
    assert user["message"]["content"] == [{"type": "text", "text": "see"}, image, {"type": "text", "text": "\n"}]
    assert response.prompt == "see\n\n[image]"


async def test_execute_is_the_stream_drained(make: Make) -> None:
    """One path: the same messages, the same response."""
    client = make()
    await client.create_session(name="a")
    response = await client.execute("a", "x")
    async with client.stream("a", "x") as stream:
        with pytest.raises(RuntimeError, match="over"):
            _ = stream.response
        messages = [message async for message in stream]

    assert messages == list(stream.response.messages)
    assert [message.type for message in messages] == [message.type for message in response.messages]
    assert stream.turn_id == stream.response.turn_id


async def test_the_response_of_a_turn_that_could_not_be_sent(make: Make) -> None:
    """Is the error that prevented it, and the metrics count it."""
    clis = FakeCLIs()
    client = make(clis)
    await client.create_session(SessionConfig(), name="a")
    clis.failures = [ValueError("wrong")]
    stream = client.stream("a", "x")
    with pytest.raises(ValueError, match="wrong"):
        async for _ in stream:
            pass

    with pytest.raises(ValueError, match="wrong"):
        _ = stream.response
    stats = client.get_stats()
    assert (stats.total_requests, stats.failed_requests) == (1, 1)


async def test_active_sessions_are_those_that_are_open(make: Make) -> None:
    """Whether they run or not; closed ones are not counted."""
    client = make()
    for name in "abc":
        await client.create_session(name=name)
    await client.execute("a", "x")
    await client.close_session("b")

    assert client.get_stats().active_sessions == 2
    assert client.frames.metrics()["active_sessions"].item() == 2


async def test_observers_get_every_message_in_batches(make: Make) -> None:
    """In order; one that fails is left out and disturbs nobody."""
    client = make()
    batches: list[Batch] = []

    def broken(batch: Batch) -> None:
        raise ArithmeticError

    client.observers += [broken, batches.append]
    await client.create_session(name="a")

    response = await client.execute("a", "x")

    seen = [message for batch in batches if batch.turn_id for message in batch.messages]
    assert seen == list(response.messages)
    assert client.observers == [batches.append]


async def test_the_tracer_is_told_what_happens(make: Make) -> None:
    """Enough to debug by and to test with."""
    events: list[tuple[str, dict[str, Any]]] = []
    client = make(tracer=lambda event, fields: events.append((event, fields)))
    await client.create_session(name="a")
    response = await client.execute("a", "x")
    await client.close()

    assert [event for event, _ in events] == ["turn", "spawn", "turn_over", "end"]
    assert events[0][1] == {"session": "a", "turn_id": response.turn_id}


async def test_records_stay_after_closing(make: Make) -> None:
    """Turns, messages, logs and numbers of closed sessions are still there."""
    client = make()
    await client.create_session(name="a")
    await client.execute("a", "x")
    await client.close_session("a")
    await client.close()

    assert [record.text for record in client.records.turn_records()] == ["echo: x"]
    assert [record.text for record in client.records.message_records()] == ["x", "echo: x"]
    assert client.records.log_entries("a")
    assert client.get_stats().success_requests == 1
    assert client.list_sessions() == []
    assert list(client.frames.turns()["prompt"]) == ["x"]


async def test_a_closed_client_takes_nothing(make: Make) -> None:
    """Neither sessions nor prompts; closing again is fine."""
    client = make()
    await client.create_session(name="a")
    stream = client.stream("a", "x")
    await client.close()
    await client.close()

    with pytest.raises(PoolClosedError):
        await client.create_session()
    with pytest.raises(PoolClosedError):
        await stream.__aenter__()
    assert client.is_closed


async def test_leaving_the_block_closes(make: Make) -> None:
    """A context manager."""
    clis = FakeCLIs()
    async with clis.client() as client:
        await client.create_session(name="a")
        await client.execute("a", "x")

    assert clis.alive == []
    assert "AsyncClaudeClient" in repr(client)


async def test_nothing_is_left_behind() -> None:
    """After closing, with turns in every state, no task of ours is left on the loop."""

    async def behave(cli: FakeTransport, message: dict[str, Any]) -> None:
        await (cli.until_interrupted() if cli.pid % 2 else echo(cli, message))

    before = asyncio.all_tasks()
    clis = FakeCLIs(behave, start_s=0.002)
    client = clis.client(max_sessions=3, max_running=2, prewarm=1)
    for number in range(6):
        await client.create_session(name=f"s{number}")
    jobs = [asyncio.create_task(client.execute(f"s{number % 6}", "x")) for number in range(12)]
    await asyncio.sleep(0.01)

    await client.close()
    await asyncio.gather(*jobs, return_exceptions=True)
    await asyncio.sleep(0)

    assert asyncio.all_tasks() - before == set()
    assert clis.alive == []


async def test_account_starts_and_ends_a_cli(make: Make) -> None:
    """What the CLI says before any turn; nothing is left running."""
    clis = FakeCLIs()
    info = await make(clis).account()

    assert [model["value"] for model in info["models"]] == ["fake-model", "other-model"]
    assert clis.alive == []
