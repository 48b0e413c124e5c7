"""Schemas of Python types, and objects of answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal, Optional

import pydantic
import pytest

from claude_magic.values.schemas import build, json_schema


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Point:
    x: float
    y: float = 0.0


@dataclass
class Shape:
    name: str
    points: list[Point]
    colour: Colour
    kind: Literal["open", "closed"]
    size: tuple[int, float]
    centre: Point | None = None
    border: Optional[Colour] = None  # noqa: UP045  people write it so
    named: dict[str, Point] = field(default_factory=dict)
    tags: set[str] = field(default_factory=set)
    anything: Any = None


class Model(pydantic.BaseModel):
    name: str
    points: list[int]


def test_a_dataclass() -> None:
    """Fields with their types; those without a default are required; nothing else is allowed."""
    point = {
        "type": "object", "title": "Point", "required": ["x"], "additionalProperties": False,
        "properties": {"x": {"type": "number"}, "y": {"type": "number"}},
    }  # fmt: skip
    colour = {"enum": ["red", "blue"]}

    assert json_schema(Shape) == {
        "type": "object",
        "title": "Shape",
        "properties": {
            "name": {"type": "string"},
            "points": {"type": "array", "items": point},
            "colour": colour,
            "kind": {"enum": ["open", "closed"]},
            "size": {
                "type": "array", "minItems": 2, "maxItems": 2,
                "items": {"anyOf": [{"type": "integer"}, {"type": "number"}]},
            },
            "centre": {"anyOf": [point, {"type": "null"}]},
            "border": {"anyOf": [colour, {"type": "null"}]},
            "named": {"type": "object", "additionalProperties": point},
            "tags": {"type": "array", "items": {"type": "string"}},
            "anything": {},
        },
        "required": ["name", "points", "colour", "kind", "size"],
        "additionalProperties": False,
    }  # fmt: skip


def test_an_object_of_a_dataclass() -> None:
    """Nested ones are built too, in lists, mappings and unions."""
    answer = {
        "name": "s", "points": [{"x": 1, "y": 2}], "colour": "red", "kind": "open", "size": [1, 2.5],
        "centre": {"x": 0}, "border": "blue", "named": {"a": {"x": 3}}, "tags": ["t", "t"], "anything": {"x": 1},
    }  # fmt: skip

    assert build(Shape, answer) == Shape(
        "s", [Point(1, 2)], Colour.RED, "open", (1, 2.5), Point(0), Colour.BLUE, {"a": Point(3)}, {"t"}, {"x": 1}
    )


def test_nothing_is_an_answer_where_it_may_be() -> None:
    """`null` for an optional dataclass is `None`."""
    answer = {
        "name": "s",
        "points": [],
        "colour": "red",
        "kind": "open",
        "size": [1, 2],
        "centre": None,
        "border": None,
    }

    shape = build(Shape, answer)

    assert shape.centre is None
    assert shape.border is None


@pytest.mark.parametrize("answer", [None, [], "text", {"x": 1, "points": [1]}, {"name": "s"}])
def test_an_answer_that_does_not_fit(answer: Any) -> None:
    """Is an error, never a half-built object."""
    with pytest.raises((ValueError, TypeError)):
        build(Shape, answer)


def test_a_pydantic_model() -> None:
    """Its own schema, and its own validation."""
    assert json_schema(Model) == Model.model_json_schema()
    assert build(Model, {"name": "a", "points": [1]}) == Model(name="a", points=[1])
    with pytest.raises(ValueError, match="points"):
        build(Model, {"name": "a", "points": "none"})


@pytest.mark.parametrize("schema", [{"type": "object"}, {"properties": {}}, {"anyOf": []}, {"$ref": "#/x"}])
def test_a_json_schema_is_itself(schema: dict[str, Any]) -> None:
    """And so is the answer."""
    assert json_schema(schema) == schema
    assert build(schema, {"a": 1}) == {"a": 1}


@pytest.mark.parametrize("value", [5, "text", None, [], {}, {"a": 1}, int, Point(1), Model(name="a", points=[])])
def test_what_stands_for_no_schema(value: Any) -> None:
    """Values, and types without fields."""
    assert json_schema(value) is None


def test_a_field_without_a_schema() -> None:
    """It says which type, and what to use."""

    @dataclass
    class Odd:
        value: complex

    with pytest.raises(ValueError, match=r"complex.*use plain types"):
        json_schema(Odd)
