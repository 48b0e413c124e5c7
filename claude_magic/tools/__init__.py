"""Functions of this process as tools of Claude.

`tool` makes a `Tool` of a function: its types and its docstring become the JSON Schema that the model sees. A
`ToolServer` is a set of tools under one name. A `ToolConnection` serves the servers of one CLI process: the CLI speaks
MCP with it over the control channel, so there is no port and no process of its own.
"""

from claude_magic.tools.connection import CallContext, ToolConnection, current_call
from claude_magic.tools.server import ToolInfo, ToolRegistry, ToolServer
from claude_magic.tools.tool import Tool, ToolFailedError, as_tool, tool

__all__ = [
    "CallContext",
    "Tool",
    "ToolConnection",
    "ToolFailedError",
    "ToolInfo",
    "ToolRegistry",
    "ToolServer",
    "as_tool",
    "current_call",
    "tool",
]
