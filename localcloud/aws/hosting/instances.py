"""Instances of a variant: which one takes a copy, when one is added, and when one is released."""

from __future__ import annotations

from typing import Any

from moto.sagemaker.exceptions import SagemakerClientError

from localcloud.aws import faults
from localcloud.aws.clock import clock
from localcloud.aws.hosting import limits
from localcloud.aws.hosting.copies import Copy
from localcloud.aws.hosting.plans import plan_now
from localcloud.aws.hosting.records import Component, Endpoint, Instance, gpus_of
from localcloud.aws.hosting.store import Store
from localcloud.aws.settings import current

NO_CAPACITY = (
    "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error. "
    "Please retry using a different ML instance type or after some time."
)
NO_ROOM = "Not enough accelerators on the endpoint for another copy, and the instance count is at its maximum."
_COOLDOWN_MINUTES, _STEP = 20, 1
"""Defaults of CooldownInMinutes and MaximumStepSize in ScaleInPolicy (botocore 1.44.5)."""


def instance_types(variant: dict[str, Any]) -> list[str]:
    """Instance types of a variant, the preferred first."""
    pools = sorted(variant.get("InstancePools", []), key=lambda pool: int(pool["Priority"]))
    return [pool["InstanceType"] for pool in pools] or [variant.get("InstanceType", "")]


def out_of_capacity(endpoint: str, instance_type: str) -> bool:
    """Whether the fault strikes this endpoint, or this type on it (target ``<endpoint>/<type>``), or the type's quota is zero."""
    return (
        faults.strikes("insufficient-capacity", endpoint)
        or faults.strikes("insufficient-capacity", f"{endpoint}/{instance_type}")
        or faults.stands("endpoint-quota-zero", instance_type)
    )


def check_quotas(state: Store, variants: list[dict[str, Any]], *, besides: Endpoint | None = None) -> None:
    """Refuse a configuration whose instances the account may not run, as CreateEndpoint and UpdateEndpoint do.

    For a variant with several types, a quota for one of them is enough.

    Args:
        state: SageMaker of one account and Region.
        variants: Production variants of the configuration.
        besides: Endpoint that is updated, whose instances are not counted. Default: all are counted.
    """
    demand: list[tuple[str, int]] = []
    for variant in variants:
        types, count = instance_types(variant), int(variant.get("InitialInstanceCount", 1))
        if plan_of(variant):
            continue  # instances of a training plan are not on-demand instances
        if types and all(faults.stands("endpoint-quota-zero", kind) for kind in types):
            faults.strikes("endpoint-quota-zero", types[0])
            message = limits.message(limits.OF_A_TYPE.format(types[0]), count=count)
            raise SagemakerClientError("ResourceLimitExceeded", message)
        if types:
            most = max(
                types, key=lambda kind: limits.room(state, kind, besides=besides)
            )  # the first of those that have the same
            limits.check(state, most, count, besides=besides, more=demand)
            demand.append((most, count))


def plan_of(variant: dict[str, Any]) -> str:
    """ARN of the training plan whose instances a variant uses; empty for an on-demand variant."""
    return str(variant.get("CapacityReservationConfig", {}).get("MlReservationArn", ""))


def spec_for(specs: list[dict[str, Any]], instance_type: str) -> dict[str, Any]:
    """Specification for an instance type; a single specification applies to every type."""
    return next((spec for spec in specs if spec.get("InstanceType") == instance_type), specs[0])


def need(spec: dict[str, Any]) -> int:
    """Number of GPUs of one copy."""
    return int(spec.get("ComputeResourceRequirements", {}).get("NumberOfAcceleratorDevicesRequired", 0))


def first(state: Store, endpoint: Endpoint) -> None:
    """Add the initial instances of an endpoint's configuration, and drop the variants that it no longer has."""
    variants = state.config_of(endpoint).get("ProductionVariants", [])
    for variant in variants:
        instances = endpoint.instances.setdefault(variant["VariantName"], [])
        count = len(instances) if endpoint.retain and instances else int(variant.get("InitialInstanceCount", 1))
        while len(instances) < count:
            types = instance_types(variant)
            available = [kind for kind in types if not out_of_capacity(endpoint.data["EndpointName"], kind)]
            instances.append(_instance((available or types)[0], delay_s=0))
    for name in set(endpoint.instances) - {variant["VariantName"] for variant in variants}:
        del endpoint.instances[name]


def _instance(instance_type: str, *, delay_s: float) -> Instance:
    ready = clock().now() + delay_s
    return Instance(type=instance_type, ready_at=ready, empty_since=ready)


def place(state: Store, component: Component) -> tuple[Instance | None, str | None]:
    """Instance for one more copy, or the reason why there is none; an empty reason means that an instance is being added."""
    endpoint, variant = state.endpoints[component.data["EndpointName"]], state.variant(component)
    instances = endpoint.instances.setdefault(component.data["VariantName"], [])
    if any(instance.draining for instance in instances) and not _room(state, component, instances):
        _stop_draining(state, instances)
    room = _room(state, component, instances)
    ready = [instance for instance in room if instance.ready_at <= clock().now()]
    if ready:
        return ready[0], None
    if room:
        return None, ""
    scaling = variant.get("ManagedInstanceScaling", {})
    limit = scaling.get("MaxInstanceCount", 0) if scaling.get("Status", "ENABLED") == "ENABLED" else 0
    if len(instances) >= limit:
        return None, NO_ROOM
    if not _reservation_has(state, variant, len(instances) + 1):
        return None, NO_CAPACITY
    for instance_type in instance_types(variant):
        has_room = bool(plan_of(variant)) or limits.room(state, instance_type, of=endpoint) >= 1
        if has_room and not out_of_capacity(endpoint.data["EndpointName"], instance_type):
            instances.append(_instance(instance_type, delay_s=current().instance_s))
            return None, ""
    state.refused[component.data["EndpointName"], component.data["VariantName"]] = clock().now()
    return None, NO_CAPACITY


def _room(state: Store, component: Component, instances: list[Instance]) -> list[Instance]:
    """Instances with enough free GPUs, ordered by preference: the emptiest first (SPREAD, the default) or the fullest first."""
    copies = copies_by_instance(state)
    candidates = [
        instance
        for instance in instances
        if not instance.draining and _free(instance, copies) >= need(spec_for(component.specs, instance.type))
    ]
    binpack = component.specs[0].get("SchedulingConfig", {}).get("PlacementStrategy") == "BINPACK"
    return sorted(candidates, key=lambda instance: len(copies.get(instance.id, [])), reverse=binpack)


def _free(instance: Instance, copies: dict[str, list[Copy]]) -> int:
    return gpus_of(instance.type) - sum(copy.gpus for copy in copies.get(instance.id, []))


def copies_by_instance(state: Store) -> dict[str, list[Copy]]:
    """Copies that have not stopped, by instance id."""
    copies: dict[str, list[Copy]] = {}
    for component in state.components.values():
        for copy in component.copies:
            if copy.state != "stopped":
                copies.setdefault(copy.instance_id, []).append(copy)
    return copies


def scale_in(state: Store, endpoint: Endpoint) -> None:
    """Release empty instances; with CONSOLIDATION, start emptying some; end those whose reservation is over."""
    now = clock().now()
    for variant in state.config_of(endpoint).get("ProductionVariants", []):
        instances = endpoint.instances.get(variant["VariantName"], [])
        copies = copies_by_instance(state)
        _note_activity(endpoint, variant["VariantName"], instances, copies)
        if not _reservation_has(state, variant, 1):
            _end(state, instances)
            continue
        scaling = variant.get("ManagedInstanceScaling")
        least = scaling.get("MinInstanceCount", 0) if scaling else len(instances)
        policy = scaling.get("ScaleInPolicy") if scaling else None
        cooldown = policy.get("CooldownInMinutes", _COOLDOWN_MINUTES) * 60 if policy else current().idle_release_s
        for instance in reversed(instances):  # the least preferred pool was added last
            empty = not copies.get(instance.id) and instance.ready_at <= now
            instance.empty_since = instance.empty_since if empty else now
            idle = instance.draining or now - instance.empty_since >= cooldown
            if empty and len(instances) > least and idle:
                instances.remove(instance)
        if policy and policy["Strategy"] == "CONSOLIDATION" and now - endpoint.quiet_since >= cooldown:
            spare = min(policy.get("MaximumStepSize", _STEP), len(instances) - least)
            _consolidate(state, endpoint, instances, spare)


def _note_activity(endpoint: Endpoint, variant: str, instances: list[Instance], copies: dict[str, list[Copy]]) -> None:
    """Note changes of placement: the cooldown of a consolidation counts from the last one."""
    where = {(copy.id, copy.instance_id) for instance in instances for copy in copies.get(instance.id, [])}
    present = frozenset(where | {(variant, instance.id) for instance in instances})
    if endpoint.activity.get(variant) != present or endpoint.status != "InService":
        endpoint.activity[variant], endpoint.quiet_since = present, clock().now()


def _consolidate(state: Store, endpoint: Endpoint, instances: list[Instance], spare: int) -> None:
    """Mark instances whose copies fit on the others; once their copies are replaced there, they are released."""
    if any(instance.draining for instance in instances):
        return
    name = endpoint.data["EndpointName"]
    if any(c.status != "InService" for c in state.components.values() if c.data["EndpointName"] == name):
        return
    copies = copies_by_instance(state)
    free = {instance.id: _free(instance, copies) for instance in instances}
    for instance in sorted(instances, key=lambda one: len(copies.get(one.id, []))):
        if spare <= 0:
            return
        others = {other.id: free[other.id] for other in instances if other is not instance and not other.draining}
        if not _fits(copies.get(instance.id, []), others):
            continue
        free |= others
        instance.draining, spare = True, spare - 1
        for copy in copies.get(instance.id, []):
            copy.leaving = True


def _fits(copies: list[Copy], free: dict[str, int]) -> bool:
    """Whether copies fit, the largest first; their GPUs are subtracted from `free`."""
    for copy in sorted(copies, key=lambda one: -one.gpus):
        target = next((name for name, gpus in free.items() if gpus >= copy.gpus), None)
        if target is None:
            return False
        free[target] -= copy.gpus
    return True


def _stop_draining(state: Store, instances: list[Instance]) -> None:
    """Stop emptying instances, since an unforeseen copy needs capacity."""
    ids = {instance.id for instance in instances if instance.draining}
    for instance in instances:
        instance.draining = False
    for component in state.components.values():
        for copy in component.copies:
            copy.leaving = copy.leaving and copy.instance_id not in ids


def _end(state: Store, instances: list[Instance]) -> None:
    """End instances whose reservation is over, with the copies that run on them."""
    ids = {instance.id for instance in instances}
    for component in state.components.values():
        for copy in component.copies:
            if copy.instance_id in ids and copy.state not in ("stopping", "stopped"):
                copy.stop(drain=False)
    instances.clear()


def _reservation_has(state: Store, variant: dict[str, Any], count: int) -> bool:
    """Whether a variant may have this many instances: at most its training plan's, until half an hour before the plan ends."""
    arn = variant.get("CapacityReservationConfig", {}).get("MlReservationArn")
    if not arn:
        return True
    for record in state.jobs.get("TrainingPlan", {}).values():
        if record.data["TrainingPlanArn"] == arn:
            plan = plan_now(state, record)
            return bool(plan["_usable"] and count <= plan["TotalInstanceCount"])
    return False
