"""Reading a request to /v1/messages: what did the user ask, how far is the turn, is it a side call of the CLI?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["STRUCTURED_TOOL", "APICall", "read_call"]

STRUCTURED_TOOL = "StructuredOutput"
"""The tool through which the CLI's --json-schema gets its answer."""

PROBE_MAX_TOKENS = 16
"""A request for so few tokens asks whether the API would answer, not for an answer."""

_INJECTED_TAGS = (
    "system-reminder|command-name|command-message|command-args|local-command-caveat|local-command-stdout"
    "|local-command-stderr"
)
_INJECTED = re.compile(rf"<({_INJECTED_TAGS})>.*?</\1>", re.DOTALL)
_INJECTED_STARTS = (
    "[structured-output-enforce]",
    "[Request interrupted by user",
    "Your response above was cut off mid-stream.",
    "This session is being continued from a previous conversation",
)
_SIDE_PROMPTS = {
    "summary": re.compile(r"create a detailed summary of (?:the|this) conversation|summary of the RECENT", re.I),
    "title": re.compile(r"^\s*<session>.*</session>", re.DOTALL),
}
_CLASSIFIER = "security monitor for autonomous"
_NOTIFICATION = re.compile(r"<task-notification>.*?</task-notification>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class APICall:
    """One request, understood.

    `prompts` are the user's own texts in this conversation, the running turn's last; the notice that a background
    task has ended counts, because it starts a turn. `rounds` counts the answers with tool calls since that prompt.
    `tool_ids` and `tool_result` belong to the newest tool results. `schema` is the JSON schema of the
    StructuredOutput tool, None if it is not offered or was already called in this turn. `side` names a request of the
    CLI's own that is not part of a conversation: "probe", "title", "summary", "classifier", "search" or "format".
    """

    model: str
    stream: bool
    prompts: tuple[str, ...]
    rounds: int
    tool_ids: tuple[str, ...]
    tool_result: str
    attachments: int
    schema: Mapping[str, Any] | None
    format_schema: Mapping[str, Any] | None
    side: str | None

    @property
    def prompt(self) -> str:
        """The user's last prompt, without what the CLI put around it; empty if there is none."""
        return self.prompts[-1] if self.prompts else ""


def read_call(body: Mapping[str, Any]) -> APICall:
    """Understand the JSON body of a Messages request; fields that are missing or odd count as empty."""
    messages = [message for message in _list(body.get("messages")) if isinstance(message, Mapping)]
    starts = [(index, prompt) for index, message in enumerate(messages) for prompt in _own_prompts(message)]
    turn = messages[starts[-1][0] :] if starts else messages
    # Results beside the prompt belong to the turn before it: one that ended with a tool, as structured answers do.
    results = _newest_results(turn[1:] if starts else turn)
    called = _structured_called(turn)
    format_schema = _format_schema(body)
    return APICall(
        model=str(body.get("model") or "claude-simulated"),
        stream=bool(body.get("stream")),
        prompts=tuple(text for _, text in starts),
        rounds=_rounds(turn),
        tool_ids=tuple(str(result.get("tool_use_id")) for result in results),
        tool_result="\n".join(filter(None, (_plain(result.get("content")) for result in results))),
        attachments=sum(block.get("type") in ("image", "document") for block in _blocks(turn[0])) if turn else 0,
        schema=None if called else _tool_schema(body),
        format_schema=format_schema,
        side=_side(body, messages, format_schema),
    )


def _side(body: Mapping[str, Any], messages: Sequence[Mapping[str, Any]], format_schema: object) -> str | None:
    max_tokens = body.get("max_tokens")
    if isinstance(max_tokens, int) and max_tokens <= PROBE_MAX_TOKENS:
        return "probe"
    if _CLASSIFIER in _plain(body.get("system")):
        return "classifier"
    tools = _list(body.get("tools"))
    if tools and all(isinstance(tool, Mapping) and tool.get("name") == "web_search" for tool in tools):
        return "search"
    last = _plain(messages[-1].get("content")) if messages else ""
    for name, pattern in _SIDE_PROMPTS.items():
        if pattern.search(last):
            return name
    return "format" if format_schema is not None else None


def _own_prompts(message: Mapping[str, Any]) -> Iterator[str]:
    """What the user wrote in a message; nothing for tool results and for what only the CLI wrote.

    After a failed or interrupted turn two prompts come in one message. The CLI then ends the earlier one with a line
    break, and only this tells two prompts from one prompt in two blocks.
    """
    if message.get("role") != "user":
        return
    blocks = list(_blocks(message))
    if all(block.get("type") != "tool_result" for block in blocks):
        yield from _NOTIFICATION.findall(_plain(blocks))
    parts: list[str] = []
    for block in blocks:
        written = _without_injected(str(block.get("text", ""))) if block.get("type") == "text" else ""
        if not written.strip() or written.strip().startswith(_INJECTED_STARTS):
            continue
        parts.append(written.strip())
        if written.endswith("\n"):
            yield "\n".join(parts)
            parts = []
    if parts:
        yield "\n".join(parts)


def _without_injected(written: str) -> str:
    return _NOTIFICATION.sub("", _INJECTED.sub("", written))


def _rounds(turn: Sequence[Mapping[str, Any]]) -> int:
    """How many answers with tool calls there are; an answer kept in several messages counts once."""
    rounds, open_round = 0, False
    for message in turn:
        if message.get("role") == "user":
            open_round = False
        elif not open_round and any(block.get("type") == "tool_use" for block in _blocks(message)):
            rounds, open_round = rounds + 1, True
    return rounds


def _newest_results(turn: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The newest tool results in the order of their calls: they come in the order in which the tools ended."""
    calls = [block.get("id") for message in turn for block in _blocks(message) if block.get("type") == "tool_use"]
    order = {tool_id: place for place, tool_id in enumerate(calls)}
    for message in reversed(turn):
        if found := [block for block in _blocks(message) if block.get("type") == "tool_result"]:
            return sorted(found, key=lambda block: order.get(block.get("tool_use_id"), len(order)))
    return []


def _structured_called(turn: Sequence[Mapping[str, Any]]) -> bool:
    return any(block.get("name") == STRUCTURED_TOOL for message in turn for block in _blocks(message))


def _tool_schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    for tool in _list(body.get("tools")):
        if isinstance(tool, Mapping) and tool.get("name") == STRUCTURED_TOOL:
            schema = tool.get("input_schema")
            return schema if isinstance(schema, Mapping) else {}
    return None


def _format_schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    config = body.get("output_config")
    form = config.get("format") if isinstance(config, Mapping) else None
    schema = form.get("schema") if isinstance(form, Mapping) else None
    return schema if isinstance(schema, Mapping) else None


def _blocks(message: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    content = message.get("content")
    if isinstance(content, str):
        yield {"type": "text", "text": content}
        return
    for block in _list(content):
        if isinstance(block, Mapping):
            yield block


def _plain(content: object) -> str:
    """The text of a message's or tool result's content."""
    texts = (str(block.get("text", "")) for block in _blocks({"content": content}) if block.get("type") == "text")
    return "\n".join(texts)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
