"""The instances of a running endpoint as an environment file states them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Final

from cdk_sglang.cli.importing.notes import Notes
from cdk_sglang.cli.importing.running import Running
from cdk_sglang.hardware import GpuInstance

_STRATEGIES: Final = {"IDLE_RELEASE": "idle_release", "CONSOLIDATION": "consolidation"}
_PROVISION_TIMEOUT_SECONDS: Final = 1800
"""As serving/capacity/rendering.py sets it."""


def instance_types(running: Running) -> list[str]:
    """Return the names of the instance types of an endpoint, in order of preference."""
    pools = sorted(running.variant.get("InstancePools") or [], key=lambda pool: pool.get("Priority", 1))
    return [pool["InstanceType"] for pool in pools] or [running.variant.get("InstanceType", "")]


def instances_of(running: Running) -> tuple[GpuInstance, ...]:
    """Return the instance types of an endpoint, in order of preference.

    Raises:
        ConfigurationError: This version does not know one of them.
    """
    return tuple(GpuInstance.named(name) for name in instance_types(running))


def imported_capacity(
    running: Running, least_copies: Sequence[int], *, where: str, today: dt.date, notes: Notes
) -> dict[str, Any]:
    """Return the key `capacity`.

    Args:
        running: The endpoint.
        least_copies: Minimum number of copies of each component.
        where: Path of the endpoint in the file.
        today: Assumed last day of a training plan that cannot be read.
        notes: What a reader must know.
    """
    variant, path = running.variant, f"{where}.capacity"
    least, most = _bounds(running, path=path, notes=notes)
    content = _kind(running, most, path=path, today=today, notes=notes)
    usual = 1 if "reserved" in content else min(1, max(least_copies, default=1))
    if least != usual:
        content["min_instances"] = least
    if content.get("reserved", {}).get("count") != most:
        content["max_instances"] = most
    policy = (variant.get("ManagedInstanceScaling") or {}).get("ScaleInPolicy")
    if policy:
        content["scale_in"] = {"strategy": _STRATEGIES[policy["Strategy"]]}
        for key, member, default in (("cooldown_minutes", "CooldownInMinutes", 20), ("max_step", "MaximumStepSize", 1)):
            if policy.get(member, default) != default:
                content["scale_in"][key] = policy[member]
    timeout = variant.get("VariantInstanceProvisionTimeoutInSeconds")
    if timeout not in {None, _PROVISION_TIMEOUT_SECONDS}:
        notes.changed(path, f"the next type of the pool after {timeout} s", f"after {_PROVISION_TIMEOUT_SECONDS} s")
    return content


def _bounds(running: Running, *, path: str, notes: Notes) -> tuple[int, int]:
    """Return the minimum and maximum number of instances."""
    scaling = running.variant.get("ManagedInstanceScaling") or {}
    if scaling.get("Status") == "ENABLED":
        most = scaling.get("MaxInstanceCount") or running.variant.get("InitialInstanceCount", 1)
        return scaling.get("MinInstanceCount", 1), most
    target = running.scaling.target
    if target is not None:
        return max(1, target["MinCapacity"]), max(1, target["MaxCapacity"])
    now: Mapping[str, Any] = next(iter(running.endpoint.get("ProductionVariants") or []), {})
    count = now.get("DesiredInstanceCount") or running.variant.get("InitialInstanceCount") or 1
    notes.changed(path, f"{count} instances, whatever the copies need", f"instances follow copies, {count} to {count}")
    return count, count


def _kind(running: Running, most: int, *, path: str, today: dt.date, notes: Notes) -> dict[str, Any]:
    types = instance_types(running)
    arn = (running.variant.get("CapacityReservationConfig") or {}).get("MlReservationArn")
    if not arn:
        return {"type": types[0]} if len(types) == 1 else {"pool": types}
    plan = running.plan or {}
    ends = plan.get("EndTime")
    until = ends.date() if isinstance(ends, dt.datetime) else today
    notes.comment(path, "The plan must last at least until this day; what happens before its end: on_expiry.")
    reserved = {
        "training_plan": arn,
        "type": types[0],
        "count": plan.get("TotalInstanceCount") or most,
        "until": until,
    }
    return {"reserved": reserved}
