"""Entry point of the function that returns a component's number of copies, called by CloudFormation."""

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
_config = Config(retries={"mode": "standard", "max_attempts": 8}, connect_timeout=5, read_timeout=20)
_sagemaker = wait_for_permissions(boto3.client("sagemaker", config=_config))


def on_event(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Return the live number of copies; an error fails the deployment, since a guess would reset the number."""
    if event["RequestType"] == "Delete":
        return {"PhysicalResourceId": event["PhysicalResourceId"]}
    properties = logic.Properties.parse(event["ResourceProperties"])
    previous = event.get("OldResourceProperties")
    copies, physical_id = logic.answer(
        _sagemaker,
        properties,
        before=logic.Properties.parse(previous) if previous else None,
        physical_id=event.get("PhysicalResourceId", ""),
    )
    _log.info(json.dumps({"request": event["RequestType"], "component": properties.component, "copies": copies}))
    return {"PhysicalResourceId": physical_id, "Data": {"Copies": copies}}


answer = answers(on_event)
