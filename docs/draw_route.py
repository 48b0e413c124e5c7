"""Draw the route of a prompt: pictures/route.svg, and route-dark.svg for dark pages.

python docs/draw_route.py
"""

from __future__ import annotations

from html import escape
from pathlib import Path

FOLDER = Path(__file__).parent / "pictures"
WIDTH, ROW, TOP, LEFT, BOX = 760, 74, 46, 190, 380
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
STATIONS = (
    ("the cell", "%%claude Why does it drop in March?", "you"),
    ("magics", "fills in variables, makes a Turn", "notebook"),
    ("display", "attaches to the turn, waits, asks the person", "notebook"),
    ("client, session", "a session by name; one turn at a time", "engine"),
    ("pool", "a warm process, or a new one; idle ones give way", "engine"),
    ("cli", "bytes → whole lines → batches of messages", "program"),
    ("claude", "the real CLI: conversation, tools, the API", "outside"),
)
WORLDS = {
    "notebook": "the kernel's main thread",
    "engine": "one event loop in a thread of its own",
    "program": "the only part that knows a process",
}
COLOURS = {
    "route.svg": {
        "text": "#1f2328", "soft": "#59636e", "line": "#8c959f", "down": "#b3561d", "up": "#0a6e7c",
        "you": "#fff4ec", "notebook": "#fff4ec", "engine": "#eef6f7", "program": "#eef6f7", "outside": "#f3f1f8",
    },
    "route-dark.svg": {
        "text": "#e6e6e6", "soft": "#a8b0b8", "line": "#69727b", "down": "#f0955a", "up": "#5cc3d0",
        "you": "#3a2a20", "notebook": "#3a2a20", "engine": "#1d3236", "program": "#1d3236", "outside": "#2c2838",
    },
}  # fmt: skip


def main() -> None:
    """Write both pictures."""
    for name, colours in COLOURS.items():
        (FOLDER / name).write_text(route(colours), encoding="utf-8")


def route(colours: dict[str, str]) -> str:
    """Return the picture in these colours."""
    height = TOP + ROW * len(STATIONS) + 14
    pieces = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="{FONT}" role="img">',
        "<title>The route of a prompt</title>",
        _text(LEFT - 84, 26, "the prompt goes down", colours["down"], 13, "middle"),
        _text(LEFT + BOX + 84, 26, "its messages come up", colours["up"], 13, "middle"),
    ]
    bottom = TOP + ROW * (len(STATIONS) - 1) + 27
    pieces += [
        _arrow(LEFT - 24, TOP + 27, bottom, colours["down"]),
        _arrow(LEFT + BOX + 24, bottom, TOP + 27, colours["up"]),
    ]
    for place, (title, words, world) in enumerate(STATIONS):
        y = TOP + ROW * place
        pieces += [
            f'<rect x="{LEFT}" y="{y}" width="{BOX}" height="54" rx="8" fill="{colours[world]}" '
            f'stroke="{colours["line"]}"/>',
            _text(LEFT + 16, y + 23, title, colours["text"], 15, weight=600),
            _text(LEFT + 16, y + 43, words, colours["soft"], 13),
        ]
    for world, words in WORLDS.items():
        rows = [place for place, station in enumerate(STATIONS) if station[2] == world]
        middle = TOP + ROW * (rows[0] + rows[-1]) / 2 + 27
        pieces += _lines(LEFT - 42, middle, words, colours["soft"])
    pieces += _lines(LEFT + BOX + 42, TOP + ROW * 1.5 + 27, "the live view; then records, of which frames are made",
                     colours["soft"], "start")  # fmt: skip
    pieces += _lines(LEFT + BOX + 42, TOP + ROW * 4 + 27, "questions about permission come up, answers go down",
                     colours["soft"], "start")  # fmt: skip
    return "\n".join([*pieces, "</svg>", ""])


def _text(x: float, y: float, words: str, colour: str, size: int, anchor: str = "start", weight: int = 400) -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" fill="{colour}" font-size="{size}" text-anchor="{anchor}" '
        f'font-weight="{weight}">{escape(words)}</text>'
    )


def _lines(x: float, middle: float, words: str, colour: str, anchor: str = "end") -> list[str]:
    lines, line = [], ""
    for word in words.split():
        if len(line) + len(word) > 18:
            lines.append(line)
            line = ""
        line = f"{line} {word}".strip()
    lines.append(line)
    top = middle - 8 * (len(lines) - 1) + 4
    return [_text(x, top + 16 * at, text, colour, 12, anchor) for at, text in enumerate(lines)]


def _arrow(x: float, begin: float, end: float, colour: str) -> str:
    way = 1 if end > begin else -1
    head = f"M{x - 6:g} {end - 9 * way:g} L{x:g} {end:g} L{x + 6:g} {end - 9 * way:g}"
    return (
        f'<path d="M{x:g} {begin:g} L{x:g} {end:g}" stroke="{colour}" stroke-width="2.5" fill="none"/>'
        f'<path d="{head}" stroke="{colour}" stroke-width="2.5" fill="none" stroke-linecap="round" '
        f'stroke-linejoin="round"/>'
    )


if __name__ == "__main__":
    main()
