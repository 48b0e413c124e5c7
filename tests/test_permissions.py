"""Who answers when the CLI asks: whatever comes back, the tool runs only on a clear Allow."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

import pytest

from claude_magic.permissions import Allow, Deny, PermissionRequest, decide, wire_answer

REQUEST = PermissionRequest("main", "turn-1", "Bash", {"command": "ls"}, "toolu_1")


async def test_nobody_to_ask_is_a_denial() -> None:
    """Fail closed."""
    assert isinstance(await decide(None, REQUEST, in_thread=False), Deny)


@pytest.mark.parametrize("in_thread", [False, True])
async def test_an_exception_is_a_denial(in_thread: bool, caplog: pytest.LogCaptureFixture) -> None:
    """The model learns the kind of failure, the log all of it."""

    def ask(request: PermissionRequest) -> Allow:
        raise LookupError("secret words")

    decision = await decide(ask, REQUEST, in_thread=in_thread)

    assert isinstance(decision, Deny)
    assert "LookupError" in decision.reason
    assert "secret words" not in decision.reason
    assert "denied" in caplog.text


@pytest.mark.parametrize("answer", [None, True, "yes", Allow])
async def test_any_other_answer_is_a_denial(answer: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Only an instance of Allow allows."""
    caplog.set_level(logging.CRITICAL)

    assert isinstance(await decide(lambda request: answer, REQUEST, in_thread=False), Deny)


async def test_ask_may_be_a_coroutine_function() -> None:
    """On the loop it is awaited."""

    async def ask(request: PermissionRequest) -> Allow:
        await asyncio.sleep(0)
        return Allow({"command": request.tool_input["command"] + " -l"})

    assert await decide(ask, REQUEST, in_thread=False) == Allow({"command": "ls -l"})


async def test_ask_may_block_a_thread_of_its_own() -> None:
    """Asked in a thread, it is not on the loop's."""
    threads: list[threading.Thread] = []

    def ask(request: PermissionRequest) -> Allow:
        threads.append(threading.current_thread())
        return Allow()

    assert await decide(ask, REQUEST, in_thread=True) == Allow()
    assert threads != [threading.current_thread()]


async def test_a_withdrawn_question_ends_the_asking() -> None:
    """Cancelling is no denial: it goes through."""

    async def ask(request: PermissionRequest) -> Allow:
        await asyncio.Event().wait()
        return Allow()

    task = asyncio.ensure_future(decide(ask, REQUEST, in_thread=False))
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


def test_an_allow_repeats_the_input() -> None:
    """The older CLI fails without it."""
    assert wire_answer(REQUEST, Allow()) == {"behavior": "allow", "updatedInput": {"command": "ls"}}


def test_an_allow_may_change_the_input_and_set_rules() -> None:
    """The changed input is what runs; an empty one is a change too."""
    rule = {"type": "addRules"}

    assert wire_answer(REQUEST, Allow({"command": "pwd"}, (rule,))) == {
        "behavior": "allow", "updatedInput": {"command": "pwd"}, "updatedPermissions": [rule],
    }  # fmt: skip
    assert wire_answer(REQUEST, Allow({}))["updatedInput"] == {}


def test_a_deny_says_why_and_may_stop() -> None:
    """`stop` becomes the CLI's interrupt."""
    assert wire_answer(REQUEST, Deny("no", stop=True)) == {"behavior": "deny", "message": "no", "interrupt": True}
