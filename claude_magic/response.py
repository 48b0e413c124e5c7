"""`Response`: what one prompt brought back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from claude_magic.messages import Message
from claude_magic.strings import shortened

if TYPE_CHECKING:
    import pandas as pd


class Outcome(StrEnum):
    """How a turn ended. `error` and `timeout` are raised; the others are returned."""

    SUCCESS = "success"
    INTERRUPTED = "interrupted"
    MAX_TURNS = "max_turns"
    BUDGET = "budget"
    DENIED = "denied"
    ERROR = "error"
    TIMEOUT = "timeout"


class AnswerSource(StrEnum):
    """Who answered: the model, the simulator in its place, a recording of it, or an answer that was kept before."""

    MODEL = "model"
    SIMULATOR = "simulator"
    RECORDING = "recording"
    CACHE = "cache"


@dataclass(frozen=True)
class Usage:
    """Tokens of one turn, subagents included.

    Attributes:
        input_tokens: read afresh, neither from nor into the cache.
        output_tokens: written by the model, thinking included.
        cache_read_tokens: read from the prompt cache.
        cache_write_tokens: written into the prompt cache.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cache_read_tokens + other.cache_read_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
        )

    @property
    def total_input_tokens(self) -> int:
        """Everything the model read: fresh, from the cache and into it."""
        return self.input_tokens + self.cache_read_tokens + self.cache_write_tokens


NO_USAGE = Usage()


@dataclass(frozen=True)
class Code:
    """One fenced block of code of an answer.

    Attributes:
        language: the word after the fence, or "".
        text: the code, without its last line feed.
    """

    language: str
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, repr=False)
class Response:
    """What one prompt brought back.

    Example::

        response = client.execute("analysis", "Which month was best? Answer with a table.")
        print(response.text, response.cost_usd, response.usage.output_tokens)
        months = response.tables[0] if response.tables else None

    Attributes:
        text: the answer, Markdown; secrets are redacted.
        structured: the object that fits the session's JSON Schema, or `None`.
        outcome: how the turn ended.
        denials: tool uses that were not allowed, as the CLI lists them.
        cost_usd: what the CLI reported for this turn, in US dollars.
        estimated: the CLI did not report all of it (an interrupted call on an older CLI); the list prices fill in.
        usage: tokens, subagents included.
        duration_s: from sending the prompt to the end, in seconds.
        waited_s: how much of that the CLI waited for a person to answer a question, in seconds.
        ttft_s: from sending the prompt to the first token, in seconds; `None` if there was none.
        turn: number of the turn in the session, from 1.
        turn_id: uuid of the prompt, the same in the CLI's session file.
        session: name of the session.
        session_id: the CLI's id of the conversation.
        model: the model that answered, as the CLI names it.
        num_steps: API calls the CLI counted.
        prompt: the prompt, as text.
        messages: every message of the turn, in order.
        source: who answered.
        cached_source: who answered when the answer was kept, where `source` is the cache; else `None`.
        started: when the prompt was sent, in unix seconds.
        error: the failure in words; "" where there is none.
        process_gone: whether the CLI's process ended before the turn did, such as by force; the session resumes in a
            new one.
        sent: whether the prompt was sent to the CLI as a turn of its own. One that was stopped before has cost nothing;
            one that succeeded without was read with a step of the turn that ran.
        map_id: the map whose row it answers; "" for any other.
    """

    text: str
    structured: Any = None
    outcome: Outcome = Outcome.SUCCESS
    denials: tuple[Mapping[str, Any], ...] = ()
    cost_usd: float = 0.0
    estimated: bool = False
    usage: Usage = NO_USAGE
    duration_s: float = 0.0
    waited_s: float = 0.0
    ttft_s: float | None = None
    turn: int = 0
    turn_id: str = ""
    session: str = ""
    session_id: str = ""
    model: str = ""
    num_steps: int = 0
    prompt: str = ""
    messages: tuple[Message, ...] = field(default=(), compare=False)
    source: AnswerSource = AnswerSource.MODEL
    cached_source: AnswerSource | None = None
    started: float = 0.0
    error: str = ""
    process_gone: bool = False
    sent: bool = True
    map_id: str = ""

    @property
    def simulated(self) -> bool:
        """Whether no model was ever called for it: a simulator answered, or a recording."""
        return (self.cached_source or self.source) in (AnswerSource.SIMULATOR, AnswerSource.RECORDING)

    @property
    def code(self) -> list[Code]:
        """The fenced blocks of the answer, in order."""
        return [Code(match["language"].strip(), match["text"]) for match in _FENCE.finditer(self.text)]

    @property
    def tables(self) -> list[pd.DataFrame]:
        """The Markdown tables of the answer as DataFrames, in order; numbers become numbers."""
        from claude_magic.markdown_tables import markdown_tables

        return markdown_tables(self.text)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        first = self.text.strip().split("\n", 1)[0]
        numbers = f"turn={self.turn} {self.duration_s:.1f} s ${self.cost_usd:.4f}"
        return f"<Response {self.outcome} {numbers} {shortened(first, 60)!r}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        from claude_magic.rendering import response_bundle

        return response_bundle(self)


_FENCE = re.compile(
    r"^ {0,3}(?P<fence>`{3,}|~{3,})(?P<language>[^\n`]*)\n(?P<text>.*?)\n?^ {0,3}(?P=fence)[`~]*[ \t]*$",
    re.MULTILINE | re.DOTALL,
)
