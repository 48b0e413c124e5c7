"""What a `repr` or a traceback of ours shows: no raw line, no environment, no input of a tool."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from IPython.core.ultratb import VerboseTB

from claude_magic.blocking import ClaudeClient
from claude_magic.cli.command import build_launcher
from claude_magic.cli.decoder import Decoder
from claude_magic.cli.environment import Environment
from claude_magic.config import RetryPolicy, SessionConfig
from claude_magic.engine.turn import Turn
from claude_magic.errors import ClaudeError, CLINotFoundError
from claude_magic.messages import Batch
from claude_magic.permissions import Allow, PermissionRequest
from claude_magic.recording import TapeRun
from claude_magic.records.blocks import BlockAssembler
from claude_magic.redaction import Redactor
from claude_magic.response import Response

SECRET = "sk-ant-PLANTED-0123456789"


def messages() -> list[Any]:
    lines: list[Any] = [
        {"type": "assistant", "message": {"content": [{"type": "text", "text": SECRET}]}},
        {
            "type": "stream_event",
            "event": {"type": "content_block_delta", "delta": {"type": "text_delta", "text": SECRET}},
        },
        {"type": "system", "subtype": "init", "model": "m", "other": SECRET},
        {
            "type": "assistant",
            "message": {"content": [{"type": "tool_use", "id": "1", "name": "Bash", "input": {"a": SECRET}}]},
        },
        {"type": "odd", "value": SECRET},
    ]
    return Decoder(Redactor({"API_KEY": SECRET})).decode([json.dumps(line).encode() for line in lines], 1.0)


def shown() -> dict[str, object]:
    """What can stand at the end of a cell, or in a traceback, by its name."""
    told = messages()
    batch = Batch("main", "sid", "t", told)
    turn = Turn("main", SECRET, messages=told)
    question = PermissionRequest("main", "t", "Bash", {"command": SECRET}, suggestions=({"rule": SECRET},))
    return {
        "messages": told,
        "batch": batch,
        "blocks": BlockAssembler().assemble(batch),
        "turn": turn,
        "response": Response("text", prompt=SECRET, messages=tuple(told)),
        "question": question,
        "allow": Allow({"command": SECRET}, ({"rule": SECRET},)),
        "tape": TapeRun("p", lines=[(0.0, {"line": SECRET})], decisions={"1": Allow({"command": SECRET})}),
        "config": SessionConfig(api_key=SECRET, environment={"A": SECRET}),
        "environment": Environment({"A": SECRET}),
        "nested": [{"a": (turn, batch, question)}],
    }


@pytest.mark.parametrize("name", shown())
def test_no_repr_shows_a_secret(name: str) -> None:
    """Neither in Python nor, where it has its own way, in rich."""
    value = shown()[name]

    assert SECRET not in repr(value)
    if isinstance(value, msgspec.Struct):
        assert SECRET not in repr(value.__rich_repr__())


def test_the_repr_of_a_launch_shows_names_of_no_value(cli_path: Path, tmp_path: Path) -> None:
    """Nor that of the command it is made by."""
    config = SessionConfig(
        cli_path=str(cli_path),
        api_key=SECRET,
        mcp_config={"mcpServers": {"a": {"command": "x", "env": {"TOKEN": SECRET}}}},
    )
    command = build_launcher(config, RetryPolicy(), environ={"HOME": str(tmp_path), "A": SECRET})

    assert SECRET not in repr(command)
    assert SECRET not in repr(command.launch())


def test_the_repr_of_a_turn_is_short() -> None:
    """However many messages it has."""
    assert len(repr(Turn("main", "x" * 10_000, messages=messages() * 1000))) < 200


def traceback_with_values(call: Any) -> str:
    """What `%xmode Verbose` shows of an error."""
    try:
        call()
    except Exception:
        return str(VerboseTB(include_vars=True).text(*sys.exc_info()))
    return ""


CALLS = {
    "execute": lambda client: client.execute("main", "hi"),
    "stream": lambda client: list(client.stream("main", "hi")),
    "submit": lambda client: client.submit("main", "hi").result(),
    "with": lambda client: client.stream("main", "hi").__enter__() and list(client.stream("main", "hi")),
    "account": lambda client: client.account(),
    "session": lambda client: client.create_session(name="main"),
    "no session": lambda client: client.execute("none", "hi"),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_an_error_leaves_the_client_without_our_frames(
    call: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The traceback shows the user's lines, the values in them, and nothing of what is below."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", SECRET)
    with ClaudeClient(SessionConfig(cli_path=str(tmp_path / "none"))) as client:
        client.create_session(name="main")
        told = traceback_with_values(lambda: call(client))

    assert "Error" in told
    assert SECRET not in told
    assert "build_launcher" not in told
    assert "runtime.py" not in told


def test_an_error_keeps_the_frames_of_the_user(tmp_path: Path) -> None:
    """Also where it is raised while another one of the user's is handled."""
    with ClaudeClient(SessionConfig(cli_path=str(tmp_path / "none"))) as client:
        client.create_session(name="main")

        def handle() -> None:
            try:
                raise KeyError("mine")
            except KeyError:
                client.execute("main", "hi")

        with pytest.raises(CLINotFoundError) as caught:
            handle()

    assert isinstance(caught.value, ClaudeError)
    assert caught.traceback[0].path == Path(__file__)
    context = caught.value.__context__
    assert context is None or context.__traceback__ is not None


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_turns": 0},
        {"environment": {"A=B": "1", "K": SECRET}},
        {"environment": {"K": SECRET, "A": "1\0"}},
        {"environment": ["A", SECRET]},
        {"nope": 1},
        {"mcp_config": {"a": {SECRET: {1}}}},
        {"api_key": SECRET, "oauth_token": SECRET},
    ],
    ids=str,
)
@pytest.mark.parametrize("make", [SessionConfig, SessionConfig().replace])
def test_a_wrong_setting_shows_none_of_the_others(make: Any, wrong: dict[str, Any]) -> None:
    """A credential that was given beside it is in no frame of the traceback."""
    given = {"api_key": SECRET, **wrong}

    class Hidden(dict[str, Any]):
        def __repr__(self) -> str:
            return "given"

    hidden = Hidden(given)
    del given, wrong
    told = traceback_with_values(lambda: make(**hidden))

    assert "Error" in told
    assert SECRET not in told
