"""What makes two rows the same question: the key under which an answer is stored."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

from claude_magic.config import SessionConfig

_VERSION = 1
_NO_MATTER = {
    "oauth_token", "api_key", "cli_path", "workspace_id", "turn_timeout_s", "silence_timeout_s", "simulated",
    "resume", "fork", "resume_at", "max_budget_usd", "background_tasks", "model", "json_schema",
}  # fmt: skip
"""Settings that do not change an answer, or that are in the key in another form."""


class KeyMaker:
    """Makes the keys of the rows of one map.

    Equal keys are equal questions: the model as the CLI resolves it, effort, system prompt, tools, folder and whatever
    else is set, the schema, the template, the values of the columns that it uses, the files named, and the major
    version of the CLI. The order of rows, the other columns and the number of workers do not matter.

    Args:
        config: the settings of the rows.
        template: the prompt.
        model: the model as the CLI resolves it.
        cli_version: version of the CLI, such as "2.1.332".
    """

    def __init__(self, config: SessionConfig, template: str, *, model: str, cli_version: str) -> None:
        settings = {item.name: getattr(config, item.name) for item in fields(config) if _is_in_key(item, config)}
        shared = [
            _VERSION, model, config.json_schema, template, settings, config.simulated is not None,
            cli_version.partition(".")[0], _file_hash(config.mcp_config),
        ]  # fmt: skip
        self._shared = hashlib.blake2b(_json(shared), digest_size=16)

    @property
    def shared(self) -> str:
        """What all rows have in common, as a word."""
        return self._shared.hexdigest()

    def key(self, row: Mapping[str, Any]) -> bytes:
        """Return the key of a row.

        Args:
            row: the plain values of the columns that the template uses.
        """
        hashed = self._shared.copy()
        hashed.update(_json(row))
        return hashed.digest()


def _is_in_key(setting: Field[Any], config: SessionConfig) -> bool:
    """A setting at its default is in no key, so that one that is added later changes none."""
    if setting.name in _NO_MATTER:
        return False
    if setting.name == "working_dir" and config.tools == ():
        return False  # no tool looks into it
    default = setting.default_factory() if setting.default_factory is not MISSING else setting.default
    return bool(getattr(config, setting.name) != default)


def _file_hash(path: str | None) -> str | None:
    if path is None or path.startswith("{") or not Path(path).is_file():
        return None
    return hashlib.blake2b(Path(path).read_bytes(), digest_size=16).hexdigest()


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def resolved_model(wanted: str | None, models: Iterable[Mapping[str, Any]]) -> str:
    """Return the full name of the model that a CLI takes for a setting, as far as it says.

    Args:
        wanted: the setting; `None` is the CLI's default.
        models: the models it offers, as its answer to `initialize` lists them.
    """
    named = {str(model.get("value")): str(model.get("resolvedModel") or "") for model in models}
    return named.get(wanted or "default") or wanted or "default"
