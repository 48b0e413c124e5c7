"""Whose turn a message belongs to, as the CLI's own words about its prompts tell (`command_lifecycle`, 2.1.330 on)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from claude_magic.cli.decoder import Decoder
from claude_magic.engine.router import Router
from claude_magic.engine.turn import Turn
from claude_magic.errors import ControlError
from claude_magic.messages import Message

INIT = {"type": "system", "subtype": "init"}


def life(uuid: str, state: str) -> dict[str, Any]:
    return {"type": "command_lifecycle", "command_uuid": uuid, "state": state}


def words(text: str) -> dict[str, Any]:
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}
    return {"type": "stream_event", "event": delta}


def result(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "result", "subtype": "success", "result": text, **more}


class Routes:
    """A router, what each of its turns got, and the results of unsolicited turns."""

    def __init__(self) -> None:
        self.extras: list[str] = []
        self.router = Router(lambda turn, messages: None, lambda turn, message: self.extras.append(message.text))
        self._decoder = Decoder()

    async def prompt(self, *lines: dict[str, Any]) -> tuple[str, bool, Turn]:
        """Send a prompt, let the CLI say these lines ("OURS" is its uuid); return its text and whether it is over."""
        turn = Turn("main", "prompt")
        answered = self.router.begin(turn, await_echo=False)
        written = [json.dumps(line).replace("OURS", turn.id).encode() for line in lines]
        self.router.route(self._decoder.decode(written, 0.0), lambda event, message: None)
        over = answered.done()
        self.router.leave(turn)
        return turn.text, over, turn


OURS = (life("OURS", "started"), INIT, words("mine"), result("mine", user_message_uuids=["OURS"]))


@pytest.mark.parametrize(
    "lines",
    [
        (life("OURS", "queued"), *OURS, life("OURS", "completed")),
        # A task that a resumed conversation had left reports first.
        (life("OURS", "queued"), INIT, words("report"), result("report"), *OURS),
        # A scheduled turn begins between the prompt and its queueing.
        (life("cron", "started"), life("OURS", "queued"), INIT, words("tick"), result("tick"), *OURS),
        # The result of something else has uuids of its own.
        (life("OURS", "queued"), INIT, words("other"), result("other", user_message_uuids=["x"]), *OURS),
    ],
)
async def test_router_gives_a_prompt_its_own_turn(lines: tuple[dict[str, Any], ...]) -> None:
    """What comes before the prompt is started belongs to an unsolicited turn."""
    routes = Routes()
    text, over, _ = await routes.prompt(*lines)

    assert (text, over) == ("mine", True)
    assert routes.extras == [line["result"] for line in lines if line["type"] == "result" and line["result"] != "mine"]


async def test_router_waits_from_the_beginning_once_it_knows_the_cli() -> None:
    """After the first prompt it is known that the CLI tells: a foreign turn before the queueing is not ours either."""
    routes = Routes()
    await routes.prompt(life("OURS", "queued"), *OURS)
    text, over, _ = await routes.prompt(INIT, words("tick"), result("tick"), life("OURS", "queued"), *OURS)

    assert (text, over, routes.extras) == ("mine", True, ["tick"])


NEW_INIT = {**INIT, "claude_code_version": "2.1.332"}


async def test_router_knows_a_foreign_turn_before_the_first_prompt_is_queued() -> None:
    """The very first result of a CLI may be that of something else: its version tells that ours will be named."""
    routes = Routes()
    text, over, _ = await routes.prompt(NEW_INIT, words("tick"), result("tick"), life("OURS", "queued"), *OURS)

    assert (text, over, routes.extras) == ("mine", True, ["tick"])


@pytest.mark.parametrize("state", ["held_back", "", None, 7, ["started"]])
async def test_router_is_not_moved_by_a_state_that_it_does_not_know(state: Any) -> None:
    """Only the states that are known to say so start a prompt."""
    routes = Routes()
    line = {"type": "command_lifecycle", "command_uuid": "OURS", "state": state}
    text, over, _ = await routes.prompt(life("OURS", "queued"), line, INIT, words("tick"), result("tick"), *OURS)

    assert (text, over, routes.extras) == ("mine", True, ["tick"])


@pytest.mark.parametrize("state", ["refused", "discarded"])
async def test_router_ends_a_prompt_that_will_never_run(state: str) -> None:
    """No result will come: the prompt fails at once, with the CLI's word for it."""
    turn = Turn("main", "prompt")
    router = Router(lambda turn, messages: None, lambda turn, message: None)
    answered = router.begin(turn, await_echo=False)
    lines = [json.dumps(life(turn.id, said)).encode() for said in ("queued", state)]
    router.route(Decoder().decode(lines, 0.0), lambda event, message: None)

    with pytest.raises(ControlError, match=state):
        await answered


async def test_router_takes_what_the_cli_answers_by_itself() -> None:
    """A prompt that is over without a start lets its messages through."""
    text, over, _ = await Routes().prompt(
        life("OURS", "queued"), INIT, words("local"), life("OURS", "completed"), result("local")
    )

    assert (text, over) == ("local", True)


async def test_router_goes_by_the_echo_of_an_older_cli() -> None:
    """Without any word about its prompts, the first result that is no report of a task is ours."""
    text, over, _ = await Routes().prompt(INIT, words("mine"), result("mine"))

    assert (text, over) == ("mine", True)


@pytest.mark.parametrize("odd", [7, "x", [1], {"kind": 3}, None])
async def test_router_reads_odd_shapes(odd: Any) -> None:
    """Uuids and origins in another shape are none."""
    text, over, _ = await Routes().prompt(INIT, words("mine"), result("mine", user_message_uuids=odd, origin=odd))

    assert (text, over) == ("mine", True)


def test_router_gives_the_message_of_a_result_once() -> None:
    """Words that only the result brings are a text before it; those that were streamed are not said again."""

    def types(*lines: dict[str, Any]) -> list[tuple[str, str]]:
        messages: list[Message] = Decoder().decode([json.dumps(line).encode() for line in lines], 0.0)
        return [(str(message.type), message.text) for message in messages if message.type in ("text", "result")]

    assert types(INIT, result("blocked by a hook")) == [("text", "blocked by a hook"), ("result", "blocked by a hook")]
    assert types(INIT, words("hi"), result("hi")) == [("text", "hi"), ("result", "hi")]
    assert types(INIT, result("failed", is_error=True)) == [("result", "failed")]
    assert types(INIT, result("{}", structured_output={})) == [("result", "{}")]
    assert types(result("a report of its own")) == [("result", "a report of its own")]
