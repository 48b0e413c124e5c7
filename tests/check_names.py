"""Fails where two public classes of the package share a name; `make check` runs it.

A reader who looks for a class finds one. `MAY_SHARE` names those that share theirs, and why; a name that is no longer
shared has to leave it.
"""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MAY_SHARE = {
    "Usage": "tokens of a turn; of an API call in a session file; what the simulator reports, in the API's words",
}


def found(package: Path = ROOT / "claude_magic") -> Iterator[str]:
    """Yield a line for each name that more than one module gives to a class, and for each exception without a need."""
    homes: defaultdict[str, list[str]] = defaultdict(list)
    for path in sorted(package.rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(path.relative_to(package).as_posix())
    for name, modules in sorted(homes.items()):
        if len(modules) > 1 and name not in MAY_SHARE:
            yield f"{name} is a class of {' and of '.join(modules)}: give each a name of its own"
    for name in MAY_SHARE:
        if len(homes[name]) < 2:
            yield f"{name} is one class: take it out of MAY_SHARE in tests/check_names.py"


if __name__ == "__main__":
    places = list(found())
    print(*places, sep="\n")
    sys.exit(bool(places))
