"""One session at one moment, as plain records: `SessionInfo` what it is, `SessionActivity` what it does."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from claude_magic.engine.turn_queue import QueuedPrompt
from claude_magic.response import Usage


class SessionState(StrEnum):
    """What a session is doing."""

    STARTING = "starting"
    IDLE = "idle"
    RUNNING = "running"
    CLOSED = "closed"
    ERROR = "error"


@dataclass(frozen=True)
class SessionInfo:
    """One row of `frames.sessions()`; the columns have the same names.

    Attributes:
        name: the session's name.
        session_id: the CLI's id of the conversation, "" before it is known.
        workspace_id: the word its configuration groups it by.
        state: starting, idle, running, closed or error.
        model: the model that answers, "" before it is known.
        working_dir: folder the agent works in.
        pid: process id of its CLI; `None` while it has none.
        created: when, in unix seconds.
        last_used: when its last turn began or ended, in unix seconds.
        turns: how many turns it has had.
        cost_usd: what they cost together, in US dollars.
        simulated: whether a simulator answers.
    """

    name: str
    session_id: str
    workspace_id: str
    state: str
    model: str
    working_dir: str
    pid: int | None
    created: float
    last_used: float
    turns: int
    cost_usd: float
    simulated: bool


@dataclass(frozen=True)
class SessionActivity:
    """What a session does at one moment.

    Attributes:
        turn_id: uuid of the prompt that runs; "" while none does.
        prompt: what was asked, as text; "" for one of the CLI's own, such as a background task's report.
        since: when it was sent, in unix seconds; 0 while none runs.
        tool: the tool that runs; "" while none does.
        tool_input: what it was given.
        background: how many background tasks run.
        usage: tokens of all turns so far.
        queue: the prompts that wait, the next one first.
    """

    turn_id: str
    prompt: str
    since: float
    tool: str
    tool_input: dict[str, Any]
    background: int
    usage: Usage
    queue: tuple[QueuedPrompt, ...]
