"""Say what is new in a version of the CLI, against what was recorded of another.

    python tests/compare_cli.py CLI [--recorded VERSION]

Plays the situations of `record_fixtures.py` with the CLI and compares what it writes with tests/fixtures/: message
types that are new or gone, fields of each type, and the inventory (flags, tools, slash commands, models). Values do
not count, only shapes. A situation that does not end is named, and the rest is compared.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))  # the tests' own helpers, as pytest sees them
from record_fixtures import FOLDER, SITUATIONS, inventory, record

from claude_magic.cli.discovery import cli_version

# Below these the keys are data (names of models, arguments of tools), not part of the protocol.
_DATA = frozenset(("input", "modelUsage", "model_usage_since_last_result", "structured_output", "response"))

Shapes = dict[str, set[str]]


def shapes(lines: Iterable[bytes]) -> Shapes:
    """Return the fields of each kind of message, as dotted paths; `[]` stands for the items of a list.

    Args:
        lines: lines of the CLI's stdout.
    """
    found: Shapes = {}
    for line in lines:
        message = json.loads(line)
        found.setdefault(_kind(message), set()).update(_paths(message))
    return found


def differences(before: Mapping[str, Iterable[str]], now: Mapping[str, Iterable[str]]) -> list[str]:
    """Return what was added and removed, one line per heading and direction; empty where nothing changed.

    Args:
        before: names under each heading, as they were.
        now: the same, as they are.
    """
    lines = [f"new: {name}" for name in sorted(set(now) - set(before))]
    lines += [f"gone: {name}" for name in sorted(set(before) - set(now))]
    for name in sorted(set(before) & set(now)):
        added, removed = set(now[name]) - set(before[name]), set(before[name]) - set(now[name])
        lines += [f"{name}: new {', '.join(sorted(added))}"] if added else []
        lines += [f"{name}: gone {', '.join(sorted(removed))}"] if removed else []
    return lines


def recorded_versions() -> list[str]:
    """Return the versions that tests/fixtures/ has recordings of, the oldest first."""
    found = {path.stem.rpartition("-")[2] for path in FOLDER.glob("inventory-*.json")}
    return sorted(found, key=lambda version: [int(part) for part in version.split(".")])


def _kind(message: dict[str, Any]) -> str:
    """Return the type, with what tells its shapes apart: subtype, request, or event of the stream."""
    inner = message.get("request") or message.get("response") or message.get("event") or {}
    parts = (message.get("type"), message.get("subtype"), inner.get("subtype"), inner.get("type"))
    return "/".join(str(part) for part in parts if part)


def _paths(value: Any, path: str = "") -> Iterator[str]:
    if path:
        yield path
    if isinstance(value, dict) and path.rpartition(".")[2] not in _DATA:
        for key, item in value.items():
            yield from _paths(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for item in value:
            yield from _paths(item, f"{path}[]")


def _recorded(version: str) -> Shapes:
    return shapes(
        line for path in sorted(FOLDER.glob(f"*-{version}.ndjson")) for line in path.read_bytes().split(b"\n") if line
    )


def _played(cli: Path) -> Shapes:
    lines: list[bytes] = []
    for situation in SITUATIONS:
        try:
            lines += asyncio.run(asyncio.wait_for(record(cli, situation), timeout=60))
        except Exception as error:
            sys.stdout.write(f"The situation {situation!r} failed: {error!r}\n")
    return shapes(lines)


def main() -> None:
    """Compare one CLI with a recorded version and print the differences."""
    versions = recorded_versions()
    parser = argparse.ArgumentParser(description="Say what is new in a version of the CLI.")
    parser.add_argument("cli", type=Path)
    parser.add_argument("--recorded", choices=versions, default=versions[-1], help="compare with this version")
    options = parser.parse_args()
    offered = json.loads((FOLDER / f"inventory-{options.recorded}.json").read_text(encoding="utf-8"))
    sys.stdout.write(f"{cli_version(options.cli)} compared with {options.recorded}\n\n")
    for heading, lines in (
        ("Messages", differences(_recorded(options.recorded), _played(options.cli))),
        ("Inventory", differences(offered, asyncio.run(inventory(options.cli)))),
    ):
        sys.stdout.write(f"{heading}\n" + "".join(f"  {line}\n" for line in lines or ["nothing is different"]) + "\n")


if __name__ == "__main__":
    main()
