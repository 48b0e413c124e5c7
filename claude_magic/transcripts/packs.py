"""`Pack`: the facts of one file in columns, which are quick to send, to keep and to put together. No pandas.

Numbers are columns as bytes, one column after the other. Texts that only the frames show are a MessagePack list as
bytes, so that they are not decoded on the way.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec
from msgspec.structs import astuple

from claude_magic.transcripts.facts import Call, FileFacts, ToolUse, Turn

SIMULATED = "msg_sim_"
"""Begins the ids of the simulator's messages."""
UNKNOWN = -1
"""Stands for a whole number or a flag that is not known; NaN stands for such a moment."""
COUNTED = (
    "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens",
    "web_searches", "is_fast", "is_us",
)  # fmt: skip
"""What the last record of a call tells: attributes of `Call`, in this order."""

_NAN = float("nan")


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

    def prompt(self, row: int) -> str:
        """Return one prompt."""
        return _texts(self.prompts)[row]


class Calls(msgspec.Struct, array_like=True, frozen=True):
    """Calls; `times` are time and seen (float64).

    `counts` are turn, which of the different `models`, is_sidechain, and `COUNTED` (int64).
    """

    message_ids: list[str]
    request_ids: list[str | None]
    models: list[str]
    times: bytes
    counts: bytes


class Tools(msgspec.Struct, array_like=True, frozen=True):
    """Tool uses; `times` are started and ended (float64).

    `counts` are turn, which of the different `names`, is_sidechain, is_error and result_chars (int64).
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
        is_simulated: whether some call was answered by the simulator.
    """

    file: FileFacts
    turns: Turns
    calls: Calls
    tools: Tools
    is_loose: bool
    is_simulated: bool


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Pack).decode
_texts = msgspec.msgpack.Decoder(list[str]).decode
_lists = msgspec.msgpack.Decoder(list[list[str]]).decode


def pack(facts: FileFacts) -> Pack:
    """Return the facts of a file in columns."""
    own = msgspec.structs.replace(facts, turns=[], calls=[], tools=[])
    is_loose = -1 in [call.turn for call in facts.calls] or -1 in [tool.turn for tool in facts.tools]
    is_simulated = any([call.message_id.startswith(SIMULATED) for call in facts.calls])
    return Pack(own, _turns(facts.turns), _calls(facts.calls), _tools(facts.tools), is_loose, is_simulated)


def to_bytes(pack: Pack) -> bytes:
    """Return a pack as bytes."""
    return _encode(pack)


def from_bytes(data: bytes) -> Pack:
    """Return the pack that `to_bytes` made bytes of.

    Raises:
        msgspec.DecodeError: they are something else.
    """
    return _decode(data)


def unpack(pack: Pack) -> FileFacts:
    """Return the facts of a pack, so that reading can go on."""
    turns, calls, tools = _unpacked_turns(pack.turns), _unpacked_calls(pack.calls), _unpacked_tools(pack.tools)
    return msgspec.structs.replace(pack.file, turns=list(turns), calls=list(calls), tools=list(tools))


def _turns(turns: Sequence[Turn]) -> Turns:
    return Turns(
        [turn.id for turn in turns],
        [turn.prompt_id for turn in turns],
        [turn.model for turn in turns],
        [turn.last for turn in turns],
        [turn.error for turn in turns],
        _moments([turn.started for turn in turns], [turn.ended for turn in turns]),
        _encode([turn.prompt for turn in turns]),
        _encode(["\n\n".join(turn.texts) for turn in turns]),
        _encode([turn.uuids for turn in turns]),
    )


def _calls(calls: Sequence[Call]) -> Calls:
    message_ids, request_ids, models, turn, time, seen, *counts = _columns(calls, Call)
    different, model = _numbered(models)
    return Calls(message_ids, request_ids, different, _moments(time, seen), _numbers(turn, model, *counts))


def _tools(tools: Sequence[ToolUse]) -> Tools:
    ids, turn, names, inputs, started, is_sidechain, ended, is_error, result_chars = _columns(tools, ToolUse)
    different, name = _numbered(names)
    numbers = _numbers(turn, name, is_sidechain, is_error, result_chars)
    return Tools(ids, different, _encode(inputs), _moments(started, ended), numbers)


def _numbered(values: Sequence[str]) -> tuple[list[str], list[int]]:
    """Return the different values, and of each value which of them it is."""
    places: dict[str, int] = {}
    numbers = [places.setdefault(value, len(places)) for value in values]
    return list(places), numbers


def _columns(rows: Sequence[msgspec.Struct], kind: type[msgspec.Struct]) -> list[Any]:
    """Return the fields of rows, each as a tuple of all its values."""
    return list(zip(*map(astuple, rows), strict=True)) or [()] * len(kind.__struct_fields__)


def _moments(*columns: Sequence[float | None]) -> bytes:
    return b"".join(_array("d", column, _NAN) for column in columns)


def _numbers(*columns: Sequence[int | None]) -> bytes:
    return b"".join(_array("q", column, UNKNOWN) for column in columns)


def _array(kind: Literal["d", "q"], column: Sequence[float | None], missing: float) -> array[Any]:
    try:
        return array(kind, column)  # most columns have no gaps, and then this is quick
    except TypeError:
        return array(kind, [missing if value is None else value for value in column])


def _unpacked_turns(turns: Turns) -> Iterator[Turn]:
    texts = [[text] if text else [] for text in _texts(turns.texts)]
    started, ended = _known_moments(turns.times)
    columns = (turns.ids, turns.prompt_ids, _texts(turns.prompts), started, ended, texts, _lists(turns.uuids))
    return (Turn(*row) for row in zip(*columns, turns.lasts, turns.errors, turns.models, strict=True))


def _unpacked_calls(calls: Calls) -> Iterator[Call]:
    turn, model, is_sidechain, *counts, is_fast, is_us = _split(calls.counts, "q", 3 + len(COUNTED))
    models = map(calls.models.__getitem__, model)
    columns = (calls.message_ids, calls.request_ids, models, turn, *_known_moments(calls.times))
    flags = (map(bool, is_sidechain), *counts, map(bool, is_fast), map(bool, is_us))
    return (Call(*row) for row in zip(*columns, *flags, strict=True))


def _unpacked_tools(tools: Tools) -> Iterator[ToolUse]:
    turn, name, is_sidechain, is_error, result_chars = _split(tools.counts, "q", 5)
    names = map(tools.names.__getitem__, name)
    started, ended = _known_moments(tools.times)
    failed = (None if flag == UNKNOWN else bool(flag) for flag in is_error)
    chars = (None if count == UNKNOWN else count for count in result_chars)
    columns = (tools.ids, turn, names, _texts(tools.inputs), started, map(bool, is_sidechain), ended)
    return (ToolUse(*row) for row in zip(*columns, failed, chars, strict=True))


def _known_moments(times: bytes) -> list[list[float | None]]:
    return [[None if moment != moment else moment for moment in column] for column in _split(times, "d", 2)]


def _split(data: bytes, kind: str, count: int) -> list[Any]:
    """Return the `count` columns that bytes hold one after the other."""
    values = memoryview(data).cast(kind)  # type: ignore[call-overload]  # mypy knows only written-out kinds
    size = len(values) // count
    return [values[place * size : (place + 1) * size].tolist() for place in range(count)]
