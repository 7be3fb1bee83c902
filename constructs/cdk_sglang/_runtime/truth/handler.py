"""Entry points of the truth check, called by CDK's provider framework."""

from __future__ import annotations

import functools
import json
import logging
import time
from typing import TYPE_CHECKING, Any, Protocol

import boto3
from botocore.config import Config

from . import logic
from .asked import Asked

if TYPE_CHECKING:
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient


class LambdaContext(Protocol):
    """The part of Lambda's context that is used."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds left of the function's time-out."""


_log = logging.getLogger()
_log.setLevel(logging.INFO)
_RESERVE_SECONDS = 90
"""Of Lambda's time-out, left over for the requests in flight when the time for looking is over."""
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


_aws = logic.Clients(
    sagemaker=boto3.client("sagemaker", config=_retries),
    scaling=boto3.client("application-autoscaling", config=_retries),
    runtime=_runtime,
)


def on_event(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Note when the check began; nothing is done on Delete."""
    if event["RequestType"] == "Delete":
        return {"PhysicalResourceId": event["PhysicalResourceId"]}
    asked = Asked.parse(event["ResourceProperties"]["Asked"])
    return {"PhysicalResourceId": asked.physical_id, "Data": {"Begun": str(int(time.time()))}}


def is_complete(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Say whether the deployment holds; an exception fails it with the reason."""
    if event["RequestType"] == "Delete":
        return {"IsComplete": True}
    asked = Asked.parse(event["ResourceProperties"]["Asked"])
    budget = context.get_remaining_time_in_millis() / 1000 - _RESERVE_SECONDS
    done, findings = logic.check(
        _aws, asked, begun=float(event["Data"]["Begun"]), now=time.time(), budget_seconds=budget
    )
    said = [f"{finding.kind}: {finding.text}" for finding in findings]
    _log.info(json.dumps({"endpoint": asked.endpoint, "part": asked.part, "holds": done, "missing": said}))
    return {"IsComplete": done}
