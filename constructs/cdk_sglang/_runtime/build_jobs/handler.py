"""Entry points of the build-job functions, called by CDK's provider framework."""

from __future__ import annotations

import json
import logging
import time
from typing import Any

import boto3
from botocore.config import Config

from . import logic
from .propagation import wait_for_permissions

_log = logging.getLogger()
_log.setLevel(logging.INFO)
_retries = Config(retries={"mode": "standard", "max_attempts": 8})
_aws = logic.Clients(
    codebuild=wait_for_permissions(boto3.client("codebuild", config=_retries)),
    ecr=wait_for_permissions(boto3.client("ecr", config=_retries)),
    logs=boto3.client(
        "logs", config=_retries
    ),  # needed only for the end of a log; a failure can be reported without it
    s3=wait_for_permissions(boto3.client("s3", config=_retries)),
)


def on_event(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Handle a custom-resource event: do nothing on Delete; otherwise find or start the build of the job."""
    job = logic.Job.parse(event["ResourceProperties"]["Asked"])
    if event["RequestType"] == "Delete":  # results stay: an older endpoint config, or a rollback, may use them
        return {"PhysicalResourceId": event["PhysicalResourceId"]}
    data = logic.begin(_aws, job, token=event["RequestId"], now=time.time())
    _log.info(json.dumps({"request": event["RequestType"], "asked": job.text, "answer": data}))
    return {"PhysicalResourceId": job.physical_id, "Data": data}


def is_complete(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Return whether the result exists; an exception fails the deployment with the end of the build's log."""
    if event["RequestType"] == "Delete":
        return {"IsComplete": True}
    job = logic.Job.parse(event["ResourceProperties"]["Asked"])
    answer = logic.check(_aws, job, start=event.get("Data") or {}, now=time.time())
    _log.info(json.dumps({"asked": job.text, "answer": answer}))
    return answer
