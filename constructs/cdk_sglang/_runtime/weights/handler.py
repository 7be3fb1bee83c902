"""Entry point of the function that checks a model before it is served, called by CloudFormation."""

from __future__ import annotations

import json
import logging
from typing import Any, Final

import boto3
from botocore.config import Config

from .answering import answers
from .check import check_prefix
from .problems import WeightsError
from .propagation import wait_for_permissions

# CloudFormation accepts a response of at most 4,096 bytes (docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html).
_REASON_CHARACTERS: Final = 2000

_log = logging.getLogger()
_log.setLevel(logging.INFO)
_s3 = wait_for_permissions(
    boto3.client("s3", config=Config(retries={"mode": "standard", "max_attempts": 8}, max_pool_connections=32))
)


def on_event(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Fail the deployment if a model is incomplete."""
    if event["RequestType"] == "Delete":
        return {"PhysicalResourceId": event["PhysicalResourceId"]}
    problems = []
    for text in event["ResourceProperties"]["Models"]:
        model = json.loads(text)
        result = check_prefix(_s3, model["bucket"], model["prefix"], expected_bytes=model.get("expected_bytes"))
        _log.info(json.dumps({"asked": model, "problems": result.problems, "tensor_bytes": result.tensor_bytes}))
        place = f"s3://{model['bucket']}/{model['prefix']}"
        problems += [f"{place}{problem}" for problem in result.problems]
    if problems:
        raise WeightsError("; ".join(problems)[:_REASON_CHARACTERS])
    return {"PhysicalResourceId": "weights"}


answer = answers(on_event)
