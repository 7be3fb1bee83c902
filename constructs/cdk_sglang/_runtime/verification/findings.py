"""Findings of a check of the live endpoint: a difference, a state that may still change, or a failed call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

Answer = TypeVar("Answer")

Kind: TypeAlias = Literal["wrong", "waiting", "unseen"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A difference between the specification and the live state, in one line.

    `wrong` does not change by waiting; `waiting` may; `unseen` is a failure of the check itself.
    """

    kind: Kind
    text: str


def wrong(text: str) -> Finding:
    """Return a finding that waiting cannot change."""
    return Finding(kind="wrong", text=text)


def waiting(text: str) -> Finding:
    """Return a finding that waiting may change."""
    return Finding(kind="waiting", text=text)


class MissingError(Exception):
    """The resource does not exist in SageMaker."""


class UnseenError(Exception):
    """A call of the check failed, so the live state is unknown."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.finding = Finding(kind="unseen", text=f"could not check: {reason}")


def call(operation: Callable[..., Answer], **request: Any) -> Answer:
    """Call AWS.

    Raises:
        MissingError: The resource does not exist.
        UnseenError: The call failed for another reason, which says nothing about the endpoint.
    """
    name = getattr(operation, "__name__", "call")
    try:
        return operation(**request)
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        if code == "ValidationException" and "could not find" in message.lower():
            raise MissingError(message) from error
        raise UnseenError(f"{name}: {code}: {message[:200]}") from error
    except BotoCoreError as error:
        raise UnseenError(f"{name}: {type(error).__name__}") from error
