"""How a turn ends before its end: in every state of it, by a person or by its limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fakes import FakeTransport, echo, prompt_of
from sessions import Begin, fake_sessions, ignore, in_background, talk_until_interrupted, until

from claude_magic.config import SessionConfig
from claude_magic.engine import stopping
from claude_magic.errors import (
    TurnTimeoutError,
)
from claude_magic.permissions import Allow, PermissionRequest


@pytest.fixture
async def begin() -> AsyncIterator[Begin]:
    """Makes a client over fake CLIs with one session, `main`."""
    async with fake_sessions() as begin:
        yield begin


# Interrupts.


async def test_interrupt_of_an_idle_session_does_nothing(begin: Begin) -> None:
    """Neither before its first prompt, nor between turns."""
    client, clis = await begin()
    assert await client.interrupt("main") is False
    await client.execute("main", "x")

    assert await client.interrupt("main") is False
    assert clis.last.requests("interrupt") == []


async def test_interrupt_of_a_running_turn_keeps_text_and_process(begin: Begin) -> None:
    """It returns as interrupted, and the session goes on in the same process."""
    client, clis = await begin(talk_until_interrupted)
    job = in_background(client, "x")
    await until(lambda: clis.started and clis.last.prompts)

    assert await client.interrupt("main") is True
    response = await job
    clis.last.behave = echo

    assert (response.outcome, response.text) == ("interrupted", "So far")
    assert (await client.execute("main", "y")).text == "echo: y"
    assert len(clis.started) == 1


async def test_interrupt_drops_the_waiting_prompts(begin: Begin) -> None:
    """They end as interrupted responses that were never sent and cost nothing; later ones run."""
    client, clis = await begin(talk_until_interrupted)
    jobs = [in_background(client, f"p{number}") for number in range(3)]
    await until(lambda: clis.started and clis.last.prompts)

    await client.interrupt("main")
    responses = await asyncio.gather(*jobs)
    clis.last.behave = echo
    await client.execute("main", "later")

    assert [response.outcome for response in responses] == ["interrupted"] * 3
    assert [response.text for response in responses] == ["So far", "", ""]
    assert [response.prompt for response in responses] == ["p0", "p1", "p2"]
    assert [response.sent for response in responses] == [True, False, False]
    assert clis.last.prompts == ["p0", "later"]
    assert client.get_session("main").turns == 2


async def test_interrupt_works_at_once(begin: Begin) -> None:
    """A stream left in the very moment it was entered sends nothing."""
    client, clis = await begin()

    async with client.stream("main", "x") as stream:
        pass

    assert stream.response.outcome == "interrupted"
    assert clis.started == []


async def test_interrupt_works_while_the_process_starts(begin: Begin) -> None:
    """The prompt is dropped and the process that was starting is ended."""
    client, clis = await begin(start_s=5)
    job = in_background(client, "x")
    await until(lambda: clis.started)

    await client.interrupt("main")

    assert (await job).outcome == "interrupted"
    assert clis.alive == []


async def test_interrupt_works_while_the_prompt_waits_for_room(begin: Begin) -> None:
    """It leaves the line."""
    client, clis = await begin(talk_until_interrupted, max_sessions=1)
    await client.create_session(name="other")
    running = in_background(client, "x")
    await until(lambda: clis.started and clis.last.prompts)
    waiting = in_background(client, "y", "other")
    await until(lambda: client.get_stats().waiting == 1)

    await client.interrupt("other")

    assert (await waiting).outcome == "interrupted"
    assert client.get_stats().waiting == 0
    await client.interrupt("main")
    await running


async def test_interrupt_works_while_permission_is_asked(begin: Begin) -> None:
    """The question is withdrawn, the turn ends."""
    asked = asyncio.Event()
    withdrawn = asyncio.Event()

    async def ask(request: PermissionRequest) -> Allow:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            withdrawn.set()
        return Allow()

    async def behave(cli: FakeTransport, message: dict[str, Any]) -> None:
        cli.begin(message)
        question = asyncio.create_task(cli.ask("Bash", {"command": "rm x"}))
        await cli.interrupted.wait()
        question.cancel()
        cli.say({"type": "control_cancel_request", "request_id": next(iter(cli.answers))})
        await cli.until_interrupted()

    client, _ = await begin(behave, ask=ask)
    job = in_background(client, "x")
    await asked.wait()

    await client.interrupt("main")

    assert (await job).outcome == "interrupted"
    async with asyncio.timeout(5):
        await withdrawn.wait()


async def test_interrupt_ends_the_process_the_second_time(begin: Begin) -> None:
    """The first asks, the second does not; the next prompt resumes."""
    client, clis = await begin(ignore)
    job = in_background(client, "x")
    await until(lambda: clis.started and clis.last.prompts)
    first = asyncio.create_task(client.interrupt("main"))
    await until(lambda: clis.last.requests("interrupt"))

    await client.interrupt("main")

    response = await job
    await first
    assert (response.outcome, response.text) == ("interrupted", "So far")
    assert clis.last.exit_code == -9
    clis.behave = echo
    assert (await client.execute("main", "y")).text == "echo: y"
    assert f"--resume={response.session_id}" in clis.last.launch.argv


async def test_interrupt_ends_a_cli_that_does_not_obey(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time of grace."""
    monkeypatch.setattr(stopping, "INTERRUPT_GRACE_S", 0.02)
    client, clis = await begin(ignore)
    job = in_background(client, "x")
    await until(lambda: clis.started and clis.last.prompts)

    await client.interrupt("main")

    assert (await job).outcome == "interrupted"
    assert clis.last.exit_code == -9


async def test_stream_left_early_interrupts_its_turn_only(begin: Begin) -> None:
    """The session goes on with the prompt that waited."""

    async def behave(cli: FakeTransport, message: dict[str, Any]) -> None:
        await (talk_until_interrupted if prompt_of(message) == "long" else echo)(cli, message)

    client, _ = await begin(behave)
    async with client.stream("main", "long") as stream:
        waiting = in_background(client, "next")
        async for message in stream:
            if message.type == "text":
                break

    assert stream.response.outcome == "interrupted"
    assert (await waiting).text == "echo: next"


# Time.


async def test_overdue_turn_ends_by_silence(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    """A CLI that says nothing is asked to stop, then ended; the error has what there was."""
    monkeypatch.setattr(stopping, "INTERRUPT_GRACE_S", 0.02)
    client, clis = await begin(ignore, SessionConfig(silence_timeout_s=0.05))

    with pytest.raises(TurnTimeoutError, match=r"nothing for 0\.05 s") as caught:
        await client.execute("main", "x")

    assert caught.value.response is not None
    assert (caught.value.response.text, caught.value.response.outcome) == ("So far", "timeout")
    clis.behave = echo
    assert (await client.execute("main", "y")).text == "echo: y"


async def test_overdue_turn_names_the_setting_of_silence(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    """And how to have more of it."""
    monkeypatch.setattr(stopping, "INTERRUPT_GRACE_S", 0.02)
    client, _ = await begin(ignore, SessionConfig(silence_timeout_s=0.05))

    with pytest.raises(TurnTimeoutError, match=r"silence_timeout_s.*ClaudeMagics.silence_timeout_s.*--timeout"):
        await client.execute("main", "x")


async def test_overdue_limit_of_a_prompt_takes_the_place_of_that_of_silence(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A prompt that may take long may be silent for as long."""
    monkeypatch.setattr(stopping, "INTERRUPT_GRACE_S", 0.02)
    client, _ = await begin(ignore, SessionConfig(silence_timeout_s=0.05))

    with pytest.raises(TurnTimeoutError, match=r"Stopped after 0\.3 s, the limit of this prompt"):
        await client.execute("main", "x", timeout_s=0.3)


async def test_overdue_leaves_out_the_time_of_a_person_and_a_tool(begin: Begin) -> None:
    """Their time does not count, for silence; a person's not for the turn's limit either."""

    async def ask(request: PermissionRequest) -> Allow:
        await asyncio.sleep(0.15)
        return Allow()

    async def behave(cli: FakeTransport, message: dict[str, Any]) -> None:
        cli.begin(message)
        use = {"type": "tool_use", "id": "t1", "name": "Bash", "input": {}}
        await cli.ask("Bash", {})
        cli.say({"type": "assistant", "message": {"content": [use]}})
        await asyncio.sleep(0.15)
        done = {"type": "tool_result", "tool_use_id": "t1", "content": "ok"}
        cli.say({"type": "user", "message": {"content": [done]}})
        cli.text("Done.")
        cli.result()

    client, _ = await begin(behave, SessionConfig(silence_timeout_s=0.1, turn_timeout_s=0.28), ask=ask)

    assert (await client.execute("main", "x")).text == "Done."


async def test_overdue_turn_ends_at_its_limit(begin: Begin) -> None:
    """However much it says; a prompt's own limit wins over the session's."""

    async def chatter(cli: FakeTransport, message: dict[str, Any]) -> None:
        cli.begin(message)
        while not cli.interrupted.is_set():
            cli.text("more ")
            await asyncio.sleep(0.005)
        await cli.until_interrupted()

    client, clis = await begin(chatter, SessionConfig(turn_timeout_s=60))

    with pytest.raises(TurnTimeoutError, match=r"after 0\.05 s"):
        await client.execute("main", "x", timeout_s=0.05)
    assert clis.last.exit_code is None
