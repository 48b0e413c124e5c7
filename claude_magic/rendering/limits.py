"""What a text of the model may cost; `labextension/src/limits.ts` holds the first six numbers as well.

Parsers of Markdown and of code take quadratic time for some texts: those are shown as plain text.
"""

from __future__ import annotations

LONGEST_PARAGRAPH = 4_000
"""Characters of one line, and of one paragraph."""
MOST_SIGNS = 200
"""Signs of Markdown in one paragraph or list item."""
MOST_SIGNS_IN_A_ROW = 1_200
"""Signs of Markdown in lines that follow each other without an empty one, such as a table."""
DEEPEST = 20
"""Quotes and lists in each other."""
MOST_CELLS = 200
"""Cells in one row of a table."""
LONGEST_CODE = 30_000
"""Characters of one block of code that is coloured."""

COLOURING_S = 0.2
"""Seconds that colouring one block of code may take; 28 KB of spaces and quotes took pygments 8 to 41 s."""
COLOURING_OF_A_TURN_S = 1.0
"""Seconds that colouring all code of a turn may take."""
MOST_HTML = 1_000_000
"""Characters of HTML that one text may become; 120 KB of a table became 5 MB."""
