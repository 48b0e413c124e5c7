"""`SessionInfo`: one session at one moment, as a plain record; `SessionState`: what it does then."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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
