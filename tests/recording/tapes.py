"""What the tests of tapes share: a CLI that tells a secret, and a replayer that does not wait."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fakes import Behaviour, FakeCLIs, FakeTransport, prompt_of

from claude_magic.config import SessionConfig
from claude_magic.permissions import Allow, Ask, PermissionRequest
from claude_magic.recording import TapeReplayer

SECRET = "s3cret-value-123"


async def talk(cli: FakeTransport, message: dict[str, Any]) -> None:
    """Answer with the secret split over two deltas; a prompt "tool" asks for permission first."""
    cli.begin(message)
    if prompt_of(message) == "tool":
        await cli.ask("Bash", {"command": f"echo {SECRET}"})
    cli.text("the value is s3cret-", "value-123, and that is all")
    cli.result(cost_usd=0.25)


def allow(request: PermissionRequest) -> Allow:
    return Allow()


async def record(
    path: Path, *prompts: str, behave: Behaviour = talk, config: SessionConfig | None = None, ask: Ask = allow
) -> None:
    """Record what becomes of prompts in one session, one after the other."""
    async with FakeCLIs(behave).client(config, record=path, ask=ask) as client:
        await client.create_session(name="main")
        for prompt in prompts:
            await client.execute("main", prompt)


def replayer(path: Path) -> TapeReplayer:
    return TapeReplayer(path, speed=0)
