"""Claude in your notebook: `%%claude` cells, sessions and records, answered by the real Claude CLI.

    %load_ext claude_magic

Names are imported when they are first used, so that `import claude_magic` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from claude_magic._version import __version__ as __version__

if TYPE_CHECKING:
    from claude_magic.batch.async_run import AsyncMapRun as AsyncMapRun
    from claude_magic.batch.async_run import MapRow as MapRow
    from claude_magic.batch.run import MapRun as MapRun
    from claude_magic.blocking import ClaudeClient as ClaudeClient
    from claude_magic.blocking import get_client as get_client
    from claude_magic.client import AsyncClaudeClient as AsyncClaudeClient
    from claude_magic.config import MapBudgets as MapBudgets
    from claude_magic.config import PoolConfig as PoolConfig
    from claude_magic.config import RetryPolicy as RetryPolicy
    from claude_magic.config import SessionConfig as SessionConfig
    from claude_magic.config import SimulatedAPI as SimulatedAPI
    from claude_magic.engine.checkpoints import Checkpoint as Checkpoint
    from claude_magic.engine.rewind import Rewind as Rewind
    from claude_magic.engine.session import Session as Session
    from claude_magic.engine.session import SessionState as SessionState
    from claude_magic.engine.session_info import SessionActivity as SessionActivity
    from claude_magic.engine.session_info import SessionInfo as SessionInfo
    from claude_magic.engine.turn_queue import QueuedPrompt as QueuedPrompt
    from claude_magic.errors import AuthenticationError as AuthenticationError
    from claude_magic.errors import ClaudeError as ClaudeError
    from claude_magic.errors import CLINotFoundError as CLINotFoundError
    from claude_magic.errors import ConnectionFailedError as ConnectionFailedError
    from claude_magic.errors import ControlError as ControlError
    from claude_magic.errors import HistoryError as HistoryError
    from claude_magic.errors import InsufficientCreditsError as InsufficientCreditsError
    from claude_magic.errors import InvalidRequestError as InvalidRequestError
    from claude_magic.errors import MapStoreError as MapStoreError
    from claude_magic.errors import ModelNotFoundError as ModelNotFoundError
    from claude_magic.errors import OverloadedError as OverloadedError
    from claude_magic.errors import PermissionDeniedError as PermissionDeniedError
    from claude_magic.errors import PoolClosedError as PoolClosedError
    from claude_magic.errors import PoolError as PoolError
    from claude_magic.errors import PoolTimeoutError as PoolTimeoutError
    from claude_magic.errors import ProcessError as ProcessError
    from claude_magic.errors import ProtocolError as ProtocolError
    from claude_magic.errors import RateLimitError as RateLimitError
    from claude_magic.errors import RequestTooLargeError as RequestTooLargeError
    from claude_magic.errors import ResultError as ResultError
    from claude_magic.errors import ServiceError as ServiceError
    from claude_magic.errors import SessionClosedError as SessionClosedError
    from claude_magic.errors import SessionError as SessionError
    from claude_magic.errors import SessionNotFoundError as SessionNotFoundError
    from claude_magic.errors import SettingError as SettingError
    from claude_magic.errors import StructuredOutputError as StructuredOutputError
    from claude_magic.errors import TurnTimeoutError as TurnTimeoutError
    from claude_magic.magics.background import BackgroundRun as BackgroundRun
    from claude_magic.messages import Message as Message
    from claude_magic.messages import MessageType as MessageType
    from claude_magic.permissions import Allow as Allow
    from claude_magic.permissions import Deny as Deny
    from claude_magic.permissions import PermissionRequest as PermissionRequest
    from claude_magic.recording.replayer import TapeReplayer as TapeReplayer
    from claude_magic.records.history import History as History
    from claude_magic.records.metrics import Stats as Stats
    from claude_magic.response import AnswerSource as AnswerSource
    from claude_magic.response import Outcome as Outcome
    from claude_magic.response import Response as Response
    from claude_magic.response import Usage as Usage
    from claude_magic.tools.server import ToolInfo as ToolInfo
    from claude_magic.tools.server import ToolServer as ToolServer
    from claude_magic.tools.tool import tool as tool
    from claude_magic.transcripts.transcripts import Transcripts as Transcripts
    from claude_magic.transcripts.transcripts import read_transcripts as read_transcripts
    from claude_magic.widgets.viewer import StreamViewer as StreamViewer


_ERRORS = (
    "AuthenticationError", "CLINotFoundError", "ClaudeError", "ConnectionFailedError", "ControlError", "HistoryError",
    "InsufficientCreditsError", "InvalidRequestError", "MapStoreError", "ModelNotFoundError",
    "OverloadedError", "PermissionDeniedError", "PoolClosedError", "PoolError", "PoolTimeoutError", "ProcessError",
    "ProtocolError",
    "RateLimitError", "RequestTooLargeError", "ResultError", "ServiceError", "SessionClosedError", "SessionError",
    "SessionNotFoundError", "SettingError", "StructuredOutputError", "TurnTimeoutError",
)  # fmt: skip
_NAMES_OF = {
    "batch.async_run": ("AsyncMapRun", "MapRow"),
    "batch.run": ("MapRun",),
    "blocking": ("ClaudeClient", "get_client"),
    "client": ("AsyncClaudeClient",),
    "config": ("MapBudgets", "PoolConfig", "RetryPolicy", "SessionConfig", "SimulatedAPI"),
    "errors": _ERRORS,
    "messages": ("Message", "MessageType"),
    "permissions": ("Allow", "Deny", "PermissionRequest"),
    "magics.background": ("BackgroundRun",),
    "recording.replayer": ("TapeReplayer",),
    "records.history": ("History",),
    "records.metrics": ("Stats",),
    "engine.checkpoints": ("Checkpoint",),
    "engine.rewind": ("Rewind",),
    "engine.session_info": ("SessionActivity", "SessionInfo"),
    "engine.turn_queue": ("QueuedPrompt",),
    "tools.server": ("ToolInfo", "ToolServer"),
    "tools.tool": ("tool",),
    "transcripts.transcripts": ("Transcripts", "read_transcripts"),
    "widgets.viewer": ("StreamViewer",),
    "response": ("AnswerSource", "Outcome", "Response", "Usage"),
    "engine.session": ("Session", "SessionState"),
}
_HOME_OF = {name: module for module, names in _NAMES_OF.items() for name in names}

__all__ = sorted([*_HOME_OF, "__version__", "load_ipython_extension", "unload_ipython_extension"])


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value  # from now on it is a plain attribute
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def load_ipython_extension(ip: Any) -> None:
    """Register the magics; IPython calls this for `%load_ext claude_magic`."""
    from claude_magic.magics import load

    load(ip)


def unload_ipython_extension(ip: Any) -> None:
    """Take the magics back; IPython calls this for `%unload_ext claude_magic`."""
    from claude_magic.magics import unload

    unload(ip)
