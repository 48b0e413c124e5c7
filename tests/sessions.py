"""Sessions over CLIs in memory, and what tests of them do: wait for something, talk, prompt in the background."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from fakes import Behaviour, FakeCLIs, FakeTransport, echo

from claude_magic.client import AsyncClaudeClient
from claude_magic.config import SessionConfig
from claude_magic.response import Response

Begin = Callable[..., Awaitable[tuple[AsyncClaudeClient, FakeCLIs]]]


@asynccontextmanager
async def fake_sessions() -> AsyncIterator[Begin]:
    """Makes clients over fake CLIs with one session each, `main`; they close at the end."""
    made: list[AsyncClaudeClient] = []

    async def start(
        behave: Behaviour = echo, config: SessionConfig | None = None, start_s: float = 0.0, **options: Any
    ) -> tuple[AsyncClaudeClient, FakeCLIs]:
        clis = FakeCLIs(behave, start_s)
        client = clis.client(config, **options)
        made.append(client)
        await client.create_session(name="main")
        return client, clis

    yield start
    for client in made:
        await client.close()


async def until(condition: Callable[[], object]) -> None:
    """Let the loop run until something holds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  a fake has nothing to wait on
            await asyncio.sleep(0.001)


async def talk_until_interrupted(cli: FakeTransport, message: dict[str, Any]) -> None:
    cli.begin(message)
    cli.text("So far")
    await cli.until_interrupted()


async def ignore(cli: FakeTransport, message: dict[str, Any]) -> None:
    """Begin, and never end."""
    cli.begin(message)
    cli.text("So far")


def in_background(client: AsyncClaudeClient, prompt: str, session: str = "main") -> asyncio.Task[Response]:
    return asyncio.create_task(client.execute(session, prompt))
