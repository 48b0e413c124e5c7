"""`scan_file`: the rows of one session file, read on from where the last reading ended.

The worker processes import this module and nothing that takes long to import.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from io import BytesIO
from pathlib import Path

import msgspec

from claude_magic.paths import open_regular
from claude_magic.records.tool_uses import LONGEST_STRING, input_text
from claude_magic.strings import shortened
from claude_magic.transcripts.discover import SessionFile, unread
from claude_magic.transcripts.rows import CallRow, Problem, ScannedFile, ToolRow, TurnRow
from claude_magic.transcripts.schema import (
    COMMAND_OUTPUT,
    INTERRUPTED,
    SYNTHETIC,
    UNREADABLE,
    APIMessage,
    Block,
    Record,
    Usage,
    decode_record,
    decode_records,
    is_prompt,
    lenient_record,
    plain,
    prompt_of,
    read_leniently,
    typed_text,
)

CHUNK_BYTES = 131_072
"""What is read at once: little enough to stay in the processor's cache until it is decoded."""
MAX_PROBLEMS = 1_000
"""Broken lines of one file whose place is kept; more are only counted."""
_CHECKED_BYTES = 512
_READ_TYPES = ("user", "assistant", "system")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_encode_short = msgspec.json.Encoder().encode

Clean = Callable[[str], str]
"""Takes secrets out of a text."""


def scan_file(
    file: SessionFile, known: ScannedFile | None, clean: Clean, on_bytes: Callable[[int], None] = lambda count: None
) -> ScannedFile | None:
    """Read what is new in a file; return `None` where it is gone since it was listed.

    Args:
        file: the file; it may grow meanwhile.
        known: what an earlier reading found; it is brought up to date.
        clean: takes secrets out of what is kept.
        on_bytes: is told of every chunk how long it was.
    """
    scanned = known if known is not None and _goes_on(file, known) else unread(file)
    try:
        scanner = _Scanner(scanned, clean)
        with open_regular(file.path, buffering=CHUNK_BYTES) as stream:
            stream.seek(scanned.offset)
            scanned.unfinished = None
            while chunk := stream.read(CHUNK_BYTES) + stream.readline():
                scanner.take_lines(chunk)
                on_bytes(len(chunk))
                if not chunk.endswith(b"\n"):
                    break  # the CLI may be adding to it at this moment
        problems = [*scanned.problems, *([scanned.unfinished] if scanned.unfinished is not None else [])]
        if problems:  # to count lines takes its time, and most files have none
            _number_lines(file, problems)
        scanned.checksum = _checksum(file, scanned.offset)
        scanned.size, scanned.mtime_ns = file.size, file.mtime_ns
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not Path(file.path).is_symlink():
            return None
        scanned.unreadable = Problem(file.name, 0, 0, f"cannot be read: {_why(file, error)}")
    return scanned


def _why(file: SessionFile, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "it is a link to a file that is not there"
    if Path(file.path).is_dir():
        return "it is a folder that cannot be listed"
    return error.strerror or str(error)


def _goes_on(file: SessionFile, known: ScannedFile) -> bool:
    """Whether a file still begins as it did; the CLI only appends, but another one may have been put there."""
    try:
        return file.size >= known.offset and _checksum(file, known.offset) == known.checksum
    except OSError:
        return False


def _checksum(file: SessionFile, offset: int) -> int:
    """Return a checksum of the first bytes of a file and of the last ones before `offset`."""
    count = min(_CHECKED_BYTES, offset)
    with open_regular(file.path, buffering=0) as stream:
        begin = stream.read(count)
        stream.seek(offset - count, os.SEEK_SET)
        return zlib.crc32(begin + stream.read(count))


def _number_lines(file: SessionFile, problems: Sequence[Problem]) -> None:
    """Say on which line each problem is, in the order of the file."""
    line, offset = 1, 0
    with open_regular(file.path) as stream:
        for problem in problems:
            while offset < problem.offset and (block := stream.read(min(CHUNK_BYTES, problem.offset - offset))):
                line += block.count(b"\n")
                offset += len(block)
            problem.line = line


def records_of(file: SessionFile) -> Iterator[Record]:
    """Yield the records of a file that can be read, in order; the others are known from `scan_file`.

    Raises:
        OSError: the file cannot be read.
    """
    with open_regular(file.path, buffering=CHUNK_BYTES) as stream:
        for line in stream:
            try:
                yield decode_record(line)
            except UNREADABLE:
                try:
                    record = lenient_record(read_leniently(line))
                except (ValueError, RecursionError):
                    continue
                yield record


class _Scanner:
    """Takes the records of one file into its rows, in order.

    Most time of a reading goes by here, so records are decoded and counted by the chunk; only a chunk with a line that
    cannot be decoded is taken line by line.
    """

    def __init__(self, file: ScannedFile, clean: Clean) -> None:
        self._file = file
        self._clean = clean
        self._is_agent = bool(file.agent_id)
        self._calls = {(call.message_id, call.request_id): call for call in file.calls}
        self._tools = {tool.id: tool for tool in file.tools}
        self._turns = {turn.id for turn in file.turns}
        self._texts = {uuid for turn in file.turns for uuid in turn.uuids}
        self._turn = file.turns[-1] if file.turns else None

    # Lines.

    def take_lines(self, chunk: bytes) -> None:
        """Take lines; a last one without its end that is not a whole record is left for later."""
        try:
            records = decode_records(chunk)
        except UNREADABLE:
            self._take_one_by_one(chunk)
        else:
            self._take(records)
            self._file.offset += len(chunk)

    def _take_one_by_one(self, chunk: bytes) -> None:
        """Take lines some of which are broken, or are records of a type whose fields mean something else."""
        file = self._file
        for line in BytesIO(chunk):
            reason, is_lost = self._take_line(line)
            if is_lost and not line.endswith(b"\n"):
                file.unfinished = Problem(file.name, 0, file.offset, "half-written line")
                return
            file.broken += is_lost
            if reason and len(file.problems) < MAX_PROBLEMS:
                file.problems.append(Problem(file.name, 0, file.offset, reason))
            file.offset += len(line)

    def _take_line(self, line: bytes) -> tuple[str, bool]:
        """Take one line; return what is wrong with it, or "", and whether it cannot be used at all."""
        if not line.strip():
            return "", False
        line = line.removeprefix(_BYTE_ORDER_MARK)  # as some editors put at the beginning of a file
        try:
            self._take([decode_record(line)])
        except UNREADABLE as error:
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

    # Records.

    def _take(self, records: Sequence[Record]) -> None:
        file = self._file
        kinds = [record.type for record in records]
        for kind in set(kinds):
            self._count(kind, kinds.count(kind))
        if file.first is None:
            file.first = next((time for record in records if (time := record.time) is not None), None)
        if "custom-title" in kinds:
            file.title = self._last_title(record.customTitle for record in records) or file.title
        if "ai-title" in kinds:
            file.ai_title = self._last_title(record.aiTitle for record in records) or file.ai_title
        for record in records:
            if record.type == "assistant" and record.message is not None:
                self._assistant(record, record.message, self._noted(record))
            elif record.type == "user" and record.message is not None:
                self._user(record, record.message, self._noted(record))

    def _count(self, kind: str | None, count: int) -> None:
        types = self._file.types
        name = kind or "(no type)"
        types[name] = types.get(name, 0) + count

    def _last_title(self, titles: Iterable[str | None]) -> str:
        return self._clean(([""] + [title for title in titles if title])[-1])

    def _noted(self, record: Record) -> float | None:
        """Note when, where and in which session something was said; return when."""
        file, time = self._file, record.time
        if time is not None:
            if file.started is None or time < file.started:
                file.started = time
            if file.ended is None or time > file.ended:
                file.ended = time
        if not file.working_dir and record.cwd:
            file.working_dir = record.cwd
        if record.forkedFrom:
            file.is_fork = True
        return time

    def _assistant(self, record: Record, message: APIMessage, time: float | None) -> None:
        is_side = self._is_agent or record.isSidechain is True
        is_own = message.model != SYNTHETIC
        if is_own and message.usage is not None:
            self._call(record, message, message.usage, time, is_side)
        texts = []
        last = "text"
        for block in message.blocks:
            if block.type == "tool_use":
                self._use(block, time)
                last = "tool_use"
            elif block.text and block.type == "text":
                texts.append(block.text)
        turn = self._turn
        if turn is None or is_side:
            return
        _end(turn, time)
        if record.isApiErrorMessage:
            turn.last, turn.error = "error", self._kept("\n\n".join(texts))
        elif is_own:
            turn.last, turn.model = last, message.model or turn.model
            uuid = record.uuid or f"{self._file.offset} {len(turn.uuids)}"
            if texts and uuid not in self._texts:
                self._texts.add(uuid)
                turn.uuids.append(uuid)
                turn.texts.append(self._kept("\n\n".join(texts)))

    def _call(self, record: Record, message: APIMessage, usage: Usage, time: float | None, is_side: bool) -> None:
        """Take the tokens of a call, and of those to other models, such as an advisor, that it took beside its own."""
        key = (message.id or record.uuid or "", record.requestId)
        call = self._calls.get(key)
        if call is None:
            call = self._add_call(CallRow(*key, message.model or "", self._turn_index, time, time, is_side))
        call.seen = time
        call.count(usage)
        for number, iteration in enumerate(usage.iterations or ()):
            if iteration.model and iteration.model != call.model:
                key = (call.message_id, f"{call.request_id or ''}#{number}")
                other = self._calls.get(key)
                if other is None:
                    made = CallRow(*key, iteration.model, call.turn, call.time, call.seen, call.is_sidechain)
                    other = self._add_call(made)
                other.seen = call.seen
                other.count(iteration)

    def _add_call(self, call: CallRow) -> CallRow:
        self._calls[call.message_id, call.request_id] = call
        self._file.calls.append(call)
        return call

    def _use(self, block: Block, time: float | None) -> None:
        if block.id and block.id not in self._tools:
            given = self._clean(given_input(block.input))
            use = ToolRow(block.id, self._turn_index, block.name or "", given, time)
            self._tools[block.id] = use
            self._file.tools.append(use)

    def _user(self, record: Record, message: APIMessage, time: float | None) -> None:
        is_side = self._is_agent or record.isSidechain is True
        if self._results(message, time):
            if self._turn is not None and not is_side:
                _end(self._turn, time)
            return
        text = typed_text(message)
        if self._is_agent:
            # A subagent was told something: what follows belongs to the turn of that prompt's id.
            if self._turn is None or self._turn.prompt_id != record.promptId:
                self._begin(TurnRow("", record.promptId, "", time))
        elif text.startswith((INTERRUPTED, COMMAND_OUTPUT)):
            if self._turn is not None:
                self._turn.last = "interrupted" if text.startswith(INTERRUPTED) else "text"
        elif message.content and not text:
            return  # it holds nothing but reminders of the CLI
        elif is_prompt(record, text) and record.uuid and record.uuid not in self._turns:
            self._turns.add(record.uuid)
            self._begin(TurnRow(record.uuid, record.promptId, self._kept(prompt_of(text)), time))

    def _begin(self, turn: TurnRow) -> None:
        self._file.turns.append(turn)
        self._turn = turn

    def _results(self, message: APIMessage, time: float | None) -> bool:
        """Take the results of tools; return whether there are any."""
        results = message.results
        for block in results:
            use = self._tools.get(block.tool_use_id or "")
            if use is not None:
                use.ended = time
                use.is_error = block.is_error is True
                use.result_chars = len(block.result)
        return bool(results)

    @property
    def _turn_index(self) -> int | None:
        return len(self._file.turns) - 1 if self._file.turns else None

    def _kept(self, text: str) -> str:
        return shortened(self._clean(text), LONGEST_STRING)


def _end(turn: TurnRow, time: float | None) -> None:
    if time is not None and (turn.ended is None or time > turn.ended):
        turn.ended = time


def given_input(raw: msgspec.Raw) -> str:
    """Return what a tool was given as compact JSON text; long strings are cut, so it stays valid JSON."""
    value = plain(raw)
    if not isinstance(value, dict):
        return "{}"
    # To look for strings that are too long takes longest, and most inputs are short.
    return input_text(value) if len(memoryview(raw)) > LONGEST_STRING else _encode_short(value).decode()
