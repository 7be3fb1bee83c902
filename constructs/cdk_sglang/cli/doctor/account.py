"""An AWS account as the checks read it: every refusal as an exception that says which permission is missing."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Final, Generic, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from cdk_sglang.cli.aws import EXPIRED, NOT_SIGNED_IN, THROTTLED, client, sign_in

T = TypeVar("T")

_ATTEMPTS: Final = 4
_READ_TIMEOUT_S: Final = 10
_DENIED: Final = {"UnauthorizedOperation", "AuthorizationError", "NotAuthorized", "403", "Forbidden"}
"""Codes of refusals besides those that begin with AccessDenied: EC2's, SNS's, and S3's without a body."""
_PERFORMED: Final = re.compile(r"not authorized to perform: ([a-z0-9-]+:[A-Za-z0-9]+)")
_PREFIXES: Final = {"service-quotas": "servicequotas"}
"""IAM's prefix of a service where it differs from boto3's name."""
_ACTIONS: Final = {
    "s3:HeadObject": "s3:GetObject",
    "s3:GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "s3:HeadBucket": "s3:ListBucket",
}
"""Permissions of operations that have none of their own name
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html, read 2026-11)."""

_NOT_ENABLED: Final = "in a Region that the account has to enable first, AWS says the same"
"""https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-regions.html, read 2026-12."""


class CouldNotCheckError(Exception):
    """Something could not be checked; `next_step` says what would help."""

    def __init__(self, text: str, next_step: str) -> None:
        super().__init__(text)
        self.next_step = next_step


class DeniedError(CouldNotCheckError):
    """The credentials lack a permission."""

    def __init__(self, action: str) -> None:
        super().__init__(f"{action} is denied", f"ask whoever grants permissions for {action}")


class Once(Generic[T]):
    """A value that several checks share: the first of them reads it, and the others get the same value or error.

    Args:
        read: Reads the value.
    """

    def __init__(self, read: Callable[[], T]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._found: list[T] = []
        self._error: Exception | None = None

    def __call__(self) -> T:
        """Return the value, or raise what reading it raised."""
        with self._lock:
            if self._error is not None:
                raise self._error
            if not self._found:
                try:
                    self._found.append(self._read())
                except Exception as error:
                    self._error = error
                    raise
            return self._found[0]


class Account:
    """An account in a Region, read with the user's credentials.

    Args:
        region: AWS Region; that of the user's AWS settings by default.

    Raises:
        ConfigurationError: boto3 is not installed.
        typer.Exit: There is no Region, or the profile does not exist.
    """

    def __init__(self, region: str | None) -> None:
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()
        self.region: str = region or ""
        sagemaker = self._client("sagemaker")  # without a Region, this ends the command
        self.region = region or sagemaker.meta.region_name
        self.identity = Once(lambda: self.call("sts", "get_caller_identity"))
        self.stack_resources = cached_stack_resources(self)

    @cached_property
    def partition(self) -> str:
        """Partition of the Region, such as aws."""
        return str(self._client("sts").meta.partition)

    @property
    def id(self) -> str:
        """Account of the credentials."""
        return str(self.identity()["Account"])

    def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Return the answer of an operation.

        Args:
            service: Service, as boto3 names it.
            operation: Operation, as boto3 names it.
            **parameters: Its parameters.

        Raises:
            CouldNotCheckError: AWS refuses the credentials, or is not reached.
            ClientError: Any other refusal, which the check has to interpret.
        """
        with self.asking(service) as service_client:
            answer: dict[str, Any] = getattr(service_client, operation)(**parameters)
            return answer

    def pages(self, service: str, operation: str, key: str, **parameters: Any) -> list[Any]:
        """Return one list of an operation's answers, all pages of it; otherwise as `call`."""
        with self.asking(service) as service_client:
            return [
                one
                for page in service_client.get_paginator(operation).paginate(**parameters)
                for one in page.get(key, ())
            ]

    @contextmanager
    def asking(self, service: str) -> Iterator[Any]:
        """Yield a client; its errors are converted to those of `call`."""
        try:
            yield self._client(service)
        except ClientError as error:
            refused = _refused(service, error)
            if refused is None:
                raise
            raise refused from error
        except BotoCoreError as error:
            if type(error).__name__ in NOT_SIGNED_IN:
                raise CouldNotCheckError(f"no usable AWS credentials ({error})", sign_in()) from error
            raise CouldNotCheckError(
                f"{service} was not reached: {error}", "check the network and the Region, then run it again"
            ) from error

    def _client(self, service: str) -> Any:
        with self._lock:  # boto3 makes clients of one session one after another
            if service not in self._clients:
                self._clients[service] = client(
                    service, region=self.region or None, attempts=_ATTEMPTS, read_timeout_s=_READ_TIMEOUT_S
                )
            return self._clients[service]


def code_of(error: ClientError) -> str:
    """Return the code of an error of AWS."""
    return str(error.response.get("Error", {}).get("Code", "unknown"))


def message_of(error: ClientError) -> str:
    """Return the message of an error of AWS."""
    return str(error.response.get("Error", {}).get("Message", "no reason given"))


def cached_stack_resources(account: Account) -> Callable[[str], frozenset[str]]:
    """Return a function that lists the physical ids of a stack, each stack once; empty for a stack that does not exist.

    Args:
        account: The account.
    """
    lists: dict[str, Once[frozenset[str]]] = {}
    lock = threading.Lock()

    def read(name: str) -> frozenset[str]:
        try:
            found = account.pages("cloudformation", "list_stack_resources", "StackResourceSummaries", StackName=name)
        except ClientError as error:
            if "does not exist" in message_of(error):
                return frozenset()
            raise
        return frozenset(str(one.get("PhysicalResourceId", "")) for one in found)

    def resources(name: str) -> frozenset[str]:
        with lock:
            once = lists.setdefault(name, Once(lambda: read(name)))
        return once()

    return resources


def _refused(service: str, error: ClientError) -> CouldNotCheckError | None:
    code, message = code_of(error), message_of(error)
    if code.startswith("AccessDenied") or code in _DENIED:
        match = _PERFORMED.search(message)
        action = f"{_PREFIXES.get(service, service)}:{error.operation_name}"
        return DeniedError(match[1] if match else _ACTIONS.get(action, action))
    if code in EXPIRED or code == "AuthFailure":
        return CouldNotCheckError(f"the AWS credentials are no longer valid ({code})", f"{sign_in()}; {_NOT_ENABLED}")
    if code in THROTTLED or code == "RequestLimitExceeded":
        return CouldNotCheckError(f"{service} throttles the request ({message})", "run it again in a minute")
    return None
