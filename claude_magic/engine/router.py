"""`Router`: whose messages these are: the prompted turn's, an unprompted turn's, or none's.

The CLI's results are not one to one with prompts (measured on 2.1.197 and 2.1.330): messages that arrive during a turn
are folded into it or merged, and background tasks start unprompted turns. So there is at most one prompt
outstanding. 2.1.330 tells what becomes of it (`command_lifecycle`): what comes before it is started belongs to a turn
that was not prompted, such as a scheduled one, or the report of a task that a resumed conversation had left. Before
that, the echo of its uuid (`--replay-user-messages`) says that the CLI has taken it in; 2.1.197 sends the echo only
after the first block has streamed, so messages wait for it only where an unprompted turn may come first.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

from claude_magic.engine.turn import Turn
from claude_magic.errors import ClaudeError, ControlError
from claude_magic.lenient import items, mapping, string
from claude_magic.messages import Message

OnMessages = Callable[[Turn | None, list[Message]], None]
OnExtra = Callable[[Turn, Message], None]

_BOUNDARIES = frozenset(("init", "command_lifecycle", "replay", "result"))

# What 2.1.332 says of a prompt: it began; or it is over, without a start where the CLI answers by itself or where it
# was withdrawn; or it will never run. Older ones know `queued`, `started`, `completed` and `cancelled`.
_UNDER_WAY = frozenset(("started", "completed", "cancelled"))
_NEVER_RUN = frozenset(("discarded", "refused"))
_TELLS_SINCE = (2, 1, 330)


class Router:
    """Gives each message of one CLI to the turn it belongs to.

    Args:
        on_messages: called with each stretch of messages and the turn it belongs to, or `None` between turns.
        on_extra: called when an unprompted turn is over, with its result.

    Attributes:
        session_id: the CLI's id of the conversation, as of its last word.
    """

    def __init__(self, on_messages: OnMessages, on_extra: OnExtra) -> None:
        self.session_id = ""
        self._on_messages = on_messages
        self._on_extra = on_extra
        self._turn: Turn | None = None
        self._taken = False
        self._uncertain = False
        self._tells_lifecycle = False
        self._held: list[Message] = []
        self._result: asyncio.Future[Message] | None = None
        self._extra: Turn | None = None
        self._quiet = asyncio.Event()
        self._quiet.set()

    @property
    def turn(self) -> Turn | None:
        """The turn that runs: prompted, or the CLI's own."""
        return self._turn or self._extra

    @property
    def runs_extra(self) -> bool:
        """Whether an unprompted turn is running."""
        return self._extra is not None

    async def until_quiet(self) -> None:
        """Wait for the end of a turn the CLI runs by itself: a prompt sent now could be folded into it."""
        while not self._quiet.is_set():
            await self._quiet.wait()

    def begin(self, turn: Turn, *, uncertain: bool) -> asyncio.Future[Message]:
        """A prompt is about to be sent.

        Args:
            turn: whose prompt.
            uncertain: an unprompted turn may begin before the CLI reads it.

        Returns:
            The result of the turn, when it comes.
        """
        self._turn, self._taken, self._held = turn, False, []
        self._uncertain = uncertain or self._tells_lifecycle
        self._result = asyncio.get_running_loop().create_future()
        return self._result

    def leave(self, turn: Turn) -> None:
        """The result of the turn is not needed any more."""
        self._result = None
        if self._turn is turn:
            self._release_held()
            self._turn = None

    def lose(self, error: ClaudeError) -> None:
        """The CLI is gone: the running turn gets no result."""
        if self._result is not None and not self._result.done():
            self._result.set_exception(error)
            self._result.exception()  # seen: there may be no one left who waits
        self._extra = None
        self._quiet.set()

    def route(self, batch: list[Message], act: Callable[[str, Message], None]) -> None:
        """Hand messages on in stretches that belong to one turn.

        Args:
            batch: the messages, in order.
            act: called for each that needs acting on, with its `event`, at its place in the order.
        """
        begin = 0
        for position, message in enumerate(batch):
            event = message.details.event
            if not event:
                continue
            act(event, message)
            if event in _BOUNDARIES:
                # An init opens a turn before it is handed on, a result closes it afterwards.
                end = position + (event != "init")
                self.deliver(batch[begin:end])
                begin = end
                self._boundary(event, message)
        self.deliver(batch[begin:])

    def deliver(self, messages: list[Message]) -> None:
        """Hand messages on to the turn that runs; they wait while it may not be theirs."""
        if not messages:
            return
        if self._turn is None:
            self._hand_on(self._extra, messages)
        elif self._taken or not self._uncertain:
            self._hand_on(self._turn, messages)
        else:
            self._held += messages
            self._turn.still_waiting()

    def _hand_on(self, turn: Turn | None, messages: list[Message]) -> None:
        if turn is not None:
            turn.add(messages)
        self._on_messages(turn, messages)

    def _boundary(self, event: str, message: Message) -> None:
        if event == "init":
            self._initialized(message)
        elif event == "command_lifecycle":
            self._moved_on(message.raw)
        elif event == "replay":
            self._echoed(message)
        else:
            self._resulted(message)

    def _initialized(self, message: Message) -> None:
        """A turn begins: ours if one is out, else an unprompted one."""
        self.session_id = message.session_id or self.session_id
        if _tells_lifecycle(message.raw):
            self._expect_lifecycle()
        if self._turn is None and self._extra is None:
            self._extra = _unprompted()
            self._extra.mark_sent()
            self._quiet.clear()

    def _expect_lifecycle(self) -> None:
        """This CLI says when it starts a prompt: what comes before is another turn's."""
        self._tells_lifecycle = self._uncertain = True

    def _moved_on(self, raw: dict[str, Any]) -> None:
        """The CLI says what becomes of a prompt; only ours says something of us."""
        if self._turn is None or raw.get("command_uuid") != self._turn.id:
            return
        self._expect_lifecycle()
        state = string(raw.get("state"))
        if state in _UNDER_WAY:
            self._taken = True
            self._release_held()
        elif state in _NEVER_RUN and not self._taken and self._result is not None and not self._result.done():
            self._result.set_exception(ControlError(f"The CLI did not take the prompt ({state}). Prompt again."))

    def _echoed(self, message: Message) -> None:
        if self._turn is not None and message.raw.get("uuid") == self._turn.id:
            self._taken = True
            self._release_held()

    def _release_held(self) -> None:
        if self._turn is not None and self._held:
            held, self._held = self._held, []
            self._hand_on(self._turn, held)

    def _resulted(self, message: Message) -> None:
        raw = message.raw
        self.session_id = str(raw.get("session_id") or self.session_id)
        if self._turn is not None and self._is_ours(self._turn, raw):
            self._release_held()
            # From here on the CLI may begin a turn of its own, perhaps in this very batch.
            self._turn = None
            if self._result is not None and not self._result.done():
                self._result.set_result(message)
            return
        extra = self._extra or _unprompted()
        if self._held:
            held, self._held = self._held, []
            self._hand_on(extra, held)
        self._extra = None
        self._quiet.set()
        if extra.sent is None:
            extra.mark_sent()
        self._on_extra(extra, message)

    def _is_ours(self, turn: Turn, raw: dict[str, Any]) -> bool:
        """Whether a result ends the prompted turn.

        2.1.330 names the prompts a turn took in. Before that only the echo tells; a slash command has none, but
        its result has no `origin` either.
        """
        if turn.id in items(raw.get("user_message_uuids")):
            return True
        if self._tells_lifecycle:
            return self._taken
        return self._taken or mapping(raw.get("origin")).get("kind") != "task-notification"


def _tells_lifecycle(init: dict[str, Any]) -> bool:
    """Whether a CLI says when it starts a prompt, by the version that its turn begins with."""
    version = re.match(r"(\d{1,9})\.(\d{1,9})\.(\d{1,9})", string(init.get("claude_code_version")))
    return version is not None and tuple(map(int, version.groups())) >= _TELLS_SINCE


def _unprompted() -> Turn:
    """Return an unprompted turn; the session that takes it gives it its name."""
    return Turn(session="", prompt="")
