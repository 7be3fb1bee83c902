"""Query SageMaker for what endpoints have now: instances with their types, components with their copies and GPUs, training plans."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from .samples import EndpointSample, Instances, Member, Plan, Sample

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

AT_ONCE = 4
"""Concurrent calls: SageMaker throttles an account's Describe calls, including those of deployments and consoles."""


@dataclass(frozen=True, kw_only=True)
class Watched:
    """An endpoint as the stack knows it.

    Attributes:
        endpoint: Short name.
        name: Name in SageMaker.
        types: Instance types, in order of preference.
        plan: ARN of its training plan; empty on demand.
        members: Components and adapters by name in SageMaker.
    """

    endpoint: str
    name: str
    types: tuple[str, ...]
    plan: str
    members: Mapping[str, Member]

    @classmethod
    def parse(cls, content: Mapping[str, Any]) -> Watched:
        """Parse an endpoint from the function's settings."""
        members = {one["name"]: Member(**one) for one in content["members"]}
        return cls(**{**content, "types": tuple(content["types"]), "members": members})


def take(
    sagemaker: SageMakerClient, watched: Sequence[Watched], *, at: dt.datetime
) -> tuple[Sample, dict[str, Exception]]:
    """Return what the endpoints have now, and why some could not be read; those are not in the sample.

    Args:
        sagemaker: Client of boto3; clients may be used by several threads.
        watched: The endpoints.
        at: The moment.
    """
    found: dict[str, EndpointSample] = {}
    unread: dict[str, Exception] = {}
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        futures = {one.name: pool.submit(_endpoint, sagemaker, one) for one in watched}
        for name, future in futures.items():
            try:
                found[name] = future.result()
            except (ClientError, BotoCoreError) as error:
                unread[name] = error
    plans = []
    for arn in sorted({one.plan for endpoint in found.values() for one in endpoint.instances if one.plan}):
        try:
            plan = _plan(sagemaker, arn, at)
        except (ClientError, BotoCoreError) as error:
            unread[arn] = error
            continue
        if plan is not None:
            plans.append(plan)
    return Sample(at=at.replace(microsecond=0), endpoints=found, plans=tuple(plans)), unread


def _endpoint(sagemaker: SageMakerClient, watched: Watched) -> EndpointSample:
    description = _existing(lambda: sagemaker.describe_endpoint(EndpointName=watched.name))
    instances: list[Instances] = []
    if description is not None:
        instances += _instances(sagemaker, watched, description)
        # Instances of a deployment in progress are in its summary. That they are not among the others is assumed: the API's page says
        # "the production variants of the pending deployment" (API_PendingDeploymentSummary, read 2026-11).
        pending = description.get("PendingDeploymentSummary")
        if pending:
            instances += _instances(sagemaker, watched, pending)
    if watched.plan:
        # No instances: the endpoint is meant to run on the plan, which is paid for even if nothing runs on it.
        instances.append(Instances(type=watched.types[0], count=0, plan=watched.plan))
    return EndpointSample(
        endpoint=watched.endpoint,
        instances=tuple(one for one in instances if one.count or one.plan),
        members=tuple(_members(sagemaker, watched)),
    )


def _instances(sagemaker: SageMakerClient, watched: Watched, description: Mapping[str, Any]) -> Iterable[Instances]:
    """Yield the instances of every variant; a variant of a single type names it only in its configuration."""
    name = description.get("EndpointConfigName")
    config = _existing(lambda: sagemaker.describe_endpoint_config(EndpointConfigName=name)) if name else None
    configured = {one["VariantName"]: one for one in (config or {}).get("ProductionVariants", ())}
    for variant in description.get("ProductionVariants") or ():
        settings = configured.get(variant["VariantName"], {})
        plan = settings.get("CapacityReservationConfig", {}).get("MlReservationArn", "")
        pools = variant.get("InstancePools")
        if pools:
            for one in pools:
                yield Instances(type=one["InstanceType"], count=one.get("CurrentInstanceCount") or 0, plan=plan)
            continue
        kind = variant.get("InstanceType") or settings.get("InstanceType") or _only_type(settings, watched)
        yield Instances(type=kind, count=variant.get("CurrentInstanceCount") or 0, plan=plan)


def _only_type(settings: Mapping[str, Any], watched: Watched) -> str:
    """Return the type that the instances most probably have: a configuration may be deleted while an endpoint uses it."""
    pools = sorted(settings.get("InstancePools", ()), key=lambda one: int(one["Priority"]))
    return pools[0]["InstanceType"] if pools else next(iter(watched.types), "")


def _members(sagemaker: SageMakerClient, watched: Watched) -> Iterable[Member]:
    # By name: with the default order, latest first, pages shift while components are created.
    pages = sagemaker.get_paginator("list_inference_components").paginate(
        EndpointNameEquals=watched.name, SortBy="Name", SortOrder="Ascending", PaginationConfig={"PageSize": 100}
    )
    for name in sorted(one["InferenceComponentName"] for page in pages for one in page["InferenceComponents"]):
        known = watched.members.get(name)
        if known is not None and known.adapter:  # there may be hundreds, and an adapter has no copies of its own
            yield known
            continue
        description = _existing(lambda name=name: sagemaker.describe_inference_component(InferenceComponentName=name))
        if description is not None:
            yield _member(name, description, known, watched)


def _member(name: str, description: Mapping[str, Any], known: Member | None, watched: Watched) -> Member:
    short = name.removeprefix(f"{watched.name}-")  # of a component unknown (or no longer known) to the stack
    specifications = description.get("Specifications") or [description.get("Specification") or {}]
    base = next(
        (one["BaseInferenceComponentName"] for one in specifications if "BaseInferenceComponentName" in one), ""
    )
    if base:
        under = watched.members.get(base)
        component = under.component if under is not None else base.removeprefix(f"{watched.name}-")
        return Member(
            name=name,
            component=component,
            adapter=name.removeprefix(f"{base}-"),
            base=base,
            team="" if under is None else under.team,
            input_tokens=0 if under is None else under.input_tokens,
            output_tokens=0 if under is None else under.output_tokens,
        )
    gpus = {
        one.get("InstanceType", ""): one.get("ComputeResourceRequirements", {}).get(
            "NumberOfAcceleratorDevicesRequired", 0
        )
        for one in specifications
    }
    runtime = description.get("RuntimeConfig", {})
    placed = {one["InstanceType"]: one.get("CurrentCopyCount") or 0 for one in runtime.get("PlacementStatus", ())}
    copies = {kind: count for kind, count in placed.items() if count} or {"": runtime.get("CurrentCopyCount") or 0}
    target_copies = runtime.get("DesiredCopyCount")
    return replace(known or Member(name=name, component=short), copies=copies, gpus=gpus, target_copies=target_copies)


def _plan(sagemaker: SageMakerClient, arn: str, at: dt.datetime) -> Plan | None:
    """Return a plan while it holds instances: before and after, no hours are charged."""
    description = _existing(lambda: sagemaker.describe_training_plan(TrainingPlanName=arn))
    if description is None or description["Status"] != "Active":
        return None
    blocks = description.get("ReservedCapacitySummaries") or ()
    current = [
        one for one in blocks if one.get("StartTime") and one.get("EndTime") and one["StartTime"] <= at < one["EndTime"]
    ]
    if blocks and not current:
        return None  # between two blocks
    count = description.get("TotalInstanceCount") or 0
    types = [one["InstanceType"] for one in current or blocks]
    hours = (description.get("DurationHours") or 0) + Decimal(description.get("DurationMinutes") or 0) / 60
    fee = description.get("UpfrontFee") if description.get("CurrencyCode", "USD") == "USD" else None
    price = f"{Decimal(fee) / (hours * count):.6f}" if fee and hours and count else ""
    return Plan(arn=arn, count=count, type=next(iter(types), ""), usd_per_hour=price)


def _existing(call: Any) -> dict[str, Any] | None:
    """Return the response, or None if the resource does not exist; other errors are raised."""
    try:
        return dict(call())
    except ClientError as error:
        details = error.response["Error"]
        missing = "could not find" in details.get("Message", "").lower()
        if details["Code"] == "ResourceNotFound" or (details["Code"] == "ValidationException" and missing):
            return None
        raise
