"""What a look at the live endpoint finds: that it is wrong, not there yet, or could not be seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

Answer = TypeVar("Answer")

Kind: TypeAlias = Literal["wrong", "waiting", "unseen"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line on what is not, or not yet, as asked.

    `wrong` cannot become right by waiting; `waiting` can; `unseen` is trouble of the check itself.
    """

    kind: Kind
    text: str


def wrong(text: str) -> Finding:
    """Something that waiting does not mend."""
    return Finding(kind="wrong", text=text)


def waiting(text: str) -> Finding:
    """Something that is on its way."""
    return Finding(kind="waiting", text=text)


class NotThereError(Exception):
    """SageMaker knows no such thing."""


class UnseenError(Exception):
    """A call of the check failed, so nothing is known."""

    def __init__(self, said: str) -> None:
        super().__init__(said)
        self.finding = Finding(kind="unseen", text=f"could not check: {said}")


def call(operation: Callable[..., Answer], **request: Any) -> Answer:
    """Call AWS; what fails is either "there is no such thing", or something that says nothing about the endpoint."""
    name = getattr(operation, "__name__", "call")
    try:
        return operation(**request)
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        if code == "ValidationException" and "could not find" in message.lower():
            raise NotThereError(message) from error
        raise UnseenError(f"{name}: {code}: {message[:200]}") from error
    except BotoCoreError as error:
        raise UnseenError(f"{name}: {type(error).__name__}") from error
