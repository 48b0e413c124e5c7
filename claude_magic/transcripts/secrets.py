"""`Cleaner`: takes secrets out of what was read. No pandas, and no numpy: workers import it."""

from __future__ import annotations

import json
from collections.abc import Mapping

from claude_magic.redaction import secrets_in, told_secrets


def secrets_known(environment: Mapping[str, str]) -> dict[str, str]:
    """Return value and name of the secrets in an environment, and of those that this process was told otherwise."""
    return {value: name for name, value in secrets_in(environment).items()} | told_secrets()


_MOST_ESCAPES = 3


def _escaped(value: str) -> tuple[str, str]:
    """Return a value as it stands inside a JSON text, with and without escapes for what is not ASCII."""
    return json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]


def _forms(value: str) -> set[str]:
    """Return a value as it stands in a text, and in JSON; a command may hold JSON that holds JSON."""
    forms = {value}
    for _ in range(_MOST_ESCAPES):
        forms |= {escaped for form in forms for escaped in _escaped(form)}
    return forms


class Cleaner:
    """Replaces secret values by `[redacted NAME]`.

    Few texts have one, and looking for each value is much quicker than the redactor's one expression.

    Args:
        secrets: value and name of each.
    """

    def __init__(self, secrets: Mapping[str, str]) -> None:
        # Longest first, so that a secret that contains another is replaced whole.
        # Inputs of tools are JSON texts, where quotes, backslashes and line ends are escaped.
        forms = {form: name for value, name in secrets.items() for form in _forms(value)}
        self._labels = [(form, f"[redacted {forms[form]}]") for form in sorted(forms, key=len, reverse=True)]
        self._as_bytes = tuple(form.encode("utf-8", "surrogateescape") for form in forms)
        self.secrets = dict(secrets)

    def text(self, words: str) -> str:
        """Return a text without secrets."""
        for secret, label in self._labels:
            if secret in words:
                words = words.replace(secret, label)
        return words

    def finds(self, data: bytes) -> bool:
        """Whether there is a secret in what are texts in UTF-8, among other things."""
        return any(secret in data for secret in self._as_bytes)
