"""What the service does by itself: place copies on instances, replace dead ones, finish updates or take them back."""

from __future__ import annotations

from typing import Any

from localcloud import faults, rollouts
from localcloud.clock import clock
from localcloud.copies import Copy, ProcessCopy
from localcloud.settings import current
from localcloud.store import LOCK, Component, Endpoint, Instance, Store, gpus_of, stores

_RESTART_MAX_S = 60.0
_NO_CAPACITY = (
    "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error. "
    "Please retry using a different ML instance type or after some time."
)
_NO_ROOM = "Not enough accelerators on the endpoint for another copy, and the instance count is at its maximum."


def tick() -> None:
    """Bring every endpoint and component one step closer to what is wanted."""
    with LOCK:
        for state in stores():
            for endpoint in list(state.endpoints.values()):
                _endpoint(state, endpoint)
            for component in list(state.components.values()):
                if component.base:
                    _adapter(state, component)
                else:
                    _component(state, component)
            for endpoint in state.endpoints.values():
                _release_idle(state, endpoint)


def out_of_capacity(endpoint: str, instance_type: str) -> bool:
    """Whether the fault hits this endpoint, or this type on it (target ``<endpoint>/<type>``)."""
    return faults.strikes("insufficient-capacity", endpoint) or faults.strikes(
        "insufficient-capacity", f"{endpoint}/{instance_type}"
    )


def instance_types(variant: dict[str, Any]) -> list[str]:
    """The types of a variant, the preferred first."""
    pools = sorted(variant.get("InstancePools", []), key=lambda pool: int(pool["Priority"]))
    return [pool["InstanceType"] for pool in pools] or [variant.get("InstanceType", "")]


def _endpoint(state: Store, endpoint: Endpoint) -> None:
    if endpoint.status == "Updating" and (reason := rollouts.tripped(state, endpoint.rollout)):
        endpoint.failure, endpoint.rolls_back, endpoint.until = reason, True, clock().now()
        endpoint.rollout = None
    if clock().now() < endpoint.until:
        return
    if endpoint.status == "Deleting":
        del state.endpoints[endpoint.data["EndpointName"]]
    elif endpoint.status == "Creating":
        _settle(endpoint, "Failed" if endpoint.failure else "InService")
        if not endpoint.failure:
            _first_instances(state, endpoint)
    elif endpoint.status == "Updating" and endpoint.rolls_back:
        endpoint.data["EndpointStatus"] = "RollingBack"
        endpoint.until = clock().now() + current().endpoint_s
    elif endpoint.status in ("Updating", "RollingBack"):
        if endpoint.status == "Updating" and endpoint.target:
            endpoint.data["EndpointConfigName"] = endpoint.target
            _first_instances(state, endpoint)
        _settle(endpoint, "InService")


def _settle(endpoint: Endpoint, status: str) -> None:
    endpoint.data |= {"EndpointStatus": status, "LastModifiedTime": clock().utc()}
    endpoint.data.pop("PendingDeploymentSummary", None)
    if endpoint.failure:
        endpoint.data["FailureReason"] = endpoint.failure
    endpoint.target, endpoint.failure, endpoint.rolls_back, endpoint.rollout = None, None, False, None


def _first_instances(state: Store, endpoint: Endpoint) -> None:
    variants = state.config_of(endpoint).get("ProductionVariants", [])
    for variant in variants:
        instances = endpoint.instances.setdefault(variant["VariantName"], [])
        wanted = len(instances) if endpoint.retain and instances else int(variant.get("InitialInstanceCount", 1))
        while len(instances) < wanted:
            instances.append(_instance(instance_types(variant)[0], delay_s=0))
    for gone in set(endpoint.instances) - {variant["VariantName"] for variant in variants}:
        del endpoint.instances[gone]


def _instance(instance_type: str, *, delay_s: float) -> Instance:
    ready = clock().now() + delay_s
    return Instance(type=instance_type, ready_at=ready, empty_since=ready)


def _component(state: Store, component: Component) -> None:
    for copy in component.copies:
        copy.poll()
    component.copies = [copy for copy in component.copies if copy.state != "stopped"]
    if component.status == "Deleting":
        _stop(component.copies)
        if not component.copies:
            del state.components[component.name]
        return
    if component.status == "Failed":
        _stop(component.copies)
        return
    wanted = [c for c in component.copies if c.revision == component.revision and c.state != "stopping"]
    for copy in [copy for copy in wanted if copy.state == "failed"]:
        wanted.remove(copy)
        copy.stop()
        component.restarts += 1
        component.not_before = clock().now() + min(_RESTART_MAX_S, 2.0 ** (component.restarts - 1) - 1)
        if component.status == "Creating" or component.previous:
            _give_up(component, f"Container failed to start: {copy.failure}. See its logs in CloudWatch.")
            return
    if reason := rollouts.tripped(state, component.rollout):
        _give_up(component, reason)
        return
    due = rollouts.due(component)
    _stop(wanted[due:])
    del wanted[due:]
    while len(wanted) < due and clock().now() >= component.not_before:
        problem = _start(state, component, wanted)
        if problem and (problem == _NO_CAPACITY or _starved(state, component)):
            _give_up(component, problem)
            return
        if problem is not None:
            break
    healthy = [copy for copy in wanted if copy.state == "healthy"]
    if len(healthy) == due:
        _serve(component)


def _serve(component: Component) -> None:
    outdated = [copy for copy in component.copies if copy.revision != component.revision]
    component.unplaced_since = None
    if not rollouts.step(component, outdated):
        return
    _stop(outdated)
    if component.status in ("Creating", "Updating") and not outdated:
        component.status, component.previous, component.restarts = "InService", None, 0
        component.rollout = None
        component.data["LastModifiedTime"] = clock().utc()
    elif clock().now() - component.not_before > _RESTART_MAX_S:
        component.restarts = 0


def _give_up(component: Component, reason: str) -> None:
    """A create ends Failed; an update goes back to the specification that was serving."""
    component.data |= {"FailureReason": reason, "LastModifiedTime": clock().utc()}
    component.unplaced_since, component.not_before = None, 0
    if component.status == "Creating":
        component.status = "Failed"
    elif component.previous:
        failed = component.revision
        component.revision, component.specs = component.previous
        component.previous = None
        if component.rollout:
            rollouts.turn_back(component, failed, reason)
        else:
            _stop([copy for copy in component.copies if copy.revision == failed])
    else:  # more copies were wanted than fit: those that fit serve, the count stays wanted
        component.status, component.rollout = "InService", None


def _starved(state: Store, component: Component) -> bool:
    now = clock().now()
    component.unplaced_since = component.unplaced_since or now
    configured = state.variant(component).get("VariantInstanceProvisionTimeoutInSeconds", current().provision_s)
    return now - component.unplaced_since >= min(configured, current().provision_s) and component.status != "InService"


def _start(state: Store, component: Component, wanted: list[Copy]) -> str | None:
    """Start one copy, or say why not; an empty reason means an instance is on its way."""
    instance, problem = _place(state, component)
    if instance is None:
        outdated = [c for c in component.copies if c.revision != component.revision and c.state != "stopping"]
        if problem == _NO_ROOM and outdated and (component.rollout is None or component.rollout.reason):
            _stop(outdated[:1])  # without room the old copy makes way; in a rolling update only on the way back
        return problem
    spec = spec_for(component.specs, instance.type)
    container = container_of(state, spec)
    given: dict[str, Any] = {
        "component": component.name,
        "revision": component.revision,
        "instance_id": instance.id,
        "gpus": _need(spec),
        "spec": spec,
    }
    copy: Copy = Copy(**given)
    if current().processes:
        copy = ProcessCopy(account=state.account, region=state.region, container=container, **given)
    if faults.strikes("component-health-check", component.name):
        copy.state, copy.failure = "failed", "no healthy /ping within the start-up time (injected fault)"
    else:
        copy.start()
    component.copies.append(copy)
    wanted.append(copy)
    return None


def spec_for(specs: list[dict[str, Any]], instance_type: str) -> dict[str, Any]:
    """The specification for an instance type; with a single one there is no choice."""
    return next((spec for spec in specs if spec.get("InstanceType") == instance_type), specs[0])


def container_of(state: Store, spec: dict[str, Any]) -> dict[str, Any]:
    """The container of a specification: its own, or its model's."""
    container: dict[str, Any] = {}
    if name := spec.get("ModelName"):
        model = state.models()[name]
        container |= model.primary_container or (model.containers or [{}])[0]
    own = spec.get("Container", {})
    environment = container.get("Environment", {}) | own.get("Environment", {})
    result: dict[str, Any] = container | own | {"Environment": environment}
    return result


def _need(spec: dict[str, Any]) -> int:
    return int(spec.get("ComputeResourceRequirements", {}).get("NumberOfAcceleratorDevicesRequired", 0))


def _place(state: Store, component: Component) -> tuple[Instance | None, str | None]:
    endpoint, variant = state.endpoints[component.data["EndpointName"]], state.variant(component)
    instances = endpoint.instances.setdefault(component.data["VariantName"], [])
    copies = _copies_by_instance(state)
    coming = False
    for instance in sorted(instances, key=lambda i: len(copies.get(i.id, []))):  # SPREAD, the default placement
        used = sum(copy.gpus for copy in copies.get(instance.id, []))
        if gpus_of(instance.type) - used < _need(spec_for(component.specs, instance.type)):
            continue
        if instance.ready_at <= clock().now():
            return instance, None
        coming = True
    if coming:
        return None, ""
    scaling = variant.get("ManagedInstanceScaling", {})
    most = scaling.get("MaxInstanceCount", 0) if scaling.get("Status", "ENABLED") == "ENABLED" else 0
    if len(instances) >= most:
        return None, _NO_ROOM
    for instance_type in instance_types(variant):
        if not out_of_capacity(endpoint.data["EndpointName"], instance_type):
            instances.append(_instance(instance_type, delay_s=current().instance_s))
            return None, ""
    return None, _NO_CAPACITY


def _copies_by_instance(state: Store) -> dict[str, list[Copy]]:
    found: dict[str, list[Copy]] = {}
    for component in state.components.values():
        for copy in component.copies:
            if copy.state != "stopped":
                found.setdefault(copy.instance_id, []).append(copy)
    return found


def _release_idle(state: Store, endpoint: Endpoint) -> None:
    copies, now = _copies_by_instance(state), clock().now()
    for variant in state.config_of(endpoint).get("ProductionVariants", []):
        instances = endpoint.instances.get(variant["VariantName"], [])
        scaling = variant.get("ManagedInstanceScaling")
        least = scaling.get("MinInstanceCount", 0) if scaling else len(instances)
        for instance in list(instances):
            if copies.get(instance.id) or instance.ready_at > now:
                instance.empty_since = now
            elif len(instances) > least and now - instance.empty_since >= current().idle_release_s:
                instances.remove(instance)


def _adapter(state: Store, adapter: Component) -> None:
    base = state.components.get(adapter.base or "")
    copies = [copy for copy in base.copies if copy.state == "healthy"] if base else []
    if adapter.status == "Deleting":
        for copy in copies:
            copy.unload_adapter(adapter.name)
        del state.components[adapter.name]
        return
    archive = adapter.specs[0].get("Container", {}).get("ArtifactUrl", "")
    for copy in copies:
        if adapter.name not in copy.adapters:
            copy.load_adapter(adapter.name, archive)
    states = [copy.adapters[adapter.name] for copy in copies]
    problems = [text for text in states if text not in ("loaded", "loading")]
    if problems and adapter.status == "Creating":
        adapter.status, adapter.data["FailureReason"] = "Failed", f"Adapter could not be loaded: {problems[0]}"
    elif copies and adapter.status in ("Creating", "Updating") and all(text == "loaded" for text in states):
        adapter.status, adapter.data["LastModifiedTime"] = "InService", clock().utc()


def _stop(copies: list[Copy]) -> None:
    for copy in copies:
        if copy.state not in ("stopping", "stopped"):
            copy.stop()
