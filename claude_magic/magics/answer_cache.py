"""Kept answers: a cell whose prompt, settings and turns before are the same is answered by its last run, for nothing.

A kept run is one file in the user's state folder, named by a hash of all that may change the answer: the prompt with
its attachments, the settings, and the chain of turns before it in the conversation, each with the id of its answer. It
holds the response and the lines of the CLI, secrets taken out, so that it is shown like any other run.

A kept answer is no turn: nothing is sent, and the records do not know it. When a prompt of the same session is sent
after kept ones, the session goes on in a copy of the kept conversation, cut off after the last kept answer.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import os
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from claude_magic.cli.decoder import Content, Decoder
from claude_magic.config import SessionConfig
from claude_magic.engine.session import Session
from claude_magic.magics.resuming import conversations_dir
from claude_magic.messages import Message, MessageType
from claude_magic.paths import open_regular, replace_private, user_dir
from claude_magic.recording import RedactedLines, decode_record, encode_record
from claude_magic.redaction import NOTHING_SECRET, Redactor
from claude_magic.response import Response

logger = logging.getLogger("claude_magic")

_VERSION = 1
_SUFFIX = ".jsonl.gz"
_MOST_BYTES = 200_000_000
"""All kept runs together; those that were not used for the longest time go first."""
_MOST_BYTES_OF_ONE = 256_000_000
"""One kept run, unpacked: what a file unpacks to is not seen from its size."""
_NO_MATTER = {
    "oauth_token", "api_key", "cli_path", "workspace_id", "turn_timeout_s", "silence_timeout_s", "simulated",
    "resume", "fork", "resume_at",
}  # fmt: skip
"""Settings that do not change an answer, or that are in the chain of turns already."""
_ALWAYS_IN_KEY = {
    "add_dirs", "allowed_tools", "append_system_prompt", "disallowed_tools", "effort", "environment", "extra_args",
    "json_schema", "max_budget_usd", "max_turns", "mcp_config", "model", "permission_mode", "setting_sources",
    "system_prompt", "tools", "working_dir",
}  # fmt: skip
"""Settings of the first version: they are in every key. A later one is in a key only where it is not at its default, so
that what was kept before it existed is still found."""


@dataclass(frozen=True)
class KeptRun:
    """One kept run.

    Attributes:
        response: as it was, but that it costs nothing and says that it was kept.
        session_id: the CLI's id of the conversation it ended.
        answer_id: uuid of the CLI's message it ended with; "" if there is none.
    """

    response: Response
    session_id: str
    answer_id: str


class KeptRuns:
    """The kept runs of this user, on disk. Nothing is written before the first run is kept.

    Args:
        folder: where they are; in the user's state folder if not given.
        most_bytes: how much all of them may take.
    """

    def __init__(self, folder: Path | None = None, most_bytes: int = _MOST_BYTES) -> None:
        self._folder = folder
        self._most_bytes = most_bytes

    @property
    def folder(self) -> Path:
        """Where they are."""
        return self._folder if self._folder is not None else user_dir("state") / "kept"

    def find(self, key: str) -> KeptRun | None:
        """Return the run of a key; `None` if none is kept, or what is kept cannot be read any more."""
        path = self.folder / f"{key}{_SUFFIX}"
        try:
            with open_regular(path, limit=self._most_bytes) as file:
                run = _read(file)
            os.utime(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except Exception as error:  # whatever is in the file: a prompt can always be sent
            logger.warning("The kept answer %s cannot be read, and the prompt is sent: %s.", path, error)
            return None
        return run

    def keep(self, key: str, response: Response, redactor: Redactor) -> None:
        """Keep a run, in place of an earlier one of the same key.

        Args:
            key: its key.
            response: what it brought.
            redactor: knows the secrets of its session.

        Raises:
            OSError: it cannot be written.
            ValueError: it is too large.
        """
        written = b"".join(map(encode_record, _records(response, redactor)))
        if len(written) > _MOST_BYTES_OF_ONE:
            raise ValueError(f"it takes more than {_MOST_BYTES_OF_ONE:,} bytes")
        replace_private(self.folder / f"{key}{_SUFFIX}", gzip.compress(written))
        self._make_room()

    def _make_room(self) -> None:
        runs = []
        for path in self.folder.glob(f"*{_SUFFIX}"):
            with suppress(OSError):  # another kernel may be making room as well
                runs.append((path, path.stat()))
        total = sum(state.st_size for _, state in runs)
        for path, state in sorted(runs, key=lambda run: run[1].st_mtime):
            if total <= self._most_bytes:
                break
            with suppress(OSError):
                path.unlink()
                total -= state.st_size


# A run as lines.


def _records(response: Response, redactor: Redactor) -> Iterable[dict[str, Any]]:
    facts = {item.name: getattr(response, item.name) for item in fields(Response) if item.name != "messages"}
    facts["usage"] = vars(response.usage)
    facts["denials"] = [dict(denial) for denial in response.denials]
    answer_id = _answer_id(response.messages)
    lines: list[dict[str, Any]] = []
    redacted = RedactedLines(redactor, lambda at, line: lines.append({"at": at, "line": line}))
    for message in response.messages:
        redacted.add(message, message.received)
    redacted.flush()
    return [{"kept": _VERSION, "answer_id": answer_id, "response": redactor.value(facts)}, *lines]


class _First(msgspec.Struct):
    """The first line of a kept run; the others are `_Line`s."""

    kept: int
    answer_id: str = ""
    response: dict[str, Any] = {}


class _Line(msgspec.Struct):
    at: float
    line: dict[str, Any]


def _read(file: BinaryIO) -> KeptRun:
    """Return a kept run.

    Raises:
        ValueError: it is of another version, or damaged; names the line.
    """
    lines = _lines(file)
    first: _First = _decoded(1, next(lines, b""), _First)
    if first.kept != _VERSION:
        raise ValueError(f"it is of version {first.kept}, and this claude_magic reads version {_VERSION}")
    decoder = Decoder(NOTHING_SECRET)
    messages: list[Message] = []
    for number, line in enumerate(lines, 2):
        record: _Line = _decoded(number, line, _Line)
        messages += decoder.decode([json.dumps(record.line).encode()], record.at)
    try:
        response = msgspec.convert(first.response, Response)
    except msgspec.ValidationError as error:
        raise ValueError(f"line 1: {error}") from None
    mark = _mark(response, any(message.type is MessageType.TOOL_USE for message in messages))
    response = replace(response, messages=tuple(messages), source=mark, cost_usd=0.0)
    return KeptRun(response, response.session_id, first.answer_id)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    with gzip.open(file) as unpacked:
        data = unpacked.read(_MOST_BYTES_OF_ONE + 1)
    if len(data) > _MOST_BYTES_OF_ONE:
        raise ValueError(f"it unpacks to more than {_MOST_BYTES_OF_ONE:,} bytes")
    return iter(data.removesuffix(b"\n").split(b"\n"))


def _decoded(number: int, line: bytes, kind: Any) -> Any:
    try:
        return decode_record(line, kind)
    except ValueError as error:
        raise ValueError(f"line {number}: {error}") from None


def _mark(response: Response, used_tools: bool) -> str:
    date = datetime.fromtimestamp(response.started).astimezone()
    words = f"kept, $0.00, from {date:%Y-%m-%d %H:%M}"
    words += " (simulated: no model was called)" if response.simulated else ""
    return f"{words}; its tools did not run again" if used_tools else words


def _answer_id(messages: Iterable[Message]) -> str:
    """Return the uuid of the last message of the model on the main thread."""
    found = ""
    for message in messages:
        raw = message.raw
        if raw.get("type") == "assistant" and not raw.get("parent_tool_use_id"):
            found = str(raw.get("uuid") or found)
    return found


# Conversations.


@dataclass
class Conversation:
    """What was said in a session so far, as far as cells said it.

    Attributes:
        session: the session.
        chain: a hash of the turns so far; it matches nothing once something else than a cell prompted the session.
        turns: the turns of the session that are in the chain.
        tail: the last kept run, if the session itself does not know it yet.
        is_lost: whether the session does not know all that was said.
        under_way: keys of prompts in the background: what comes after them follows an answer that is not known yet.
    """

    session: Session
    chain: str
    turns: int
    tail: KeptRun | None = None
    is_lost: bool = False
    under_way: set[str] = field(default_factory=set)

    def key(self, content: Content, config: SessionConfig, *, literal: bool, schema: dict[str, Any] | None) -> str:
        """Return the key of a prompt that comes next: equal keys are equal questions in equal conversations.

        Args:
            content: what is sent.
            config: the settings it is sent with.
            literal: whether a `/command` and an `@path` in it are plain text.
            schema: JSON Schema the answer must fit.
        """
        if self.session.turns != self.turns or self.under_way:
            self.chain, self.turns = uuid.uuid4().hex, self.session.turns
        settings = {item.name: getattr(config, item.name) for item in fields(config) if _is_in_key(item, config)}
        return _hash([self.chain, settings, config.simulated is not None, content, literal, schema])

    def lost(self) -> None:
        """The session does not know what was said before: its answers fit no kept run from now on."""
        self.is_lost, self.tail = True, None

    def went_on(self, key: str, response: Response, *, kept: KeptRun | None = None) -> None:
        """The prompt of a key was answered: by the CLI, or by a kept run."""
        # What a background run brought may be told later than what came after it.
        is_next = kept is not None or response.turn == self.turns + 1
        self.chain = _hash([key, response.turn_id]) if is_next and not self.is_lost else uuid.uuid4().hex
        self.tail = kept
        self.turns += kept is None


class Keeper:
    """What is kept, and what was said in each session.

    Args:
        runs: the kept runs.
    """

    def __init__(self, runs: KeptRuns | None = None) -> None:
        self.runs = runs or KeptRuns()
        self._conversations: dict[str, Conversation] = {}

    def conversation(self, session: Session) -> Conversation:
        """Return what was said in a session."""
        known = self._conversations.get(session.name)
        if known is None or known.session is not session:
            config = session.config
            known = Conversation(session, _hash([config.resume, config.fork, config.resume_at]), 0)
            self._conversations[session.name] = known
        return known

    def moved(self, conversation: Conversation, session: Session) -> Conversation:
        """Another session of the same name goes on with a conversation; return it, with nothing left to catch up."""
        moved = replace(conversation, session=session, turns=session.turns, tail=None)
        self._conversations[session.name] = moved
        return moved


def continued(config: SessionConfig, run: KeptRun) -> SessionConfig | None:
    """Return the settings with which a session goes on after a kept run; `None` if the CLI has it no longer."""
    if not run.answer_id or not _is_id(run.session_id):
        return None
    for path in conversations_dir(config).glob(f"*/{run.session_id}.jsonl"):
        if _has(path, run.answer_id.encode()):
            return config.replace(resume=run.session_id, fork=True, resume_at=run.answer_id)
    return None


def _has(path: Path, wanted: bytes) -> bool:
    """Whether a line of a file holds these bytes; one that cannot be read has none."""
    try:
        with open_regular(path) as file:
            return any(wanted in line for line in file)
    except OSError:
        return False


def _is_in_key(setting: Field[Any], config: SessionConfig) -> bool:
    if setting.name in _NO_MATTER:
        return False
    default = setting.default_factory() if setting.default_factory is not MISSING else setting.default
    return setting.name in _ALWAYS_IN_KEY or getattr(config, setting.name) != default


def _is_id(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
