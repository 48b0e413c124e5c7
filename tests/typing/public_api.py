"""The public interface as a program uses it: mypy reads this file (`make check`), and no one runs it.

`assert_type` says what a user's editor and type checker see. A change here is a change of the interface.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, assert_type

import pandas as pd

from claude_magic import (
    Allow,
    AsyncClaudeClient,
    Checkpoint,
    ClaudeClient,
    ClaudeError,
    Deny,
    Message,
    MessageType,
    Outcome,
    PermissionRequest,
    PoolConfig,
    QueuedPrompt,
    ResultError,
    RetryPolicy,
    Rewind,
    Session,
    SessionActivity,
    SessionConfig,
    SessionInfo,
    SessionState,
    SimulatedAPI,
    Stats,
    TurnTimeoutError,
    Usage,
    __version__,
    get_client,
    read_transcripts,
)


def settings() -> SessionConfig:
    """Settings are frozen; a changed copy has the same type."""
    config = SessionConfig(
        model="haiku",
        system_prompt="Be brief.",
        working_dir=Path.cwd(),
        allowed_tools=("Read", "Grep"),
        json_schema={"type": "object"},
        environment={"LANG": "C"},
        simulated=SimulatedAPI("http://127.0.0.1:8000", "/tmp/config"),
    )
    assert_type(config, SessionConfig)
    assert_type(config.replace(model="opus"), SessionConfig)
    return config


def decide(request: PermissionRequest) -> Allow | Deny:
    """A callable that waits is asked by either client."""
    assert_type(request.tool_input, dict[str, Any])
    return Allow() if request.tool_name == "Read" else Deny("Only reading.")


async def decide_later(request: PermissionRequest) -> Allow | Deny:
    """And so is a coroutine."""
    return Deny(request.description, stop=True)


def sessions_and_prompts() -> None:
    """The client that waits."""
    limits = PoolConfig(max_sessions=2, acquire_timeout_s=10)
    with ClaudeClient(settings(), pool=limits, retry=RetryPolicy(max_retries=1), ask=decide) as client:
        assert_type(client, ClaudeClient)
        session = client.create_session(name="analysis")
        assert_type(session, Session)
        assert_type(session.state, SessionState)
        assert_type(client.list_sessions(), list[SessionInfo])
        assert_type(client.get_stats(), Stats)
        assert_type(client.submit(session, "later").done(), bool)
        assert_type(client.interrupt("analysis"), bool)
        assert_type(client.log_to(logging.StreamHandler()), Callable[[], None])

        response = client.execute(session, "What is in this folder?", timeout_s=60)
        assert_type(response.text, str)
        assert_type(response.structured, Any)
        assert_type(response.outcome, Outcome)
        assert_type(response.usage, Usage)
        assert_type(response.usage + response.usage, Usage)
        assert_type(response.cost_usd, float)
        assert_type(response.ttft_s, float | None)
        assert_type(response.messages, tuple[Message, ...])
        assert_type(response.tables, list[pd.DataFrame])
        assert_type([block.language for block in response.code], list[str])

        with client.stream("analysis", [{"type": "text", "text": "Tell me more"}]) as stream:
            for message in stream:
                assert_type(message, Message)
                assert_type(message.type, MessageType)
                assert_type(message.text, str)
            assert_type(stream.response.duration_s, float)
    assert_type(get_client(), ClaudeClient)


async def the_same_for_asyncio() -> None:
    """The client for asyncio has the same names."""
    async with AsyncClaudeClient(settings(), ask=decide_later) as client:
        session = await client.create_session(name="analysis")
        assert_type(session, Session)
        assert_type(client.list_sessions(), list[SessionInfo])
        assert_type((await client.execute(session, "Hello")).text, str)
        async with client.stream(session, "Tell me more") as stream:
            async for message in stream:
                assert_type(message, Message)
        assert_type(await client.interrupt(session), bool)
        await client.close_session(session)


def errors(client: ClaudeClient) -> str:
    """One tree; each error knows what it is and what there was so far."""
    try:
        return client.execute("main", "Hello").text
    except TurnTimeoutError as error:
        assert_type(error.retryable, bool)
        return error.code
    except ResultError as error:
        return error.message
    except ClaudeError as error:
        return error.response.text if error.response is not None else error.message


def records(client: ClaudeClient) -> None:
    """What happened, as tables; what the CLI's own files say, as the same ones."""
    assert_type(client.frames.turns(), pd.DataFrame)
    assert_type(client.frames.tools(), pd.DataFrame)
    transcripts = read_transcripts(Path.home() / ".claude")
    assert_type(transcripts.turns(), pd.DataFrame)
    assert_type(transcripts.sessions(), pd.DataFrame)
    for some in transcripts.iter_messages(chunk=1000):
        assert_type(some, pd.DataFrame)


def waiting_later(client: ClaudeClient) -> list[Future[Any]]:
    """Several prompts side by side."""
    assert_type(__version__, str)
    return [client.submit(name, "Summarise.") for name in ("a", "b")]


def steering(client: ClaudeClient) -> None:
    """Prompts that wait, going back, and how a session stands."""
    assert_type(client.list_queued("main"), list[QueuedPrompt])
    assert_type(client.list_turns("main"), list[Checkpoint])
    assert_type(client.rewind("main", client.list_turns("main")[-1].turn_id, dry_run=True), Rewind)
    assert_type(client.redo("main"), Rewind)
    assert_type(client.list_activity()["main"], SessionActivity)
    client.steer("main", client.list_queued("main")[0].turn_id)
    client.rename_session("main", "analysis")


async def steering_async(client: AsyncClaudeClient) -> None:
    """The same, in async code."""
    assert_type(client.list_queued("main"), list[QueuedPrompt])
    assert_type(await client.rewind("main", client.list_turns("main")[-1].turn_id), Rewind)
