"""`RunView`: messages folded into the parts of a run, in the order a person reads them. No markup, no I/O."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from typing import Any

from claude_magic.lenient import mappings
from claude_magic.messages import Message, MessageType
from claude_magic.permissions import PLAN_TOOL
from claude_magic.rendering.images import Picture, pictures_in
from claude_magic.rendering.notes import Retries, agent_report, note_words
from claude_magic.rendering.parts import NotePart, Part, TextBuffer, TextPart, ThinkingPart, ToolPart, ToolState
from claude_magic.rendering.patches import from_data, patch_in
from claude_magic.rendering.todos import TodoList
from claude_magic.response import AnswerSource, Outcome, Response

AGENT_TOOLS = frozenset({"Agent", "Task"})
"""Names of the tool that starts a subagent."""

_STOPPED = frozenset({Outcome.INTERRUPTED, Outcome.TIMEOUT, Outcome.ERROR})
# What the CLI (2.1.197 and 2.1.330) tells the model of a tool that was refused or interrupted.
_REJECTED = "The user doesn't want to proceed with this tool use."

# Looking a member up in its class, or in a dict, takes longer than adding a piece of text.
_TEXT, _EVENT = MessageType.TEXT, MessageType.EVENT


class RunView:
    """The state of one run as a person sees it, folded from its messages. Cheap to feed, nothing is rendered.

    Args:
        session: name of the session.
        model: the model, where it is known before the CLI says so.
        source: who answers.

    Attributes:
        parts: what there is to see, in order; the tool uses of a subagent are children of the one that started it.
        outcome: how the run ended; `None` while it has not.
        error: the failure in words, or "".
        working_dir: folder of the CLI, as it said; "" before.
        notes: what is said of the prompt, line by line: what was filled in and attached, who answers.
        prompt: the text that was sent; "" before the turn is over.
        marked: the pictures that marks stand for.
    """

    def __init__(self, session: str = "", model: str = "", source: AnswerSource = AnswerSource.MODEL) -> None:
        self.session = session
        self.model = model
        self.source = source
        self.parts: list[Part] = []
        self.outcome: Outcome | None = None
        self.error = ""
        self.working_dir = ""
        self.notes = ""
        self.prompt = ""
        self.marked: dict[str, Picture] = {}
        self._tools: dict[str, ToolPart] = {}
        self._early: dict[str, Message] = {}
        self._undecided: set[str] = set()
        self._text: TextPart | None = None
        self._text_open = False
        self._todos = TodoList()
        self._retries: Retries | None = None
        self._compacting: NotePart | None = None

    @classmethod
    def from_response(cls, response: Response) -> RunView:
        """Return the view of a finished turn; where its messages are gone, its text is all there is."""
        view = cls(response.session, response.model, response.source)
        view.add(response.messages)
        if not response.messages and response.text:
            view.parts.append(TextPart(TextBuffer(response.text)))
        for denial in response.denials:
            view._deny(str(denial.get("tool_use_id", "")))
        view.model = response.model or view.model
        view.prompt = response.prompt
        view.finish(response.outcome, response.error)
        return view

    def add(self, messages: Iterable[Message]) -> None:
        """Fold the next messages in, in the order they came."""
        for message in messages:
            kind = message.type
            if kind is _TEXT:
                self._add_text(message.text)
                continue
            handler = _HANDLERS.get(kind) if kind is not _EVENT else None
            if handler is not None:
                handler(self, message)

    def finish(self, outcome: Outcome, error: str = "") -> None:
        """Say how the run ended; what still ran on the main thread is cancelled, background work goes on."""
        self.outcome, self.error = outcome, error
        self._text_open = False
        if outcome is Outcome.ERROR:
            # How it ended is said there, in better words than the CLI's.
            failures = [part for part in self.parts if isinstance(part, NotePart) and part.is_error]
            said = failures[-1].text if failures else ""
            self.parts = [part for part in self.parts if part not in failures or getattr(part, "text", "") != said]
        if outcome in _STOPPED:
            self._cancel_undecided()
        for tool in self._tools.values():
            goes_on = outcome is Outcome.SUCCESS and tool.parent
            if not tool.is_over and not goes_on:
                tool.state, tool.cache = ToolState.CANCELLED, None

    def _cancel_undecided(self) -> None:
        """Of a question that was open when the turn was stopped the CLI speaks as of one that was denied."""
        for tool_use_id in self._undecided & self._tools.keys():
            tool = self._tools[tool_use_id]
            if tool.state is not ToolState.DONE:
                tool.state = ToolState.CANCELLED
                self._forget_rendered(tool)

    def mark(self, picture: Picture) -> str:
        """Return a word that cannot be guessed, to stand for a picture until the page is safe."""
        mark = secrets.token_hex(16)
        self.marked[mark] = picture
        return mark

    @property
    def text(self) -> str:
        """The answer so far, as in `Response.text`."""
        return "".join(part.buffer.read() for part in self.parts if isinstance(part, TextPart))

    @property
    def tools(self) -> list[ToolPart]:
        """Every tool use, of subagents too, in the order they began."""
        return list(self._tools.values())

    def walk(self) -> Iterator[Part]:
        """Yield every part in reading order, a subagent's tool uses after the one that started it."""
        for part in self.parts:
            yield part
            if isinstance(part, ToolPart):
                yield from _descendants(part)

    # One method per kind of message.

    def _add_text(self, piece: str) -> None:
        if not piece:
            return
        self._retries = None
        text = self._text
        # A block that is being written goes on where it began, whatever background work has put in between.
        goes_on = text is not None and (self._text_open or self.parts[-1] is text or not piece.startswith("\n\n"))
        if text is None or not goes_on:
            text = self._text = TextPart()
            self.parts.append(text)
        text.buffer.append(piece)
        self._text_open = True

    def _add_thinking(self, message: Message) -> None:
        self._text_open = False
        last = self.parts[-1] if self.parts else None
        if not isinstance(last, ThinkingPart):
            last = ThinkingPart(message.received, message.received)
            self.parts.append(last)
        last.buffer.append(message.text)
        last.ended = message.received

    def _add_tool_use(self, message: Message) -> None:
        parent = message.parent_tool_use_id
        if not parent:
            self._text_open = False
        tool = ToolPart(message.tool_use_id, message.tool_name, message.tool_input, message.received, parent)
        self._tools[tool.id or f"unnamed {len(self._tools)}"] = tool
        decision = self._early.pop(tool.id, None)
        if decision is not None:
            self._decide(tool, decision)
        owner = self._tools.get(parent) if parent else None
        if owner is None or owner is tool:
            self.parts.append(tool)
            return
        owner.children.append(tool)
        self._forget_rendered(owner)

    def _add_tool_result(self, message: Message) -> None:
        tool = self._tools.get(message.tool_use_id)
        if tool is None:
            return
        tool.result = agent_report(message) if tool.name in AGENT_TOOLS else message.text
        tool.ended = message.received
        tool.patch = from_data(patch_in(message.outcome))
        if "[image]" in message.text:
            tool.pictures = pictures_in(message.raw)
        if tool.name == "AskUserQuestion":
            tool.input = tool.input | _answers(message)
        if tool.state is not ToolState.DENIED:
            tool.state = _state_after(message)
        if tool.state is ToolState.DONE:
            tool.todos = self._todos.after_tool(tool.name, tool.input, tool.result)
        self._forget_rendered(tool)

    def _add_permission(self, message: Message) -> None:
        if message.tool_use_id and not message.is_error:
            self._undecided.add(message.tool_use_id)
        tool = self._tools.get(message.tool_use_id)
        if tool is None or tool.is_over:
            return
        tool.state = ToolState.DENIED if message.is_error else ToolState.WAITING
        if tool.name == PLAN_TOOL and not message.is_error:
            # The CLI (2.1.332) reads the plan from its file, and shows it only where it asks.
            tool.input = tool.input | message.tool_input
        self._forget_rendered(tool)

    def _add_decision(self, message: Message) -> None:
        """2.1.330 may ask before it shows the use: then the decision waits for it."""
        self._undecided.discard(message.tool_use_id)
        tool = self._tools.get(message.tool_use_id)
        if tool is None:
            self._early[message.tool_use_id] = message
        elif not tool.is_over:
            self._decide(tool, message)
            self._forget_rendered(tool)

    def _decide(self, tool: ToolPart, decision: Message) -> None:
        tool.state = ToolState.DENIED if decision.is_error else ToolState.RUNNING
        tool.started = max(tool.started, decision.received)
        if decision.edited:
            tool.input, tool.edited = decision.tool_input, True

    def _add_task(self, message: Message) -> None:
        tool = self._tools.get(message.tool_use_id)
        if tool is not None and tool.state is ToolState.WAITING:
            tool.state = ToolState.RUNNING

    def _add_status(self, message: Message) -> None:
        if message.withdrawn:
            self._withdraw(message.withdrawn)
        text = note_words(message)
        if not text:
            return
        if self._compacting is not None and "compact" in text:
            self._compacting.text = text
        else:
            self.parts.append(NotePart(text))
        last = self.parts[-1]
        self._compacting = last if isinstance(last, NotePart) and message.text == "compacting" else None

    def _add_retry(self, message: Message) -> None:
        if self._retries is None:
            note = NotePart("")
            self.parts.append(note)
            self._retries = Retries(note)
        self._retries.add(message)

    def _add_note(self, message: Message) -> None:
        text = note_words(message)
        if text:
            self.parts.append(NotePart(text, is_error=message.type is MessageType.ERROR))

    def _add_init(self, message: Message) -> None:
        raw = message.raw
        self.model = str(raw.get("model") or self.model)
        self.working_dir = str(raw.get("cwd") or self.working_dir)
        # A turn of its own, asked for or not: its text is a new stretch.
        self._text, self._text_open = None, False

    def _add_block(self, message: Message) -> None:
        self._text_open = False

    def _add_result(self, message: Message) -> None:
        for denial in mappings(message.raw.get("permission_denials")):
            self._deny(str(denial.get("tool_use_id", "")))

    def _deny(self, tool_use_id: str) -> None:
        tool = self._tools.get(tool_use_id)
        if tool is not None:
            tool.state = ToolState.DENIED
            self._forget_rendered(tool)

    def _withdraw(self, size: int) -> None:
        for part in reversed(self.parts):
            if size <= 0:
                break
            if isinstance(part, TextPart):
                size = part.buffer.withdraw(size)
                part.cache = None
        self.parts = [part for part in self.parts if not isinstance(part, TextPart) or part.text]
        if self._text not in self.parts:
            self._text = next((part for part in reversed(self.parts) if isinstance(part, TextPart)), None)
        self._text_open = False

    def _forget_rendered(self, tool: ToolPart) -> None:
        """A line shows its children, so a change forgets the lines above it as well."""
        tool.cache = None
        owner = self._tools.get(tool.parent)
        while owner is not None and owner.cache is not None:
            owner.cache = None
            owner = self._tools.get(owner.parent)


def _descendants(tool: ToolPart) -> Iterator[ToolPart]:
    for child in tool.children:
        yield child
        yield from _descendants(child)


def _state_after(message: Message) -> ToolState:
    if not message.is_error:
        return ToolState.DONE
    # The same words come for a refused tool, which is known by its decision, and for one that an interrupt cut short.
    return ToolState.CANCELLED if message.text.startswith(_REJECTED) else ToolState.FAILED


def _answers(message: Message) -> dict[str, Any]:
    """What a person answered to the model's questions; the CLI (2.1.197 and 2.1.330) says it beside the result."""
    outcome = message.raw.get("tool_use_result")
    answers = outcome.get("answers") if isinstance(outcome, dict) else None
    if not isinstance(answers, dict):
        return {}
    return {"answers": {str(question): str(answer) for question, answer in answers.items()}}


_HANDLERS = {
    MessageType.THINKING: RunView._add_thinking,
    MessageType.TOOL_USE: RunView._add_tool_use,
    MessageType.TOOL_RESULT: RunView._add_tool_result,
    MessageType.PERMISSION: RunView._add_permission,
    MessageType.DECISION: RunView._add_decision,
    MessageType.TASK: RunView._add_task,
    MessageType.STATUS: RunView._add_status,
    MessageType.RETRY: RunView._add_retry,
    MessageType.RATE_LIMIT: RunView._add_note,
    MessageType.ERROR: RunView._add_note,
    MessageType.INIT: RunView._add_init,
    MessageType.BLOCK: RunView._add_block,
    MessageType.RESULT: RunView._add_result,
}
