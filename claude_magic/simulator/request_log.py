"""What the simulator remembers of the requests it got, readable from every thread."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

__all__ = ["RecordedRequest", "RequestLog", "mask_headers"]

MAX_REQUESTS = 1000
MAX_BODY_BYTES = 64_000_000

_SECRET_HEADERS = frozenset({"authorization", "x-api-key", "proxy-authorization", "cookie"})


@dataclass(frozen=True)
class RecordedRequest:
    """One request as it came. `time` is in seconds since 1970; header names are in lower case, credentials masked.

    `rule` is the name of the rule that answered: in round brackets where no rule of the scenario did, empty where
    the request was not a message.
    """

    time: float
    method: str
    path: str
    headers: Mapping[str, str]
    model: str = ""
    prompt: str = ""
    rule: str = ""
    side: str | None = None
    raw: bytes = field(default=b"", repr=False)

    @cached_property
    def body(self) -> dict[str, Any]:
        """The JSON body as a dict; empty if there was none or it was not a JSON object."""
        try:
            body = json.loads(self.raw)
        except ValueError:
            return {}
        return body if isinstance(body, dict) else {}


def mask_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers with names in lower case and credential values replaced."""
    return {name.lower(): _masked(name.lower(), value) for name, value in headers.items()}


class RequestLog:
    """The last requests, bounded in number and in bytes, and how many there were in all."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._kept: deque[RecordedRequest] = deque()
        self._bytes = 0
        self._count = 0

    def add(self, request: RecordedRequest) -> None:
        """Keep one more and forget the oldest where that is too many."""
        with self._changed:
            self._kept.append(request)
            self._bytes += len(request.raw)
            self._count += 1
            while len(self._kept) > MAX_REQUESTS or (self._bytes > MAX_BODY_BYTES and len(self._kept) > 1):
                self._bytes -= len(self._kept.popleft().raw)
            self._changed.notify_all()

    @property
    def count(self) -> int:
        """How many requests there were, the forgotten ones too."""
        with self._changed:
            return self._count

    def snapshot(self) -> list[RecordedRequest]:
        """A copy of what is kept, oldest first."""
        with self._changed:
            return list(self._kept)

    def wait(self, wanted: Callable[[RecordedRequest], bool], timeout_s: float) -> RecordedRequest:
        """The first kept request that is `wanted`, waiting for it if need be. Raises TimeoutError."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while True:
                found = next((request for request in self._kept if wanted(request)), None)
                if found is not None:
                    return found
                if not self._changed.wait(max(0.0, deadline - time.monotonic())):
                    raise TimeoutError(f"no such request came within {timeout_s:g} s ({self._count} requests so far)")


def _masked(name: str, value: str) -> str:
    if name not in _SECRET_HEADERS:
        return value
    scheme, space, _ = value.partition(" ")
    return f"{scheme} [masked]" if space and name != "cookie" else "[masked]"
