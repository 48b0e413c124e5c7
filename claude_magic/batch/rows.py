"""Rows on their way: `LocalRows` sends each in a conversation of its own, and says what came of it."""

from __future__ import annotations

import asyncio
import json
import time
import zlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from claude_magic.batch.keys import resolved_model
from claude_magic.cli.decoder import Decoder
from claude_magic.cli.discovery import cli_version
from claude_magic.client import AsyncClaudeClient
from claude_magic.config import SessionConfig
from claude_magic.engine.session import Session, managed
from claude_magic.errors import (
    ClaudeError,
    ControlError,
    PoolClosedError,
    RateLimitError,
    SessionError,
)
from claude_magic.lenient import mapping, mappings, string
from claude_magic.messages import Message, MessageType
from claude_magic.redaction import NOTHING_SECRET, Redactor
from claude_magic.response import Outcome, Response

_UNFINISHED = {
    Outcome.MAX_TURNS: "It took more API calls than it may (max_turns).",
    Outcome.BUDGET: "It cost more than a row may.",
    Outcome.DENIED: "It was denied and stopped.",
    Outcome.INTERRUPTED: "It was stopped.",
}
STOPPED = "STOPPED"
"""Code of a row that was stopped on its way."""


@dataclass(frozen=True)
class RowResult:
    """What one attempt at a row brought.

    Attributes:
        text: the answer.
        structured: the object of the schema, or `None`.
        error: what went wrong, in words; "" if nothing did.
        code: the code of the error; "" if there is none.
        retryable: whether the same prompt may succeed later.
        resets_at: when a limit ends, in unix seconds, where the CLI said so.
        model: the model that answered.
        source: who answered, as an `AnswerSource`.
        cost_usd: what it cost, in US dollars.
        input_tokens: read by the model, those of the prompt cache included.
        output_tokens: written by the model.
        seconds: from sending the prompt to the end.
        turn_id: id of the turn.
        session_id: the CLI's id of the conversation.
        shown: the lines of the CLI, packed by `packed`.
    """

    text: str = ""
    structured: Any = None
    error: str = ""
    code: str = ""
    retryable: bool = False
    resets_at: float | None = None
    model: str = ""
    source: str = ""
    cost_usd: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    seconds: float = 0.0
    turn_id: str = ""
    session_id: str = ""
    shown: bytes = b""


@dataclass(frozen=True)
class CLIFacts:
    """What a CLI says of itself before the first row.

    Attributes:
        model: the model that will answer, by its full name.
        version: version of the CLI.
        subscription: name of the plan that pays, where none is paid by the token; "" else.
    """

    model: str
    version: str = ""
    subscription: str = ""


class RowRunner(Protocol):
    """Sends rows; `LocalRows` on this machine."""

    async def facts(self) -> CLIFacts:
        """Make ready, and return what the CLI says of itself."""

    async def run(self, prompt: str) -> RowResult:
        """Send a prompt in a conversation of its own, and return what came of it; it raises nothing of Claude's."""

    async def stop(self) -> None:
        """End what is on its way."""

    async def close(self) -> None:
        """Let go of the sessions."""


class LocalRows:
    """Sends rows through sessions of a client, one for each row at work.

    A session keeps its process and begins a new conversation with each row; where a CLI does not do that, each row gets
    a new process.

    Args:
        client: the client.
        config: settings of the sessions.
        map_id: the map; its sessions are named after it.
        timeout_s: longest a row may take, in seconds.
    """

    def __init__(self, client: AsyncClaudeClient, config: SessionConfig, map_id: str, timeout_s: float | None) -> None:
        self._client = client
        self._config = config
        self._map_id = map_id
        self._timeout_s = timeout_s
        # The CLI counts what a process has spent; and it must know its commands.
        self._reuses = config.max_budget_usd is None and "--disable-slash-commands" not in config.extra_args
        self._sessions: list[Session] = []
        self._free: list[Session] = []
        self._numbers = 0

    @property
    def sessions(self) -> list[Session]:
        """The sessions at work, and those that wait for a row."""
        return list(self._sessions)

    async def facts(self) -> CLIFacts:
        session = await self._take()
        try:
            info = await self._client.connect(session)
        finally:
            self._free.append(session)
        account = mapping(info.get("account"))
        is_key = string(account.get("apiKeySource")) not in ("", "none")
        return CLIFacts(
            model=resolved_model(self._config.model, mappings(info.get("models"))),
            version=string(info.get("claude_code_version")) or await self._version(session),
            subscription="" if is_key else string(account.get("subscriptionType")),
        )

    async def _version(self, session: Session) -> str:
        """Ask a CLI that is older than 2.1.330, which does not tell its version by itself."""
        connection = managed(session).connection
        if connection is None:
            return ""
        with suppress(ClaudeError):
            return await asyncio.to_thread(cli_version, Path(connection.launch.argv[0]))
        return ""

    async def run(self, prompt: str) -> RowResult:
        began = time.monotonic()
        session = await self._take()
        try:
            return await self._ask(session, prompt, began)
        finally:
            await self._give_back(session)

    async def _ask(self, session: Session, prompt: str, began: float) -> RowResult:
        reuses = self._reuses
        try:
            response = await self._client.execute(
                session, prompt, new_conversation=reuses, patient=True, timeout_s=self._timeout_s
            )
        except ControlError as error:
            if not reuses:
                return _failed(error, managed(session).redactor, time.monotonic() - began)
            self._reuses = False
            return RowResult(error=error.message, code=error.code, retryable=True)
        except PoolClosedError as error:
            return RowResult(error=error.message, code=STOPPED)
        except SessionError as error:  # a person has closed it
            self._sessions.remove(session)
            return RowResult(error=error.message, code=error.code, retryable=True)
        except ClaudeError as error:
            return _failed(error, managed(session).redactor, time.monotonic() - began)
        return _result(response, managed(session).redactor)

    async def _take(self) -> Session:
        if self._free:
            return self._free.pop()
        self._numbers += 1
        session = await self._client.create_session(self._config, f"{self._map_id}/{self._numbers}")
        managed(session).map_id = self._map_id
        self._sessions.append(session)
        return session

    async def _give_back(self, session: Session) -> None:
        if session not in self._sessions:
            return
        if self._reuses:
            self._free.append(session)
        else:
            await self._drop(session)

    async def _drop(self, session: Session) -> None:
        self._sessions.remove(session)
        with suppress(ClaudeError):  # a person may have closed it
            await self._client.close_session(session)

    async def stop(self) -> None:
        for session in self.sessions:
            with suppress(ClaudeError):
                await self._client.interrupt(session)

    async def close(self) -> None:
        for session in self.sessions:
            await self._drop(session)
        self._free.clear()


def _result(response: Response, redactor: Redactor, error: ClaudeError | None = None) -> RowResult:
    unfinished = _UNFINISHED.get(response.outcome, "") if error is None else ""
    code = error.code if error is not None else (str(response.outcome).upper() if unfinished else "")
    usage = response.usage
    return RowResult(
        text=response.text,
        structured=response.structured,
        error=error.message if error is not None else unfinished,
        code=STOPPED if response.outcome is Outcome.INTERRUPTED else code,
        retryable=error is not None and error.retryable,
        resets_at=error.resets_at if isinstance(error, RateLimitError) else None,
        model=response.model,
        source=str(response.source),
        cost_usd=response.cost_usd,
        input_tokens=usage.total_input_tokens,
        output_tokens=usage.output_tokens,
        seconds=response.duration_s,
        turn_id=response.turn_id if response.sent else "",
        session_id=response.session_id,
        shown=packed(response.messages, redactor),
    )


def _failed(error: ClaudeError, redactor: Redactor, seconds: float) -> RowResult:
    if error.response is not None:
        return _result(error.response, redactor, error)
    return RowResult(error=error.message, code=error.code, retryable=error.retryable, seconds=seconds)


# The lines of a turn, packed.

_BETWEEN_US = {"stream_event", "control_request", "control_response", "command_lifecycle", "rate_limit_event"}
_UNSHOWN = (MessageType.STDERR, MessageType.STATUS)
_OF_INIT = ("type", "subtype", "model", "session_id", "tools", "permissionMode")
_LEVEL = 1
"""A row's lines are short: more effort makes them hardly smaller."""


def packed(messages: Iterable[Message], redactor: Redactor) -> bytes:
    """Return the lines of a turn as bytes: whole blocks without their pieces, secrets taken out."""
    lines = []
    for message in messages:
        if message.type in _UNSHOWN or message.line.startswith(b'{"type":"stream_event"'):
            continue
        raw = message.raw
        if not raw or raw.get("type") in _BETWEEN_US or raw.get("isReplay") or raw.get("type") == "conversation_reset":
            continue
        if raw.get("subtype") == "init":
            raw = {name: raw[name] for name in _OF_INIT if name in raw}
        lines.append(json.dumps(redactor.value(raw), separators=(",", ":")))
    return zlib.compress("\n".join(lines).encode(), _LEVEL)


def unpacked(shown: bytes, received: float) -> list[Message]:
    """Return the messages of packed lines.

    Args:
        shown: what `packed` returned.
        received: when they came, in unix seconds.
    """
    lines = zlib.decompress(shown).split(b"\n") if shown else []
    return Decoder(NOTHING_SECRET).decode(lines, received) if lines else []
