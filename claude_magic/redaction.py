"""Secrets out of everything a person may see: whole values, and values that arrive in pieces."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD", re.IGNORECASE)
_HEADERS_NAME = re.compile(r"HEADERS?$", re.IGNORECASE)
_SHORTEST_SECRET = 6
"""Shorter values ("true", "false", "utf-8") are settings, not secrets; hiding them would garble every text."""
_BEGINNING = 4


def secrets_in(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the name and value of each variable whose name says that it is secret.

    Args:
        environment: variables; a name that contains KEY, TOKEN, SECRET or PASSWORD, in any case, is secret. One that
            ends in HEADERS holds HTTP headers, whose values are secret.
    """
    found = {}
    for name, value in environment.items():
        if _SECRET_NAME.search(name):
            found[name] = value
        elif _HEADERS_NAME.search(name):
            found |= _header_values(name, value)
    return {name: value for name, value in found.items() if len(value) >= _SHORTEST_SECRET}


def _header_values(name: str, value: str) -> dict[str, str]:
    """Return a variable of HTTP headers as a secret, and the value of each header, less a scheme such as `Bearer`."""
    headers = (re.split(r"[=:]", header, maxsplit=1) for header in re.split(r"[,\n]", value))
    parts = {f"{name} {header[0].strip()}": header[1].split() for header in headers if len(header) == 2}
    return {name: value} | {part: words[-1] for part, words in parts.items() if words}


class Redactor:
    """Replaces known secret values by `[redacted NAME]`.

    Args:
        secrets: name and value of each secret; values shorter than 6 characters are ignored.
    """

    def __init__(self, secrets: Mapping[str, str] | None = None) -> None:
        by_value = {value: name for name, value in (secrets or {}).items() if len(value) >= _SHORTEST_SECRET}
        self._label = {value: f"[redacted {name}]" for value, name in by_value.items()}
        # Longest first, so that a secret that contains another is replaced whole.
        values = sorted(by_value, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, values))) if values else None
        self._values = tuple(values)
        self._longest = len(values[0]) if values else 0
        # Most pieces of text neither hold four characters that begin a secret nor end in fewer: that is told fast.
        starts = {re.escape(value[:_BEGINNING]) for value in values}
        self._beginnings = re.compile("|".join(starts)) if values else None
        self._ends = tuple({value[:size] for value in values for size in range(1, _BEGINNING)})
        self._firsts = re.compile("|".join({re.escape(value[0]) for value in values})) if values else None

    def __bool__(self) -> bool:
        return self._pattern is not None

    def text(self, text: str) -> str:
        """Return `text` with every whole secret replaced."""
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda match: self._label[match.group()], text)

    def value(self, value: Any) -> Any:
        """Return a JSON-like value with every string in it redacted; the value itself is left alone."""
        if self._pattern is None:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.value(key): self.value(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self.value(item) for item in value)
        return value

    def unfinished(self, text: str) -> int:
        """Return how many of the last characters of `text` may be the beginning of a secret."""
        if self._firsts is None:
            return 0
        for place in self._firsts.finditer(text, max(0, len(text) - self._longest + 1)):
            rest = text[place.start() :]
            if any(len(value) > len(rest) and value.startswith(rest) for value in self._values):
                return len(rest)
        return 0

    def split(self, text: str) -> tuple[str, str]:
        """Return what of `text` can be shown, redacted, and what its continuation may still make a secret."""
        if self._pattern is None or self._beginnings is None:
            return text, ""
        if self._beginnings.search(text) is None and not text.endswith(self._ends):
            return text, ""
        shown: list[str] = []
        begin = 0
        while True:
            # What ends before the first open place is decided: no continuation can change it.
            cut = len(text) - self.unfinished(text[begin:])
            match = self._pattern.search(text, begin)
            if match is None or match.start() >= cut:
                return "".join(shown) + text[begin:cut], text[cut:]
            shown += text[begin : match.start()], self._label[match.group()]
            begin = match.end()


class StreamRedactor:
    """Redacts a text that arrives in pieces, also where a secret is split over several of them.

    What may be the beginning of a secret is held back until the next piece or `flush` decides.

    Args:
        redactor: knows the secrets.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._held = ""

    def feed(self, piece: str) -> str:
        """Take the next piece; return what can be shown now."""
        shown, self._held = self._redactor.split(self._held + piece)
        return shown

    def flush(self) -> str:
        """Return what was held back; nothing follows it."""
        held, self._held = self._held, ""
        return self._redactor.text(held)


NOTHING_SECRET = Redactor()


def redactor_for(*sources: Mapping[str, str], named: Iterable[tuple[str, str | None]] = ()) -> Redactor:
    """Make one redactor.

    Args:
        sources: environments, searched for secret names.
        named: secrets with their names, whatever the name is; `None` values are skipped.
    """
    secrets = {name: value for source in sources for name, value in secrets_in(source).items()}
    secrets |= {name: value for name, value in named if value}
    _told.update((value, name) for name, value in secrets.items())
    return Redactor(secrets)


_told: dict[str, str] = {}


def told_secrets() -> dict[str, str]:
    """Return value and name of every secret that this process has had to hide; a file may tell one of them later."""
    return {value: name for value, name in _told.copy().items() if len(value) >= _SHORTEST_SECRET}
