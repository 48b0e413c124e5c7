"""The real CLI and the simulator, end to end: sessions as a user has them."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from real import real_client, real_config, until, until_told

from claude_magic.client import AsyncClaudeClient
from claude_magic.config import SessionConfig
from claude_magic.engine.prices import Paid, price_table
from claude_magic.engine.session import managed
from claude_magic.errors import (
    AuthenticationError,
    ModelNotFoundError,
    ProcessError,
    SessionNotFoundError,
)
from claude_magic.permissions import Allow, Deny, PermissionRequest
from claude_magic.rendering import RunView, ToolState
from claude_magic.simulator import Scenario, Simulator, fail, rule, step, text, tool

SLEEP = "python3 -c 'import time; time.sleep(60)'"
NAP = "python3 -c 'import time; time.sleep(0.5)'"
SLOW = step(text("word " * 4000), chunk_delay_s=0.02)
SCHEMA = {"type": "object", "properties": {"total": {"type": "integer"}}, "required": ["total"]}

Begin = Callable[..., Awaitable[AsyncClaudeClient]]


class Stage:
    """A simulator and the clients of one test."""

    def __init__(self, cli_path: Path, tmp_path: Path) -> None:
        self.cli_path = cli_path
        self.tmp_path = tmp_path
        self.clients: list[AsyncClaudeClient] = []
        self.simulator = Simulator(Scenario(), pace=1).start()

    async def begin(self, *rules: Any, ask: Any = None, **settings: Any) -> AsyncClaudeClient:
        """Set the rules, and return a client with one session, `main`."""
        # After a turn without an answer the CLI joins its prompt to the next one: "bye" is looked for first.
        self.simulator.say(Scenario(rules=[rule("bye", text("Bye.")), *rules, rule("hello", text("Hello."))]))
        config = real_config(self.cli_path, self.tmp_path, self.simulator, **settings)
        self.clients.append(real_client(config, ask=ask))
        await self.clients[-1].create_session(name="main")
        return self.clients[-1]

    @property
    def prompts(self) -> list[str]:
        return [request.prompt for request in self.simulator.requests if request.rule and not request.side]


@pytest.fixture
async def stage(cli_path: Path, tmp_path: Path) -> AsyncIterator[Stage]:
    made = Stage(cli_path, tmp_path)
    yield made
    for client in made.clients:
        await client.close()
    made.simulator.stop()


async def test_several_turns_in_one_process(stage: Stage) -> None:
    """They go into one conversation; per-turn costs sum to the CLI's total; the stream is the answer."""
    client = await stage.begin(
        rule("tool", tool("Bash", command="echo 42"), text("It is {tool_result}.")), allowed_tools=["Bash"]
    )
    pids = set()
    responses = []
    for prompt in ("hello", "tool", "bye"):
        async with client.stream("main", prompt) as stream:
            pieces = [message.text async for message in stream if message.type == "text"]
        responses.append(stream.response)
        assert "".join(pieces) == stream.response.text
        pids.add(client.get_session("main").pid)

    assert [response.text for response in responses] == ["Hello.", "It is 42.", "Bye."]
    assert [response.num_steps for response in responses] == [1, 2, 1]
    assert len(pids) == 1
    assert len({response.session_id for response in responses}) == 1
    total = next(
        message.raw["total_cost_usd"] for message in reversed(responses[-1].messages) if message.type == "result"
    )
    assert sum(response.cost_usd for response in responses) == pytest.approx(total)
    assert client.get_session("main").cost_usd == pytest.approx(total)
    assert all(response.usage.output_tokens > 0 and response.simulated and response.ttft_s for response in responses)


async def test_two_sessions_side_by_side(stage: Stage) -> None:
    """Both turns run at the same time: each waits for a permission until the other asks too."""
    asked: set[str] = set()
    both = asyncio.Event()

    async def ask(request: PermissionRequest) -> Allow:
        asked.add(request.session)
        if len(asked) == 2:
            both.set()
        await both.wait()
        return Allow()

    client = await stage.begin(
        rule("one", tool("Bash", command="touch one"), text("One.")),
        rule("two", tool("Bash", command="touch two"), text("Two.")),
        ask=ask,
    )
    await client.create_session(name="other")

    async with asyncio.timeout(60):
        one, two = await asyncio.gather(client.execute("main", "one"), client.execute("other", "two"))

    assert (one.text, two.text) == ("One.", "Two.")
    assert one.session_id != two.session_id


@pytest.mark.parametrize(
    ("decision", "text_is", "outcome"),
    [
        (Allow(), "It says asked.", "success"),
        (Allow({"command": "echo changed", "description": "d"}), "It says changed.", "success"),
        (Deny("Not today."), "It says Not today..", "success"),
        (Deny("Stop.", stop=True), "", "denied"),
    ],
    ids=["allow", "edited", "deny", "deny-stop"],
)
async def test_who_is_asked_decides(stage: Stage, decision: Allow | Deny, text_is: str, outcome: str) -> None:
    """What is allowed runs, with the input that was allowed; what is denied does not; `stop` ends the turn."""
    asked: list[PermissionRequest] = []

    async def ask(request: PermissionRequest) -> Allow | Deny:
        asked.append(request)
        return decision

    client = await stage.begin(
        rule("tool", tool("Bash", command="mkdir made && echo asked"), text("It says {tool_result}.")), ask=ask
    )

    response = await client.execute("main", "tool")

    assert (response.text, response.outcome) == (text_is, outcome)
    assert [request.tool_input["command"] for request in asked] == ["mkdir made && echo asked"]
    assert asked[0].turn_id == response.turn_id
    assert (stage.tmp_path / "work" / "made").exists() is (decision == Allow())
    assert len(response.denials) == (0 if isinstance(decision, Allow) else 1)
    (record,), (part,) = client.records.tool_records(), RunView.from_response(response).tools
    edited = isinstance(decision, Allow) and decision.input is not None
    assert (part.edited, record.permission == "edited") == (edited, edited)
    assert ("echo changed" in record.input, part.input["command"] == "echo changed") == (edited, edited)
    assert (await client.execute("main", "hello")).text == "Hello."


@pytest.mark.parametrize("delay_s", [0.0, 0.5])
async def test_interrupt_and_go_on(stage: Stage, delay_s: float) -> None:
    """At once after sending, or in the middle of the text: it ends soon, and the same process goes on."""
    client = await stage.begin(rule("slow", SLOW))
    await client.execute("main", "hello")
    session = client.get_session("main")
    pid = session.pid
    job = asyncio.create_task(client.execute("main", "slow"))
    await until(lambda: session.state == "running")
    await asyncio.sleep(delay_s)

    await client.interrupt("main")
    response = await job

    assert len(response.text) < 20_000
    assert response.text or not delay_s
    assert response.outcome == "interrupted"
    assert response.estimated
    if response.text:
        used = response.usage
        paid = Paid(used.input_tokens, used.output_tokens, used.cache_read_tokens, used.cache_write_tokens)
        assert response.cost_usd == pytest.approx(price_table().cost(response.model, paid))
    assert (await client.execute("main", "bye")).text == "Bye."
    assert session.pid == pid


async def test_interrupt_a_running_tool(stage: Stage) -> None:
    """The tool ends with it."""
    client = await stage.begin(rule("long", tool("Bash", command=SLEEP), text("Never.")), allowed_tools=["Bash"])
    async with client.stream("main", "long") as stream:
        async for message in stream:
            if message.type == "tool_use":
                break

    assert stream.response.outcome == "interrupted"
    assert (await client.execute("main", "hello")).text == "Hello."


async def test_kill_9_and_resume(stage: Stage) -> None:
    """The error has what there was; the next prompt goes on in the same conversation; no turn is paid twice."""
    client = await stage.begin(rule("slow", SLOW))
    first = await client.execute("main", "hello")
    await until_told(stage.tmp_path / "config", "Hello.")
    async with client.stream("main", "slow") as stream:
        with pytest.raises(ProcessError) as caught:  # noqa: PT012  reading the stream is what raises
            async for message in stream:
                if message.type == "text":
                    pid = client.get_session("main").pid
                    assert pid is not None
                    os.kill(pid, signal.SIGKILL)

    error = caught.value
    assert error.exit_code == -9
    assert error.response is not None
    assert error.response.text.startswith("word")
    response = await client.execute("main", "bye")
    assert (response.text, response.session_id) == ("Bye.", first.session_id)
    assert response.cost_usd < 2 * first.cost_usd + 0.001
    context = stage.simulator.requests[-1].raw
    assert b"hello" in context


async def test_a_failed_first_turn_can_be_resumed(stage: Stage) -> None:
    """An API failure is a conversation too: a session that gave its process up goes on after it."""
    client = await stage.begin(rule("fail", fail("400_other")))
    with pytest.raises(Exception, match="simulated"):
        await client.execute("main", "fail")
    await client._pool.release(managed(client.get_session("main")))

    assert (await client.execute("main", "bye")).text == "Bye."


async def test_a_background_command_and_its_extra_turn(stage: Stage, tmp_path: Path) -> None:
    """The session has a background task; its report is a turn of its own and confuses nobody."""
    gate = tmp_path / "gate"
    wait = f"until [ -e {gate} ]; do {NAP}; done"
    client = await stage.begin(
        rule("task-notification", text("The command is done.")),
        rule("start", tool("Bash", command=wait, run_in_background=True), text("Started.")),
        allowed_tools=["Bash"], background_tasks=True,
    )  # fmt: skip
    session = client.get_session("main")

    assert (await client.execute("main", "start")).text == "Started."
    assert managed(session).connection is not None
    assert managed(session).connection.has_background
    gate.touch()
    await until(lambda: session.turns == 2)

    record = client.records.turn_records()[1]
    assert (record.text, record.prompt) == ("The command is done.", "")
    assert (await client.execute("main", "hello")).text == "Hello."
    assert managed(session).connection.background == set()


async def test_a_subagent(stage: Stage) -> None:
    """Its words are not the answer; nothing is left in the background."""
    agent = tool("Agent", description="d", prompt="subtask", subagent_type="general-purpose", run_in_background=False)
    client = await stage.begin(rule("^delegate", agent, text("It is done.")), rule("subtask", text("Sub words.")))

    response = await client.execute("main", "delegate")

    assert response.text == "It is done."
    assert response.cost_usd > 0
    connection = managed(client.get_session("main")).connection
    assert connection is not None
    assert connection.background == set()
    assert any(message.type == "tool_use" and message.tool_name == "Agent" for message in response.messages)


async def test_turn_ends_after_its_subagents(stage: Stage) -> None:
    """A subagent that the model starts in the background is a part of the turn: its question, report and cost."""
    agent = tool("Agent", description="d", prompt="subtask", subagent_type="general-purpose", run_in_background=True)
    asked: list[str] = []

    async def ask(request: PermissionRequest) -> Allow:
        asked.append(request.tool_name)
        return Allow()

    client = await stage.begin(
        rule("^delegate", agent, text("It said: {tool_result}")),
        rule("subtask", tool("Bash", command="touch asked"), text("The report.")),
        ask=ask,
    )
    session = client.get_session("main")
    response = await client.execute("main", "delegate")
    view = RunView.from_response(response)

    assert asked == ["Bash"]
    assert "The report." in response.text
    assert [(one.name, one.state, one.result) for one in view.tools if not one.parent] == [
        ("Agent", ToolState.DONE, "The report.")
    ]
    assert [one.name for one in view.tools[0].children] == ["Bash"]
    assert (await client.execute("main", "hello")).text == "Hello."
    assert session.turns == 2


async def test_a_json_schema(stage: Stage) -> None:
    """The session's own, or one prompt's; without it there is text again."""
    client = await stage.begin(rule("sum", step(text("Here."), structured={"total": 253})))

    structured = await client.execute("main", "sum", json_schema=SCHEMA)
    plain = await client.execute("main", "hello")

    assert structured.structured == {"total": 253}
    assert (plain.structured, plain.text, plain.session_id) == (None, "Hello.", structured.session_id)


async def test_max_turns_and_budget(stage: Stage) -> None:
    """Both end a turn without an error; the session goes on after the first."""
    looping = rule("loop", *[tool("Bash", command=f"echo {number}") for number in range(5)], text("Done."))
    client = await stage.begin(looping, max_turns=2, allowed_tools=["Bash"])
    await client.create_session(client.config.replace(max_turns=None, max_budget_usd=0.0001), name="poor")

    short = await client.execute("main", "loop")
    poor = await client.execute("poor", "loop")

    assert (short.outcome, poor.outcome) == ("max_turns", "budget")
    assert (await client.execute("main", "hello")).text == "Hello."


async def test_prompts_are_literal(stage: Stage) -> None:
    """A command and a path in a prompt that a program sends reach the model as plain text."""
    client = await stage.begin()
    (stage.tmp_path / "work" / "secret.txt").write_text("planted words")
    for prompt in ("/cost", "@/etc/hostname", "see @secret.txt"):
        await client.execute("main", prompt)

    assert [prompt.strip() for prompt in stage.prompts] == ["/cost", "@/etc/hostname", "see @secret.txt"]
    assert not any(b"planted words" in request.raw for request in stage.simulator.requests)


async def test_a_typed_command_is_one(stage: Stage) -> None:
    """`literal=False` is for what the user typed; nothing is sent to the API."""
    client = await stage.begin()

    response = await client.execute("main", "/cost", literal=False)

    assert "cost" in response.text.lower() + response.messages[-1].text.lower()
    assert stage.prompts == []


async def test_a_secret_a_tool_prints_is_redacted(stage: Stage) -> None:
    """Nowhere in what people see, also where the model repeats it; `raw` is as it came."""
    secret = "hush-hush-hush-42"
    client = await stage.begin(
        rule("print", tool("Bash", command="echo $MY_SECRET"), text("It is {tool_result}, yes.")),
        allowed_tools=["Bash"], environment={"MY_SECRET": secret},
    )  # fmt: skip

    response = await client.execute("main", "print")

    assert response.text == "It is [redacted MY_SECRET], yes."
    assert not any(secret in message.text for message in response.messages)
    assert any(secret in str(message.raw) for message in response.messages)
    assert not any(secret in entry.message for entry in client.records.log_entries(None))


async def test_an_unknown_id_to_resume(stage: Stage) -> None:
    """At once, and without a second try."""
    client = await stage.begin(resume="11111111-1111-4111-8111-111111111111")

    with pytest.raises(SessionNotFoundError, match="11111111"):
        await client.execute("main", "hello")
    assert client.get_stats().created <= 1


async def test_a_fork_leaves_the_original_alone(stage: Stage) -> None:
    """It knows the conversation, has an id of its own, and goes on under that id."""
    client = await stage.begin()
    original = await client.execute("main", "hello")
    config = client.config.replace(resume=original.session_id, fork=True)
    fork = await client.create_session(config, name="fork")

    response = await client.execute("fork", "bye")
    await client._pool.release(managed(fork))
    again = await client.execute("fork", "bye")

    assert response.session_id not in ("", original.session_id)
    assert again.session_id == response.session_id
    assert b"hello" in stage.simulator.requests[-1].raw
    assert (await client.execute("main", "bye")).session_id == original.session_id


async def test_a_fork_may_end_in_the_middle(stage: Stage) -> None:
    """The copy knows what was said up to one answer, and goes on from there also when its process is a new one."""
    client = await stage.begin()
    first = await client.execute("main", "hello")
    await client.execute("main", "bye")
    answer = next(message.raw["uuid"] for message in first.messages if message.raw.get("type") == "assistant")
    config = client.config.replace(resume=first.session_id, fork=True, resume_at=answer)
    fork = await client.create_session(config, name="fork")

    await client.execute("fork", "what is new")
    sent = stage.simulator.requests[-1].raw
    await client._pool.release(managed(fork))
    await client.execute("fork", "and then")

    assert [word in sent for word in (b"hello", b"bye", b"what is new")] == [True, False, True]
    sent = stage.simulator.requests[-1].raw
    assert [word in sent for word in (b"hello", b"what is new", b"and then")] == [True, True, True]


async def test_a_fork_of_a_message_that_is_not_there(stage: Stage) -> None:
    """It is an error of the session, and nothing was prompted."""
    client = await stage.begin()
    first = await client.execute("main", "hello")
    nowhere = "11111111-1111-4111-8111-111111111111"
    await client.create_session(client.config.replace(resume=first.session_id, fork=True, resume_at=nowhere), "fork")

    with pytest.raises(SessionNotFoundError, match="resume_at"):
        await client.execute("fork", "what is new")


async def test_a_model_the_api_does_not_have(stage: Stage) -> None:
    """For the session, or for one prompt: the same error."""
    client = await stage.begin(rule(None, fail("404_model"), model="nope"))
    await client.create_session(client.config.replace(model="nope-1"), name="wrong")

    with pytest.raises(ModelNotFoundError):
        await client.execute("wrong", "hello")
    await client.execute("main", "hello")
    with pytest.raises(ModelNotFoundError):
        await client.execute("main", "hello", model="nope-1")
    assert (await client.execute("main", "bye")).text == "Bye."


async def test_a_prompt_of_a_megabyte(stage: Stage) -> None:
    """Arrives whole."""
    client = await stage.begin()
    prompt = "hello " + "x" * 1_000_000

    assert (await client.execute("main", prompt)).text == "Hello."
    assert stage.prompts == [prompt]


async def test_nobody_is_logged_in(cli_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No simulator and no credentials: an error with the ways to log in, and no simulated answer."""
    for name in list(os.environ):
        if name.startswith(("ANTHROPIC_", "CLAUDE_", "AWS_")):
            monkeypatch.delenv(name)
    (tmp_path / "work").mkdir()
    environment = {
        "HOME": str(tmp_path), "CLAUDE_CONFIG_DIR": str(tmp_path / "config"), "CLAUDE_CODE_TMPDIR": str(tmp_path),
        "ANTHROPIC_BASE_URL": Simulator.refused_url(), "IS_SANDBOX": "1",
    }  # fmt: skip
    config = SessionConfig(cli_path=str(cli_path), working_dir=tmp_path / "work", environment=environment)
    async with real_client(config) as client:
        await client.create_session(name="main")
        with pytest.raises(AuthenticationError, match="claude setup-token"):
            await client.execute("main", "hello")


async def test_a_prompt_is_sent_in_while_a_tool_runs(stage: Stage) -> None:
    """The model reads it with the tool's result, on every version; what waits behind it has a turn of its own."""
    client = await stage.begin(
        rule("work", tool("Bash", command=NAP), text("Worked.")),
        rule("look left", text("Looked.")),
        allowed_tools=("Bash",),
    )
    host = asyncio.create_task(client.execute("main", "work"))
    await until(lambda: any(message.type == "tool_use" for message in client.get_session("main").recent))
    queued = asyncio.create_task(client.execute("main", "hello"))
    async with client.stream("main", "look left", steer=True) as stream:
        own = await stream.wait()

    assert (await host).text.endswith(("Worked.", "Looked."))
    assert (await queued).text == "Hello."
    assert not own.sent
    assert any("look left" in str(request.body["messages"]) for request in stage.simulator.requests if request.rule)
    assert client.get_session("main").turns == 2


async def test_a_prompt_that_no_step_takes_is_the_next_turn(stage: Stage) -> None:
    """Text streams, and no tool runs: nothing is merged."""
    client = await stage.begin(rule("slowly", step(text("word " * 60), chunk_delay_s=0.01)))
    host = asyncio.create_task(client.execute("main", "slowly"))
    await until(lambda: any(message.type == "text" for message in client.get_session("main").recent))
    async with client.stream("main", "hello", steer=True) as stream:
        own = await stream.wait()

    assert (await host).text.strip().endswith("word")
    assert own.text == "Hello."
    assert client.get_session("main").turns == 2
