"""The client of a Dask worker in tests: CLIs in memory that write down what is paid for."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from fakes import FakeCLIs, FakeTransport, prompt_of

from claude_magic.client import AsyncClaudeClient
from claude_magic.config import SessionConfig

PAID = "CLAUDE_MAGIC_TEST_PAID"
"""Names the file in which each prompt is written down that is paid for."""


def fake_worker_client(config: SessionConfig, threads: int) -> AsyncClaudeClient:
    """A client over CLIs in memory; an answer takes a moment."""
    log = os.open(os.environ[PAID], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def answer(cli: FakeTransport, message: dict[str, Any]) -> None:
        await asyncio.sleep(0.02)
        prompt = prompt_of(message)
        os.write(log, f"{prompt.split()[1]}\n".encode())
        await cli.answer(message, f"echo: {prompt}")

    return FakeCLIs(answer).client(config, max_sessions=threads)
