"""`Pack`: the facts of one file in columns, which are quick to send, to keep and to put together. No pandas.

Numbers are in matrices as bytes. Texts that only the frames show are a MessagePack list as bytes, so that nobody
decodes them on the way.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TypeVar

import msgspec

from claude_magic.records.transcript_lines import Call, ToolUse, Turn
from claude_magic.records.transcript_scan import FileFacts

UNKNOWN = -1
"""Stands for a whole number or a flag that is not known; NaN stands for such a moment."""
COUNTED = (
    "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens",
    "web_searches", "is_fast", "is_us",
)  # fmt: skip
"""What the last record of a call tells: attributes of `Call`, in this order."""

_NAN = float("nan")
T = TypeVar("T")


class Turns(msgspec.Struct, array_like=True, frozen=True):
    """Turns; `times` are started and ended (float64). Of each, `prompts` and `texts` have one text, `uuids` a list."""

    ids: list[str]
    prompt_ids: list[str | None]
    models: list[str]
    lasts: list[str]
    errors: list[str]
    times: bytes
    prompts: bytes
    texts: bytes
    uuids: bytes


class Calls(msgspec.Struct, array_like=True, frozen=True):
    """Calls; `times` are time and seen (float64), `counts` are turn, is_sidechain and `COUNTED` (int64)."""

    message_ids: list[str]
    request_ids: list[str | None]
    models: list[str]
    times: bytes
    counts: bytes


class Tools(msgspec.Struct, array_like=True, frozen=True):
    """Tool uses; `times` are started and ended (float64).

    `counts` are turn, is_sidechain, is_error and result_chars (int64).
    """

    ids: list[str]
    names: list[str]
    inputs: bytes
    times: bytes
    counts: bytes


class Pack(msgspec.Struct, array_like=True, frozen=True):
    """All facts of a file; those in columns are not in `file`.

    Attributes:
        is_loose: whether something happened before the first turn.
    """

    file: FileFacts
    turns: Turns
    calls: Calls
    tools: Tools
    is_loose: bool


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Pack).decode
_texts = msgspec.msgpack.Decoder(list[str]).decode
_lists = msgspec.msgpack.Decoder(list[list[str]]).decode


def pack(facts: FileFacts) -> bytes:
    """Return the facts of a file as the bytes of a `Pack`."""
    own = msgspec.structs.replace(facts, turns=[], calls=[], tools=[])
    is_loose = any(call.turn < 0 for call in facts.calls) or any(tool.turn < 0 for tool in facts.tools)
    return _encode(Pack(own, _turns(facts.turns), _calls(facts.calls), _tools(facts.tools), is_loose))


def packed(data: bytes) -> Pack:
    """Return the pack that bytes are of.

    Raises:
        msgspec.DecodeError: they are something else.
    """
    return _decode(data)


def unpack(data: bytes) -> FileFacts:
    """Return the facts that `pack` made bytes of, so that reading can go on.

    Raises:
        msgspec.DecodeError: they are something else.
    """
    found = _decode(data)
    own = found.file
    own.turns = list(_unpacked_turns(found.turns))
    own.calls = list(_unpacked_calls(found.calls))
    own.tools = list(_unpacked_tools(found.tools))
    return own


def _turns(turns: Sequence[Turn]) -> Turns:
    return Turns(
        [turn.id for turn in turns],
        [turn.prompt_id for turn in turns],
        [turn.model for turn in turns],
        [turn.last for turn in turns],
        [turn.error for turn in turns],
        _moments((turn.started, turn.ended) for turn in turns),
        _encode([turn.prompt for turn in turns]),
        _encode(["\n\n".join(turn.texts) for turn in turns]),
        _encode([turn.uuids for turn in turns]),
    )


def _calls(calls: Sequence[Call]) -> Calls:
    counts = (
        (
            call.turn, call.is_sidechain, call.input_tokens, call.output_tokens, call.cache_read_tokens,
            call.cache_write_5m_tokens, call.cache_write_1h_tokens, call.web_searches, call.is_fast, call.is_us,
        )
        for call in calls
    )  # fmt: skip
    return Calls(
        [call.message_id for call in calls],
        [call.request_id for call in calls],
        [call.model for call in calls],
        _moments((call.time, call.seen) for call in calls),
        array("q", chain.from_iterable(counts)).tobytes(),
    )


def _tools(tools: Sequence[ToolUse]) -> Tools:
    counts = (
        (
            tool.turn, tool.is_sidechain, UNKNOWN if tool.is_error is None else tool.is_error,
            UNKNOWN if tool.result_chars is None else tool.result_chars,
        )
        for tool in tools
    )  # fmt: skip
    return Tools(
        [tool.id for tool in tools],
        [tool.name for tool in tools],
        _encode([tool.input for tool in tools]),
        _moments((tool.started, tool.ended) for tool in tools),
        array("q", chain.from_iterable(counts)).tobytes(),
    )


def _unpacked_turns(turns: Turns) -> Iterator[Turn]:
    texts, uuids = _texts(turns.texts), _lists(turns.uuids)
    prompts = _texts(turns.prompts)
    for place, (started, ended) in enumerate(_pairs(turns.times)):
        text = texts[place]
        yield Turn(
            turns.ids[place], turns.prompt_ids[place], prompts[place], started, ended, [text] if text else [],
            uuids[place], turns.lasts[place], turns.errors[place], turns.models[place],
        )  # fmt: skip


def _unpacked_calls(calls: Calls) -> Iterator[Call]:
    rows = _batched(memoryview(calls.counts).cast("q"), 2 + len(COUNTED))
    for place, ((time, seen), row) in enumerate(zip(_pairs(calls.times), rows, strict=True)):
        turn, is_sidechain, given, written, read, short, hour, searches, is_fast, is_us = row
        yield Call(
            calls.message_ids[place], calls.request_ids[place], calls.models[place], turn, time, seen,
            bool(is_sidechain), given, written, read, short, hour, searches, bool(is_fast), bool(is_us),
        )  # fmt: skip


def _unpacked_tools(tools: Tools) -> Iterator[ToolUse]:
    inputs = _texts(tools.inputs)
    rows = _batched(memoryview(tools.counts).cast("q"), 4)
    for place, ((started, ended), row) in enumerate(zip(_pairs(tools.times), rows, strict=True)):
        turn, is_sidechain, is_error, chars = row
        yield ToolUse(
            tools.ids[place], turn, tools.names[place], inputs[place], started, bool(is_sidechain), ended,
            None if is_error == UNKNOWN else bool(is_error), None if chars == UNKNOWN else chars,
        )  # fmt: skip


def _moments(pairs: Iterable[tuple[float | None, float | None]]) -> bytes:
    return array("d", [_NAN if moment is None else moment for pair in pairs for moment in pair]).tobytes()


def _pairs(times: bytes) -> Iterator[tuple[float | None, ...]]:
    known = (None if moment != moment else moment for moment in memoryview(times).cast("d"))
    return _batched(known, 2)


def _batched(values: Iterable[T], count: int) -> Iterator[tuple[T, ...]]:
    """Yield the values in tuples of `count`."""
    return zip(*[iter(values)] * count, strict=True)
