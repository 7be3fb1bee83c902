"""Offerings of training plans: search them, compute the price per GPU-hour, and show them as a table."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from rich.table import Table

from cdk_sglang.checks import raise_if_any
from cdk_sglang.cli.aws import failures_of
from cdk_sglang.cli.own import own_prices
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.hardware import (
    PLAN_MAX_DAYS,
    PLAN_MIN_DAYS,
    GpuInstance,
    PriceTable,
    plan_count_problem,
    price_usd_per_hour,
    reservable_problem,
)

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

SEARCH = "sagemaker:SearchTrainingPlanOfferings"


@dataclass(frozen=True, kw_only=True)
class OfferingRequest:
    """Requirements on an offering.

    Args:
        instance: Instance type.
        count: Number of instances.
        days: Length in days.
        after: Earliest start; now by default.
        before: Latest end; any by default.
    """

    instance: GpuInstance
    count: int
    days: int
    after: dt.datetime | None
    before: dt.datetime | None

    @property
    def nothing_offered(self) -> str:
        """Message if there is no such offering."""
        return (
            f"nothing is offered for {self.count} x {self.instance.name} for {self.days} days; try fewer --days or --count, a later "
            "--after, another --type or --region"
        )

    @classmethod
    def parse(cls, kind: str, *, count: int, days: int, after: str | None, before: str | None) -> OfferingRequest:
        """Check the options of a command.

        Raises:
            ConfigurationError: One line per option that is wrong.
        """
        problems = []
        instance = None
        try:
            instance = GpuInstance.named(kind)
        except ConfigurationError as error:
            problems += [Problem("--type", problem) for problem in error.problems]
        if instance is not None and (problem := reservable_problem(instance)):
            problems.append(Problem("--type", problem))
        if problem := plan_count_problem(count):
            problems.append(Problem("--count", problem))
        if not PLAN_MIN_DAYS <= days <= PLAN_MAX_DAYS:
            problems.append(Problem("--days", f"{days} is not allowed; use {PLAN_MIN_DAYS} to {PLAN_MAX_DAYS}"))
        start, end = _day("--after", after, problems), _day("--before", before, problems)
        if start and end and end - start < dt.timedelta(days=days):
            problems.append(
                Problem("--before", f"{before} leaves no room for {days} days after {after}; make it later")
            )
        raise_if_any(problems)
        assert instance is not None
        return cls(instance=instance, count=count, days=days, after=start, before=end)


@dataclass(frozen=True, kw_only=True)
class Offering:
    """A training plan for sale."""

    id: str
    instance: str
    count: int
    start: dt.datetime | None
    end: dt.datetime | None
    hours: float
    fee: str
    currency: str
    zone: str
    blocks: int

    @property
    def per_gpu_hour(self) -> float | None:
        """Price of one GPU for an hour; None if the fee is not a number."""
        try:
            gpus = GpuInstance.named(self.instance).gpu_count
            return float(Decimal(self.fee)) / (self.hours * self.count * gpus)
        except (InvalidOperation, ZeroDivisionError, ConfigurationError):
            return None

    def as_json(self) -> dict[str, Any]:
        """Return the offering as JSON members, for other programs."""
        return {
            "offering": self.id,
            "instance_type": self.instance,
            "instance_count": self.count,
            "start": None if self.start is None else self.start.isoformat(),
            "end": None if self.end is None else self.end.isoformat(),
            "hours": self.hours,
            "blocks": self.blocks,
            "availability_zone": self.zone or None,
            "upfront_fee": self.fee or None,
            "currency": self.currency,
            "price_per_gpu_hour": self.per_gpu_hour,
        }


def search(sagemaker: SageMakerClient, request: OfferingRequest) -> list[Offering]:
    """Return the offerings for endpoints, earliest start first.

    The operation answers in one page (botocore 1.44.5); if it ever returns a token, the next pages are read too.
    """
    parameters: dict[str, Any] = {
        "TargetResources": ["endpoint"],
        "InstanceType": request.instance.name,
        "InstanceCount": request.count,
        "DurationHours": request.days * 24,
    }
    if request.after is not None:
        parameters["StartTimeAfter"] = request.after
    if request.before is not None:
        parameters["EndTimeBefore"] = request.before
    items: list[Mapping[str, Any]] = []
    with failures_of(SEARCH):
        while True:
            page: Mapping[str, Any] = sagemaker.search_training_plan_offerings(**parameters)
            items += page["TrainingPlanOfferings"]
            if not page.get("NextToken"):
                break
            parameters["NextToken"] = page["NextToken"]
    offerings = [_offering(item) for item in items if "endpoint" in item.get("TargetResources", [])]
    far = dt.datetime.max.replace(tzinfo=dt.UTC)
    return sorted(offerings, key=lambda offering: (offering.start or far, offering.id))


def table(offerings: list[Offering], *, region: str) -> Table:
    """Return the offerings as a table; `reserve` asks for a row's number."""
    rows = Table(
        "#", "offering", "instances", "start (UTC)", "end (UTC)", "hours", "price", "per GPU-hour", "on demand"
    )
    prices = own_prices()
    for number, offering in enumerate(offerings, start=1):
        usd = offering.per_gpu_hour
        rows.add_row(
            str(number),
            offering.id,
            f"{offering.count} x {offering.instance}" + (f", {offering.blocks} blocks" if offering.blocks > 1 else ""),
            moment(offering.start),
            moment(offering.end),
            f"{offering.hours:g}",
            f"{offering.fee or 'unknown'} {offering.currency}",
            "unknown" if usd is None else f"{usd:.2f}",
            _on_demand(offering.instance, region, prices),
        )
    return rows


def moment(value: dt.datetime | None) -> str:
    """Write a time in UTC."""
    return "unknown" if value is None else f"{value.astimezone(dt.UTC):%Y-%m-%d %H:%M}"


def _on_demand(name: str, region: str, prices: PriceTable | None) -> str:
    instance = GpuInstance.named(name)
    price = price_usd_per_hour(instance, region, table=prices)
    if price is None:
        return "unknown"
    return f"{price.usd_per_hour / instance.gpu_count:.2f}" + (" (estimate)" if price.is_estimate else "")


def _offering(item: Mapping[str, Any]) -> Offering:
    blocks = item.get("ReservedCapacityOfferings", [])
    hours = sum(block.get("DurationHours", 0) + block.get("DurationMinutes", 0) / 60 for block in blocks)
    return Offering(
        id=item["TrainingPlanOfferingId"],
        instance=blocks[0]["InstanceType"] if blocks else "",
        count=blocks[0]["InstanceCount"] if blocks else 0,
        start=min((block["StartTime"] for block in blocks if block.get("StartTime")), default=None),
        end=max((block["EndTime"] for block in blocks if block.get("EndTime")), default=None),
        hours=hours or float(item.get("DurationHours", 0)),
        fee=str(item.get("UpfrontFee", "")),
        currency=str(item.get("CurrencyCode", "USD")),
        zone=", ".join(sorted({block["AvailabilityZone"] for block in blocks if block.get("AvailabilityZone")})),
        blocks=len(blocks),
    )


def _day(option: str, text: str | None, problems: list[Problem]) -> dt.datetime | None:
    if text is None:
        return None
    try:
        return dt.datetime.combine(dt.date.fromisoformat(text), dt.time(), tzinfo=dt.UTC)
    except ValueError:
        problems.append(Problem(option, f"{text!r} is not a date; write it like 2027-03-01"))
        return None
