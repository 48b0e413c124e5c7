"""Kept answers: a cell whose prompt, settings and earlier turns are the same gets the answer it had, at no cost.

A kept answer is one file in the user's state folder, named by a hash of all that may change the answer: the prompt with
its attachments, the settings, and the chain of turns before it in the conversation, each with the id of its answer. It
holds the response and the lines of the CLI, secrets taken out, so that it is shown like any other run.

A kept answer is not a turn: nothing is sent, and the records do not know it. When a prompt of the same session is sent
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
from claude_magic.magics.conversations import conversations_dir, is_uuid
from claude_magic.messages import Message
from claude_magic.paths import open_regular, replace_private, user_dir
from claude_magic.recording import RedactedLines, decode_record, encode_record
from claude_magic.redaction import NOTHING_SECRET, Redactor
from claude_magic.response import AnswerSource, Response

logger = logging.getLogger("claude_magic")

_VERSION = 1
_SUFFIX = ".jsonl.gz"
_MOST_BYTES = 200_000_000
"""All kept answers together; those that were not used for the longest time go first."""
_MOST_BYTES_OF_ONE = 256_000_000
"""One kept answer, unpacked: what a file unpacks to is not seen from its size."""
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
class KeptAnswer:
    """One kept answer.

    Attributes:
        response: as it was, but that it costs nothing and says that it was kept.
        session_id: the CLI's id of the conversation it ended.
        answer_id: uuid of the CLI's message it ended with; "" if there is none.
    """

    response: Response
    session_id: str
    answer_id: str


class AnswerStore:
    """The kept answers of this user, on disk. Nothing is written before the first one is kept.

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

    def find(self, key: str) -> KeptAnswer | None:
        """Return the answer of a key; `None` if none is kept, or what is kept cannot be read any more."""
        path = self.folder / f"{key}{_SUFFIX}"
        try:
            with open_regular(path, limit=self._most_bytes) as file:
                kept = _read(file)
            os.utime(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except Exception as error:  # whatever is in the file: a prompt can always be sent
            logger.warning("The kept answer %s cannot be read, and the prompt is sent: %s.", path, error)
            return None
        return kept

    def keep(self, key: str, response: Response, redactor: Redactor) -> None:
        """Keep an answer, in place of an earlier one of the same key.

        Args:
            key: its key.
            response: the answer.
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
        found = []
        for path in self.folder.glob(f"*{_SUFFIX}"):
            with suppress(OSError):  # another kernel may be making room as well
                found.append((path, path.stat()))
        total = sum(state.st_size for _, state in found)
        for path, state in sorted(found, key=lambda entry: entry[1].st_mtime):
            if total <= self._most_bytes:
                break
            with suppress(OSError):
                path.unlink()
                total -= state.st_size


# A kept answer as lines.


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
    """The first line of a kept answer; the others are `_Line`s."""

    kept: int
    answer_id: str = ""
    response: dict[str, Any] = {}


class _Line(msgspec.Struct):
    at: float
    line: dict[str, Any]


def _read(file: BinaryIO) -> KeptAnswer:
    """Return a kept answer.

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
    facts = dict(first.response)
    if not facts.get("source"):  # written by version 0.1
        facts["source"] = AnswerSource.SIMULATOR if facts.get("simulated") else AnswerSource.MODEL
    try:
        response = msgspec.convert(facts, Response)
        datetime.fromtimestamp(response.started)  # it is shown as a date
    except (msgspec.ValidationError, ValueError, OverflowError, OSError) as error:
        raise ValueError(f"line 1: {error}") from None
    response = replace(
        response, messages=tuple(messages), source=AnswerSource.CACHE, cached_source=response.source, cost_usd=0.0
    )
    return KeptAnswer(response, response.session_id, first.answer_id)


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


def _answer_id(messages: Iterable[Message]) -> str:
    """Return the uuid of the last message of the model on the main thread."""
    found = ""
    for message in messages:
        raw = message.raw
        if raw.get("type") == "assistant" and not raw.get("parent_tool_use_id"):
            found = str(raw.get("uuid") or found)
    return found


# Sessions.


@dataclass(frozen=True)
class Chain:
    """The turns of a session so far, as one hash. Equal chains are equal conversations.

    Attributes:
        hash: of the key and the answer of each turn in order.
        turns: how many turns of the session are in it.
    """

    hash: str
    turns: int

    @classmethod
    def begin(cls, config: SessionConfig) -> Chain:
        """Return the chain of a session that has had no turn yet."""
        return cls(_hash([config.resume, config.fork, config.resume_at]), 0)

    @classmethod
    def unknown(cls, turns: int) -> Chain:
        """Return a chain that equals no other: something else than a cell has prompted the session."""
        return cls(uuid.uuid4().hex, turns)

    def key(self, content: Content, config: SessionConfig, *, literal: bool, schema: dict[str, Any] | None) -> str:
        """Return the key of a prompt that comes next: equal keys are equal questions in equal conversations.

        Args:
            content: what is sent.
            config: the settings it is sent with.
            literal: whether a `/command` and an `@path` in it are plain text.
            schema: JSON Schema the answer must fit.
        """
        settings = {item.name: getattr(config, item.name) for item in fields(config) if _is_in_key(item, config)}
        return _hash([self.hash, settings, config.simulated is not None, content, literal, schema])

    def after(self, key: str, turn_id: str, *, turns: int) -> Chain:
        """Return the chain once the prompt of a key has been answered.

        Args:
            key: the key of the prompt.
            turn_id: the turn that answered it.
            turns: how many turns of the session are in the chain then.
        """
        return Chain(_hash([key, turn_id]), turns)


@dataclass
class CachedSession:
    """What the cache knows of a session.

    Attributes:
        session: the session.
        chain: its turns so far.
        tail: the last kept answer, if the session itself does not know it yet.
        is_lost: whether the session does not know all that was said.
        under_way: keys of prompts in the background: what comes after them follows an answer that is not known yet.
    """

    session: Session
    chain: Chain
    tail: KeptAnswer | None = None
    is_lost: bool = False
    under_way: set[str] = field(default_factory=set)

    def check_chain(self) -> Chain:
        """Return the chain that the next prompt follows; a new one if others have prompted the session since."""
        if self.session.turns != self.chain.turns or self.under_way:
            self.chain = Chain.unknown(self.session.turns)
        return self.chain

    def forget_context(self) -> None:
        """The session does not know what was said before: its answers fit no kept answer from now on."""
        self.is_lost, self.tail = True, None

    def advance(self, key: str, response: Response, *, kept: KeptAnswer | None = None) -> None:
        """Take in that the prompt of a key was answered, by the CLI or by a kept answer."""
        # What a background run brought may arrive later than what came after it.
        is_next = kept is not None or response.turn == self.chain.turns + 1
        turns = self.chain.turns + (kept is None)
        is_known = is_next and not self.is_lost
        self.chain = self.chain.after(key, response.turn_id, turns=turns) if is_known else Chain.unknown(turns)
        self.tail = kept


class AnswerCache:
    """The kept answers, and where each session stands.

    Args:
        store: the kept answers on disk.
    """

    def __init__(self, store: AnswerStore | None = None) -> None:
        self.store = store or AnswerStore()
        self._sessions: dict[str, CachedSession] = {}

    def get(self, session: Session) -> CachedSession:
        """Return what is known of a session."""
        known = self._sessions.get(session.name)
        if known is None or known.session is not session:
            known = self._sessions[session.name] = CachedSession(session, Chain.begin(session.config))
        return known

    def forget_chain(self, session: Session) -> None:
        """The session stands elsewhere in its conversation than its turns say."""
        known = self.get(session)
        known.chain, known.tail = Chain.unknown(session.turns), None

    def rename(self, before: str, name: str) -> None:
        """A session has another name."""
        if before in self._sessions:
            self._sessions[name] = self._sessions.pop(before)

    def rebind(self, cached: CachedSession, session: Session) -> CachedSession:
        """Another session of the same name continues; return what is known of it, with nothing left to catch up."""
        chain = replace(cached.chain, turns=session.turns)
        rebound = self._sessions[session.name] = replace(cached, session=session, chain=chain, tail=None)
        return rebound


def continued(config: SessionConfig, kept: KeptAnswer) -> SessionConfig | None:
    """Return the settings with which a session goes on after a kept answer; `None` if the CLI has it no longer."""
    if not kept.answer_id or not is_uuid(kept.session_id):
        return None
    for path in conversations_dir(config).glob(f"*/{kept.session_id}.jsonl"):
        if _has(path, kept.answer_id.encode()):
            return config.replace(resume=kept.session_id, fork=True, resume_at=kept.answer_id)
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


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
