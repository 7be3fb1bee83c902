"""Entry point of the function that checks a model before it is served, called by CDK's provider framework."""

# ruff: noqa: TID252  the asset's root differs from the repository's

from __future__ import annotations

import json
import logging
from typing import Any

import boto3
from botocore.config import Config

from .check import check_prefix
from .problems import WeightsError

_log = logging.getLogger()
_log.setLevel(logging.INFO)
_s3 = boto3.client("s3", config=Config(retries={"mode": "standard", "max_attempts": 8}, max_pool_connections=32))


def on_event(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Fail the deployment when what is to be served is not a whole model."""
    asked = json.loads(event["ResourceProperties"]["Asked"])
    place = f"s3://{asked['bucket']}/{asked['prefix']}"
    if event["RequestType"] == "Delete":
        return {"PhysicalResourceId": event["PhysicalResourceId"]}
    found = check_prefix(_s3, asked["bucket"], asked["prefix"], expected_bytes=asked.get("expected_bytes"))
    _log.info(json.dumps({"asked": asked, "problems": found.problems, "tensor_bytes": found.tensor_bytes}))
    if found.problems:
        raise WeightsError(f"{asked['name']}: " + "; ".join(f"{place}{problem}" for problem in found.problems)[:2000])
    return {"PhysicalResourceId": asked["name"], "Data": {"Bytes": str(found.tensor_bytes)}}
