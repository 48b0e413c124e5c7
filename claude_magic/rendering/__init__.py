"""Pictures of a run: Markdown made safe, one MIME bundle per turn, a plain display that follows a run.

    Message -> RunView (parts in order) -> HTML, plain text, or data -> bundle

Everything a model, a tool or a file name says is hostile here. It passes two walls: it is escaped or parsed as
Markdown that knows no HTML, and what comes out is cleaned by nh3 with a short list of what may stay.
"""

from claude_magic.rendering.bundle import MIME_TYPE, error_bundle, response_bundle, run_bundle, run_data
from claude_magic.rendering.footer import footer, notice
from claude_magic.rendering.markdown import MarkdownStream, to_html
from claude_magic.rendering.parts import NotePart, Part, TextPart, ThinkingPart, ToolPart, ToolState
from claude_magic.rendering.sanitizer import clean
from claude_magic.rendering.terminal import TerminalPrinter
from claude_magic.rendering.text import visible
from claude_magic.rendering.view import RunView

__all__ = [
    "MIME_TYPE",
    "MarkdownStream",
    "NotePart",
    "Part",
    "RunView",
    "TerminalPrinter",
    "TextPart",
    "ThinkingPart",
    "ToolPart",
    "ToolState",
    "clean",
    "error_bundle",
    "footer",
    "notice",
    "response_bundle",
    "run_bundle",
    "run_data",
    "to_html",
    "visible",
]
