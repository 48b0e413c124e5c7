"""Secrets out of everything a person may see: whole values, and values that arrive in pieces."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from claude_magic.secret_values import SHORTEST_SECRET, secrets_in

__all__ = ["NOTHING_SECRET", "Redactor", "StreamRedactor", "process_redactor", "redactor_for", "secrets_in"]

_BEGINNING = 4
_LONGEST_WITH_FORMS = 4096
_LONG_LINE = 16
_JSON_DEPTH = 3
"""A tool's input is JSON, and its command may hold JSON that holds JSON."""
_CERTAIN = 10
"""A value of this length with a digit and a letter is in no other word by chance: it is found within words, too."""
_CONTEXT = 2
"""Characters before a value that say whether it is a word of its own."""
_WORD = "[A-Za-z0-9_]"


def forms_of(secret: str) -> Iterator[str]:
    r"""Yield the ways in which a secret is written.

    As it is; without white space around it; in JSON (within JSON, too) and in Python's `repr` (quotes, backslashes,
    line ends); in a URL; in Base64, alone or with the line end that `echo` adds. Of a secret with several lines each
    long line counts for itself, however the lines are numbered, indented or ended. No other coding is known here, and
    no part of a secret.

    Args:
        secret: the value.
    """
    yield secret
    if len(secret) > _LONGEST_WITH_FORMS and "\n" not in secret:
        return
    for text in dict.fromkeys((secret, secret.strip())):
        yield text
        if len(text) <= _LONGEST_WITH_FORMS:
            yield from _coded(text)
    lines = secret.split("\n")
    if len(lines) > 1:
        yield from (line.strip() for line in lines if len(line.strip()) >= _LONG_LINE and "-----" not in line)


def _coded(text: str) -> Iterator[str]:
    for ascii_only in (False, True):
        quoted = text
        for _ in range(_JSON_DEPTH):
            quoted = json.dumps(quoted, ensure_ascii=ascii_only)[1:-1]
            yield quoted
            yield quoted.replace("/", "\\/")
    yield repr(text)[1:-1]
    data = text.encode("utf-8", "surrogatepass")
    for safe in ("", "/", "-_.~/:@"):
        in_url = quote(data, safe=safe)
        yield in_url
        yield in_url.replace("%20", "+")
        yield re.sub(r"%..", lambda match: match[0].lower(), in_url)
    for whole in (data, data + b"\n"):
        in_base64 = base64.b64encode(whole).decode("ascii").rstrip("=")
        yield in_base64
        yield in_base64.replace("+", "-").replace("/", "_")


def _is_certain(value: str) -> bool:
    return len(value) >= _CERTAIN and bool(re.search(r"\d", value)) and bool(re.search(r"[A-Za-z]", value))


class Redactor:
    """Replaces known secret values by `[redacted NAME]`.

    A short value, and one of letters only, is found as a whole word, so that `postgresql://` stays what it is.

    Args:
        secrets: name and value of each secret, several of which may go by one name; values shorter than 6 characters
            are ignored.

    Attributes:
        secrets: these names and values.
        values: every form of every secret, the longest first, and the name it goes by.
    """

    def __init__(self, secrets: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:
        pairs = secrets.items() if isinstance(secrets, Mapping) else secrets
        self.secrets = tuple((name, value) for name, value in pairs if len(value) >= SHORTEST_SECRET)
        names = {
            form: name
            for name, value in self.secrets
            for form in forms_of(value)
            if len(form.strip()) >= SHORTEST_SECRET
        }
        # A secret's own form wins over what is a form of another.
        names |= {value: name for name, value in self.secrets if value in names}
        # Longest first, so that a secret that contains another is replaced whole.
        self.values = {value: names[value] for value in sorted(names, key=len, reverse=True)}
        self._label = {value: f"[redacted {name}]" for value, name in self.values.items()}
        self._pattern = re.compile("|".join(map(_expression, self.values))) if self.values else None
        self._words = frozenset(value for value in self.values if not _is_certain(value))
        self._longest = max(map(len, self.values), default=0)
        # Most pieces of text neither hold four characters that begin a secret nor end in fewer: that is told fast.
        self._by_beginning: dict[str, list[str]] = {}
        for value in self.values:
            self._by_beginning.setdefault(value[:_BEGINNING], []).append(value)
        starts = "|".join(map(re.escape, self._by_beginning))
        self._beginnings = re.compile(starts) if starts else None
        self._ends = frozenset(value[:size] for value in self.values for size in range(1, _BEGINNING))
        self._last = frozenset(end[-1] for end in self._ends)

    def __bool__(self) -> bool:
        return self._pattern is not None

    def text(self, text: str, begin: int = 0) -> str:
        """Return `text` with every whole secret replaced.

        Args:
            text: any text.
            begin: what is before it is left out, and only says whether a word begins.
        """
        for value in self.values:
            if value in text:
                break
        else:
            return text[begin:]  # looking for each value is much quicker than the expression, and few texts have one
        assert self._pattern is not None
        shown: list[str] = []
        for match in self._pattern.finditer(text, begin):
            shown += text[begin : match.start()], self._label[match.group()]
            begin = match.end()
        return "".join(shown) + text[begin:] if shown or begin else text

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

    def may_find_in(self, data: bytes) -> bool:
        """Whether a secret may be among texts in UTF-8, whatever else the data holds."""
        beginnings = {value[:_LONG_LINE] for value in self.values}  # many forms of a secret begin alike
        return any(text.encode("utf-8", "surrogatepass") in data for text in beginnings)

    def hidden_in(self, text: str) -> list[str]:
        """Return the names of the secrets that were replaced in a text."""
        return sorted({name for value, name in self.values.items() if self._label[value] in text})

    def unfinished(self, text: str) -> int:
        """Return how many of the last characters of `text` may be the beginning of a secret."""
        return len(text) - self._open(text, 0)

    def _open(self, text: str, begin: int) -> int:
        """Return the first place from which on what follows decides; the length of the text if there is none."""
        if self._beginnings is None:
            return len(text)
        place = max(begin, len(text) - self._longest)
        while match := self._beginnings.search(text, place):
            place = match.start()
            rest = text[place:]
            for value in self._by_beginning[match.group()]:
                # A word may still go on, and be another.
                if value.startswith(rest) and (len(value) > len(rest) or value in self._words):
                    return place
            place += 1
        for size in range(min(_BEGINNING - 1, len(text) - begin), 0, -1):
            if text[-size:] in self._ends:
                return len(text) - size
        return len(text)

    def split(self, text: str, begin: int = 0) -> tuple[str, str]:
        """Return what of `text` can be shown, redacted, and what its continuation may still make a secret.

        Args:
            text: the text so far.
            begin: what is before it was shown already.
        """
        if self._pattern is None or self._beginnings is None:
            return text[begin:], ""
        if self._beginnings.search(text, begin) is None and text[-1:] not in self._last:
            return text[begin:], ""
        shown: list[str] = []
        while True:
            # What ends before the first open place is decided: no continuation can change it.
            cut = self._open(text, begin)
            match = self._pattern.search(text, begin)
            if match is None or match.start() >= cut:
                return "".join(shown) + text[begin:cut], text[cut:]
            shown += text[begin : match.start()], self._label[match.group()]
            begin = match.end()


def _expression(value: str) -> str:
    r"""Return what finds a value; it begins with the value, as the search is quick for letters only.

    The end of an escape such as `\n`, and of a colour code, is not a part of the word after it.
    """
    found = re.escape(value)
    if _is_certain(value):
        return found
    after = f"(?!{_WORD})" if re.match(_WORD, value[-1]) else ""
    before = rf"(?:(?<!{_WORD}{found})|(?<=\\[abefnrtv]{found})|(?<=[0-9;\[]m{found}))"
    return found + after + (before if re.match(_WORD, value[0]) else "")


class StreamRedactor:
    """Redacts a text that arrives in pieces, also where a secret is split over several of them.

    What may be the beginning of a secret is held back until the next piece or `flush` decides.

    Args:
        redactor: knows the secrets.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._before = ""
        self._held = ""

    def feed(self, piece: str) -> str:
        """Take the next piece; return what can be shown now."""
        text = self._before + self._held + piece
        shown, self._held = self._redactor.split(text, len(self._before))
        decided = len(text) - len(self._held)
        self._before = text[max(0, decided - _CONTEXT) : decided]
        return shown

    def feed_all(self, pieces: list[str]) -> list[str]:
        """Take pieces that follow each other; return what can be shown of each now, and they themselves if all can.

        One search tells of all of them whether there is anything to hide, which is rare.
        """
        begin = len(self._before)
        text = "".join([self._before, self._held, *pieces])
        shown, held = self._redactor.split(text, begin)
        decided = len(text) - len(held)
        if shown != text[begin:decided]:
            return [self.feed(piece) for piece in pieces]
        if self._held or held:
            pieces = _without_end([self._held + pieces[0], *pieces[1:]], len(held))
        self._before, self._held = text[max(0, decided - _CONTEXT) : decided], held
        return pieces

    def flush(self) -> str:
        """Return what was held back; nothing follows it."""
        before, held = self._before, self._held
        self._before = self._held = ""
        if not held:
            return ""
        return self._redactor.text(before + held, len(before))


def _without_end(pieces: list[str], size: int) -> list[str]:
    """Return pieces without the last `size` characters of them."""
    place = len(pieces) - 1
    while size > 0:
        kept = max(0, len(pieces[place]) - size)
        size -= len(pieces[place]) - kept
        pieces[place] = pieces[place][:kept]
        place -= 1
    return pieces


NOTHING_SECRET = Redactor()


def redactor_for(*sources: Mapping[str, str], named: Iterable[tuple[str, str | None]] = ()) -> Redactor:
    """Make one redactor.

    Args:
        sources: environments, searched for secrets.
        named: secrets with their names, whatever the name is; `None` values are skipped.
    """
    secrets = {name: value for source in sources for name, value in secrets_in(source).items()}
    secrets |= {name: value for name, value in named if value}
    _of_this_process.update((value, name) for name, value in secrets.items())
    return Redactor(secrets)


def process_redactor(environment: Mapping[str, str]) -> Redactor:
    """Make a redactor of every secret that this process knows: a file of any session may hold one of them.

    Args:
        environment: searched for secrets; to these come all that `redactor_for` was ever given.
    """
    known = {value: name for name, value in secrets_in(environment).items()} | _of_this_process.copy()
    return Redactor((name, value) for value, name in known.items())


_of_this_process: dict[str, str] = {}
"""Value and name of each secret that some session of this process had to hide; `process_redactor` reads it."""
