"""Named ends of an execution, and the errors by which a function reaches one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

PROMOTED, GATE_SAID_NO = "Promoted", "GateSaidNo"
APPROVAL_REFUSED, APPROVAL_TIMED_OUT = "ApprovalRefused", "ApprovalTimedOut"
ALREADY_RUNNING, INPUTS_REFUSED = "AlreadyRunning", "InputsRefused"
JOB_FAILED, JOB_STOPPED, CEILING_REACHED = "JobFailed", "JobStopped", "CeilingReached"
DRAFT_REFUSED, GATE_FAILED, BASE_CHANGED = "DraftRefused", "GateFailed", "BaseChanged"
PROMOTION_ROLLED_BACK, FAILED = "PromotionRolledBack", "Failed"
SUCCEEDED = (PROMOTED, GATE_SAID_NO, APPROVAL_REFUSED, APPROVAL_TIMED_OUT)
"""Ends of an execution that succeeds."""
ENDS = (
    *SUCCEEDED,
    *(ALREADY_RUNNING, INPUTS_REFUSED, JOB_FAILED, JOB_STOPPED, CEILING_REACHED, DRAFT_REFUSED, GATE_FAILED),
    *(BASE_CHANGED, PROMOTION_ROLLED_BACK, FAILED),
)
_THROTTLES = frozenset(
    {
        *("Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "RequestLimitExceeded"),
        *(
            "TooManyRequestsException",
            "SlowDown",
            "ServiceUnavailable",
            "InternalFailure",
            "InternalError",
            "InternalServerError",
        ),
    }
)
_ABSENT = frozenset({"ResourceNotFound", "ResourceNotFoundException", "NoSuchKey", "404", "NoSuchBucket", "NotFound"})
_ABSENT_TEXTS = ("could not find", "does not exist", "not found")


class Throttled(Exception):  # noqa: N818  the name that the state machine retries
    """A service throttles requests; the state machine waits and calls the function again."""


class EndError(Exception):
    """The run ends here.

    Args:
        end: Named end.
        reason: Why, in a sentence.
        next_step: What to do next.
        figures: Further values of the state's result, for example the dollars spent.
    """

    def __init__(self, end: str, reason: str, next_step: str, *, figures: Mapping[str, Any] | None = None) -> None:
        super().__init__(reason)
        self.figures = dict(figures or {})
        self.end = end
        self.reason = reason
        self.next_step = next_step

    def result(self) -> dict[str, Any]:
        """Return the end as part of a state's result."""
        return {**self.figures, "end": self.end, "reason": self.reason, "next": self.next_step}

    def named(self) -> Exception:
        """Return the error that the state machine catches by the name of the end."""
        error: Exception = type(self.end, (Exception,), {})(json.dumps({"reason": self.reason, "next": self.next_step}))
        return error


def code_of(error: ClientError) -> str:
    """Return the code of a service's error."""
    return str(error.response.get("Error", {}).get("Code", ""))


def message_of(error: ClientError) -> str:
    """Return the text of a service's error."""
    return " ".join(str(error.response.get("Error", {}).get("Message", error)).split())


def is_absent(error: ClientError) -> bool:
    """Whether an error says that the resource does not exist; SageMaker reports this as a ValidationException."""
    text = message_of(error).lower()
    return code_of(error) in _ABSENT or (
        code_of(error) in {"ValidationException", "ValidationError"} and any(part in text for part in _ABSENT_TEXTS)
    )


def is_throttle(error: ClientError) -> bool:
    """Whether an error is transient."""
    return code_of(error) in _THROTTLES


def answered(request: Callable[..., Mapping[str, Any]], **parameters: Any) -> dict[str, Any] | None:
    """Call a service; None if the resource does not exist.

    Raises:
        Throttled: The service answers too many requests.
        ClientError: Any other error.
    """
    try:
        return dict(request(**parameters))
    except ClientError as error:
        if is_absent(error):
            return None
        if is_throttle(error):
            raise Throttled(f"{code_of(error)}: {message_of(error)}") from error
        raise
