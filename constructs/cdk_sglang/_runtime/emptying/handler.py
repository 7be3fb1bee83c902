"""Entry point of the function that empties buckets, called by CloudFormation."""

from __future__ import annotations

import json
import logging
from typing import Any

import boto3
from botocore.config import Config

from . import logic
from .answering import answers
from .propagation import wait_for_permissions

_log = logging.getLogger()
_log.setLevel(logging.INFO)
_config = Config(retries={"mode": "standard", "max_attempts": 8})
_s3 = wait_for_permissions(boto3.client("s3", config=_config))
_cloudformation = wait_for_permissions(boto3.client("cloudformation", config=_config))


def on_event(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Empty the bucket if its stack is deleted; an error fails the deletion, which can be repeated."""
    bucket, arn = event["ResourceProperties"]["Bucket"], event["ResourceProperties"]["Arn"]
    if event["RequestType"] == "Delete" and logic.goes(_cloudformation, event["StackId"]):
        deleted = logic.empty(_s3, bucket, arn)
        _log.info(json.dumps({"bucket": bucket, "deleted": deleted}))
    return {"PhysicalResourceId": bucket}


answer = answers(on_event)
