"""What SageMaker reports about an endpoint, its instances and its components."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from cdk_sglang.cli.status.report import (
    AdapterStatus,
    ComponentStatus,
    EndpointReport,
    InstancesStatus,
    Planned,
    Range,
    State,
)
from cdk_sglang.errors import ConfigurationError
from cdk_sglang.hardware import GpuInstance, price_usd_per_hour

if TYPE_CHECKING:
    from cdk_sglang.hardware import PriceTable
    from cdk_sglang.observability.observed import ObservedComponent, ObservedEndpoint
    from cdk_sglang.planning.predict import Band

_AT_ONCE: Final = 8
"""Concurrent descriptions; SageMaker throttles long before a fleet of a hundred components is described at once."""
_ENDPOINT_STATES: Final[Mapping[str, State]] = {
    # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeEndpoint.html (read 2026-11)
    "InService": "in service",
    "Creating": "updating",
    "Updating": "updating",
    "SystemUpdating": "updating",
    "RollingBack": "updating",
    "Deleting": "deleting",
}
_COMPONENT_STATES: Final[Mapping[str, State]] = {
    # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeInferenceComponent.html (read 2026-11)
    "Creating": "updating",
    "Updating": "updating",
    "Deleting": "deleting",
    "Failed": "failed",
}


def read_endpoint(
    sagemaker: Any,
    observed: ObservedEndpoint,
    *,
    environment: str,
    region: str,
    prices: PriceTable | None,
) -> EndpointReport:
    """Return what SageMaker reports about an endpoint; nothing is measured yet.

    Args:
        sagemaker: Client of SageMaker.
        observed: The endpoint as it should be.
        environment: Name of the environment.
        region: AWS Region, for prices.
        prices: Prices that take precedence over the package's; None for the package's alone.
    """
    try:
        described = sagemaker.describe_endpoint(EndpointName=observed.endpoint_name)
    except sagemaker.exceptions.ClientError as error:
        if not _is_missing(error):
            raise
        return EndpointReport(
            name=observed.name,
            endpoint_name=observed.endpoint_name,
            state="not deployed",
            next_step=f"deploy it: cdk-sglang deploy --env {environment}",
        )
    components = _components(sagemaker, observed)
    variants = described.get("ProductionVariants", [])
    instances = instances_of(sagemaker, described, region=region, prices=prices)
    state = _endpoint_state(described["EndpointStatus"], instances, components)
    return EndpointReport(
        name=observed.name,
        endpoint_name=observed.endpoint_name,
        state=state,
        status=described["EndpointStatus"],
        reason=described.get("FailureReason", ""),
        next_step=f"read the reason, then: cdk-sglang deploy --env {environment}" if state == "failed" else "",
        instances=instances,
        instances_wanted=sum(variant.get("DesiredInstanceCount") or 0 for variant in variants),
        components=components,
    )


def _is_missing(error: Any) -> bool:
    details = error.response.get("Error", {})
    return details.get("Code") == "ValidationException" and "could not find" in details.get("Message", "").lower()


def _endpoint_state(status: str, instances: Sequence[InstancesStatus], components: Sequence[ComponentStatus]) -> State:
    state = _ENDPOINT_STATES.get(status, "failed")
    asleep = bool(components) and all(component.state == "asleep" for component in components)
    return "asleep" if state == "in service" and asleep and not any(one.running for one in instances) else state


def instances_of(
    sagemaker: Any,
    described: Mapping[str, Any],
    *,
    region: str,
    prices: PriceTable | None,
) -> tuple[InstancesStatus, ...]:
    """Return the instances of an endpoint by type; for a variant without pools, the endpoint's configuration has the type.

    Args:
        sagemaker: Client of SageMaker.
        described: The endpoint's description by SageMaker.
        region: AWS Region, for prices.
        prices: Prices that take precedence over the package's; None for the package's alone.
    """
    counts: dict[str, int] = {}
    types: dict[str, str] | None = None
    for variant in described.get("ProductionVariants", []):
        pools = variant.get("InstancePools") or []
        for pool in pools:
            counts[pool["InstanceType"]] = counts.get(pool["InstanceType"], 0) + (pool.get("CurrentInstanceCount") or 0)
        if not pools:
            if types is None:
                config = sagemaker.describe_endpoint_config(EndpointConfigName=described["EndpointConfigName"])
                types = {one["VariantName"]: one.get("InstanceType", "") for one in config["ProductionVariants"]}
            name = types.get(variant["VariantName"], "")
            counts[name] = counts.get(name, 0) + (variant.get("CurrentInstanceCount") or 0)
    return tuple(_priced(name, count, region=region, prices=prices) for name, count in counts.items())


def _priced(name: str, running: int, *, region: str, prices: PriceTable | None) -> InstancesStatus:
    try:
        instance = GpuInstance.named(name)
    except ConfigurationError:
        return InstancesStatus(type=name or "unknown", running=running, gpus=0)
    price = price_usd_per_hour(instance, region, table=prices)
    if price is None:
        return InstancesStatus(type=name, running=running, gpus=instance.gpu_count)
    return InstancesStatus(
        type=name,
        running=running,
        gpus=instance.gpu_count,
        usd_per_hour=price.usd_per_hour,
        price_date=price.date,
        price_is_estimate=price.is_estimate,
    )


def _components(sagemaker: Any, observed: ObservedEndpoint) -> tuple[ComponentStatus, ...]:
    pages = sagemaker.get_paginator("list_inference_components").paginate(EndpointNameEquals=observed.endpoint_name)
    names = [one["InferenceComponentName"] for page in pages for one in page["InferenceComponents"]]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        described = list(pool.map(lambda name: _described(sagemaker, name), names))
    bases: dict[str, Mapping[str, Any]] = {}
    adapters: dict[str, list[AdapterStatus]] = {}
    for one in described:
        if one is None:  # deleted since the list was made
            continue
        base = one.get("Specification", {}).get("BaseInferenceComponentName")
        if base is None:
            bases[one["InferenceComponentName"]] = one
        else:
            adapters.setdefault(base, []).append(
                AdapterStatus(
                    name=one["InferenceComponentName"].removeprefix(f"{base}-"),
                    status=one["InferenceComponentStatus"],
                    reason=one.get("FailureReason", ""),
                )
            )
    known_components = {component.component_name: component for component in observed.components}
    return tuple(
        _component(
            name, bases.get(name), known_components.get(name), sorted(adapters.get(name, ()), key=lambda one: one.name)
        )
        for name in dict.fromkeys([*known_components, *bases])
    )


def _described(sagemaker: Any, name: str) -> Mapping[str, Any] | None:
    try:
        described: Mapping[str, Any] = sagemaker.describe_inference_component(InferenceComponentName=name)
    except sagemaker.exceptions.ClientError as error:
        if not _is_missing(error):
            raise
        return None
    return described


def _component(
    name: str,
    described: Mapping[str, Any] | None,
    component: ObservedComponent | None,
    adapters: Sequence[AdapterStatus],
) -> ComponentStatus:
    least, most = (None, None) if component is None else component.resolved.copy_bounds
    plan = None if component is None or component.plan is None else component.plan
    planned = (
        None
        if plan is None
        else Planned(
            ttft_ms=_range(plan.ttft_ms),
            tpot_ms=_range(plan.tpot_ms),
            output_tok_s=_range(plan.output_tok_s),
            kv_tokens=plan.memory.kv_tokens,
            concurrency=plan.concurrency,
        )
    )
    short_name = name if component is None else component.name
    if described is None:
        return ComponentStatus(
            name=short_name,
            component_name=name,
            state="not deployed",
            copies_least=least,
            copies_most=most,
            planned=planned,
        )
    runtime = described.get("RuntimeConfig", {})
    running = runtime.get("CurrentCopyCount") or 0
    copies_wanted = runtime.get("DesiredCopyCount") or 0
    gpus = (
        described.get("Specification", {})
        .get("ComputeResourceRequirements", {})
        .get("NumberOfAcceleratorDevicesRequired")
    )
    if gpus is None and component is not None:  # a component of several instance types
        gpus = max(component.resolved.gpus_by_type.values(), default=0)
    return ComponentStatus(
        name=short_name,
        component_name=name,
        state=_component_state(described["InferenceComponentStatus"], running, copies_wanted, least or 0),
        reason=described.get("FailureReason", ""),
        copies_wanted=copies_wanted,
        copies_running=running,
        copies_least=least,
        copies_most=most,
        gpus_reserved=round(running * (gpus or 0)),
        copies_by_type={
            one["InstanceType"]: one.get("CurrentCopyCount") or 0 for one in runtime.get("PlacementStatus") or ()
        },
        adapters=tuple(one.name for one in adapters if one.status == "InService"),
        adapters_not_in_service=tuple(one for one in adapters if one.status != "InService"),
        planned=planned,
    )


def _component_state(status: str, running: int, target: int, least: int) -> State:
    """Return what a component does; `least` is 0 for one that scaling, a schedule or a nightly stop may send to sleep."""
    state = _COMPONENT_STATES.get(status)
    if state is not None:
        return state
    if running == target == 0:
        return "asleep" if least == 0 else "copies missing"
    if running == 0 and least == 0:
        return "waking"
    if running < least:
        return "copies missing"
    return "in service" if running == target else "scaling"


def _range(band: Band | None) -> Range | None:
    return None if band is None else Range(value=band.value, low=band.low, high=band.high)
