"""Serving tools over the control channel, with a CLI in memory."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from fakes import FakeCLIs, FakeTransport

from claude_magic.client import AsyncClaudeClient
from claude_magic.errors import ControlError
from claude_magic.permissions import Allow, PermissionRequest
from claude_magic.redaction import Redactor
from claude_magic.tools import ToolConnection, ToolFailedError, ToolServer, as_tool, current_call
from claude_magic.values.content import Content

SECRET = "hidden-value-1234"


async def mcp(cli: FakeTransport, server: str, method: str, number: int | None = 1, **params: Any) -> dict[str, Any]:
    """Send a JSON-RPC message as the CLI does, and return the reply."""
    request_id = f"mcp-{number}-{method}"
    cli.answers[request_id] = asyncio.get_running_loop().create_future()
    message = {"jsonrpc": "2.0", "method": method, "params": params} | ({} if number is None else {"id": number})
    cli.say({
        "type": "control_request", "request_id": request_id,
        "request": {"subtype": "mcp_message", "server_name": server, "message": message},
    })  # fmt: skip
    reply: dict[str, Any] = (await cli.answers[request_id])["response"]["mcp_response"]
    return reply


async def call(cli: FakeTransport, server: str, name: str, number: int = 1, **given: Any) -> dict[str, Any]:
    meta = {"claudecode/toolUseId": "toolu_1"}
    result: dict[str, Any] = (await mcp(cli, server, "tools/call", number, name=name, arguments=given, _meta=meta))[
        "result"
    ]
    return result


def text_of(result: dict[str, Any]) -> str:
    return "\n".join(block["text"] for block in result["content"])


@pytest.fixture
def seen() -> list[Any]:
    return []


def client_with(clis: FakeCLIs, *tools: Any, **options: Any) -> AsyncClaudeClient:
    client = clis.client(**options)
    client.add_tools(*tools)
    return client


async def prompted(client: AsyncClaudeClient, clis: FakeCLIs, prompt: str = "hi") -> FakeTransport:
    if not client.list_sessions():
        await client.create_session(name="main")
    await client.execute("main", prompt)
    return clis.last


async def test_tools_are_offered_with_the_next_prompt() -> None:
    """At once, once, and anew when they have changed: taken away first, as the older CLI asks for them only once."""

    def one() -> str:
        """One."""
        return "1"

    clis = FakeCLIs()
    async with client_with(clis, one) as client:
        cli = await prompted(client, clis)
        await prompted(client, clis, "again")
        sent = [request["servers"] for request in cli.requests("mcp_set_servers")]
        offer = {"python": {"type": "sdk", "name": "python", "alwaysLoad": True}}
        assert sent == [offer]

        def two() -> str:
            """Two."""
            return "2"

        client.add_tools(two)
        await prompted(client, clis, "more")
        client.remove_tools(one, two)
        await prompted(client, clis, "fewer")
        sent = [request["servers"] for request in cli.requests("mcp_set_servers")]
        assert sent == [offer, {}, offer, {}, {}]


async def test_only_what_looks_and_is_allowed_gets_a_rule() -> None:
    """Else the modes `plan`, `auto` and `dontAsk` would deny it, without a question to the host."""

    def look() -> str:
        """Look."""
        return ""

    made = as_tool(look)
    tools = [
        replace(made, name=f"tool-{number}", read_only=number % 2 == 1, is_allowed=number > 1) for number in range(4)
    ]
    clis = FakeCLIs()
    async with client_with(clis, ToolServer("crm", tools)) as client:
        cli = await prompted(client, clis)
        await prompted(client, clis, "again")
        rules = [request["settings"] for request in cli.requests("apply_flag_settings")]
        assert rules == [{"permissions": {"allow": ["mcp__crm__tool-3"]}}]


async def test_a_cli_that_takes_no_rule_still_gets_the_tools(caplog: pytest.LogCaptureFixture) -> None:
    """What only looks is asked about then, or denied, as the mode has it; that is no reason to complain."""
    asked: list[str] = []

    async def request(subtype: str, **fields: Any) -> dict[str, Any]:
        asked.append(subtype)
        if subtype == "apply_flag_settings":
            raise ControlError("Unsupported control request subtype: apply_flag_settings")
        return {}

    def look() -> str:
        """Look."""
        return ""

    server = ToolServer("crm", [replace(as_tool(look), read_only=True, is_allowed=True)])
    connection = ToolConnection(request, Redactor({}))
    await connection.offer([server])
    await connection.offer([server])
    assert asked == ["mcp_set_servers", "apply_flag_settings"]
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == []


async def test_the_model_is_told_what_a_person_edited() -> None:
    """The CLI does not tell it; once, with what was changed alone."""

    def note(title: str, text: str) -> str:
        return f"noted {text}"

    async def ask(request: PermissionRequest) -> Allow:
        return Allow({**request.tool_input, "text": "better"})

    clis = FakeCLIs()
    async with client_with(clis, note, ask=ask) as client:
        cli = await prompted(client, clis)
        clis.last.answers["q1"] = asyncio.get_running_loop().create_future()
        cli.say({
            "type": "control_request", "request_id": "q1",
            "request": {
                "subtype": "can_use_tool", "tool_name": "mcp__python__note", "tool_use_id": "toolu_1",
                "input": {"title": "T", "text": "good"},
            },
        })  # fmt: skip
        await cli.answers["q1"]
        told = text_of(await call(cli, "python", "note", title="T", text="better"))
        assert told == "The user edited the input before allowing it. It was run with\ntext: better\nnoted better"
        assert text_of(await call(cli, "python", "note", 2, title="T", text="better")) == "noted better"


async def test_no_tools_ask_nothing_of_the_cli() -> None:
    clis = FakeCLIs()
    async with clis.client() as client:
        cli = await prompted(client, clis)
        assert cli.requests("mcp_set_servers") == []


async def test_handshake_and_list() -> None:
    def look(name: str) -> str:
        """Look."""
        return name

    clis = FakeCLIs()
    async with client_with(clis, ToolServer("crm", [look], instructions="Be brief.")) as client:
        cli = await prompted(client, clis)
        hello = await mcp(cli, "crm", "initialize", 0, protocolVersion="2025-11-25")
        assert hello["result"]["protocolVersion"] == "2025-11-25"
        assert hello["result"]["instructions"] == "Be brief."
        assert await mcp(cli, "crm", "notifications/initialized", None) == {"jsonrpc": "2.0", "result": {}}
        listed = await mcp(cli, "crm", "tools/list", 1)
        assert [one["name"] for one in listed["result"]["tools"]] == ["look"]
        assert (await mcp(cli, "crm", "ping", 2))["result"] == {}
        assert (await mcp(cli, "crm", "resources/list", 3))["error"]["code"] == -32601
        assert (await mcp(cli, "other", "tools/list", 4))["error"]["code"] == -32601
        assert (await mcp(cli, "crm", "tools/call", 5, name="no"))["error"]["code"] == -32602


async def test_call_brings_what_the_function_returned(seen: list[Any]) -> None:
    def add(a: int, b: int = 2) -> dict[str, int]:
        seen.append(current_call())
        return {"sum": a + b}

    async def later(text: str) -> str:
        await asyncio.sleep(0)
        return text.upper()

    def raw() -> Content:
        return Content([{"type": "image", "data": "AA==", "mimeType": "image/png"}])

    clis = FakeCLIs()
    async with client_with(clis, add, later, raw) as client:
        cli = await prompted(client, clis)
        assert text_of(await call(cli, "python", "add", a=1)) == '{"sum":3}'
        assert text_of(await call(cli, "python", "later", text="abc")) == "ABC"
        assert (await call(cli, "python", "raw"))["content"][0]["type"] == "image"
        assert (seen[0].session, seen[0].tool_use_id) == ("main", "toolu_1")


async def test_errors_are_tool_errors_with_the_frames_of_the_user() -> None:
    def divide(by: int) -> float:
        return 1 / by

    def refuse() -> None:
        raise ToolFailedError("Ask again tomorrow.")

    def leave() -> None:
        raise SystemExit

    clis = FakeCLIs()
    async with client_with(clis, divide, refuse, leave) as client:
        cli = await prompted(client, clis)
        failed = await call(cli, "python", "divide", by=0)
        assert failed["isError"] is True
        assert text_of(failed).startswith("ZeroDivisionError: division by zero\n")
        assert "return 1 / by" in text_of(failed)
        assert "claude_magic/" not in text_of(failed).replace("tests", "")
        assert text_of(await call(cli, "python", "refuse")) == "Ask again tomorrow."
        assert (await call(cli, "python", "leave"))["isError"] is True
        assert "the arguments do not fit" in text_of(await call(cli, "python", "divide", by="zero"))


async def test_cancelled_call_ends_its_coroutine(seen: list[Any]) -> None:
    began = asyncio.Event()

    async def wait() -> None:
        try:
            began.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    clis = FakeCLIs()
    async with client_with(clis, wait) as client:
        cli = await prompted(client, clis)
        result = asyncio.create_task(call(cli, "python", "wait", 7))
        await began.wait()
        await mcp(cli, "python", "notifications/cancelled", None, requestId=7)
        assert (await result)["isError"] is True
        assert seen == ["cancelled"]


async def test_closing_the_session_cancels_its_calls(seen: list[Any]) -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        try:
            began.set()
            await asyncio.Event().wait()
        finally:
            ended.set()

    clis = FakeCLIs()
    async with client_with(clis, wait) as client:
        cli = await prompted(client, clis)
        task = asyncio.create_task(call(cli, "python", "wait"))
        await began.wait()
        await client.close_session("main")
        async with asyncio.timeout(10):
            await ended.wait()
        task.cancel()


async def test_secrets_are_taken_out_of_results() -> None:
    def tell() -> str:
        return f"the value is {SECRET}"

    async def request(subtype: str, **fields: Any) -> dict[str, Any]:
        return {}

    connection = ToolConnection(request, Redactor({"MY_API_KEY": SECRET}))
    await connection.offer([ToolServer("desk", [tell])])
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "tell"}}
    reply = await connection.answer({"server_name": "desk", "message": message}, session="", session_id="", turn_id="")
    assert text_of(reply["mcp_response"]["result"]) == "the value is [redacted MY_API_KEY]"


async def test_allowed_tools_are_not_asked_about(seen: list[Any]) -> None:
    """A server that says so decides for itself; every other tool is asked about."""
    from dataclasses import replace

    from claude_magic.tools import as_tool

    def look() -> str:
        return ""

    def act() -> str:
        return ""

    def ask(request: PermissionRequest) -> Allow:
        seen.append(request.tool_name)
        return Allow()

    answers = []

    async def behave(cli: FakeTransport, message: dict[str, Any]) -> None:
        cli.begin(message)
        for name in ("look", "act"):
            answers.append((await cli.ask(f"mcp__desk__{name}", {}))["response"]["behavior"])
        cli.result()

    clis = FakeCLIs(behave)
    server = ToolServer("desk", [replace(as_tool(look), is_allowed=True), act])
    async with client_with(clis, server, ask=ask) as client:
        await prompted(client, clis)
    assert answers == ["allow", "allow"]
    assert seen == ["mcp__desk__act"]


async def test_what_a_tool_raises_or_returns_never_hangs_nor_ends_the_loop() -> None:
    """`next` without a default, `exit` in a coroutine, a wrapper around a coroutine function, a value that raises."""

    def first() -> int:
        return next(iter([]))

    async def leave() -> None:
        raise SystemExit

    async def inner() -> str:
        return "awaited"

    def outer() -> Any:
        return inner()

    class Odd:
        def __str__(self) -> str:
            raise SystemExit

    def odd() -> Any:
        return Odd()

    clis = FakeCLIs()
    async with client_with(clis, first, leave, outer, odd) as client:
        cli = await prompted(client, clis)
        assert "StopIteration" in text_of(await call(cli, "python", "first"))
        assert "SystemExit" in text_of(await call(cli, "python", "leave"))
        assert text_of(await call(cli, "python", "outer")) == "awaited"
        assert "SystemExit" in text_of(await call(cli, "python", "odd"))
