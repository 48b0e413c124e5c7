"""Which values of an environment are secret: judged by the name, and by what the value is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from urllib.parse import parse_qsl, unquote, urlsplit

SHORTEST_SECRET = 6
"""Shorter values ("true", "false", "utf-8") are settings, not secrets; hiding them would garble every text."""
_LONGEST_WORDS = 15
_LONGEST_NUMBER = 9

_ALWAYS = frozenset({"ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"})
# One part of a name: of MY_API_KEY, my-api-key and myApiKey each. What only contains such letters, as in
# KEYBOARD_LAYOUT, MONKEY and TOKENIZER, says something else.
_SECRET_PART = re.compile(
    r"(?:API|ACCESS|AUTH|SECRET|PRIVATE|PUBLIC|CLIENT|MASTER|SIGNING|ENCRYPTION|LICENSE|SSH|PGP|GPG)*KEYS?"
    r"|[A-Z0-9]*TOKENS?|[A-Z0-9]*SECRETS?|[A-Z0-9]*PASSWORDS?|[A-Z0-9]*PASSWD|[A-Z0-9]*PASSPHRASE"
    r"|PASS|PAT|CREDENTIALS?"
)
_CAMEL = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_HEADERS_PART = re.compile(r"HEADERS?")
_AUTH_HEADER = re.compile(r"authorization|cookie|auth|key|token|secret|password|credential|session", re.IGNORECASE)

_NUMBER = re.compile(r"[+-]?[\d_,]*\.?\d+(?:[eE][+-]?\d+)?%?")
_WORD = r"(?:[a-z]+|[A-Z]+|[A-Z][a-z]+)"
_WORDS = re.compile(rf"{_WORD}(?:[ _.,:/-]{_WORD})*")
_PATH = re.compile(
    r"(?:~|\.{1,2})?[\\/](?:[\w.@ -]+[\\/])+[\w.@ -]*"  # /a/b, ~/a/b, ./a/b; a key has longer parts and other letters
    r"|(?:~|\.{1,2})[\\/][^\n]*|[A-Za-z]:[\\/][^\n]*|/[\w-]+(?:\.[a-z0-9]{1,5})?"
)
_LONGEST_PATH_PART = 32
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")


def secrets_in(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the secrets of an environment by name.

    A variable is secret when a part of its name says so (KEY, TOKEN, SECRET, PASSWORD and the like, in any case) and
    its value may be one: numbers, paths, addresses without credentials and plain words such as `postgres` are not.
    Headers in a variable such as ANTHROPIC_CUSTOM_HEADERS are judged one by one, under the variable's and their own
    name. The password in an address such as `postgres://user:password@host` is secret, whatever its variable is called.

    Args:
        environment: variables and their values.
    """
    return {name: secret for variable, value in environment.items() for name, secret in _secrets_of(variable, value)}


def _secrets_of(variable: str, value: str) -> Iterator[tuple[str, str]]:
    if len(value) < SHORTEST_SECRET:
        return
    if variable.upper() in _ALWAYS:
        yield variable, value
        return
    parts = _parts(variable)
    if any(_HEADERS_PART.fullmatch(part) for part in parts):
        yield from _in_headers(variable, value)
        return
    if _URL.match(value):
        yield from _in_url(variable, value)
        return
    if any(_SECRET_PART.fullmatch(part) for part in parts) and may_be_secret(value):
        yield variable, value
        yield from _in_json(variable, value)


def is_secret_name(name: str) -> bool:
    """Whether a part of a name says that what it names is secret: KEY, TOKEN, SECRET, PASSWORD and the like."""
    return any(_SECRET_PART.fullmatch(part) for part in _parts(name))


def _parts(variable: str) -> set[str]:
    """Return the parts of a name in capitals."""
    words = re.split(r"[^A-Za-z0-9]+", variable)
    return {word.upper() for word in words} | {part.upper() for word in words for part in _CAMEL.findall(word)}


def may_be_secret(value: str) -> bool:
    """Whether a value can be a secret at all: it is long enough, and not what anybody could write by chance."""
    text = value.strip()
    if len(text) < SHORTEST_SECRET:
        return False
    if _NUMBER.fullmatch(text):
        return len(text) > _LONGEST_NUMBER and text.isdecimal()
    if _WORDS.fullmatch(text) and len(text) <= _LONGEST_WORDS:
        return False
    is_path = _PATH.fullmatch(text) and all(len(part) <= _LONGEST_PATH_PART for part in re.split(r"[\\/]", text))
    return not is_path


def _in_headers(variable: str, value: str) -> Iterator[tuple[str, str]]:
    """Yield the headers of a variable: a line each as the CLI takes them, or joined by commas as OpenTelemetry does."""
    lines = re.split(r"[\r\n]+|\\n", value)
    is_list = len(lines) == 1 and re.match(r"\s*[\w.-]+\s*=", value)
    for line in value.split(",") if is_list else lines:
        name, sign, content = line.partition("=" if is_list else ":")
        if not sign:
            continue
        name, content = name.strip(), content.strip()
        for text in dict.fromkeys((content, unquote(content))):
            secret = re.sub(r"^(?:bearer|basic|token)\s+", "", text, flags=re.IGNORECASE)
            if may_be_secret(secret) and (_AUTH_HEADER.search(name) or not _URL.match(secret)):
                yield (f"{variable} {name}" if text == content else f"{variable} {name} decoded"), secret


def _in_url(variable: str, value: str) -> Iterator[tuple[str, str]]:
    """Yield the credentials of an address: its password, a token in place of a user, secret parameters."""
    try:
        parts = urlsplit(value)
    except ValueError:
        return
    user, sign, password = parts.netloc.rpartition("@")[0].partition(":")
    token = password if sign else user if re.search(r"\d", user) and len(user) > _LONGEST_WORDS else ""
    for number, text in enumerate(dict.fromkeys((token, unquote(token)))):
        if may_be_secret(text):
            yield variable if number == 0 else f"{variable} decoded", text
    for name, text in parse_qsl(parts.query):
        if is_secret_name(name) and may_be_secret(text):
            yield f"{variable} {name}", text


def _in_json(variable: str, value: str) -> Iterator[tuple[str, str]]:
    """Yield the secrets within a value that is a JSON object, such as the key file of a service account."""
    if not value.lstrip().startswith("{"):
        return
    try:
        fields = json.loads(value)
    except (ValueError, RecursionError):
        return
    for name, text in fields.items():
        if isinstance(text, str) and is_secret_name(name) and may_be_secret(text):
            yield f"{variable} {name}", text
