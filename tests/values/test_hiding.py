"""Secrets by their names and by their looks, wherever they stand; and what is no secret stays readable."""

from __future__ import annotations

import collections
import linecache
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest

from claude_magic.redaction import Redactor
from claude_magic.values.hiding import SecretFilter
from claude_magic.values.inspection import LookError, inspect_variable, list_variables

SECRET = "pl4nted-Zq9x-horse"


@dataclass
class Account:
    user: str
    password: str


@dataclass(slots=True)
class Slotted:
    user: str
    password: str


Named = collections.namedtuple("Named", "user password")


def seen(namespace: dict[str, Any], *paths: str) -> str:
    """Everything that is told of variables."""
    secrets = SecretFilter(namespace, Redactor())
    texts = [list_variables(namespace, list(namespace), secrets)]
    for path in [*namespace, *paths]:
        try:
            texts.append(inspect_variable(namespace, path, secrets))
        except LookError as error:
            texts.append(str(error))
    return "\n".join(texts)


@pytest.mark.parametrize("value", [
    {"pw": SECRET}, {"passwd": SECRET}, {"dbPwd": SECRET}, {"auth": ("ada", SECRET)}, {"bearer": SECRET},
    {"dsn": f"host=db password={SECRET}"}, {"x": f"Server=db;Pwd={SECRET};"}, {"url": f"postgres://ada:{SECRET}@db/x"},
    {"headers": {"Authorization": f"Bearer {SECRET}", "Cookie": f"sid={SECRET}"}},
    {"x": f"Authorization: Bearer {SECRET}"}, {"x": f"password: {SECRET}\nuser: ada"},
    {"account": Account("ada", SECRET)}, {"account": Slotted("ada", SECRET)}, {"account": Named("ada", SECRET)},
    {"users": pd.DataFrame({"password": [SECRET]})}, {"s": pd.Series([SECRET], name="api_token")},
    {"passwords": np.array([SECRET])}, {"api_keys": [SECRET], "copy": SECRET}, {"x": {"passwords": {"ada": SECRET}}},
    {"dev": {"password": SECRET}, "prod": {"password": "an0ther-password"}, "copy": SECRET},
    {"x": {"a": {"b": {"password": SECRET}}}},
])  # fmt: skip
def test_a_secret_is_in_no_answer(value: dict[str, Any]) -> None:
    paths = ["headers['Cookie']", "auth[1]", "account.password", "users['password']", "dev['x']", "x['a']"]

    assert SECRET not in seen(value, *paths)


@pytest.mark.parametrize("line", [
    "def f(password='§'): ...", "def f(pw: str = '§'): ...", "os.environ['DB_PASSWORD'] = '§'", "auth = r'§'",
    "token: str = SecretStr('§')", 'passwd = """§"""', "pw = \"it's §\"", "setattr(client, 'password', '§')",
    "connect('postgres://ada:§@db')", "# password: §", "headers = {'Authorization': 'Bearer §'}",
    "c = 'password=§ host=x'",
    "{'user': 'ada', 'pwd': '§'}", "requests.get('http://x?api_key=§&y=1')",
])  # fmt: skip
def test_a_secret_in_source_is_hidden(line: str) -> None:
    source = f"def connect():\n    {line.replace('§', SECRET)}\n"
    file = "<cell of a test>"
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    code = compile("def connect():\n    pass\n", file, "exec")
    namespace: dict[str, Any] = {}
    exec(code, namespace)

    shown = inspect_variable({"connect": namespace["connect"]}, "connect", SecretFilter({}, Redactor()))

    assert "def connect" in shown
    assert SECRET not in shown
    assert SECRET not in SecretFilter({}, Redactor()).text(source)


def test_no_part_of_a_secret_is_left_at_a_cut() -> None:
    """A long text is shown in part, and the cut may go through a secret."""
    for before in range(2980, 3001, 4):
        namespace = {"token": SECRET * 3, "text": "x" * before + SECRET * 3 + "y" * 5000 + SECRET * 3 + "z" * 470}
        for text in (seen(namespace), seen({**namespace, "text": namespace["text"][2500:]})):
            assert SECRET[:10] not in text
            assert SECRET[-10:] not in text


def test_harmless_data_stays_readable() -> None:
    namespace = {
        "tokens": ["The", "quick", "fox"], "max_tokens": 512, "key": "month", "keys": ["a", "b"], "primary_key": "id",
        "token_ids": np.arange(4), "author": "Ada Lovelace 1815", "records": [{"key": "customers/2024/01.parquet"}],
        "issue": {"key": "SHOP-1234"}, "path": "s3://bucket/risk-adjusted-returns-2024-q1/part",
        "note": "task-management-for-2024: basic understanding of bearer bonds", "cookies_sold": 12,
        "sales": pd.DataFrame({"customer_key": ["C-10023"], "token": ["hello"]}), "columns": ["token", "customer_name"],
    }  # fmt: skip

    shown = seen(namespace)

    assert "redacted" not in shown
    assert "secret" not in shown
    assert "'C-10023' | 'hello'" in shown


def test_searching_for_secrets_is_quick() -> None:
    loop: list[Any] = []
    loop.extend([loop] * 200)
    namespace = {"cube": [[list(range(200)) for _ in range(200)] for _ in range(200)], "loop": loop}
    began = time.process_time()

    secrets = SecretFilter(namespace, Redactor())
    for text in ("a" * 65_000, "password" * 8000, "://" * 20_000, "a: " * 20_000, 'k="' * 20_000, "aa.bb|cc " * 7000):
        assert secrets.text(text)

    assert time.process_time() - began < 10  # a guard against square time; a good run takes half a second
