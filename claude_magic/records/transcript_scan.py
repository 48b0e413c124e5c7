"""`scan`: the facts of one session file, read on from where the last reading ended. No pandas."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from claude_magic.records.ring import shortened
from claude_magic.records.tools import LONGEST_STRING, input_text
from claude_magic.records.transcript_lines import (
    SYNTHETIC,
    APIMessage,
    Block,
    Call,
    Record,
    ToolUse,
    Turn,
    decode_kind,
    decode_record,
    decode_records,
    plain,
)

CHUNK_BYTES = 4_000_000
MAX_PROBLEMS = 1_000
"""Broken lines of one file whose place is kept; more are only counted."""
_INTERRUPTED = "[Request interrupted by user"
_COMMAND = re.compile(r"<command-name>(.*?)</command-name>.*?(?:<command-args>(.*?)</command-args>)?\s*$", re.DOTALL)
_COMMAND_OUTPUT = "<local-command-stdout>"
_SAID_BY_THE_CLI = (_COMMAND_OUTPUT, "<local-command-stderr>", "<local-command-caveat>", "<bash-")
_NOTIFICATION = "<task-notification>"
_READ_TYPES = ("user", "assistant", "system")

Clean = Callable[[str], str]
"""Takes secrets out of a text."""


class Problem(msgspec.Struct, array_like=True, frozen=True):
    """A line that could not be used: its number from 1, the byte it begins at, and why."""

    line: int
    offset: int
    reason: str


class FileFacts(msgspec.Struct, array_like=True):
    """What is kept of one file; small beside it, and enough to read on later.

    Attributes:
        session_id: the session it belongs to.
        agent_id: the subagent that wrote it; "" for a session's own file.
        parent_tool_use_id: the tool use that started the subagent; "" where it is not known.
        offset: bytes that were taken in, always whole lines.
        head: a checksum that tells whether the file is still the same up to there.
        first: the first moment in it, in unix seconds: a fork's is later than that of the records it copied.
        is_fork: whether its records say that they were copied.
        started, ended: first and last moment of what was said, in unix seconds.
        types: how many records of each type.
        broken: how many lines could not be used; `problems` are the first of them.
        unfinished: the last line has no end yet, and is no whole record; it is looked at again.
    """

    session_id: str
    agent_id: str = ""
    parent_tool_use_id: str = ""
    offset: int = 0
    head: int = 0
    first: float | None = None
    is_fork: bool = False
    started: float | None = None
    ended: float | None = None
    working_dir: str = ""
    title: str = ""
    turns: list[Turn] = []
    calls: list[Call] = []
    tools: list[ToolUse] = []
    types: dict[str, int] = {}
    broken: int = 0
    problems: list[Problem] = []
    unfinished: Problem | None = None


def scan(file: Path, facts: FileFacts, clean: Clean, on_bytes: Callable[[int], None]) -> None:
    """Take in what is new in a file.

    Args:
        file: a session file; it may grow meanwhile.
        facts: what is known of it; they are brought up to date.
        clean: takes secrets out of what is kept.
        on_bytes: is told of every chunk how long it was.

    Raises:
        OSError: the file cannot be read.
    """
    scanner = _Scanner(file, facts, clean)
    with file.open("rb") as stream:
        stream.seek(facts.offset)
        facts.unfinished = None
        for chunk in _whole_lines(stream):
            scanner.take_lines(chunk)
            on_bytes(len(chunk))


def _whole_lines(stream: BinaryIO) -> Iterator[bytes]:
    """Yield chunks that end with a line; the last may be a line without an end."""
    rest: list[bytes] = []
    while block := stream.read(CHUNK_BYTES):
        end = block.rfind(b"\n") + 1
        if not end:
            rest.append(block)  # one line may be longer than a chunk
            continue
        yield b"".join([*rest, block[:end]])
        rest = [block[end:]] if end < len(block) else []
    if rest:
        yield b"".join(rest)


def _lines(chunk: bytes) -> list[bytes]:
    """Return the lines with their ends; only a line feed ends one."""
    parts = chunk.split(b"\n")
    last = parts.pop()
    return [*(part + b"\n" for part in parts), *([last] if last else [])]


def _lines_before(file: Path, offset: int) -> int:
    """Count the lines that end before a byte; only who meets a broken line must know."""
    count = 0
    with file.open("rb") as stream:
        while offset and (block := stream.read(min(CHUNK_BYTES, offset))):
            count += block.count(b"\n")
            offset -= len(block)
    return count


def records_of(file: Path) -> Iterator[Record]:
    """Yield the records of a file that can be read, in order; the others are known from `scan`.

    Raises:
        OSError: the file cannot be read.
    """
    with file.open("rb") as stream:
        for chunk in _whole_lines(stream):
            for line in _lines(chunk):
                try:
                    yield decode_record(line)
                except (msgspec.DecodeError, UnicodeDecodeError):
                    continue


class _Scanner:
    """Takes the records of one file into its facts, in order."""

    def __init__(self, file: Path, facts: FileFacts, clean: Clean) -> None:
        self._file = file
        self._facts = facts
        self._clean = clean
        self._calls = {(call.message_id, call.request_id): call for call in facts.calls}
        self._tools = {tool.id: tool for tool in facts.tools}
        self._turns = {turn.id for turn in facts.turns}
        self._texts = {uuid for turn in facts.turns for uuid in turn.texts}

    def take_lines(self, chunk: bytes) -> None:
        """Take whole lines; a last one without an end is taken if it is a whole record, else left for later."""
        facts = self._facts
        try:
            records = decode_records(chunk)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._take_one_by_one(chunk)
            return
        for record in records:
            self._take(record)
        facts.offset += len(chunk)

    def _take_one_by_one(self, chunk: bytes) -> None:
        """Take lines some of which are broken, or are records of a type whose fields mean something else."""
        facts = self._facts
        first = _lines_before(self._file, facts.offset) + 1
        for number, line in enumerate(_lines(chunk), first):
            reason = self._take_line(line)
            if reason and not line.endswith(b"\n"):
                facts.unfinished = Problem(number, facts.offset, "half-written line")
                return
            if reason:
                facts.broken += 1
                if len(facts.problems) < MAX_PROBLEMS:
                    facts.problems.append(Problem(number, facts.offset, reason))
            facts.offset += len(line)

    def _take_line(self, line: bytes) -> str:
        """Take one line; return why it cannot be used, or ""."""
        if not line.strip():
            return ""
        try:
            self._take(decode_record(line))
        except (msgspec.ValidationError, UnicodeDecodeError) as error:
            return self._take_kind(line, error)
        except msgspec.DecodeError as error:
            return f"not JSON: {error}"
        return ""

    def _take_kind(self, line: bytes, error: Exception) -> str:
        try:
            kind = decode_kind(line).type
        except (msgspec.DecodeError, UnicodeDecodeError):
            return f"not a record: {error}"
        if kind in _READ_TYPES:
            return f"not a {kind} record as it is known: {error}"
        self._count(kind)
        return ""

    def _count(self, kind: str | None) -> None:
        types = self._facts.types
        name = kind or "(no type)"
        types[name] = types.get(name, 0) + 1

    def _take(self, record: Record) -> None:
        facts = self._facts
        kind = record.type
        self._count(kind)
        if facts.first is None:
            facts.first = record.time
        if kind == "assistant":
            self._assistant(record)
        elif kind == "user":
            self._user(record)
        elif kind == "custom-title" and record.customTitle:
            facts.title = self._clean(record.customTitle)

    def _said(self, record: Record) -> float | None:
        """Note when, where and in which session something was said; return when."""
        facts, time = self._facts, record.time
        if time is not None:
            facts.started = time if facts.started is None else min(facts.started, time)
            facts.ended = time if facts.ended is None else max(facts.ended, time)
        if not facts.working_dir and record.cwd:
            facts.working_dir = record.cwd
        if record.forkedFrom:
            facts.is_fork = True
        return time

    def _is_side(self, record: Record) -> bool:
        return bool(self._facts.agent_id) or record.isSidechain is True

    def _assistant(self, record: Record) -> None:
        message = record.message
        if message is None:
            return
        time = self._said(record)
        is_side = self._is_side(record)
        turn = self._facts.turns[-1] if self._facts.turns else None
        if message.model != SYNTHETIC and message.usage is not None:
            self._call(record, message, time, is_side)
        texts = []
        last = "text"
        for block in message.content if isinstance(message.content, list) else ():
            if block.type == "text" and block.text:
                texts.append(block.text)
            elif block.type == "tool_use":
                self._use(block, time, is_side)
                last = "tool_use"
        if turn is None or is_side:
            return
        if isinstance(message.content, str):
            texts = [message.content]
        if time is not None:
            turn.ended = time if turn.ended is None else max(turn.ended, time)
        if record.isApiErrorMessage:
            turn.last, turn.error = "error", self._kept("\n\n".join(texts))
        elif message.model != SYNTHETIC:
            turn.last, turn.model = last, message.model or turn.model
            self._text(turn, record.uuid or f"{self._facts.offset} {len(turn.texts)}", texts)

    def _text(self, turn: Turn, uuid: str, texts: list[str]) -> None:
        if texts and uuid not in self._texts:
            self._texts.add(uuid)
            turn.texts[uuid] = self._kept("\n\n".join(texts))

    def _call(self, record: Record, message: APIMessage, time: float | None, is_side: bool) -> None:
        assert message.usage is not None  # whoever calls has looked
        key = (message.id or record.uuid or "", record.requestId)
        call = self._calls.get(key)
        if call is None:
            place = len(self._facts.turns) - 1
            call = Call(key[0], key[1], message.model or "", place, time, time, is_side)
            self._calls[key] = call
            self._facts.calls.append(call)
        call.count(message.usage, time)

    def _use(self, block: Block, time: float | None, is_side: bool) -> None:
        if not block.id or block.id in self._tools:
            return
        given = plain(block.input)
        words = self._clean(input_text(given if isinstance(given, dict) else {}))
        use = ToolUse(block.id, len(self._facts.turns) - 1, block.name or "", words, time, is_side)
        self._tools[block.id] = use
        self._facts.tools.append(use)

    def _user(self, record: Record) -> None:
        message = record.message
        if message is None:
            return
        time = self._said(record)
        content = message.content
        if isinstance(content, list) and any(block.type == "tool_result" for block in content):
            self._results(content, time)
            if self._facts.turns and not self._is_side(record) and time is not None:
                turn = self._facts.turns[-1]
                turn.ended = time if turn.ended is None else max(turn.ended, time)
            return
        words = words_of(message)
        if self._facts.agent_id:
            self._agent_prompt(record, time)
        elif words.startswith((_INTERRUPTED, _COMMAND_OUTPUT)):
            if self._facts.turns:
                self._facts.turns[-1].last = "interrupted" if words.startswith(_INTERRUPTED) else "text"
        elif is_prompt(record, words) and record.uuid and record.uuid not in self._turns:
            self._turns.add(record.uuid)
            self._facts.turns.append(Turn(record.uuid, record.promptId, self._kept(prompt_of(words)), time))

    def _agent_prompt(self, record: Record, time: float | None) -> None:
        """A subagent was told something: what follows belongs to the turn of that prompt's id."""
        turns = self._facts.turns
        if not turns or turns[-1].prompt_id != record.promptId:
            turns.append(Turn("", record.promptId, "", time))

    def _results(self, content: list[Block], time: float | None) -> None:
        for block in content:
            use = self._tools.get(block.tool_use_id or "")
            if use is not None and block.type == "tool_result":
                use.ended = time
                use.is_error = block.is_error is True
                use.result_chars = len(block.result)

    def _kept(self, words: str) -> str:
        return shortened(self._clean(words), LONGEST_STRING)


def words_of(message: APIMessage) -> str:
    """Return the text of a message."""
    content = message.content
    if isinstance(content, list):
        return "\n".join(block.text for block in content if block.type == "text" and block.text)
    return content or ""


def is_prompt(record: Record, words: str) -> bool:
    """Whether a `user` record of the main thread begins a turn: somebody, or a task that ended, asked for an answer."""
    written_by_the_cli = record.isMeta or record.isCompactSummary or words.startswith(_SAID_BY_THE_CLI)
    return not record.isSidechain and not written_by_the_cli


def prompt_of(words: str) -> str:
    """Return a prompt as it was typed; "" for a turn that nobody asked for."""
    if words.startswith(_NOTIFICATION):
        return ""
    command = _COMMAND.search(words) if words.startswith("<command-") else None
    if command is None:
        return words
    return f"{command[1]} {command[2] or ''}".strip()
