"""Lines of the real CLI, changed at random: each is one message, and no reader of them fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_magic.cli.decoder import Decoder
from claude_magic.engine.cost import CostMeter, streamed_cost
from claude_magic.engine.router import Router
from claude_magic.messages import Batch, MessageType
from claude_magic.observers import ObserverGuard
from claude_magic.records.recorder import Recorder
from claude_magic.redaction import Redactor
from claude_magic.rendering import response_bundle
from claude_magic.rendering.view import RunView
from claude_magic.response import Response

FIXTURES = Path(__file__).parents[1] / "fixtures"
LINES = [line for path in sorted(FIXTURES.glob("*.ndjson")) for line in path.read_bytes().split(b"\n") if line]
DEEP: Any = json.loads("[" * 500 + "]" * 500)
VALUES = st.sampled_from(
    [None, True, 0, -1, 1.5, 10**400, "", "12", "words", "\ud800", [], [1], [[]], {}, {"a": 1}, DEEP]
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value, as the keys that lead to it."""
    pairs = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    return [path, *(place for key, item in pairs for place in places(item, (*path, key)))]


@st.composite
def changed_lines(draw: st.DrawFn) -> list[bytes]:
    """A stretch of lines, one of them with another value somewhere, and perhaps one that is no JSON."""
    first = draw(st.integers(0, len(LINES) - 1))
    lines = LINES[first : first + draw(st.integers(1, 12))]
    which = draw(st.integers(0, len(lines) - 1))
    raw = json.loads(lines[which])
    *way, last = draw(st.sampled_from(places(raw)[1:]))
    holder = raw
    for key in way:
        holder = holder[key]
    holder[last] = draw(VALUES)
    lines[which] = json.dumps(raw).encode()
    return draw(st.sampled_from([lines, [*lines, b'{"type":' + b"[" * 3_000], [b"not json", *lines]]))


@pytest.mark.fuzz
@given(changed_lines())
def test_decoder_and_its_readers_survive_changed_lines(lines: list[bytes]) -> None:
    """Decoder, router, cost, records and views take them; a line is one message, or its words and a message."""
    messages = Decoder(Redactor({"API_KEY": "sk-ant-test-not-a-key"})).decode(lines, 0.0)
    assert [message.line for message in messages if message.line] == lines

    router = Router(lambda turn, batch: None, lambda turn, result: None)
    router.route(messages, lambda event, message: None)
    failures: list[str] = []
    guard = ObserverGuard()
    guard.note = failures.append
    recorder = Recorder(guard=guard)
    recorder.add_batch(Batch("main", "s1", "t1", messages))
    assert failures == []
    for message in messages:
        if message.type is MessageType.RESULT:
            CostMeter().turn_cost(message.raw, messages)
    streamed_cost(messages)
    view = RunView()
    view.add(messages)
    response_bundle(Response(text=view.text, messages=tuple(messages)))
