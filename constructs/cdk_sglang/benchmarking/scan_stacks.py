"""Stacks of a scan in CloudFormation: creates them, waits for them, deletes them, and finds those of a killed scan."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from cdk_sglang.client.failures import THROTTLING_CODES

PREFIX: Final = "cdk-sglang-scan-"
"""Beginning of the names of scans' stacks and endpoints."""
SCAN_TAG: Final = "cdk-sglang:scan"
"""Tag of everything that a scan makes; its value is the identifier of the scan."""
DEADLINE_TAG: Final = "cdk-sglang:scan-deadline"
"""Tag with the time, UTC, after which a stack of a scan is left over."""
POLL_SECONDS: Final = 15.0
DELETE_MINUTES: Final = 60.0
"""Minutes until a deletion counts as failed. SageMaker deletes no endpoint that is still being created, so a deletion is asked for again
until then (https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DeleteEndpoint.html, read 2026-12)."""
_ENDED: Final = ("CREATE_COMPLETE", "CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_COMPLETE")
_GONE: Final = "DELETE_COMPLETE"
_UNSEEN: Final = "UNSEEN_IN_PROGRESS"
"""Status to assume if CloudFormation throttles a check."""


@dataclass(frozen=True, kw_only=True)
class ScanEndpoint:
    """An endpoint that a scan makes.

    Attributes:
        stack_name: Name of its stack.
        endpoint_name: SageMaker's name of the endpoint.
        component_name: SageMaker's name of its only component.
        template: Template of the stack, as JSON.
        sglang_version: SGLang's release in its image.
    """

    stack_name: str
    endpoint_name: str
    component_name: str
    template: str
    sglang_version: str


@dataclass(frozen=True, kw_only=True)
class Left:
    """A stack of a scan that is still there.

    Attributes:
        name: Name of the stack.
        scan: Identifier of its scan.
        deadline: Time after which it is left over; None if its tag is none.
    """

    name: str
    scan: str
    deadline: dt.datetime | None

    def is_over(self, now: dt.datetime) -> bool:
        """Whether the deadline of its scan has passed; a stack without a deadline counts as left over."""
        return self.deadline is None or self.deadline < now


@dataclass(frozen=True, kw_only=True)
class ScanStacks:
    """Stacks of scans in one Region of an account.

    Args:
        cloudformation: Client of CloudFormation.
        now: Returns the time of day, UTC, to compare with deadlines of other scans.
        elapsed: Returns the seconds of a monotonic clock, for time-outs and costs.
        sleep: Pauses between two checks.
        say: Prints a line of progress.
    """

    cloudformation: Any
    now: Callable[[], dt.datetime]
    elapsed: Callable[[], float]
    sleep: Callable[[float], None]
    say: Callable[[str], None]

    def create(self, endpoint: ScanEndpoint, *, scan: str, deadline: dt.datetime) -> None:
        """Begin to create the stack of an endpoint.

        Args:
            endpoint: The endpoint.
            scan: Identifier of the scan.
            deadline: Time after which the stack is left over.

        Raises:
            botocore.exceptions.ClientError: CloudFormation refuses the stack.
        """
        tags = {SCAN_TAG: scan, DEADLINE_TAG: deadline.isoformat(timespec="seconds")}
        self.cloudformation.create_stack(
            StackName=endpoint.stack_name,
            TemplateBody=endpoint.template,
            Capabilities=["CAPABILITY_IAM"],
            OnFailure="DO_NOTHING",  # the scan deletes it itself, and reads before why it failed
            Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
        )

    def created(self, name: str, *, stop: Callable[[], str | None]) -> str | None:
        """Wait until a stack is created; return why it is not, None if it is.

        Args:
            name: Name of the stack.
            stop: Called often; returns why to stop waiting, None to go on.
        """
        while (status := self._status(name)) not in _ENDED:
            if (reason := stop()) is not None:
                return reason
            self.sleep(POLL_SECONDS)
        return None if status == "CREATE_COMPLETE" else self._failure(name)

    def delete(self, name: str) -> str | None:
        """Delete a stack and wait until it is gone; return why it is not, None if it is. A stack that never existed counts as deleted.

        CloudFormation goes on with a deletion that is interrupted here.

        Args:
            name: Name of the stack.
        """
        start = self.elapsed()
        self.ask_deletion(name)
        while (status := self._status(name)) != _GONE:
            if self.elapsed() - start > DELETE_MINUTES * 60:
                return f"{name} is {status}: {self._failure(name)}"
            if status != "DELETE_IN_PROGRESS":
                self.ask_deletion(name)
            self.sleep(POLL_SECONDS)
        return None

    def left(self) -> list[Left]:
        """Return the stacks of scans that are still there."""
        pages = self.cloudformation.get_paginator("describe_stacks").paginate()
        found = []
        for stack in (stack for page in pages for stack in page["Stacks"]):
            tags = {tag["Key"]: tag["Value"] for tag in stack.get("Tags", ())}
            if stack["StackName"].startswith(PREFIX) and SCAN_TAG in tags and stack["StackStatus"] != _GONE:
                found.append(Left(name=stack["StackName"], scan=tags[SCAN_TAG], deadline=_time(tags.get(DEADLINE_TAG))))
        return sorted(found, key=lambda one: one.name)

    def ask_deletion(self, name: str) -> None:
        """Ask CloudFormation to delete a stack; a stack that is gone, or that cannot be deleted yet, is no failure.

        Args:
            name: Name of the stack.
        """
        with suppress(ClientError):  # refused while another operation runs: asked again at the next look
            self.cloudformation.delete_stack(StackName=name)

    def _status(self, name: str) -> str:
        """Return a stack's status; that of one in progress while CloudFormation throttles the look, which is then repeated."""
        try:
            return str(self.cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"])
        except ClientError as error:
            if "does not exist" in str(error):
                return _GONE
            if error.response.get("Error", {}).get("Code") in THROTTLING_CODES:
                return _UNSEEN
            raise

    def _failure(self, name: str) -> str:
        """Return the first reason of a failure that CloudFormation gives."""
        with suppress(ClientError):
            pages = self.cloudformation.get_paginator("describe_stack_events").paginate(StackName=name)
            reasons = [
                str(event["ResourceStatusReason"])
                for page in pages
                for event in page["StackEvents"]
                if event["ResourceStatus"].endswith("_FAILED") and event.get("ResourceStatusReason")
            ]
            if reasons:  # the newest event comes first
                return " ".join(reasons[-1].split())
        return "CloudFormation gives no reason"


def _time(text: str | None) -> dt.datetime | None:
    try:
        found = None if text is None else dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if found is None or found.tzinfo is None else found
