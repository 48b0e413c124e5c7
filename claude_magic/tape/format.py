"""The file of a tape, and how its runs are read.

A tape holds what went in, what came out, and when; no environment and no credential. Its lines:

    {"tape": 1, "created": "…"}                       first line
    {"run": "ID", "prompt": …}                        a prompt goes in
    {"of": "ID", "at": 0.12, "line": {…}}             a line comes out, seconds after the prompt
    {"of": "ID", "at": 1.5, "sent": {…}}              an answer to a question goes in

Lines of sessions that run at the same time stand mixed; `of` says to which run a line belongs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from claude_magic.permissions import Allow, Decision, Deny
from claude_magic.protocol import Content

VERSION = 1


@dataclass
class TapeRun:
    """One recorded run.

    Attributes:
        prompt: what went in.
        lines: what came out, each with its time after the prompt, in seconds.
        decisions: how its permission questions were answered, by the id of the tool use.
    """

    prompt: Content
    lines: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    decisions: dict[str, Decision] = field(default_factory=dict)

    def answer(self, sent: dict[str, Any]) -> None:
        """Take an answer that went in, if it is one to a question of this run."""
        told = sent.get("response") or {}
        for _, line in reversed(self.lines):
            if line.get("type") == "control_request" and line.get("request_id") == told.get("request_id"):
                decision = _decision(told.get("response") or {})
                self.decisions[str((line.get("request") or {}).get("tool_use_id"))] = decision
                return


def _decision(answer: dict[str, Any]) -> Decision:
    """Return the decision that `wire_answer` wrote down."""
    if answer.get("behavior") == "allow":
        return Allow(answer.get("updatedInput"))
    return Deny(str(answer.get("message") or ""), bool(answer.get("interrupt")))


def read_tape(path: str | Path) -> list[TapeRun]:
    """Return the runs of a tape, in order; a last line that was only half written is left out.

    Raises:
        ValueError: the file is no tape, or a line of it cannot be read.
    """
    source = Path(path).expanduser()
    try:
        lines = source.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"The tape {str(source)!r} cannot be read: {error}.") from None
    runs: list[TapeRun] = []
    by_id: dict[str, TapeRun] = {}
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
        except ValueError:
            if 1 < number == len(lines):
                break
            record = None
        if not isinstance(record, dict) and number > 1:
            raise ValueError(f"The tape {str(source)!r} has a broken line {number}.")
        if not isinstance(record, dict) or (number == 1 and record.get("tape") != VERSION):
            raise ValueError(f"{str(source)!r} is no tape of version {VERSION}; make one with record=PATH.")
        if "run" in record:
            run = by_id[str(record["run"])] = TapeRun(record["prompt"])
            runs.append(run)
        elif "line" in record and str(record.get("of")) in by_id:
            by_id[str(record["of"])].lines.append((float(record.get("at", 0.0)), record["line"]))
        elif "sent" in record and str(record.get("of")) in by_id:
            by_id[str(record["of"])].answer(record["sent"])
    if not lines:
        raise ValueError(f"{str(source)!r} is no tape: it is empty.")
    return runs


def prompt_key(prompt: Content) -> str:
    """Return the text by which a prompt is known: its text blocks, without the one that disarms it."""
    if isinstance(prompt, str):
        return prompt.strip()
    texts = [str(block.get("text", "")) for block in prompt if block.get("type") == "text"]
    return "\n\n".join(text for text in texts if text.strip()).strip()
