"""Background work of the service: place copies on instances, replace dead ones, finish updates or roll them back."""

from __future__ import annotations

from typing import Any

from localcloud.aws import faults
from localcloud.aws.clock import clock
from localcloud.aws.hosting import access, instances, rollouts
from localcloud.aws.hosting.copies import Copy, ProcessCopy
from localcloud.aws.hosting.records import Component, Endpoint
from localcloud.aws.hosting.store import LOCK, Store, stores
from localcloud.aws.settings import current

_RESTART_MAX_S = 60.0


def tick() -> None:
    """Bring every endpoint and component one step closer to its desired state."""
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
                instances.scale_in(state, endpoint)


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
            instances.first(state, endpoint)
    elif endpoint.status == "Updating" and endpoint.rolls_back:
        endpoint.data["EndpointStatus"] = "RollingBack"
        endpoint.until = clock().now() + current().endpoint_s
    elif endpoint.status in ("Updating", "RollingBack"):
        if endpoint.status == "Updating" and endpoint.target:
            endpoint.data["EndpointConfigName"] = endpoint.target
            instances.first(state, endpoint)
        _settle(endpoint, "InService")


def _settle(endpoint: Endpoint, status: str) -> None:
    endpoint.data |= {"EndpointStatus": status, "LastModifiedTime": clock().utc()}
    endpoint.data.pop("PendingDeploymentSummary", None)
    if endpoint.failure:
        endpoint.data["FailureReason"] = endpoint.failure
    endpoint.target, endpoint.failure, endpoint.rolls_back, endpoint.rollout = None, None, False, None


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
    if component.status == "Creating" and faults.stands("component-creating", component.name):
        return
    current_copies = [c for c in component.copies if not _outdated(component, c) and c.state != "stopping"]
    for copy in [copy for copy in current_copies if copy.state == "failed"]:
        current_copies.remove(copy)
        copy.stop()
        component.restarts += 1
        component.not_before = clock().now() + min(_RESTART_MAX_S, 2.0 ** (component.restarts - 1) - 1)
        if component.status == "Creating" or component.previous:
            _give_up(component, f"Container failed to start: {copy.failure}. See its logs in CloudWatch.")
            return
    if reason := rollouts.tripped(state, component.rollout):
        _give_up(component, reason)
        return
    count = rollouts.due(component)
    _stop(current_copies[count:])
    del current_copies[count:]
    while len(current_copies) < count and clock().now() >= component.not_before:
        problem = _start(state, component, current_copies)
        if problem and (problem == instances.NO_CAPACITY or _starved(state, component)):
            _give_up(component, problem)
            return
        if problem is not None:
            break
    healthy = [copy for copy in current_copies if copy.state == "healthy"]
    if len(healthy) == count:
        _serve(component)


def _outdated(component: Component, copy: Copy) -> bool:
    """Whether a copy must be replaced: it has another revision, or its instance is being emptied."""
    return copy.leaving or copy.revision != component.revision


def _serve(component: Component) -> None:
    outdated = [copy for copy in component.copies if _outdated(component, copy)]
    component.unplaced_since = None
    if component.short:
        component.short = False
        component.data.pop("FailureReason", None)
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
    """End a creation as Failed, or return an update to the specification that was serving."""
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
    else:  # more copies are desired than fit: those that fit serve, and the desired count is kept
        component.status, component.rollout, component.short = "InService", None, True


def _starved(state: Store, component: Component) -> bool:
    now = clock().now()
    component.unplaced_since = component.unplaced_since or now
    configured = state.variant(component).get("VariantInstanceProvisionTimeoutInSeconds", current().provision_s)
    return now - component.unplaced_since >= min(configured, current().provision_s) and component.status != "InService"


def _start(state: Store, component: Component, current_copies: list[Copy]) -> str | None:
    """Start one copy, or return the reason why not; an empty reason means that an instance is being added."""
    instance, problem = instances.place(state, component)
    if instance is None:
        outdated = [c for c in component.copies if _outdated(component, c) and c.state != "stopping"]
        if problem == instances.NO_ROOM and outdated and (component.rollout is None or component.rollout.reason):
            _stop(outdated[:1])  # without room an old copy stops first; in a rolling update only during a rollback
        return problem
    spec = instances.spec_for(component.specs, instance.type)
    container = container_of(state, spec)
    options: dict[str, Any] = {
        "component": component.name,
        "revision": component.revision,
        "instance_id": instance.id,
        "gpus": instances.need(spec),
        "spec": spec,
    }
    role = role_of(state, component, spec)
    copy: Copy = Copy(**options)
    if current().processes:
        copy = ProcessCopy(account=state.account, region=state.region, container=container, role=role, **options)
    if faults.strikes("component-health-check", component.name):
        copy.state, copy.failure = "failed", "no healthy /ping within the start-up time (injected fault)"
    elif (reason := access.problem(role, container, region=state.region)) is not None:
        copy.state, copy.failure = "failed", reason
    else:
        copy.start()
    component.copies.append(copy)
    current_copies.append(copy)
    return None


def container_of(state: Store, spec: dict[str, Any]) -> dict[str, Any]:
    """Container of a specification: its own, or its model's."""
    container: dict[str, Any] = {}
    if name := spec.get("ModelName"):
        model = state.models()[name]
        container |= model.primary_container or (model.containers or [{}])[0]
    own = spec.get("Container", {})
    environment = container.get("Environment", {}) | own.get("Environment", {})
    result: dict[str, Any] = container | own | {"Environment": environment}
    return result


def role_of(state: Store, component: Component, spec: dict[str, Any]) -> str | None:
    """Execution role of a component's copies: its model's, else that of the endpoint's configuration."""
    model = state.models().get(spec.get("ModelName", ""))
    config = state.config_of(state.endpoints[component.data["EndpointName"]])
    role: str | None = getattr(model, "execution_role_arn", None) or config.get("ExecutionRoleArn")
    return role


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
