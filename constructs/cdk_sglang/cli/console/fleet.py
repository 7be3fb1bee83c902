"""Endpoints, instances with their GPUs, components with their copies and adapters, and dollars, as far as SageMaker reports them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cdk_sglang.cli.status.report import ComponentStatus, EndpointReport, InstancesStatus
    from cdk_sglang.observability.observed import ObservedEndpoint

    Gpu = dict[str, str] | None


def endpoint_content(report: EndpointReport, observed: ObservedEndpoint, region: str) -> dict[str, Any]:
    """Return an endpoint for the page.

    Args:
        report: What SageMaker says of it.
        observed: The endpoint as it should be.
        region: AWS Region, for the text next to the price.
    """
    content = {"name": report.endpoint_name, "status": report.status or report.state, "failure": report.reason}
    if report.state == "not deployed":
        return {**content, "next": report.next_step, "cost": None, "instances": [], "components": []}
    target = report.instances_wanted
    running = sum(one.running for one in report.instances)
    waits = f"{target} instances are wanted, {running} run" if target != running else ""
    return {
        **content,
        "next": "; ".join(filter(None, (report.next_step, waits))),
        "cost": _cost(report.instances, region),
        "instances": _instances(report, observed),
        "components": [_component(one) for one in report.components],
    }


def unread_endpoint(observed: ObservedEndpoint, problem: str) -> dict[str, Any]:
    """Return an endpoint that SageMaker has not described yet.

    Args:
        observed: The endpoint as it should be.
        problem: Why; empty if the request is still in progress.
    """
    return {
        "name": observed.endpoint_name,
        "status": "",
        "failure": "",
        "next": "" if problem else "Reading …",
        "problem": problem,
        "cost": None,
        "instances": [],
        "components": [],
    }


def _instances(report: EndpointReport, observed: ObservedEndpoint) -> list[dict[str, Any]]:
    """Instances by type: SageMaker reports how many run, and how many copies of each component, but not which copy is where."""
    present = [one for one in report.instances if one.running]
    per_copy = {one.component_name: one.resolved.gpus_by_type for one in observed.components}
    found = []
    for one in present:
        count = one.running * one.gpus
        reserved = _reserved(one.type, report.components, per_copy, alone=len(present) == 1)
        gpus: list[Gpu] = [] if reserved is None else reserved[:count]
        gpus += [None] * (count - len(gpus))
        found.append(
            {
                "id": "" if one.gpus else "a type that the package does not know: no GPUs are drawn",
                "type": one.type,
                "count": one.running,
                "status": "",
                "placed": reserved is not None,
                "gpus": gpus,
            }
        )
    return found


def _reserved(
    instance_type: str,
    components: tuple[ComponentStatus, ...],
    per_copy: Mapping[str, Mapping[str, float]],
    *,
    alone: bool,
) -> list[Gpu] | None:
    """A GPU for each one that running copies reserve on instances of a type; None where the number of GPUs is unknown."""
    found: list[Gpu] = []
    for one in components:
        if alone:
            reserved = one.gpus_reserved
        elif one.copies_by_type or not one.copies_running:
            each = per_copy.get(one.component_name, {}).get(instance_type)
            each = one.gpus_reserved / max(1, one.copies_running) if each is None else each
            reserved = round(one.copies_by_type.get(instance_type, 0) * each)
        else:
            return None
        found += [{"component": one.component_name, "copy": "", "state": "reserved"}] * reserved
    return found


def _component(one: ComponentStatus) -> dict[str, Any]:
    adapters = [{"name": name, "status": "InService", "failure": ""} for name in one.adapters]
    adapters += [
        {"name": adapter.name, "status": adapter.status, "failure": adapter.reason}
        for adapter in one.adapters_not_in_service
    ]
    return {
        "name": one.component_name,
        "status": one.state,
        "failure": one.reason,
        "wanted": one.copies_wanted,
        "running": one.copies_running,
        "least": one.copies_least,
        "most": one.copies_most,
        "copies": None,
        "adapters": adapters,
    }


def _cost(instances: tuple[InstancesStatus, ...], region: str) -> dict[str, Any]:
    present = [one for one in instances if one.running]
    dates = sorted(one.price_date.isoformat() for one in present if one.price_date is not None)
    estimated = ", an estimate" if any(one.price_is_estimate for one in present) else ""
    return {
        "usd": round(sum(one.running * (one.usd_per_hour or 0) for one in present), 4),
        "unknown": sorted({one.type for one in present if one.usd_per_hour is None}),
        "note": f"on demand in {region}, price of {dates[0]}{estimated}" if dates else "",
    }
