"""A session: one turn at a time in order, and resumed when its process is gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fakes import FakeTransport, echo, prompt_of
from sessions import Begin, fake_sessions, in_background, talk_until_interrupted, until

from claude_magic.config import SessionConfig
from claude_magic.engine.session import SessionState, managed
from claude_magic.errors import (
    ControlError,
    ModelNotFoundError,
    ProcessError,
    SessionClosedError,
    SessionNotFoundError,
    StructuredOutputError,
)
from claude_magic.permissions import Allow, Deny, PermissionRequest


@pytest.fixture
async def begin() -> AsyncIterator[Begin]:
    """Makes a client over fake CLIs with one session, `main`."""
    async with fake_sessions() as begin:
        yield begin


# What users see.


async def test_session_is_a_read_only_handle(begin: Begin) -> None:
    """It shows what is known and has no verb; nothing of it can be set."""
    client, _ = await begin()
    await client.execute("main", "x")
    session = client.get_session("main")
    names = [name for name in dir(session) if not name.startswith("_")]

    assert len(names) < 16
    assert set(names) > {"name", "session_id", "state", "config", "created", "last_used", "turns", "cost_usd"}
    assert not any(callable(getattr(session, name)) for name in names)
    for name in names:
        with pytest.raises(AttributeError):
            setattr(session, name, None)
    assert session.turns == 1


# The order.


async def test_session_runs_one_prompt_at_a_time_in_the_order_of_asking(begin: Begin) -> None:
    """The CLI would fold or merge prompts that come while a turn runs; each has a fresh uuid."""
    flying: list[int] = []

    async def behave(cli: FakeTransport, message: dict[str, Any]) -> None:
        unanswered = len(cli.prompts) - answered[0]
        flying.append(unanswered)
        await asyncio.sleep(0.001)
        answered[0] += 1
        await echo(cli, message)

    answered = [0]
    client, clis = await begin(behave)

    responses = await asyncio.gather(*(client.execute("main", f"p{number}") for number in range(10)))

    assert clis.last.prompts == [f"p{number}" for number in range(10)]
    assert set(flying) == {1}
    assert [response.turn for response in responses] == list(range(1, 11))
    uuids = [message["uuid"] for message in clis.last.sent if message["type"] == "user"]
    assert uuids == [response.turn_id for response in responses]
    assert len(set(uuids)) == 10


async def test_session_state_says_what_it_does(begin: Begin) -> None:
    """starting, running, idle, closed; and the process id comes and goes with the process."""
    client, clis = await begin(talk_until_interrupted, start_s=0.01)
    session = client.get_session("main")
    assert (session.state, session.pid) == (SessionState.IDLE, None)
    job = in_background(client, "x")
    await until(lambda: clis.started)
    assert session.state is SessionState.STARTING
    await until(lambda: session.state is SessionState.RUNNING)
    await client.interrupt("main")
    await job
    assert (session.state, session.pid) == (SessionState.IDLE, clis.last.pid)
    await client.close_session("main")
    assert session.state is SessionState.CLOSED


async def test_session_id_is_known_with_the_first_message(begin: Begin) -> None:
    """Observers get the id with the very batch that tells it."""
    client, clis = await begin()
    ids: list[str] = []
    client.observers.append(lambda batch: ids.append(batch.session_id) if batch.turn_id else None)

    await client.execute("main", "x")

    assert set(ids) == {clis.last.session_id}


async def test_session_is_found_by_every_id_it_ever_had(begin: Begin) -> None:
    """/clear changes the id; both lead to the session."""
    client, clis = await begin()
    first = (await client.execute("main", "x")).session_id
    clis.last.session_id = "second"
    second = (await client.execute("main", "x")).session_id

    assert second == "second"
    assert client.get_session(first) is client.get_session(second) is client.get_session("main")
    with pytest.raises(SessionNotFoundError, match="'main'"):
        client.get_session("third")


# Unsolicited turns.


def says_extra(cli: FakeTransport, text: str = "Background done.") -> None:
    cli.say({"type": "system", "subtype": "init", "model": "fake-model"})
    cli.text(text)
    cli.result(origin={"kind": "task-notification"})


async def test_session_records_an_unsolicited_turn_and_goes_on(begin: Begin) -> None:
    """It has a row of its own; the next prompt has its own answer."""
    client, clis = await begin()
    await client.execute("main", "one")
    says_extra(clis.last)
    await until(lambda: client.get_session("main").turns == 2)

    response = await client.execute("main", "two")

    assert (response.text, response.turn) == ("echo: two", 3)
    assert [record.prompt for record in client.records.turn_records()] == ["one", "", "two"]
    assert client.records.turn_records()[1].text == "Background done."
    assert client.get_session("main").cost_usd == pytest.approx(0.03)


@pytest.mark.parametrize("told_before", [False, True])
async def test_session_survives_an_unsolicited_turn_that_races_a_prompt(begin: Begin, told_before: bool) -> None:
    """Its lines and its result come after our prompt was written, and before the echo: they are not our answer."""
    task = {"type": "system", "subtype": "task_started", "task_id": "b1", "is_backgrounded": True}
    over = {"type": "system", "subtype": "task_notification", "task_id": "b1", "status": "completed"}

    async def behave(cli: FakeTransport, message: dict[str, Any]) -> None:
        if prompt_of(message) == "two":
            if not told_before:
                cli.say(over)
            says_extra(cli)
            await asyncio.sleep(0.001)
        await echo(cli, message)

    client, clis = await begin(behave)
    await client.execute("main", "one")
    clis.last.say(task, *([over] if told_before else []))
    await asyncio.sleep(0.001)

    response = await client.execute("main", "two")

    assert response.text == "echo: two"
    assert [record.text for record in client.records.turn_records()] == ["echo: one", "Background done.", "echo: two"]
    assert all("Background" not in message.text for message in response.messages)


async def test_session_lets_a_prompt_wait_for_the_end_of_an_unsolicited_turn(begin: Begin) -> None:
    """Sent during it, it would be folded into it."""
    client, clis = await begin()
    await client.execute("main", "one")
    cli = clis.last
    cli.say({"type": "system", "subtype": "init", "model": "fake-model"})
    session = client.get_session("main")
    await until(lambda: session.state is SessionState.RUNNING)
    job = in_background(client, "two")
    await asyncio.sleep(0.01)
    assert cli.prompts == ["one"]

    cli.text("Extra.")
    cli.result(origin={"kind": "task-notification"})

    assert (await job).text == "echo: two"


async def test_session_interrupts_an_unsolicited_turn(begin: Begin) -> None:
    """It can be stopped like any other."""
    client, clis = await begin()
    await client.execute("main", "one")
    clis.last.say({"type": "system", "subtype": "init", "model": "fake-model"})
    await until(lambda: client.get_session("main").state is SessionState.RUNNING)

    assert await client.interrupt("main") is True
    assert len(clis.last.requests("interrupt")) == 1
    clis.last.result(subtype="error_during_execution", is_error=True, terminal_reason="aborted_streaming")
    await until(lambda: client.get_session("main").turns == 2)


async def test_session_streams_text_before_the_echo(begin: Begin) -> None:
    """2.1.197 echoes the prompt after the first block: with no background task about, nothing waits for that."""
    finish = asyncio.Event()

    async def behave(cli: FakeTransport, message: dict[str, Any]) -> None:
        cli.say({"type": "system", "subtype": "init", "model": "fake-model"})
        cli.text("Early words.")
        await finish.wait()
        cli.say({"type": "user", "isReplay": True, "uuid": message["uuid"], "message": message["message"]})
        cli.result()

    client, _ = await begin(behave)
    async with asyncio.timeout(10), client.stream("main", "x") as stream:
        async for message in stream:
            if message.type == "text":
                finish.set()

    assert stream.response.text == "Early words."


# Death.


async def test_session_survives_the_death_of_its_process_in_a_turn(begin: Begin) -> None:
    """Exit code, stderr and what there was; the next prompt resumes by id."""

    async def dies(cli: FakeTransport, message: dict[str, Any]) -> None:
        cli.begin(message)
        cli.text("So far")
        cli.stderr_tail = "out of memory"
        cli.die(-9)

    client, clis = await begin(dies)

    with pytest.raises(ProcessError) as caught:
        await client.execute("main", "x")

    error = caught.value
    assert (error.exit_code, error.stderr_tail) == (-9, "out of memory")
    assert error.response is not None
    assert (error.response.text, error.response.outcome) == ("So far", "error")
    assert client.get_session("main").state is SessionState.ERROR
    clis.behave = echo
    assert (await client.execute("main", "y")).text == "echo: y"
    assert f"--resume={error.response.session_id}" in clis.last.launch.argv
    assert client.get_session("main").state is SessionState.IDLE


async def test_session_begins_anew_after_a_death_before_any_answer(begin: Begin) -> None:
    """There is nothing to resume: the next prompt begins a conversation of its own."""

    async def dies(cli: FakeTransport, message: dict[str, Any]) -> None:
        cli.begin(message)
        cli.die(1)

    client, clis = await begin(dies)
    with pytest.raises(ProcessError):
        await client.execute("main", "x")
    clis.behave = echo

    await client.execute("main", "y")

    assert not any(argument.startswith("--resume") for argument in clis.last.launch.argv)
    assert clis.last.session_id != clis.started[0].session_id


async def test_session_cannot_resume_an_unknown_id(begin: Begin) -> None:
    """The CLI's own words become SessionNotFoundError, at once."""
    client, clis = await begin(config=SessionConfig(resume="nope"))

    def refuse(cli: FakeTransport) -> None:
        cli._control = lambda request_id, request: None  # type: ignore[method-assign]  # it never answers
        cli.result(subtype="error_during_execution", is_error=True, result=None, errors=["No conversation found: nope"])
        cli.die(1)

    start = clis.start

    async def start_and_refuse(launch: Any) -> FakeTransport:
        cli = await start(launch)
        refuse(cli)
        return cli

    client._pool._starter._start = start_and_refuse
    with pytest.raises(SessionNotFoundError, match="No conversation found"):
        await client.execute("main", "x")
    assert len(clis.started) == 1


# Money.


async def test_session_cost_counts_on_after_a_resume(begin: Begin) -> None:
    """The newer CLI goes on counting from the old total: no turn pays for it twice."""
    client, clis = await begin()
    await client.execute("main", "x")
    await client._pool.release(managed(client.get_session("main")))
    start = clis.start

    async def restored(launch: Any) -> FakeTransport:
        cli = await start(launch)
        cli.total_usd = 0.01
        return cli

    client._pool._starter._start = restored
    response = await client.execute("main", "y")

    assert response.cost_usd == pytest.approx(0.01)
    assert client.get_session("main").cost_usd == pytest.approx(0.02)
    assert clis.last.requests("get_usage")
    assert not clis.started[0].requests("get_usage")


async def test_session_cost_counts_anew_after_clear(begin: Begin) -> None:
    """The total falls: all of it is the turn's."""
    client, clis = await begin()
    await client.execute("main", "x")
    clis.last.total_usd = -0.004

    assert (await client.execute("main", "y")).cost_usd == pytest.approx(0.006)


# What differs from prompt to prompt.


async def test_session_takes_a_model_for_one_prompt(begin: Begin) -> None:
    """Set before, and set back after; equal ones cost no request."""
    client, clis = await begin(config=SessionConfig(model="base"))
    for model in (None, "other", "other", None, "base"):
        await client.execute("main", "x", model=model)

    assert [request["model"] for request in clis.last.requests("set_model")] == ["other", "base"]


async def test_session_takes_a_permission_mode_for_one_prompt(begin: Begin) -> None:
    """Likewise."""
    client, clis = await begin(config=SessionConfig(permission_mode="acceptEdits"))
    for mode in (None, "plan", "plan", None):
        await client.execute("main", "x", permission_mode=mode)

    assert [request["mode"] for request in clis.last.requests("set_permission_mode")] == ["plan", "acceptEdits"]


async def test_session_raises_for_a_refused_model(begin: Begin) -> None:
    """Nothing is sent; the session stays usable."""
    client, clis = await begin()
    await client.execute("main", "x")
    cli = clis.last
    control = cli._control

    def refuse(request_id: str, request: dict[str, Any]) -> None:
        if request["subtype"] == "set_model":
            inner = {"subtype": "error", "request_id": request_id, "error": "no such model"}
            cli.say({"type": "control_response", "response": inner})
        else:
            control(request_id, request)

    cli._control = refuse  # type: ignore[method-assign]  # one answer is another
    with pytest.raises(ModelNotFoundError, match="'nope' cannot be used: no such model"):
        await client.execute("main", "y", model="nope")
    assert (await client.execute("main", "z")).text == "echo: z"
    assert cli.prompts == ["x", "z"]


@pytest.mark.parametrize(
    "wrong",
    [{"permission_mode": "yolo"}, {"timeout_s": 0}, {"timeout_s": -1}, {"model": " "}, {"json_schema": "{oops"}],
)
async def test_session_sends_nothing_for_a_wrong_option(begin: Begin, wrong: dict[str, Any]) -> None:
    """A ValueError that names it, before anything happens."""
    client, clis = await begin()

    with pytest.raises(ValueError, match=next(iter(wrong))):
        client.stream("main", "x", **wrong)
    assert clis.started == []


async def test_session_starts_its_process_anew_for_the_schema_of_one_prompt(begin: Begin) -> None:
    """The CLI takes a schema only when it starts; the conversation goes on."""
    client, clis = await begin()
    await client.execute("main", "x")

    with pytest.raises(StructuredOutputError):
        await client.execute("main", "y", json_schema={"type": "object"})
    await client.execute("main", "z")

    assert [cli.prompts for cli in clis.started] == [["x"], ["y"], ["z"]]
    assert len({cli.session_id for cli in clis.started}) == 1


# Permission.


@pytest.mark.parametrize(
    ("decision", "behavior", "outcome"),
    [(Allow(), "allow", "success"), (Deny("no"), "deny", "success"), (Deny("no", stop=True), "deny", "denied")],
)
async def test_session_lets_the_one_who_is_asked_decide(
    begin: Begin, decision: Allow | Deny, behavior: str, outcome: str
) -> None:
    """The question has everything that is known; the answer reaches the CLI."""
    questions: list[PermissionRequest] = []
    answers: list[dict[str, Any]] = []

    async def behave(cli: FakeTransport, message: dict[str, Any]) -> None:
        cli.begin(message)
        answers.append(await cli.ask("Bash", {"command": "ls"}))
        if answers[-1]["response"].get("interrupt"):
            cli.result(subtype="error_during_execution", is_error=True, terminal_reason="aborted_tools")
        else:
            cli.result()

    def ask(request: PermissionRequest) -> Allow | Deny:
        questions.append(request)
        return decision

    client, _ = await begin(behave, ask=ask)

    response = await client.execute("main", "x")

    assert response.outcome == outcome
    assert answers[0]["response"]["behavior"] == behavior
    assert (questions[0].session, questions[0].turn_id, questions[0].tool_name, questions[0].tool_input) == (
        "main", response.turn_id, "Bash", {"command": "ls"},
    )  # fmt: skip


async def test_session_refuses_other_requests_of_the_cli(begin: Begin) -> None:
    """A hook or an MCP message that no one serves gets an answer, else the CLI would wait for ever."""
    answers: list[dict[str, Any]] = []

    async def behave(cli: FakeTransport, message: dict[str, Any]) -> None:
        cli.begin(message)
        cli.answers["r9"] = asyncio.get_running_loop().create_future()
        cli.say({"type": "control_request", "request_id": "r9", "request": {"subtype": "hook_callback"}})
        answers.append(await cli.answers["r9"])
        cli.result()

    client, _ = await begin(behave)
    await client.execute("main", "x")

    assert answers[0]["subtype"] == "error"
    assert "hook_callback" in answers[0]["error"]


# Closing.


async def test_session_that_closes_ends_its_turns_and_its_process(begin: Begin) -> None:
    """The running turn is interrupted, the waiting one dropped, later ones refused."""
    client, clis = await begin(talk_until_interrupted)
    jobs = [in_background(client, "x"), in_background(client, "y")]
    await until(lambda: clis.started and clis.last.prompts)
    session = client.get_session("main")
    stream = client.stream("main", "late")

    await client.close_session("main")

    assert [response.outcome for response in await asyncio.gather(*jobs)] == ["interrupted"] * 2
    assert clis.alive == []
    with pytest.raises(SessionNotFoundError):
        await client.execute("main", "z")
    with pytest.raises(SessionClosedError):
        await client.execute(session, "z")
    with pytest.raises(SessionClosedError):
        await stream.__aenter__()
    assert clis.alive == []
    assert len(client.records.turn_records()) == 1


# A new conversation in the same process.


async def test_new_conversation_forgets_what_was_said_and_keeps_the_process(begin: Begin) -> None:
    """The id is another one, the cost counts on, and no record knows how it was done."""
    client, clis = await begin()
    first = await client.execute("main", "one")
    second = await client.execute("main", "two", new_conversation=True)

    assert len(clis.started) == 1
    assert clis.last.prompts == ["one", "/clear", "two"]
    assert second.session_id != first.session_id
    assert second.cost_usd == pytest.approx(0.01)
    assert client.frames.turns()["prompt"].tolist() == ["one", "two"]
    assert "/clear" not in client.frames.messages()["text"].tolist()


async def test_new_conversation_is_not_resumed(begin: Begin) -> None:
    """When the process is gone, the next one starts with nothing."""
    client, clis = await begin()
    await client.execute("main", "one")
    clis.last.die(1)
    await client.execute("main", "two", new_conversation=True)
    await client.execute("main", "three")

    assert [any(word.startswith("--resume") for word in cli.launch.argv) for cli in clis.started] == [False, False]
    assert clis.last.prompts == ["/clear", "two", "three"]


async def test_new_conversation_that_the_cli_does_not_begin_sends_nothing(begin: Begin) -> None:
    """A prompt must not reach a conversation that it is not meant for."""
    client, clis = await begin()
    await client.execute("main", "one")
    clis.last.clears = False
    with pytest.raises(ControlError, match="does not begin a new conversation"):
        await client.execute("main", "two", new_conversation=True)

    assert "two" not in clis.last.prompts


async def test_connect_starts_a_process_without_a_prompt(begin: Begin) -> None:
    """And says what the CLI says of itself; the prompt goes to that process."""
    client, clis = await begin()
    info = await client.connect("main")
    await client.execute("main", "one")

    assert info["models"][0]["value"] == "fake-model"
    assert len(clis.started) == 1
