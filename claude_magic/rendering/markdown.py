"""Markdown of a model to safe HTML, whole or while it is being written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

from claude_magic.rendering import style
from claude_magic.rendering.highlight import ColouringBudget, highlight, is_known
from claude_magic.rendering.limits import DEEPEST, LONGEST_PARAGRAPH, MOST_HTML
from claude_magic.rendering.sanitizer import clean
from claude_magic.rendering.segments import Work, fits, segments
from claude_magic.rendering.text import visible

# Levels of nesting of the parser, which leaves out what is deeper: a list is two. `segments` keeps such text from it.
_DEEPEST = 5 * DEEPEST
_LINK = re.compile(r"(?:https?://|mailto:)[^\s\x00-\x1f]", re.IGNORECASE)


def to_html(
    markdown: str,
    references: dict[str, Any] | None = None,
    budget: ColouringBudget | None = None,
    work: Work | None = None,
) -> str:
    """Return Markdown as safe HTML: no raw HTML, no pictures, no addresses but http, https and mailto.

    What is nested too deeply, too long or too large is there as the text it is.

    Args:
        markdown: the text; it may be hostile.
        references: keeps link definitions from one piece of a text to the next.
        budget: time for the colours of code, shared by the texts of a turn.
        work: what may be rendered, shared in the same way.
    """
    env: dict[str, Any] = references if references is not None else {}
    env["budget"] = budget or ColouringBudget()
    text = visible(markdown)
    pieces = [_plain(one.text) if one.is_plain else _render(one.text, env) for one in segments(text, work)]
    html = "".join(pieces)
    return html if len(html) <= MOST_HTML else _plain(text)


def _render(text: str, env: dict[str, Any]) -> str:
    parser = _parser()
    try:
        tokens = parser.parse(text, env)
        _tick(tokens)
        _dress(tokens)
        return clean(parser.renderer.render(tokens, parser.options, env))
    except RecursionError:
        return _plain(text)


def _plain(text: str) -> str:
    return f'<pre style="{style.WRAPPED_PRE}">{style.escape_code(text)}</pre>\n'


@cache
def _parser() -> Any:
    from markdown_it import MarkdownIt

    class Parser(MarkdownIt):
        def validateLink(self, url: str) -> bool:
            """Every address is parsed as one: the rules below show it, and make a link of three kinds only."""
            return True

    parser = Parser("commonmark", {"html": False, "linkify": False, "maxNesting": _DEEPEST})
    parser.enable(["table", "strikethrough"])
    parser.inline.ruler.before("escape", "math", _math)
    rules = {
        "text": lambda self, tokens, index, options, env: style.escape(tokens[index].content),
        "math": lambda self, tokens, index, options, env: style.escape_code(tokens[index].content),
        "code_inline": _code_inline,
        "fence": _fence,
        "code_block": _fence,
        "image": _image,
        "link_open": _link_open,
        "link_close": _link_close,
        "table_open": _table_open,
        "table_close": _table_close,
    }
    for name, rule in rules.items():
        parser.add_render_rule(name, rule)
    return parser


def _dress(tokens: Sequence[Any]) -> None:
    """Give every opening tag its style, make headings fit under a notebook's own, tie links to their ends."""
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + 2)}"
        css = style.MARKDOWN.get(token.tag) if token.nesting >= 0 else None
        if css:
            aligned = token.attrGet("style")  # a table's column, or a task
            token.attrSet("style", f"{css};{aligned}" if aligned else css)
        if token.children:
            _tie_links(token.children)
            _dress(token.children)


_BOXES = {"[ ] ": "☐ ", "[x] ": "☑ ", "[X] ": "☑ "}


def _tick(tokens: Sequence[Any]) -> None:
    """Draw the boxes of a list of tasks, in place of its bullets."""
    for item, paragraph, inline in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if item.type != "list_item_open" or paragraph.type != "paragraph_open" or not inline.children:
            continue
        first = inline.children[0]
        box = _BOXES.get(first.content[:4]) if first.type == "text" else None
        if box is not None:
            first.content = box + first.content[4:]
            item.attrSet("style", style.TASK)


def _tie_links(tokens: Sequence[Any]) -> None:
    opening: list[Any] = []
    for token in tokens:
        if token.type == "link_open":
            opening.append(token)
        elif token.type == "link_close" and opening:
            token.meta = {"href": str(opening.pop().attrGet("href") or "")}


def _table_open(self: Any, tokens: Sequence[Any], index: int, options: Any, env: Any) -> str:
    return f'<div style="{style.TABLE}">' + str(self.renderToken(tokens, index, options, env))


def _table_close(self: Any, tokens: Sequence[Any], index: int, options: Any, env: Any) -> str:
    return str(self.renderToken(tokens, index, options, env)) + "</div>"


def _link_open(self: Any, tokens: Sequence[Any], index: int, options: Any, env: Any) -> str:
    href = str(tokens[index].attrGet("href") or "")
    if not _LINK.match(href):
        return "<span>"
    css = style.MARKDOWN["a"]
    return f'<a href="{style.escape_code(href)}" style="{css}">'


def _link_close(self: Any, tokens: Sequence[Any], index: int, options: Any, env: Any) -> str:
    href = tokens[index].meta.get("href", "")
    return "</a>" if _LINK.match(href) else f"</span> (<code>{style.escape_code(href)}</code>)"


def _image(self: Any, tokens: Sequence[Any], index: int, options: Any, env: Any) -> str:
    """A picture is its words, its address and its title: nothing is fetched."""
    token = tokens[index]
    description = self.renderInlineAsText(token.children or [], options, env)
    address, title = (str(token.attrGet(name) or "") for name in ("src", "title"))
    more = f' "{style.escape(title)}"' if title else ""
    return f"[image: {style.escape(description)}] (<code>{style.escape_code(address)}</code>{more})"


def _code_inline(self: Any, tokens: Sequence[Any], index: int, options: Any, env: Any) -> str:
    return f'<code style="{style.CODE}">{style.escape_code(tokens[index].content)}</code>'


def _fence(self: Any, tokens: Sequence[Any], index: int, options: Any, env: Any) -> str:
    token = tokens[index]
    info = token.info.split()
    return _code(highlight(token.content.rstrip("\n"), info[0] if info else "", env["budget"]), token.info)


def _code(inner: str, info: str) -> str:
    """Frame code. What its fence says stands above it, unless that is the name of a language that the colours show."""
    info = info.strip()
    if info and not is_known(info):
        return f'<p style="{style.SMALL}"><code>{style.escape_code(info)}</code></p>{_code(inner, "")}'
    return f'<pre style="{style.PRE}"><code style="{style.PRE_CODE}">{inner}</code></pre>\n'


# TeX that can make links, set styles, draw what looks like a button, or define words that do; MathJax on some pages
# obeys it.
_UNSAFE_TEX = re.compile(
    r"\\(?:href|url|class|css|style|html|data|mml|unicode|require|bbox|f?colorbox|definecolor|text?tip|mathtip|"
    r"texttip|tooltip|action|toggle|def|gdef|edef|xdef|let|newcommand|renewcommand|newenvironment|renewenvironment|"
    r"csname|includegraphics|input|ref|eqref|label|begingroup|declare|operatorname\*?\s*\\)",
    re.IGNORECASE,
)
_MATH = re.compile(r"\$\$(?!\s*\$)[^$]+?\$\$|\$(?![\s$])(?:[^$\n\\]|\\[^\n])+?(?<!\s)\$(?!\d)")
_MATH_ENDS = {"\\(": "\\)", "\\[": "\\]"}


def _math(state: Any, silent: bool) -> bool:
    """Leave `$x_1$`, `$$...$$`, `\\(...\\)` and `\\[...\\]` as they are, for the page's MathJax."""
    formula = _formula(state.src, state.pos, min(state.posMax, state.pos + LONGEST_PARAGRAPH))
    if not formula or _UNSAFE_TEX.search(formula):
        return False
    if not silent:
        state.push("math", "", 0).content = formula
    state.pos += len(formula)
    return True


def _formula(text: str, begin: int, end: int) -> str:
    if text[begin] == "$":
        match = _MATH.match(text, begin, end)
        return match[0] if match else ""
    closing = _MATH_ENDS.get(text[begin : begin + 2])
    # An expression would look through the whole paragraph for each of the openings, and take a hundred times as long.
    found = text.find(closing, begin + 3, end) if closing else -1
    return text[begin : found + 2] if found >= 0 else ""


_SMALL = 1500
_GROWTH = 1.3
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})([^\n]*)\n")


class MarkdownStream:
    """Markdown that grows: finished blocks are rendered once, only the open end is rendered again.

    A block is finished when another one begins on a whole line after it. While the open block is long, such as a
    table of many rows, it is rendered anew only when it has grown by a third; what came since stands below it as
    plain text. Code in an open fence is shown without colours until the fence is closed.
    """

    def __init__(self) -> None:
        self._budget = ColouringBudget()
        self._restart()

    def _restart(self) -> None:
        self._done = ""
        self._done_html: list[str] = []
        self._references: dict[str, Any] = {}
        self._settled = 0
        self._tail_source = ""
        self._tail_html = ""

    def update(self, text: str) -> str:
        """Return the HTML of `text`, which usually is the last text and some more.

        Args:
            text: everything there is by now; one that does not begin with what was finished is rendered anew.
        """
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        if not text.startswith(self._done):
            self._restart()  # the text was taken back
        tail = text[len(self._done) :]
        fence = _FENCE.match(tail)
        if fence is not None and not _closed(tail, fence):
            return "".join(self._done_html) + _code(style.escape_code(tail[fence.end() :]), fence[2])
        tail = self._settle(tail)
        return "".join(self._done_html) + self._open_end(tail)

    def _settle(self, tail: str) -> str:
        """Move finished blocks out of the tail; return what is left of it."""
        whole = tail.rfind("\n") + 1
        if whole == self._settled or (whole > _SMALL and whole < self._settled * _GROWTH):
            return tail
        self._settled = whole
        size = _finished(tail[:whole])
        if size:
            self._done_html.append(to_html(tail[:size], self._references, self._budget))
            self._done += tail[:size]
            self._settled = 0
            self._tail_source = self._tail_html = ""
        return tail[size:]

    def _open_end(self, tail: str) -> str:
        known = self._tail_source
        if len(tail) <= _SMALL or not known or not tail.startswith(known) or len(tail) > len(known) * _GROWTH:
            # Of a long tail only whole lines: half a row of a table would stay half.
            known = tail if len(tail) <= _SMALL else tail[: tail.rfind("\n") + 1] or tail
            self._tail_source, self._tail_html = known, to_html(known, _copied(self._references), self._budget)
        rest = style.escape(tail[len(known) :])
        return f'{self._tail_html}<div style="white-space:pre-wrap">{rest}</div>' if rest else self._tail_html


def _copied(references: dict[str, Any]) -> dict[str, Any]:
    return {"references": dict(references.get("references", {}))}


def _closed(tail: str, fence: re.Match[str]) -> bool:
    mark = fence[1]
    inner = tail[fence.end() :]
    # Looking for the mark first is a hundred times faster than the expression, and nearly always enough.
    return mark in inner and re.search(rf"^ {{0,3}}{mark}{mark[0]}*[ \t]*$", inner, re.MULTILINE) is not None


@cache
def _block_parser() -> Any:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": _DEEPEST}).enable("table")
    parser.core.ruler.enableOnly(["normalize", "block"])
    return parser


def _finished(text: str) -> int:
    """Return how many characters of `text`, which ends with a line end, are blocks that nothing can change any more."""
    lines = text.split("\n")
    if not fits(lines):
        return 0
    starts = [token.map[0] for token in _block_parser().parse(text, {}) if token.level == 0 and token.map]
    last = starts[-1] if len(starts) > 1 else 0
    return sum(len(line) + 1 for line in lines[:last])
