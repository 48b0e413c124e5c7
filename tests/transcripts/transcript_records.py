"""Session files for tests, in the shapes that the CLIs write, and a count of them that shares no code with ours."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from claude_magic import read_transcripts
from claude_magic.transcripts.transcripts import Transcripts

Record = dict[str, Any]

START = datetime(2026, 11, 2, 9, tzinfo=UTC)
SESSION = "51d409a4-6dcc-49e5-84db-dd1a0d84db4d"
OTHER = "9908c59c-2203-4e61-aa73-04a15892367a"


def at(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def enqueue(seconds: float, session: str = SESSION) -> Record:
    return {"type": "queue-operation", "operation": "enqueue", "timestamp": at(seconds), "sessionId": session}


def prompt(words: Any, seconds: float, *, id: str | None = None, prompt_id: str | None = None, **more: Any) -> Record:
    return {
        "type": "user", "message": {"role": "user", "content": words}, "uuid": id or str(uuid.uuid4()),
        "promptId": prompt_id, "timestamp": at(seconds), "isSidechain": False, "cwd": "/home/you/project",
        "sessionId": SESSION, **more,
    }  # fmt: skip


def usage(
    input: int = 1000, output: int = 50, read: int = 0, wrote_5m: int = 0, wrote_1h: int = 0, **more: Any
) -> Record:
    return {
        "input_tokens": input, "output_tokens": output, "cache_read_input_tokens": read,
        "cache_creation_input_tokens": wrote_5m + wrote_1h,
        "cache_creation": {"ephemeral_5m_input_tokens": wrote_5m, "ephemeral_1h_input_tokens": wrote_1h}, **more,
    }  # fmt: skip


def answer(
    message_id: str,
    seconds: float,
    *blocks: Record,
    used: Record | None = None,
    model: str = "claude-opus-4-8",
    request: str | None = "req_1",
    **more: Any,
) -> Record:
    message = {
        "id": message_id, "type": "message", "role": "assistant", "model": model, "content": list(blocks),
        "usage": usage() if used is None else used,
    }  # fmt: skip
    return {
        "message": message, "requestId": request, "type": "assistant", "uuid": str(uuid.uuid4()),
        "timestamp": at(seconds), "isSidechain": False, "sessionId": SESSION, **more,
    }  # fmt: skip


def text(words: str) -> Record:
    return {"type": "text", "text": words}


def use(id: str, name: str = "Bash", **given: Any) -> Record:
    return {"type": "tool_use", "id": id, "name": name, "input": given}


def result(id: str, content: Any, seconds: float, *, is_error: bool = False, **more: Any) -> Record:
    block = {"tool_use_id": id, "type": "tool_result", "content": content, "is_error": is_error}
    return prompt([block], seconds, **more)


def lines(records: Iterable[Record]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def session_path(root: Path, session: str = SESSION, project: str = "-home-you-project") -> Path:
    return root / "projects" / project / f"{session}.jsonl"


def agent_path(root: Path, agent: str, session: str = SESSION) -> Path:
    return session_path(root, session).with_suffix("") / "subagents" / f"agent-{agent}.jsonl"


def write(path: Path, records: Iterable[Record] | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(records if isinstance(records, bytes) else lines(records))
    return path


def independent_totals(root: Path) -> dict[str, int]:
    """Count tokens the plain way: every line of every file, the latest record of each message, nothing clever."""
    last: dict[tuple[str, str | None], tuple[str, Record]] = {}
    for path in root.rglob("*.jsonl"):
        for line in path.read_bytes().split(b"\n"):
            try:
                record = json.loads(line)
            except ValueError:
                continue
            message = record.get("message") if isinstance(record, dict) else None
            if not isinstance(message, dict) or record.get("type") != "assistant" or "usage" not in message:
                continue
            if message.get("model") == "<synthetic>":
                continue
            key = (message["id"], record.get("requestId"))
            stamp = record["timestamp"]
            if key not in last or stamp >= last[key][0]:
                last[key] = (stamp, message["usage"])
    names = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    return {name: sum(used.get(name) or 0 for _, used in last.values()) for name in names} | {"messages": len(last)}


def our_totals(frame: Any) -> dict[str, int]:
    """Return the sums of `usage()` under the API's names."""
    written = frame["cache_write_5m_tokens"].sum() + frame["cache_write_1h_tokens"].sum()
    return {
        "input_tokens": int(frame["input_tokens"].sum()), "output_tokens": int(frame["output_tokens"].sum()),
        "cache_read_input_tokens": int(frame["cache_read_tokens"].sum()),
        "cache_creation_input_tokens": int(written), "messages": len(frame),
    }  # fmt: skip


def read(root: Path, **options: object) -> Transcripts:
    return read_transcripts(root, cache=False, **options)


def day_of_work() -> list[Record]:
    """Two prompts: one with a tool that fails, one with a subagent."""
    return [
        enqueue(0),
        prompt("look", 1, id="prompt-1", prompt_id="p1"),
        answer("msg_1", 2, {"type": "thinking", "thinking": "hm"}, used=usage(output=1)),
        answer("msg_1", 3, text("I look."), used=usage(output=1)),
        answer("msg_1", 4, use("tool-1", command="ls"), used=usage(output=70)),
        result("tool-1", "no such file", 6.5, is_error=True, promptId="p1"),
        answer("msg_2", 8, text("It is not there.")),
        prompt("ask an agent", 10, id="prompt-2", prompt_id="p2"),
        answer("msg_3", 11, use("tool-2", "Agent", prompt="go")),
        result("tool-2", [text("done"), text("well")], 20),
        answer("msg_4", 21, text("The agent says done.")),
    ]


def agents_work() -> list[Record]:
    side = {"isSidechain": True, "agentId": "a1"}
    return [
        prompt("go", 12, prompt_id="p2", **side),
        answer("msg_5", 13, use("tool-3", "Grep", pattern="x"), model="claude-haiku-4-5", **side),
        result("tool-3", "x", 14, **side),
        answer("msg_6", 15, text("done"), model="claude-haiku-4-5", **side),
    ]
