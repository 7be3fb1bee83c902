"""Entry points of the reservation functions: one for CDK's provider framework, one for EventBridge Scheduler."""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
from typing import Any

import boto3
from botocore.config import Config

from . import guard, move, plan

_log = logging.getLogger()
_log.setLevel(logging.INFO)
# Four attempts of at most 20 s each end before the function's two minutes do.
_config = Config(retries={"mode": "standard", "total_max_attempts": 4}, connect_timeout=5, read_timeout=15)
_sagemaker = boto3.client("sagemaker", config=_config)


def on_event(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer one custom-resource event: check the plan, or on Delete remove what a move has left; an exception is the reason shown."""
    asked = json.loads(event["ResourceProperties"]["Asked"])
    answer = {"PhysicalResourceId": f"{asked['endpoint']}/reservation"}
    if event["RequestType"] == "Delete":
        gone = move.delete_copies(_sagemaker, endpoint=asked["endpoint"], prefix=asked["prefix"])
        _log.info(json.dumps({"request": "Delete", "deleted": gone}))
        return answer
    wanted = plan.Wanted(
        plan_arn=asked["plan"],
        instance_type=asked["type"],
        count=asked["count"],
        until=dt.date.fromisoformat(asked["until"]),
    )
    try:
        plan.check(plan.describe(_sagemaker, wanted.plan_arn), wanted)
    except plan.PlanError as error:
        # A stack that rolls back asks again for what it had before: a plan that has ended since must not keep it from doing so.
        if not _rolls_back(event["StackId"]):
            raise
        _log.warning(json.dumps({"request": "rollback", "plan": wanted.plan_arn, "accepted": str(error)}))
        return answer
    _log.info(json.dumps({"request": event["RequestType"], "plan": wanted.plan_arn, "answer": "as asked"}))
    return answer


def _rolls_back(stack_id: str) -> bool:
    (stack,) = boto3.client("cloudformation", config=_config).describe_stacks(StackName=stack_id)["Stacks"]
    return "ROLLBACK" in stack["StackStatus"]


def look(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Look at the plan and the endpoint once; an exception is retried by Lambda twice, and then kept in the queue.

    The schedule says for which moment it calls, so that a clock which is late does not put the move off.
    """
    asked = json.loads(os.environ["WATCHED"])
    watched = guard.Watched(
        endpoint=asked["endpoint"],
        plan_arn=asked["plan"],
        prefix=asked["prefix"],
        hours_before=asked.get("hours_before"),
        max_instances=asked.get("max_instances", 0),
    )
    clients = guard.Clients(sagemaker=_sagemaker, cloudwatch=boto3.client("cloudwatch", config=_config))
    now = dt.datetime.now(tz=dt.UTC)
    if event.get("time"):
        now = max(now, dt.datetime.fromisoformat(event["time"]))
    found = guard.look(clients, watched, now=now)
    _log.info(json.dumps({"endpoint": watched.endpoint, "found": found}))
    return found
