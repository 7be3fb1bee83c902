"""One look at the plan and the endpoint: what is published, and whether the endpoint is to move."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import move, plan

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

NAMESPACE = "cdk-sglang/Reservations"
DAYS_LEFT, ON_DEMAND, MOVE_FAILED = "DaysLeft", "OnDemand", "MoveFailed"


@dataclass(frozen=True, kw_only=True)
class Watched:
    """An endpoint and its plan.

    Args:
        endpoint: Name of the endpoint.
        plan_arn: The plan.
        prefix: Begins the names of copies of its config.
        hours_before: How long before the end the move starts; None where alarms are all that was asked for.
        max_instances: Most instances after the move.
    """

    endpoint: str
    plan_arn: str
    prefix: str
    hours_before: float | None
    max_instances: int


@dataclass(frozen=True, kw_only=True)
class Clients:
    """Clients of boto3."""

    sagemaker: SageMakerClient
    cloudwatch: Any


def look(aws: Clients, watched: Watched, *, now: dt.datetime) -> dict[str, Any]:
    """Publish what is left of the plan and where the endpoint runs; begin the move when it is time. Safe at any time, and twice.

    Raises:
        PlanError: The plan does not exist.
        MoveError: The endpoint has to move and cannot; MoveFailed is published before.
    """
    found = plan.describe(aws.sagemaker, watched.plan_arn)
    end = plan.serves_until(found, now)
    left = 0.0 if found["Status"] in {"Expired", "Failed"} else None
    if left is None and end is not None:
        left = max(0.0, (end - now).total_seconds() / 86400)
    where, _, _ = move.place(aws.sagemaker, watched.endpoint, watched.plan_arn)
    values = {ON_DEMAND: float(where == move.ON_DEMAND)}
    if left is not None:
        values[DAYS_LEFT] = left
    try:
        done = where
        if left is not None and watched.hours_before is not None and left * 24 <= watched.hours_before:
            done = move.start(
                aws.sagemaker,
                endpoint=watched.endpoint,
                plan_arn=watched.plan_arn,
                max_instances=watched.max_instances,
                prefix=watched.prefix,
            )
    except Exception:
        _publish(aws, watched, values | {MOVE_FAILED: 1.0}, now)
        raise
    # An endpoint in service on a plan that it was to leave: SageMaker has taken the last attempt back.
    _publish(aws, watched, values | {MOVE_FAILED: float(done == move.STARTED_AGAIN)}, now)
    return {"plan": found["Status"], "days_left": left, "endpoint": done}


def _publish(aws: Clients, watched: Watched, values: dict[str, float], now: dt.datetime) -> None:
    aws.cloudwatch.put_metric_data(
        Namespace=NAMESPACE,
        MetricData=[
            {
                "MetricName": name,
                "Dimensions": [{"Name": "EndpointName", "Value": watched.endpoint}],
                "Timestamp": now,
                "Value": value,
                "Unit": "None",
            }
            for name, value in sorted(values.items())
        ],
    )
