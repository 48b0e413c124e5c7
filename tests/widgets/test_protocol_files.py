"""Both sides of the live view hold the same protocol."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args, get_type_hints, is_typeddict

import pytest

from claude_magic.rendering import MIME_TYPE as STORED_TYPE
from claude_magic.rendering import ToolState
from claude_magic.widgets import protocol

SOURCE = Path(__file__).parents[2] / "labextension" / "src" / "protocol.ts"
PLAIN = re.sub(r"/\*.*?\*/|//[^\n]*", "", SOURCE.read_text(encoding="utf-8"), flags=re.S)
INTERFACES = {name: body for name, body in re.findall(r"export interface (\w+) \{(.*?)\n\}", PLAIN, flags=re.S)}
TYPED_DICTS = {
    name if name in INTERFACES else name.removesuffix("Data"): item
    for name, item in vars(protocol).items()
    if is_typeddict(item)
}


def fields_of(body: str) -> dict[str, str]:
    """The fields of an interface and their types, as written."""
    return {name: kind.strip() for name, kind in re.findall(r"(\w+)\??:\s*([^;]+);", body)}


def literals_of(hint: Any) -> set[str]:
    return {str(value) for value in get_args(hint) if isinstance(value, str)}


def test_constants_are_the_same() -> None:
    """Version, targets and message names have one value on both sides."""
    written = dict(re.findall(r"export const (\w+) = ([^;]+);", PLAIN))
    ours = {name: value for name, value in vars(protocol).items() if name.isupper() and isinstance(value, int | str)}

    assert {name: value.strip("'\"") for name, value in written.items()} == {n: str(v) for n, v in ours.items()}
    assert protocol.MIME_TYPE == STORED_TYPE


def test_there_are_the_same_types() -> None:
    """Every type of the kernel's side is an interface of the page's side, and the other way round."""
    assert set(INTERFACES) == set(TYPED_DICTS)


@pytest.mark.parametrize("name", sorted(TYPED_DICTS))
def test_fields_are_the_same(name: str) -> None:
    """A type has the same fields on both sides."""
    assert set(fields_of(INTERFACES[name])) == set(get_type_hints(TYPED_DICTS[name]))


def test_kinds_of_parts_are_the_same() -> None:
    """The word that tells parts apart is the same on both sides."""
    parts = [name for name in TYPED_DICTS if name.endswith("Part")]

    assert len(parts) == 4
    for name in parts:
        words = literals_of(get_type_hints(TYPED_DICTS[name])["type"])
        assert words == {fields_of(INTERFACES[name])["type"].strip("'")}


def test_words_of_a_question_and_of_a_tool_are_the_same() -> None:
    """Kinds of questions and states of tools are the same words on both sides."""
    kinds = literals_of(get_type_hints(protocol.Question)["kind"])
    states = re.search(r"export type ToolState = ([^;]+);", PLAIN)

    assert kinds == set(re.findall(r"'(\w+)'", fields_of(INTERFACES["Question"])["kind"]))
    assert states is not None
    assert set(ToolState) == set(re.findall(r"'(\w+)'", states[1]))
