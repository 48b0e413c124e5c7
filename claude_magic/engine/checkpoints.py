"""`Checkpoints`: the turns of a session that one can go back to, and what each did to files.

The CLI keeps what its own editing tools changed, by the turn, and can restore it. What commands did it does not see;
so it is looked for, in the working folder, by when each file last changed.
"""

from __future__ import annotations

import asyncio
import difflib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from claude_magic.engine.rewind import created_by, edited_file, edited_files
from claude_magic.engine.turn import Turn
from claude_magic.lenient import mapping
from claude_magic.messages import Message, MessageType
from claude_magic.response import Response

_COMMANDS = frozenset(("Bash", "PowerShell", "mcp__kernel__run_python", "mcp__kernel__add_cell"))
"""Tools that may change files in a way that the CLI does not see."""
_MOST_LOOKED_AT = 2_000
_MOST_NAMED = 50
_LONGEST_KEPT = 200_000
"""Characters of a file, as it was before an edit, that are kept to show the difference."""
_LONGEST_DIFF = 20_000
_MOST_TURNS = 500
"""Turns of a session that can be gone back to; the texts of files are kept of the newest of them."""
_MOST_TEXTS = 5_000_000
"""Characters of files, as they were before edits, that are kept of one session."""
_MOST_TURNS, _MOST_WITH_TEXTS = 1_000, 100
"""Turns that one can go back to, and those of them whose difference can be shown."""
_SLACK_S = 0.1
"""A command begins a little before its use is read, and what it wrote may be dated a little later."""
_PASSED_OVER = frozenset((".git", "node_modules", "__pycache__", ".venv", ".ipynb_checkpoints"))


@dataclass(frozen=True)
class Checkpoint:
    """A turn that one can go back to.

    Attributes:
        turn: its number in the session.
        turn_id: uuid of its prompt.
        prompt: what was asked, secrets redacted.
        started: when it was sent, in unix seconds.
        files: paths of the files that tools edited: these can be restored.
        not_restorable: what commands changed in the working folder, as far as it was looked at: paths below it, one of
            a folder in which something was deleted with a slash at its end.
    """

    turn: int
    turn_id: str
    prompt: str
    started: float
    files: tuple[str, ...] = ()
    not_restorable: tuple[str, ...] = ()


@dataclass(frozen=True)
class TurnEdits:
    """What a turn did to files, and where the conversation stood after it.

    Attributes:
        checkpoint: what is shown of it.
        created: for each file that tools edited, whether the turn created it.
        before: texts of files as they were before the turn edited them; "" for one that was not there.
        session_id: the CLI's id of the conversation.
        answer_id: uuid of the last message of the model on the main thread; "" if there is none.
    """

    checkpoint: Checkpoint
    created: dict[str, bool] = field(default_factory=dict)
    before: dict[str, str] = field(default_factory=dict)
    session_id: str = ""
    answer_id: str = ""


def originals(messages: Iterable[Message]) -> dict[str, str]:
    """Return the texts of files as they were before a turn's first edit of each; "" for one that it created."""
    found: dict[str, str] = {}
    names: dict[str, str] = {}
    for message in messages:
        if message.type is MessageType.TOOL_USE:
            names[message.tool_use_id] = edited_file(message)
        elif message.type is MessageType.TOOL_RESULT and names.get(message.tool_use_id) and not message.is_error:
            before = mapping(message.raw.get("tool_use_result")).get("originalFile")
            text = before if isinstance(before, str) else "" if created_by(message) else None
            if text is not None and len(text) <= _LONGEST_KEPT:
                found.setdefault(names[message.tool_use_id], text)
    return found


def last_answer_id(messages: Iterable[Message]) -> str:
    """Return the uuid of the last message of the model on the main thread; "" if there is none."""
    for message in messages:
        if message.type in (MessageType.TEXT, MessageType.THINKING):
            continue  # pieces, of which there may be thousands
        raw = message.raw
        if raw.get("type") == "assistant" and not raw.get("parent_tool_use_id") and raw.get("uuid"):
            return str(raw["uuid"])
    return ""


def command_times(messages: Iterable[Message]) -> list[tuple[float, float]]:
    """Return from when to when commands ran in a turn, in unix seconds; empty where none did."""
    begun: dict[str, float] = {}
    times: list[tuple[float, float]] = []
    for message in messages:
        if message.type is MessageType.TOOL_USE and message.tool_name in _COMMANDS:
            begun[message.tool_use_id] = message.received
        elif message.type is MessageType.TOOL_RESULT and message.tool_use_id in begun:
            times.append((begun.pop(message.tool_use_id) - _SLACK_S, message.received + _SLACK_S))
    return [*times, *((start - _SLACK_S, float("inf")) for start in begun.values())]


def changed_by_commands(folder: str, times: list[tuple[float, float]], edited: Iterable[str]) -> tuple[str, ...]:
    """Return what changed in a folder while commands ran, but for what tools edited. Blocks: looks at the disk.

    The time that counts is that of the entry itself (`ctime`), which no program can set back.

    Args:
        folder: the working folder.
        times: from when to when commands ran, in unix seconds.
        edited: paths of the files that tools edited.
    """
    known = {os.path.realpath(os.path.join(folder, path)) for path in edited}
    notebook = os.path.realpath(os.environ.get("JPY_SESSION_NAME") or os.devnull)
    found: list[str] = []
    emptied: dict[str, bool] = {}
    for entry, is_folder in _entries(folder):
        path = os.path.join(folder, entry)
        try:
            changed = os.stat(path, follow_symlinks=False).st_ctime
        except OSError:
            continue
        parent = os.path.dirname(entry)
        if not any(start <= changed <= end for start, end in times) or os.path.realpath(path) == notebook:
            continue
        if is_folder:
            emptied.setdefault(entry, True)
        else:
            emptied[parent] = False
            if os.path.realpath(path) not in known:
                found.append(entry)
    own = {os.path.relpath(os.path.dirname(path), folder) for path in known}
    found += [f"{entry}/" for entry, is_empty in emptied.items() if is_empty and entry and entry not in own]
    return tuple(sorted(found)[:_MOST_NAMED])


def _entries(folder: str) -> Iterator[tuple[str, bool]]:
    """Yield the first so many entries below a folder, the upper ones first, with whether each is a folder."""
    folders, left = [""], _MOST_LOOKED_AT
    while folders and left:
        below = folders.pop(0)
        try:
            with os.scandir(os.path.join(folder, below)) as listed:
                entries = sorted(islice(listed, left), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            name = os.path.join(below, entry.name)
            is_folder = entry.is_dir(follow_symlinks=False)
            yield name, is_folder
            if is_folder and entry.name not in _PASSED_OVER:
                folders.append(name)
        left -= len(entries)


class Checkpoints:
    """The turns of one session, in order; those that were gone back from are kept until another turn runs."""

    def __init__(self) -> None:
        self._turns: list[TurnEdits] = []

    async def look_for_changes(self, turn: Turn, folder: str) -> None:
        """Leave in a turn that is about to be over what commands changed in its folder."""
        times = command_times(turn.notable)
        if times:
            # What tools have edited before is restored whatever changed it: the CLI looks at it with each prompt.
            edited = [*edited_files(turn.notable), *self.edited]
            turn.changed_by_commands = await asyncio.to_thread(changed_by_commands, folder, times, edited)

    def note_turn(self, turn: Turn, response: Response) -> None:
        """A turn is over. One that no prompt asked for is taken back together with the one before it."""
        if not turn.prompt:
            return
        created = edited_files(turn.notable)
        checkpoint = Checkpoint(
            response.turn, turn.id, response.prompt, response.started, tuple(created), turn.changed_by_commands
        )
        answer_id = last_answer_id(reversed(turn.messages))
        self._turns.append(TurnEdits(checkpoint, created, originals(turn.notable), response.session_id, answer_id))
        del self._turns[:-_MOST_TURNS]
        if len(self._turns) > _MOST_WITH_TEXTS:
            self._turns[-_MOST_WITH_TEXTS - 1].before.clear()
        self._drop_oldest()

    def _drop_oldest(self) -> None:
        """Let go of the oldest turns, and of the texts of those from which on there are too many."""
        del self._turns[:-_MOST_TURNS]
        room = _MOST_TEXTS
        for index in range(len(self._turns) - 1, -1, -1):
            turn = self._turns[index]
            room -= sum(map(len, turn.before.values()))
            if room < 0 and turn.before:
                self._turns[index] = replace(turn, before={})

    @property
    def listed(self) -> list[Checkpoint]:
        """The turns that one can go back to, oldest first."""
        return [turn.checkpoint for turn in self._turns]

    @property
    def last(self) -> Checkpoint | None:
        """The last turn."""
        return self._turns[-1].checkpoint if self._turns else None

    @property
    def edited(self) -> list[str]:
        """Paths of the files that tools have edited in any of them."""
        return [path for turn in self._turns for path in turn.checkpoint.files]

    def since(self, turn_id: str) -> list[TurnEdits]:
        """Return a turn and all after it.

        Raises:
            ValueError: there is no such turn.
        """
        ids = [turn.checkpoint.turn_id for turn in self._turns]
        if turn_id not in ids:
            raise ValueError("There is no such turn to go back to in this session.")
        return self._turns[ids.index(turn_id) :]

    def before(self, turn_id: str) -> TurnEdits | None:
        """Return the last turn before one that has an answer; `None` if the conversation begins with it."""
        earlier = self._turns[: len(self._turns) - len(self.since(turn_id))]
        return next((turn for turn in reversed(earlier) if turn.answer_id), None)

    def last_editing(self) -> TurnEdits | None:
        """Return the last turn whose tools edited files; `None` if there is none."""
        return next((turn for turn in reversed(self._turns) if turn.created), None)

    def forget_edits(self, turn_id: str) -> None:
        """The edits of a turn were undone."""
        self._turns = [
            TurnEdits(turn.checkpoint, session_id=turn.session_id, answer_id=turn.answer_id)
            if turn.checkpoint.turn_id == turn_id
            else turn
            for turn in self._turns
        ]

    def cut(self, turn_id: str) -> list[TurnEdits]:
        """Take a turn and all after it out, and return them."""
        gone = self.since(turn_id)
        self._turns = self._turns[: len(self._turns) - len(gone)]
        return gone

    def put_back(self, turns: list[TurnEdits]) -> None:
        """Put turns back that were taken out."""
        self._turns += turns
        self._drop_oldest()


def difference(turns: Iterable[TurnEdits], folder: str) -> str:
    """Return what going back would change in files, as a unified diff. Blocks: reads the files as they are now.

    Args:
        turns: the turns that are gone back from, oldest first.
        folder: paths in it are shown relative to it.
    """
    before: dict[str, str] = {}
    for turn in turns:
        before = {**turn.before, **before}
    parts = []
    for path, old in before.items():
        try:
            now = Path(folder, path).read_text(encoding="utf-8", errors="replace")
        except OSError:
            now = ""
        name = os.path.relpath(os.path.join(folder, path), folder) if os.path.isabs(path) else path
        lines = difflib.unified_diff(now.split("\n"), old.split("\n"), f"{name} (now)", name, lineterm="")
        parts.append("\n".join(lines))
    text = "\n".join(filter(None, parts))
    return text if len(text) <= _LONGEST_DIFF else f"{text[:_LONGEST_DIFF]}\n… the rest is left out"
