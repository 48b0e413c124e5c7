"""`Cleaner`: takes the secrets of an environment out of what was read. No pandas."""

from __future__ import annotations

from collections.abc import Mapping

from claude_magic.records.transcript_tables import Column, Repeated, Table, Texts, Words, from_bytes
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

    def table(self, data: bytes) -> Table:
        """Return a table without secrets: the cache may have been filled where they were not known.

        Args:
            data: the table as bytes.
        """
        table = from_bytes(data)
        if not any(secret in data for secret in self._as_bytes):
            return table
        return {name: self._column(column) for name, column in table.items()}

    def _column(self, column: Column) -> Column:
        if isinstance(column, Words | Texts):
            return Words([value and self.text(value) for value in column.values])
        if isinstance(column, Repeated):
            return Repeated([value and self.text(value) for value in column.values], column.places)
        return column
