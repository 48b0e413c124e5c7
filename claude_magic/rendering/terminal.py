"""The running display of a terminal: only what is new is written, nothing is ever rewritten."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from claude_magic.messages import Message, MessageType
from claude_magic.rendering.footer import ending_of, footer
from claude_magic.rendering.notes import note_words
from claude_magic.rendering.parts import ToolPart, ToolState
from claude_magic.rendering.patches import as_text, stated
from claude_magic.rendering.text import one_line, visible
from claude_magic.rendering.tool_summaries import asked_questions, state_words, telling_argument, tool_title
from claude_magic.rendering.view import RunView
from claude_magic.response import Outcome, Response

_SHOWN = (MessageType.TEXT, MessageType.TOOL_USE, MessageType.TOOL_RESULT, MessageType.RETRY, MessageType.ERROR)
_DIFF_LINES = 16
_NOTES = (MessageType.STATUS, MessageType.RETRY, MessageType.RATE_LIMIT, MessageType.ERROR)


class TerminalPrinter:
    """Prints a run as it happens: text as it arrives, each tool use and note as one line.

    Args:
        write: takes the next piece of text, for example `sys.stdout.write`.

    Control characters of the model and of tools never reach `write`.
    """

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._view = RunView()
        self._written = ""  # the end of what was written, to know where the cursor is
        self._open_tool = ""  # id of the tool whose line waits for its end
        self._in_text = False
        self._held = ""  # a failure of the API: if the turn ends with it, its end says so

    def feed(self, messages: Iterable[Message]) -> None:
        """Print what these messages bring."""
        for message in messages:
            self._view.add((message,))
            if message.type in _SHOWN:
                self._let_go()
            if message.type is MessageType.TEXT:
                self._text(message.text)
            elif message.type is MessageType.TOOL_USE or message.edited:
                self._tool_begins(message)
            elif message.type is MessageType.TOOL_RESULT:
                self._tool_ends(message)
            elif message.type is MessageType.INIT:
                self._in_text = False
            elif message.type in _NOTES:
                self._note(message)

    def end_line(self) -> None:
        """End a line that waits for its rest, before others write."""
        self._let_go()
        if self._written and not self._written.endswith("\n"):
            self._put("\n")
        self._in_text, self._open_tool = False, ""

    def note(self, text: str) -> None:
        """Print one line that is not the CLI's."""
        self._line(f"{visible(text)}\n")

    def finish(self, response: Response) -> None:
        """Print how the run ended and the footer."""
        if response.outcome is Outcome.ERROR:
            self._held = ""
        self._end(ending_of(response, self._view), footer(response))

    def fail(self, response: Response | None) -> None:
        """Print the end of a run that failed; the error itself is printed after this.

        Args:
            response: what there was of an answer.
        """
        self._held = ""
        self._end("", footer(response) if response is not None else "")

    def _end(self, ending: str, facts: str) -> None:
        self._let_go()
        lines = [visible(text) for text in (ending, facts) if text]
        if lines:
            self._paragraph()
            self._put("\n".join(lines) + "\n")

    def _text(self, piece: str) -> None:
        if not self._in_text:
            piece = piece.lstrip("\n")
            if not piece:
                return
            self._paragraph()
            self._in_text = True
        self._put(visible(piece))

    def _tool_begins(self, message: Message) -> None:
        """Print what is used and for what; once more where it runs with another input than the one that was printed."""
        tool = next((tool for tool in reversed(self._view.tools) if tool.id == message.tool_use_id), None)
        if tool is None:
            return
        indent = "    " if tool.parent else "  "
        self._line(f"{indent}{tool_title(tool.name)} {telling_argument(tool, self._view.working_dir, 100)}".rstrip())
        self._open_tool = tool.id

    def _tool_ends(self, message: Message) -> None:
        tool = next((tool for tool in self._view.tools if tool.id == message.tool_use_id), None)
        if tool is None:
            return
        if self._open_tool == tool.id:
            self._put(f": {_end_words(tool)}\n")
            self._open_tool = ""
        else:
            self._line(f"  {tool_title(tool.name)}: {_end_words(tool)}")
            self._put("\n")
        change = tool.patch or stated(tool.name, tool.input)
        if change and tool.state is ToolState.DONE:
            self._put(f"{visible(as_text(change, _DIFF_LINES))}\n")

    def _note(self, message: Message) -> None:
        if message.withdrawn:
            self._line("  (the text above was taken back)\n")
        text = note_words(message)
        if text and message.type is MessageType.ERROR:
            self._held = text
        elif text:
            self._line(f"  {one_line(text, 400)}\n")

    def _let_go(self) -> None:
        held, self._held = self._held, ""
        if held:
            self._line(f"  {one_line(held, 400)}\n")

    def _line(self, text: str) -> None:
        """Begin a line of its own, set off from the answer's text."""
        if self._in_text:
            self._paragraph()
        self.end_line()
        self._put(text)

    def _paragraph(self) -> None:
        missing = 2 - (len(self._written) - len(self._written.rstrip("\n")))
        if self._written and missing > 0:
            self._put("\n" * missing)

    def _put(self, text: str) -> None:
        if text:
            self._write(text)
            self._written = (self._written + text)[-3:]


def _end_words(tool: ToolPart) -> str:
    """How a tool use ended; of the model's own questions, what was answered."""
    answers = [one.answer for one in asked_questions(tool) if one.answer]
    return ": ".join(filter(None, (state_words(tool), one_line(" · ".join(answers), 200))))
