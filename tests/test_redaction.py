"""Redaction: whole values, and values in pieces."""

from __future__ import annotations

import base64
import itertools
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_magic.redaction import Redactor, StreamRedactor, process_redactor, redactor_for, secrets_in

LETTERS = st.text(alphabet="ab]n", min_size=6, max_size=12)
SECRETS = st.dictionaries(st.sampled_from(["ONE", "TWO", "THREE"]), LETTERS, min_size=1)


KEY = "sk-live-7f3a9c2e41d84b6f"


@pytest.mark.parametrize(
    "name",
    [
        "MY_API_KEY", "a_token", "apiKey", "GITHUB-TOKEN", "npm_config__authToken", "PGPASSWORD", "client.secret",
        "SECRET_KEY_BASE", "AWS_SECRET_ACCESS_KEY", "DB_PASS", "APIKEY", "SSHKEY", "ACCESS_TOKENS",
    ],
)  # fmt: skip
def test_a_part_of_the_name_says_that_it_is_secret(name: str) -> None:
    """In any case, however the parts are joined."""
    assert secrets_in({name: KEY}) == {name: KEY}


@pytest.mark.parametrize("name", ["KEYBOARD_LAYOUT", "MONKEY_SPECIES", "TOKENIZER_NAME", "COMPASS", "PATH", "HOCKEY"])
def test_letters_within_a_name_say_nothing(name: str) -> None:
    """KEY is in KEYBOARD, too."""
    assert secrets_in({name: KEY}) == {}


@pytest.mark.parametrize(
    "value",
    [
        "true", "128000", "0.75", "1_000_000", "postgres", "jupyter", "Postgres", "created_at", "claude-opus",
        "/etc/ssl/private/server.key", "~/.ssh/id_rsa", "./keys/my.pem", "C:\\keys\\a.pem", "/run/secrets/db",
        "https://auth.example.com/oauth/token", "http://127.0.0.1:8080/?page=2", "",
    ],
)  # fmt: skip
def test_a_value_that_anybody_could_write_is_not_secret(value: str) -> None:
    """Limits, words, paths and addresses stay readable, whatever their variable is called."""
    assert secrets_in({"MAX_OUTPUT_TOKENS": value, "A_PASSWORD": value, "SSH_KEY": value}) == {}


@pytest.mark.parametrize(
    "value",
    [
        "hunter22",
        "84729105638472",
        "AbCdEfGh",
        "correct-horse-battery-staple",
        "/x8Kd03+kKd83/9sd7f6s8d7f6sdf==",
        "a b1c&d",
    ],
)
def test_any_other_value_is_secret(value: str) -> None:
    """Also one of digits only that is longer than a limit, and one that begins as a path does."""
    assert secrets_in({"A_PASSWORD": value}) == {"A_PASSWORD": value}


@pytest.mark.parametrize(
    ("name", "value", "secrets"),
    [
        (
            "ANTHROPIC_CUSTOM_HEADERS",
            "Authorization: Bearer abc123def456\nX-Team: research\nx-api-key: k3y-k3y-k3y",
            ["abc123def456", "k3y-k3y-k3y"],
        ),
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "api-key=k3y-k3y-k3y,Authorization=Basic%20dXNlcjpwYXNz1",
            ["k3y-k3y-k3y", "Basic%20dXNlcjpwYXNz1", "dXNlcjpwYXNz1"],
        ),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "x-honeycomb-team=hcaik_01h3", ["hcaik_01h3"]),
        ("DATABASE_URL", "postgresql://ann:s3cr%2Ft1@db.example.com/sales", ["s3cr%2Ft1", "s3cr/t1"]),
        ("DATABASE_URL", "postgresql://postgres:postgres@localhost/db", []),
        ("PIP_INDEX_URL", "https://ghp_0a1b2c3d4e5f6g7h8i9j@example.com/simple", ["ghp_0a1b2c3d4e5f6g7h8i9j"]),
        ("HOOK_TOKEN", "https://example.com/hook?token=t0k3n-t0k3n&page=2000000", ["t0k3n-t0k3n"]),
        ("GCP_KEY", '{"type": "service_account", "private_key": "pr1vate-pr1vate"}', None),
        ("ANTHROPIC_API_KEY", "letters", ["letters"]),
    ],
)
def test_secrets_within_a_value(name: str, value: str, secrets: list[str] | None) -> None:
    """Each header of a variable of headers, the password in an address, the fields of a key file."""
    found = list(secrets_in({name: value}).values())

    assert found == (secrets if secrets is not None else [value, "pr1vate-pr1vate"])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("it is hunter22!", "it is [redacted K]!"),
        ("hunter22", "[redacted K]"),
        ("'hunter22', (hunter22) x=hunter22&y", "'[redacted K]', ([redacted K]) x=[redacted K]&y"),
        ("xhunter22 hunter225 hunter22_a", "xhunter22 hunter225 hunter22_a"),
        ("a\\nhunter22 \x1b[31mhunter22\x1b[0m", "a\\n[redacted K] \x1b[31m[redacted K]\x1b[0m"),
        (f"x{KEY}y_{KEY}", "x[redacted LONG]y_[redacted LONG]"),
    ],
)
def test_a_short_secret_is_a_word_of_its_own(text: str, shown: str) -> None:
    """A long one with digits is found within words too: that is never chance."""
    assert Redactor({"K": "hunter22", "LONG": KEY}).text(text) == shown


ODD = "pa\"ss\\w0rd/+&é'1"
PEM = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\nAQEFAASCBKcwggSjAgEAAoIB\n-----END KEY-----\n"


@pytest.mark.parametrize(
    "written",
    [
        ODD,
        json.dumps(ODD),
        json.dumps(ODD, ensure_ascii=False),
        json.dumps({"input": {"command": ODD}}),
        repr(ODD),
        quote(ODD, safe=""),
        quote(ODD),
        f"https://example.com/?p={quote(ODD, safe='')}",
        base64.b64encode(ODD.encode()).decode(),
        base64.urlsafe_b64encode(ODD.encode()).decode(),
        base64.b64encode(f"{ODD}\n".encode()).decode(),
    ],
)
def test_a_secret_is_found_however_it_is_written(written: str) -> None:
    """With quotes, backslashes and other letters: in JSON, Python, addresses and Base64, whole or in pieces."""
    redactor = Redactor({"ODD": ODD})
    stream = StreamRedactor(redactor)

    assert written.strip("'\"=").replace("=", "") not in redactor.text(written)
    assert "[redacted ODD]" in redactor.text(written)
    assert "".join(map(stream.feed, written)) + stream.flush() == redactor.text(written)


@pytest.mark.parametrize(
    "written",
    [
        PEM,
        json.dumps(PEM),
        PEM.replace("\n", "\r\n"),
        "".join(f"  {n}\t{line}\n" for n, line in enumerate(PEM.split("\n"))),
    ],
)
def test_a_secret_of_several_lines_is_found_line_by_line(written: str) -> None:
    """A file that is shown with numbers has the key, too."""
    shown = Redactor({"PEM": PEM}).text(written)

    assert "[redacted PEM]" in shown
    assert "MIIEvQIBADANBgkqhkiG9w0B" not in shown
    assert "AQEFAASCBKcwggSjAgEAAoIB" not in shown


def test_what_was_hidden_has_a_name() -> None:
    """Names of secrets that a redacted text lacks."""
    redactor = Redactor({"K": "hunter22", "LONG": KEY})

    assert redactor.hidden_in(redactor.text(f"a = '{KEY}'")) == ["LONG"]
    assert redactor.hidden_in("nothing") == []


def test_values_of_header_variables_are_secret() -> None:
    """Whole, and each of them without its scheme, however they are separated."""
    environment = {
        "OTEL_EXPORTER_OTLP_HEADERS": "api-key=abc-123-def,x=1",
        "ANTHROPIC_CUSTOM_HEADERS": "Authorization: Bearer tok-987654\nX-Team: blue",
    }
    redactor = Redactor(secrets_in(environment))

    for words in ("abc-123-def", "tok-987654", *environment.values()):
        assert words not in redactor.text(f"it is {words}.")
    assert redactor.text("Bearer tok-987654") == "Bearer [redacted ANTHROPIC_CUSTOM_HEADERS Authorization]"
    assert redactor.text("team blue") == "team blue"


def test_a_secret_becomes_its_name() -> None:
    """The reader learns which secret was there."""
    redactor = Redactor({"API_KEY": "hunter22"})

    assert redactor.text("it is hunter22!") == "it is [redacted API_KEY]!"


def test_a_secret_that_contains_another_is_replaced_whole() -> None:
    """The longer one wins, so that no rest of it is shown."""
    redactor = Redactor({"SHORT": "abcdef", "LONG": "abcdefghij"})

    assert redactor.text("abcdefghij abcdef") == "[redacted LONG] [redacted SHORT]"


def test_a_longer_secret_in_pieces_shows_no_rest() -> None:
    """A whole shorter secret is held back as long as the longer one may still come."""
    stream = StreamRedactor(Redactor({"SHORT": "abcdef", "LONG": "abcdefghij"}))

    shown = [stream.feed("abcdef"), stream.feed("ghij."), stream.flush()]

    assert "".join(shown) == "[redacted LONG]."


def test_a_held_back_secret_is_redacted_at_the_end() -> None:
    """Where the longer one does not come, the shorter one is still a secret."""
    stream = StreamRedactor(Redactor({"SHORT": "abcdef", "LONG": "abcdefghij"}))

    assert stream.feed("abcdef.") + stream.flush() == "[redacted SHORT]."


def test_values_are_redacted_everywhere_inside() -> None:
    """Keys, lists and tuples of a JSON-like value; numbers stay, the value itself is left alone."""
    redactor = Redactor({"K": "secret1"})
    value = {"secret1": ["a secret1", ("secret1", 5)], "n": None}

    assert redactor.value(value) == {"[redacted K]": ["a [redacted K]", ("[redacted K]", 5)], "n": None}
    assert value["n"] is None
    assert "secret1" in value


def test_no_secrets_means_no_work() -> None:
    """An empty redactor is false and returns the very same value."""
    value = {"a": "b"}
    redactor = Redactor({"K": "short"})

    assert not redactor
    assert redactor.value(value) is value
    assert redactor.text("short") == "short"
    assert redactor.unfinished("shor") == 0
    assert StreamRedactor(redactor).feed("sho") == "sho"


def test_named_secrets_count_whatever_their_name() -> None:
    """`redactor_for` joins environments and single secrets; missing ones are skipped."""
    redactor = redactor_for({"X_KEY": "aaaa11", "OTHER": "bbbbbb"}, named=[("oauth", "cccccc"), ("none", None)])

    assert redactor.text("aaaa11 bbbbbb cccccc") == "[redacted X_KEY] bbbbbb [redacted oauth]"


def test_process_redactor_knows_what_every_session_was_told() -> None:
    """Two sessions may have had a key each under one name; the environment adds its own."""
    for key in ("first-key-0123456789", "second-key-0123456789"):
        redactor_for(named=[("of_a_session", key)])
    redactor = process_redactor({"MY_TOKEN": "third-key-0123456789"})
    assert (
        redactor.text("first-key-0123456789 second-key-0123456789")
        == "[redacted of_a_session]" + " [redacted of_a_session]"
    )
    assert redactor.text("third-key-0123456789") == "[redacted MY_TOKEN]"


def test_redactor_finds_json_within_json() -> None:
    """A command that a tool is given is JSON, and may hold JSON that holds JSON."""
    secret = text = 'pa"ss\\word-of-mine'
    redactor = Redactor({"DB_PASSWORD": secret})
    for _ in range(3):
        text = json.dumps({"password": text})
        assert "word-of-mine" not in redactor.text(text)
        assert redactor.may_find_in(text.encode())
    assert not redactor.may_find_in(b"nothing of it")


def test_a_long_secret_costs_little() -> None:
    """A private key of many lines is a secret too; being ready for its pieces takes no room of its own."""
    key = "".join(chr(33 + number % 90) for number in range(100_000))
    stream = StreamRedactor(Redactor({"PRIVATE_KEY": key}))

    shown = [stream.feed(key[place : place + 1000]) for place in range(0, len(key), 1000)]

    assert "".join(shown) == "[redacted PRIVATE_KEY]"


@given(secrets=SECRETS, pieces=st.lists(st.text(alphabet="ab]n [redacted", max_size=9)), data=st.data())
def test_pieces_show_the_same_as_the_whole(secrets: dict[str, str], pieces: list[str], data: st.DataObject) -> None:
    """However a text with secrets in it is cut, what is shown equals the redaction of the whole."""
    value = data.draw(st.sampled_from(sorted(secrets.values())))
    text = value.join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)))))
    redactor = Redactor(secrets)
    stream = StreamRedactor(redactor)

    shown = [stream.feed(text[begin:end]) for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]

    assert "".join(shown) + stream.flush() == redactor.text(text)


@given(
    secrets=SECRETS,
    runs=st.lists(st.lists(st.text(alphabet="ab]n ", max_size=5), min_size=1, max_size=6)),
    data=st.data(),
)
def test_pieces_taken_together_show_the_same(
    secrets: dict[str, str], runs: list[list[str]], data: st.DataObject
) -> None:
    """Each has a text of its own, and all of them together are the redaction of the whole."""
    place = data.draw(st.integers(0, len(runs)))
    value = data.draw(st.sampled_from(sorted(secrets.values())))
    runs[place:place] = [[value[:3], value[3:]]]
    redactor = Redactor(secrets)
    stream = StreamRedactor(redactor)

    shown = [stream.feed_all(list(run)) for run in runs]

    assert list(map(len, shown)) == list(map(len, runs))
    whole = redactor.text("".join(itertools.chain(*runs)))
    assert "".join(itertools.chain(*shown)) + stream.flush() == whole


def test_pieces_without_a_secret_stay_as_they_are() -> None:
    """Only the end of the last one waits, as it may begin a secret."""
    stream = StreamRedactor(Redactor({"TOKEN": "sk-live-7f3a9c2e41d84b6f"}))

    assert stream.feed_all(["risks ", "and tasks", " s", "k"]) == ["risks ", "and tasks", " ", ""]
    assert stream.feed_all(["ill ", "set"]) == ["skill ", "set"]
