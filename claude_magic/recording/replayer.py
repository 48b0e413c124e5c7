"""Playing: a tape answers in place of the CLI, at the recorded pace or faster."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import uuid
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Any

from claude_magic.cli.decoder import Content, Decoder
from claude_magic.cli.transport import NEW_SESSION, Compile, Launch, Launcher, SessionOrigin, Start, Transport
from claude_magic.clock import unix_time
from claude_magic.config import SessionConfig
from claude_magic.errors import ProcessError
from claude_magic.messages import Message
from claude_magic.permissions import Decision
from claude_magic.recording.format import TapeRun, prompt_key, read_tape
from claude_magic.redaction import Redactor
from claude_magic.strings import opening

logger = logging.getLogger("claude_magic")


class TapeReplayer:
    """Answers prompts from a tape: the same prompt gets the same run, the second time its second one.

    Args:
        path: the tape.
        speed: 1 plays at the recorded pace, 10 ten times as fast, 0 without any wait.

    Raises:
        ValueError: the file is not a tape, or the speed is not a number of at least 0.
    """

    def __init__(self, path: str | Path, *, speed: float = 1.0) -> None:
        if not 0 <= speed < math.inf:
            raise ValueError(f"A tape's speed is a number of at least 0 (1 is the recorded pace), not {speed}.")
        self.speed = speed
        self._runs = read_tape(path)
        self._next: dict[str, int] = {}

    def find(self, prompt: Content) -> TapeRun | None:
        """Return the run for a prompt, or `None` if the tape does not know it."""
        key = prompt_key(prompt)
        fitting = [run for run in self._runs if prompt_key(run.prompt) == key]
        if not fitting:
            return None
        place = self._next.get(key, 0)
        self._next[key] = place + 1
        return fitting[min(place, len(fitting) - 1)]

    def decision(self, tool_use_id: str) -> Decision | None:
        """Return how a permission question was answered, or `None` where the run ended before it was."""
        return next((run.decisions[tool_use_id] for run in self._runs if tool_use_id in run.decisions), None)

    @property
    def prompts(self) -> list[str]:
        """What can be asked, in order."""
        return [prompt_key(run.prompt) for run in self._runs]

    async def start(self, launch: Launch) -> Transport:
        """Start a replayer in place of a CLI."""
        return PlayedTransport(self, launch.redactor)

    async def compile(self, config: SessionConfig) -> TapeLauncher:
        """Return what the pool needs of a configuration: nothing of this machine."""
        return TapeLauncher(self)


class ReplaySwitch:
    """Lets the CLI answer, or a tape in its place.

    Args:
        start: starts the CLI.
        compile: turns a configuration into what starts the CLI.
        replay: the tape that answers at first, as for `put_in`.

    Attributes:
        replayer: the tape that answers; `None` while the CLI does.

    Raises:
        ValueError: the file is not a tape.
    """

    def __init__(self, start: Start, compile: Compile, replay: str | Path | TapeReplayer | None) -> None:
        self.replayer: TapeReplayer | None = None
        self._start_cli, self._compile_for_cli = start, compile
        self.put_in(replay)

    def put_in(self, replay: str | Path | TapeReplayer | None) -> None:
        """Let a tape answer from the next start on, or the CLI (`None`).

        Raises:
            ValueError: the file is not a tape; nothing has changed.
        """
        self.replayer = TapeReplayer(replay) if isinstance(replay, str | Path) else replay

    async def start(self, launch: Launch) -> Transport:
        """Start what answers now."""
        return await (self._start_cli if self.replayer is None else self.replayer.start)(launch)

    async def compile(self, config: SessionConfig) -> Launcher:
        """Turn a configuration into what starts that."""
        return await (self._compile_for_cli if self.replayer is None else self.replayer.compile)(config)


class TapeLauncher:
    """A configuration for a replayer: every session can use every process of the same tape.

    Args:
        replayer: plays the tape.
    """

    fingerprint: Hashable = "tape"
    notice = ""
    may_prewarm = True

    def __init__(self, replayer: TapeReplayer) -> None:
        self.key: Hashable = replayer

    def launch(self, origin: SessionOrigin = NEW_SESSION) -> Launch:
        """Return a launch that starts nothing."""
        return Launch(("tape",))


class PlayedTransport:
    """A transport that plays recorded runs.

    Args:
        replayer: finds the run for a prompt.
        redactor: secrets, as for any other transport.
    """

    def __init__(self, replayer: TapeReplayer, redactor: Redactor) -> None:
        self.pid: int | None = None
        self.exit_code: int | None = None
        self.stderr_tail = ""
        self._replayer = replayer
        self._decoder = Decoder(redactor)
        self._queue: asyncio.Queue[list[Message]] = asyncio.Queue()
        self._playing: asyncio.Task[None] | None = None
        self._answered = asyncio.Event()
        self._stopped = asyncio.Event()
        self._has_ended = False
        self._session_id = str(uuid.uuid4())

    async def send(self, message: dict[str, Any]) -> None:
        if self.exit_code is not None:
            raise ProcessError("The tape has ended.", exit_code=self.exit_code)
        kind = message.get("type")
        if kind == "control_request":
            self._control(str(message["request_id"]), str(message["request"]["subtype"]))
        elif kind == "control_response":
            self._answered.set()
        elif kind == "user":
            if self._playing is not None:
                self._playing.cancel()  # what followed the end of the run before
            self._stopped.clear()
            self._playing = asyncio.create_task(self._play(message))

    async def receive(self) -> list[Message]:
        return await self._queue.get()

    async def close(self, *, grace_s: float = 4.0) -> None:
        self.kill()

    def kill(self) -> None:
        if self._playing is not None:
            self._playing.cancel()
        if self.exit_code is None:
            self.exit_code = 0
            self._queue.put_nowait([])

    def detached_pids(self) -> list[int]:
        return []

    def _control(self, request_id: str, subtype: str) -> None:
        if subtype == "interrupt":
            self._stopped.set()
            self._answered.set()
        response = {"models": [], "account": {"apiProvider": "tape"}} if subtype == "initialize" else {}
        inner = {"subtype": "success", "request_id": request_id, "response": response}
        self._say({"type": "control_response", "response": inner})

    async def _play(self, message: dict[str, Any]) -> None:
        """Play the run of a prompt; however it was recorded, it ends with a result."""
        prompt = message["message"]["content"]
        run = self._replayer.find(prompt)
        if run is None:
            prompts = dict.fromkeys(self._replayer.prompts[:5])
            known = "; ".join(opening(one, 60).rstrip(".") for one in prompts) or "none"
            self._fail(message, f"This prompt is not on the tape. It knows: {known}.")
            return
        try:
            await self._play_lines(run, message)
        except Exception as error:
            logger.debug("a tape cannot be played", exc_info=error)
            self._fail(message, f"The tape cannot be played further: {type(error).__name__}: {error}.")
            return
        if not self._has_ended:
            self._fail(message, "The tape has no end of this run: its recording stopped before the turn was over.")

    async def _play_lines(self, run: TapeRun, message: dict[str, Any]) -> None:
        self._has_ended = False
        now = 0.0
        for at, line in run.lines:
            if self._replayer.speed > 0 and at > now:
                await self._pause((at - now) / self._replayer.speed)
            now = max(now, at)
            if self._stopped.is_set():
                self._say(_interrupted(self._session_id))
                return
            await self._play_line(_renamed(line, run.id, str(message.get("uuid"))), message)

    async def _pause(self, seconds: float) -> None:
        """Let time pass, until an interrupt comes."""
        try:
            async with asyncio.timeout(seconds):
                await self._stopped.wait()
        except TimeoutError:
            return

    async def _play_line(self, line: dict[str, Any], message: dict[str, Any]) -> None:
        if line.get("type") == "user" and line.get("isReplay"):
            line = {**line, "uuid": message.get("uuid")}
        if line.get("type") == "result" and line.get("user_message_uuids"):
            line = {**line, "user_message_uuids": [message.get("uuid")]}
        if line.get("type") == "control_request":
            # The run goes on when the question is answered: by the tape, or where it has no answer, by anybody.
            request = line.get("request")
            if not isinstance(request, dict) or request.get("subtype") == "mcp_message":
                return  # it asks nothing; or a tool of the process was called, whose result is on the tape
            line = {**line, "request_id": str(uuid.uuid4())}
            self._answered.clear()
            self._say(line)
            await self._answered.wait()
            return
        if line.get("type") != "control_cancel_request":
            self._say(line)

    def _fail(self, message: dict[str, Any], text: str) -> None:
        session = {"session_id": self._session_id}
        self._say({"type": "system", "subtype": "init", "model": "tape", **session})
        self._say({"type": "user", "isReplay": True, "uuid": message["uuid"], "message": message["message"], **session})
        self._say({"type": "result", "subtype": "error", "is_error": True, "result": text, **session})

    def _say(self, *lines: dict[str, Any]) -> None:
        self._has_ended = self._has_ended or any(line.get("type") == "result" for line in lines)
        raw: Iterable[bytes] = (json.dumps(line).encode() for line in lines)
        self._queue.put_nowait(self._decoder.decode(raw, unix_time()))


def _renamed(line: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    """Return a line with the id of the prompt as it is now: the CLI names it in its echo, results and life cycle."""
    if not old:
        return line
    names: dict[Any, Any] = {old: new}

    def of(value: Any) -> Any:
        return names.get(value, value) if isinstance(value, str) else value

    return {key: list(map(of, value)) if isinstance(value, list) else of(value) for key, value in line.items()}


def _interrupted(session_id: str) -> dict[str, Any]:
    return {
        "type": "result",
        "subtype": "error_during_execution",
        "is_error": True,
        "terminal_reason": "aborted_streaming",
        "session_id": session_id,
    }
