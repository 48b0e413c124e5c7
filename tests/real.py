"""The real CLI and a simulated API, for the tests that run both."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from claude_magic.client import AsyncClaudeClient
from claude_magic.config import PoolConfig, RetryPolicy, SessionConfig, SimulatedAPI
from claude_magic.simulator import Simulator
from claude_magic.transcripts.transcripts import read_transcripts

GUARD_S = 60.0
"""No test waits longer for anything; a good run is far from it."""


def real_config(cli_path: Path, tmp_path: Path, api: Simulator | str, **settings: Any) -> SessionConfig:
    """Settings of a session with the real CLI, in folders of the test's own; an address is one where nobody listens."""
    for name in ("work", "config"):
        (tmp_path / name).mkdir(exist_ok=True)
    environment = {
        "IS_SANDBOX": "1",  # lets the CLI run tools where the tests run as root
        "HOME": str(tmp_path),
        "CLAUDE_CODE_TMPDIR": str(tmp_path),
        **settings.pop("environment", {}),
    }
    url, key = (api, "sk-ant-test-not-a-key") if isinstance(api, str) else (api.url, api.key)
    return SessionConfig(
        cli_path=str(cli_path), working_dir=tmp_path / "work", environment=environment,
        simulated=SimulatedAPI(url, str(tmp_path / "config"), key), **settings,
    )  # fmt: skip


def real_client(config: SessionConfig, **options: Any) -> AsyncClaudeClient:
    """A client that warms nothing and tries an API failure once more."""
    pool = PoolConfig(prewarm=0, acquire_timeout_s=GUARD_S)
    return AsyncClaudeClient(config, **{"pool": pool, "retry": RetryPolicy(max_retries=1), **options})


async def until(condition: Callable[[], object]) -> None:
    """Return when the condition holds: another process moves on, and tells nobody."""
    async with asyncio.timeout(GUARD_S):
        while not condition():  # noqa: ASYNC110  another process moves on
            await asyncio.sleep(0.01)


async def until_told(config: Path, text: str) -> None:
    """Return when the last turn of the CLI's file has this text.

    The older CLI writes it up to 0.1 s after it has answered; what is not written when it is killed, it forgets.
    """
    await until(lambda: read_transcripts(config, cache=False).turns()["text"].to_list()[-1:] == [text])
