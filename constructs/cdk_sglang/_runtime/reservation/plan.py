"""What a training plan says of itself: whether an endpoint may use it now, and until when."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

_GAP = dt.timedelta(hours=1)
"""Blocks of a plan that follow each other closer than this serve without a break worth a move: they end at 11:30 UTC."""


class PlanError(Exception):
    """The plan cannot be used; the text is the reason CloudFormation shows."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the endpoint asks of its plan.

    Args:
        plan_arn: The plan.
        instance_type: Type of the endpoint's instances.
        count: Instances the plan is said to hold.
        until: Day it is said to last to.
    """

    plan_arn: str
    instance_type: str
    count: int
    until: dt.date


def describe(sagemaker: SageMakerClient, plan_arn: str) -> Mapping[str, Any]:
    """Return the plan.

    Raises:
        PlanError: There is none.
    """
    try:
        found: Mapping[str, Any] = sagemaker.describe_training_plan(TrainingPlanName=plan_arn)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFound":
            raise
        raise PlanError(
            f"training plan {plan_arn} does not exist; name one that does: cdk-sglang capacity status"
        ) from error
    return found


def check(plan: Mapping[str, Any], wanted: Wanted) -> None:
    """Pass a plan that an endpoint can be deployed on now.

    Raises:
        PlanError: Everything that speaks against it, one line each.
    """
    problems = [*_status_problems(plan), *_content_problems(plan, wanted)]
    if problems:
        raise PlanError("\n".join(f"training plan {plan['TrainingPlanName']}: {problem}" for problem in problems))


def serves_until(plan: Mapping[str, Any], now: dt.datetime) -> dt.datetime | None:
    """Return when the plan's instances end: the end of the block that runs now, with those that follow it without a break.

    A plan may be two blocks with a pause between them, and the endpoint has no instances in the pause. Before the first block and
    after the last one it is the end of the plan. None when AWS does not say.
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
    status, said = plan["Status"], plan.get("StatusMessage")
    because = f" ({said})" if said else ""
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


def _content_problems(plan: Mapping[str, Any], wanted: Wanted) -> list[str]:
    problems = []
    targets = plan.get("TargetResources", [])
    if "endpoint" not in targets:
        problems.append(
            f"was bought for {', '.join(targets) or 'nothing known'}, not for endpoints; name one bought for endpoints"
        )
    types = sorted({block["InstanceType"] for block in plan.get("ReservedCapacitySummaries", [])})
    if types != [wanted.instance_type]:
        problems.append(
            f"holds {', '.join(types) or 'no'} instances, {wanted.instance_type} asked; set reserved.type to its type"
        )
    held = plan.get("TotalInstanceCount", 0)
    if held != wanted.count:
        problems.append(f"holds {held} instances, {wanted.count} asked; set reserved.count to {held}")
    end = plan.get("EndTime")
    if plan["Status"] in {"Active", "Scheduled"} and end is not None and end.astimezone(dt.UTC).date() < wanted.until:
        problems.append(
            f"ends at {_time(end)}, {wanted.until} asked; set reserved.until to {end.astimezone(dt.UTC).date()}, or extend it"
        )
    return problems


def _time(value: dt.datetime | None) -> str:
    return "an unknown time" if value is None else f"{value.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"
