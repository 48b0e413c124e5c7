"""Everything that can go wrong, as one tree of exceptions.

    ClaudeError
    ├── CLINotFoundError            no Claude CLI on this machine
    ├── ProcessError                the CLI process failed or died      (exit_code, stderr_tail)
    ├── ProtocolError               the CLI said something unreadable   (line)
    ├── ControlError                the CLI refused a control request
    ├── ResultError                 a turn ended in an error            (status, response)
    │   ├── AuthenticationError     401, or no credentials at all
    │   ├── InsufficientCreditsError
    │   ├── PermissionDeniedError   403
    │   ├── RateLimitError          429                                 (resets_at)
    │   ├── ServiceError            5xx: the service has a fault of its own
    │   ├── OverloadedError         529
    │   ├── ModelNotFoundError      404
    │   ├── InvalidRequestError     400
    │   ├── RequestTooLargeError    413, or a prompt that is too long
    │   ├── ConnectionFailedError   no answer from the API's address
    │   └── StructuredOutputError   no output that fits the schema
    ├── SessionError
    │   ├── SessionNotFoundError    no such name, or no such id to resume
    │   └── SessionClosedError
    ├── PoolError
    │   ├── PoolTimeoutError        no process or no turn was free in time
    │   └── PoolClosedError
    ├── HistoryError                what is kept of earlier kernels cannot be read or written
    ├── MapStoreError               the rows that maps have paid for cannot be read or written
    └── TurnTimeoutError            a turn took, or was silent, too long (response)

Bad arguments are a `ValueError`: of a setting, a `SettingError`, which names it.
Callers branch on classes, or on `code`, never on words.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from claude_magic.response import Response

WAYS_TO_LOG_IN = (
    "Log in one of three ways: run `claude` in a terminal and type /login; "
    "or run `claude setup-token` and set CLAUDE_CODE_OAUTH_TOKEN; or set ANTHROPIC_API_KEY. "
    "Then prompt again. `%claude simulate on` shows how everything works without an account."
)


class ClaudeError(Exception):
    """Base of every error of this package.

    Args:
        message: one sentence for a person: what was wrong, and what to do.
        details: facts for programs and logs, JSON-like.

    Attributes:
        code: a stable word for the kind of failure, such as `AUTH_FAILED`.
        retryable: whether the same request may succeed later without any change.
        most_retries: how often at most it is worth trying again, whatever the policy allows.
        response: what a failed turn had produced so far, or `None`.
    """

    code: ClassVar[str] = "CLAUDE_ERROR"
    retryable: bool = False
    most_retries: float = math.inf

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        self.response: Response | None = None

    @property
    def type(self) -> str:
        """The name of the class, for tables and logs."""
        return type(self).__name__

    def __str__(self) -> str:
        return self.message


class CLINotFoundError(ClaudeError):
    """There is no Claude CLI where we looked; the message says how to get one."""

    code = "CLI_NOT_FOUND"


class ProcessError(ClaudeError):
    """The CLI process could not start, or ended before its work was done.

    Attributes:
        exit_code: the process's exit code; negative for a signal; `None` if it never ran.
        stderr_tail: the last lines it wrote to stderr.
    """

    code = "PROCESS_FAILED"
    retryable = True

    def __init__(self, message: str, *, exit_code: int | None = None, stderr_tail: str = "", **details: Any) -> None:
        super().__init__(message, exit_code=exit_code, stderr_tail=stderr_tail, **details)
        self.exit_code = exit_code
        self.stderr_tail = stderr_tail


class ProtocolError(ClaudeError):
    """The CLI's output could not be followed, for example a line over the ceiling.

    Attributes:
        line: the beginning of the offending line.
    """

    code = "PROTOCOL_ERROR"

    def __init__(self, message: str, *, line: str = "", **details: Any) -> None:
        super().__init__(message, line=line, **details)
        self.line = line


class ControlError(ClaudeError):
    """The CLI refused a control request, such as another permission mode."""

    code = "CONTROL_REFUSED"


class ResultError(ClaudeError):
    """A turn ended in an error that the CLI or the API reported.

    Attributes:
        status: the HTTP status of the API's answer, or `None`.
    """

    code = "TURN_FAILED"

    def __init__(self, message: str, *, status: int | None = None, **details: Any) -> None:
        super().__init__(message, status=status, **details)
        self.status = status


class AuthenticationError(ResultError):
    """The credentials were refused, or there are none."""

    code = "AUTH_FAILED"


class InsufficientCreditsError(ResultError):
    """The account has no credit left."""

    code = "INSUFFICIENT_CREDITS"


class PermissionDeniedError(ResultError):
    """The credentials are good, but not for this (403)."""

    code = "PERMISSION_DENIED"


class RateLimitError(ResultError):
    """Too many requests, or the plan's limit is reached.

    Attributes:
        resets_at: when the limit ends, in unix seconds, if the CLI said so.
    """

    code = "RATE_LIMITED"
    retryable = True

    def __init__(
        self, message: str, *, status: int | None = None, resets_at: float | None = None, **details: Any
    ) -> None:
        super().__init__(message, status=status, resets_at=resets_at, **details)
        self.resets_at = resets_at


class ServiceError(ResultError):
    """The API has a fault of its own (5xx)."""

    code = "SERVICE_FAILED"
    retryable = True


class OverloadedError(ResultError):
    """The API is overloaded (529)."""

    code = "OVERLOADED"
    retryable = True


class ModelNotFoundError(ResultError):
    """The model does not exist, or this account may not use it."""

    code = "MODEL_NOT_FOUND"


class InvalidRequestError(ResultError):
    """The API refused the request as malformed (400)."""

    code = "INVALID_REQUEST"


class RequestTooLargeError(ResultError):
    """The prompt, or what it carries, is too large."""

    code = "REQUEST_TOO_LARGE"


class ConnectionFailedError(ResultError):
    """The API could not be reached, or its answer broke off or arrived damaged."""

    code = "CONNECTION_FAILED"
    retryable = True


class StructuredOutputError(ResultError):
    """The model gave no output that fits the JSON Schema."""

    code = "STRUCTURED_OUTPUT_FAILED"


class SessionError(ClaudeError):
    """A session cannot do what was asked of it."""

    code = "SESSION_ERROR"


class SessionNotFoundError(SessionError):
    """No session has this name or id."""

    code = "SESSION_NOT_FOUND"


class SessionClosedError(SessionError):
    """The session was closed."""

    code = "SESSION_CLOSED"


class PoolError(ClaudeError):
    """The pool cannot serve."""

    code = "POOL_ERROR"


class PoolTimeoutError(PoolError):
    """No process, or no running turn, became free in time."""

    code = "POOL_TIMEOUT"
    retryable = True


class PoolClosedError(PoolError):
    """The client was closed."""

    code = "POOL_CLOSED"


class HistoryError(ClaudeError, ValueError):
    """The database of finished turns cannot be read or written; says which file and why."""

    code = "HISTORY_FAILED"


class MapStoreError(ClaudeError, ValueError):
    """The database of the rows of maps cannot be read or written; says which file and why."""

    code = "MAP_STORE_FAILED"


class TurnTimeoutError(ClaudeError):
    """A turn took longer than `turn_timeout_s`, or was silent longer than `silence_timeout_s`."""

    code = "TURN_TIMEOUT"
    retryable = True


class SettingError(ValueError):
    """A setting makes no sense.

    Args:
        setting: its name.
        problem: what is wrong with it; reads on after the name.
    """

    def __init__(self, setting: str, problem: str) -> None:
        super().__init__(setting, problem)
        self.setting = setting
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.setting} {self.problem}"


# The CLI's own word for an API failure (`error` of its synthetic assistant line) -> class.
# An HTTP status, where there is one, says more and is looked at first.
_BY_STATUS: dict[int, type[ResultError]] = {
    400: InvalidRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: ModelNotFoundError,
    413: RequestTooLargeError,
    429: RateLimitError,
}
_BY_WORD: dict[str, type[ResultError]] = {
    "authentication_failed": AuthenticationError,
    "billing_error": InsufficientCreditsError,
    "rate_limit": RateLimitError,
    "model_not_found": ModelNotFoundError,
    "invalid_request": InvalidRequestError,
    "overloaded": OverloadedError,
}
_CONNECTION_WORDS = (
    "econnre", "connection", "unable to connect", "timed out", "socket", "network", "etimedout", "enotfound", "fetch",
    "json parse error", "stream was malformed", "mid-response",
)  # fmt: skip


def classify_failure(
    text: str, *, status: int | None = None, word: str = "", subtype: str = "", resets_at: float | None = None
) -> ResultError:
    """Pick the class for a failed turn and write its message.

    Args:
        text: the failure in the CLI's words (`result`, or the joined `errors`).
        status: `api_error_status` of the result.
        word: `error` of the turn's last synthetic assistant line.
        subtype: `subtype` of the result.
        resets_at: end of a rate limit, in unix seconds, from a `rate_limit_event`.

    Returns:
        The error, not raised; `details["said"]` has the CLI's own words. Source of the mapping: the CLI's answers to
        every API failure, measured on 2.1.197 and 2.1.330 (`tests/failures.py` has the table and proves each row).
    """
    kind = _failure_class(text.lower(), status, word, subtype)
    message = _in_our_words(kind, text.strip(), status) or f"The turn failed ({subtype or word or 'no reason given'})."
    details: dict[str, Any] = {"word": word, "subtype": subtype, "said": text}
    if kind is RateLimitError:
        return RateLimitError(message, status=status, resets_at=resets_at, **details)
    return kind(message, status=status, **details)


_OF_THE_CLI = re.compile(r"(?:Failed to authenticate\. )?API Error:\s*(?:\d{3}\b\s*)?")
_SYSTEM_CODE = re.compile(r"\((E[A-Z]{4,}|Connection[A-Z]\w+)\)")
_MODEL = re.compile(r"selected model \(([^()]+)\)")
_TOKENS = re.compile(r"~?(\d+) tokens \(limit (\d+)\)")


def _in_our_words(kind: type[ResultError], text: str, status: int | None) -> str:
    """Return one sentence about a failure; what only the API knows, such as what is malformed, stays in it."""
    http = f" (HTTP {status})" if status else ""
    rest = text.removeprefix(match[0]) if (match := _OF_THE_CLI.match(text)) else text
    if kind is OverloadedError:
        return f"The service is overloaded{http}."
    if kind is ServiceError:
        return f"The service failed{http}."
    if kind is ConnectionFailedError:
        return _connection_words(text)
    if kind is RateLimitError and (match or "Request rejected" in text):
        return f"Too many requests{http}."
    if kind is ModelNotFoundError and (model := _MODEL.search(text)):
        return f"The model {model[1]!r} does not exist, or this account may not use it."
    if kind is RequestTooLargeError:
        sizes = _TOKENS.search(text)
        size = f": about {int(sizes[1]):,} tokens, and the limit is {int(sizes[2]):,}" if sizes else ""
        return f"The request is too large{size}."
    if kind is InsufficientCreditsError:
        return "The account has no credit left."
    if kind is AuthenticationError:
        reason = "You are not logged in" if status is None else f"The credentials were refused{http}"
        return f"{reason}. {WAYS_TO_LOG_IN}"
    if kind in (PermissionDeniedError, InvalidRequestError) and match:
        told = "denied access" if kind is PermissionDeniedError else "refused the request"
        return f"The service {told}{http}" + (f": {rest.rstrip('.')}." if rest else ".")
    return rest


def _connection_words(text: str) -> str:
    said = text.lower()
    if any(sign in said for sign in ("mid-response", "json parse error", "malformed")):
        return "The connection broke off in the middle of the answer."
    if "timed out" in said:
        return "The service did not answer in time."
    code = _SYSTEM_CODE.search(text)
    return f"The service could not be reached{f' ({code[1]})' if code else ''}."


def _failure_class(text: str, status: int | None, word: str, subtype: str) -> type[ResultError]:
    if subtype == "error_max_structured_output_retries":
        return StructuredOutputError
    if word == "billing_error" or "credit balance" in text:
        return InsufficientCreditsError
    if "prompt is too long" in text or status == 413:
        return RequestTooLargeError
    if status == 529 or ("overloaded" in text and (status is None or status >= 500)):
        return OverloadedError
    if status is not None and status >= 500:
        return ServiceError
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if "server error" in text:
        return ServiceError
    if any(sign in text for sign in _CONNECTION_WORDS):
        return ConnectionFailedError
    return _BY_WORD.get(word, ResultError)
