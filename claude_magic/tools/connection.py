"""`ToolConnection`: serves tools to one CLI process: MCP, in messages of the control channel.

What a CLI does with it was tried on 2.1.202 and 2.1.332. Both take servers at any time by `mcp_set_servers`, which
names all of them anew; both begin with `initialize` and `tools/list` (the older one twice, interleaved), so everything
but a call is answered without any state. A server whose tools have changed is taken away and offered again: the older
CLI does not act on `notifications/tools/list_changed`. `alwaysLoad` keeps the schemas in the prompt, where newer CLIs
would have the model search for them first. A call may take as long as it needs: neither ends one of 310 s, unless
MCP_TOOL_TIMEOUT is set, which no note of progress extends.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import traceback
from collections.abc import Awaitable, Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from claude_magic._version import __version__
from claude_magic.daemon_thread import in_daemon_thread
from claude_magic.errors import ControlError
from claude_magic.lenient import mapping, string
from claude_magic.redaction import Redactor
from claude_magic.tools.server import ToolServer
from claude_magic.tools.tool import Tool, ToolFailedError
from claude_magic.values.content import Content, content_of, text_block

logger = logging.getLogger(__name__)

_PROTOCOL = "2025-06-18"
_LONGEST_EDIT = 8_000
_METHOD_NOT_FOUND, _INVALID_PARAMS = -32601, -32602
_PACKAGE = str(Path(__file__).parents[1])

Request = Callable[..., Awaitable[dict[str, Any]]]


@dataclass(frozen=True)
class CallContext:
    """Whose call a tool answers.

    Attributes:
        session: name of the session.
        session_id: the CLI's id of the conversation.
        turn_id: id of the prompt that is worked on; "" between turns.
        tool_use_id: id of the tool use.
        content: add blocks that belong to the result beside what the function returns.
    """

    session: str
    session_id: str
    turn_id: str
    tool_use_id: str
    content: list[dict[str, Any]] = field(default_factory=list)


_current: ContextVar[CallContext | None] = ContextVar("claude_magic_tool_call", default=None)


def current_call() -> CallContext | None:
    """Return whose call the running tool answers; `None` outside of one."""
    return _current.get()


class ToolConnection:
    """Serves tools to one CLI process. Lives on the loop's thread.

    Args:
        request: sends a control request to the CLI and brings its answer.
        redactor: knows what no result may show.
    """

    def __init__(self, request: Request, redactor: Redactor) -> None:
        self._request = request
        self._redactor = redactor
        self._servers: dict[str, ToolServer] = {}
        self._offered: dict[str, str] = {}
        self._calls: dict[tuple[str, Any], asyncio.Task[list[dict[str, Any]]]] = {}
        self._edited: dict[str, str] = {}

    async def offer(self, servers: Iterable[ToolServer]) -> None:
        """Have the model offered these servers from its next request on, and no others.

        Raises:
            ProcessError: the CLI is gone.
        """
        wanted = {server.name: server for server in servers if server.tools}
        prints = {name: server.fingerprint for name, server in wanted.items()}
        self._servers = wanted
        if prints == self._offered:
            return
        same = {name for name, seen in self._offered.items() if prints.get(name) == seen}
        try:
            if same != self._offered.keys():
                await self._set(same)
            await self._set(prints)
        except ControlError as error:
            logger.warning("the CLI takes no tools of this process: %s", error.message)
        self._offered = prints
        await self._allow(wanted.values())

    async def _set(self, names: Iterable[str]) -> None:
        servers = {name: {"type": "sdk", "name": name, "alwaysLoad": True} for name in names}
        answer = await self._request("mcp_set_servers", servers=servers)
        for name, problem in mapping(answer.get("errors")).items():
            logger.warning("the CLI does not take the tool server %s: %s", name, problem)

    async def _allow(self, servers: Iterable[ToolServer]) -> None:
        """Allow what only looks by a rule: `dontAsk`, `plan` and `auto` deny it without a question to the host.

        Rules that deny, such as those of the user's settings, still win (2.1.202 and 2.1.332).
        """
        looking = [(server.name, tool) for server in servers for tool in server.tools if tool.is_allowed]
        rules = [f"mcp__{name}__{tool.name}" for name, tool in looking if tool.read_only]
        if not rules:
            return
        try:
            await self._request("apply_flag_settings", settings={"permissions": {"allow": rules}})
        except ControlError as error:
            logger.debug("some permission modes deny what only looks: the CLI takes no rule for it: %s", error.message)

    def find(self, full_name: str) -> Tool | None:
        """Return the tool that permission rules call so, such as `mcp__python__revenue`; `None` if it is not ours."""
        name = full_name.removeprefix("mcp__").partition("__")[0]
        server = self._servers.get(name) if full_name.startswith("mcp__") else None
        return server.get(full_name) if server is not None else None

    def note_edited(self, tool_use_id: str, before: dict[str, Any], after: dict[str, Any]) -> None:
        """A person changed the input of a call before allowing it; the CLI does not tell the model, so the result does.

        Args:
            tool_use_id: id of the tool use.
            before: the model's input.
            after: what is run.
        """
        changed = {name: value for name, value in after.items() if before.get(name) != value}
        words = "\n".join(f"{name}: {value}" for name, value in changed.items())
        self._edited[tool_use_id] = f"The user edited the input before allowing it. It was run with\n{words}"

    async def answer(self, request: dict[str, Any], *, session: str, session_id: str, turn_id: str) -> dict[str, Any]:
        """Answer an `mcp_message` request of the CLI.

        Args:
            request: the request.
            session: name of the session that uses the CLI.
            session_id: the CLI's id of the conversation.
            turn_id: id of the prompt that is worked on; "" between turns.
        """
        server = self._servers.get(string(request.get("server_name")))
        message = mapping(request.get("message"))
        if "id" not in message:
            if message.get("method") == "notifications/cancelled":
                self._cancel(string(request.get("server_name")), mapping(message.get("params")).get("requestId"))
            return {"mcp_response": {"jsonrpc": "2.0", "result": {}}}
        if server is None:
            return _reply(message, error=(_METHOD_NOT_FOUND, "This server is not offered any more."))
        params = mapping(message.get("params"))
        match message.get("method"):
            case "initialize":
                return _reply(message, _introduction(server, params))
            case "ping":
                return _reply(message, {})
            case "tools/list":
                return _reply(message, {"tools": [tool.definition for tool in server.tools]})
            case "tools/call":
                context = CallContext(session, session_id, turn_id, string(_meta(params).get("claudecode/toolUseId")))
                return await self._call(server, message, params, context)
            case method:
                return _reply(message, error=(_METHOD_NOT_FOUND, f"{method} is not served."))

    async def _call(
        self, server: ToolServer, message: dict[str, Any], params: dict[str, Any], context: CallContext
    ) -> dict[str, Any]:
        tool = server.get(string(params.get("name")))
        if tool is None:
            known = ", ".join(one.name for one in server.tools)
            return _reply(
                message, error=(_INVALID_PARAMS, f"There is no tool {params.get('name')!r}; there are {known}.")
            )
        key = (server.name, message["id"])
        task = asyncio.create_task(self._run(server, tool, mapping(params.get("arguments")), context))
        self._calls[key] = task
        try:
            await asyncio.wait([task])
        finally:  # cancelled: the CLI withdrew the request, or is gone
            task.cancel()
            self._calls.pop(key, None)
        if task.cancelled():
            content, is_error = [text_block("The call was cancelled.")], True
        elif (error := task.exception()) is not None:
            content, is_error = _error_content(error), True
        else:
            content, is_error = task.result(), False
        if edited := self._edited.pop(context.tool_use_id, ""):
            content = [text_block(edited, _LONGEST_EDIT), *content]
        return _reply(message, {"content": self._redactor.value(content), "isError": is_error})

    async def _run(
        self, server: ToolServer, tool: Tool, given: dict[str, Any], context: CallContext
    ) -> list[dict[str, Any]]:
        _current.set(context)
        call, name = tool.bound(given), f"claude-magic-tool-{tool.name}"
        if tool.is_async:
            value = await _awaited(call())
        elif server.run is not None:
            value = await server.run(call)
        else:
            value = await in_daemon_thread(call, name)
        if inspect.isawaitable(value):  # a plain function around a coroutine function
            value = await _awaited(value)
        if isinstance(value, Content):
            return value
        # Showing a value runs its own code, which may take long.
        return [*await in_daemon_thread(lambda: content_of(value), name), *context.content]

    def _cancel(self, server: str, request_id: Any) -> None:
        task = self._calls.get((server, request_id))
        if task is not None:
            task.cancel()


async def _awaited(value: Awaitable[Any]) -> Any:
    """Await what a tool returned; what would end a program ends the call, and not the loop."""
    try:
        return await value
    except (SystemExit, KeyboardInterrupt) as error:
        raise RuntimeError(f"it raised {type(error).__name__}") from None


def _introduction(server: ToolServer, params: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "protocolVersion": string(params.get("protocolVersion")) or _PROTOCOL,
        "capabilities": {"tools": {"listChanged": True}},
        "serverInfo": {"name": server.name, "version": __version__},
    }
    return shown | ({"instructions": server.instructions} if server.instructions else {})


def _meta(params: dict[str, Any]) -> dict[str, Any]:
    return mapping(params.get("_meta"))


def _reply(
    message: dict[str, Any], result: dict[str, Any] | None = None, *, error: tuple[int, str] | None = None
) -> dict[str, Any]:
    reply: dict[str, Any] = {"jsonrpc": "2.0", "id": message["id"]}
    if error is not None:
        reply["error"] = {"code": error[0], "message": error[1]}
    else:
        reply["result"] = result
    return {"mcp_response": reply}


def _error_content(error: BaseException) -> list[dict[str, Any]]:
    """Return an error as the model reads it: its type, its words, and where in the user's code it was raised."""
    if isinstance(error, ToolFailedError):
        return error.content or [text_block(str(error))]
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(_PACKAGE)]
    places = "".join(traceback.format_list(frames))
    words = "".join(traceback.format_exception_only(error)).strip()
    return [text_block(f"{words}\n{places}".strip())]
