"""The hourly check of a plan and its endpoint: publish metrics, and move the endpoint when it is time."""

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
        plan_arn: ARN of the plan.
        prefix: Prefix of the names of the config's copies.
        hours_before: Hours before the plan's end at which the move starts; None for alarms alone.
        max_instances: Largest number of instances after the move.
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
    """Publish the plan's remaining days and the endpoint's location; start the move when it is time. The call may be repeated at any time.

    Raises:
        PlanError: The plan does not exist.
        MoveError: The endpoint has to move and cannot; MoveFailed is published first.
    """
    description = plan.describe(aws.sagemaker, watched.plan_arn)
    end = plan.serves_until(description, now)
    days_left = 0.0 if description["Status"] in {"Expired", "Failed"} else None
    if days_left is None and end is not None:
        days_left = max(0.0, (end - now).total_seconds() / 86400)
    location, _, _ = move.place(aws.sagemaker, watched.endpoint, watched.plan_arn)
    values = {ON_DEMAND: float(location == move.ON_DEMAND)}
    if days_left is not None:
        values[DAYS_LEFT] = days_left
    try:
        state = location
        if days_left is not None and watched.hours_before is not None and days_left * 24 <= watched.hours_before:
            state = move.start(
                aws.sagemaker,
                endpoint=watched.endpoint,
                plan_arn=watched.plan_arn,
                max_instances=watched.max_instances,
                prefix=watched.prefix,
            )
    except Exception:
        _publish(aws, watched, values | {MOVE_FAILED: 1.0}, now)
        raise
    # The endpoint still runs on the plan it should have left: SageMaker rolled the last attempt back.
    _publish(aws, watched, values | {MOVE_FAILED: float(state == move.STARTED_AGAIN)}, now)
    return {"plan": description["Status"], "days_left": days_left, "endpoint": state}


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
