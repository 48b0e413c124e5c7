"""Makes an archive of session files: the shapes of CLI 2.1.197 and 2.1.330, in a mix as long work leaves it behind."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

OLD, NEW = "2.1.197", "2.1.330"
MODELS = {OLD: ("claude-opus-4-8", "claude-haiku-4-5"), NEW: ("claude-opus-5-5", "claude-haiku-5-5")}
WORDS = re.findall(
    r"\w+",
    "the frame has two columns of dates as text so they sort as words and the totals by region are off because a few "
    "rows repeat the header we read it again with dtype given group by month and compare with the sheet that finance "
    "sent last week before anything is written to disk",
)
SESSION_BYTES = 1_200_000
"""About how long one session becomes, its subagents included."""

Record = dict[str, Any]


def write_archive(root: Path, megabytes: float, seed: int = 7) -> int:
    """Write session files below `root/projects` until there are so many megabytes; return the bytes written.

    One session in eight is a fork of the one before it: its history is copied, under a new session id, as the CLI does.
    """
    chance = random.Random(seed)
    written = number = 0
    last: list[Record] = []
    while written < megabytes * 1e6:
        folder = root / "projects" / f"-home-user-project-{number % 12}"
        folder.mkdir(parents=True, exist_ok=True)
        version = OLD if chance.random() < 0.5 else NEW
        session = Session(chance, version, number, history=last if number % 8 == 7 else [])
        lines = list(session.lines(min(SESSION_BYTES, int(megabytes * 2.5e5))))
        written += _write(folder / f"{session.id}.jsonl", lines)
        for agent, told in session.agents.items():
            written += _write(folder / session.id / "subagents" / f"agent-{agent}.jsonl", told)
        last, number = lines, number + 1
    return written


def _write(path: Path, records: list[Record]) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.write_bytes(b"".join(json.dumps(record, separators=(",", ":")).encode() + b"\n" for record in records))


@dataclass
class Session:
    """One session: it yields its records turn by turn.

    Attributes:
        agents: the records of its subagents, by their id.
    """

    chance: random.Random
    version: str
    number: int
    history: list[Record]
    agents: dict[str, list[Record]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.id = self.uuid()
        self.now = datetime(2026, 1, 5, 8, tzinfo=UTC) + timedelta(hours=self.number * 3 % 5000)
        self.parent: str | None = None
        self.bytes = 0

    def lines(self, size: int) -> Iterator[Record]:
        for record in self.history:
            yield {**record, "sessionId": self.id} if "sessionId" in record else record
        yield from self._opening()
        while self.bytes < size:
            yield from self._turn()
            yield {"type": "last-prompt", "lastPrompt": self.words(12), "leafUuid": self.parent, "sessionId": self.id}

    def uuid(self) -> str:
        digits = f"{self.chance.getrandbits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"

    def words(self, count: int) -> str:
        start = self.chance.randrange(len(WORDS))
        return " ".join(WORDS[(start + place) % len(WORDS)] for place in range(count))

    def record(self, kind: str, agent: str = "", **fields: Any) -> Record:
        self.now += timedelta(milliseconds=self.chance.randrange(20, 9000))
        own = {"agentId": agent} if agent else {}
        uuid, parent = self.uuid(), self.parent
        self.parent = uuid
        made = {
            "parentUuid": parent, "isSidechain": bool(agent), **own, **fields, "type": kind, "uuid": uuid,
            "timestamp": self.now.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z", "userType": "external",
            "entrypoint": "sdk-cli", "cwd": f"/home/user/project-{self.number % 12}", "sessionId": self.id,
            "version": self.version, "gitBranch": "main",
        }  # fmt: skip
        self.bytes += 400 + sum(len(str(value)) for value in fields.values())
        return made

    def _opening(self) -> Iterator[Record]:
        for name, size in (("agent_listing_delta", 250), ("skill_listing", 700), ("environment", 150)):
            yield self.record("attachment", attachment={"type": name, "content": self.words(size)})
        if self.version == NEW:
            shape = {"system": [{"type": "text", "text": self.words(2000)}],
                     "tools": [{"name": f"Tool{place}", "text": self.words(250)} for place in range(20)]}  # fmt: skip
            self.bytes += 40_000
            yield {"type": "api-request-shape", "sessionId": self.id, "shapeHash": self.uuid(), "shape": shape}

    def _turn(self) -> Iterator[Record]:
        prompt = self.words(self.chance.choice((8, 30, 200)))
        yield {"type": "queue-operation", "operation": "enqueue", "timestamp": self.now.isoformat(),
               "sessionId": self.id, "content": prompt}  # fmt: skip
        promptId = self.uuid()
        yield self.record("user", promptId=promptId, message={"role": "user", "content": prompt},
                          permissionMode="default", promptSource="sdk")  # fmt: skip
        for _ in range(self.chance.choice((1, 3, 6, 12))):
            yield from self._call(promptId)
        if self.chance.random() < 0.1:
            agent = f"a{self.chance.getrandbits(64):016x}"
            main, self.parent = self.parent, None
            told = [self.record("user", agent, promptId=promptId, message={"role": "user", "content": prompt})]
            for _ in range(4):
                told += self._call(promptId, agent)
            self.agents[agent] = told
            self.parent = main
        yield from self._call(promptId, last=True)

    def _call(self, promptId: str, agent: str = "", last: bool = False) -> Iterator[Record]:
        """One API call: thinking, text and a tool use are a record each, with the same message id and usage."""
        model = MODELS[self.version][bool(agent)]
        tool = f"toolu_01{self.chance.getrandbits(80):020x}"
        name = self.chance.choice(("Bash", "Bash", "Read", "Read", "Grep", "Edit", "Write"))
        blocks: list[Record] = [{"type": "text", "text": self.words(40)}]
        if self.chance.random() < 0.4:
            blocks.insert(0, {"type": "thinking", "thinking": self.words(60), "signature": "c2lnbmF0dXJl" * 40})
        if not last:
            command = self.words(150 if name in ("Edit", "Write") else 10)
            blocks.append({"type": "tool_use", "id": tool, "name": name, "input": {"command": command}})
        whole = {
            "id": f"msg_01{self.chance.getrandbits(80):020x}", "type": "message", "role": "assistant", "model": model,
            "stop_reason": "end_turn" if last else "tool_use", "stop_sequence": None, "usage": self._usage(),
        }  # fmt: skip
        request = f"req_01{self.chance.getrandbits(80):020x}"
        for place, block in enumerate(blocks):
            message = {**whole, "content": [block]}
            if place < len(blocks) - 1:  # the earlier records carry the count as it stood then
                message["usage"] = {**whole["usage"], "output_tokens": 1}
            yield self.record("assistant", agent, message=message, requestId=request)
        if not last:
            yield from self._result(promptId, agent, tool, name)

    def _usage(self) -> Record:
        read, write = self.chance.randrange(10_000, 150_000), self.chance.randrange(0, 6000)
        hour = write if self.chance.random() < 0.3 else 0
        return {
            "input_tokens": self.chance.randrange(3, 900), "cache_creation_input_tokens": write,
            "cache_read_input_tokens": read, "output_tokens": self.chance.randrange(50, 1500),
            "server_tool_use": {"web_search_requests": 0, "web_fetch_requests": 0}, "service_tier": "standard",
            "cache_creation": {"ephemeral_1h_input_tokens": hour, "ephemeral_5m_input_tokens": write - hour},
            "inference_geo": "", "iterations": [], "speed": "standard",
        }  # fmt: skip

    def _result(self, promptId: str, agent: str, tool: str, name: str) -> Iterator[Record]:
        size = {"Bash": 250, "Read": 1500, "Grep": 300, "Edit": 60, "Write": 20}[name]
        output = "\n".join(self.words(12) for _ in range(self.chance.randrange(1, 2 * size // 12 + 2)))
        block = {"tool_use_id": tool, "type": "tool_result", "content": output, "is_error": self.chance.random() < 0.06}
        extra = {"stdout": output, "stderr": "", "interrupted": False, "isImage": False}
        record = self.record("user", agent, promptId=promptId, message={"role": "user", "content": [block]},
                             toolUseResult=extra, sourceToolAssistantUUID=self.parent)  # fmt: skip
        yield record
        if self.version == NEW:  # it stores what it sent a second time
            yield {"type": "api-request-blob", "sessionId": self.id, "hash": self.uuid(), "message": record["message"]}
            self.bytes += len(output)
