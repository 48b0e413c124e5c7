"""Claude at the kernel where there is none: a shell in this process, as IPython in a terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fakes import FakeCLIs, FakeTransport

Result = dict[str, Any]


async def call(cli: FakeTransport, name: str, number: int, **given: Any) -> Result:
    """Call a tool of the kernel as the CLI does: ask for permission, then call."""
    if name not in ("list_variables", "inspect", "read_cells"):
        answer = await cli.ask(f"mcp__kernel__{name}", given, f"toolu_{number}")
        if answer["response"]["behavior"] == "deny":
            return {"isError": True, "content": [{"type": "text", "text": "denied"}]}
    request_id = f"mcp-{number}"
    cli.answers[request_id] = asyncio.get_running_loop().create_future()
    params = {"name": name, "arguments": given, "_meta": {"claudecode/toolUseId": f"toolu_{number}"}}
    message = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}
    cli.say({
        "type": "control_request", "request_id": request_id,
        "request": {"subtype": "mcp_message", "server_name": "kernel", "message": message},
    })  # fmt: skip
    result: Result = (await cli.answers[request_id])["response"]["mcp_response"]["result"]
    return result


def text_of(result: Result) -> str:
    return "\n".join(str(block.get("text", block["type"])) for block in result["content"])


@pytest.fixture
def prompt(shell: Any, clis: FakeCLIs) -> Callable[..., list[str]]:
    """Runs a cell whose prompt makes these calls, and returns what each brought."""

    def run(line: str, *calls: tuple[str, dict[str, Any]]) -> list[str]:
        told: list[str] = []

        async def behave(cli: FakeTransport, message: dict[str, Any]) -> None:
            cli.begin(message)
            for number, (name, given) in enumerate(calls, 1):
                told.append(text_of(await call(cli, name, number, **given)))
            cli.text("done")
            cli.result()

        clis.behave = behave
        shell.run_cell(f"%%claude {line}\ngo", store_history=True)
        return told

    return run


def test_looking_and_running(shell: Any, prompt: Callable[..., list[str]]) -> None:
    shell.run_cell("numbers = [1, 2, 3]")

    listed, ran, failed = prompt(
        "--kernel run",
        ("list_variables", {}),
        ("run_python", {"code": "print('sum')\ntotal = sum(numbers)\ntotal"}),
        ("run_python", {"code": "numbers[9]"}),
    )

    assert listed == "numbers: list, 3 items: [1, 2, 3]"
    assert ran == "sum\n\n6"
    assert "IndexError: list index out of range" in failed
    assert "total" not in shell.user_ns


def test_code_is_shown_before_it_runs(
    shell: Any, prompt: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole code, and what it is for; nothing runs without a yes."""
    asked: list[str] = []
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("builtins.input", lambda words: asked.append(words) or "n")

    (told,) = prompt("", ("run_python", {"code": "ran = open('proof', 'w')\nran.close()", "purpose": "leave a proof"}))

    assert told == "denied"
    assert "run_python (leave a proof):\n    ran = open('proof', 'w')\n    ran.close()\nAllow?" in asked[0]
    assert not Path("proof").exists()


def test_added_cell_has_a_number_of_its_own(shell: Any, prompt: Callable[..., list[str]]) -> None:
    number = shell.execution_count

    (told,) = prompt("--kernel run", ("add_cell", {"source": "made = 6 * 7\nmade"}))

    assert f"It was run as [{number + 1}]" in told
    assert "42" in told
    assert shell.user_ns["Out"][number + 1] == 42
    shell.run_cell("'after'", store_history=True)
    assert shell.user_ns["Out"][number + 2] == "after"
    assert shell.user_ns["In"][number + 1] == "made = 6 * 7\nmade"
