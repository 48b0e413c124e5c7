"""What of the kernel's variables is never shown: passwords, keys and tokens, by their names and by their looks."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from claude_magic.redaction import Redactor, secrets_in
from claude_magic.secret_values import is_secret_name, may_be_secret
from claude_magic.values.previews import fields_of, first_items

_DEEPEST = 3
_MOST_ITEMS = 200
_MADE_BY_CODE = 1 << 9
"""Py_TPFLAGS_HEAPTYPE: a class that is not one of the interpreter's own."""
_TOKENS = re.compile(
    r"sk-[A-Za-z0-9_-]{16,}|gh[opsu]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abeoprs]-[\w-]{10,}"
    r"|AKIA[0-9A-Z]{16}|AIza[\w-]{30,}|hf_[A-Za-z0-9]{20,}|pypi-[\w-]{20,}|npm_[A-Za-z0-9]{30,}"
    r"|eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-----END [A-Z ]*PRIVATE KEY-----)?"
)
"""Tokens that their makers gave a form of their own."""
_ASSIGNED = re.compile(
    r"""(?P<name>[A-Za-z_][\w-]*)["']?\s*(?:[:=]|,\s*)\s*[rbfuRBFU]{0,2}(?P<quote>["'])(?P<value>[^"'\n]{6,})(?P=quote)"""
)
"""A text that is given to a name, in code or in data."""
_CREDENTIALS = re.compile(r"(?P<before>[A-Za-z][\w+.-]*://[^\s/:@\"']*:)(?P<value>[^\s/@\"']+)(?=@)")


class SecretFilter:
    """Takes secrets out of answers about the variables of a namespace.

    Args:
        namespace: the variables. What is a secret by its name there is hidden wherever else it stands.
        redactor: knows more secrets.
    """

    def __init__(self, namespace: Mapping[str, Any], redactor: Redactor) -> None:
        found = {name: value for name, value in _secrets_within(dict(namespace), _DEEPEST)}
        self._redactors = [redactor, Redactor({**secrets_in(os.environ), **found})]

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        for redactor in self._redactors:
            text = redactor.text(text)
        text = _TOKENS.sub("[redacted token]", text)
        text = _CREDENTIALS.sub(lambda found: f"{found['before']}[redacted password]", text)
        return _ASSIGNED.sub(_without_value, text)


def _without_value(found: re.Match[str]) -> str:
    name, value = found["name"], found["value"]
    if not is_secret_name(name) or not may_be_secret(value) or value.startswith("[redacted"):
        return found[0]
    return found[0].replace(value, f"[redacted {name}]")


def _secrets_within(fields: Mapping[Any, Any], depth: int) -> Iterator[tuple[str, str]]:
    for name, value in fields.items():
        if type(name) is not str:
            continue
        kind = type(value)
        if kind is bytes and len(value) < 10_000:
            value, kind = value.decode("utf-8", "replace"), str
        if kind is str:
            if is_secret_name(name) and may_be_secret(value):
                yield name, value
            elif "://" in value[:40]:
                yield from secrets_in({name: value[:4000]}).items()
        elif depth > 0 and not name.startswith("__"):
            yield from _secrets_within(_inner(value), depth - 1)


def _inner(value: Any) -> Mapping[Any, Any]:
    """Return what a value holds by name, as far as looking at it runs nothing."""
    if type(value) is dict:
        return {key: dict.get(value, key) for key in first_items(value, _MOST_ITEMS) if type(key) is str}
    if type(value) in (list, tuple):
        return {f"item_{place}": item for place, item in enumerate(first_items(value, _MOST_ITEMS))}
    if type.__getattribute__(type(value), "__flags__") & _MADE_BY_CODE:
        return dict(islice(fields_of(value).items(), _MOST_ITEMS))
    return {}
