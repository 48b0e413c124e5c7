"""Playing: what was recorded comes again, with no CLI and for nothing."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeCLIs, FakeTransport, echo
from tapes import allow, record, replayer

from claude_magic.client import AsyncClaudeClient
from claude_magic.errors import ClaudeError, ResultError
from claude_magic.messages import Message
from claude_magic.permissions import Deny, PermissionRequest
from claude_magic.recording import TapeReplayer
from claude_magic.response import AnswerSource, Outcome, Response


async def test_replayer_plays_a_recorded_run_with_the_same_text(tape: Path) -> None:
    """The same prompt gets the same answer, with no CLI; it says where it is from."""
    async with AsyncClaudeClient(replay=replayer(tape)) as client:
        await client.create_session(name="main")
        response = await client.execute("main", "hello")

    assert response.text == "the value is [redacted api_key], and that is all"
    assert response.source is AnswerSource.RECORDING
    assert response._repr_mimebundle_()["text/plain"].splitlines()[-1].startswith("played from a tape, $0.00 now · ")


async def test_replayer_spends_no_money(tape: Path) -> None:
    """Its cost is 0 and it counts as simulated, in the response and in every record."""
    async with AsyncClaudeClient(replay=replayer(tape)) as client:
        session = await client.create_session(name="main")
        response = await client.execute("main", "hello")
        turn = client.records.turn_records()[0]

        assert (response.cost_usd, turn.cost_usd, session.cost_usd) == (0.0, 0.0, 0.0)
        assert response.simulated
        assert turn.simulated
        assert client.list_sessions()[0].simulated


class Asked(list[PermissionRequest]):
    """Denies every question, and remembers it."""

    def deny(self, request: PermissionRequest) -> Deny:
        self.append(request)
        return Deny()


def decisions(response: Response) -> list[Message]:
    return [message for message in response.messages if message.type == "decision"]


async def test_replayer_answers_a_question_from_the_tape(tape: Path) -> None:
    """Nothing runs, so no one is asked: the recorded answer is the answer."""
    asked = Asked()
    async with AsyncClaudeClient(replay=replayer(tape), ask=asked.deny) as client:
        await client.create_session(name="main")
        response = await client.execute("main", "tool")

    assert asked == []
    assert [(message.text, message.is_error) for message in decisions(response)] == [("Bash was allowed", False)]
    assert response.outcome is Outcome.SUCCESS


async def test_replayer_plays_a_recorded_denial_as_one(tmp_path: Path) -> None:
    """The reason and "stop" are on the tape too."""
    path = tmp_path / "runs.jsonl"
    await record(path, "tool", ask=lambda request: Deny("not today", stop=True))

    async with AsyncClaudeClient(replay=replayer(path), ask=allow) as client:
        await client.create_session(name="main")
        response = await client.execute("main", "tool")

    assert response.outcome is Outcome.DENIED
    assert [(message.text, message.is_error) for message in decisions(response)] == [("Bash was denied", True)]


async def test_replayer_puts_a_question_again_that_has_no_answer_on_the_tape(tape: Path) -> None:
    """The recording was cut off at the question: the person who plays the tape is asked."""
    lines = [line for line in tape.read_text().splitlines() if '"sent"' not in line]
    tape.write_text("\n".join(lines) + "\n")
    asked = Asked()
    async with AsyncClaudeClient(replay=replayer(tape), ask=asked.deny) as client:
        await client.create_session(name="main")
        response = await client.execute("main", "tool")

    assert [request.tool_name for request in asked] == ["Bash"]
    assert response.outcome is Outcome.SUCCESS


async def test_replayer_says_that_a_prompt_is_not_on_the_tape(tape: Path) -> None:
    """The error names what the tape knows, and the session goes on."""
    async with AsyncClaudeClient(replay=replayer(tape)) as client:
        await client.create_session(name="main")
        with pytest.raises(ResultError, match=r"not on the tape\. It knows: hello; tool"):
            await client.execute("main", "something else")

        assert (await client.execute("main", "hello")).text


async def test_replayer_says_in_one_line_what_the_tape_knows(tmp_path: Path) -> None:
    """Long prompts, and those of several lines, are cut short."""
    path = tmp_path / "runs.jsonl"
    await record(path, "these are\n\n" + "many " * 50)

    async with AsyncClaudeClient(replay=replayer(path)) as client:
        await client.create_session(name="main")
        with pytest.raises(ResultError, match=r"It knows: these are( many)+ ?m?a?n?…\.$"):
            await client.execute("main", "something else")


async def left_at(client: AsyncClaudeClient, kind: str) -> Response:
    """Leave the run of "hello" at the first message of a kind."""
    async with client.stream("main", "hello") as stream:
        async for message in stream:
            if message.type == kind:
                break
    return stream.response


async def test_replayer_can_be_stopped(tape: Path) -> None:
    """Interrupting keeps what was played so far."""
    async with AsyncClaudeClient(replay=TapeReplayer(tape, speed=0.001)) as client:
        await client.create_session(name="main")
        assert (await left_at(client, "init")).outcome is Outcome.INTERRUPTED


async def test_replayer_can_be_stopped_in_a_long_pause(tmp_path: Path) -> None:
    """Stopping a played run does not wait for its next line."""
    path = tmp_path / "runs.jsonl"
    await record(path, "hello")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[-1]["at"] = 1e6
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))

    async with AsyncClaudeClient(replay=TapeReplayer(path)) as client:
        await client.create_session(name="main")
        response = await left_at(client, "text")

    assert response.outcome is Outcome.INTERRUPTED
    assert response.text.startswith("the value is")


# From the CLI to a tape and back.


async def test_replay_switch_changes_to_a_tape_and_back(tape: Path) -> None:
    """Sessions of the other world are closed, their processes end, and new ones are answered by what is on now."""
    clis = FakeCLIs()
    async with clis.client() as client:
        await client.create_session(name="main")
        await client.execute("main", "hello")

        closed = await client.play(replayer(tape))

        assert [info.name for info in closed] == ["main"]
        assert clis.alive == []
        await client.create_session(name="main")
        assert (await client.execute("main", "hello")).source is AnswerSource.RECORDING

        assert [info.name for info in await client.play(None)] == ["main"]
        await client.create_session(name="main")
        again = await client.execute("main", "hello")
        assert (again.text, again.source) == ("echo: hello", AnswerSource.MODEL)


async def test_replay_switch_ends_a_running_turn(tape: Path) -> None:
    """It belongs to the other world: it is over, and nothing of it goes on."""

    async def wait(cli: FakeTransport, message: dict[str, Any]) -> None:
        cli.begin(message)
        await cli.until_interrupted()

    clis = FakeCLIs(wait)
    async with clis.client() as client:
        await client.create_session(name="main")
        async with client.stream("main", "hello") as stream:
            await anext(aiter(stream))
            await client.play(replayer(tape))

        assert stream.response.outcome is Outcome.INTERRUPTED
        assert clis.alive == []


async def test_replay_switch_puts_another_tape_in_place_of_the_first(tape: Path, tmp_path: Path) -> None:
    """No process of the first one answers any more."""
    other = tmp_path / "other.jsonl"
    await record(other, "hello", behave=echo)

    async with AsyncClaudeClient(replay=replayer(tape)) as client:
        await client.create_session(name="main")
        await client.execute("main", "hello")
        await client.play(replayer(other))
        await client.create_session(name="main")

        assert (await client.execute("main", "hello")).text == "echo: hello"


async def test_replay_switch_changes_nothing_for_a_file_that_is_not_a_tape(tmp_path: Path) -> None:
    """The session goes on with its CLI."""
    async with FakeCLIs().client() as client:
        await client.create_session(name="main")
        with pytest.raises(ValueError, match="cannot be read"):
            await client.play(tmp_path / "none")

        assert (await client.execute("main", "hello")).text == "echo: hello"


@pytest.mark.parametrize("speed", [-1.0, float("inf"), float("nan")])
def test_replayer_refuses_a_speed_that_makes_no_sense(tape: Path, speed: float) -> None:
    """It is refused in words."""
    with pytest.raises(ValueError, match="at least 0"):
        TapeReplayer(tape, speed=speed)


# What the real CLI wrote.

FIXTURES = Path(__file__).parent.parent / "fixtures"
SITUATIONS = ("text", "thinking_and_tool", "permission", "subagent", "structured", "failure")


def lines_on(path: Path) -> list[dict[str, Any]]:
    """The lines of the CLI on a tape, without what is new each time: the ids of the prompt and of questions."""
    lines = [record["line"] for record in map(json.loads, path.read_text().splitlines()) if "line" in record]
    for line in lines:
        if line.get("isReplay"):
            line["uuid"] = ""
        if "user_message_uuids" in line:
            line["user_message_uuids"] = []
        line.pop("request_id", None)
    return lines


@pytest.mark.parametrize("version", ["2.1.202", "2.1.332"])
@pytest.mark.parametrize("situation", SITUATIONS)
async def test_replayer_output_recorded_again_is_the_same(tmp_path: Path, situation: str, version: str) -> None:
    """Played and recorded again, every line of a real run is what it was."""
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    real = [json.loads(line) for line in (FIXTURES / f"{situation}-{version}.ndjson").read_text().splitlines()]
    left_out = ("control_response", "control_cancel_request")
    run = [{"of": "1", "at": 0.0, "line": line} for line in real if line["type"] not in left_out]
    head = [{"tape": 1}, {"run": "1", "prompt": "the prompt"}]
    first.write_text("".join(json.dumps(record) + "\n" for record in [*head, *run]))

    async with AsyncClaudeClient(replay=replayer(first), record=second, ask=allow) as client:
        await client.create_session(name="main")
        with contextlib.suppress(ClaudeError):
            await client.execute("main", "the prompt")
        outcome = client.records.turn_records()[0].outcome

    assert outcome == ("error" if situation == "failure" else "success")
    played = lines_on(second)
    assert any(line["type"] == "result" for line in played)
    assert played == lines_on(first)[: len(played)]
