"""What kernel and page say to each other; `labextension/src/protocol.ts` holds the same.

What `rendering` and `response` have a class for, such as `TextPart`, is `TextPartData` here, and `TextPart` there.

Kernel to page, on a comm: a snapshot, then numbered operations on it, at last the final data. Page to kernel, on the
control channel (which a running cell does not block) or on the comm: `Request`.
"""

from __future__ import annotations

from typing import Any, Literal, TypedDict

VERSION = 1
COMM_TARGET = "claude-magic"
REQUEST = "claude_magic_request"
REPLY = "claude_magic_reply"
MIME_TYPE = "application/vnd.claude-magic.v1+json"


class UsageData(TypedDict):
    """Tokens of a turn."""

    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int


class Context(TypedDict):
    """How full the model's window is, in tokens."""

    used: int
    max: int


class Cut(TypedDict):
    """What was left out of stored data."""

    characters: int
    parts: int


class TextPartData(TypedDict):
    """Markdown of the model."""

    type: Literal["text"]
    text: str


class ThinkingPartData(TypedDict):
    """Thoughts of the model."""

    type: Literal["thinking"]
    text: str
    duration_s: float


class TodoData(TypedDict):
    """One thing to do; the status is "pending", "in_progress" or "completed"."""

    text: str
    status: str


class Patch(TypedDict):
    """A place in a file that is changed: numbers of its first line before and after, 0 where not known."""

    old: int
    new: int
    lines: list[str]


class PictureData(TypedDict):
    """A picture that was sent, or that a tool gave back: MIME type, base64 ("" if not shown), what it is in words."""

    kind: str
    data: str
    words: str


class ToolPartData(TypedDict):
    """One tool use; `parent` is the tool use that started the subagent it belongs to, or "".

    `keys` are those of the input, at any depth, in the order they came: a notebook file sorts them.
    `edited` says that a person gave it this input in place of the model's; `todos` is the to-do list after it.
    """

    type: Literal["tool"]
    id: str
    name: str
    input: dict[str, Any]
    keys: list[str]
    edited: bool
    todos: list[TodoData]
    result: str
    patch: list[Patch]
    pictures: list[PictureData]
    is_error: bool
    state: str
    parent: str
    duration_s: float
    started: float


class NotePartData(TypedDict):
    """A quiet line: retries, rate limits, compaction."""

    type: Literal["note"]
    text: str


class Undo(TypedDict):
    """What undoing a turn's edits would change, or has changed; `deleted` are the files that the turn created."""

    files: list[str]
    deleted: list[str]
    insertions: int
    deletions: int
    done: bool
    error: str


class SentValue(TypedDict):
    """What went into a prompt beside the typed text: how it was asked for, what it is, about how many tokens, its text.

    The text is cut to a few thousand characters; it is what was sent, less secrets.
    """

    label: str
    words: str
    tokens: int
    text: str
    pictures: list[PictureData]


class RunData(TypedDict, total=False):
    """A run as data: what is stored in the notebook, and the snapshot of a live one."""

    version: int
    run: str
    live: bool
    session: str
    session_id: str
    turn: int
    turn_id: str
    model: str
    mode: str
    kernel: str
    simulated: bool
    source: str
    prompt: str
    parts: list[TextPartData | ThinkingPartData | ToolPartData | NotePartData]
    outcome: str | None
    error: str
    notice: str
    usage: UsageData
    cost_usd: float
    estimated: bool
    duration_s: float
    waited_s: float
    ttft_s: float | None
    started: float
    session_cost_usd: float | None
    context: Context | None
    edits: int
    filled: str
    sent: list[SentValue]
    granted: list[str]
    cut: Cut
    undo: Undo
    cells_undone: str


class Question(TypedDict):
    """A question of the CLI that waits for a person. `token` makes an answer count once, and from here only.

    `patch` is what it would change in a file. `grants` are what can be granted for the session, in words; the request
    names one by its number.
    """

    id: str
    token: str
    tool_use_id: str
    tool: str
    title: str
    input: dict[str, Any]
    editable: str
    kind: Literal["permission", "questions", "plan"]
    plan: str
    grants: list[str]
    patch: list[Patch]


class CellData(TypedDict, total=False):
    """A cell of the notebook as the page shows it, unsaved edits included; outputs are those of nbformat 4."""

    id: str
    cell_type: str
    source: str
    execution_count: int | None
    outputs: list[dict[str, Any]]
    metadata: dict[str, Any]


class CellsRequest(TypedDict, total=False):
    """What the kernel asks of the page that ran the prompt's cell `prompt`, on a comm of its own.

    "read" wants all cells; "insert" puts `cell` below `after` ("": below the prompt and what was put there before);
    "update" gives the cell `cell["id"]` its outputs and number; "replace" its source, and "delete" takes it away, both
    only while its source is `expected`; "restore" puts a cell that was deleted back to the place `index`.
    """

    id: str
    client: str
    prompt: str
    operation: Literal["read", "insert", "update", "replace", "delete", "restore"]
    cell: CellData
    after: str
    expected: str
    index: int


class CellsReply(TypedDict, total=False):
    """The page's answer: the cells, or the id of the cell; else why not, with the source as it is now.

    Of a cell that was deleted it has the whole cell, and its place.
    """

    cells: list[CellData]
    cell: str
    index: int
    refused: Literal["unknown", "changed", "read-only"]
    source: str


class QueuedPromptData(TypedDict):
    """A prompt that waits in a session; one that `steers` is sent in with the next step of the turn that runs."""

    turn_id: str
    prompt: str
    steers: bool


class SessionData(TypedDict):
    """An open session: what it is, and what it does now.

    `state` is "starting", "idle", "running", "waiting" (for the person: `question` is the tool) or "error"; `since` is
    when its turn was sent, in unix seconds, 0 while none runs; `cell` is the cell that the turn stands below; `resume`
    the shell command that goes on with it in a terminal.
    """

    name: str
    session_id: str
    state: str
    question: str
    doing: str
    since: float
    prompt: str
    cell: str
    turns: int
    cost_usd: float
    tokens: int
    context: Context | None
    model: str
    folder: str
    simulated: bool
    last_used: float
    queue: list[QueuedPromptData]
    background: int
    resume: str


class ConversationData(TypedDict):
    """An earlier conversation; `changed` is in unix seconds."""

    session_id: str
    title: str
    folder: str
    changed: float


class TurnData(TypedDict):
    """A turn that one can go back to: `files` were edited by tools and can be restored, what commands changed cannot.

    `started` is in unix seconds.
    """

    turn_id: str
    turn: int
    prompt: str
    started: float
    files: list[str]
    not_restorable: list[str]


class RewindData(TypedDict):
    """What going back to a turn would change, in words and as a difference; `prompt` is the cell that comes back."""

    words: str
    files: list[str]
    deleted: list[str]
    insertions: int
    deletions: int
    not_restorable: list[str]
    diff: str
    prompt: str


class SuggestionData(TypedDict):
    """What may stand at a place of a prompt, and a few words about it."""

    text: str
    words: str


class Completion(TypedDict):
    """What may stand at a place of a cell; `start` is where the word begins that it would replace, in characters."""

    start: int
    items: list[SuggestionData]


class NamesReply(TypedDict):
    """What the kernel says of names in a prompt: the kind of each value that there is, and what was meant by others.

    `options` are those of the magic, by each of their names.
    """

    known: dict[str, str]
    meant: dict[str, str]
    options: list[str]


class Request(TypedDict, total=False):
    """What a page asks of the kernel; `widget` says of a hello that a widget says it, and not the extension.

    `grant` is, in an answer, the number of what is granted for the session; to revoke, one of `granted`, "" for all.
    `cells` is, with the action "cells", the answer to the `CellsRequest` whose id `question` is.
    "names" asks which of `names`, those that a prompt mentions, are variables.
    "complete" asks what may stand at `cursor` (in characters) of `code`. "sessions" asks for the open sessions; with
    `watch`, the page is told by a comm with `changed` when they have changed. "conversations" asks for earlier ones.
    "command" does something to `session`: see `magics/page_requests.py`.
    """

    version: int
    run: str
    action: str
    question: str
    token: str
    decision: str
    grant: int | str
    reason: str
    stop: bool
    input: dict[str, Any]
    dry_run: bool
    widget: bool
    cells: CellsReply
    names: list[str]
    code: str
    cursor: int
    watch: bool
    command: str
    session: str
    name: str
    turn: str
    text: str
    place: int
    what: str


Op = list[Any]
"""`["append", index, text]`, `["part", index, part]`, `["truncate", count]`, `["set", fields]`, `["ask", question]`
or `["settled", question_id]`."""
