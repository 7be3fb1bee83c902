"""Entry points of the build-job functions, called by CDK's provider framework."""

from __future__ import annotations

import json
import logging
import time
from typing import Any

import boto3
from botocore.config import Config

from . import logic

_log = logging.getLogger()
_log.setLevel(logging.INFO)
_retries = Config(retries={"mode": "standard", "max_attempts": 8})
_aws = logic.Clients(
    codebuild=boto3.client("codebuild", config=_retries),
    ecr=boto3.client("ecr", config=_retries),
    logs=boto3.client("logs", config=_retries),
    s3=boto3.client("s3", config=_retries),
)


def on_event(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer one custom-resource event: nothing on Delete, else begin (or find) the build whose result is wanted."""
    asked = logic.Asked.parse(event["ResourceProperties"]["Asked"])
    if event["RequestType"] == "Delete":  # results stay: an older endpoint config, or a rollback, may use them
        return {"PhysicalResourceId": event["PhysicalResourceId"]}
    data = logic.begin(_aws, asked, token=event["RequestId"], now=time.time())
    _log.info(json.dumps({"request": event["RequestType"], "asked": asked.text, "answer": data}))
    return {"PhysicalResourceId": asked.physical_id, "Data": data}


def is_complete(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Say whether the result is there; an exception fails the deployment with the end of the build's log."""
    if event["RequestType"] == "Delete":
        return {"IsComplete": True}
    asked = logic.Asked.parse(event["ResourceProperties"]["Asked"])
    answer = logic.check(_aws, asked, begun=event.get("Data") or {}, now=time.time())
    _log.info(json.dumps({"asked": asked.text, "answer": answer}))
    return answer
