"""What was said, straight out of the session files, a few records at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

from claude_magic.records.message_records import LONGEST_TEXT, MessageRecord
from claude_magic.strings import shortened
from claude_magic.transcripts.discover import SessionFile, unread
from claude_magic.transcripts.scan import Clean, given_input, records_of
from claude_magic.transcripts.schema import (
    INTERRUPTED,
    SYNTHETIC,
    Block,
    Record,
    is_prompt,
    plain,
    prompt_of,
    queued_prompt,
    typed_text,
)

_READ = ("user", "assistant", "system", "attachment")
Place = tuple[str, str, int]
"""Of a turn: the session's id and name, and the number of the turn in it."""


class MessageReader:
    """Yields the messages of one file after the other; only the ids of one file's records are held.

    Args:
        turns: the place of each turn by its id: a turn is told by the session that it belongs to, and a fork that
            copied it stays silent.
        agents: the turn of each tool use, for the subagents that it started.
        clean: takes secrets out of texts.
    """

    def __init__(self, turns: Mapping[str, Place], agents: Mapping[str, str], clean: Clean) -> None:
        self._turns = turns
        self._agents = agents
        self._clean = clean
        self._seen: dict[str, set[str]] = {}

    def messages(self, file: SessionFile) -> Iterator[MessageRecord]:
        """Yield what a person would read in a file, in its order; nothing of one that cannot be read.

        A copy of a session in another folder has the same records, which are read once.
        """
        about = unread(file)
        seen = self._seen.setdefault(about.session_id, set())
        turn_id = self._agents.get(about.parent_tool_use_id, "") if about.agent_id else ""
        for record in _readable_records(file):
            if record.type not in _READ or record.uuid in seen:
                continue
            if record.uuid:
                seen.add(record.uuid)
            is_main = not about.agent_id
            if is_main and record.type == "user" and record.uuid in self._turns:
                turn_id = record.uuid or ""
            session_id, name, number = self._turns.get(turn_id, (about.session_id, about.session_id[:8], 0))
            if session_id != about.session_id:
                continue
            for role, kind, text in _read(record, is_main):
                kept = shortened(self._clean(text), LONGEST_TEXT)
                yield MessageRecord(name, number or None, turn_id, record.time or float("nan"), role, kind, kept)


def _readable_records(file: SessionFile) -> Iterator[Record]:
    with contextlib.suppress(OSError):  # the problems of the file are known from the first reading
        yield from records_of(file)


def _read(record: Record, is_main: bool) -> Iterator[tuple[str, str, str]]:
    """Yield role, kind and text of what a person would read in a record."""
    message = record.message
    if record.type == "system":
        text = plain(record.content)
        if isinstance(text, str) and text and not record.isMeta:
            yield "system", "note", text
        return
    queued = queued_prompt(record)
    if queued is not None and is_main:
        text = typed_text(queued)
        if text:
            yield ("user", "text", text) if prompt_of(text) else ("system", "note", text)
        return
    if message is None:
        return
    if record.type == "assistant":
        if message.model == SYNTHETIC and not record.isApiErrorMessage:
            return
        for block in message.blocks:
            yield from _block(block, failed=record.isApiErrorMessage is True)
        return
    if results := message.results:
        yield from (("tool", "tool_result", block.result) for block in results)
        return
    text = typed_text(message)
    if is_main and text and is_prompt(record, text):
        said = prompt_of(text)
        role = "user" if said and not text.startswith(INTERRUPTED) else "system"
        yield role, "text" if role == "user" else "note", said or text


def _block(block: Block, failed: bool) -> Iterator[tuple[str, str, str]]:
    if block.type == "text" and block.text:
        yield ("system", "note", block.text) if failed else ("assistant", "text", block.text)
    elif block.type == "thinking":
        thought = plain(block.thinking)
        if isinstance(thought, str) and thought:
            yield "assistant", "thinking", thought
    elif block.type == "tool_use":
        yield "assistant", "tool_use", f"{block.name} {given_input(block.input)}"
