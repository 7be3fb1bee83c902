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


class RouteError(InferenceClientError):
    """A route cannot be loaded, or is not what this client understands."""
