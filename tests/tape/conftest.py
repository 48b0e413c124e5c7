"""A tape that many tests play."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import FakeCLIs, compile_fake
from tapes import SECRET, talk

from claude_magic.client import AsyncClaudeClient
from claude_magic.config import SessionConfig
from claude_magic.permissions import Allow


@pytest.fixture
async def tape(tmp_path: Path) -> Path:
    """A tape of three runs, two of them of the same prompt."""
    path = tmp_path / "runs.jsonl"
    config = SessionConfig(api_key=SECRET)
    clis = FakeCLIs(talk)
    async with AsyncClaudeClient(
        config, start=clis.start, compile=compile_fake, record=path, ask=lambda request: Allow()
    ) as client:
        await client.create_session(name="main")
        for prompt in ("hello", "tool", "hello"):
            await client.execute("main", prompt)
    return path
