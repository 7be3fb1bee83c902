"""Errors of the waiting client; it passes the errors of boto3 and openai on unchanged."""

from __future__ import annotations

from .failures import Reason


class InferenceClientError(Exception):
    """Base of the client's own errors."""


class WaitExceededError(InferenceClientError):
    """No copy took the request within the time allowed; no copy has seen it.

    Args:
        message: Length of the wait, last state of the component, and where to look next.
        reason: Reason of the last refusal.
        waited_seconds: Seconds from the first attempt to the last.
    """

    def __init__(self, message: str, *, reason: Reason, waited_seconds: float) -> None:
        super().__init__(message)
        self.reason = reason
        self.waited_seconds = waited_seconds


class WaitCancelledError(InferenceClientError):
    """The event given as `cancel` was set while the request waited; no copy has seen it."""


class AnswerError(InferenceClientError):
    """A copy took the request and returned no complete answer: an error inside a stream, an interrupted stream, or no stream.

    The client never retries such a request: a copy has worked on it, and the caller may have parts of the answer.

    Args:
        message: The component, the error, and whether a retry may help.
        status: HTTP status of the model's error inside the answer; None if it has none.
        code: Code of the error by the model or SageMaker, for example "500" or "ModelStreamError".
        worth_retry: Whether the same request may succeed later.
        chunks: Number of chunks received before the error.
        body: The error as received.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        worth_retry: bool = False,
        chunks: int = 0,
        body: object = None,
    ) -> None:
        Exception.__init__(self, message)  # not super(): subclasses are errors of boto3 and openai too
        self.message = message
        self.status = status
        self.code = code
        self.worth_retry = worth_retry
        self.chunks = chunks
        self.body = body


class RouteError(InferenceClientError):
    """A route cannot be loaded, or has a format that this client does not know."""
