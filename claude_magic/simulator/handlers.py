"""The simulator's HTTP side: routes, answers, streams and damaged connections. Runs on the simulator's loop only."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import socket
import struct
import threading
import time
import uuid
from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from tornado import web
from tornado.iostream import StreamClosedError

from claude_magic.simulator.answers import compose, count_tokens, fill
from claude_magic.simulator.calls import APICall, read_call
from claude_magic.simulator.events import Event, events, events_until_cut
from claude_magic.simulator.failures import FAILURES, Failure, How
from claude_magic.simulator.request_log import RecordedRequest, RequestLog, mask_headers
from claude_magic.simulator.scenario import Pace, Step, TextBlock
from claude_magic.simulator.script import Choice, Script

__all__ = ["Stage", "make_application"]

_log = logging.getLogger(__name__)

_FLUSH_BYTES = 32_768
_BROKEN_EVENT = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"del\n\n'
_RESET_AFTER_S = 0.1
_SPARED = Step((TextBlock("(simulated) The stream broke. This is the second try, which was not streamed."),))
# The CLI falls back to a request without streaming unless a whole block has arrived, so one block is whole.
_CUT_SHORT = (
    TextBlock("(simulated) This block is complete."),
    TextBlock("(simulated) This one breaks off in the middle, because the scenario says so."),
)
_INVALID = Failure("invalid", status=400, error_type="invalid_request_error", message="the body is not a JSON object")
_NOT_FOUND = Failure("not_found", status=404, error_type="not_found_error", message="Not found")


_FOREIGN = Failure("foreign", status=403, error_type="permission_error", message="only programs of this machine")
_WRONG_KEY = Failure(
    "wrong_key", status=401, error_type="authentication_error", message="this is not the key of this simulator"
)


def _is_loopback(address: str) -> bool:
    try:
        name = urlsplit(address).hostname or ""
    except ValueError:
        return False
    return name in ("localhost", "127.0.0.1", "::1")


class _ClientGone(Exception):
    """The client hung up, or the simulator is stopping: the rest of this answer is not wanted."""


class Stage:
    """What all handlers share: the script that is played, the log of requests, the pace, the key, the open answers."""

    def __init__(self, script: Script, requests: RequestLog, pace: float, key: str | None) -> None:
        self.script = script
        self.requests = requests
        self.pace = pace
        self.key = key
        self._open: set[MessagesHandler] = set()
        self._idle = threading.Event()
        self._idle.set()

    def enter(self, handler: MessagesHandler) -> None:
        """Note an answer that is under way."""
        self._idle.clear()
        self._open.add(handler)

    def leave(self, handler: MessagesHandler) -> None:
        """Forget an answer that is over."""
        self._open.discard(handler)
        if not self._open:
            self._idle.set()

    def wait_until_idle(self, timeout_s: float) -> bool:
        """Whether no answer is under way, waiting so many seconds for it. For other threads than the loop's."""
        return self._idle.wait(timeout_s)

    def give_up(self) -> None:
        """End every answer that is under way, stalled ones too."""
        for handler in tuple(self._open):
            handler.on_connection_close()


def make_application(stage: Stage) -> web.Application:
    """The tornado application: messages, token count, and an error in the API's shape for everything else."""
    shared = {"stage": stage}
    return web.Application(
        [
            (r"/v1/messages/count_tokens", CountTokensHandler, shared),
            (r"/v1/messages", MessagesHandler, shared),
            (r".*", NotFoundHandler, shared),
        ],
        # Answers with an error status are the purpose here, nothing to log.
        log_function=lambda handler: None,
    )


class _Handler(web.RequestHandler):
    def initialize(self, stage: Stage) -> None:
        self.stage = stage
        self.request_id = f"req_sim_{uuid.uuid4().hex[:20]}"
        self.gone = asyncio.Event()

    def set_default_headers(self) -> None:
        self.set_header("Server", "claude-magic-simulator")

    async def prepare(self) -> None:
        """Answer only who was given the key. A page in a browser can send requests here, but neither hide where it is
        from nor add a header."""
        headers = self.request.headers
        foreign = not _is_loopback(f"//{self.request.host}") or not _is_loopback(headers.get("Origin", "//localhost"))
        if foreign:
            await self.send_failure(_FOREIGN)
        elif not self._has_key():
            await self.send_failure(_WRONG_KEY)

    def _has_key(self) -> bool:
        headers = self.request.headers
        given = (headers.get("x-api-key", ""), headers.get("authorization", "").removeprefix("Bearer "))
        wanted = self.stage.key
        if wanted is None:
            return any(given)
        return any(secrets.compare_digest(one.encode(), wanted.encode()) for one in given)

    def compute_etag(self) -> str | None:
        return None

    def on_connection_close(self) -> None:
        self.gone.set()

    def record(self, call: APICall | None = None, rule: str = "") -> None:
        self.stage.requests.add(
            RecordedRequest(
                time=time.time(),
                method=self.request.method or "",
                path=self.request.uri or "",
                headers=mask_headers(dict(self.request.headers.get_all())),
                model=call.model if call else "",
                prompt=call.prompt if call else "",
                rule=rule,
                side=call.side if call else None,
                raw=self.request.body,
            )
        )

    def json_body(self) -> dict[str, Any] | None:
        try:
            body = json.loads(self.request.body)
        except ValueError:
            return None
        return body if isinstance(body, dict) else None

    async def send_failure(self, failure: Failure, message: str | None = None, wait: float | None = None) -> None:
        self.set_status(failure.status or 500)
        self.set_header("request-id", self.request_id)
        for name, value in failure.response_headers(time.time(), wait).items():
            self.set_header(name, value)
        self.set_header("Content-Type", "text/html" if failure.html else "application/json")
        await self.finish(b"" if self.request.method == "HEAD" else failure.body(self.request_id, message))


class NotFoundHandler(_Handler):
    """Everything the simulator does not offer."""

    async def prepare(self) -> None:
        await super().prepare()
        if not self._finished:
            self.record()
            await self.send_failure(_NOT_FOUND)


class CountTokensHandler(_Handler):
    """POST /v1/messages/count_tokens."""

    async def post(self) -> None:
        self.record()
        body = self.json_body()
        if body is None:
            await self.send_failure(_INVALID)
            return
        self.set_header("request-id", self.request_id)
        await self.finish({"input_tokens": count_tokens(body)})


class MessagesHandler(_Handler):
    """POST /v1/messages: choose a step, then play it."""

    async def post(self) -> None:
        body = self.json_body()
        if body is None:
            self.record()
            await self.send_failure(_INVALID)
            return
        call = read_call(body)
        script = self.stage.script
        choice = script.choose(call, self.request.headers.get("x-claude-code-session-id", ""))
        self.stage.enter(self)
        self.record(call, choice.rule)
        try:
            await self._play(call, choice, script)
        except (_ClientGone, StreamClosedError) as gone:
            _log.debug("answer %s was not wanted to its end: %s", self.request_id, type(gone).__name__)
            self._hang_up()
        finally:
            self.stage.leave(self)

    async def _play(self, call: APICall, choice: Choice, script: Script) -> None:
        step, failure = _resolve(call, choice)
        pace = step.pace(script.scenario.pace) if call.side is None else Pace()
        await self._pause(pace.delay_s)
        if failure is not None and not failure.how.mid_stream:
            await self._fail(failure, step)
            return
        answer = compose(step, call, script.scenario, choice.groups)
        for block in answer.content:
            if block["type"] == "tool_use":
                script.called_tool(block["id"], choice)
        self._set_headers(step, call.stream)
        if failure is not None:
            await self._stream(events_until_cut(answer, pace.chunk_chars), pace)
            await self._break(failure, step)
        elif call.stream:
            await self._stream(events(answer, pace.chunk_chars), pace)
            await self.finish()
        else:
            await self.finish(json.dumps(answer.as_json(), ensure_ascii=False))

    def _set_headers(self, step: Step, stream: bool) -> None:
        self.set_header("Content-Type", "text/event-stream; charset=utf-8" if stream else "application/json")
        self.set_header("Cache-Control", "no-cache")
        self.set_header("request-id", self.request_id)
        for name, value in step.headers.items():
            self.set_header(name, value)

    async def _stream(self, stream: Iterable[Event], pace: Pace) -> None:
        """Write the events. Without pauses between chunks they are sent in large pieces."""
        delay_s = pace.chunk_delay_s * self.stage.pace
        waiting = 0
        for event in stream:
            encoded = event.encode()
            self.write(encoded)
            waiting += len(encoded)
            if waiting >= _FLUSH_BYTES or (event.paced and delay_s > 0):
                await self._flush()
                waiting = 0
                if event.paced:
                    await self._pause(pace.chunk_delay_s)
        await self._flush()

    async def _fail(self, failure: Failure, step: Step) -> None:
        """A failure before anything of the answer was sent."""
        if failure.how is How.ANSWER:
            await self.send_failure(failure, step.fail_message, step.retry_after_s)
        elif failure.how is How.RESET:
            self._reset()
        elif failure.how is How.STALL_BEFORE:
            await self._stall()
        else:
            self._set_headers(step, stream=True)
            await self.finish()

    async def _break(self, failure: Failure, step: Step) -> None:
        """The damage after a part of the answer was sent."""
        if failure.how is How.RESET_MID:
            # A client that has not read yet what it received would see the reset first.
            await self._pause_exactly(_RESET_AFTER_S)
            self._reset()
        elif failure.how is How.STALL:
            await self._stall()
        elif failure.how is How.ERROR_EVENT:
            await self.finish(Event(failure.error(self.request_id, step.fail_message)).encode())
        else:
            await self.finish(_BROKEN_EVENT if failure.how is How.MALFORMED else b"")

    async def _flush(self) -> None:
        if self.gone.is_set():
            raise _ClientGone
        await self.flush()

    async def _pause(self, seconds: float) -> None:
        """Wait, scaled by the simulator's pace; raises _ClientGone as soon as the client has hung up."""
        await self._pause_exactly(seconds * self.stage.pace)

    async def _pause_exactly(self, seconds: float) -> None:
        if seconds <= 0:
            return
        try:
            await asyncio.wait_for(self.gone.wait(), seconds)
        except TimeoutError:
            return
        raise _ClientGone

    async def _stall(self) -> None:
        await self.gone.wait()
        raise _ClientGone

    def _hang_up(self) -> None:
        """Close the connection as it is: tornado would otherwise end the answer as if it were complete."""
        self.detach().close()

    def _reset(self) -> None:
        """Close with a TCP reset instead of an orderly end."""
        stream = self.detach()
        # Lingering for no time makes close() throw away the connection.
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        stream.close()


def _resolve(call: APICall, choice: Choice) -> tuple[Step, Failure | None]:
    """The step to play and the failure it means, if any.

    Damage to a stream spares a request that asked for none: that is the CLI's second try, and it gets an answer.
    """
    step = choice.step
    if step.fail is None:
        return step, None
    name = fill(step.fail, call, choice.groups).lower()
    failure = FAILURES.get(name)
    if failure is None:
        return Step((TextBlock(f"(simulated) There is no failure `{name}`. The known ones: {{failures}}."),)), None
    damages_stream = failure.how.mid_stream or failure.how is How.EMPTY
    if damages_stream and not call.stream:
        return (replace(step, fail=None) if step.blocks else _SPARED), None
    if failure.how.mid_stream and not step.blocks:
        return replace(step, blocks=_CUT_SHORT), failure
    return step, failure
