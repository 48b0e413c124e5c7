"""From a step and a call to the finished message: placeholders, structured output, ids, token counts."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from claude_magic.simulator.calls import STRUCTURED_TOOL, APICall
from claude_magic.simulator.failures import FAILURES
from claude_magic.simulator.scenario import Block, Scenario, Step, TextBlock, ThinkingBlock, Usage
from claude_magic.simulator.schema_values import example

__all__ = ["PLACEHOLDERS", "Answer", "compose", "count_tokens", "fill", "side_step", "token_estimate"]

PLACEHOLDERS = (
    "prompt",
    "prompt_line",
    "first_prompt",
    "previous_prompt",
    "tool_result",
    "attachment_count",
    "model",
    "turn",
    "failures",
    *(f"match_{number}" for number in range(1, 10)),
)
"""The names that are replaced in texts when they stand in braces; every other brace stays as written."""

_PLACEHOLDER = re.compile(r"\{(" + "|".join(PLACEHOLDERS) + r")\}")
_LINE_CHARS = 80
_CHARS_PER_TOKEN = 4
_SIDE_ANSWERS = {
    "probe": "ok",
    "title": "Simulated session",
    "summary": "<summary>\nSimulated summary: the conversation before this point was not read by a model.\n</summary>",
    # There is no one here to judge, so nothing is allowed.
    "classifier": "<block>yes</block><reason>simulated: no model has judged this action</reason>",
    "search": "Simulated: no search was made.",
}
_NOTHING_BEFORE = "(nothing: this is the first prompt of the conversation)"


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished message of the Messages API."""

    id: str
    model: str
    content: tuple[dict[str, Any], ...]
    stop_reason: str
    usage: Mapping[str, int]

    def as_json(self) -> dict[str, Any]:
        """The body of the answer to a request that did not ask for a stream."""
        return {
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": list(self.content),
            "stop_reason": self.stop_reason,
            "stop_sequence": None,
            "usage": dict(self.usage),
        }


def compose(step: Step, call: APICall, scenario: Scenario, groups: Sequence[str] = ()) -> Answer:
    """The message that `step` gives to `call`. `groups` are those of the rule's expression, for `{match_1}`."""
    words = _words(call, groups)
    content = [_content(block, words) for block in step.blocks]
    structured = _structured(step, call, scenario, words)
    if structured is not None:
        content.append(_tool_use(STRUCTURED_TOOL, structured))
    uses_tool = any(block["type"] == "tool_use" for block in content)
    return Answer(
        id=f"msg_sim_{uuid.uuid4().hex[:20]}",
        model=call.model,
        content=tuple(content),
        stop_reason=step.stop_reason or ("tool_use" if uses_tool else "end_turn"),
        usage=_usage(step.usage.over(scenario.usage), call, content),
    )


def fill(template: str, call: APICall, groups: Sequence[str] = ()) -> str:
    """`template` with the known placeholders replaced, each once: what is filled in is not looked at again."""
    return _fill(template, _words(call, groups))


def side_step(call: APICall) -> Step:
    """A harmless answer to a request that is the CLI's own business and no part of a conversation."""
    if call.format_schema is not None:
        return Step((TextBlock(json.dumps(example(call.format_schema, "session"))),))
    return Step((TextBlock(_SIDE_ANSWERS[call.side or "title"]),))


def token_estimate(chars: int) -> int:
    """About how many tokens so many characters are; at least 1."""
    return max(1, math.ceil(chars / _CHARS_PER_TOKEN))


def count_tokens(body: Mapping[str, Any]) -> int:
    """The answer of the token-count endpoint: an estimate from the length of system, messages and tools."""
    parts = [body[key] for key in ("system", "messages", "tools") if key in body]
    return token_estimate(sum(len(json.dumps(part, ensure_ascii=False)) for part in parts))


def _words(call: APICall, groups: Sequence[str]) -> dict[str, str]:
    prompts = [prompt for prompt in call.prompts if not prompt.startswith("<task-notification>")]
    words = {
        "prompt": call.prompt,
        "prompt_line": _one_line(call.prompt),
        "first_prompt": prompts[0] if len(prompts) > 1 else _NOTHING_BEFORE,
        "previous_prompt": prompts[-2] if len(prompts) > 1 else _NOTHING_BEFORE,
        "tool_result": call.tool_result.strip(),
        "attachment_count": str(call.attachments),
        "model": call.model,
        "turn": str(len(prompts)),
        "failures": ", ".join(f"`{name}`" for name in FAILURES),
    }
    return words | {f"match_{number}": group for number, group in enumerate(groups, start=1)}


def _fill(template: str, words: Mapping[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda found: words.get(found[1], ""), template)


def _one_line(text: str) -> str:
    line = text.strip().partition("\n")[0].strip()
    return line if len(line) <= _LINE_CHARS else line[: _LINE_CHARS - 1].rstrip() + "…"


def _content(block: Block, words: Mapping[str, str]) -> dict[str, Any]:
    if isinstance(block, TextBlock):
        return {"type": "text", "text": _fill(block.text, words)}
    if isinstance(block, ThinkingBlock):
        thought = _fill(block.text, words)
        return {"type": "thinking", "thinking": thought, "signature": _signature(thought)}
    return _tool_use(block.name, block.input)


def _tool_use(name: str, input: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "tool_use", "id": f"toolu_sim_{uuid.uuid4().hex[:20]}", "name": name, "input": dict(input)}


def _signature(thought: str) -> str:
    return "sim" + base64.b64encode(hashlib.sha256(thought.encode()).digest()).decode()


def _structured(step: Step, call: APICall, scenario: Scenario, words: Mapping[str, str]) -> Mapping[str, Any] | None:
    if call.schema is None:
        return None
    if step.structured is not None and _has_keys_for(step.structured, call.schema):
        filled: Mapping[str, Any] = _filled_in(step.structured, words)
        return filled
    has_tools = not all(isinstance(block, TextBlock | ThinkingBlock) for block in step.blocks)
    if not scenario.fill_schema or has_tools:
        return None
    made = example(call.schema)
    return made if isinstance(made, dict) else None


def _has_keys_for(given: Mapping[str, Any], schema: Mapping[str, Any]) -> bool:
    """Whether an object was meant for this schema: a person's own schema, sent with a prompt we know, gets its own."""
    required, known = set(schema.get("required", ())), set(schema.get("properties", ()))
    is_closed = schema.get("additionalProperties") is False
    return required <= set(given) and (not is_closed or set(given) <= known)


def _filled_in(value: Any, words: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _fill(value, words)
    if isinstance(value, Mapping):
        return {key: _filled_in(item, words) for key, item in value.items()}
    return [_filled_in(item, words) for item in value] if isinstance(value, list | tuple) else value


def _usage(given: Usage, call: APICall, content: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    said = sum(len(block.get("text") or block.get("thinking") or json.dumps(block.get("input"))) for block in content)
    asked = len(call.tool_result) if call.rounds else len(call.prompt)
    return {
        "input_tokens": token_estimate(asked) if given.input_tokens is None else given.input_tokens,
        "cache_creation_input_tokens": given.cache_creation_input_tokens or 0,
        "cache_read_input_tokens": given.cache_read_input_tokens or 0,
        "output_tokens": token_estimate(said) if given.output_tokens is None else given.output_tokens,
    }
