"""The file of a tape, and how its runs are read.

A tape holds what went in, what came out, and when; no environment and no credential. Its lines, each ended by a line
feed and by nothing else:

    {"tape": 1, "created": "…"}                       first line
    {"run": "ID", "prompt": …}                        a prompt goes in
    {"of": "ID", "at": 0.12, "line": {…}}             a line comes out, seconds after the prompt
    {"of": "ID", "at": 1.5, "sent": {…}}              an answer to a question goes in

Lines of sessions that run at the same time stand mixed; `of` says to which run a line belongs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from claude_magic.cli.decoder import Content
from claude_magic.paths import open_regular
from claude_magic.permissions import Allow, Decision, Deny

VERSION = 1
_MOST_BYTES = 1 << 30
"""A tape is read into memory; a larger file is something else."""


class _Record(msgspec.Struct):
    """A line of a tape; what a later version adds to it is skipped."""

    tape: int | None = None
    run: str | int | None = None
    prompt: str | list[dict[str, Any]] | None = None
    of: str | int = ""
    at: float = 0.0
    line: dict[str, Any] | None = None
    sent: dict[str, Any] | None = None


@dataclass
class TapeRun:
    """One recorded run.

    Attributes:
        prompt: what went in.
        id: the id that the prompt had; lines that came out name it.
        lines: what came out, each with its time after the prompt, in seconds.
        decisions: how its permission questions were answered, by the id of the tool use.
    """

    prompt: Content
    id: str = ""
    lines: list[tuple[float, dict[str, Any]]] = field(default_factory=list, repr=False)
    decisions: dict[str, Decision] = field(default_factory=dict, repr=False)

    def answer(self, sent: dict[str, Any]) -> None:
        """Take an answer that went in, if it is one to a question of this run."""
        told = _mapping(sent.get("response"))
        for _, line in reversed(self.lines):
            if line.get("type") == "control_request" and line.get("request_id") == told.get("request_id"):
                decision = _decision(_mapping(told.get("response")))
                self.decisions[str(_mapping(line.get("request")).get("tool_use_id"))] = decision
                return


def _decision(answer: dict[str, Any]) -> Decision:
    """Return the decision that `wire_answer` wrote down."""
    if answer.get("behavior") == "allow":
        return Allow(_mapping(answer["updatedInput"]) if answer.get("updatedInput") is not None else None)
    return Deny(str(answer.get("message") or ""), bool(answer.get("interrupt")))


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def encode_record(record: dict[str, Any]) -> bytes:
    """Return a record as a line in ASCII, so that no character of a text can look like the end of a line."""
    return json.dumps(record).encode("ascii") + b"\n"


def decode_record(line: bytes, kind: Any) -> Any:
    """Return what a line holds, as a `msgspec.Struct`; `encode_record` writes more than the standard allows.

    Args:
        line: one line.
        kind: the type it must be of.

    Raises:
        ValueError: it is not JSON, or of another shape; also where it is nested too deeply.
    """
    try:
        try:
            return msgspec.json.decode(line, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return msgspec.convert(json.loads(line), type=kind)  # NaN, and half a surrogate pair
    except msgspec.ValidationError as error:  # not a ValueError before msgspec 0.19
        raise ValueError(str(error)) from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def read_tape(path: str | Path) -> list[TapeRun]:
    """Return the runs of a tape, in order; a last line that was only half written is left out.

    Raises:
        ValueError: the file is not a tape, or a line of it cannot be read; names the file and the line.
    """
    source = Path(path).expanduser()
    runs: list[TapeRun] = []
    by_id: dict[str, TapeRun] = {}
    for number, record in _records(source):
        if number == 1 and record.tape != VERSION:
            raise _not_a_tape(source, f"of version {VERSION}; make one with record=PATH")
        if record.run is not None:
            if record.prompt is None:
                raise _broken(source, number, "a run without a prompt")
            run = by_id[str(record.run)] = TapeRun(record.prompt, str(record.run))
            runs.append(run)
        elif str(record.of) in by_id:
            if record.line is not None:
                by_id[str(record.of)].lines.append((record.at, record.line))
            if record.sent is not None:
                by_id[str(record.of)].answer(record.sent)
    return runs


def _records(source: Path) -> Iterator[tuple[int, _Record]]:
    """Yield the number and the content of each line."""
    number = 0
    try:
        with open_regular(source, limit=_MOST_BYTES) as file:
            for number, line in enumerate(file, 1):  # a binary file: only a line feed ends a line
                try:
                    record = decode_record(line, _Record)
                    if not (math.isfinite(record.at) and record.at >= 0):
                        raise ValueError(f"the time {record.at}")
                except ValueError as error:
                    if number == 1:
                        raise _not_a_tape(source, f"of version {VERSION}; make one with record=PATH") from None
                    if not line.endswith(b"\n"):
                        return  # only half written
                    raise _broken(source, number, str(error)) from None
                yield number, record
    except OSError as error:
        raise ValueError(f"The tape {str(source)!r} cannot be read: {error.strerror}.") from None
    if number == 0:
        raise _not_a_tape(source, "because it is empty")


def _not_a_tape(source: Path, why: str) -> ValueError:
    return ValueError(f"{str(source)!r} is not a tape {why}.")


def _broken(source: Path, number: int, why: str) -> ValueError:
    return ValueError(f"The tape {str(source)!r} has a broken line {number}: {why}.")


def prompt_key(prompt: Content) -> str:
    """Return the text by which a prompt is known: its text blocks, without the one that disarms it."""
    if isinstance(prompt, str):
        return prompt.strip()
    texts = [str(block.get("text", "")) for block in prompt if block.get("type") == "text"]
    return "\n\n".join(text for text in texts if text.strip()).strip()
