"""The tree of errors: words, facts, and which class a failure gets."""

from __future__ import annotations

import pytest

from claude_magic import errors
from claude_magic.errors import (
    AuthenticationError,
    ClaudeError,
    ConnectionFailedError,
    InsufficientCreditsError,
    InvalidRequestError,
    ModelNotFoundError,
    OverloadedError,
    PermissionDeniedError,
    ProcessError,
    RateLimitError,
    RequestTooLargeError,
    ResultError,
    StructuredOutputError,
    classify_failure,
)


def every_class() -> list[type[ClaudeError]]:
    return [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, ClaudeError)]


def test_every_class_has_a_code_of_its_own() -> None:
    """Programs branch on codes: no two classes share one."""
    codes = [kind.code for kind in every_class()]

    assert sorted(set(codes)) == sorted(codes)


def test_the_picture_names_every_class() -> None:
    """The tree in the module's docstring is complete."""
    assert errors.__doc__ is not None
    for kind in every_class():
        assert kind.__name__ in errors.__doc__


def test_an_error_carries_type_code_message_details_and_retryable() -> None:
    """The five facts that every error has."""
    error = ProcessError("It died.", exit_code=-9, stderr_tail="oh", pid=7)

    assert (error.type, error.code, error.message, str(error)) == (
        "ProcessError", "PROCESS_FAILED", "It died.", "It died.",
    )  # fmt: skip
    assert error.details == {"exit_code": -9, "stderr_tail": "oh", "pid": 7}
    assert error.retryable
    assert error.response is None


@pytest.mark.parametrize(
    ("text", "facts", "kind", "retryable"),
    [
        ("Invalid API key", {"status": 401, "word": "authentication_failed"}, AuthenticationError, False),
        ("Not logged in", {"word": "authentication_failed"}, AuthenticationError, False),
        ("Credit balance is too low", {"status": 400, "word": "billing_error"}, InsufficientCreditsError, False),
        ("API Error: 400 bad", {"status": 400, "word": "unknown"}, InvalidRequestError, False),
        ("Prompt is too long", {"status": 400, "word": "invalid_request"}, RequestTooLargeError, False),
        ("Prompt is too long", {}, RequestTooLargeError, False),
        ("API Error: 403", {"status": 403, "word": "authentication_failed"}, PermissionDeniedError, False),
        ("the selected model", {"status": 404, "word": "model_not_found"}, ModelNotFoundError, False),
        ("Request too large", {"status": 413}, RequestTooLargeError, False),
        ("Request rejected (429)", {"status": 429, "word": "rate_limit"}, RateLimitError, True),
        ("You've hit your limit", {"word": "rate_limit"}, RateLimitError, True),
        ("API Error: 529 Overloaded", {"status": 529}, OverloadedError, True),
        ("API Error: 500", {"status": 500}, OverloadedError, True),
        ("API Error: Overloaded", {"word": "unknown"}, OverloadedError, True),
        ("Unable to connect to API (ConnectionRefused)", {"word": "server_error"}, ConnectionFailedError, True),
        ("API Error: Connection closed mid-response", {}, ConnectionFailedError, True),
        ("The operation timed out.", {}, ConnectionFailedError, True),
        ("The tests took too long", {}, ResultError, False),
        ("no fit", {"subtype": "error_max_structured_output_retries"}, StructuredOutputError, False),
        ("what?", {}, ResultError, False),
    ],
)
def test_which_class_a_failure_gets(text: str, facts: dict[str, object], kind: type, retryable: bool) -> None:
    """The status says most, then the CLI's word, then its text."""
    error = classify_failure(text, **facts)  # type: ignore[arg-type]  # a table of mixed facts

    assert type(error) is kind
    assert error.retryable is retryable
    assert error.message.startswith(text.rstrip("."))
    assert error.status == facts.get("status")


def test_no_credentials_says_how_to_log_in() -> None:
    """All three ways, in the message itself."""
    message = classify_failure("Not logged in · Please run /login", word="authentication_failed").message

    for way in ("/login", "setup-token", "CLAUDE_CODE_OAUTH_TOKEN", "ANTHROPIC_API_KEY"):
        assert way in message


def test_a_rate_limit_says_when_it_ends() -> None:
    """In unix seconds, as the CLI said it."""
    error = classify_failure("limit", status=429, resets_at=1234.0)

    assert isinstance(error, RateLimitError)
    assert error.resets_at == 1234.0


def test_a_failure_without_words_still_says_something() -> None:
    """An empty text becomes a sentence."""
    assert classify_failure("  ", subtype="error_during_execution").message == (
        "The turn failed (error_during_execution)."
    )
