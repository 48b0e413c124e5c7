"""The facts of a turn in words: the footer, and what to do after an end that is not a plain success."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from claude_magic.errors import ClaudeError, ProcessError, RateLimitError
from claude_magic.lenient import count, mapping
from claude_magic.messages import Message, MessageType
from claude_magic.permissions import NO_ONE_TO_ASK
from claude_magic.rendering.parts import ToolState
from claude_magic.rendering.text import clock, one_line, seconds
from claude_magic.rendering.view import RunView
from claude_magic.response import AnswerSource, Outcome, Response

SIMULATED = "simulated: no model was called"
SOURCE_NOTES = {AnswerSource.RECORDING: "played from a tape, $0.00 now"}
"""What a reader is told of a live run that no model answers; the simulator has a place of its own in the header."""

_SMALLEST_COST_USD = 0.00005  # four digits show it
_CONTEXT_FROM_PERCENT = 50

_MODEL = re.compile(r"claude-([a-z]+)-(\d+)(?:-(\d{1,2}))?(?:-\d{8})?")
_AFTER_TIMEOUT = "The text is kept: prompt again to go on. A higher --timeout gives a prompt more time."
_NOTICES = {
    Outcome.INTERRUPTED: "Stopped by you. The text is kept and the session is warm: prompt again to go on.",
    Outcome.MAX_TURNS: "Stopped at the limit of steps. The session is warm: prompt again to go on, "
    "or raise --max-turns.",
    Outcome.BUDGET: "Stopped at the budget. More prompts to this session would stop at once: "
    "start a new one with a higher --budget.",
    Outcome.DENIED: "Stopped because you denied a tool use. The session is warm: prompt again to go on.",
    Outcome.TIMEOUT: f"Stopped because it took too long. {_AFTER_TIMEOUT}",
}
_NOTICES_WITHOUT_PROCESS = {
    Outcome.INTERRUPTED: "Stopped by you. The text is kept. The process is gone: the next prompt resumes the session "
    "in a new one.",
    Outcome.DENIED: "Stopped because you denied a tool use. The process is gone: the next prompt resumes the session "
    "in a new one.",
}
_UNSENT = "Stopped by you before the prompt was sent: Claude has not seen it, and nothing was spent."


def model_words(model: str) -> str:
    """Return a model's short name: `claude-opus-4-1-20250805` is `opus 4.1`."""
    match = _MODEL.fullmatch(model)
    if match is None:
        return one_line(re.sub(r"-\d{8}$", "", model), 40)
    return f"{match[1]} " + ".".join(number for number in (match[2], match[3]) if number)


def notice(outcome: Outcome | None, error: str = "", *, process_gone: bool = False, sent: bool = True) -> str:
    """Return what a reader must know of how a run ended, and what to do next; "" after a success.

    Args:
        outcome: how it ended; `None` while it runs.
        error: the failure in words.
        process_gone: whether the CLI's process ended before the turn did.
        sent: whether the prompt was sent at all.
    """
    if outcome is None:
        return ""
    if outcome is Outcome.ERROR:
        return f"Failed: {error or 'no reason was given.'}"
    if outcome is Outcome.TIMEOUT and error:
        return f"{error} {_AFTER_TIMEOUT}"
    if outcome is Outcome.INTERRUPTED and not sent:
        return _UNSENT
    without = _NOTICES_WITHOUT_PROCESS.get(outcome) if process_gone else None
    return without or _NOTICES.get(outcome, "")


def ending_of(response: Response, view: RunView) -> str:
    """Return the `notice` of a finished turn, and what to do where a tool was denied because no one could be asked.

    Args:
        response: the turn.
        view: its run.
    """
    outcome = Outcome(response.outcome)
    text = notice(outcome, response.error, process_gone=response.process_gone, sent=response.sent)
    names = {tool.name for tool in view.tools if tool.state is ToolState.DENIED and NO_ONE_TO_ASK in tool.result}
    if not names:
        return text
    return f"{text} {unasked_notice(names)}".strip()


def unasked_notice(names: Iterable[str]) -> str:
    """Return why tools were denied where no one could be asked, and which option lets them run."""
    listed = ",".join(sorted(names))
    return f"No one could be asked here, so {listed} was denied. In a new session, --allow {listed} lets it run."


def footer(response: Response, session_cost_usd: float = 0.0) -> str:
    """Return one line of facts; what no model answered says so first. See `footer_facts`."""
    simulated = [SIMULATED] if response.source is AnswerSource.SIMULATOR else []
    return " · ".join(simulated + footer_facts(response, session_cost_usd))


def source_note(response: Response) -> str:
    """Return what a reader is told of an answer for which no model was asked now; "" where one was, or a simulator."""
    if response.source is not AnswerSource.CACHE:
        return SOURCE_NOTES.get(response.source, "")
    date = datetime.fromtimestamp(response.started).astimezone()
    simulated = f" ({SIMULATED})" if response.simulated else ""
    used_tools = any(message.type is MessageType.TOOL_USE for message in response.messages)
    tools = "; its tools did not run again" if used_tools else ""
    return f"kept, $0.00, from {date:%Y-%m-%d %H:%M}{simulated}{tools}"


def footer_facts(response: Response, session_cost_usd: float = 0.0) -> list[str]:
    """Return what a reader wants to know of a turn at a glance, each fact as words; the frames tell everything.

    Args:
        response: the turn.
        session_cost_usd: cost of its session so far, this turn included; 0 where it is not known.

    Returns:
        Who answered, where that was not the model; seconds, a person's time apart; what was spent: by the turn and,
        where that is more, by the session; and how full the model's window is, from a half on.
    """
    facts = [source_note(response), _time(response)]
    if not response.simulated:
        facts.append(_cost(response.cost_usd, response.estimated))
        more = session_cost_usd - response.cost_usd >= _SMALLEST_COST_USD
        facts.append(f"session {_cost(session_cost_usd, False)}" if more else "")
    facts.append(_context(response.messages))
    return [fact for fact in facts if fact]


def _time(response: Response) -> str:
    if response.duration_s <= 0:
        return ""
    if response.waited_s < 1:
        return seconds(response.duration_s)
    return (
        f"{seconds(max(0.0, response.duration_s - response.waited_s))} + {seconds(response.waited_s)} waiting for you"
    )


def _context(messages: Iterable[Message]) -> str:
    known = context_tokens(messages)
    share = min(100, round(100 * known[0] / known[1])) if known is not None else 0
    return f"context {share} %" if share >= _CONTEXT_FROM_PERCENT else ""


def context_tokens(messages: Iterable[Message]) -> tuple[int, int] | None:
    """Return how full the model's window is after a turn: what the last call read and wrote, and what fits, in tokens.

    The size of the window is in the result's `modelUsage`; `None` where the CLI did not say.
    """
    used, size = 0, 0
    for message in messages:
        if message.parent_tool_use_id:
            continue  # a subagent has a window of its own
        if message.event == "message_start":
            used = _tokens_read(mapping(mapping(mapping(message.raw.get("event")).get("message")).get("usage")))
        elif message.event == "message_delta":
            used += count(mapping(mapping(message.raw.get("event")).get("usage")).get("output_tokens"))
        elif message.type is MessageType.RESULT:
            models = mapping(message.raw.get("modelUsage")).values()
            size = max((count(mapping(model).get("contextWindow")) for model in models), default=0)
    return (used, size) if used and size else None


def _tokens_read(usage: dict[str, Any]) -> int:
    return sum(
        count(usage.get(name)) for name in ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    )


def _cost(usd: float, estimated: bool) -> str:
    if usd <= 0:
        return ""
    text = f"${usd:.4f}" if usd >= _SMALLEST_COST_USD else "under $0.0001"
    return f"about {text}" if estimated else text


_ADVICE = {
    "INSUFFICIENT_CREDITS": "Add credit to the account, or log in with another one; then prompt again.",
    "PERMISSION_DENIED": "Ask for access, or log in with another account; then prompt again.",
    "OVERLOADED": "Wait a little and prompt again: the same prompt may succeed.",
    "SERVICE_FAILED": "Usually this passes: wait a little and prompt again.",
    "CONNECTION_FAILED": "Look at the network, a proxy or ANTHROPIC_BASE_URL; then prompt again.",
    "MODEL_NOT_FOUND": "Choose another model with --model.",
    "REQUEST_TOO_LARGE": "Send less, or start a new session with --new.",
    "PROCESS_FAILED": "Prompt again: the session goes on in a new process. `%claude doctor` looks for the cause.",
    "PROTOCOL_ERROR": "`%claude doctor` looks for the cause; `%claude logs` has what came before.",
    "STRUCTURED_OUTPUT_FAILED": "Simplify the schema, or say in the prompt what to fill in.",
    "POOL_TIMEOUT": "Close a session with `%claude close NAME`, or raise the pool's max_sessions.",
    "TURN_TIMEOUT": _AFTER_TIMEOUT,
}


def advice_for(error: ClaudeError) -> str:
    """Return what to do about an error; "" where its own message says it."""
    if isinstance(error, RateLimitError):
        when = f"after {clock(error.resets_at)}" if error.resets_at else "in a while"
        return f"Prompt again {when}."
    if isinstance(error, ProcessError) and error.exit_code is None:
        return "`%claude doctor` looks for the cause."
    return _ADVICE.get(error.code, "")
