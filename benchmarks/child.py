"""A stand-in for the Claude CLI that streams as fast as it can, or at a steady pace. Standard library only.

It speaks enough of the stream-json protocol for claude_magic and for `claude-agent-sdk`, and answers every prompt with
the same number of lines: what an agent says that thinks, writes and uses tools, in the shapes and sizes of CLI
2.1.330. All lines are made before the first prompt, so that writing them is all that a turn costs.

Usage: child.py --messages=N [--first=N] [--rate=LINES_PER_SECOND] [--shape=agent|tools|stamped] [FLAGS OF THE CLI]

A turn is N lines (and the echo of the prompt, where the CLI's flag asks for it); the first turn may have fewer, so that
whoever measures can warm up. In the shape `stamped`, at a rate, each piece of text ends with the time at which it was
written, in unix milliseconds: "t1790000000000 ".
"""

from __future__ import annotations

import json
import os
import select
import sys
import time
import uuid
from collections.abc import Iterator
from typing import Any

VERSION = "2.1.330"
SESSION = "0dd9083d-2c15-4ae0-9f47-5805f121b802"
MODEL = "claude-opus-5-5"
NUMBER = "@@@@@@"
"""Stands for the number of the API call, in every id, until the lines are written out."""

STAMP = "t" + 13 * "#"
"""Stands for the time until the line is written, so it has as many digits."""

TEXT_DELTAS, THINKING_DELTAS, INPUT_DELTAS = 150, 30, 10
SENTENCE = "The quick look at the frame shows that two of the columns hold dates as text, so they sort as words."
WORDS = SENTENCE.split()
MARKDOWN = f"""

## What the frame holds

{SENTENCE} {SENTENCE} It is the column `date` that does it, and **not** the totals.

- {SENTENCE}
- A second thing: `region` has a trailing space in *some* of the rows.

```python
frame = pd.read_csv("orders.csv", parse_dates=["date"])
totals = frame.groupby("region")["amount"].sum()
```

{SENTENCE} {SENTENCE} {SENTENCE}"""
TOOL_OUTPUT = "\n".join(f"2026-11-{day:02d}  1299.00  0.25  north  shipped" for day in range(1, 29))
USAGE = {
    "input_tokens": 1000, "output_tokens": 50, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 18000,
}  # fmt: skip


class Lines:
    """Makes the lines of one API call after the other."""

    def __init__(self) -> None:
        self.made = 0

    def line(self, kind: str, **fields: Any) -> str:
        self.made += 1
        ids = {"session_id": SESSION, "uuid": f"214baeb9-78f8-4817-a3{self.made % 100:02d}-17a211{NUMBER}"}
        return json.dumps({"type": kind, **fields, **ids}, separators=(",", ":"))

    def event(self, kind: str, **fields: Any) -> str:
        return self.line(
            "stream_event",
            event={"type": kind, **fields},
            parent_tool_use_id=None,
            api_message_id=f"msg_01ABCDEFGHJKLMNPQR{NUMBER}",
        )

    def delta(self, index: int, kind: str, field: str, text: str) -> str:
        return self.event("content_block_delta", index=index, delta={"type": kind, field: text})

    def assistant(self, block: dict[str, Any]) -> str:
        message = {
            "id": f"msg_01ABCDEFGHJKLMNPQR{NUMBER}", "type": "message", "role": "assistant", "model": MODEL,
            "content": [block], "stop_reason": None, "stop_sequence": None, "usage": USAGE, "context_management": None,
        }  # fmt: skip
        return self.line("assistant", message=message, parent_tool_use_id=None, request_id=f"req_011CQ{NUMBER}")

    def tool_use(self) -> dict[str, Any]:
        command = {"command": "python summarize.py --by region", "description": "Summarize"}
        return {"type": "tool_use", "id": f"toolu_01ABCDEFGHJKLM{NUMBER}", "name": "Bash", "input": command}

    def tool_result(self) -> str:
        block = {"tool_use_id": f"toolu_01ABCDEFGHJKLM{NUMBER}", "type": "tool_result", "content": TOOL_OUTPUT,
                 "is_error": False}  # fmt: skip
        extra = {"stdout": TOOL_OUTPUT, "stderr": "", "interrupted": False, "isImage": False}
        return self.line(
            "user", message={"role": "user", "content": [block]}, parent_tool_use_id=None, tool_use_result=extra
        )

    def call(self) -> Iterator[str]:
        """One API call: it thinks, writes, and uses a tool."""
        message: dict[str, Any] = {
            "id": f"msg_01ABCDEFGHJKLMNPQR{NUMBER}", "type": "message", "role": "assistant", "model": MODEL,
            "content": [], "stop_reason": None, "stop_sequence": None, "usage": USAGE,
        }  # fmt: skip
        yield self.line("system", subtype="status", status="requesting")
        yield self.event("message_start", message=message)
        yield from self._thinking()
        yield from self._text()
        yield from self._tool()
        yield self.event("message_delta", delta={"stop_reason": "tool_use", "stop_sequence": None}, usage=USAGE)
        yield self.event("message_stop")
        yield self.tool_result()

    def _thinking(self) -> Iterator[str]:
        yield self.event("content_block_start", index=0, content_block={"type": "thinking", "thinking": ""})
        pieces = [f"{WORDS[i % len(WORDS)]} {WORDS[(i + 1) % len(WORDS)]} " for i in range(THINKING_DELTAS)]
        for number, piece in enumerate(pieces):
            if number % 10 == 0:
                yield self.line("system", subtype="thinking_tokens", estimated_tokens=4, estimated_tokens_delta=4)
            yield self.delta(0, "thinking_delta", "thinking", piece)
        yield self.delta(0, "signature_delta", "signature", "c2ln" * 40)
        yield self.assistant({"type": "thinking", "thinking": "".join(pieces), "signature": "c2ln" * 40})
        yield self.event("content_block_stop", index=0)

    def _text(self) -> Iterator[str]:
        yield self.event("content_block_start", index=1, content_block={"type": "text", "text": ""})
        pieces = [f"{WORDS[i % len(WORDS)]} {WORDS[(i + 3) % len(WORDS)]} " for i in range(TEXT_DELTAS)]
        for piece in pieces:
            yield self.delta(1, "text_delta", "text", piece)
        yield self.assistant({"type": "text", "text": "".join(pieces)})
        yield self.event("content_block_stop", index=1)

    def _tool(self) -> Iterator[str]:
        yield self.event("content_block_start", index=2, content_block={**self.tool_use(), "input": {}})
        for _ in range(INPUT_DELTAS):
            yield self.delta(2, "input_json_delta", "partial_json", '{"command": "python s')
        yield self.assistant(self.tool_use())
        yield self.event("content_block_stop", index=2)

    def tools(self) -> Iterator[str]:
        """A tool use and its result: two lines, and two entries in a log."""
        yield self.assistant(self.tool_use())
        yield self.tool_result()

    def stamped(self) -> Iterator[str]:
        """One API call that only writes, in Markdown; each piece is three words and the time."""
        words = MARKDOWN.split(" ")
        pieces = [f"{' '.join(words[at : at + 3])} {STAMP} " for at in range(0, len(words), 3)]
        yield self.event("content_block_start", index=0, content_block={"type": "text", "text": ""})
        for piece in pieces:
            yield self.delta(0, "text_delta", "text", piece)
        yield self.event("content_block_stop", index=0)


def stream(count: int, shape: str) -> list[bytes]:
    """Return `count` lines, in chunks that are one API call each."""
    lines = Lines()
    call = list({"agent": lines.call, "tools": lines.tools, "stamped": lines.stamped}[shape]())
    whole = "".join(line + "\n" for line in call).encode()
    chunks = [numbered(whole, number) for number in range(count // len(call))]
    rest = "".join(line + "\n" for line in call[: count % len(call)]).encode()
    return [*chunks, numbered(rest, count // len(call))]


def numbered(data: bytes, number: int) -> bytes:
    return data.replace(NUMBER.encode(), b"%06d" % (number % 1_000_000))


class Child:
    """One conversation: prompts and control requests in, lines out."""

    def __init__(self, argv: list[str]) -> None:
        self.rate = float(option(argv, "rate") or 0)
        self.echoes = "--replay-user-messages" in argv
        shape, messages = option(argv, "shape") or "agent", option(argv, "messages") or "1000"
        # Every turn has an init before these and a result after them.
        self.lines = stream(int(messages) - 2, shape)
        self.first = stream(int(option(argv, "first") or messages) - 2, shape)
        self.turns = 0
        self.conversation = SESSION

    def run(self) -> None:
        for line in sys.stdin.buffer:
            message = json.loads(line)
            if message.get("type") == "control_request":
                self.control(message["request_id"])
            elif message.get("type") == "user":
                self.turn(message)

    def control(self, request_id: str) -> None:
        answer = {"commands": [], "models": [], "account": {}, "claude_code_version": VERSION}
        put("control_response", response={"subtype": "success", "request_id": request_id, "response": answer})

    def turn(self, prompt: dict[str, Any]) -> None:
        self.turns += 1
        is_clear = prompt["message"]["content"] == "/clear"
        if is_clear:
            self.conversation = str(uuid.uuid4())
            put("conversation_reset", new_conversation_id=self.conversation, trigger="clear")
        ids = {"session_id": self.conversation, "uuid": prompt.get("uuid") or f"{SESSION[:-6]}{self.turns:06d}"}
        if self.echoes:
            put("user", message=prompt["message"], parent_tool_use_id=None, isReplay=True, **ids)
        put("system", subtype="init", cwd=os.getcwd(), tools=["Bash"], mcp_servers=[], model=MODEL,
            permissionMode="default", slash_commands=[], apiKeySource="none", claude_code_version=VERSION,
            output_style="default", agents=[], skills=[], plugins=[], **ids)  # fmt: skip
        if is_clear:
            pass  # it answers by itself
        elif self.rate:
            self.write_slowly(self.first if self.turns == 1 else self.lines)
        else:
            for chunk in self.first if self.turns == 1 else self.lines:
                write(chunk)
        usage = {"inputTokens": 1000, "outputTokens": 50, "cacheReadInputTokens": 0, "cacheCreationInputTokens": 0,
                 "costUSD": 0.01, "contextWindow": 1000000}  # fmt: skip
        put("result", subtype="success", is_error=False, result="done", num_turns=1, duration_ms=1, duration_api_ms=1,
            stop_reason="end_turn", terminal_reason="completed", total_cost_usd=0.01 * self.turns, usage=USAGE,
            modelUsage={MODEL: usage}, permission_denials=[], user_message_uuids=[ids["uuid"]], **ids)  # fmt: skip

    def write_slowly(self, chunks: list[bytes]) -> None:
        due = time.monotonic()
        for chunk in chunks:
            for line in chunk.splitlines(keepends=True):
                due += 1 / self.rate
                # At this pace there is time to listen; whatever is said, or the end of stdin, ends the turn.
                if select.select([0], [], [], max(0.0, due - time.monotonic()))[0]:
                    self.listen()
                    return
                write(line.replace(STAMP.encode(), b"t%013d" % (1e3 * time.time())))

    def listen(self) -> None:
        line = sys.stdin.buffer.readline()
        if line:
            self.control(json.loads(line)["request_id"])


def put(kind: str, **fields: Any) -> None:
    write(json.dumps({"type": kind, **fields}, separators=(",", ":")).encode() + b"\n")


def write(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]


def option(argv: list[str], name: str) -> str | None:
    """Return the value of `--name=value`."""
    return next((word.partition("=")[2] for word in argv if word.startswith(f"--{name}=")), None)


if __name__ == "__main__":
    if "-v" in sys.argv or "--version" in sys.argv:
        write(f"{VERSION} (Claude Code)\n".encode())
    elif "--help" in sys.argv:
        write(b"  --session-id <uuid>\n")
    else:
        Child(sys.argv[1:]).run()
