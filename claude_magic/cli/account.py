"""Who pays: what the CLI's answer to `initialize` says of its credentials (measured on 2.1.202 and 2.1.332)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from claude_magic.lenient import mapping, string

_NOTHING = ("", "none")
_GATEWAY = "ANTHROPIC_AUTH_TOKEN"


def is_logged_in(info: Mapping[str, Any]) -> bool:
    """Return whether a CLI has credentials, judging by its answer to `initialize`: a `Connection`'s `info`."""
    return who_pays(info) != ""


def who_pays(info: Mapping[str, Any]) -> str:
    """Return in words who pays for the prompts of a CLI; "" if there is no login.

    Args:
        info: the CLI's answer to `initialize`.
    """
    account = mapping(info.get("account"))
    provider, key, token, plan = (
        string(account.get(name)) for name in ("apiProvider", "apiKeySource", "tokenSource", "subscriptionType")
    )
    if provider not in ("", "firstParty"):
        return f"the cloud account ({provider}) pays"
    if token == _GATEWAY:
        also = f", and the key in {key}" if key not in _NOTHING else ""
        return f"the owner of the token in {_GATEWAY} pays: the gateway gets it{also}"
    if key not in _NOTHING:
        return f"the key in {key} pays"
    # Of a login the CLI names the subscription, and then no source.
    if token in _NOTHING and not plan:
        return ""
    facts = [plan, string(account.get("organization")), f"token from {token}" if token not in _NOTHING else ""]
    return f"your login pays ({', '.join(filter(None, facts))})"


def key_notice(info: Mapping[str, Any], given: bool) -> str:
    """Return one line where a key from the environment pays although there is a login; "" otherwise.

    Args:
        info: the CLI's answer to `initialize`, which names both.
        given: whether the key was given for this session on purpose.
    """
    account = mapping(info.get("account"))
    key, login = string(account.get("apiKeySource")), string(account.get("tokenSource"))
    if given or key in _NOTHING or login in _NOTHING or login == _GATEWAY:
        return ""
    return f"The key in {key} pays for this session, not your login ({login}). Without that variable, the login does."
