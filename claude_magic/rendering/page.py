"""A run as HTML: header, parts in order, how it ended, footer. Every text is escaped here and cleaned at the end."""

from __future__ import annotations

import re

from claude_magic.rendering import style
from claude_magic.rendering.footer import SIMULATED, model_words
from claude_magic.rendering.highlight import ColouringBudget, highlight
from claude_magic.rendering.markdown import MarkdownStream, to_html
from claude_magic.rendering.parts import NotePart, Part, TextPart, ThinkingPart, ToolPart, ToolState
from claude_magic.rendering.sanitizer import clean
from claude_magic.rendering.segments import Work
from claude_magic.rendering.structured import STRUCTURED_TOOL, Table, table_of
from claude_magic.rendering.style import escape, span
from claude_magic.rendering.text import excerpt, one_line, plural, seconds, shares, visible, visible_output
from claude_magic.rendering.tool_summaries import (
    AskedQuestion,
    asked_questions,
    code_input,
    count_descendants,
    diff_lines,
    diff_rows,
    file_text,
    plan_of,
    state_words,
    telling_argument,
    tool_title,
)
from claude_magic.rendering.view import RunView
from claude_magic.response import AnswerSource, Outcome

_TEXT_LIMIT = 200_000  # characters of answer; as HTML they are about seven times as many
_SHORTEST_TEXT = 1_000  # of each text at least so much stays
_TOOL_LIMIT = 200  # lines for tools
_RESULT_LIMIT = 2_000
_THOUGHT_LIMIT = 4_000
_PROMPT_LIMIT = 20_000
_WITH_VALUES = ("filled in: ", "attached: ")
"""How the notes begin that are about values which went along with a prompt."""
_LIVE_CHILDREN = 3
_OPEN_DIFF_LINES = 60
_STATE_TONE = {
    ToolState.FAILED: style.tone("bad"),
    ToolState.DENIED: style.tone("warn"),
    ToolState.CANCELLED: style.tone("warn"),
    ToolState.WAITING: style.tone("warn"),
}


def live_html(view: RunView, now: float) -> str:
    """Return the run as it stands; cheap enough for twenty times a second.

    Args:
        view: the run; finished pieces of HTML are kept in it.
        now: the time, in unix seconds.
    """
    pieces = [_header(view, "running"), notes_html(view.notes)]
    parts = view.parts
    hidden = sum(isinstance(part, ToolPart) for part in parts) - _TOOL_LIMIT
    for part in parts:
        if isinstance(part, ToolPart) and hidden > 0:
            hidden -= 1
            if hidden == 0:
                pieces.append(_note("Earlier tool uses are not shown while the run goes on."))
            continue
        pieces.append(_live_part(part, view, now))
    return box("".join(pieces), "run")


def _live_part(part: Part, view: RunView, now: float) -> str:
    if isinstance(part, TextPart):
        if part.cache is None:
            part.cache = MarkdownStream()
        return f"<div>{part.cache.update(part.text)}</div>"
    if isinstance(part, ThinkingPart):
        return _note("Thinking" if part is view.parts[-1] else _thought(part))
    if isinstance(part, NotePart):
        return _note(part.text)
    if part.cache is None or not part.is_over or part.children:
        part.cache = f'<div style="{style.TOOL}">{_tool_line(part, view, now)}</div>' + _live_children(part, view, now)
    return str(part.cache)


def _live_children(tool: ToolPart, view: RunView, now: float) -> str:
    shown = tool.children[-_LIVE_CHILDREN:]
    if not shown or (tool.is_over and all(child.is_over for child in shown)):
        return ""
    items = "".join(f"<li>{_tool_line(child, view, now)}</li>" for child in shown)
    return f'<ul style="{style.CHILDREN}">{items}</ul>'


def final_html(view: RunView, facts: list[str], ending: str = "", ending_block: str = "") -> str:
    """Return the finished run; it reads well in light and dark, and with every style taken away.

    Args:
        view: the run.
        facts: what the footer says.
        ending: how it ended and what to do next, in words; "" after a plain success.
        ending_block: safe HTML that says it, instead of a line.
    """
    pieces = [_header(view), notes_html(view.notes, view.prompt)]
    room = iter(shares([len(part.text) for part in view.parts if isinstance(part, TextPart)], _TEXT_LIMIT))
    budget, work = ColouringBudget(), Work()
    tools = 0
    for part in view.parts:
        if isinstance(part, TextPart):
            text = excerpt(part.text, max(next(room), _SHORTEST_TEXT))[0]
            pieces.append(f"<div>{to_html(text, budget=budget, work=work)}</div>")
        elif isinstance(part, ToolPart):
            tools += 1
            if tools <= _TOOL_LIMIT:
                pieces.append(_tool(part, view))
        elif isinstance(part, ThinkingPart):
            pieces.append(_folded_thought(part))
        else:
            pieces.append(_note(part.text))
    if tools > _TOOL_LIMIT:
        pieces.append(_note(f"{plural(tools - _TOOL_LIMIT, 'more tool use', 'more tool uses')} not shown"))
    bar = "run"
    if ending:
        bar = "bad" if ending_block or view.outcome is Outcome.ERROR else "warn"
        pieces.append(ending_block or _ending(ending, bar))
    pieces.append(_footer(facts))
    return box("".join(pieces), bar)


def error_html(message: str, what_to_do: str, stderr: str) -> str:
    """Return an error as safe HTML: what happened, what to do, the end of stderr."""
    advice = f'<div style="{style.NOTICE}">{to_html(what_to_do)}</div>' if what_to_do else ""
    return _ending(message, "bad") + advice + (_pre(stderr) if stderr else "")


def _ending(text: str, tone: str) -> str:
    return f'<p style="{style.NOTICE};{style.tone(tone)}"><b>■</b> {escape(text)}</p>'


def box(inner: str, bar: str) -> str:
    """Return safe HTML in the box of a run; `bar` is the colour of its side: `run`, `warn` or `bad`."""
    return f'<blockquote style="{style.run(bar)}">{inner}</blockquote>'


def _header(view: RunView, state: str = "") -> str:
    name = f'<b style="{style.NAME}">{escape(one_line(view.session or "claude", 80))}</b>'
    parts = [model_words(view.model), SIMULATED if view.source is AnswerSource.SIMULATOR else "", state]
    return _small(" · ".join([name, *(escape(part) for part in parts if part)]), style.HEAD)


def _footer(facts: list[str]) -> str:
    return _small(escape(" · ".join(facts)), style.FOOT) if facts else ""


def _small(inner: str, look: str) -> str:
    """A line that stays small where every style is taken away."""
    return f'<div style="{look}"><sub style="{style.SUB}">{inner}</sub></div>'


def notes_html(notes: str, prompt: str = "") -> str:
    """Return what is said of a prompt as safe HTML, each line as one.

    Args:
        notes: the lines.
        prompt: the text that was sent; a line about values that went along opens to it.
    """
    return "".join(
        _sent(line, prompt) if prompt and line.startswith(_WITH_VALUES) else _note(line)
        for line in notes.split("\n")
        if line
    )


def _sent(line: str, prompt: str) -> str:
    summary = f'<summary style="{style.SUMMARY};{style.NOTE}"><sub style="{style.SUB}">{escape(line)}</sub></summary>'
    return f"<details>{summary}{_pre(excerpt(prompt, _PROMPT_LIMIT)[0])}</details>"


def _note(text: str) -> str:
    return _small(escape(one_line(text, 400)), style.NOTE)


def _thought(part: ThinkingPart) -> str:
    return f"Thought for {seconds(part.duration_s)}" if part.duration_s >= 0.05 else "Thought"


def _folded_thought(part: ThinkingPart) -> str:
    text, _ = excerpt(part.text, _THOUGHT_LIMIT)
    if not text.strip():
        return _note(_thought(part))
    return (
        f'<details style="{style.TOOL}"><summary style="{style.SUMMARY};{style.SMALL}">{_thought(part)}</summary>'
        f'<div style="{style.THOUGHT}">{escape(text)}</div></details>'
    )


def _tool_line(tool: ToolPart, view: RunView, now: float | None = None) -> str:
    about = telling_argument(tool, view.working_dir)
    shown = f' <code style="{style.CODE}">{style.escape_code(about)}</code>' if about else ""
    text = state_words(tool, now)
    if view.outcome is not None and tool.state is ToolState.RUNNING:
        text = "still running in the background"
    tone = _STATE_TONE.get(tool.state, style.MUTED)
    if tool.state is ToolState.DONE and tool.name != "AskUserQuestion":
        text = "✓ " + (text.removeprefix("done, ") or "done")
    return f"<b>{escape(tool_title(tool.name))}</b>{shown}" + span(f" · {text}", f"{style.STATE};{tone}")


def _tool(tool: ToolPart, view: RunView) -> str:
    line, body = _tool_line(tool, view), _tool_body(tool, view)
    if not body:
        return f'<div style="{style.TOOL}">{line}</div>'
    opened = " open" if _opens_itself(tool, view) else ""
    return (
        f'<details{opened} style="{style.TOOL}"><summary style="{style.SUMMARY}">{line}</summary>'
        f'<div style="margin:2px 0 8px 14px">{body}</div></details>'
    )


def _opens_itself(tool: ToolPart, view: RunView) -> bool:
    """A small change of a file, answered questions and the newest list of things to do need no click to be read."""
    if tool.todos:
        return tool is next(one for one in reversed(view.tools) if one.todos)
    is_answered = any(asked.answer for asked in asked_questions(tool)) or plan_of(tool) != ""
    is_answered = is_answered or tool.name == STRUCTURED_TOOL
    is_change = 0 < len(diff_lines(tool)) <= _OPEN_DIFF_LINES
    return is_answered or bool(tool.pictures) or (is_change and tool.state is not ToolState.DENIED)


def _tool_body(tool: ToolPart, view: RunView) -> str:
    """What unfolds under a tool's line: what was given where the line could not show it, and what came back."""
    pieces = []
    given = _given(tool)
    if given:
        pieces.append(given)
    if tool.children:
        items = "".join(f"<li>{_tool(child, view)}</li>" for child in tool.children[:_TOOL_LIMIT])
        more = count_descendants(tool) - _TOOL_LIMIT
        rest = f"<li>{escape(f'{more} more not shown')}</li>" if more > 0 else ""
        pieces.append(f'<ul style="{style.CHILDREN}">{items}{rest}</ul>')
    result = _unwrapped(file_text(tool))
    is_answered = any(one.answer for one in asked_questions(tool))
    # What the model is told of an approved plan is the plan once more.
    is_data = tool.name == STRUCTURED_TOOL
    is_told = tool.state is ToolState.DONE and (diff_lines(tool) or is_answered or plan_of(tool) or is_data)
    if tool.pictures:
        pieces.append(_pictures(tool, view))
        result = _PICTURE_WORDS.sub("", result).strip()
    if result and not is_told:
        pieces.append(_pre(visible_output(excerpt(result, _RESULT_LIMIT)[0])))
    return "".join(pieces)


def _given(tool: ToolPart) -> str:
    if tool.todos:
        marks = {"completed": "✓", "in_progress": "▸"}
        items = "".join(
            f"<li>{marks.get(todo.status, '○')} {escape(one_line(todo.text, 200))}</li>" for todo in tool.todos[:100]
        )
        return f'<ul style="list-style-type:none;margin:4px 0;padding:0">{items}</ul>'
    questions = asked_questions(tool)
    if questions:
        return "".join(_question(asked) for asked in questions)
    plan = plan_of(tool)
    if plan:
        return f"<div>{to_html(excerpt(plan, _TEXT_LIMIT)[0])}</div>"
    diff = diff_rows(tool)
    if diff:
        return _diff(diff)
    if tool.name == STRUCTURED_TOOL:
        return _table(table_of(tool.input))
    code = code_input(tool)
    if code is not None:
        shown = highlight(excerpt(code[0], _RESULT_LIMIT)[0], code[1], ColouringBudget())
        return f'<pre style="{style.WRAPPED_PRE}">{shown}</pre>'
    for key in ("command", "content", "prompt"):
        value = tool.input.get(key)
        if isinstance(value, str) and ("\n" in value.strip() or len(value) > 120):
            return _pre(excerpt(value, _RESULT_LIMIT)[0])
    return ""


def _table(table: Table) -> str:
    """Rows of records, or of names and values."""
    cell, head = style.MARKDOWN["td"], style.MARKDOWN["th"]
    titles = "".join(f'<th style="{head}">{escape(one_line(name, 60))}</th>' for name in table.columns)
    rows = ""
    for row in table.rows:
        cells = [escape(one_line(value, 200)) for value in row]
        first = "th" if not table.columns else "td"
        rows += f'<tr><{first} style="{cell}">{cells[0] if cells else ""}</{first}>'
        rows += "".join(f'<td style="{cell}">{text}</td>' for text in cells[1:]) + "</tr>"
    more = _note(f"{plural(table.left_out, 'more row')}") if table.left_out else ""
    top = f"<thead><tr>{titles}</tr></thead>" if titles else ""
    table_style = style.MARKDOWN["table"]
    return f'<div style="{style.TABLE}"><table style="{table_style}">{top}<tbody>{rows}</tbody></table></div>{more}'


def _question(asked: AskedQuestion) -> str:
    """A question and what was answered; while nothing was, what there is to choose from."""
    options = " · ".join(one_line(label, 80) for label, _ in asked.options)
    about = next((text for label, text in asked.options if label == asked.answer and text), "")
    told = f"<b>{escape(asked.answer)}</b>" if asked.answer else span(options or "not answered", style.MUTED)
    return (
        f'<p style="{style.QUESTION}">{span(asked.question, style.MUTED)}<br>{told}'
        + (span(f" {about}", style.SMALL) if asked.answer and about else "")
        + "</p>"
    )


def _diff(rows: list[tuple[str, int]]) -> str:
    """Lines as wide as the longest, so that what marks them is; the tags say it where every style is taken away."""
    kinds = {"+": ("ins", style.INSERTED), "-": ("del", style.DELETED)}
    shown = [(visible(line[:500]), number) for line, number in rows[:120]]
    width = min(90, max((len(line) for line, _ in shown), default=0))
    digits = max(len(str(number)) if number else 0 for _, number in shown)
    lines = []
    for line, number in shown:
        told = f"{str(number or '').rjust(digits)} " if digits else ""
        text = style.escape_code(f"{line[:1]} {line[1:]}".rstrip())
        if line[:1] in kinds:
            tag, look = kinds[line[:1]]
            rest = " " * max(0, width - len(line))
            text = f'<{tag} style="{look};text-decoration:none">{text}</{tag}><span style="{look}">{rest}</span>'
        lines.append(told + text)
    more = f"\n… {len(rows) - 120} more lines …" if len(rows) > 120 else ""
    return f'<pre style="{style.WRAPPED_PRE}">' + "\n".join(lines) + f"{more}</pre>"


def _pre(text: str) -> str:
    return f'<pre style="{style.WRAPPED_PRE}">{style.escape_code(text)}</pre>'


_PICTURE_WORDS = re.compile(r"\[image\]|\[Image: source: [^\n]*\]")
"""What stands in a result for a picture that is drawn: ours, and the line that the CLI (2.1.332) adds for the model."""
MOST_PICTURES = 1_500_000
"""Characters of pictures, in base64, of one run."""


def _pictures(tool: ToolPart, view: RunView) -> str:
    """Marks in the places of pictures, which no wall lets pass: `clean_html` puts them there."""
    return "".join(
        f"<p>{view.mark(picture) if picture.url else escape(f'[{picture.words}]')}</p>" for picture in tool.pictures
    )


def clean_html(view: RunView, facts: list[str], ending: str = "", ending_block: str = "") -> str:
    """Return the finished run as safe HTML; pictures of tools are in it, and nothing in it can fetch one.

    Args:
        view: the run.
        facts: what the footer says.
        ending: how it ended and what to do next, in words; "" after a plain success.
        ending_block: safe HTML that says it, instead of a line.
    """
    safe = clean(final_html(view, facts, ending, ending_block))
    room = MOST_PICTURES
    for mark, picture in view.marked.items():
        has_room = len(picture.data) <= room
        room -= len(picture.data) if has_room else 0
        shown = f'<img src="{picture.url}" alt="{escape(picture.words)}" style="{style.PICTURE}">'
        safe = safe.replace(mark, shown if has_room else escape(f"[{picture.words}]"), 1)
    view.marked.clear()
    return safe


def _unwrapped(result: str) -> str:
    """A tool's own failures come in a tag that is meant for the model."""
    return result.rstrip().removeprefix("<tool_use_error>").removesuffix("</tool_use_error>").strip("\n")
