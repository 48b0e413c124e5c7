"""A function as a tool: its schema, its arguments, its name."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Annotated, Any, Literal

import pandas as pd
import pydantic
import pytest

from claude_magic.tools import Tool, ToolServer, as_tool, tool
from claude_magic.tools.server import ToolRegistry


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Point:
    x: float
    y: float = 0.0


class Order(pydantic.BaseModel):
    product: str
    count: int = 1


def everything(
    text: str,
    number: int,
    colour: Colour,
    where: Point,
    kind: Literal["a", "b"] = "a",
    days: list[date] = [],  # noqa: B006  a default as people write it
    note: Annotated[str, "what to say"] = "",
    limit: int | None = None,
) -> None:
    """Take everything.

    The second paragraph.

    Args:
        text: some text.
        number: a number.
    """


def test_schema_comes_from_types_and_docstring() -> None:
    made = as_tool(everything)

    properties = made.schema["properties"]
    assert made.description == "Take everything.\n\nThe second paragraph."
    assert made.schema["required"] == ["text", "number", "colour", "where"]
    assert properties["text"] == {"type": "string", "description": "some text."}
    assert properties["note"] == {"type": "string", "description": "what to say", "default": ""}
    assert properties["kind"]["enum"] == ["a", "b"]
    assert made.schema["$defs"]["Point"]["properties"].keys() == {"x", "y"}
    assert made.schema["additionalProperties"] is False


def test_arguments_become_what_the_function_takes() -> None:
    got: dict[str, Any] = {}

    def take(colour: Colour, where: Point, days: list[date], limit: int | None = 5) -> None:
        got.update(locals())

    as_tool(take).bound({"colour": "red", "where": {"x": 1}, "days": ["2026-03-01"]})()

    assert (got["colour"], got["where"], got["days"]) == (Colour.RED, Point(1.0), [date(2026, 3, 1)])
    assert got["limit"] == 5


def test_pydantic_models_are_arguments() -> None:
    def place(order: Order, urgent: bool = False) -> str:
        return f"{order.count} {order.product} {urgent}"

    made = as_tool(place)

    assert "Order" in made.schema["$defs"]
    assert made.bound({"order": {"product": "tea"}})() == "1 tea False"
    with pytest.raises(ValueError, match="the arguments do not fit"):
        made.bound({"order": {"count": 2}})


@pytest.mark.parametrize("given", [{}, {"text": 1}, {"text": "x", "more": 2}, {"text": "x", "number": "many"}])
def test_arguments_that_do_not_fit_are_refused_in_words(given: dict[str, Any]) -> None:
    def take(text: str, number: int = 0) -> None: ...

    with pytest.raises(ValueError, match="the arguments do not fit"):
        as_tool(take).bound(given)


def test_a_parameter_that_cannot_come_from_json_is_refused() -> None:
    def take(frame: pd.DataFrame) -> None: ...

    with pytest.raises(ValueError, match="take a table by the name of its variable"):
        as_tool(take)


@pytest.mark.parametrize("value", [lambda: 1, "text", Point, 3])
def test_what_is_not_a_named_function_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"cannot be the name of a tool|a tool is a function"):
        as_tool(value)


def test_decorator_keeps_the_function() -> None:
    @tool(name="double", read_only=True)
    def twice(number: int) -> int:
        return 2 * number

    made = as_tool(twice)

    assert twice(2) == 4
    assert (made.name, made.definition["annotations"]) == ("double", {"readOnlyHint": True})


def test_server_replaces_a_tool_of_the_same_name() -> None:
    """A cell that defines a function may be run again."""
    server = ToolServer("crm", [everything])
    before = server.fingerprint

    def changed(name: str) -> None:
        """Another."""

    server.add(Tool("everything", "Another.", {}, changed))

    assert len(server.tools) == 1
    assert server.fingerprint != before


@pytest.mark.parametrize("name", ["", "two__parts", "a b", "_x", "x_"])
def test_server_name_must_be_unambiguous(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name of a tool server"):
        ToolServer(name)


def test_registry_adds_and_removes() -> None:
    registry = ToolRegistry()

    def one() -> None: ...
    def two() -> None: ...

    registry.add(one, two, ToolServer("crm", [one]))
    assert [info.full_name for info in registry.list_tools()] == [
        "mcp__crm__one", "mcp__python__one", "mcp__python__two",
    ]  # fmt: skip
    registry.remove(one, "crm")
    assert [info.full_name for info in registry.list_tools()] == ["mcp__python__two"]
    with pytest.raises(ValueError, match="There is no tool 'three'; there are: two"):
        registry.remove("two", "three")
    assert len(registry.list_tools()) == 1


def test_marked_methods_and_decorated_functions_are_called_as_they_are() -> None:
    class Shop:
        @tool(name="price_of", read_only=True)
        def price(self, product: str) -> str:
            return f"{product}: 1"

    def loudly(function: Any) -> Any:
        @functools.wraps(function)
        def call(**given: Any) -> Any:
            return function(**given).upper()

        return call

    @loudly
    @tool
    def greet(name: str) -> str:
        return f"hello {name}"

    made = as_tool(Shop().price)
    assert (made.name, made.read_only, list(made.schema["properties"])) == ("price_of", True, ["product"])
    assert made.bound({"product": "tea"})() == "tea: 1"
    assert as_tool(greet).bound({"name": "ada"})() == "HELLO ADA"


def test_generators_are_refused() -> None:
    def numbers() -> Any:
        yield 1

    async def later() -> Any:
        yield 1

    for function in (numbers, later):
        with pytest.raises(ValueError, match="yields"):
            as_tool(function)
