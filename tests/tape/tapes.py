"""What the tests of tapes share: a CLI that tells a secret, and a player that does not wait."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fakes import FakeTransport, prompt_of

from claude_magic.tape import TapePlayer

SECRET = "s3cret-value-123"


async def talk(cli: FakeTransport, message: dict[str, Any]) -> None:
    """Answer with the secret split over two deltas; a prompt "tool" asks for permission first."""
    cli.begin(message)
    if prompt_of(message) == "tool":
        await cli.ask("Bash", {"command": f"echo {SECRET}"})
    cli.text("the value is s3cret-", "value-123, and that is all")
    cli.result(cost_usd=0.25)


def player(path: Path) -> TapePlayer:
    return TapePlayer(path, speed=0)
