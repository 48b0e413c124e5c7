"""Fails where a word stands that readers stumble over; `make check` runs it.

Each pattern says what to write in its place. It looks at what people read: docstrings, comments and messages of the
package and of the page, and the documents.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
READ = ("claude_magic/**/*.py", "labextension/src/**/*.ts", "README.md", "CONTRIBUTING.md", "docs/**/*.md")
AVOIDED = {
    r"how-manieth": "number of the turn",
    r"(?:nobody|somebody|whoever)": "no one, or name who it is: the caller, the waiter, a person",
    r"likewise": "say it again",
    r"(?:is|are|was|were) no (?!longer|such|more|one|\w+er than|limit)": "is not a",
}
_PATTERN = re.compile("|".join(rf"(?P<w{at}>\b{words}\b)" for at, words in enumerate(AVOIDED)), re.IGNORECASE)
_THERE = re.compile(r"\bthere (?:is|are|was|were) no\b", re.IGNORECASE)


def found(root: Path = ROOT) -> Iterator[str]:
    """Yield a line for each place: the file, its line, the words, and what to write."""
    for pattern in READ:
        for path in sorted(root.glob(pattern)):
            for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
                for match in _PATTERN.finditer(_THERE.sub("", line)):
                    better = list(AVOIDED.values())[int((match.lastgroup or "w0")[1:])]
                    yield f"{path.relative_to(root)}:{number}: {match[0].strip()!r}: {better}"


if __name__ == "__main__":
    places = list(found())
    print(*places, sep="\n")
    sys.exit(bool(places))
