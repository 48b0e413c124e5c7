"""MIME bundles: what a notebook shows of a run, and what it keeps."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from claude_magic.clock import unix_time
from claude_magic.errors import ClaudeError, ProcessError, TurnTimeoutError
from claude_magic.rendering import page
from claude_magic.rendering.footer import advice_for, ending_of, footer, footer_facts, notice, source_note
from claude_magic.rendering.images import Picture
from claude_magic.rendering.parts import NotePart, Part, TextPart, ThinkingPart, ToolPart
from claude_magic.rendering.patches import Hunk, as_data
from claude_magic.rendering.sanitizer import clean
from claude_magic.rendering.structured import keys_in_order
from claude_magic.rendering.text import excerpt, shares, visible
from claude_magic.rendering.tool_summaries import asked_questions, state_words, telling_argument, tool_title
from claude_magic.rendering.view import RunView
from claude_magic.response import Response
from claude_magic.strings import utf8_safe

MIME_TYPE = "application/vnd.claude-magic.v1+json"
_TEXT_LIMIT = 1_000_000  # characters of answer in the stored data, and as plain text
_OTHER_LIMIT = 1_000_000  # characters of thoughts, inputs and results together
_ONE_LIMIT = 20_000  # characters of one thought, input or result
_PART_LIMIT = 2_000
_STDERR_LINES = 20


def response_bundle(response: Response, session_cost_usd: float = 0.0, notes: str = "") -> dict[str, Any]:
    """Return a finished turn as one MIME bundle: data for the live view, static HTML, plain text.

    Args:
        response: the turn.
        session_cost_usd: cost of its session so far, this turn included; 0 where it is not known.
        notes: what is said of the prompt, line by line.
    """
    view = RunView.from_response(response)
    view.notes = notes
    ending = ending_of(response, view)
    return {
        MIME_TYPE: run_data(response, view),
        "text/html": page.clean_html(view, footer_facts(response, session_cost_usd), ending),
        "text/plain": _plain(_said(response, view), ending, footer(response, session_cost_usd), notes),
    }


def run_bundle(view: RunView, final: bool, now: float | None = None) -> dict[str, Any]:
    """Return a run, as it stands, as a bundle of HTML and plain text.

    Args:
        view: the run; what is finished is rendered once and kept in it.
        final: everything is rendered anew and exactly, and nothing is said to run.
        now: the time, in unix seconds, for the seconds of a running tool.
    """
    if not final:
        html = page.live_html(view, unix_time() if now is None else now)
        return {"text/html": html, "text/plain": _plain_run(view)}
    ending = notice(view.outcome, view.error)
    plain = _plain(view.text, ending, "", view.notes)
    return {"text/html": page.clean_html(view, [], ending), "text/plain": plain}


def error_bundle(
    error: ClaudeError, advice: str | None = None, session_cost_usd: float = 0.0, notes: str = ""
) -> dict[str, Any]:
    """Return an error as one readable block: what happened, what to do, and what there was of an answer.

    Args:
        error: what went wrong.
        advice: what to do about it; without it, the usual advice for this kind of error.
        session_cost_usd: cost of the session so far; 0 where it is not known.
        notes: what is said of the prompt, line by line.
    """
    what_to_do = advice_for(error) if advice is None else advice
    stderr = _stderr(error)
    html = page.error_html(error.message, what_to_do, stderr)
    plain = "\n".join(visible(text) for text in (error.message, what_to_do, stderr) if text)
    response = error.response
    if response is None:
        return {"text/html": clean(page.box(page.notes_html(notes) + html, "bad")), "text/plain": plain}
    view = RunView.from_response(response)
    view.notes = notes
    facts = footer_facts(response, session_cost_usd)
    # The live view shows the error itself only beside a failure, and of a time-out the notice alone.
    shown = f"{error.message} {what_to_do}" if isinstance(error, TurnTimeoutError) else what_to_do
    bundle: dict[str, Any] = {
        MIME_TYPE: run_data(response, view) | {"error": error.message, "notice": shown},
        "text/html": page.clean_html(view, facts, error.message, html),
    }
    return bundle | {"text/plain": _plain(_said(response, view), plain, footer(response, session_cost_usd), notes)}


def _stderr(error: ClaudeError) -> str:
    if not isinstance(error, ProcessError):
        return ""
    return excerpt("\n".join(error.stderr_tail.strip().split("\n")[-_STDERR_LINES:]), 2000)[0]


def _said(response: Response, view: RunView) -> str:
    """The answer, with the questions that a person answered on the way where they were asked."""
    if not any(asked_questions(tool) for tool in view.tools):
        return response.text
    pieces = []
    for part in view.parts:
        if isinstance(part, TextPart):
            pieces.append(part.text)
        elif isinstance(part, ToolPart):
            asked = [f"{one.question} → {one.answer or 'not answered'}" for one in asked_questions(part)]
            pieces.append("\n".join(asked))
    return "\n\n".join(piece for piece in pieces if piece)


def _plain(text: str, ending: str, foot: str, notes: str = "") -> str:
    shown = visible(excerpt(text.strip("\n"), _TEXT_LIMIT)[0])
    # One line feed between ending and footer: the answer's Markdown, then what there is to say about it.
    about = "\n".join(words for words in (visible(ending), visible(foot)) if words)
    return "\n\n".join(words for words in (visible(notes), shown, about) if words)


def _plain_run(view: RunView) -> str:
    """The run for a front end without HTML: parts in order, each tool as one line."""
    pieces = [view.notes] if view.notes else []
    for part in view.parts:
        if isinstance(part, TextPart | NotePart):
            pieces.append(part.text)
        elif isinstance(part, ToolPart):
            pieces.append(f"{tool_title(part.name)} {telling_argument(part, view.working_dir)}: {state_words(part)}")
    return visible(excerpt("\n\n".join(pieces), _TEXT_LIMIT)[0])


# The run as data, bounded.


class Budget:
    """How much may still be stored, and how much was left out.

    Args:
        parts: those whose texts are stored, in order; without them each text may be as long as all together.
    """

    def __init__(self, parts: Iterable[Part] = ()) -> None:
        lengths = [len(part.text) for part in parts if isinstance(part, TextPart)]
        self._shares = iter(shares(lengths, _TEXT_LIMIT))
        self._other = _OTHER_LIMIT
        self._pictures = page.MOST_PICTURES
        self.left_out = 0

    def text(self, text: str) -> str:
        return self._cut(text, next(self._shares, _TEXT_LIMIT))

    def other(self, text: str) -> str:
        kept = self._cut(text, min(_ONE_LIMIT, self._other))
        self._other = max(0, self._other - len(kept))
        return kept

    def input(self, given: dict[str, Any]) -> dict[str, Any]:
        """A tool's input with its long strings cut; one of very many values becomes the beginning of its JSON."""
        shortened: dict[str, Any] = self._value(given)
        whole = json.dumps(shortened)
        return shortened if len(whole) <= 4 * _ONE_LIMIT else {"…": self.other(whole)}

    def patch(self, hunks: Sequence[Hunk]) -> list[dict[str, Any]]:
        """Hunks as data, as far as there is room: a part of a difference would be a false one."""
        size = sum(len(line) for hunk in hunks for line in hunk.lines)
        if size > min(4 * _ONE_LIMIT, self._other):
            return []
        self._other -= size
        return [{**one, "lines": [utf8_safe(line) for line in one["lines"]]} for one in as_data(hunks)]

    def picture(self, picture: Picture) -> dict[str, str]:
        """A picture as data, while there is room; else what it is."""
        has_room = len(picture.data) <= self._pictures
        self._pictures -= len(picture.data) if has_room else 0
        return {"kind": picture.kind, "data": picture.data if has_room else "", "words": picture.words}

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.other(value)
        if isinstance(value, dict):
            return {utf8_safe(str(key)[:200]): self._value(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._value(item) for item in value]
        return value if isinstance(value, bool | int | float) or value is None else self.other(str(value))

    def _cut(self, text: str, limit: int) -> str:
        kept, left_out = excerpt(utf8_safe(text), limit)
        self.left_out += left_out
        return kept


def run_data(response: Response, view: RunView | None = None) -> dict[str, Any]:
    """Return a turn as JSON-like data, version 1: what the live view draws after reopening.

    Args:
        response: the turn.
        view: its view, where there is one already.

    Returns:
        The facts of the turn and its `parts` in reading order. Strings are as they came, secrets redacted; long
        ones are cut and say so, and `cut` counts the characters and parts that were left out.
    """
    view = RunView.from_response(response) if view is None else view
    parts = list(view.walk())
    stored = parts if len(parts) <= _PART_LIMIT else parts[: _PART_LIMIT // 2] + parts[-_PART_LIMIT // 2 :]
    budget = Budget(stored)
    data: dict[str, Any] = {
        "version": 1,
        "session": utf8_safe(response.session),
        "session_id": utf8_safe(response.session_id),
        "turn": response.turn,
        "turn_id": response.turn_id,
        "model": utf8_safe(view.model),
        "outcome": str(response.outcome),
        "simulated": response.simulated,
        "source": source_note(response),
        "prompt": budget.other(response.prompt),
        "parts": [part_data(part, budget) for part in stored],
        "usage": asdict(response.usage),
        "cost_usd": response.cost_usd,
        "estimated": response.estimated,
        "duration_s": response.duration_s,
        "waited_s": response.waited_s,
        "ttft_s": response.ttft_s,
        "error": budget.other(response.error),
        "notice": budget.other(ending_of(response, view)),
    }
    return data | {"cut": {"characters": budget.left_out, "parts": len(parts) - len(stored)}}


def part_data(part: Part, budget: Budget) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": budget.text(part.text)}
    if isinstance(part, ThinkingPart):
        return {"type": "thinking", "text": budget.other(part.text), "duration_s": round(part.duration_s, 3)}
    if isinstance(part, NotePart):
        return {"type": "note", "text": budget.other(part.text)}
    return {
        "type": "tool",
        "id": utf8_safe(part.id),
        "name": budget.other(part.name),
        "input": budget.input(part.input),
        "keys": [utf8_safe(key[:200]) for key in keys_in_order(part.input)],
        "edited": part.edited,
        "todos": [{"text": budget.other(todo.text), "status": budget.other(todo.status)} for todo in part.todos[:100]],
        "result": budget.other(part.result),
        "patch": budget.patch(part.patch),
        "pictures": [budget.picture(picture) for picture in part.pictures],
        "is_error": part.is_error,
        "state": str(part.state),
        "parent": utf8_safe(part.parent),
        "duration_s": round(part.duration_s(), 3),
    }
