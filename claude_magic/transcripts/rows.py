"""`ScannedFile`: what one session file says, as rows for its turns, API calls and tool uses."""

from __future__ import annotations

import msgspec

from claude_magic.transcripts.schema import Iteration, Usage


class CallRow(msgspec.Struct, array_like=True, gc=False):
    """One API message: its tokens as the last of its records tells them.

    Attributes:
        turn: index of its turn in the file, `None` before the first.
        time: when its first record was written, in unix seconds.
        seen: when the record was written that told the tokens, in unix seconds.
    """

    message_id: str
    request_id: str | None
    model: str
    turn: int | None
    time: float | None
    seen: float | None
    is_sidechain: bool
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    web_searches: int = 0
    is_fast: bool = False
    is_us: bool = False

    def count(self, usage: Iteration) -> None:
        """Take the token counts of a later record: the last one is right, the earlier ones stand as it streamed."""
        self.input_tokens = usage.input_tokens or 0
        self.output_tokens = usage.output_tokens or 0
        self.cache_read_tokens = usage.cache_read_input_tokens or 0
        written, split = usage.cache_creation_input_tokens or 0, usage.cache_creation
        hour = (split.ephemeral_1h_input_tokens or 0) if split is not None else 0
        short = (split.ephemeral_5m_input_tokens or 0) if split is not None else 0
        # Older files tell the sum only; what is not said to last an hour lasts five minutes.
        self.cache_write_1h_tokens = hour
        self.cache_write_5m_tokens = max(short, written - hour)
        if isinstance(usage, Usage):
            tools = usage.server_tool_use
            self.web_searches = (tools.web_search_requests or 0) if tools is not None else 0
            self.is_fast = usage.speed == "fast"
            self.is_us = usage.inference_geo == "us"


class ToolRow(msgspec.Struct, array_like=True, gc=False):
    """One use of a tool and its result; `turn` as in `CallRow`."""

    id: str
    turn: int | None
    name: str
    input: str
    started: float | None
    ended: float | None = None
    is_error: bool | None = None
    result_chars: int | None = None


class TurnRow(msgspec.Struct, array_like=True):
    """One prompt and what came of it, on the main thread.

    Attributes:
        texts: the answer's blocks.
        uuids: of the records they come from, so that one written twice counts once.
        last: `text`, `tool_use`, `error` or `interrupted`: how it stands at the end of the file.
    """

    id: str
    prompt_id: str | None
    prompt: str
    started: float | None
    ended: float | None = None
    texts: list[str] = []
    uuids: list[str] = []
    last: str = ""
    error: str = ""
    model: str = ""


class Problem(msgspec.Struct, array_like=True):
    """A line that could not be used: its number from 1, the byte it begins at, and why.

    `line` and `offset` are 0 where a whole file could not be read.
    """

    file: str
    line: int
    offset: int
    reason: str


class ScannedFile(msgspec.Struct, array_like=True):
    """What one file says; small beside it, and enough to read on later.

    Attributes:
        name: its path below the root.
        session_id: the session it belongs to.
        agent_id: the subagent that wrote it; "" for a session's own file.
        parent_tool_use_id: the tool use that started the subagent; "" where it is not known.
        offset: bytes that were taken in, always whole lines.
        checksum: tells whether the file is still the same up to there.
        first: the first moment in it, in unix seconds: a fork's is later than that of the records it copied.
        is_fork: whether its records say that they were copied.
        started, ended: first and last moment of what was said, in unix seconds.
        title: what a person called the session.
        ai_title: what the CLI called it.
        types: how many records of each type.
        broken: how many lines could not be used; `problems` are the first of them.
        unfinished: the last line is not complete yet, and is not a whole record; it is looked at again.
        unreadable: why the file could not be read to its end.
        size, mtime_ns: of the file, when it was listed.
    """

    name: str
    session_id: str
    agent_id: str = ""
    parent_tool_use_id: str = ""
    offset: int = 0
    checksum: int = 0
    first: float | None = None
    is_fork: bool = False
    started: float | None = None
    ended: float | None = None
    working_dir: str = ""
    title: str = ""
    ai_title: str = ""
    turns: list[TurnRow] = []
    calls: list[CallRow] = []
    tools: list[ToolRow] = []
    types: dict[str, int] = {}
    broken: int = 0
    problems: list[Problem] = []
    unfinished: Problem | None = None
    unreadable: Problem | None = None
    size: int = 0
    mtime_ns: int = 0
