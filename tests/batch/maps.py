"""Maps over fake CLIs: what the tests of maps share."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

from fakes import Behaviour, FakeCLIs, FakeTransport, prompt_of

from claude_magic.batch.async_run import AsyncMapRun


class PaidCLIs(FakeCLIs):
    """Fake CLIs that remember what was asked, and say what a test wants.

    Args:
        fail: what goes wrong with a prompt: an error's fields for its result, or `None`.
        cost_usd: what each answer costs.
    """

    def __init__(self, fail: Any = None, cost_usd: float = 0.01, behave: Behaviour | None = None) -> None:
        super().__init__(behave or self._answer)
        self.fail = fail
        self.cost_usd = cost_usd
        self.asked: Counter[str] = Counter()

    async def _answer(self, cli: FakeTransport, message: dict[str, Any]) -> None:
        prompt = prompt_of(message)
        self.asked[prompt] += 1
        wrong = self.fail(prompt) if self.fail is not None else None
        if wrong is None:
            await cli.answer(message, f"echo: {prompt}", cost_usd=self.cost_usd)
        else:
            cli.begin(message)
            cli.result(is_error=True, cost_usd=self.cost_usd, **wrong)

    def map(self, data: Any, prompt: str, store: Path, **options: Any) -> tuple[Any, AsyncMapRun]:
        """Return a client and a map of it."""
        pool = {name: options.pop(name) for name in ("max_sessions", "max_running") if name in options}
        client = self.client(**pool)
        return client, client.map(data, prompt, cache=store, **options)


def refused(status: int, text: str = "") -> dict[str, Any]:
    """The fields of a result that reports a failure of the API."""
    return {"result": f"API Error: {status} {text}".strip(), "api_error_status": status}


def number_of(prompt: str) -> int:
    """The number in a prompt such as `Row 17`."""
    found = re.search(r"\d+", prompt)
    assert found is not None
    return int(found[0])
