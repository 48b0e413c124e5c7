"""Texts as long as an answer may be, each of one kind of Markdown over and over."""

from __future__ import annotations

LONG = {
    "items": "- a\n",
    "numbered items": "1. a\n",
    "items in each other": "- a\n  - b\n    - c\n",
    "items, 15 deep": "- " * 15 + "a\n",
    "paragraphs": "a\n\n",
    "headings": "# a\n",
    "rows of a table": "|a|b|\n",
    "tables": "|a|\n|-|\n|b|\n\n",
    "links": "[a](b)\n\n",
    "brackets": "[" * 198 + "\n\n",
    "emphasis": "*a **a " * 66 + "\n\n",
    "openings of formulas": "\\( " * 1_300 + "\n\n",
    "money": "$5\n\n",
    "fences": "```python\nx = 1\n```\n",
    "colons": ":" * 3_900 + "\n\n",
}


def long_text(name: str) -> str:
    """Return 200 KB of a kind, and a last word."""
    start = "|a|b|\n|-|-|\n" if name.startswith("rows") else ""
    return start + LONG[name] * (200_000 // len(LONG[name])) + "\n\nlast"
