"""`scan`: the facts of one session file, read on from where the last reading ended. No pandas."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from io import RawIOBase
from pathlib import Path
from typing import Any, cast

import msgspec

from claude_magic.paths import open_regular
from claude_magic.records.tool_uses import LONGEST_STRING, input_text
from claude_magic.strings import shortened
from claude_magic.transcripts.facts import Call, FileFacts, Problem, ToolUse, Turn
from claude_magic.transcripts.lines import (
    SYNTHETIC,
    APIMessage,
    Block,
    Iteration,
    Record,
    Usage,
    decode_record,
    decode_records,
    lenient_record,
    plain,
    read_leniently,
)
from claude_magic.transcripts.prompts import COMMAND_OUTPUT, INTERRUPTED, is_prompt, prompt_of, words_of

CHUNK_BYTES = 262_144
"""What is read at once: little enough to stay in the processor's cache until it is decoded."""
MAX_PROBLEMS = 1_000
"""Broken lines of one file whose place is kept; more are only counted."""
_SAID = ("user", "assistant")
_READ_TYPES = ("user", "assistant", "system")
_encode_lines = msgspec.json.Encoder().encode_lines
_decode_objects = msgspec.json.Decoder(dict[str, Any]).decode_lines

Clean = Callable[[str], str]
"""Takes secrets out of a text."""


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
    with cast(RawIOBase, open_regular(file, buffering=0)) as stream:
        stream.seek(facts.offset)
        facts.unfinished = None
        for chunk in _whole_lines(stream):
            scanner.take_lines(chunk)
            on_bytes(len(chunk))


def _whole_lines(stream: RawIOBase) -> Iterator[memoryview]:
    """Yield chunks that end with a line; the last may be a line without an end.

    A chunk is only good until the next one: all are read into the same memory.
    """
    buffer = bytearray(CHUNK_BYTES)
    filled = 0
    while True:
        if filled == len(buffer):
            buffer = buffer + bytes(len(buffer))  # one line may be longer than a chunk
        count = stream.readinto(memoryview(buffer)[filled:])
        if not count:
            break
        end = buffer.rfind(b"\n", filled, filled + count) + 1
        filled += count
        if end:
            yield memoryview(buffer)[:end]
            buffer[: filled - end] = buffer[end:filled]
            filled -= end
    if filled:
        yield memoryview(buffer)[:filled]


def _lines(chunk: bytes) -> list[bytes]:
    """Return the lines with their ends; only a line feed ends one."""
    parts = chunk.split(b"\n")
    last = parts.pop()
    return [*(part + b"\n" for part in parts), *([last] if last else [])]


def _count_lines(file: Path, begin: int, end: int) -> int:
    """Count the lines that end between two places in a file."""
    count = 0
    with open_regular(file) as stream:
        stream.seek(begin)
        while begin < end and (block := stream.read(min(CHUNK_BYTES, end - begin))):
            count += block.count(b"\n")
            begin += len(block)
    return count


def records_of(file: Path) -> Iterator[Record]:
    """Yield the records of a file that can be read, in order; the others are known from `scan`.

    Raises:
        OSError: the file cannot be read.
    """
    with cast(RawIOBase, open_regular(file, buffering=0)) as stream:
        for chunk in _whole_lines(stream):
            for line in _lines(bytes(chunk)):
                try:
                    yield decode_record(line)
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                    with contextlib.suppress(ValueError, RecursionError):
                        yield lenient_record(read_leniently(line))


class _Scanner:
    """Takes the records of one file into its facts, in order.

    Plan: most time goes by here, so whatever can be is done for many records at once: they are decoded and counted by
    the chunk, and so are the inputs of tools. The records of one call mostly follow each other: only the last one's
    token counts are taken, when another call's record comes.
    """

    def __init__(self, file: Path, facts: FileFacts, clean: Clean) -> None:
        self._file = file
        self._facts = facts
        self._clean = clean
        self._is_agent = bool(facts.agent_id)
        self._calls = {(call.message_id, call.request_id): call for call in facts.calls}
        self._call: Call | None = None
        self._usage: Usage | None = None
        self._inputs: list[tuple[ToolUse, msgspec.Raw]] = []
        self._tools = {tool.id: tool for tool in facts.tools}
        self._turns = {turn.id for turn in facts.turns}
        self._texts = {uuid for turn in facts.turns for uuid in turn.uuids}
        self._turn = facts.turns[-1] if facts.turns else None
        self._line = self._line_offset = 0

    def take_lines(self, chunk: memoryview) -> None:
        """Take whole lines; a last one without its end that is not a whole record is left for later."""
        try:
            records = decode_records(chunk)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._take_one_by_one(bytes(chunk))
        else:
            self._take(records)
            self._facts.offset += len(chunk)
        self._count_tokens()
        self._write_inputs()

    def _take_one_by_one(self, chunk: bytes) -> None:
        """Take lines some of which are broken, or are records of a type whose fields mean something else."""
        facts = self._facts
        # Only who meets a broken line must know its number.
        self._line += _count_lines(self._file, self._line_offset, facts.offset)
        self._line_offset = facts.offset
        first = self._line + 1
        for number, line in enumerate(_lines(chunk), first):
            reason, is_lost = self._take_line(line)
            if is_lost and not line.endswith(b"\n"):
                facts.unfinished = Problem(number, facts.offset, "half-written line")
                return
            facts.broken += is_lost
            if reason and len(facts.problems) < MAX_PROBLEMS:
                facts.problems.append(Problem(number, facts.offset, reason))
            facts.offset += len(line)

    def _take_line(self, line: bytes) -> tuple[str, bool]:
        """Take one line; return what is wrong with it, or "", and whether it cannot be used at all."""
        if not line.strip():
            return "", False
        line = line.removeprefix(b"\xef\xbb\xbf")  # a byte order mark, as some editors put at the beginning
        try:
            self._take([decode_record(line)])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return self._take_leniently(line, error)
        return "", False

    def _take_leniently(self, line: bytes, error: Exception) -> tuple[str, bool]:
        """Take a line of which something is not as it is known: that is lost, the rest is read."""
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        try:
            raw = read_leniently(line)
        except (ValueError, RecursionError) as beyond:
            return f"not a record: {beyond if isinstance(error, RecursionError) else error}", True
        kind = raw.get("type")
        if kind not in _READ_TYPES:
            self._count(kind if isinstance(kind, str) else None, 1)
            return "", False
        self._take([lenient_record(raw)])
        return f"something in this {kind} record is not as it is known: {reason}", False

    def _count(self, kind: str | None, count: int) -> None:
        types = self._facts.types
        name = kind or "(no type)"
        types[name] = types.get(name, 0) + count

    def _take(self, records: Sequence[Record]) -> None:
        facts = self._facts
        kinds = [record.type for record in records]
        for kind in set(kinds):
            self._count(kind, kinds.count(kind))
        if facts.first is None:
            facts.first = next((time for record in records if (time := record.time) is not None), None)
        if "custom-title" in kinds:
            titles = [record.customTitle for record in records if record.type == "custom-title"]
            facts.title = self._last(titles) or facts.title
        if "ai-title" in kinds:
            titles = [record.aiTitle for record in records if record.type == "ai-title"]
            facts.ai_title = self._last(titles) or facts.ai_title
        said = [record for record in records if record.message is not None and record.type in _SAID]
        times = _times(said)
        self._note(said, times)
        for record, time in zip(said, times, strict=True):
            if record.type == "assistant":
                self._assistant(record, record.message, time)  # type: ignore[arg-type]  # those without are left out
            else:
                self._user(record, record.message, time)  # type: ignore[arg-type]  # those without are left out

    def _last(self, titles: Sequence[str | None]) -> str:
        return next((self._clean(title) for title in reversed(titles) if title), "")

    def _note(self, said: Sequence[Record], times: Sequence[float | None]) -> None:
        """Note when, where and in which session something was said."""
        facts = self._facts
        known = [time for time in times if time is not None]
        if known:
            facts.started = min(known) if facts.started is None else min(facts.started, *known)
            facts.ended = max(known) if facts.ended is None else max(facts.ended, *known)
        if not facts.working_dir:
            facts.working_dir = next((record.cwd for record in said if record.cwd), "")
        if not facts.is_fork:
            facts.is_fork = any([record.forkedFrom for record in said])

    def _assistant(self, record: Record, message: APIMessage, time: float | None) -> None:
        is_side = self._is_agent or record.isSidechain is True
        is_own = message.model != SYNTHETIC
        if is_own and message.usage is not None:
            call = self._call
            if call is None or call.message_id != message.id or call.request_id != record.requestId:
                call = self._other_call(record, message, time, is_side)
            call.seen = time
            self._usage = message.usage
        content = message.content
        texts = []
        last = "text"
        for block in content if isinstance(content, list) else (Block(type="text", text=content),):
            if block.type == "tool_use":
                self._use(block, time, is_side)
                last = "tool_use"
            elif block.text and block.type == "text":
                texts.append(block.text)
        turn = self._turn
        if turn is None or is_side:
            return
        if time is not None and (turn.ended is None or time > turn.ended):
            turn.ended = time
        if record.isApiErrorMessage:
            turn.last, turn.error = "error", self._kept("\n\n".join(texts))
        elif is_own:
            turn.last, turn.model = last, message.model or turn.model
            if texts:
                self._text(turn, record.uuid or f"{self._facts.offset} {len(turn.uuids)}", texts)

    def _text(self, turn: Turn, uuid: str, texts: list[str]) -> None:
        if uuid not in self._texts:
            self._texts.add(uuid)
            turn.uuids.append(uuid)
            turn.texts.append(self._kept("\n\n".join(texts)))

    def _other_call(self, record: Record, message: APIMessage, time: float | None, is_side: bool) -> Call:
        """Return the call that a record belongs to, and let it be the one that is counted next."""
        self._count_tokens()
        key = (message.id or record.uuid or "", record.requestId)
        call = self._calls.get(key)
        if call is None:
            call = Call(*key, message.model or "", len(self._facts.turns) - 1, time, time, is_side)
            self._calls[key] = call
            self._facts.calls.append(call)
        self._call = call
        return call

    def _count_tokens(self) -> None:
        """Take the token counts that the last record told of its call."""
        if self._call is not None and self._usage is not None:
            self._call.count(self._usage)
            for number, iteration in enumerate(self._usage.iterations or ()):
                if iteration.model and iteration.model != self._call.model:
                    self._count_iteration(self._call, number, iteration)
        self._call = self._usage = None

    def _count_iteration(self, call: Call, number: int, iteration: Iteration) -> None:
        """Take a call of another model, such as an advisor's, that an answer took beside its own."""
        key = (call.message_id, f"{call.request_id or ''}#{number}")
        known = self._calls.get(key)
        if known is None:
            known = Call(*key, iteration.model or "", call.turn, call.time, call.seen, call.is_sidechain)
            self._calls[key] = known
            self._facts.calls.append(known)
        known.seen = call.seen
        known.count(iteration)

    def _use(self, block: Block, time: float | None, is_side: bool) -> None:
        id = block.id
        if id and id not in self._tools:
            use = ToolUse(id, len(self._facts.turns) - 1, block.name or "", "", time, is_side)
            self._tools[id] = use
            self._facts.tools.append(use)
            self._inputs.append((use, block.input))

    def _write_inputs(self) -> None:
        """Write what the chunk's tools ran with; to do it for all at once is much quicker."""
        if self._inputs:
            for (use, _), words in zip(self._inputs, inputs_of([given for _, given in self._inputs]), strict=True):
                use.input = self._clean(words)
            self._inputs.clear()

    def _user(self, record: Record, message: APIMessage, time: float | None) -> None:
        content = message.content
        if isinstance(content, list) and self._results(content, time):
            turn = self._turn
            if turn is None or self._is_agent or record.isSidechain:
                return
            if time is not None and (turn.ended is None or time > turn.ended):
                turn.ended = time
            return
        words = words_of(message)
        if self._is_agent:
            self._agent_prompt(record, time)
        elif words.startswith((INTERRUPTED, COMMAND_OUTPUT)):
            if self._turn is not None:
                self._turn.last = "interrupted" if words.startswith(INTERRUPTED) else "text"
        elif self._begins(record, message, words) and record.uuid and record.uuid not in self._turns:
            self._turns.add(record.uuid)
            self._begin(Turn(record.uuid, record.promptId, self._kept(prompt_of(words)), time))

    def _begins(self, record: Record, message: APIMessage, words: str) -> bool:
        """Whether a record begins a turn; one that holds nothing but reminders of the CLI does not."""
        return is_prompt(record, words) and (words != "" or not message.content)

    def _agent_prompt(self, record: Record, time: float | None) -> None:
        """A subagent was told something: what follows belongs to the turn of that prompt's id."""
        if self._turn is None or self._turn.prompt_id != record.promptId:
            self._begin(Turn("", record.promptId, "", time))

    def _begin(self, turn: Turn) -> None:
        self._facts.turns.append(turn)
        self._turn = turn

    def _results(self, content: list[Block], time: float | None) -> bool:
        """Take the results of tools; return whether there are any."""
        found = False
        for block in content:
            if block.type != "tool_result":
                continue
            found = True
            use = self._tools.get(block.tool_use_id or "")
            if use is not None:
                use.ended = time
                use.is_error = block.is_error is True
                use.result_chars = len(block.result)
        return found

    def _kept(self, words: str) -> str:
        return shortened(self._clean(words), LONGEST_STRING)


def inputs_of(given: Sequence[msgspec.Raw]) -> list[str]:
    """Return the inputs of tool uses as compact JSON texts; long strings are cut, so they stay valid JSON."""
    try:
        values = _decode_objects(b"\n".join(given))
    except (msgspec.ValidationError, UnicodeDecodeError, RecursionError):
        values = []  # some are not objects, or not UTF-8
    if len(values) != len(given):  # of some there is nothing
        values = [value if isinstance(value := plain(one), dict) else {} for one in given]
    # To look into every value takes longest; where all is short no string can be long.
    if max([len(memoryview(one)) for one in given], default=0) > LONGEST_STRING:
        return [input_text(value) for value in values]
    return _encode_lines(values).decode().split("\n")[:-1]


def _times(records: Sequence[Record]) -> Sequence[float | None]:
    """Return when each record was written, in unix seconds."""
    read = datetime.fromisoformat
    try:
        return [read(record.timestamp).timestamp() for record in records]  # type: ignore[arg-type]  # see below
    except (ValueError, TypeError):
        return [record.time for record in records]
