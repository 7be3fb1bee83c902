"""Which failures prove that no copy has seen the request: the only ones after which it may be sent again.

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
"""How the message of InvokeEndpoint's ValidationError begins where a component has no copy that could answer. The text is the
one in AWS's "Unlock cost savings with the new scale down to zero feature in Amazon SageMaker Inference"
(https://aws.amazon.com/blogs/machine-learning/unlock-cost-savings-with-the-new-scale-down-to-zero-feature-in-amazon-sagemaker-inference/,
read 2026-11-26). The code alone says nothing: every malformed request is a ValidationError too. [?] That the OpenAI-compatible path
uses the same words is assumed."""

NOT_READY_CODES: Final = frozenset({"ModelNotReadyException"})
""""Resources are still being provisioned … wait and try your request again" (botocore 1.44.5, sagemaker-runtime)."""

THROTTLING_CODES: Final = frozenset(
    {"ThrottlingException", "Throttling", "RequestLimitExceeded", "TooManyRequestsException"}
)
"""Said by SageMaker's front before it looks for a copy (botocore 1.44.5, retries/standard.py). A bare HTTP 429 is not among
them: on the OpenAI-compatible path it can come from the engine."""

MISSING_MESSAGE: Final = re.compile(r"Endpoint \S+ of account \d+ not found|Inference Component \S+ not found")
"""A route's destination that is not deployed (yet): the next one is tried. At the last one it is an error like any other."""


class Reason(StrEnum):
    """Why a request was refused before any copy saw it."""

    NO_CAPACITY = "no capacity"
    THROTTLED = "throttled"
    UNREACHABLE = "unreachable"
    MISSING = "missing"


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A failure that is safe to try again."""

    reason: Reason
    message: str


class RefusedError(Exception):
    """An attempt met a refusal; its cause is the error of the client beneath, where there was one."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


def service_refusal(code: str, message: str) -> Refusal | None:
    """Return what an error answer of SageMaker's front is, or None where a copy may have seen the request."""
    reason = None
    if code in NOT_READY_CODES or NO_CAPACITY_MESSAGE.match(message):
        reason = Reason.NO_CAPACITY
    elif code in THROTTLING_CODES:
        reason = Reason.THROTTLED
    elif MISSING_MESSAGE.match(message):
        reason = Reason.MISSING
    return None if reason is None or code == "ModelError" else Refusal(reason=reason, message=message)


def response_refusal(error_type: str, body: bytes) -> Refusal | None:
    """Return what an HTTP error on the OpenAI-compatible path is; the container's own errors pass through it unchanged.

    Args:
        error_type: The header x-amzn-ErrorType, empty where there is none.
        body: The body of the answer.
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
    """Say whether a connection failed on its certificate: no request was sent, but no second try will go better."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLError):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def _first(places: tuple[dict[str, Any], ...], *names: str) -> str:
    found = (place.get(name) for place in places for name in names)
    return next((value for value in found if isinstance(value, str)), "")
