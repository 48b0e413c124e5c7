"""`Cleaner`: takes the secrets of an environment out of what was read. No pandas, and no numpy: workers import it."""

from __future__ import annotations

from collections.abc import Mapping

from claude_magic.redaction import redactor_for, secrets_in


class Cleaner:
    """Replaces secret values by `[redacted NAME]`.

    Few texts have one, and looking for each value is much quicker than the redactor's one expression.

    Args:
        environment: variables; those with a secret name have the secrets.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._redactor = redactor_for(environment)
        self._secrets = tuple(secrets_in(environment).values())
        self._as_bytes = tuple(secret.encode("utf-8", "surrogateescape") for secret in self._secrets)

    def text(self, words: str) -> str:
        """Return a text without secrets."""
        for secret in self._secrets:
            if secret in words:
                return self._redactor.text(words)
        return words

    def finds(self, data: bytes) -> bool:
        """Whether there is a secret in what are texts in UTF-8, among other things."""
        return any(secret in data for secret in self._as_bytes)
