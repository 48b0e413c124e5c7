"""The environment of a CLI: the kernel's, less the credential that loses and what leads a simulated run astray."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from claude_magic.config import RetryPolicy, SessionConfig, SimulatedAPI
from claude_magic.paths import claude_dir

_WINDOWS = sys.platform == "win32"

# What the CLI sets for whatever it starts. A kernel that an agent started has them, and a CLI that inherits them
# takes itself for a part of that other session.
_MARKERS = frozenset({
    "AI_AGENT", "CLAUDECODE", "CLAUDE_AGENT_SDK_VERSION", "CLAUDE_CODE_CHILD_NOTES_DIR", "CLAUDE_CODE_CHILD_SESSION",
    "CLAUDE_CODE_ENTRYPOINT", "CLAUDE_CODE_EXECPATH", "CLAUDE_CODE_MESSAGING_SOCKET", "CLAUDE_CODE_MESSAGING_TOKEN",
    "CLAUDE_CODE_SESSION_ATTENDED", "CLAUDE_CODE_SESSION_ID", "CLAUDE_CODE_SSE_PORT", "CLAUDE_EFFORT", "CLAUDE_PID",
})  # fmt: skip
_CREDENTIALS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN")
# Whatever could lead a simulated session, or a tool in it, away from the simulator, or lend it a real account.
_LEADS_AWAY = re.compile(
    r"ANTHROPIC_|AWS_|AZURE_|CLOUD_ML_|GCLOUD_|GOOGLE_|OTEL_|VERTEX_|"
    r"CLAUDE_CODE_(?:USE_|SKIP_|OAUTH_|API_|CUSTOM_|CLIENT_|HTTP|PROXY|ENABLE_TELEMETRY|REMOTE|SIMPLE)|"
    r"(?:HTTP|HTTPS|ALL|NO|FTP)_PROXY$|CLAUDE_CONFIG_DIR$|CLAUDE_SECURESTORAGE",
    re.IGNORECASE,
)
_DEAD_END = "http://127.0.0.1:9"  # the discard port: nothing answers there, so nothing beyond loopback is reached
_LOOPBACK = "127.0.0.1,localhost,::1"


class Environment(dict[str, str]):
    """Variables whose `repr` shows their names only: it may stand in a traceback."""

    def __repr__(self) -> str:
        return f"<Environment: {', '.join(sorted(self))}>"


def child_environment(config: SessionConfig, retry: RetryPolicy, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a CLI.

    The later wins: the kernel's, ours, the configuration's; then the credential that loses goes, and a
    simulated session loses every way out.

    Args:
        config: what the user wants.
        retry: how often the CLI tries the API again.
        environ: the environment to start from.
    """
    own = Environment(config.environment)
    if _WINDOWS:  # there, names differ in case only for the reader
        own = Environment((name.upper(), value) for name, value in own.items())
    child: dict[str, str] = without_markers(environ)
    if any(own.get(name) for name in _CREDENTIALS):
        child = {name: value for name, value in child.items() if name not in _CREDENTIALS}
    child = _with_kernel_python(child)
    # A notebook's session does not run what a folder has scheduled for other times, unless it is told to.
    for name in ("DISABLE_AUTOUPDATER", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "CLAUDE_CODE_DISABLE_CRON"):
        child.setdefault(name, "1")
    child |= {
        "CLAUDE_CODE_MAX_RETRIES": str(retry.max_retries),
        "CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS": "1",
        "CLAUDE_CODE_ENABLE_SDK_FILE_CHECKPOINTING": "true",
    }
    if not config.background_tasks:
        # 2.1.202 and 2.1.332 start subagents in the background by default: the turn is over before they are. With this,
        # they are a part of it; background commands are refused, and one that runs into its time limit is ended.
        child["CLAUDE_CODE_DISABLE_BACKGROUND_TASKS"] = "1"
    child |= own
    if child.get("CLAUDE_CONFIG_DIR", "").startswith("~"):
        child["CLAUDE_CONFIG_DIR"] = str(claude_dir(child))
    if config.simulated is not None:
        return _simulated(child, config.simulated)
    return _credentials(child, config)


def _credentials(child: dict[str, str], config: SessionConfig) -> dict[str, str]:
    given = {"ANTHROPIC_API_KEY": config.api_key, "CLAUDE_CODE_OAUTH_TOKEN": config.oauth_token}
    offers = {name: value for name, value in given.items() if value} or {
        name: child[name] for name in _CREDENTIALS if child.get(name)
    }
    # The CLI sends a key and an auth token together, as gateways want them; the OAuth token loses against either.
    if len(offers) > 1:
        offers.pop("CLAUDE_CODE_OAUTH_TOKEN", None)
    return {name: value for name, value in child.items() if name not in _CREDENTIALS} | offers


def _simulated(child: Mapping[str, str], api: SimulatedAPI) -> dict[str, str]:
    """Leave no address but the simulator's, no credential, and a proxy that ends every way beyond loopback."""
    kept = {name: value for name, value in child.items() if not _LEADS_AWAY.match(name) and name not in _CREDENTIALS}
    proxies = {name: _DEAD_END for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")} | {"NO_PROXY": _LOOPBACK}
    lower = {} if _WINDOWS else {name.lower(): value for name, value in proxies.items()}
    return {
        **kept,
        **proxies,
        **lower,
        "ANTHROPIC_BASE_URL": api.url,
        "ANTHROPIC_API_KEY": api.key,
        "CLAUDE_CONFIG_DIR": api.config_dir,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
    }


def _with_kernel_python(child: Mapping[str, str]) -> dict[str, str]:
    """Put the kernel's Python first in PATH, so that the agent's `python` has the notebook's packages."""
    changed = {name: value for name, value in child.items() if name != "VIRTUAL_ENV"}
    if sys.prefix != sys.base_prefix:
        changed["VIRTUAL_ENV"] = sys.prefix
    if sys.executable:
        folder = Path(sys.executable).parent
        first = [str(path) for path in (folder, folder / "Scripts") if path == folder or (_WINDOWS and path.is_dir())]
        rest = [entry for entry in (child.get("PATH") or os.defpath).split(os.pathsep) if entry not in first]
        changed["PATH"] = os.pathsep.join([*first, *rest])
    return changed


def with_folder_last(environ: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Put the CLI's folder last in PATH: a CLI that npm installed needs the `node` that stands beside it."""
    entries = (environ.get("PATH") or os.defpath).split(os.pathsep)
    return {**environ, "PATH": os.pathsep.join([*entries, *([] if str(folder) in entries else [str(folder)])])}


def without_markers(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables less those that a CLI sets for what it starts: a kernel that an agent started has them."""
    return {name: value for name, value in environ.items() if name not in _MARKERS}
