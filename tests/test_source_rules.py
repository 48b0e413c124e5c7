"""What no linter knows to look for in the package's own code."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "claude_magic"
MAY_SPLIT_LINES: dict[str, str] = {}
"""Files that may call `splitlines`, and why. It also breaks at U+2028, U+0085 and six more, which JSON Lines, session
files and other data may hold within a line: `split("\\n")`, or reading a binary file line by line, is right there."""


def test_only_a_line_feed_ends_a_line() -> None:
    """No code of the package calls `splitlines` on data."""
    found = {
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in PACKAGE.rglob("*.py")
        if str(path.relative_to(PACKAGE)) not in MAY_SPLIT_LINES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "splitlines"
    }

    assert found == set()
