"""`ControlChannel`: the requests of both sides beside the conversation, ours to the CLI and the CLI's to us."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from typing import Any

from claude_magic.cli.encoder import control_error, control_request, control_success
from claude_magic.errors import ClaudeError, ControlError, ProcessError
from claude_magic.lenient import mapping
from claude_magic.messages import Message

logger = logging.getLogger(__name__)


class ControlChannel:
    """Requests that wait for the CLI's answers, and answers of ours that are being found.

    Args:
        send: writes one message to the CLI; raises `ProcessError` when it is gone.
    """

    def __init__(self, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        self._send = send
        self._requests: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._request_count = 0
        self._responding: dict[str, asyncio.Task[None]] = {}

    async def request(self, subtype: str, timeout_s: float, fields: dict[str, Any]) -> dict[str, Any]:
        """Send a control request and return the answer.

        Args:
            subtype: the kind of request.
            timeout_s: longest wait, in seconds.
            fields: what belongs to it.

        Raises:
            ProcessError: the CLI is gone, or does not answer.
            ControlError: the CLI refuses.
        """
        self._request_count += 1
        request_id = f"claude-magic-{self._request_count}"
        response: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._requests[request_id] = response
        try:
            await self._send(control_request(request_id, subtype, **fields))
            async with asyncio.timeout(timeout_s if timeout_s < math.inf else None):
                return await response
        except TimeoutError:
            raise ProcessError(f"The CLI did not answer {subtype!r} within {timeout_s:g} s.") from None
        finally:
            self._requests.pop(request_id, None)

    def on_response(self, message: Message) -> None:
        """Take the CLI's answer to one of our requests."""
        response = mapping(message.raw.get("response"))
        future = self._requests.get(str(response.get("request_id")))
        if future is None or future.done():
            return
        if response.get("subtype") == "success":
            future.set_result(mapping(response.get("response")))
        else:
            future.set_exception(ControlError(str(response.get("error") or "refused without a reason")))

    def respond(self, message: Message, work: Callable[[], Awaitable[dict[str, Any]]]) -> None:
        """Answer a request of the CLI, as soon as the answer is found.

        Args:
            message: the request.
            work: finds the answer; a `ControlError` refuses. Not called if the request is withdrawn at once.
        """
        request_id = str(message.raw.get("request_id"))
        task = asyncio.create_task(self._respond(request_id, work))
        self._responding[request_id] = task
        task.add_done_callback(lambda done: self._responding.pop(request_id, None))

    async def _respond(self, request_id: str, work: Callable[[], Awaitable[dict[str, Any]]]) -> None:
        try:
            reply = control_success(request_id, await work())
        except ControlError as refusal:
            reply = control_error(request_id, refusal.message)
        except Exception:
            logger.exception("a question of the CLI could not be answered; it is refused")
            reply = control_error(request_id, "The host failed to answer.")
        try:
            await self._send(reply)
        except ClaudeError as error:
            logger.debug("an answer came too late: %s", error)

    def on_cancel(self, message: Message) -> None:
        """The CLI no longer wants the answer to one of its requests."""
        task = self._responding.get(str(message.raw.get("request_id")))
        if task is not None:
            task.cancel()

    def stop_responding(self) -> None:
        """Cancel the responses that are being prepared."""
        for task in list(self._responding.values()):
            task.cancel()

    def connection_lost(self, error: ClaudeError) -> None:
        """The CLI is gone: fail every request, and prepare no response any more."""
        for future in self._requests.values():
            if not future.done():
                future.set_exception(error)
                future.exception()  # seen: there may be no one left who waits
        self.stop_responding()
