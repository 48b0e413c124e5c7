"""What the simulator's tests share: a plain HTTP client, and the surroundings of a CLI with no account."""

from __future__ import annotations

import http.client
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from claude_magic.simulator import Simulator

KEY = "sk-ant-test-not-a-key"
"""What every simulator of these tests asks for."""


@dataclass(frozen=True)
class Reply:
    """An HTTP answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The data of all events of a stream, each checked to carry its own name."""
        return [parse_event(part) for part in self.raw.decode().split("\n\n") if part]

    @property
    def text(self) -> str:
        deltas = (event["delta"] for event in self.events if event["type"] == "content_block_delta")
        return "".join(delta.get("text", "") for delta in deltas)


def parse_event(part: str) -> dict[str, Any]:
    name, data = part.split("\n")
    event: dict[str, Any] = json.loads(data.removeprefix("data: "))
    assert name == f"event: {event['type']}"
    return event


def connect(url: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    assert parts.hostname is not None
    return http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)


def request(url: str, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Reply:
    connection = connect(url)
    try:
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection.request(method, path, data, {"x-api-key": KEY, **(headers or {})})
        response = connection.getresponse()
        return Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    finally:
        connection.close()


def message(prompt: str | list[dict[str, Any]] = "hello", **extra: Any) -> dict[str, Any]:
    """A Messages request with one prompt."""
    messages = [{"role": "user", "content": prompt}]
    return {"model": "claude-test", "max_tokens": 1000, "stream": True, "messages": messages, **extra}


def ask(simulator: Simulator, prompt: str = "hello", **extra: Any) -> Reply:
    return request(simulator.url, "POST", "/v1/messages?beta=true", message(prompt, **extra))


@dataclass(frozen=True)
class Run:
    """What a run of the real CLI printed."""

    exit_code: int
    lines: Sequence[dict[str, Any]]
    stderr: str

    @property
    def result(self) -> dict[str, Any]:
        return next(line for line in reversed(self.lines) if line["type"] == "result")

    def blocks(self, role: str = "assistant") -> list[dict[str, Any]]:
        """The content blocks of all lines of that type, in order."""
        return [block for line in self.lines if line["type"] == role for block in line["message"]["content"]]


def sealed_environment(url: str, home: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "CLAUDE_CONFIG_DIR": str(home / "config"),
        "CLAUDE_CODE_TMPDIR": str(home),
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_API_KEY": KEY,
        "DISABLE_AUTOUPDATER": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CODE_MAX_RETRIES": "1",
        "IS_SANDBOX": "1",
    }
