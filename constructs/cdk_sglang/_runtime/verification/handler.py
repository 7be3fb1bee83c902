"""Entry point of the verification, called by CloudFormation.

It checks every half minute until all conditions hold. If that takes longer than one invocation may, the function invokes itself with the same event and the
time of the first check; Lambda stops a function that does so more than 16 times (https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html,
read 2026-12), and the longest verification takes seven.
"""

from __future__ import annotations

import functools
import json
import logging
import time
from typing import TYPE_CHECKING, Any, Protocol

import boto3
from botocore.config import Config

from . import logic
from .answering import answers
from .specification import Specification

if TYPE_CHECKING:
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient


class LambdaContext(Protocol):
    """The part of Lambda's context that the handler uses."""

    invoked_function_arn: str

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until the function's time-out."""


_log = logging.getLogger()
_log.setLevel(logging.INFO)
_RESERVE_SECONDS = 90
"""Part of Lambda's time-out that is reserved for requests in flight when the time of a check is over."""
_LOOK_SECONDS = 210
"""Longest duration of one check, without those requests."""
_PAUSE_SECONDS = 30
_retries = Config(
    retries={"mode": "standard", "max_attempts": 4}, connect_timeout=5, read_timeout=20, max_pool_connections=32
)


@functools.cache
def _runtime(timeout_seconds: int) -> SageMakerRuntimeClient:
    # One attempt: a second request to a model that is busy answering the first proves nothing.
    config = Config(
        retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=timeout_seconds, max_pool_connections=32
    )
    return boto3.client("sagemaker-runtime", config=config)


_lambda = boto3.client("lambda", config=_retries)
_aws = logic.Clients(
    sagemaker=boto3.client("sagemaker", config=_retries),
    scaling=boto3.client("application-autoscaling", config=_retries),
    runtime=_runtime,
)


def verify(event: dict[str, Any], context: LambdaContext) -> dict[str, Any] | None:
    """Check until all conditions hold, and return the answer to CloudFormation; None if another invocation continues."""
    if event["RequestType"] == "Delete":
        return on_event(event, context)
    begun = event.get("Begun") or on_event(event, context)
    while not is_complete(event | begun, context)["IsComplete"]:
        time.sleep(_PAUSE_SECONDS)
        if context.get_remaining_time_in_millis() / 1000 < _LOOK_SECONDS + _RESERVE_SECONDS:
            _go_on(event | {"Begun": begun}, context)
            return None
    return begun


def _go_on(event: dict[str, Any], context: LambdaContext) -> None:
    """Invoke this function again; CloudFormation's URL is part of the event, which Lambda encrypts."""
    event.pop("OldResourceProperties", None)  # Lambda accepts an event of at most 256 KB
    _lambda.invoke(
        FunctionName=context.invoked_function_arn, InvocationType="Event", Payload=json.dumps(event).encode()
    )


def on_event(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Return the start time of the check; do nothing on Delete."""
    if event["RequestType"] == "Delete":
        return {"PhysicalResourceId": event["PhysicalResourceId"]}
    specification = Specification.parse(event["ResourceProperties"]["Asked"])
    return {"PhysicalResourceId": specification.physical_id, "Data": {"Begun": str(int(time.time()))}}


def is_complete(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Return whether the verification is complete; an exception fails the deployment with its text as the reason."""
    if event["RequestType"] == "Delete":
        return {"IsComplete": True}
    specification = Specification.parse(event["ResourceProperties"]["Asked"])
    budget = min(context.get_remaining_time_in_millis() / 1000 - _RESERVE_SECONDS, _LOOK_SECONDS)
    done, findings = logic.check(
        _aws, specification, start=float(event["Data"]["Begun"]), now=time.time(), budget_seconds=budget
    )
    lines = [f"{finding.kind}: {finding.text}" for finding in findings]
    _log.info(
        json.dumps({"endpoint": specification.endpoint, "part": specification.part, "holds": done, "missing": lines})
    )
    return {"IsComplete": done}


answer = answers(verify)
