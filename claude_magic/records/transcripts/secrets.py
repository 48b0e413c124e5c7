"""`Cleaner`: takes secrets out of what was read. No pandas, and no numpy: workers import it."""

from __future__ import annotations

from collections.abc import Mapping

from claude_magic.redaction import secrets_in, told_secrets


def secrets_known(environment: Mapping[str, str]) -> dict[str, str]:
    """Return value and name of the secrets in an environment, and of those that this process was told otherwise."""
    return {value: name for name, value in secrets_in(environment).items()} | told_secrets()


class Cleaner:
    """Replaces secret values by `[redacted NAME]`.

    Few texts have one, and looking for each value is much quicker than the redactor's one expression.

    Args:
        secrets: value and name of each.
    """

    def __init__(self, secrets: Mapping[str, str]) -> None:
        # Longest first, so that a secret that contains another is replaced whole.
        self._labels = [(value, f"[redacted {secrets[value]}]") for value in sorted(secrets, key=len, reverse=True)]
        self._as_bytes = tuple(secret.encode("utf-8", "surrogateescape") for secret in secrets)
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
