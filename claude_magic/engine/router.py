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
from enum import Enum, auto
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


class RouterState(Enum):
    """Whose turn it is."""

    QUIET = auto()
    """No turn runs."""
    UNPROMPTED = auto()
    """The CLI runs a turn of its own."""
    HELD = auto()
    """A prompt is sent, and another turn may come first: messages wait until the CLI takes the prompt in."""
    SENT = auto()
    """A prompt is sent, and nothing else can come first: messages are its own."""
    TAKEN = auto()
    """The CLI has taken the prompt in."""


class RouterEvent(Enum):
    """What moves a router from state to state."""

    INIT = auto()
    """A turn begins."""
    TELLS = auto()
    """This CLI says when it starts a prompt, so what comes before is another turn's."""
    PROMPT = auto()
    PROMPT_MAY_WAIT = auto()
    """A prompt is sent, while a turn of the CLI's own may begin."""
    TAKEN_IN = auto()
    RESULT = auto()
    """The result of the prompted turn."""
    OTHER_RESULT = auto()
    LEFT = auto()
    """The prompted turn is given up."""
    LOST = auto()
    """The CLI is gone."""


_OUT = (RouterState.HELD, RouterState.SENT, RouterState.TAKEN)
"""States in which a prompt is out."""
_NEXT: dict[tuple[RouterState, RouterEvent], RouterState] = {
    (RouterState.QUIET, RouterEvent.INIT): RouterState.UNPROMPTED,
    (RouterState.QUIET, RouterEvent.PROMPT): RouterState.SENT,
    (RouterState.QUIET, RouterEvent.PROMPT_MAY_WAIT): RouterState.HELD,
    (RouterState.UNPROMPTED, RouterEvent.OTHER_RESULT): RouterState.QUIET,
    (RouterState.UNPROMPTED, RouterEvent.LOST): RouterState.QUIET,
    (RouterState.SENT, RouterEvent.TELLS): RouterState.HELD,
    **{(state, RouterEvent.TAKEN_IN): RouterState.TAKEN for state in (RouterState.HELD, RouterState.SENT)},
    **{(state, end): RouterState.QUIET for state in _OUT for end in (RouterEvent.RESULT, RouterEvent.LEFT)},
}
"""What is not here changes nothing: such as an `init` of the prompted turn, or a stray result beside it."""


class Router:
    """Gives each message of one CLI to the turn it belongs to.

    Args:
        on_messages: called with each stretch of messages and the turn it belongs to, or `None` between turns.
        on_unsolicited: called when an unprompted turn is over, with its result.

    Attributes:
        session_id: the CLI's id of the conversation, as of its last word.
        turn: the turn that runs: prompted, or the CLI's own; `None` between turns.
    """

    def __init__(self, on_messages: OnMessages, on_unsolicited: OnUnsolicited) -> None:
        self.session_id = ""
        self.turn: Turn | None = None
        self._on_messages = on_messages
        self._on_unsolicited = on_unsolicited
        self._state = RouterState.QUIET
        self._tells_lifecycle = False
        self._held: list[Message] = []
        self._result: asyncio.Future[Message] | None = None
        self._quiet = asyncio.Event()
        self._quiet.set()

    @property
    def runs_unsolicited(self) -> bool:
        """Whether an unprompted turn is running."""
        return self._state is RouterState.UNPROMPTED

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
        self._move(RouterEvent.PROMPT_MAY_WAIT if await_echo or self._tells_lifecycle else RouterEvent.PROMPT, turn)
        self._result = asyncio.get_running_loop().create_future()
        return self._result

    def leave(self, turn: Turn) -> None:
        """The result of the turn is not needed any more."""
        self._result = None
        if self.turn is turn and self._state in _OUT:
            self._move(RouterEvent.LEFT)

    def connection_lost(self, error: ClaudeError) -> None:
        """The CLI is gone: the running turn gets no result."""
        if self._result is not None and not self._result.done():
            self._result.set_exception(error)
            self._result.exception()  # seen: there may be no one left who waits
        self._move(RouterEvent.LOST)

    def _move(self, event: RouterEvent, turn: Turn | None = None) -> None:
        """Go to the next state; messages that were held belong to the prompt as soon as it is not held any more.

        Args:
            event: what has happened.
            turn: the turn that begins with it.
        """
        before, self._state = self._state, _NEXT.get((self._state, event), self._state)
        if self._state is before:
            return
        if turn is not None:
            self.turn = turn
        if before is RouterState.HELD:
            self._dispatch_held(self.turn)
        if self._state is RouterState.QUIET:
            self.turn = None
        if self._state is RouterState.UNPROMPTED:
            self._quiet.clear()
        else:
            self._quiet.set()

    # Messages.

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
            if event == "can_use_tool":
                # What is asked about, such as a plan, stands in the messages before, perhaps of this very batch.
                self.deliver(batch[begin:position])
                begin = position
            act(event, message)
            if event in _BOUNDARIES:
                # An init opens a turn before it is handed on, a result closes it afterwards.
                end = position + (event != "init")
                self.deliver(batch[begin:end])
                begin = end
                self._on_boundary(event, message)
        self.deliver(batch[begin:])

    def deliver(self, messages: list[Message]) -> None:
        """Hand messages on to the turn that runs; they wait while they may be another turn's."""
        if not messages:
            return
        if self._state is RouterState.HELD and self.turn is not None:
            self._held += messages
            self.turn.reset_silence()
        else:
            self._dispatch(self.turn, messages)

    def _dispatch(self, turn: Turn | None, messages: list[Message]) -> None:
        if turn is not None:
            turn.add(messages)
        self._on_messages(turn, messages)

    def _dispatch_held(self, turn: Turn | None) -> None:
        if self._held:
            held, self._held = self._held, []
            self._dispatch(turn, held)

    # Boundaries of turns.

    def _on_boundary(self, event: str, message: Message) -> None:
        if event == "init":
            self._on_init(message)
        elif event == "command_lifecycle":
            self._on_lifecycle(message.raw)
        elif event == "replay":
            if self._is_out(message.raw.get("uuid")):
                self._move(RouterEvent.TAKEN_IN)
        else:
            self._on_result(message)

    def _is_out(self, turn_id: Any) -> bool:
        """Whether this is the id of the prompt that is out."""
        return self.turn is not None and self._state in _OUT and self.turn.id == turn_id

    def _on_init(self, message: Message) -> None:
        """A turn begins: ours if one is out, else an unprompted one."""
        self.session_id = message.session_id or self.session_id
        if _tells_lifecycle(message.raw):
            self._expect_lifecycle()
        if self._state is RouterState.QUIET:
            turn = _unsolicited_turn()
            turn.mark_sent()
            self._move(RouterEvent.INIT, turn)

    def _expect_lifecycle(self) -> None:
        self._tells_lifecycle = True
        self._move(RouterEvent.TELLS)

    def _on_lifecycle(self, raw: dict[str, Any]) -> None:
        """The CLI says what becomes of a prompt; only ours says something of us."""
        if not self._is_out(raw.get("command_uuid")):
            return
        self._expect_lifecycle()
        word = string(raw.get("state"))
        if word in _UNDER_WAY:
            self._move(RouterEvent.TAKEN_IN)
        elif word in _NEVER_RUN and self._state is not RouterState.TAKEN and self._result and not self._result.done():
            self._result.set_exception(ControlError(f"The CLI did not take the prompt ({word}). Prompt again."))

    def _on_result(self, message: Message) -> None:
        raw = message.raw
        self.session_id = str(raw.get("session_id") or self.session_id)
        if self.turn is not None and self._state in _OUT and self._is_ours(self.turn, raw):
            # From here on the CLI may begin a turn of its own, perhaps in this very batch.
            self._move(RouterEvent.RESULT)
            if self._result is not None and not self._result.done():
                self._result.set_result(message)
            return
        unsolicited = (
            self.turn if self._state is RouterState.UNPROMPTED and self.turn is not None else _unsolicited_turn()
        )
        self._dispatch_held(unsolicited)
        self._move(RouterEvent.OTHER_RESULT)
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
        is_taken = self._state is RouterState.TAKEN
        if self._tells_lifecycle:
            return is_taken
        return is_taken or mapping(raw.get("origin")).get("kind") != "task-notification"


def _tells_lifecycle(init: dict[str, Any]) -> bool:
    """Whether a CLI says when it starts a prompt, by the version that its turn begins with."""
    version = re.match(r"(\d{1,9})\.(\d{1,9})\.(\d{1,9})", string(init.get("claude_code_version")))
    return version is not None and tuple(map(int, version.groups())) >= _TELLS_SINCE


def _unsolicited_turn() -> Turn:
    """Return an unprompted turn; the session that takes it gives it its name."""
    return Turn(session="", prompt="")
