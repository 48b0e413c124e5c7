"""A tape that many tests play."""

from __future__ import annotations

from pathlib import Path

import pytest
from tapes import SECRET, record

from claude_magic.config import SessionConfig


@pytest.fixture
async def tape(tmp_path: Path) -> Path:
    """A tape of three runs, two of them of the same prompt."""
    path = tmp_path / "runs.jsonl"
    await record(path, "hello", "tool", "hello", config=SessionConfig(api_key=SECRET))
    return path
