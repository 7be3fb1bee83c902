"""Check whether an endpoint may use a training plan now, and until when."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

_GAP = dt.timedelta(hours=1)
"""Longest pause between two blocks of a plan that does not justify a move: blocks end at 11:30 UTC."""


class PlanError(Exception):
    """The plan cannot be used; the text is the reason that CloudFormation shows."""


@dataclass(frozen=True, kw_only=True)
class Requirements:
    """Requirements of the endpoint on its plan.

    Args:
        plan_arn: ARN of the plan.
        instance_type: Type of the endpoint's instances.
        count: Number of instances of the plan.
        until: Day until which the plan must last.
    """

    plan_arn: str
    instance_type: str
    count: int
    until: dt.date


def describe(sagemaker: SageMakerClient, plan_arn: str) -> Mapping[str, Any]:
    """Return the plan.

    Raises:
        PlanError: The plan does not exist.
    """
    try:
        description: Mapping[str, Any] = sagemaker.describe_training_plan(TrainingPlanName=plan_arn)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFound":
            raise
        raise PlanError(
            f"training plan {plan_arn} does not exist; name one that does: cdk-sglang capacity status"
        ) from error
    return description


def check(plan: Mapping[str, Any], requirements: Requirements) -> None:
    """Check that an endpoint can be deployed on a plan now.

    Raises:
        PlanError: The plan does not meet the requirements; the text has one line per problem.
    """
    problems = [*_status_problems(plan), *_content_problems(plan, requirements)]
    if problems:
        raise PlanError("\n".join(f"training plan {plan['TrainingPlanName']}: {problem}" for problem in problems))


def serves_until(plan: Mapping[str, Any], now: dt.datetime) -> dt.datetime | None:
    """Return the end of the plan's instances: the end of the current block, or of the last block that follows it without a pause.

    A plan may consist of two blocks with a pause between them, in which the endpoint has no instances. Before the first block and
    after the last one, the result is the end of the plan; None if AWS does not state it.
    """
    blocks = sorted(
        (block["StartTime"], block["EndTime"])
        for block in plan.get("ReservedCapacitySummaries", [])
        if block.get("StartTime") and block.get("EndTime") and block.get("Status") != "Failed"
    )
    end: dt.datetime | None = None
    for start, stop in blocks:
        if end is not None and start <= end + _GAP:
            end = max(end, stop)
        elif end is None and start <= now < stop:
            end = stop
    return end or plan.get("EndTime")


def _status_problems(plan: Mapping[str, Any]) -> list[str]:
    status, message = plan["Status"], plan.get("StatusMessage")
    because = f" ({message})" if message else ""
    match status:
        case "Active":
            return []
        case "Scheduled":
            return [
                f"starts at {_time(plan.get('StartTime'))}, and an endpoint can use it only from then on{because}; deploy then"
            ]
        case "Pending":
            return [f"is being set up{because}; deploy once it is active: cdk-sglang capacity status --wait"]
        case "Expired":
            ended = f"ended at {_time(plan.get('EndTime'))}"
        case _:
            ended = f"is {status}"
    return [f"{ended}{because}; name another plan (cdk-sglang capacity search), or take `reserved` out of the capacity"]


def _content_problems(plan: Mapping[str, Any], requirements: Requirements) -> list[str]:
    problems = []
    targets = plan.get("TargetResources", [])
    if "endpoint" not in targets:
        problems.append(
            f"was bought for {', '.join(targets) or 'nothing known'}, not for endpoints; name one bought for endpoints"
        )
    types = sorted({block["InstanceType"] for block in plan.get("ReservedCapacitySummaries", [])})
    if types != [requirements.instance_type]:
        problems.append(
            f"holds {', '.join(types) or 'no'} instances, {requirements.instance_type} asked; set reserved.type to its type"
        )
    count = plan.get("TotalInstanceCount", 0)
    if count != requirements.count:
        problems.append(f"holds {count} instances, {requirements.count} asked; set reserved.count to {count}")
    end = plan.get("EndTime")
    if (
        plan["Status"] in {"Active", "Scheduled"}
        and end is not None
        and end.astimezone(dt.UTC).date() < requirements.until
    ):
        problems.append(
            f"ends at {_time(end)}, {requirements.until} asked; set reserved.until to {end.astimezone(dt.UTC).date()}, or extend it"
        )
    return problems


def _time(value: dt.datetime | None) -> str:
    return "an unknown time" if value is None else f"{value.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"
