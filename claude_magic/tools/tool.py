"""`tool`: a function that Claude may call."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, overload

from claude_magic.tools.signature import Signature

_F = TypeVar("_F", bound=Callable[..., Any])
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What the API takes as the name of a tool; the CLI puts `mcp__SERVER__` in front of it."""
_ATTRIBUTE = "__claude_tool__"


class ToolFailedError(Exception):
    """What a tool says in place of a result; the model reads the message, without a traceback.

    Args:
        message: what went wrong, and what to do.
        content: blocks of an MCP result in place of the message.
    """

    def __init__(self, message: str, *, content: list[dict[str, Any]] | None = None) -> None:
        super().__init__(message)
        self.content = content


@dataclass(frozen=True)
class Tool:
    """A function that Claude may call; made by `tool` or `as_tool`.

    Attributes:
        name: what the model calls it.
        description: what the model is told of it.
        schema: JSON Schema of its arguments.
        function: the function; plain or a coroutine function.
        read_only: it changes nothing. The CLI may then run several calls at the same time.
        is_allowed: it runs without asking.
    """

    name: str
    description: str
    schema: dict[str, Any]
    function: Callable[..., Any]
    read_only: bool = False
    is_allowed: bool = False
    signature: Signature | None = field(default=None, repr=False, compare=False)

    @property
    def is_async(self) -> bool:
        """Whether calling the function gives something to await."""
        return inspect.iscoroutinefunction(self.function)

    def bound(self, given: Mapping[str, Any]) -> Callable[[], Any | Awaitable[Any]]:
        """Return the call with the arguments that a model sent.

        Raises:
            ValueError: they do not fit.
        """
        arguments = dict(given) if self.signature is None else self.signature.arguments(given)
        return lambda: self.function(**arguments)

    @property
    def definition(self) -> dict[str, Any]:
        """What `tools/list` of MCP says of it."""
        shown: dict[str, Any] = {"name": self.name, "description": self.description, "inputSchema": self.schema}
        if self.read_only:
            shown["annotations"] = {"readOnlyHint": True}
        return shown


@overload
def tool(function: _F, /) -> _F: ...
@overload
def tool(*, name: str | None = None, read_only: bool = False) -> Callable[[_F], _F]: ...
def tool(function: Any = None, /, *, name: str | None = None, read_only: bool = False) -> Any:
    """Mark a function as a tool that Claude may be offered. It stays the function that it is.

    The annotations and the docstring become what the model sees; the docstring's first paragraphs say what the tool
    does, its `Args:` what each argument is. What the function returns goes to the model: texts as they are, DataFrames
    as their first rows, figures and images as pictures, anything else as JSON. An exception becomes a tool error.

    Example::

        prices = {"apple": 1.2, "pear": 1.5}

        @tool(read_only=True)
        def price(product: str) -> float:
            "Price of a product in euros."
            return prices[product]

        client.add_tools(price)

    Args:
        function: the function; plain or a coroutine function.
        name: what the model calls it; the function's name if not given.
        read_only: say that it changes nothing. The CLI may then run several calls at the same time.

    Raises:
        ValueError: the name cannot be one of a tool, or a parameter cannot come from JSON.
    """

    def mark(function: _F) -> _F:
        made = _tool_of(function, name or str(getattr(function, "__name__", "")), read_only=read_only)
        setattr(function, _ATTRIBUTE, made)
        return function

    return mark if function is None else mark(function)


def as_tool(value: Callable[..., Any] | Tool) -> Tool:
    """Return the tool that a function is: as `tool` marked it, else with its own name.

    Raises:
        ValueError: it is not a function, or cannot be a tool.
    """
    if isinstance(value, Tool):
        return value
    marked = getattr(value, _ATTRIBUTE, None)
    if isinstance(marked, Tool) and marked.function is not value and not isinstance(value, type):
        # A bound method, or what another decorator made of the marked function and gave the same attributes.
        return _tool_of(value, marked.name, read_only=marked.read_only)
    if isinstance(marked, Tool):
        return marked
    if not callable(value) or isinstance(value, type):
        raise ValueError(f"a tool is a function, not {type(value).__name__}")
    return _tool_of(value, getattr(value, "__name__", ""))


def _tool_of(function: Callable[..., Any], name: str, *, read_only: bool = False) -> Tool:
    if not _NAME.fullmatch(name) or name == "<lambda>":
        raise ValueError(
            f"{name or type(function).__name__!r} cannot be the name of a tool: use 1 to 64 letters, digits, _ and -, "
            "such as @tool(name='revenue')"
        )
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ValueError(f"{name} yields; a tool returns what it found, such as a list")
    signature = Signature(function)
    description = signature.summary or f"The function {name}."
    return Tool(name, description, signature.schema, function, read_only, signature=signature)
