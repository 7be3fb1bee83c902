"""Errors of SageMaker and of the engine behind it, as exceptions that tell a turn what to do."""

from __future__ import annotations

import re
from typing import Any, Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    EventStreamError,
    NoCredentialsError,
)
from strands.types.exceptions import ContextWindowOverflowException, ModelThrottledException

from intake.errors import AsleepError, TurnError

_NO_CAPACITY: Final = re.compile(r"Inference Component (?:\S+ )?has no capacity to process this request\b")
"""Message of the ValidationError if a component has no copy (https://aws.amazon.com/blogs/machine-learning/
unlock-cost-savings-with-the-new-scale-down-to-zero-feature-in-amazon-sagemaker-inference/, read 2026-11)."""
_MISSING: Final = re.compile(
    r"Endpoint \S+ of account \d+ not found|Endpoint \S+ not found|Inference Component \S+ not found"
)
_THROTTLED: Final = frozenset(
    {"ThrottlingException", "Throttling", "RequestLimitExceeded", "TooManyRequestsException", "ServiceUnavailable"}
)
"""Codes of SageMaker's front end before it chooses a copy (botocore 1.44, retries/standard.py)."""
_OVERFLOW: Final = re.compile(
    r"context[ _-]length|context window|maximum (?:input|model|sequence) length|too many tokens", re.IGNORECASE
)
"""Words of the engine's refusal of a prompt that is too long (SGLang 0.5: "is longer than the model's context length")."""
_ENGINE_FULL: Final = (429, 503)
_CLIENT_ERRORS: Final = range(400, 500)

INTERRUPTED: Final = (
    "model_interrupted",
    "The model stopped in the middle of its answer, so the text above is not complete. Send the message again.",
)


def of_request(error: BaseException) -> BaseException:
    """Return the exception that stands for an error before the first word of the answer.

    Args:
        error: Error of botocore.
    """
    if isinstance(error, EventStreamError):
        return TurnError(*INTERRUPTED)
    if isinstance(error, ClientError):
        content: dict[str, Any] = dict(error.response)
        inner = content.get("Error", {})
        status = content.get("OriginalStatusCode")
        text = str(content.get("OriginalMessage") or inner.get("Message") or "")
        return of_answer(str(inner.get("Code", "")), text, status if isinstance(status, int) else None)
    if isinstance(error, (EndpointConnectionError, ConnectTimeoutError)):
        return TurnError("model_unreachable", "The model's endpoint cannot be reached. Send the message again later.")
    if isinstance(error, NoCredentialsError):
        return TurnError("model_forbidden", "The agent has no credentials for the model. Tell the operator.")
    if isinstance(error, BotoCoreError):
        return TurnError("model_failed", "The model did not answer in time. Send the message again.")
    return error


def of_stream(error: BaseException) -> BaseException:
    """Return the exception that stands for an error in the middle of the answer: the request is never repeated.

    Args:
        error: Error of botocore or of the connection.
    """
    return error if isinstance(error, (TurnError, ContextWindowOverflowException)) else TurnError(*INTERRUPTED)


def of_answer(code: str, text: str, status: int | None) -> BaseException:  # noqa: PLR0911  a table
    """Return the exception that stands for an error answer.

    Args:
        code: SageMaker's code, for example `ModelError`; empty if unknown.
        text: The message, which is not passed on.
        status: The container's HTTP status; None if the error is SageMaker's own.
    """
    from_engine = code == "ModelError"
    if not from_engine and (code == "ModelNotReadyException" or _NO_CAPACITY.match(text)):
        return AsleepError()
    if not from_engine and code in _THROTTLED:
        return _throttled("the endpoint throttles")
    if not from_engine and _MISSING.match(text):
        return TurnError("model_missing", "The model's component is not deployed. Tell the operator.")
    if code in {"AccessDeniedException", "AccessDenied", "UnrecognizedClientException", "ExpiredTokenException"}:
        return TurnError("model_forbidden", "The agent may not use the model. Tell the operator.")
    if _OVERFLOW.search(text):
        overflow: BaseException = ContextWindowOverflowException("the conversation is longer than the model's context")
        return overflow
    if status in _ENGINE_FULL:
        return _throttled("the engine's queue is full")
    if status in _CLIENT_ERRORS or code == "ValidationError":
        return TurnError(
            "model_refused",
            "The model refused the request as it is. Word the message differently, or tell the operator.",
        )
    return TurnError(
        "model_failed", "The model failed. It was not asked again, so nothing was done twice; send the message again."
    )


def _throttled(text: str) -> BaseException:
    error: BaseException = ModelThrottledException(text)
    return error
