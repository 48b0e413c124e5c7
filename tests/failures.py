"""What becomes of each failure of the API: the one table, measured on CLI 2.1.197 and 2.1.330."""

from __future__ import annotations

from dataclasses import dataclass

from claude_magic.errors import (
    AuthenticationError,
    ClaudeError,
    ConnectionFailedError,
    InsufficientCreditsError,
    InvalidRequestError,
    ModelNotFoundError,
    OverloadedError,
    PermissionDeniedError,
    RateLimitError,
    RequestTooLargeError,
    ServiceError,
    TurnTimeoutError,
)


@dataclass(frozen=True)
class Row:
    """One failure.

    Attributes:
        error: what a turn raises that meets it at every try; `None` where the CLI gets an answer all the same.
        code: the error's `code`.
        retryable: the error's `retryable`.
        mended: whether 2.1.330 mends it by itself if it happens only once; 2.1.197 raises at the first.
    """

    error: type[ClaudeError] | None
    code: str = ""
    retryable: bool = False
    mended: bool = False


FAILURE_TABLE = {
    "401": Row(AuthenticationError, "AUTH_FAILED"),
    "400_credit": Row(InsufficientCreditsError, "INSUFFICIENT_CREDITS"),
    "400_other": Row(InvalidRequestError, "INVALID_REQUEST"),
    "400_too_long": Row(RequestTooLargeError, "REQUEST_TOO_LARGE"),
    "403": Row(PermissionDeniedError, "PERMISSION_DENIED"),
    "404_model": Row(ModelNotFoundError, "MODEL_NOT_FOUND"),
    "413": Row(RequestTooLargeError, "REQUEST_TOO_LARGE"),
    "429": Row(RateLimitError, "RATE_LIMITED", retryable=True),
    "429_retry_after": Row(RateLimitError, "RATE_LIMITED", retryable=True),
    "429_rejected": Row(RateLimitError, "RATE_LIMITED", retryable=True),
    "529": Row(OverloadedError, "OVERLOADED", retryable=True),
    "500": Row(ServiceError, "SERVICE_FAILED", retryable=True),
    "500_html": Row(ServiceError, "SERVICE_FAILED", retryable=True),
    "500_no_retry": Row(ServiceError, "SERVICE_FAILED", retryable=True),
    "reset": Row(ConnectionFailedError, "CONNECTION_FAILED", retryable=True),
    "refused": Row(ConnectionFailedError, "CONNECTION_FAILED", retryable=True),
    "reset_mid": Row(ConnectionFailedError, "CONNECTION_FAILED", retryable=True, mended=True),
    "eof_mid": Row(ConnectionFailedError, "CONNECTION_FAILED", retryable=True, mended=True),
    "sse_error": Row(ServiceError, "SERVICE_FAILED", retryable=True, mended=True),
    "malformed": Row(ConnectionFailedError, "CONNECTION_FAILED", retryable=True, mended=True),
    # Neither CLI gives up within minutes: the session's own watchdog does.
    "stall": Row(TurnTimeoutError, "TURN_TIMEOUT", retryable=True),
    "stall_before": Row(TurnTimeoutError, "TURN_TIMEOUT", retryable=True),
    # Both ask again, without a stream.
    "empty_stream": Row(None),
}
"""By the simulator's name of the failure, and "refused": nobody listens at the API's address."""
