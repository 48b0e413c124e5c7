"""What a text of the model may cost. `limits.json` is the table; the page's `limits.ts` is made from it as well.

Parsers of Markdown and of code take quadratic time for some texts: those are shown as plain text. Measured with marked
16.4.2: 10 KB of `*a **a ` take 2.5 s, 50,000 letters before an `@` 4 to 8 s; with these limits the worst paragraph
found takes 0.1 s. Measured with markdown-it-py 4.0: one of the units of `MOST_WORK` takes 10 to 21 µs.
"""

from __future__ import annotations

import json
from importlib.resources import files

_TABLE = json.loads(files(__package__).joinpath("limits.json").read_text(encoding="utf-8"))


def _limit(name: str) -> int:
    return int(_TABLE[name]["value"])


LONGEST_PARAGRAPH = _limit("LONGEST_PARAGRAPH")
MOST_SIGNS = _limit("MOST_SIGNS")
MOST_SIGNS_IN_A_ROW = _limit("MOST_SIGNS_IN_A_ROW")
DEEPEST = _limit("DEEPEST")
MOST_CELLS = _limit("MOST_CELLS")
MOST_WORK = _limit("MOST_WORK")
LONGEST_CODE = _limit("LONGEST_CODE")

COLOURING_S = 0.2
"""Seconds that colouring one block of code may take; 28 KB of spaces and quotes took pygments 8 to 41 s."""
COLOURING_OF_A_TURN_S = 0.4
"""Seconds that colouring all code of a turn may take."""
MOST_HTML = 1_000_000
"""Characters of HTML that one text may become; 120 KB of a table became 5 MB."""
