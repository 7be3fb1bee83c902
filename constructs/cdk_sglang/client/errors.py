"""What the waiting client raises beside the errors of boto3 and openai, which it passes on as they are."""

from __future__ import annotations

from cdk_sglang.client.failures import Reason


class InferenceClientError(Exception):
    """Base of the client's own errors."""


class WaitExceededError(InferenceClientError):
    """No copy took the request within the time allowed; no copy has seen it.

    Args:
        message: How long was waited, what was seen meanwhile, and what to look at.
        reason: Why the last attempt was refused.
        waited_seconds: From the first attempt to the last.
    """

    def __init__(self, message: str, *, reason: Reason, waited_seconds: float) -> None:
        super().__init__(message)
        self.reason = reason
        self.waited_seconds = waited_seconds


class WaitCancelledError(InferenceClientError):
    """The event given as `cancel` was set while the request waited; no copy has seen it."""


class AnswerError(InferenceClientError):
    """A copy took the request, and what came back is no whole answer: an error inside a stream, a stream cut off, or no stream.

    It is never tried again by the client: a copy has worked on the request, and parts of the answer may be with the caller.

    Args:
        message: Where, what, and whether to ask again.
        status: HTTP status that the model gives its error inside the answer; None where it gives none.
        code: What the model, or SageMaker, calls the error, such as "500" or "ModelStreamError".
        worth_retry: Whether the same request may go better later.
        chunks: Parts of the answer that came before.
        body: The error as it came.
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
    """A route cannot be loaded, or is not what this client understands."""
