"""A CLI that lives in memory: a transport that speaks the protocol, for tests of everything above processes."""

from __future__ import annotations

import asyncio
import itertools
import json
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import fields
from typing import Any

from claude_magic.cli.decoder import Decoder
from claude_magic.cli.transport import NEW_SESSION, Launch, SessionOrigin
from claude_magic.client import AsyncClaudeClient
from claude_magic.clock import unix_time
from claude_magic.config import PoolConfig, RetryPolicy, SessionConfig
from claude_magic.errors import ProcessError
from claude_magic.messages import Message
from claude_magic.redaction import Redactor

_pids = itertools.count(90_000)

Behaviour = Callable[["FakeTransport", dict[str, Any]], Awaitable[None]]


def prompt_of(message: dict[str, Any]) -> str:
    """The text of a user message, without the block that disarms it."""
    content = message["message"]["content"]
    if isinstance(content, str):
        return content
    return "\n".join(block.get("text", "") for block in content if block.get("text") != "\n")


async def echo(cli: FakeTransport, message: dict[str, Any]) -> None:
    """Answer `echo: PROMPT`, as one delta."""
    await cli.answer(message, f"echo: {prompt_of(message)}")


class FakeTransport:
    """One CLI in memory.

    Args:
        launch: how it was "started".
        behave: what it does with a prompt.
        end_s: how long it takes to end, in seconds.
    """

    def __init__(self, launch: Launch, behave: Behaviour = echo, end_s: float = 0.0) -> None:
        self.launch = launch
        self.behave = behave
        self.end_s = end_s
        self.pid = next(_pids)
        self.exit_code: int | None = None
        self.stderr_tail = ""
        self.sent: list[dict[str, Any]] = []
        self.session_id = self._flag("--session-id") or self._flag("--resume") or str(uuid.uuid4())
        self.total_usd = 0.0
        self.closed = False
        self.cancels = False
        self.clears = True
        self.others: list[int] = []
        self.interrupted = asyncio.Event()
        self.answers: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._queue: asyncio.Queue[list[Message] | None] = asyncio.Queue()
        self._decoder = Decoder(launch.redactor)
        self._work: set[asyncio.Task[None]] = set()

    def _flag(self, name: str) -> str:
        for argument in self.launch.argv:
            if argument.startswith(name + "="):
                return argument.split("=", 1)[1]
        return ""

    # The transport.

    async def send(self, message: dict[str, Any]) -> None:
        if self.exit_code is not None:
            raise ProcessError("The fake CLI is gone.", exit_code=self.exit_code)
        self.sent.append(message)
        if message["type"] == "control_request":
            self._control(message["request_id"], message["request"])
        elif message["type"] == "control_response":
            answer = message["response"]
            self.answers[answer["request_id"]].set_result(answer)
        elif prompt_of(message) == "/clear" and self.clears:
            self._clear(message)
        else:
            self.interrupted.clear()
            task = asyncio.create_task(self.behave(self, message))  # type: ignore[arg-type]
            self._work.add(task)
            task.add_done_callback(self._work.discard)

    async def receive(self) -> list[Message]:
        batch = await self._queue.get()
        return batch if batch is not None else []

    async def close(self, *, grace_s: float = 4.0) -> None:
        await asyncio.sleep(self.end_s)
        self.die(0)
        self.closed = True

    def kill(self) -> None:
        self.die(-9)

    def detached_pids(self) -> list[int]:
        return self.others

    # What it can be told to do.

    def say(self, *lines: dict[str, Any]) -> None:
        """Emit lines as one batch."""
        raw = [json.dumps({"session_id": self.session_id, **line}).encode() for line in lines]
        self._queue.put_nowait(self._decoder.decode(raw, unix_time()))

    @property
    def prompts(self) -> list[str]:
        """The prompts it got."""
        return [prompt_of(message) for message in self.sent if message["type"] == "user"]

    def requests(self, subtype: str) -> list[dict[str, Any]]:
        """The control requests of one kind that it got."""
        asked = [message["request"] for message in self.sent if message["type"] == "control_request"]
        return [request for request in asked if request["subtype"] == subtype]

    def die(self, exit_code: int) -> None:
        """End, with what was said before still to be read."""
        if self.exit_code is None:
            self.exit_code = exit_code
            for task in self._work:
                task.cancel()
            self._queue.put_nowait(None)

    def begin(self, message: dict[str, Any]) -> None:
        """Open a turn: init, then the echo of the prompt."""
        self.say({"type": "system", "subtype": "init", "model": "fake-model", "tools": []})
        self.say({"type": "user", "isReplay": True, "uuid": message["uuid"], "message": message["message"]})

    def text(self, *pieces: str) -> None:
        """Stream a block of text."""
        start = {"type": "message_start", "message": {"usage": {"input_tokens": 10, "output_tokens": 1}}}
        self.say({"type": "stream_event", "event": start})
        for piece in pieces:
            delta = {"type": "text_delta", "text": piece}
            event = {"type": "content_block_delta", "index": 0, "delta": delta}
            self.say({"type": "stream_event", "event": event, "parent_tool_use_id": None})
        content = [{"type": "text", "text": "".join(pieces)}]
        self.say({"type": "assistant", "message": {"content": content}, "parent_tool_use_id": None})

    def result(self, **fields: Any) -> None:
        """Close a turn; a cent a turn unless told otherwise."""
        self.total_usd += fields.pop("cost_usd", 0.01)
        self.say(
            {
                "type": "result", "subtype": "success", "is_error": False, "num_turns": 1, "result": "",
                "total_cost_usd": self.total_usd, "terminal_reason": "completed", "modelUsage": {}, **fields,
            }
        )  # fmt: skip

    async def answer(self, message: dict[str, Any], *pieces: str, **fields: Any) -> None:
        """A whole turn of text."""
        self.begin(message)
        self.text(*pieces)
        self.result(**fields)

    async def until_interrupted(self) -> None:
        """Wait for an interrupt and end the turn as the CLI does."""
        await self.interrupted.wait()
        self.result(subtype="error_during_execution", is_error=True, terminal_reason="aborted_streaming", cost_usd=0.0)

    async def ask(self, tool: str, tool_input: dict[str, Any], use_id: str = "toolu_1") -> dict[str, Any]:
        """Ask for permission and return the host's answer."""
        request_id = str(uuid.uuid4())
        self.answers[request_id] = asyncio.get_running_loop().create_future()
        request = {"subtype": "can_use_tool", "tool_name": tool, "input": tool_input, "tool_use_id": use_id}
        self.say({"type": "control_request", "request_id": request_id, "request": request})
        return await self.answers[request_id]

    def _clear(self, message: dict[str, Any]) -> None:
        """Begin a new conversation, as the CLI does."""
        self.session_id = str(uuid.uuid4())
        self.say({"type": "conversation_reset", "new_conversation_id": self.session_id, "trigger": "clear"})
        self.begin(message)
        self.result(cost_usd=0.0)

    def _control(self, request_id: str, request: dict[str, Any]) -> None:
        response: dict[str, Any] = {}
        if request["subtype"] == "initialize":
            response = {"models": [{"value": "fake-model"}, {"value": "other-model"}], "account": {}}
        elif request["subtype"] == "get_usage":
            response = {"session": {"total_cost_usd": self.total_usd}}
        elif request["subtype"] == "cancel_async_message":
            response = {"cancelled": self.cancels}
        elif request["subtype"] == "interrupt":
            self.interrupted.set()
        inner = {"subtype": "success", "request_id": request_id, "response": response}
        self.say({"type": "control_response", "response": inner})


class FakeCLIs:
    """Starts fake CLIs, and remembers them.

    Args:
        behave: what each does with a prompt.
        start_s: how long a start takes, in seconds.
        end_s: how long each takes to end, in seconds.
    """

    def __init__(self, behave: Behaviour = echo, start_s: float = 0.0, end_s: float = 0.0) -> None:
        self.behave = behave
        self.start_s = start_s
        self.end_s = end_s
        self.started: list[FakeTransport] = []
        self.most_alive = 0
        self.failures: list[Exception] = []

    async def start(self, launch: Launch) -> FakeTransport:
        if self.failures:
            raise self.failures.pop(0)
        cli = FakeTransport(launch, self.behave, self.end_s)
        self.started.append(cli)
        self.most_alive = max(self.most_alive, len(self.alive))
        if self.start_s:
            try:
                await asyncio.sleep(self.start_s)
            except BaseException:
                cli.die(-9)
                raise
        return cli

    @property
    def alive(self) -> list[FakeTransport]:
        return [cli for cli in self.started if cli.exit_code is None]

    @property
    def last(self) -> FakeTransport:
        return self.started[-1]

    def client(self, config: SessionConfig | None = None, **options: Any) -> AsyncClaudeClient:
        """A client of these CLIs; keyword arguments of `PoolConfig` and of the client."""
        names = {item.name for item in fields(PoolConfig)}
        pool = PoolConfig(**{"prewarm": 0, **{name: options.pop(name) for name in list(options) if name in names}})
        options = {"compile": compile_fake, "retry": RetryPolicy(first_delay_s=0, max_delay_s=0), **options}
        return AsyncClaudeClient(config, pool=pool, start=self.start, **options)


class FakeLauncher:
    """What the pool needs of a configuration, without looking at this machine."""

    def __init__(self, config: SessionConfig) -> None:
        self.config = config
        self.fingerprint: object = 0
        self.notice = ""
        self.may_prewarm = True

    @property
    def key(self) -> object:
        config = self.config
        return (config.model, config.system_prompt, config.working_dir, config.json_schema)

    def launch(self, origin: SessionOrigin = NEW_SESSION) -> Launch:
        argv = ["fake"]
        argv += [f"--session-id={origin.session_id}"] if origin.session_id else []
        argv += [f"--resume={origin.resume}"] if origin.resume else []
        argv += ["--fork-session"] if origin.fork else []
        argv += [f"--resume-session-at={origin.resume_at}"] if origin.resume_at else []
        return Launch(tuple(argv), redactor=Redactor(dict(self.config.secrets)))


async def compile_fake(config: SessionConfig) -> FakeLauncher:
    """Compile for a fake CLI."""
    return FakeLauncher(config)
