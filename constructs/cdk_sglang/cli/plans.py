"""Training plans of the account: their state, and the endpoints that use them."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cdk_sglang.cli.aws import fail, failures_of
from cdk_sglang.cli.offerings import moment

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,63}")
_NAME_MAX_LENGTH = 64
"""botocore 1.44.5, sagemaker TrainingPlanName."""


@dataclass(frozen=True, kw_only=True)
class PlanStatus:
    """The current description of a training plan by AWS."""

    arn: str
    name: str
    status: str
    message: str
    instance: str
    count: int
    in_use: int | None
    start: dt.datetime | None
    end: dt.datetime | None
    targets: tuple[str, ...]

    @property
    def explanation(self) -> str:
        """The plan's status in words."""
        reason = f" ({self.message})" if self.message else ""
        match self.status:
            case "Active":
                return f"{self.name} is active until {moment(self.end)} UTC{reason}"
            case "Scheduled":
                return f"{self.name} starts at {moment(self.start)} UTC{reason}"
            case "Pending":
                return f"{self.name} is being set up{reason}"
            case "Expired":
                return f"{self.name} ended at {moment(self.end)} UTC{reason}"
            case other:
                return f"{self.name} is {other}{reason}"

    def days_left(self, now: dt.datetime) -> float | None:
        """Return the days until the plan ends; None if it is not active."""
        if self.status != "Active" or self.end is None:
            return None
        return (self.end - now).total_seconds() / 86400

    def as_json(self, now: dt.datetime) -> dict[str, Any]:
        """Return the plan as JSON members, for other programs."""
        return {
            "arn": self.arn,
            "name": self.name,
            "status": self.status,
            "message": self.message or None,
            "instance_type": self.instance,
            "instance_count": self.count,
            "in_use": self.in_use,
            "start": None if self.start is None else self.start.isoformat(),
            "end": None if self.end is None else self.end.isoformat(),
            "days_left": self.days_left(now),
            "target_resources": list(self.targets),
        }


def plan_name_problems(name: str) -> list[str]:
    """Return the problems of a plan's name; an empty list if it is valid."""
    if len(name) <= _NAME_MAX_LENGTH and _NAME.fullmatch(name):
        return []
    return [f"{name!r} is not allowed; use up to {_NAME_MAX_LENGTH} letters, digits and hyphens inside"]


def find(sagemaker: SageMakerClient, plan: str) -> PlanStatus:
    """Return one plan; end the command if it does not exist."""
    with failures_of("sagemaker:DescribeTrainingPlan"):
        try:
            return plan_status(sagemaker.describe_training_plan(TrainingPlanName=plan))
        except sagemaker.exceptions.ResourceNotFound:
            fail(
                f"{plan}: no such training plan in {sagemaker.meta.region_name}; list them with: cdk-sglang capacity status",
                code=1,
            )


def list_plans(sagemaker: SageMakerClient) -> list[PlanStatus]:
    """Return every plan of the account and Region, latest end first."""
    with failures_of("sagemaker:ListTrainingPlans"):
        pages = sagemaker.get_paginator("list_training_plans").paginate()
        plans = [plan_status(item) for page in pages for item in page["TrainingPlanSummaries"]]
    long_ago = dt.datetime.min.replace(tzinfo=dt.UTC)
    return sorted(plans, key=lambda plan: (plan.end or long_ago, plan.name), reverse=True)


def endpoints_on(sagemaker: SageMakerClient) -> dict[str, list[str]]:
    """Return the endpoints that run on each plan, by the plan's ARN: from the live state, not from templates."""
    endpoints_by_plan: dict[str, list[str]] = {}
    with failures_of("sagemaker:ListEndpoints, DescribeEndpoint and DescribeEndpointConfig"):
        pages = sagemaker.get_paginator("list_endpoints").paginate()
        for endpoint in [item["EndpointName"] for page in pages for item in page["Endpoints"]]:
            for plan in _plans_of(sagemaker, endpoint):
                endpoints_by_plan.setdefault(plan, []).append(endpoint)
    return endpoints_by_plan


def _plans_of(sagemaker: SageMakerClient, endpoint: str) -> set[str]:
    from botocore.exceptions import ClientError

    try:
        config_name = sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointConfigName"]
        config = sagemaker.describe_endpoint_config(EndpointConfigName=config_name)
    except ClientError as error:
        if "could not find" in str(error).lower():  # the endpoint or its config was deleted after the listing
            return set()
        raise
    arns = (
        variant.get("CapacityReservationConfig", {}).get("MlReservationArn") for variant in config["ProductionVariants"]
    )
    return {arn for arn in arns if arn}


def plan_status(item: Mapping[str, Any]) -> PlanStatus:
    """Return the state of a plan from its description or summary by AWS."""
    blocks = item.get("ReservedCapacitySummaries", [])
    return PlanStatus(
        arn=item["TrainingPlanArn"],
        name=item["TrainingPlanName"],
        status=item["Status"],
        message=item.get("StatusMessage", ""),
        instance=", ".join(sorted({block["InstanceType"] for block in blocks})) or "unknown type",
        count=item.get("TotalInstanceCount", 0),
        in_use=item.get("InUseInstanceCount"),
        start=item.get("StartTime"),
        end=item.get("EndTime"),
        targets=tuple(item.get("TargetResources", ())),
    )
