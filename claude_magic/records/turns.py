"""`TurnRecord`: one finished turn, as a plain record."""

from __future__ import annotations

from dataclasses import dataclass

from claude_magic.messages import MessageType
from claude_magic.response import Response

_TOOL_USE = MessageType.TOOL_USE


@dataclass(frozen=True)
class TurnRecord:
    """One row of `frames.turns()`; the columns have the same names.

    An unprompted turn (a background task reported, a schedule came due) has an empty `prompt`, and a `turn_id` that no
    prompt has.
    """

    session: str
    session_id: str
    turn: int
    turn_id: str
    model: str
    started: float
    duration_s: float
    ttft_s: float | None
    outcome: str
    error: str
    num_steps: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cost_usd: float
    estimated: bool
    tool_uses: int
    prompt: str
    text: str
    simulated: bool
    map_id: str = ""

    @property
    def prompted(self) -> bool | None:
        """Whether a prompt asked for it; `None` where the prompt was not kept."""
        return None if self.prompt is None else self.prompt != ""

    @classmethod
    def from_response(cls, response: Response) -> TurnRecord:
        """Return the record of a response, whatever its outcome."""
        usage = response.usage
        return cls(
            session=response.session,
            session_id=response.session_id,
            turn=response.turn,
            turn_id=response.turn_id,
            model=response.model,
            started=response.started,
            duration_s=response.duration_s,
            ttft_s=response.ttft_s,
            outcome=str(response.outcome),
            error=response.error,
            num_steps=response.num_steps,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_read_tokens=usage.cache_read_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            cost_usd=response.cost_usd,
            estimated=response.estimated,
            tool_uses=len([None for message in response.messages if message.type is _TOOL_USE]),
            prompt=response.prompt,
            text=response.text,
            simulated=response.simulated,
            map_id=response.map_id,
        )
