"""One prompt on its way: its readers, its clocks, and how it ends."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from lines import (
    Line,
    assistant,
    decode,
    delta,
    event,
    result,
    streamed,
    text_block,
    tool_result,
    tool_use,
)

from claude_magic.engine import turn as turn_module
from claude_magic.engine.cost import TurnCost
from claude_magic.engine.turn import Turn, TurnContext, build_response, prompt_text
from claude_magic.errors import (
    ConnectionFailedError,
    OverloadedError,
    ProcessError,
    RateLimitError,
    StructuredOutputError,
    TurnTimeoutError,
)
from claude_magic.messages import Message, MessageType
from claude_magic.redaction import Redactor
from claude_magic.response import AnswerSource, Outcome, Response

CONTEXT = TurnContext(
    3, "sid", "model-a", AnswerSource.SIMULATOR, wants_structure=False, redactor=Redactor({"K": "secret1"})
)


class Clock:
    """Time that moves when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return 1_000_000 + self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(turn_module, "time", made)
    return made


def ended(*lines: Line, context: TurnContext = CONTEXT, change: Any = None) -> tuple[Response, Any]:
    """Conclude a turn whose last line is its result."""
    turn = Turn("main", "prompt secret1")
    turn.mark_sent()
    messages = decode(*lines)
    turn.add(messages)
    if change is not None:
        change(turn)
    return build_response(turn, messages[-1], TurnCost(0.5), context)


def test_turn_that_succeeds_returns_a_response() -> None:
    """Text, numbers and ids of a good turn."""
    response, error = ended(*streamed("Hi."), result("Hi.", num_turns=2))

    assert error is None
    assert (response.text, response.outcome, response.num_steps, response.cost_usd) == ("Hi.", "success", 2, 0.5)
    assert (response.turn, response.session, response.session_id, response.model) == (3, "main", "sid", "model-a")
    assert response.simulated
    assert response.prompt == "prompt [redacted K]"
    assert len(response.messages) == 4


def test_turn_text_of_messages_is_the_responses_text() -> None:
    """Joining what arrived equals `response.text`, paragraphs included."""
    response, _ = ended(*streamed("One."), assistant(tool_use()), tool_result("x"), *streamed("Two."), result())

    assert response.text == "One.\n\nTwo."
    assert "".join(message.text for message in response.messages if message.type == "text") == response.text


def test_turn_loses_withdrawn_text() -> None:
    """What the CLI abandoned is no part of the answer."""
    stop = event("message_stop", abandoned_blocks={"from_block_index": 1})
    response, _ = ended(*streamed("Kept."), delta("lost", 1), stop, result("Kept."))

    assert response.text == "Kept."


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        ({"subtype": "error_max_turns", "is_error": True}, Outcome.MAX_TURNS),
        ({"subtype": "error_max_budget_usd", "is_error": True}, Outcome.BUDGET),
        ({"permission_denials": [{"tool_name": "Bash"}]}, Outcome.SUCCESS),
    ],
)
def test_turn_outcomes_that_return(fields: dict[str, Any], outcome: Outcome) -> None:
    """Limits end a turn without an error; a plain denial is a success."""
    response, error = ended(*streamed("So far."), result(**fields))

    assert error is None
    assert response.outcome is outcome
    assert response.text == "So far."
    assert len(response.denials) == len(fields.get("permission_denials", ()))


ABORTED = {"subtype": "error_during_execution", "is_error": True, "terminal_reason": "aborted_streaming"}


def test_turn_that_is_interrupted_returns_what_there_is() -> None:
    """The text so far stays."""
    response, error = ended(
        *streamed("So far"), result(**ABORTED), change=lambda turn: setattr(turn, "stop_requested", True)
    )

    assert (error, response.outcome, response.text) == (None, "interrupted", "So far")


def test_turn_after_deny_and_stop_is_denied() -> None:
    """The person ended it, by a denial."""
    response, error = ended(result(**ABORTED), change=lambda turn: setattr(turn, "denied_and_stopped", True))

    assert (error, response.outcome) == (None, "denied")


def test_turn_that_ended_before_the_interrupt_is_a_success() -> None:
    """The race is decided by the CLI's result."""
    response, error = ended(*streamed("Done."), result(), change=lambda turn: setattr(turn, "stop_requested", True))

    assert (error, response.outcome) == (None, "success")


def test_turn_that_ended_before_its_timeout_is_a_success() -> None:
    """Likewise for the watchdog."""
    response, error = ended(*streamed("Done."), result(), change=lambda turn: setattr(turn, "timed_out", "late"))

    assert (error, response.outcome) == (None, "success")


def test_turn_timeout_is_an_error_with_what_there_was() -> None:
    """Outcome timeout; the words say which limit."""
    response, error = ended(delta("So far"), result(**ABORTED), change=lambda turn: setattr(turn, "timed_out", "60 s"))

    assert isinstance(error, TurnTimeoutError)
    assert (response.outcome, response.text, response.error) == ("timeout", "So far", "60 s")


def test_turn_result_of_success_with_is_error_is_an_error() -> None:
    """API failures come as subtype success: the flag decides, the last error line names it."""
    _, error = ended(
        assistant(text_block("Overloaded"), error="server_error"),
        result("API Error: 529 Overloaded", is_error=True, api_error_status=529),
    )

    assert isinstance(error, OverloadedError)


def test_turn_outcome_is_not_an_error_line_inside_it() -> None:
    """The CLI may go on after it."""
    response, error = ended(assistant(text_block("broke"), error="unknown"), *streamed("Fine."), result("Fine."))

    assert (error, response.outcome) == (None, "success")


def test_turn_error_of_a_rate_limit_knows_its_end() -> None:
    """From the event that came before the result."""
    limit = {"type": "rate_limit_event", "rate_limit_info": {"status": "rejected", "resetsAt": 1234}}
    _, error = ended(limit, result("limit", is_error=True, api_error_status=429))

    assert isinstance(error, RateLimitError)
    assert error.resets_at == 1234


def test_turn_with_half_an_answer_is_not_a_success() -> None:
    """2.1.197 calls a stream that ended in the middle a success without a stop reason."""
    response, error = ended(event("message_start"), *streamed("Half an"), result("Half an", stop_reason=None))

    assert isinstance(error, ConnectionFailedError)
    assert (response.outcome, response.text) == ("error", "Half an")
    assert error.retryable


def test_turn_of_a_slash_command_without_a_stop_reason_is_a_success() -> None:
    """No stream began, so none was cut off."""
    assert ended(result("done", stop_reason=None, num_turns=0))[1] is None


def test_turn_without_the_wanted_structure_is_an_error() -> None:
    """The CLI calls it a success; the caller wanted an object."""
    context = TurnContext(1, "sid", "m", AnswerSource.MODEL, wants_structure=True, redactor=Redactor())

    assert isinstance(ended(result("words"), context=context)[1], StructuredOutputError)
    assert ended(result("{}", structured_output={}), context=context)[0].structured == {}


def test_turn_of_a_dead_process_is_its_error_unless_it_was_stopped() -> None:
    """A turn that was asked to stop is interrupted, however its process ended."""
    process_error = ProcessError("died", exit_code=-9)
    turn = Turn("main", "p")
    turn.mark_sent()
    turn.add(decode(delta("So far")))

    response, error = build_response(turn, None, TurnCost(), CONTEXT, process_error)
    assert (error, response.outcome, response.text) == (process_error, "error", "So far")

    turn.stop_requested = True
    response, error = build_response(turn, None, TurnCost(), CONTEXT, process_error)
    assert (error, response.outcome) == (None, "interrupted")


def test_turn_error_carries_the_response() -> None:
    """The one who catches it has what there was."""
    turn = Turn("main", "p")
    error = ProcessError("died")
    turn.finish(Response("So far"), error)

    assert error.response is turn.response
    assert turn.is_over


async def test_turn_gives_several_readers_everything() -> None:
    """A reader that comes late begins at the beginning."""
    turn = Turn("main", "p")

    async def read() -> list[Message]:
        return [message async for batch in turn.updates() for message in batch]

    early = asyncio.create_task(read())
    await asyncio.sleep(0)
    for piece in "abc":
        turn.add(decode(delta(piece)))
        await asyncio.sleep(0)
    turn.finish(Response("abc"))

    assert [message.text for message in await early] == ["a", "b", "c"]
    assert [message.text for message in await read()] == ["a", "b", "c"]


def test_turn_does_not_count_a_persons_time(clock: Clock) -> None:
    """Neither for the turn's own limit, nor as silence; two questions at once count once."""
    turn = Turn("main", "p")
    turn.mark_sent()
    clock.now += 2
    turn.question_asked()
    clock.now += 50
    turn.question_asked()
    assert (turn.elapsed_s(), turn.silent_s()) == (2, 0)
    turn.question_answered()
    clock.now += 50
    assert (turn.elapsed_s(), turn.silent_s()) == (2, 0)
    turn.question_answered()
    clock.now += 3

    assert (turn.elapsed_s(), turn.silent_s()) == (5, 3)


def test_turn_is_not_silent_while_a_tool_runs(clock: Clock) -> None:
    """Silence begins when its result has come."""
    turn = Turn("main", "p")
    turn.mark_sent()
    turn.add(decode(assistant(tool_use())))
    clock.now += 500
    assert (turn.silent_s(), turn.elapsed_s()) == (0, 500)

    turn.add(decode(tool_result("done")))
    clock.now += 4
    assert turn.silent_s() == 4


def test_turn_ttft_counts_from_sending() -> None:
    """To the first text, thinking or tool; `None` if there was none."""
    turn = Turn("main", "p")
    turn.sent = 1_699_999_998.0
    turn.add(decode(event("message_start")))
    assert turn.ttft_s is None

    turn.add(decode(delta("x")))
    assert turn.ttft_s == 2.0


def test_turn_shows_a_prompt_of_blocks_as_text() -> None:
    """Blocks that are no text are named."""
    assert prompt_text([text_block("see"), {"type": "image"}]) == "see\n\n[image]"


def test_turn_has_a_uuid_of_its_own() -> None:
    """The CLI swallows one it has seen."""
    assert len({Turn("main", "p").id for _ in range(100)}) == 100


async def test_turn_gathers_streamed_text_and_nothing_else() -> None:
    """A reader that draws is woken once for the pieces of some time; the end of the turn does not wait."""
    turn = Turn("main", "hi")
    seen: list[list[Message]] = []

    async def read() -> None:
        async for batch in turn.updates(every_s=60.0):
            seen.append(batch)

    reader = asyncio.create_task(read())
    turn.add([Message(MessageType.TEXT, "a", b"", 0.0)])
    await asyncio.sleep(0)
    for piece in "bcd":
        turn.add([Message(MessageType.TEXT, piece, b"", 0.0)])
        await asyncio.sleep(0)
    turn.fail(ValueError("over"))
    async with asyncio.timeout(30):
        await reader

    assert ["".join(message.text for message in batch) for batch in seen] == ["a", "bcd"]
