"""What goes on beside the answer, each as one quiet line: retries, limits, another model, compaction."""

from __future__ import annotations

from typing import Any, Protocol

from claude_magic.lenient import mapping, mappings, number
from claude_magic.messages import Message, MessageType
from claude_magic.rendering.text import clock, count, plural, seconds

# Phases that the CLI announces again and again; they say nothing to a reader.
_PHASES = frozenset({"", "requesting", "running", "idle", "requires_action"})

_AGENTS_TOOLS = "<tools-used-before-summary>"

_CAUSES = {
    "401": "The credentials were refused",
    "408": "The service took too long",
    "429": "Too many requests",
    "529": "The service was overloaded",
}


def note_words(message: Message) -> str:
    """Return what a status, rate limit, retry or error says to a reader; "" where it says nothing."""
    if message.type is MessageType.RATE_LIMIT:
        return _rate_limit(message.raw.get("rate_limit_info"))
    if message.type is MessageType.RETRY:
        return f"{_cause(message.raw)}. {_try_again(message.raw)}"
    if message.type is MessageType.ERROR:
        return message.error or message.text
    # A hook stopped the prompt: the result, which becomes the answer, says the same (2.1.332).
    if message.text in _PHASES or "prompt_submit_outcome" in message.raw:
        return ""
    if message.text == "compacting":
        return "Compacting the conversation"
    if message.text == "the conversation was compacted":
        return _compacted(message.raw.get("compact_metadata"))
    # A sentence begins with a capital letter; a name such as a model's stays as it is.
    first = message.text.split(" ", 1)[0]
    return message.text[:1].upper() + message.text[1:] if first.isalpha() else message.text


def agent_report(message: Message) -> str:
    """Return what a subagent reports, less what the CLI wraps around it for the model.

    The CLI (2.1.202 and 2.1.332) gives the report beside the result, as blocks of text.

    Args:
        message: the result of the tool that started the subagent.
    """
    facts = mapping(message.raw.get("tool_use_result"))
    if facts.get("status") == "async_launched":
        return "It goes on in the background."
    blocks = [block.get("text") for block in mappings(facts.get("content"))]
    report = "\n\n".join(text for text in blocks if isinstance(text, str) and not text.startswith(_AGENTS_TOOLS))
    return report if facts.get("status") == "completed" and report else message.text


class _Line(Protocol):
    text: str


class Retries:
    """Retries in a row, told in one line: how often, and what they cost.

    Args:
        note: the line to keep up to date.
    """

    def __init__(self, note: _Line) -> None:
        self._note = note
        self._number = 0
        self._waited_s = 0.0

    def add(self, message: Message) -> None:
        """Count one more."""
        raw = message.raw
        self._number += 1
        self._waited_s += number(raw.get("retry_delay_ms")) / 1000
        times = plural(self._number, "retry", "retries")
        self._note.text = f"{_cause(raw)}: {times}, {seconds(self._waited_s)} of waiting"


def _try_again(raw: dict[str, Any]) -> str:
    wait = seconds(number(raw.get("retry_delay_ms")) / 1000)
    return f"Retry {raw.get('attempt')} of {raw.get('max_retries')} in {wait}"


def _cause(raw: dict[str, Any]) -> str:
    status = raw.get("error_status")
    if status is None:
        return "The service could not be reached"
    return _CAUSES.get(str(status), f"The service failed ({status})")


def _rate_limit(info: Any) -> str:
    facts = mapping(info)
    resets = number(facts.get("resetsAt"))
    ends = f", it ends at {clock(resets)}" if 0 < resets < 4e9 else ""
    if facts.get("status") == "allowed_warning":
        share = number(facts.get("utilization"))
        used = f"{share:.0%} used" if share else "nearly used up"
        return f"Rate limit: {used}{ends}"
    return f"Rate limit reached{ends}" if facts.get("status") == "rejected" else ""


def _compacted(metadata: Any) -> str:
    facts = mapping(metadata)
    before, after = int(number(facts.get("pre_tokens"))), int(number(facts.get("post_tokens")))
    took = number(facts.get("duration_ms")) / 1000
    sizes = f": {count(before)} → {count(after)} tokens" if before and after else ""
    return f"The conversation was compacted{sizes}" + (f", {seconds(took)}" if took >= 0.05 else "")
