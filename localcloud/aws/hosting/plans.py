"""Training plans: offerings with invented prices, and plans that become Active, serve endpoints and expire."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.sagemaker.exceptions import SagemakerClientError, ValidationError

from localcloud.aws.clock import clock
from localcloud.aws.hosting import validation
from localcloud.aws.hosting.operations import handles, listing, missing, taken
from localcloud.aws.hosting.records import Record, gpus_of
from localcloud.aws.hosting.store import Store
from localcloud.aws.settings import current

# Terms of plans: reserve-capacity-with-training-plans page and quotas page, read 2026-11-21.
_EARLIEST = timedelta(minutes=30)
_LATEST = timedelta(weeks=8)
_COUNTS = (1, 2, 4, 8, 16, 32, 64)
_DAYS = (1, 182)
_ENDS = (11, 30)  # UTC
_MOST_PLANS = 25
_TERMINATION = timedelta(minutes=30)
"""Instances terminate half an hour before a block ends (training-plan-utilization-for-inference-endpoints page)."""
_USD_PER_GPU_HOUR = 4.0
"""Invented price from which a program can recompute the fee; unrelated to AWS's prices."""
_TWO_BLOCKS_SHARE = 0.9
_ZONES = "abc"


@handles("SearchTrainingPlanOfferings")
def search_offerings(state: Store, **request: Any) -> dict[str, Any]:
    """Offer up to three plans: at once, from the next end of a plan day, and in two blocks with a day between.

    There is always capacity. Counts, lengths and starts that AWS does not sell are not offered.
    """
    count, hours = request.get("InstanceCount", 1), request.get("DurationHours", 24)
    days = -(-hours // 24)
    targets = request.get("TargetResources", ["training-job"])
    sold = "InstanceType" in request and count in _COUNTS and _DAYS[0] <= days <= _DAYS[1]
    now = clock().utc()
    soonest = max(request.get("StartTimeAfter", now).astimezone(UTC), now + _EARLIEST)
    next_day = _end_of_day(soonest)
    plans = [[(soonest, _end_of_day(soonest + timedelta(days=days)))], [(next_day, next_day + timedelta(days=days))]]
    if days > 1:
        first = next_day + timedelta(days=days // 2)
        pause = first + timedelta(days=1)
        plans.append([(next_day, first), (pause, pause + timedelta(days=days - days // 2))])
    latest = request["EndTimeBefore"].astimezone(UTC) if "EndTimeBefore" in request else None
    found = []
    for number, blocks in enumerate(plans if sold else []):
        if blocks[0][0] > now + _LATEST or (latest and blocks[-1][1] > latest):
            continue
        offering = _offering(
            request, blocks, count=count, targets=targets, zone=f"{state.region}{_ZONES[number % len(_ZONES)]}"
        )
        state.jobs.setdefault("Offering", {})[offering["TrainingPlanOfferingId"]] = Record(data=offering)
        found.append(offering)
    return {"TrainingPlanOfferings": found}


def _end_of_day(moment: datetime) -> datetime:
    """Next end of a plan day."""
    end = moment.replace(hour=_ENDS[0], minute=_ENDS[1], second=0, microsecond=0)
    return end if end >= moment else end + timedelta(days=1)


def _offering(
    request: dict[str, Any],
    blocks: list[tuple[datetime, datetime]],
    *,
    count: int,
    targets: list[str],
    zone: str,
) -> dict[str, Any]:
    kind = request["InstanceType"]
    total = sum((end - start for start, end in blocks), timedelta())
    fee = total / timedelta(hours=1) * count * (gpus_of(kind) or 1) * _USD_PER_GPU_HOUR
    fee *= _TWO_BLOCKS_SHARE if len(blocks) > 1 else 1
    return {
        "TrainingPlanOfferingId": f"tpo-{uuid.uuid4().hex[:12]}",
        "TargetResources": targets,
        **{f"Requested{key}": request[key] for key in ("StartTimeAfter", "EndTimeBefore") if key in request},
        **_duration(total),
        "UpfrontFee": f"{fee:.2f}",
        "CurrencyCode": "USD",
        "ReservedCapacityOfferings": [
            {"InstanceType": kind, "InstanceCount": count, "AvailabilityZone": zone}
            | {"ReservedCapacityType": "Instance", "StartTime": start, "EndTime": end}
            | _duration(end - start)
            for start, end in blocks
        ],
    }


def _duration(length: timedelta) -> dict[str, int]:
    minutes = int(length / timedelta(minutes=1))
    return {"DurationHours": minutes // 60, "DurationMinutes": minutes % 60}


@handles("CreateTrainingPlan")
def create_plan(state: Store, **request: Any) -> dict[str, Any]:
    """Buy an offering; the plan is Pending for a moment, then Scheduled."""
    name, plans = request["TrainingPlanName"], state.jobs.setdefault("TrainingPlan", {})
    if name in plans:
        raise taken("CreateTrainingPlan", f"Training plan {name} already exists")
    if len(plans) >= _MOST_PLANS:
        raise SagemakerClientError(
            "ResourceLimitExceeded", f"The limit of {_MOST_PLANS} training plans has been reached"
        )
    offer = state.jobs.get("Offering", {}).get(request["TrainingPlanOfferingId"])
    if offer is None:
        raise missing("CreateTrainingPlan", f"Could not find Offering {request['TrainingPlanOfferingId']}")
    blocks = offer.data["ReservedCapacityOfferings"]
    if blocks[0]["StartTime"] < clock().utc():
        raise ValidationError(f"The offering {request['TrainingPlanOfferingId']} is no longer available; search again")
    del state.jobs["Offering"][request["TrainingPlanOfferingId"]]
    arn = state.arn("training-plan", name)
    members = ("TargetResources", "DurationHours", "DurationMinutes", "UpfrontFee", "CurrencyCode")
    data = {key: offer.data[key] for key in members} | {
        "TrainingPlanArn": arn,
        "TrainingPlanName": name,
        "StartTime": blocks[0]["StartTime"],
        "EndTime": blocks[-1]["EndTime"],
        "TotalInstanceCount": blocks[0]["InstanceCount"],
        "CreationTime": clock().utc(),
        "_type": blocks[0]["InstanceType"],
        "_blocks": [block | {"_arn": state.arn("reserved-capacity", uuid.uuid4().hex[:12])} for block in blocks],
        "_paid_at": clock().utc() + timedelta(seconds=current().job_s),
    }
    plans[name] = Record(data=data, tags=list(request.get("Tags", [])))
    return {"TrainingPlanArn": arn}


def plan_now(state: Store, record: Record) -> dict[str, Any]:
    """Description of a plan at this moment; `_usable` is whether endpoints have its instances now."""
    data, now = record.data, clock().utc()
    blocks = [
        {
            "ReservedCapacityArn": block["_arn"],
            "TotalInstanceCount": block["InstanceCount"],
            "Status": _status(data, block, now),
            **{key: block[key] for key in _KEPT if key in block},
        }
        for block in data["_blocks"]
    ]
    states = [block["Status"] for block in blocks]
    status = next((s for s in ("Pending", "Active", "Scheduled") if s in states), "Expired")
    in_use = sum(
        len(endpoint.instances.get(variant["VariantName"], []))
        for endpoint in state.endpoints.values()
        for variant in state.config_of(endpoint).get("ProductionVariants", [])
        if variant.get("CapacityReservationConfig", {}).get("MlReservationArn") == data["TrainingPlanArn"]
    )
    free = data["TotalInstanceCount"] - in_use if status == "Active" else 0
    return data | {
        "Status": status,
        "InUseInstanceCount": in_use,
        "AvailableInstanceCount": free,
        "ReservedCapacitySummaries": blocks,
        "_usable": any(b["Status"] == "Active" and now < b["EndTime"] - _TERMINATION for b in blocks),
    }


_KEPT = (
    "ReservedCapacityType",
    "InstanceType",
    "AvailabilityZone",
    "DurationHours",
    "DurationMinutes",
    "StartTime",
    "EndTime",
)
"""Members of a reserved capacity that come from its offering."""


def _status(plan: dict[str, Any], block: dict[str, Any], now: datetime) -> str:
    if now < plan["_paid_at"]:
        return "Pending"
    if now < block["StartTime"]:
        return "Scheduled"
    return "Active" if now < block["EndTime"] else "Expired"


@handles("DescribeTrainingPlan")
def describe_plan(state: Store, TrainingPlanName: str) -> dict[str, Any]:
    """Describe a plan by name or ARN."""
    record = state.jobs.get("TrainingPlan", {}).get(TrainingPlanName.rsplit("/", 1)[-1])
    if record is None or TrainingPlanName not in (record.data["TrainingPlanName"], record.data["TrainingPlanArn"]):
        raise missing("DescribeTrainingPlan", f"Could not find TrainingPlan {TrainingPlanName}")
    return validation.pick(validation.operation("DescribeTrainingPlan").output_shape, plan_now(state, record))


@handles("ListTrainingPlans")
def list_plans(state: Store, **request: Any) -> dict[str, Any]:
    """List plans."""
    statuses = {item["Value"] for item in request.pop("Filters", [])}
    after, before = request.pop("StartTimeAfter", None), request.pop("StartTimeBefore", None)
    plans = [plan_now(state, record) for record in state.jobs.get("TrainingPlan", {}).values()]
    plans = [plan for plan in plans if not statuses or plan["Status"] in statuses]
    plans = [plan for plan in plans if not after or plan["StartTime"] > after]
    return listing("ListTrainingPlans", [plan for plan in plans if not before or plan["StartTime"] < before], request)
