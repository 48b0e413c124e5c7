"""Redaction: whole values, and values in pieces."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from claude_magic.redaction import Redactor, StreamRedactor, redactor_for, secrets_in

LETTERS = st.text(alphabet="ab]n", min_size=6, max_size=12)
SECRETS = st.dictionaries(st.sampled_from(["ONE", "TWO", "THREE"]), LETTERS, min_size=1)


def test_only_names_that_say_so_are_secret() -> None:
    """KEY, TOKEN, SECRET and PASSWORD in any case make a variable secret; short values are settings."""
    environment = {"MY_API_KEY": "abcdef", "a_token": "ghijkl", "PATH": "/usr/bin", "USE_TOKEN": "true"}

    assert secrets_in(environment) == {"MY_API_KEY": "abcdef", "a_token": "ghijkl"}


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

    assert stream.feed("abcdefg") + stream.flush() == "[redacted SHORT]g"


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
    redactor = redactor_for({"X_KEY": "aaaaaa", "OTHER": "bbbbbb"}, named=[("oauth", "cccccc"), ("none", None)])

    assert redactor.text("aaaaaa bbbbbb cccccc") == "[redacted X_KEY] bbbbbb [redacted oauth]"


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
