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
    ServiceError,
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
        ("API Error: 500", {"status": 500}, ServiceError, True),
        ("API Error: 503 Overloaded", {"status": 503}, OverloadedError, True),
        ("API Error: 400 overloaded", {"status": 400}, InvalidRequestError, False),
        ("API Error: Server error mid-response", {}, ServiceError, True),
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
    assert error.details["said"] == text
    assert error.status == facts.get("status")


@pytest.mark.parametrize(
    ("text", "status", "words"),
    [
        ("API Error: 529 Overloaded. This is a server-side issue.", 529, "The service is overloaded (HTTP 529)."),
        ("API Error: 500 Internal server error. Check your gateway.", 500, "The service failed (HTTP 500)."),
        ("API Error: Connection refused (ECONNREFUSED)", None, "The service could not be reached (ECONNREFUSED)."),
        ("API Error: Connection lost mid-response.", None, "The connection broke off in the middle of the answer."),
        ("Request timed out. Set API_TIMEOUT_MS above 5000.", None, "The service did not answer in time."),
        ("API Error: Request rejected (429) · rate limited", 429, "Too many requests (HTTP 429)."),
        ("You've hit your limit · resets 3pm", 429, "You've hit your limit · resets 3pm"),
        (
            "There's an issue with the selected model (opus-9). Run --model to pick a different model.", 404,
            "The model 'opus-9' does not exist, or this account may not use it.",
        ),
        (
            "Prompt is too long · the request is ~250000 tokens (limit 200000)", 400,
            "The request is too large: about 250,000 tokens, and the limit is 200,000.",
        ),
        ("Credit balance is too low", 400, "The account has no credit left."),
        ("Failed to authenticate. API Error: 403 No permission", 403,
         "The service denied access (HTTP 403): No permission."),
        ("API Error: 400 messages.0: invalid", 400, "The service refused the request (HTTP 400): messages.0: invalid."),
        ("Something else", None, "Something else"),
    ],
)  # fmt: skip
def test_a_failure_in_our_words(text: str, status: int | None, words: str) -> None:
    """One sentence that is true here; what only the API knows stays in it."""
    assert classify_failure(text, status=status).message == words


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
