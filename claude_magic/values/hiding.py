"""What of the kernel's variables is never shown: passwords, keys and tokens, by their names and by their looks."""

from __future__ import annotations

import os
import re
import types
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from claude_magic.redaction import Redactor, secrets_in
from claude_magic.secret_values import is_secret_name, may_be_secret
from claude_magic.values.content import Block, Content
from claude_magic.values.previews import (
    bases_of,
    fields_of,
    first_items,
    first_pairs,
    flags_of,
    is_of,
    is_one_of,
)

_DEEPEST = 4
_MOST_ITEMS = 200
_MOST_LOOKED_AT = 20_000
"""Values that are searched for secrets; those nearest to the variables come first."""
_MADE_BY_CODE = 1 << 9
"""Py_TPFLAGS_HEAPTYPE: a class that is not one of the interpreter's own."""
_LONGEST_TEXT = 10_000
_SHORTEST_PART = 6
"""Characters of a secret that was cut off, from which on they are hidden too."""

# Names that say more of a variable than of an environment, where PWD is a folder.
_MORE_NAMES = re.compile(
    r"(?<![A-Za-z])(?i:pws?|pwds?|passwds|auth|authorization|bearer|cookies?|dsns?|otp|passcodes?)(?![A-Za-z])"
    r"|(?<=[a-z])(?:Pw|Pwd|Auth|Authorization|Bearer|Cookies?|Dsn|Passcode)(?![a-z])"
)
_KEY_OF_DATA = re.compile(r"(?i)(?:.*[\W_])?keys?")
_KEY_OF_ACCESS = re.compile(
    r"(?i).*(?:api|access|auth|secret|private|client|master|sign|encrypt|licen[cs]e|ssh|[pg]pg)"
)
_COUNTED = re.compile(r"(?i)tokens?|keys?|cookies?")

_TOKENS = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"sk-(?=[\w-]*\d)[A-Za-z0-9_-]{16,}|[rs]k_(?:live|test)_\w{16,}|gh[opsu]_[A-Za-z0-9]{20,}|github_pat_\w{20,}"
    r"|glpat-[\w-]{16,}|xox[abeoprs]-[\w-]{10,}|AKIA[0-9A-Z]{16}|AIza[\w-]{30,}|ya29\.[\w-]{20,}|hf_[A-Za-z0-9]{20,}"
    r"|pypi-(?=[\w-]*\d)[\w-]{20,}|npm_[A-Za-z0-9]{30,}|SG\.[\w-]{16,}\.[\w-]{16,}"
    r"|eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,})"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-----END [A-Z ]*PRIVATE KEY-----)?"
)
"""Tokens that their makers gave a form of their own."""
_ASSIGNED = re.compile(
    r"""(?<![\w-])(?P<name>[A-Za-z_][\w-]{0,60})["']?\]?(?:\s*:\s*[A-Za-z][\w.\[\]| ]{0,40})?\s*(?P<sign>[:=,])\s*"""
    r"""(?:[A-Za-z][\w.]{0,40}\()?[rbfuRBFU]{0,2}(?P<quote>"{3}|'{3}|["'])"""
    r"""(?P<value>(?:(?!(?P=quote))[^\\\n]|\\.){6,}?)(?:(?P=quote)|(?=…))"""
)
"""A text that is given to a name, in code or in data."""
_UNQUOTED = re.compile(
    r"""(?<![\w-])(?P<name>[\w-]{0,40}?(?i:password|passwd|pwd|secret|token|api_?key|access_?key)[\w-]{0,20})"""
    r"""(?P<sign>[:=]\s?)(?P<value>(?=\S{0,80}\d)[^\s"',;&(){}\[\]<>|]{6,}+)(?![(\[])"""
)
"""The same as settings and addresses have it."""
_CREDENTIALS = re.compile(r"(?<![\w+.-])(?P<before>[A-Za-z][\w+.-]*://[^\s/:@\"']*:)(?P<value>[^\s/@\"']+)(?=@)")
_BEARER = re.compile(r"\b(?P<before>(?i:bearer|basic)\s+)(?=\S*\d)[A-Za-z0-9._~+/=-]{16,}")
_CUT = re.compile(r"""["']?\n?…""")
_AFTER_CUT = re.compile(r"…\n")


def is_hidden_name(name: str) -> bool:
    """Whether a name says that what it names is secret: a password, a token, a key, a header that logs in."""
    return is_secret_name(name) or bool(_MORE_NAMES.search(name))


def is_secret_column(name: str) -> bool:
    """Whether the name of a column of data says so; there a key joins tables, and a token is a word."""
    return is_hidden_name(name) and not _is_key_of_data(name)


def hides(name: str, value: Any) -> bool:
    """Whether only the type of what a name stands for is shown.

    Numbers that count tokens, functions that get them and words that are none are shown.
    """
    if not is_hidden_name(name):
        return False
    kind = type(value)
    if kind is str or kind is bytes:
        return not _is_key_of_data(name) or _is_random(_as_text(value))
    if is_one_of(kind, (bool, type(None), types.FunctionType, types.MethodType, types.BuiltinFunctionType)):
        return False
    if is_one_of(types.ModuleType, bases_of(kind)) or is_one_of(type, bases_of(kind)):
        return False
    if is_one_of(kind, (int, float, complex)) or (is_of(value, "numpy", "ndarray") and value.dtype.kind in "biuf"):
        return not _COUNTED.search(name)
    if is_one_of(kind, (list, tuple, set, frozenset, dict)):
        return _holds_secret(value, _is_key_of_data(name))
    return True


def _is_key_of_data(name: str) -> bool:
    return bool(_KEY_OF_DATA.fullmatch(name)) and not _KEY_OF_ACCESS.match(name)


def _is_random(text: str) -> bool:
    """Whether a text is what programs make for a key, rather than the key of a record, a file or a column."""
    if not re.fullmatch(r"[A-Za-z0-9+/=_-]{16,}|[ -~]{6,}[^\w\s./:-][ -~]*", text) or not re.search(r"\d", text):
        return False
    return bool(re.search(r"[a-z]", text) and re.search(r"[A-Z]", text)) or bool(re.fullmatch(r"[0-9a-f]{32,}", text))


def _may_be_called(name: str, text: str) -> bool:
    """Whether a text under a secret name may be the secret."""
    return may_be_secret(text) and (not _is_key_of_data(name) or _is_random(text))


def _holds_secret(value: Any, is_data: bool) -> bool:
    items = [item for _, item in first_pairs(value, _MOST_ITEMS)] if type(value) is dict else first_items(value, 200)
    for item in items:
        kind = type(item)
        if kind is str or kind is bytes:
            if may_be_secret(_as_text(item)) and not is_data:
                return True
        elif not is_one_of(kind, (int, float, bool, type(None))) and not is_data:
            return True
    return False


class SecretFilter:
    """Takes secrets out of answers about the variables of a namespace.

    Args:
        namespace: the variables. What is a secret by its name there is hidden wherever else it stands.
        redactor: knows more secrets.
    """

    def __init__(self, namespace: Mapping[str, Any], redactor: Redactor) -> None:
        found = dict.fromkeys([*secrets_in(os.environ).items(), *_secrets_within(namespace)])
        self._redactors = [redactor, Redactor(list(found))]

    def text(self, text: str) -> str:
        """Return a text without secrets, and without the parts of them that are left where the text was cut."""
        for redactor in self._redactors:
            text = _without_parts(redactor.text(text), redactor)
        text = _TOKENS.sub("[redacted token]", text)
        text = _CREDENTIALS.sub(lambda found: f"{found['before']}[redacted password]", text)
        text = _BEARER.sub(lambda found: f"{found['before']}[redacted token]", text)
        return _without_values(_without_values(text, _ASSIGNED), _UNQUOTED)

    def blocks(self, blocks: Iterable[Block]) -> Content:
        """Return the blocks of a tool result with their texts without secrets."""
        return Content(
            {**block, "text": self.text(block["text"])} if block["type"] == "text" else block for block in blocks
        )


def _without_values(text: str, pattern: re.Pattern[str]) -> str:
    """Return a text without what it gives to names that say that it is secret."""
    parts: list[str] = []
    begin, place = 0, 0
    while found := pattern.search(text, place):
        if _gives_secret(found):
            parts += text[begin : found.start("value")], f"[redacted {found['name']}]"
            begin = place = found.end("value")
        else:
            place = found.end("name")  # what seems to be its value may be a name
    return "".join([*parts, text[begin:]])


def _gives_secret(found: re.Match[str]) -> bool:
    name, value = found["name"], found["value"]
    if not is_hidden_name(name) or not _may_be_called(name, value) or "[redacted" in value:
        return False
    return found["sign"].strip() != "," or bool(re.search(r"\d", value))  # else two names in a list


def _without_parts(text: str, redactor: Redactor) -> str:
    """Return a text without the beginnings of secrets before a cut, and without their ends after one."""
    if "…" not in text:
        return text
    for value, name in redactor.values.items():
        place = text.find(value[:_SHORTEST_PART])
        while place >= 0 and len(value) > _SHORTEST_PART:
            size = _common(value, text[place : place + len(value)])
            if size < len(value) and _CUT.match(text, place + size):
                text = f"{text[:place]}[redacted {name}]{text[place + size :]}"
            place = text.find(value[:_SHORTEST_PART], place + 1)
    for cut in reversed(list(_AFTER_CUT.finditer(text))):
        rest = text[cut.end() :]
        for value, name in redactor.values.items():
            sizes = range(len(value) - 1, _SHORTEST_PART - 1, -1)
            size = next((size for size in sizes if rest.startswith(value[-size:])), 0)
            if size:
                text = f"{text[: cut.end()]}[redacted {name}]{rest[size:]}"
                break
    return text


def _common(one: str, other: str) -> int:
    """Return in how many characters two texts begin alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (left, right) in pairs if left != right), min(len(one), len(other)))


def _as_text(value: Any) -> str:
    return value[:_LONGEST_TEXT] if type(value) is str else value[:_LONGEST_TEXT].decode("utf-8", "replace")


def _secrets_within(namespace: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield names and values of secrets: breadth first, each object once, and no more than can be looked at quickly."""
    waiting: deque[tuple[Any, int, str]] = deque([(dict(namespace), 0, "")])
    seen: set[int] = set()
    left = _MOST_LOOKED_AT
    while waiting and left > 0:
        holder, depth, inherited = waiting.popleft()
        pairs = list(holder.items()) if depth == 0 else _inner(holder)
        left -= len(pairs) + 1
        for name, value in pairs:
            named = name if type(name) is str and is_hidden_name(name) else inherited
            kind = type(value)
            if kind is str or kind is bytes:
                if len(value) < _LONGEST_TEXT:
                    yield from _secrets_of(name, named, _as_text(value))
            elif depth < _DEEPEST and id(value) not in seen and not (type(name) is str and name.startswith("__")):
                seen.add(id(value))
                is_data = is_one_of(kind, (list, tuple, set, frozenset, dict)) or is_of(value, "numpy", "ndarray")
                passed_on = named if is_data and not (named == name and _is_key_of_data(named)) else ""
                if is_data or flags_of(kind) & _MADE_BY_CODE:
                    waiting.append((value, depth + 1, passed_on))


def _secrets_of(name: Any, named: str, text: str) -> Iterable[tuple[str, str]]:
    if named and _may_be_called(named, text):
        return [(named, text)]
    return secrets_in({str(name) if type(name) is str else "address": text}).items() if "://" in text[:40] else []


def _inner(value: Any) -> list[tuple[Any, Any]]:
    """Return what a value holds, by name where it has names, as far as looking at it runs nothing."""
    kind = type(value)
    if kind is dict:
        return first_pairs(value, _MOST_ITEMS)
    if is_one_of(kind, (list, tuple, set, frozenset)):
        return [("", item) for item in first_items(value, _MOST_ITEMS)]
    if is_of(value, "numpy", "ndarray"):
        is_text = value.dtype.kind in "OUS" and value.ndim == 1
        return [("", item) for item in value[:_MOST_ITEMS].tolist()] if is_text else []
    return list(islice(fields_of(value).items(), _MOST_ITEMS))
