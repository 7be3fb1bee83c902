"""Failures that prove that no copy has seen the request: only after these may it be sent again.

A request that a copy has begun may have cost GPU time and may have had effects (tools, logs, sessions). So a model's own
error, a read that timed out, a connection that broke after the request was sent, and SageMaker's 5xx answers, which do not
say how far the request came, are never repeated.
"""

from __future__ import annotations

import json
import re
import ssl
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

NO_CAPACITY_MESSAGE: Final = re.compile(r"Inference Component (?:\S+ )?has no capacity to process this request\b")
"""Beginning of the message of InvokeEndpoint's ValidationError if a component has no copy that could answer. The text is the
one in AWS's "Unlock cost savings with the new scale down to zero feature in Amazon SageMaker Inference"
(https://aws.amazon.com/blogs/machine-learning/unlock-cost-savings-with-the-new-scale-down-to-zero-feature-in-amazon-sagemaker-inference/,
read 2026-11-26). The code alone is not enough: every malformed request is a ValidationError too. [?] That the OpenAI-compatible path
uses the same words is assumed."""

NOT_READY_CODES: Final = frozenset({"ModelNotReadyException"})
""""Resources are still being provisioned … wait and try your request again" (botocore 1.44.5, sagemaker-runtime)."""

THROTTLING_CODES: Final = frozenset(
    {"ThrottlingException", "Throttling", "RequestLimitExceeded", "TooManyRequestsException"}
)
"""Codes that SageMaker's front end returns before it chooses a copy (botocore 1.44.5, retries/standard.py). A bare HTTP 429 is not among
them: on the OpenAI-compatible path it can come from the engine."""

MISSING_MESSAGE: Final = re.compile(r"Endpoint \S+ of account \d+ not found|Inference Component \S+ not found")
"""Message about a destination that is not deployed (yet): the client tries the route's next one. At the last one the error is raised."""


class Reason(StrEnum):
    """Reason of a refusal before any copy saw the request."""

    NO_CAPACITY = "no capacity"
    THROTTLED = "throttled"
    UNREACHABLE = "unreachable"
    MISSING = "missing"


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A failure after which a retry is safe."""

    reason: Reason
    message: str


class RefusedError(Exception):
    """An attempt was refused; the cause is the error of boto3 or httpx, if there was one."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


def service_refusal(code: str, message: str) -> Refusal | None:
    """Return the refusal that an error of SageMaker's front end means; None if a copy may have seen the request."""
    reason = None
    if code in NOT_READY_CODES or NO_CAPACITY_MESSAGE.match(message):
        reason = Reason.NO_CAPACITY
    elif code in THROTTLING_CODES:
        reason = Reason.THROTTLED
    elif MISSING_MESSAGE.match(message):
        reason = Reason.MISSING
    return None if reason is None or code == "ModelError" else Refusal(reason=reason, message=message)


def response_refusal(error_type: str, body: bytes) -> Refusal | None:
    """Return the refusal that an HTTP error of the OpenAI-compatible path means; None if a copy may have seen the request.

    The path passes the container's own errors on unchanged.

    Args:
        error_type: The header x-amzn-ErrorType; empty if missing.
        body: Body of the response.
    """
    try:
        content: Any = json.loads(body)
    except ValueError:
        content = {}
    content = content if isinstance(content, dict) else {}
    inner = content.get("error")
    places = (content, inner if isinstance(inner, dict) else {})
    code = error_type.partition(":")[0].rpartition("#")[2] or _first(places, "__type", "code").rpartition("#")[2]
    return service_refusal(code, _first(places, "Message", "message"))


def is_certificate_problem(error: BaseException) -> bool:
    """Whether a connection failed because of its certificate: no request was sent, but a retry would fail, too."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def _first(places: tuple[dict[str, Any], ...], *names: str) -> str:
    values = (place.get(name) for place in places for name in names)
    return next((value for value in values if isinstance(value, str)), "")
