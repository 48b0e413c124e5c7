"""Tapes: runs recorded as JSON lines, and played again with no CLI and no account.

A tape holds what went in, what came out, and when; no environment and no credential, and secrets are redacted before
they are written, also where they came split over several deltas. Its lines:

    {"tape": 1, "created": "…"}                       first line
    {"run": "ID", "prompt": …}                        a prompt goes in
    {"of": "ID", "at": 0.12, "line": {…}}             a line comes out, seconds after the prompt
    {"of": "ID", "at": 1.5, "sent": {…}}              an answer to a question goes in

Lines of sessions that run at the same time stand mixed; `of` says to which run a line belongs.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
import uuid
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from claude_magic.config import SessionConfig
from claude_magic.errors import ProcessError
from claude_magic.messages import Message, MessageType
from claude_magic.permissions import Allow, Decision, Deny
from claude_magic.protocol import Content, Decoder
from claude_magic.redaction import Redactor, StreamRedactor
from claude_magic.transport import Launch, Start, Transport

VERSION = 1
PLAYED = "played from a tape, $0.00 now"
"""What a played turn says of itself."""


# Recording.


class TapeRecorder:
    """Writes every run of a client to a file, each line as it happens; off until `begin`."""

    def __init__(self) -> None:
        self.path: Path | None = None
        self._file: TextIO | None = None

    @property
    def is_on(self) -> bool:
        """Whether runs are written."""
        return self._file is not None

    def begin(self, path: str | Path) -> None:
        """Write to a file from the next prompt on; a new one begins, an existing tape is added to.

        Args:
            path: the file.

        Raises:
            ValueError: the file is there and is no tape, or it cannot be written.
        """
        self.close()
        target = Path(path).expanduser().absolute()
        fresh = not target.exists() or target.stat().st_size == 0
        if not fresh:
            read_tape(target)
        try:
            if not fresh:
                _drop_half_line(target)
            self._file = target.open("a", encoding="utf-8")
        except OSError as error:
            raise ValueError(f"The tape {str(target)!r} cannot be written: {error.strerror}.") from None
        self.path = target
        if fresh:
            self.write({"tape": VERSION, "created": datetime.now(UTC).isoformat(timespec="seconds")})

    def wrap(self, start: Start) -> Start:
        """Return a way to start that records what goes through it."""

        async def start_recorded(launch: Launch) -> Transport:
            return RecordedTransport(await start(launch), launch.redactor, self)

        return start_recorded

    def write(self, record: dict[str, Any]) -> None:
        """Write one line; what is written is on disk even if the kernel dies the next moment."""
        if self._file is not None:
            self._file.write(json.dumps(record, ensure_ascii=False) + "\n")
            self._file.flush()

    def close(self) -> None:
        """Write no more."""
        if self._file is not None:
            self._file.close()
        self._file = self.path = None


class RecordedTransport:
    """A transport whose traffic goes onto a tape.

    Args:
        transport: the real one.
        redactor: secrets that must not be written.
        tape: where it is written.
    """

    def __init__(self, transport: Transport, redactor: Redactor, tape: TapeRecorder) -> None:
        self._transport = transport
        self._redactor = redactor
        self._tape = tape
        self._lines = RedactedLines(redactor, self._write_line)
        self._run = ""
        self._began = time.monotonic()

    @property
    def pid(self) -> int | None:
        return self._transport.pid

    @property
    def exit_code(self) -> int | None:
        return self._transport.exit_code

    @property
    def stderr_tail(self) -> str:
        return self._transport.stderr_tail

    def detached(self) -> list[int]:
        return self._transport.detached()

    def kill(self) -> None:
        self._transport.kill()

    async def close(self, *, grace_s: float = 4.0) -> None:
        await self._transport.close(grace_s=grace_s)

    async def send(self, message: dict[str, Any]) -> None:
        if not self._tape.is_on:
            self._run = ""
        elif message.get("type") == "user":
            self._lines.flush()
            self._run, self._began = str(message.get("uuid") or uuid.uuid4()), time.monotonic()
            prompt = self._redactor.value(message["message"]["content"])
            self._tape.write({"run": self._run, "prompt": prompt})
        elif message.get("type") == "control_response" and self._run:
            self._tape.write({"of": self._run, "at": self._at(), "sent": self._redactor.value(message)})
        await self._transport.send(message)

    async def receive(self) -> list[Message]:
        messages = await self._transport.receive()
        if self._tape.is_on and self._run:
            at = self._at()
            for message in messages:
                self._lines.add(message, at)
        return messages

    def _write_line(self, at: float, line: dict[str, Any]) -> None:
        self._tape.write({"of": self._run, "at": at, "line": line})

    def _at(self) -> float:
        return round(time.monotonic() - self._began, 4)


class RedactedLines:
    """Lines of a CLI with the secrets taken out, also those that come split over several deltas.

    Args:
        redactor: knows the secrets.
        write: gets each line that is worth keeping, with its time.
    """

    def __init__(self, redactor: Redactor, write: Callable[[float, dict[str, Any]], None]) -> None:
        self._redactor = redactor
        self._write = write
        self._delta = StreamRedactor(redactor)
        self._pending: tuple[float, dict[str, Any]] | None = None

    def add(self, message: Message, at: float) -> None:
        """Take the next message.

        Args:
            message: as it came; what is only between the CLI and us is left out.
            at: its time, for `write`.
        """
        raw = message.raw
        if not raw or message.type is MessageType.STDERR or raw.get("type") == "control_response":
            return
        piece = _delta_key(raw)
        if piece is None:
            self.flush()
            self._write(at, self._redactor.value(raw))
            return
        self._write_pending()
        delta = raw["event"]["delta"]
        delta[piece] = self._delta.feed(delta[piece])
        self._pending = (at, raw)

    def flush(self) -> None:
        """A block is complete: what was held back belongs to its last delta."""
        rest = self._delta.flush()
        if self._pending is not None and rest:
            line = self._pending[1]
            line["event"]["delta"][_delta_key(line)] += rest
        self._write_pending()

    def _write_pending(self) -> None:
        if self._pending is not None:
            self._write(*self._pending)
            self._pending = None


def _delta_key(raw: dict[str, Any]) -> str | None:
    """Return which field of a line streams text, or `None` for every other line."""
    if raw.get("type") != "stream_event":
        return None
    delta = raw.get("event", {}).get("delta") or {}
    return next((key for key in ("text", "thinking", "partial_json") if isinstance(delta.get(key), str)), None)


# Reading and playing.


@dataclass
class TapeRun:
    """One recorded run.

    Attributes:
        prompt: what went in.
        lines: what came out, each with its time after the prompt, in seconds.
        decisions: how its permission questions were answered, by the id of the tool use.
    """

    prompt: Content
    lines: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    decisions: dict[str, Decision] = field(default_factory=dict)

    def answer(self, sent: dict[str, Any]) -> None:
        """Take an answer that went in, if it is one to a question of this run."""
        told = sent.get("response") or {}
        for _, line in reversed(self.lines):
            if line.get("type") == "control_request" and line.get("request_id") == told.get("request_id"):
                decision = _decision(told.get("response") or {})
                self.decisions[str((line.get("request") or {}).get("tool_use_id"))] = decision
                return


def _decision(answer: dict[str, Any]) -> Decision:
    """Return the decision that `wire_answer` wrote down."""
    if answer.get("behavior") == "allow":
        return Allow(answer.get("updatedInput"))
    return Deny(str(answer.get("message") or ""), bool(answer.get("interrupt")))


def read_tape(path: str | Path) -> list[TapeRun]:
    """Return the runs of a tape, in order; a last line that was only half written is left out.

    Raises:
        ValueError: the file is no tape, or a line of it cannot be read.
    """
    source = Path(path).expanduser()
    try:
        lines = source.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"The tape {str(source)!r} cannot be read: {error}.") from None
    runs: list[TapeRun] = []
    by_id: dict[str, TapeRun] = {}
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
        except ValueError:
            if 1 < number == len(lines):
                break
            record = None
        if not isinstance(record, dict) and number > 1:
            raise ValueError(f"The tape {str(source)!r} has a broken line {number}.")
        if not isinstance(record, dict) or (number == 1 and record.get("tape") != VERSION):
            raise ValueError(f"{str(source)!r} is no tape of version {VERSION}; make one with record=PATH.")
        if "run" in record:
            run = by_id[str(record["run"])] = TapeRun(record["prompt"])
            runs.append(run)
        elif "line" in record and str(record.get("of")) in by_id:
            by_id[str(record["of"])].lines.append((float(record.get("at", 0.0)), record["line"]))
        elif "sent" in record and str(record.get("of")) in by_id:
            by_id[str(record["of"])].answer(record["sent"])
    if not lines:
        raise ValueError(f"{str(source)!r} is no tape: it is empty.")
    return runs


def _drop_half_line(path: Path) -> None:
    """Cut off a last line that was only half written, so that what is added begins a line of its own."""
    with path.open("rb+") as file:
        whole = file.read().rfind(b"\n") + 1
        file.truncate(whole)


class TapePlayer:
    """Answers prompts from a tape: the same prompt gets the same run, the second time its second one.

    Args:
        path: the tape.
        speed: 1 plays at the recorded pace, 10 ten times as fast, 0 without any wait.

    Raises:
        ValueError: the file is no tape, or the speed is no number of at least 0.
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
        """Start a player in place of a CLI."""
        return Tape(self, launch.redactor)

    async def compile(self, config: SessionConfig) -> TapeCommand:
        """Return what the pool needs of a configuration: nothing of this machine."""
        return TapeCommand(self)


class TapeCommand:
    """A configuration for a player: every session can use every process of the same tape.

    Args:
        player: plays the tape.
    """

    fingerprint: Hashable = "tape"
    notice = ""

    def __init__(self, player: TapePlayer) -> None:
        self.key: Hashable = player

    def launch(
        self,
        *,
        session_id: str | None = None,
        resume: str | None = None,
        fork: bool = False,
        resume_at: str | None = None,
    ) -> Launch:
        """Return a launch that starts nothing."""
        return Launch(("tape",))


def prompt_key(prompt: Content) -> str:
    """Return the text by which a prompt is known: its text blocks, without the one that disarms it."""
    if isinstance(prompt, str):
        return prompt.strip()
    texts = [str(block.get("text", "")) for block in prompt if block.get("type") == "text"]
    return "\n\n".join(text for text in texts if text.strip()).strip()


class Tape:
    """A transport that plays recorded runs.

    Args:
        player: finds the run for a prompt.
        redactor: secrets, as for any other transport.
    """

    def __init__(self, player: TapePlayer, redactor: Redactor) -> None:
        self.pid: int | None = None
        self.exit_code: int | None = None
        self.stderr_tail = ""
        self._player = player
        self._decoder = Decoder(redactor)
        self._queue: asyncio.Queue[list[Message]] = asyncio.Queue()
        self._playing: asyncio.Task[None] | None = None
        self._answered = asyncio.Event()
        self._stopped = asyncio.Event()
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

    def detached(self) -> list[int]:
        return []

    def _control(self, request_id: str, subtype: str) -> None:
        if subtype == "interrupt":
            self._stopped.set()
            self._answered.set()
        response = {"models": [], "account": {"apiProvider": "tape"}} if subtype == "initialize" else {}
        inner = {"subtype": "success", "request_id": request_id, "response": response}
        self._say({"type": "control_response", "response": inner})

    async def _play(self, message: dict[str, Any]) -> None:
        prompt = message["message"]["content"]
        run = self._player.find(prompt)
        if run is None:
            self._unknown(message)
            return
        now = 0.0
        for at, line in run.lines:
            if self._player.speed > 0 and at > now:
                await self._pause((at - now) / self._player.speed)
            now = max(now, at)
            if self._stopped.is_set():
                self._say(_interrupted(self._session_id))
                return
            await self._play_line(line, message)

    async def _pause(self, seconds: float) -> None:
        """Let time pass, until somebody interrupts."""
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
            line = {**line, "request_id": str(uuid.uuid4())}
            self._answered.clear()
            self._say(line)
            await self._answered.wait()
            return
        if line.get("type") != "control_cancel_request":
            self._say(line)

    def _unknown(self, message: dict[str, Any]) -> None:
        known = "; ".join(map(_short, dict.fromkeys(self._player.prompts[:5]))) or "none"
        words = f"This prompt is not on the tape. It knows: {known}."
        session = {"session_id": self._session_id}
        self._say({"type": "system", "subtype": "init", "model": "tape", **session})
        self._say({"type": "user", "isReplay": True, "uuid": message["uuid"], "message": message["message"], **session})
        self._say({"type": "result", "subtype": "error", "is_error": True, "result": words, **session})

    def _say(self, *lines: dict[str, Any]) -> None:
        raw: Iterable[bytes] = (json.dumps(line).encode() for line in lines)
        self._queue.put_nowait(self._decoder.decode(raw, time.time()))


def _short(prompt: str) -> str:
    line = " ".join(prompt.split()).rstrip(".")
    return line if len(line) <= 60 else line[:59] + "…"


def _interrupted(session_id: str) -> dict[str, Any]:
    return {
        "type": "result",
        "subtype": "error_during_execution",
        "is_error": True,
        "terminal_reason": "aborted_streaming",
        "session_id": session_id,
    }
