"""Settings: equal ones are equal values, wrong ones are one clear sentence, secrets stay hidden."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from claude_magic.config import PoolConfig, RetryPolicy, SessionConfig, SimulatedAPI
from claude_magic.errors import SettingError


def test_equal_settings_are_equal_values(tmp_path: Path) -> None:
    """Mappings, lists and JSON in any order make the same key of a dict."""
    one = SessionConfig(
        working_dir=tmp_path, environment={"B": "2", "A": "1"}, tools=["Bash"], json_schema={"type": "object", "a": 1}
    )
    other = SessionConfig(
        working_dir=str(tmp_path), environment=[("A", "1"), ("B", "2")], tools=("Bash",),
        json_schema='{"a": 1, "type": "object"}',
    )  # fmt: skip

    assert one == other
    assert {one: "found"}[other] == "found"
    assert one.environment == (("A", "1"), ("B", "2"))


def test_folders_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel may change its folder later; the session's stays."""
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)

    config = SessionConfig(working_dir="sub", add_dirs=["."], mcp_config=Path("servers.json"))

    assert Path(config.working_dir) == Path.cwd() / "sub"
    assert config.add_dirs == (str(Path.cwd()),)
    assert config.mcp_config == str(Path.cwd() / "servers.json")


def test_settings_cannot_be_changed_but_copied() -> None:
    """A session's settings are fixed; `replace` gives a checked copy."""
    config = SessionConfig(model="opus")

    with pytest.raises(AttributeError):
        config.model = "haiku"  # type: ignore[misc]  # that is the test
    assert config.replace(model="haiku").model == "haiku"
    with pytest.raises(ValueError, match="max_turns"):
        config.replace(max_turns=0)


def test_secrets_are_masked() -> None:
    """Neither credentials, nor variables, nor what MCP servers are given can be read off a `repr`."""
    config = SessionConfig(
        oauth_token="hush-token", environment={"X": "hush-value"}, mcp_config={"mcpServers": {"a": {"k": "hush-mcp"}}}
    )

    assert "hush" not in repr(config)
    assert "oauth_token" in repr(config)
    assert config.secrets == (("oauth_token", "hush-token"),)
    assert "hush" not in repr(SessionConfig(api_key="hush-key"))


def test_a_short_repr() -> None:
    """Only what differs from the default is shown."""
    assert repr(SessionConfig(model="opus")) == f"SessionConfig(model='opus', working_dir={str(Path.cwd())!r})"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"working_dir": "no/such/folder"}, "working_dir"),
        ({"max_turns": 0}, "max_turns"),
        ({"max_turns": 2.5}, "max_turns"),
        ({"max_turns": True}, "max_turns"),
        ({"max_budget_usd": -1}, "max_budget_usd"),
        ({"max_budget_usd": float("nan")}, "max_budget_usd"),
        ({"max_budget_usd": float("inf")}, "max_budget_usd"),
        ({"turn_timeout_s": 0}, "turn_timeout_s"),
        ({"silence_timeout_s": "long"}, "silence_timeout_s"),
        ({"permission_mode": "yolo"}, "permission_mode"),
        ({"effort": "huge"}, "effort"),
        ({"setting_sources": ["everywhere"]}, "setting_sources"),
        ({"allowed_tools": "Bash"}, "allowed_tools"),
        ({"tools": ["Bash", " "]}, "tools"),
        ({"add_dirs": "data"}, "add_dirs"),
        ({"environment": {"A=B": "x"}}, "environment"),
        ({"environment": {"A": "x\0"}}, "environment"),
        ({"oauth_token": "a", "api_key": "b"}, "not both"),
        ({"model": " "}, "model"),
        ({"resume": ""}, "resume"),
        ({"fork": True}, "fork needs resume"),
        ({"json_schema": "{oops"}, "json_schema"),
        ({"json_schema": "[1]"}, "json_schema"),
        ({"json_schema": 5}, "json_schema"),
        ({"mcp_config": "no-such-file.json"}, "mcp_config"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_wrong_settings_say_which(wrong: dict[str, Any], words: str) -> None:
    """One sentence that names the setting."""
    with pytest.raises(ValueError, match=words):
        SessionConfig(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_sessions": 0}, {"max_sessions": None}, {"max_running": 0}, {"prewarm": -1}, {"idle_timeout_s": 0},
        {"acquire_timeout_s": -1}, {"log_entries": 0}, {"messages": -1}, {"max_sessions": 1.5},
    ],
)  # fmt: skip
def test_wrong_pool_settings_say_which(wrong: dict[str, Any]) -> None:
    """Likewise for the pool."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        PoolConfig(**wrong)


@pytest.mark.parametrize("wrong", [{"max_retries": -1}, {"first_delay_s": -1}, {"max_delay_s": 0.1}])
def test_wrong_retry_settings(wrong: dict[str, Any]) -> None:
    """Likewise for retries."""
    with pytest.raises(ValueError, match=r"max_retries|delay"):
        RetryPolicy(**wrong)


def test_a_simulator_is_on_this_machine_only() -> None:
    """A simulated session must not be able to reach anything else."""
    assert SimulatedAPI("http://127.0.0.1:8000", "x", "key").url
    for url in (
        "http://a.example:80",
        "https://127.0.0.1:8000",
        "http://127.0.0.1.a.example:8",
        "http://127.0.0.1:1@a.example:2",
    ):
        with pytest.raises(ValueError, match="this machine"):
            SimulatedAPI(url, "x", "key")


def test_an_error_of_a_setting_names_it() -> None:
    """As data: the magics say the option in its place."""
    with pytest.raises(SettingError) as raised:
        SessionConfig(max_turns=0)

    error = raised.value
    assert (error.setting, error.problem) == ("max_turns", "must be a whole number of at least 1, not 0.")
    assert str(error) == f"{error.setting} {error.problem}"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
