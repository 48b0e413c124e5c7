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
OnUnsolicited = Callable[[Turn, Message], None]

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
        on_unsolicited: called when an unprompted turn is over, with its result.

    Attributes:
        session_id: the CLI's id of the conversation, as of its last word.
    """

    def __init__(self, on_messages: OnMessages, on_unsolicited: OnUnsolicited) -> None:
        self.session_id = ""
        self._on_messages = on_messages
        self._on_unsolicited = on_unsolicited
        self._turn: Turn | None = None
        self._echoed = False
        self._awaiting_echo = False
        self._tells_lifecycle = False
        self._buffered: list[Message] = []
        self._result: asyncio.Future[Message] | None = None
        self._unsolicited: Turn | None = None
        self._quiet = asyncio.Event()
        self._quiet.set()

    @property
    def turn(self) -> Turn | None:
        """The turn that runs: prompted, or the CLI's own."""
        return self._turn or self._unsolicited

    @property
    def runs_unsolicited(self) -> bool:
        """Whether an unprompted turn is running."""
        return self._unsolicited is not None

    async def until_quiet(self) -> None:
        """Wait for the end of a turn the CLI runs by itself: a prompt sent now could be folded into it."""
        while not self._quiet.is_set():
            await self._quiet.wait()

    def begin(self, turn: Turn, *, await_echo: bool) -> asyncio.Future[Message]:
        """A prompt is about to be sent.

        Args:
            turn: whose prompt.
            await_echo: an unprompted turn may begin before the CLI reads it.

        Returns:
            The result of the turn, when it comes.
        """
        self._turn, self._echoed, self._buffered = turn, False, []
        self._awaiting_echo = await_echo or self._tells_lifecycle
        self._result = asyncio.get_running_loop().create_future()
        return self._result

    def leave(self, turn: Turn) -> None:
        """The result of the turn is not needed any more."""
        self._result = None
        if self._turn is turn:
            self._flush_buffered()
            self._turn = None

    def connection_lost(self, error: ClaudeError) -> None:
        """The CLI is gone: the running turn gets no result."""
        if self._result is not None and not self._result.done():
            self._result.set_exception(error)
            self._result.exception()  # seen: there may be no one left who waits
        self._unsolicited = None
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
                self._on_boundary(event, message)
        self.deliver(batch[begin:])

    def deliver(self, messages: list[Message]) -> None:
        """Hand messages on to the turn that runs; they wait while it may not be theirs."""
        if not messages:
            return
        if self._turn is None:
            self._dispatch(self._unsolicited, messages)
        elif self._echoed or not self._awaiting_echo:
            self._dispatch(self._turn, messages)
        else:
            self._buffered += messages
            self._turn.reset_silence()

    def _dispatch(self, turn: Turn | None, messages: list[Message]) -> None:
        if turn is not None:
            turn.add(messages)
        self._on_messages(turn, messages)

    def _on_boundary(self, event: str, message: Message) -> None:
        if event == "init":
            self._on_init(message)
        elif event == "command_lifecycle":
            self._on_lifecycle(message.raw)
        elif event == "replay":
            self._on_echo(message)
        else:
            self._on_result(message)

    def _on_init(self, message: Message) -> None:
        """A turn begins: ours if one is out, else an unprompted one."""
        self.session_id = message.session_id or self.session_id
        if _tells_lifecycle(message.raw):
            self._expect_lifecycle()
        if self._turn is None and self._unsolicited is None:
            self._unsolicited = _unsolicited_turn()
            self._unsolicited.mark_sent()
            self._quiet.clear()

    def _expect_lifecycle(self) -> None:
        """This CLI says when it starts a prompt: what comes before is another turn's."""
        self._tells_lifecycle = self._awaiting_echo = True

    def _on_lifecycle(self, raw: dict[str, Any]) -> None:
        """The CLI says what becomes of a prompt; only ours says something of us."""
        if self._turn is None or raw.get("command_uuid") != self._turn.id:
            return
        self._expect_lifecycle()
        state = string(raw.get("state"))
        if state in _UNDER_WAY:
            self._echoed = True
            self._flush_buffered()
        elif state in _NEVER_RUN and not self._echoed and self._result is not None and not self._result.done():
            self._result.set_exception(ControlError(f"The CLI did not take the prompt ({state}). Prompt again."))

    def _on_echo(self, message: Message) -> None:
        if self._turn is not None and message.raw.get("uuid") == self._turn.id:
            self._echoed = True
            self._flush_buffered()

    def _flush_buffered(self) -> None:
        if self._turn is not None and self._buffered:
            buffered, self._buffered = self._buffered, []
            self._dispatch(self._turn, buffered)

    def _on_result(self, message: Message) -> None:
        raw = message.raw
        self.session_id = str(raw.get("session_id") or self.session_id)
        if self._turn is not None and self._is_ours(self._turn, raw):
            self._flush_buffered()
            # From here on the CLI may begin a turn of its own, perhaps in this very batch.
            self._turn = None
            if self._result is not None and not self._result.done():
                self._result.set_result(message)
            return
        unsolicited = self._unsolicited or _unsolicited_turn()
        if self._buffered:
            buffered, self._buffered = self._buffered, []
            self._dispatch(unsolicited, buffered)
        self._unsolicited = None
        self._quiet.set()
        if unsolicited.sent is None:
            unsolicited.mark_sent()
        self._on_unsolicited(unsolicited, message)

    def _is_ours(self, turn: Turn, raw: dict[str, Any]) -> bool:
        """Whether a result ends the prompted turn.

        2.1.330 names the prompts a turn took in. Before that only the echo tells; a slash command has none, but
        its result has no `origin` either.
        """
        if turn.id in items(raw.get("user_message_uuids")):
            return True
        if self._tells_lifecycle:
            return self._echoed
        return self._echoed or mapping(raw.get("origin")).get("kind") != "task-notification"


def _tells_lifecycle(init: dict[str, Any]) -> bool:
    """Whether a CLI says when it starts a prompt, by the version that its turn begins with."""
    version = re.match(r"(\d{1,9})\.(\d{1,9})\.(\d{1,9})", string(init.get("claude_code_version")))
    return version is not None and tuple(map(int, version.groups())) >= _TELLS_SINCE


def _unsolicited_turn() -> Turn:
    """Return an unprompted turn; the session that takes it gives it its name."""
    return Turn(session="", prompt="")
