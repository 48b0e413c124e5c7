"""Hostile text made honest, and numbers made readable. No markup here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

# Characters that show nothing but change what a reader sees or copies: bidi controls, zero-width characters,
# fillers, tag characters and variation selectors beyond the emoji ones.
_HIDDEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff9-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e0fff]+"
)
# Joiners belong in emoji and in scripts from Arabic to Myanmar; after anything else they only hide.
_LONE_JOINER = re.compile("(?<![\u0590-\u109f\u200d\u2190-\u2bff\ufe0f\U0001f000-\U0001faff])[\u200c\u200d]+")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_COLOUR_CODE = re.compile("\x1b\\[[0-9;:]*m")
_SPACE = re.compile(r"\s+")


def visible(text: str) -> str:
    """Return `text` with nothing hidden in it.

    Controls become their pictures (ESC is `␛`), bidi controls and zero-width characters become their code points
    in brackets, line ends become line feeds; tabs stay.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = _CONTROL.sub(_control_picture, text)
    if text.isascii():
        return text
    return _LONE_JOINER.sub(_code_point, _HIDDEN.sub(_code_point, text))


def visible_output(text: str) -> str:
    """Return what a tool printed with nothing hidden in it; colour codes, which say nothing, are left out."""
    return visible(_COLOUR_CODE.sub("", text))


def _control_picture(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    return "\ufffd" if code >= 0xD800 else f"⟨U+{code:04X}⟩"


def _code_point(match: re.Match[str]) -> str:
    hidden = match.group()
    more = f" and {len(hidden) - 1} more" if len(hidden) > 1 else ""
    return f"⟨U+{ord(hidden[0]):04X}{more}⟩"


def one_line(text: str, limit: int = 120) -> str:
    """Return `text` honest and on one line, at most `limit` characters long."""
    # Twice the limit is enough to look at: a tool's input may be a whole file.
    line = _SPACE.sub(" ", visible(text[: 2 * limit])).strip()
    cut = len(text) > 2 * limit or len(line) > limit
    return line[: limit - 1].rstrip() + "…" if cut else line


def excerpt(text: str, limit: int) -> tuple[str, int]:
    """Return the beginning and the end of a text.

    Args:
        text: any text.
        limit: how many characters may stay.

    Returns:
        The text, with a line that says what was left out where it was too long, and the number of characters left out.
    """
    left_out = len(text) - limit
    if left_out <= 0:
        return text, 0
    head = limit * 2 // 3
    tail = text[len(text) - (limit - head) :]
    return f"{text[:head]}\n… {left_out:,} characters left out …\n{tail}", left_out


def shares(lengths: Sequence[int], limit: int) -> list[int]:
    """Split a limit among texts in reading order: half of it from the end backwards, for there is the conclusion.

    Args:
        lengths: characters of each text.
        limit: how many characters may stay of all together.

    Returns:
        How many may stay of each.
    """
    kept = [0] * len(lengths)
    forwards = range(len(lengths))
    for half, order in ((limit // 2, reversed(forwards)), (limit - limit // 2, forwards)):
        room = half
        for place in order:
            more = min(lengths[place] - kept[place], room)
            kept[place] += more
            room -= more
    return kept


def seconds(value: float) -> str:
    """Return a duration in words: `0.3 s`, `14 s`, `2 min 5 s`, `1 h 3 min`."""
    if 0 < value < 0.05:
        return "under 0.1 s"
    if value < 9.95:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def count(value: int) -> str:
    """Return a number of tokens: `842`, `12.1k`, `1.2M`."""
    if value < 1000:
        return str(value)
    if value < 999_950:
        return f"{value / 1000:.1f}k"
    return f"{value / 1_000_000:.1f}M"


def plural(number: int, one: str, many: str = "") -> str:
    """Return `1 tool`, `2 tools`, or with `many` given, `2 retries`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def clock(unix_s: float) -> str:
    """Return a time of day for a reader who may be anywhere: `14:16 UTC`."""
    return f"{datetime.fromtimestamp(unix_s, UTC):%H:%M} UTC"
