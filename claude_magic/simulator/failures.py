"""Every way the Messages API, or the road to it, can fail, as plain data.

`FAILURES` maps a name to a `Failure`. Most are an HTTP answer with an error body. The others damage the connection or
the stream, and `how` says in which way.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["FAILURES", "Failure", "How"]


class How(StrEnum):
    """What the simulator does to the connection when a call fails."""

    ANSWER = "answer"
    """An HTTP error status with a body; the connection stays usable."""
    RESET = "reset"
    """TCP reset before any header."""
    RESET_MID = "reset_mid"
    """TCP reset in the middle of the stream."""
    EOF_MID = "eof_mid"
    """The stream ends in good order, but in the middle of a block."""
    ERROR_EVENT = "error_event"
    """An `error` event in the middle of the stream."""
    MALFORMED = "malformed"
    """An event in the middle of the stream whose data is not JSON."""
    STALL = "stall"
    """Silence in the middle of the stream."""
    STALL_BEFORE = "stall_before"
    """Silence before any header."""
    EMPTY = "empty"
    """Status 200 and an event stream without one event."""

    @property
    def mid_stream(self) -> bool:
        """Whether a part of the answer is sent before it goes wrong."""
        return self in (How.RESET_MID, How.EOF_MID, How.ERROR_EVENT, How.MALFORMED, How.STALL)


@dataclass(frozen=True, slots=True)
class Failure:
    """One named failure.

    `status` is the HTTP status (200 where only the stream is damaged, None where no header is ever sent);
    `error_type` and `message` are those of the API's error body; `headers` are extra response headers.
    `retry_after_s` is the default of the `retry-after` header in seconds, None for no such header.
    """

    name: str
    how: How = How.ANSWER
    status: int | None = 200
    error_type: str = "api_error"
    message: str = "Internal server error"
    headers: Mapping[str, str] = field(default_factory=dict)
    retry_after_s: float | None = None
    html: bool = False

    def response_headers(self, now: float, retry_after_s: float | None = None) -> dict[str, str]:
        """The extra headers, for a failure sent at `now` (seconds since 1970).

        `{reset}` in a header's value becomes the time when the limit is lifted again.
        """
        wait = self.retry_after_s if retry_after_s is None else retry_after_s
        headers = {name: value.replace("{reset}", str(int(now + (wait or 0)))) for name, value in self.headers.items()}
        if wait is not None:
            headers["retry-after"] = f"{wait:g}"
        return headers

    def body(self, request_id: str, message: str | None = None) -> bytes:
        """The response body: the API's error object, or a page of HTML as a proxy would send it."""
        if self.html:
            return f"<html><head><title>{self.status}</title></head><body>Bad gateway</body></html>".encode()
        return json.dumps(self.error(request_id, message)).encode()

    def error(self, request_id: str, message: str | None = None) -> dict[str, object]:
        """The API's error object; `message` replaces the usual wording."""
        error = {"type": self.error_type, "message": message or self.message}
        return {"type": "error", "error": error, "request_id": request_id}


_CREDIT = (
    "Your credit balance is too low to access the Anthropic API. "
    "Please go to Plans & Billing to upgrade or purchase credits."
)
_LIMIT = "This request would exceed your account's rate limit. Please try again later."
_REJECTED = {
    "anthropic-ratelimit-unified-status": "rejected",
    "anthropic-ratelimit-unified-reset": "{reset}",
    "anthropic-ratelimit-unified-representative-claim": "five_hour",
    "anthropic-ratelimit-unified-5h-status": "rejected",
    "anthropic-ratelimit-unified-5h-reset": "{reset}",
    "anthropic-ratelimit-unified-5h-utilization": "1.0",
}


def _by_name(failures: Iterable[Failure]) -> dict[str, Failure]:
    return {failure.name: failure for failure in failures}


FAILURES: Mapping[str, Failure] = _by_name(
    (
        Failure("401", status=401, error_type="authentication_error", message="invalid x-api-key"),
        Failure("400_credit", status=400, error_type="invalid_request_error", message=_CREDIT),
        Failure("400_other", status=400, error_type="invalid_request_error", message="simulated: invalid request"),
        Failure(
            "400_too_long",
            status=400,
            error_type="invalid_request_error",
            message="prompt is too long: 250000 tokens > 200000 maximum",
        ),
        Failure("403", status=403, error_type="permission_error", message="simulated: permission denied"),
        Failure("404_model", status=404, error_type="not_found_error", message="model: simulated-unknown-model"),
        Failure("413", status=413, error_type="request_too_large", message="Request exceeds the maximum size"),
        Failure("429", status=429, error_type="rate_limit_error", message=_LIMIT),
        Failure("429_retry_after", status=429, error_type="rate_limit_error", message=_LIMIT, retry_after_s=2),
        Failure(
            "429_rejected",
            status=429,
            error_type="rate_limit_error",
            message=_LIMIT,
            headers=_REJECTED,
            retry_after_s=3600,
        ),
        Failure("529", status=529, error_type="overloaded_error", message="Overloaded"),
        Failure("500", status=500),
        Failure("500_html", status=500, html=True),
        Failure("500_no_retry", status=500, headers={"x-should-retry": "false"}),
        Failure("reset", How.RESET, status=None),
        Failure("reset_mid", How.RESET_MID),
        Failure("eof_mid", How.EOF_MID),
        Failure("sse_error", How.ERROR_EVENT, error_type="overloaded_error", message="Overloaded"),
        Failure("malformed", How.MALFORMED),
        Failure("stall", How.STALL),
        Failure("stall_before", How.STALL_BEFORE, status=None),
        Failure("empty_stream", How.EMPTY),
    )
)
