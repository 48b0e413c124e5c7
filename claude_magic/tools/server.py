"""`ToolServer`: a set of tools under one name."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from claude_magic.tools.tool import Tool, as_tool

Run = Callable[[Callable[[], Any]], Awaitable[Any]]
"""Calls a plain function where it belongs, and brings what it returns."""

FUNCTIONS = "python"
"""Name of the server of functions that were added alone."""

_NAME = re.compile(r"[A-Za-z0-9-]+(?:_[A-Za-z0-9-]+)*")
"""The CLI joins `mcp`, the server and the tool with two underscores; so a name has no two in a row."""


@dataclass(frozen=True)
class ToolInfo:
    """One tool that sessions are offered.

    Attributes:
        server: name of its server.
        name: its name there.
        full_name: what permission rules call it, such as `mcp__python__revenue`.
        description: what the model is told.
        read_only: it changes nothing.
    """

    server: str
    name: str
    full_name: str
    description: str
    read_only: bool


class ToolServer:
    """Tools of this process under one name.

    Example::

        def find_customer(email: str) -> dict[str, str]:
            "Name and city of a customer."
            return {"name": "Ada", "city": "London"}

        client.add_tools(ToolServer("crm", [find_customer], instructions="Customers are found by e-mail."))

    Args:
        name: letters, digits, - and _; permission rules call its tools `mcp__NAME__TOOL`.
        tools: functions, or what `tool` marked.
        instructions: what the model is told of the whole; goes into its system prompt.
        run: calls a plain function where it belongs, such as on the kernel's main thread; a worker thread by default.

    Raises:
        ValueError: a name is taken or cannot be one, or a function cannot be a tool.
    """

    def __init__(
        self,
        name: str,
        tools: Iterable[Callable[..., Any] | Tool] = (),
        *,
        instructions: str = "",
        run: Run | None = None,
    ) -> None:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} cannot be the name of a tool server: use letters, digits, - and single _.")
        self.name = name
        self.instructions = instructions
        self.run = run
        self._tools: dict[str, Tool] = {}
        self.add(*tools)

    def __repr__(self) -> str:
        return f"<ToolServer {self.name!r}: {', '.join(self._tools) or 'no tools'}>"

    @property
    def tools(self) -> tuple[Tool, ...]:
        """Its tools, in the order in which they were added."""
        return tuple(self._tools.values())

    def add(self, *tools: Callable[..., Any] | Tool) -> None:
        """Add tools; one of the same name as before takes its place, so that a cell can be run again.

        Raises:
            ValueError: a function cannot be a tool; nothing has changed.
        """
        made = [as_tool(tool) for tool in tools]
        self._tools |= {tool.name: tool for tool in made}

    def remove(self, name: str) -> None:
        """Take a tool away.

        Raises:
            KeyError: there is none of this name.
        """
        del self._tools[name]

    def get(self, name: str) -> Tool | None:
        """Return a tool by its name, or by that which permission rules call it; `None` if there is none."""
        return self._tools.get(name.removeprefix(f"mcp__{self.name}__"))

    def list_tools(self) -> list[ToolInfo]:
        """Return what there is to know about each tool."""
        return [
            ToolInfo(self.name, tool.name, f"mcp__{self.name}__{tool.name}", tool.description, tool.read_only)
            for tool in self.tools
        ]

    @property
    def fingerprint(self) -> str:
        """Differs when the model would see something else."""
        seen = [self.instructions, [tool.definition for tool in self.tools]]
        return hashlib.sha256(json.dumps(seen, sort_keys=True, default=str).encode()).hexdigest()


class ToolRegistry:
    """What a client offers to its sessions: functions of their own, and servers."""

    def __init__(self) -> None:
        self._servers: dict[str, ToolServer] = {}

    @property
    def servers(self) -> tuple[ToolServer, ...]:
        """The servers, that of the single functions included."""
        return tuple(self._servers.values())

    def add(self, *tools: Callable[..., Any] | Tool | ToolServer) -> None:
        """Add functions, or servers; what has the same name as before takes its place.

        Raises:
            ValueError: something cannot be a tool; nothing has changed.
        """
        servers = [tool for tool in tools if isinstance(tool, ToolServer)]
        functions = [as_tool(tool) for tool in tools if not isinstance(tool, ToolServer)]
        if any(server.name == FUNCTIONS for server in servers):
            raise ValueError(f"{FUNCTIONS!r} is the server of functions that are added alone; give yours another name.")
        self._servers |= {server.name: server for server in servers}
        if functions:
            self._servers.setdefault(FUNCTIONS, ToolServer(FUNCTIONS)).add(*functions)

    def remove(self, *names: str | Callable[..., Any] | Tool | ToolServer) -> None:
        """Take tools or whole servers away, by their names or as they were added.

        Raises:
            ValueError: there is none of that name; nothing has changed.
        """
        wanted = [_name_of(name) for name in names]
        functions = self._servers.get(FUNCTIONS)
        known = {tool.name for tool in functions.tools} if functions is not None else set[str]()
        for name in wanted:
            if name not in known and (name not in self._servers or name == FUNCTIONS):
                there = ", ".join([*known, *(other for other in self._servers if other != FUNCTIONS)]) or "none"
                raise ValueError(f"There is no tool {name!r}; there are: {there}.")
        for name in wanted:
            if name in known and functions is not None:
                functions.remove(name)
            else:
                self._servers.pop(name, None)

    def list_tools(self) -> list[ToolInfo]:
        """Return what there is to know about each tool."""
        return [info for server in self._servers.values() for info in server.list_tools()]


def _name_of(value: str | Callable[..., Any] | Tool | ToolServer) -> str:
    if isinstance(value, str):
        return value
    return value.name if isinstance(value, Tool | ToolServer) else as_tool(value).name
