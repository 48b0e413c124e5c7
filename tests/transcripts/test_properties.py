"""Whatever state the files are in: the sums are those of an independent count."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_magic import read_transcripts

from .transcript_records import (
    Record,
    agent_path,
    answer,
    enqueue,
    independent_totals,
    lines,
    our_totals,
    prompt,
    result,
    session_path,
    text,
    usage,
    use,
    write,
)

COUNTS = st.integers(0, 200_000)
USAGES = st.builds(usage, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS)
MODELS = st.sampled_from(["claude-opus-4-8", "claude-opus-5-5", "claude-haiku-4-5-20251001", "<synthetic>"])
GARBAGE = st.one_of(
    st.binary(max_size=40).filter(lambda data: b"\n" not in data),
    st.sampled_from([b"{", b"null", b"[]", b"{}", b'"text"', b"\xff\xfe", b'{"type":"assistant","message":7}']),
)


@st.composite
def sessions(draw: st.DrawFn) -> list[Record]:
    """One session: calls of one to three records each, the later ones with other counts, some tools."""
    number = draw(st.integers(0, 999_999))
    records: list[Record] = [enqueue(number)]
    for turn in range(draw(st.integers(1, 3))):
        start = number + turn * 100
        records.append(prompt("go", start, id=f"prompt-{number}-{turn}"))
        for step in range(draw(st.integers(0, 3))):
            own = f"{number}-{turn}-{step}"
            model, request = draw(MODELS), draw(st.sampled_from([f"req-{own}", "req", None]))
            for place in range(draw(st.integers(1, 3))):
                blocks = [text("said")] if place else [use(f"tool-{own}")]
                made = answer(f"msg-{own}", start + step + place / 10, *blocks, used=draw(USAGES), model=model,
                              request=request)  # fmt: skip
                records.append(made)
            records.append(result(f"tool-{own}", "done", start + step + 0.5))
    return records


HISTORIES = st.lists(sessions(), min_size=1, max_size=3, unique_by=lambda records: str(records[0]["timestamp"]))
"""Sessions of different numbers, so that no two messages share their ids by chance."""


def session_id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def check(root: Path) -> None:
    assert our_totals(read_transcripts(root, cache=False).usage()) == independent_totals(root)


@settings(max_examples=30, deadline=None)
@given(HISTORIES, st.lists(st.tuples(st.integers(0, 99), GARBAGE), max_size=5))
def test_usage_is_not_changed_by_broken_lines(histories: list[list[Record]], garbage: list[tuple[int, bytes]]) -> None:
    """Anything may stand between the records."""
    with folder() as root:
        for number, records in enumerate(histories):
            data = [lines([record]) for record in records]
            for place, junk in garbage:
                data.insert(place % (len(data) + 1), junk + b"\n")
            write(session_path(root, session_id(number)), b"".join(data))
        check(root)


@settings(max_examples=30, deadline=None)
@given(sessions(), st.data())
def test_usage_counts_a_file_up_to_where_it_is_cut(records: list[Record], data: st.DataObject) -> None:
    """And with what follows it counts all, read on from the cache or from the beginning."""
    whole = lines(records)
    cut = data.draw(st.integers(0, len(whole)))
    with folder() as root:
        path = write(session_path(root), whole[:cut])
        check(root)
        read_transcripts(root, cache=root / "cache")
        path.write_bytes(whole)
        found = read_transcripts(root, cache=root / "cache")
        assert our_totals(found.usage()) == independent_totals(root)
        assert found.broken == 0
        fresh = read_transcripts(root, cache=False)
        pd.testing.assert_frame_equal(found.turns(), fresh.turns())
        pd.testing.assert_frame_equal(found.tools(), fresh.tools())


@settings(max_examples=30, deadline=None)
@given(HISTORIES, st.randoms(use_true_random=False))
def test_frames_depend_on_no_copy_and_no_order(histories: list[list[Record]], chance: random.Random) -> None:
    """Forks copy histories, subagents have files of their own, and a folder has no order."""
    with folder() as first, folder() as second:
        for number, records in enumerate(histories):
            write(session_path(first, session_id(number)), records)
            side = [{**record, "isSidechain": True} for record in records[1:]]
            write(agent_path(first, f"a{number}", session_id(number)), side)
            copy = [enqueue(2_000_000 + number), *records[1 : chance.randrange(1, len(records) + 1)]]
            write(session_path(first, session_id(100 + number)), copy)
        check(first)
        paths = [path for path in first.rglob("*.jsonl")]
        chance.shuffle(paths)
        for path in paths:  # made in another order
            target = second / path.relative_to(first)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        one, other = (read_transcripts(root, cache=False) for root in (first, second))
        for name in ("sessions", "turns", "tools", "usage"):
            pd.testing.assert_frame_equal(getattr(one, name)(), getattr(other, name)())
        assert one.turns()["input_tokens"].sum() <= one.usage()["input_tokens"].sum()


@settings(max_examples=20, deadline=None)
@given(sessions())
def test_frames_agree_with_each_other(records: list[Record]) -> None:
    """What a session cost is what its turns cost is what its messages cost, and so with tokens and tools."""
    with folder() as root:
        write(session_path(root), records)
        found = read_transcripts(root, cache=False)
        turns, messages = found.turns(), found.usage()
        for name in ("input_tokens", "output_tokens", "cache_read_tokens"):
            assert turns[name].sum() == messages[name].sum()
        assert abs(turns["cost_usd"].sum() - messages["cost_usd"].sum()) < 1e-9
        assert abs(found.sessions()["cost_usd"].sum() - messages["cost_usd"].sum()) < 1e-9
        assert turns["tool_uses"].sum() == len(found.tools())
