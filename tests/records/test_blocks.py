"""Streamed pieces joined to whole blocks."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from claude_magic.messages import Batch, Message, MessageType
from claude_magic.records.blocks import BlockAssembler

from .lines import Stream, delta, result, said, stop, system, thought, tool_result, use


def whole(assembler: BlockAssembler, batch: Batch) -> list[tuple[str, str]]:
    """What a assembler makes of a batch, as pairs of type and text."""
    return [(message.type.value, message.text) for part in assembler.assemble(batch) for message in part.messages]


def test_block_assembler_makes_pieces_one_message_when_their_block_ends() -> None:
    """A block may come in many batches; nothing is passed on before it is complete."""
    assembler, stream = BlockAssembler(), Stream()

    assert whole(assembler, stream.batch(delta("Hel"), delta("lo "))) == []
    assert whole(assembler, stream.batch(delta("you"), stop())) == []
    assert whole(assembler, stream.batch(said("Hello you"), stop())) == [("text", "Hello you")]


def test_block_assembler_keeps_thinking_and_text_apart() -> None:
    """Text that follows thinking ends it."""
    lines = (thought("hm"), thought("m"), delta("a"), delta("b"), result())

    kinds = whole(BlockAssembler(), Stream().batch(*lines))

    assert kinds == [("thinking", "hmm"), ("text", "ab"), ("result", "done")]


def test_block_assembler_does_not_split_a_block_by_what_others_say() -> None:
    """A tool's result and a subagent's tool use in the middle of a text come before it."""
    lines = (delta("a"), tool_result("x", "42"), use("y", parent="x"), delta("b"), use("z"))

    kinds = whole(BlockAssembler(), Stream().batch(*lines))

    assert kinds == [("tool_result", "42"), ("tool_use", ""), ("text", "ab"), ("tool_use", "")]


def test_block_assembler_takes_withdrawn_text_out_of_its_block() -> None:
    """The CLI abandons a broken stream: its text never happened, what came before stays to be taken back."""
    broken = {"type": "stream_event", "event": {"type": "ping"}, "abandoned_blocks": {"from_block_index": 0}}
    assembler, stream = BlockAssembler(), Stream()
    assembler.assemble(stream.batch(delta("half a sen"), delta("ten")))

    (part,) = assembler.assemble(stream.batch(broken))

    texts = [message.text for message in part.messages if message.type == "text"]
    assert "".join(texts) == ""
    notes = [(message.withdrawn, message.text) for message in part.messages if message.type == "status"]
    assert notes == [(0, "the CLI took back the last 13 characters of its answer")]


def test_block_assembler_gives_an_open_block_to_the_turn_that_died() -> None:
    """The next turn's first batch brings the old block under its own id."""
    assembler = BlockAssembler()
    assembler.assemble(Stream(turn_id="old").batch(delta("unfin"), delta("ished")))

    old, new = assembler.assemble(Stream(turn_id="new").batch(system("init", model="m")))

    assert (old.turn_id, old.messages[0].text) == ("old", "unfinished")
    assert (new.turn_id, new.messages[0].type) == ("new", "init")


def test_block_assembler_keeps_sessions_apart() -> None:
    """Blocks of two sessions that stream at once are kept apart."""
    assembler = BlockAssembler()
    a, b = Stream("a"), Stream("b")
    assembler.assemble(a.batch(delta("one")))
    assembler.assemble(b.batch(delta("two")))

    assert whole(assembler, a.batch(result())) == [("text", "one"), ("result", "done")]
    assert whole(assembler, b.batch(result())) == [("text", "two"), ("result", "done")]


def test_block_assembler_ends_a_session_with_nothing_open() -> None:
    """Also for a session never seen, and for one that was closed."""
    assembler = BlockAssembler()
    assembler.assemble(Stream().batch(delta("a")))
    assembler.forget_closed(["other"])

    assert assembler.end_block("main") == []
    assert assembler.end_block("other") == []


KINDS = st.sampled_from(
    [MessageType.TEXT, MessageType.THINKING, MessageType.BLOCK, MessageType.EVENT, MessageType.RESULT]
)


@given(st.lists(st.tuples(KINDS, st.text(max_size=4))), st.lists(st.integers(0, 40)))
def test_block_assembler_loses_no_text_however_it_is_cut(
    spoken: list[tuple[MessageType, str]], cuts: list[int]
) -> None:
    """However messages fall into batches, the joined blocks carry the same text in the same order."""
    messages = [Message(kind, text, b"", 1.0) for kind, text in spoken]
    edges = sorted({0, len(messages), *(cut for cut in cuts if cut < len(messages))})
    assembler = BlockAssembler()
    parts = [
        part
        for first, last in itertools.pairwise(edges)
        for part in assembler.assemble(Batch("s", "", "t", messages[first:last]))
    ]
    parts += assembler.end_block("s")
    joined = [message for part in parts for message in part.messages]

    for kind in (MessageType.TEXT, MessageType.THINKING):
        expected = "".join(text for given_kind, text in spoken if given_kind is kind)
        assert expected == "".join(message.text for message in joined if message.type is kind)
    assert sum(kind is MessageType.RESULT for kind, _ in spoken) == sum(m.type is MessageType.RESULT for m in joined)
