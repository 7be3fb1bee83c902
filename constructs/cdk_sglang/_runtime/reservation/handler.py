"""Entry points of the reservation functions: one for CloudFormation, one for EventBridge Scheduler."""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
from typing import Any

import boto3
from botocore.config import Config

from . import guard, move, plan
from .answering import answers
from .propagation import wait_for_permissions

_log = logging.getLogger()
_log.setLevel(logging.INFO)
# Four attempts of at most 20 s each, and two minutes for a permission to propagate, fit into the function's four minutes.
_config = Config(retries={"mode": "standard", "total_max_attempts": 4}, connect_timeout=5, read_timeout=15)
_sagemaker = wait_for_permissions(boto3.client("sagemaker", config=_config))


def on_event(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Handle a custom-resource event: check the plan, or on Delete remove the copies of a move; an exception fails the deployment with its text."""
    content = json.loads(event["ResourceProperties"]["Asked"])
    answer = {"PhysicalResourceId": f"{content['endpoint']}/reservation"}
    if event["RequestType"] == "Delete":
        deleted = move.delete_copies(_sagemaker, endpoint=content["endpoint"], prefix=content["prefix"])
        _log.info(json.dumps({"request": "Delete", "deleted": deleted}))
        return answer
    requirements = plan.Requirements(
        plan_arn=content["plan"],
        instance_type=content["type"],
        count=content["count"],
        until=dt.date.fromisoformat(content["until"]),
    )
    try:
        plan.check(plan.describe(_sagemaker, requirements.plan_arn), requirements)
    except plan.PlanError as error:
        # A rollback sends the previous properties: a plan that has ended since must not block it.
        if not _rolls_back(event["StackId"]):
            raise
        _log.warning(json.dumps({"request": "rollback", "plan": requirements.plan_arn, "accepted": str(error)}))
        return answer
    _log.info(json.dumps({"request": event["RequestType"], "plan": requirements.plan_arn, "answer": "as asked"}))
    return answer


def _rolls_back(stack_id: str) -> bool:
    cloudformation = wait_for_permissions(boto3.client("cloudformation", config=_config))
    (stack,) = cloudformation.describe_stacks(StackName=stack_id)["Stacks"]
    return "ROLLBACK" in stack["StackStatus"]


answer = answers(on_event)


def look(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Check the plan and the endpoint once; Lambda retries twice after an exception, and then sends the event to the queue.

    The event has the scheduled time, so that a slow clock does not delay the move.
    """
    content = json.loads(os.environ["WATCHED"])
    watched = guard.Watched(
        endpoint=content["endpoint"],
        plan_arn=content["plan"],
        prefix=content["prefix"],
        hours_before=content.get("hours_before"),
        max_instances=content.get("max_instances", 0),
    )
    clients = guard.Clients(sagemaker=_sagemaker, cloudwatch=boto3.client("cloudwatch", config=_config))
    now = dt.datetime.now(tz=dt.UTC)
    if event.get("time"):
        now = max(now, dt.datetime.fromisoformat(event["time"]))
    result = guard.look(clients, watched, now=now)
    _log.info(json.dumps({"endpoint": watched.endpoint, "found": result}))
    return result
