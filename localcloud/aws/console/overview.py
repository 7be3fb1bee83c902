"""The current state of the fleet: endpoints, instances with their GPUs, components, copies, requests, scaling, alarms, events and dollars.

Where AWS has an operation, its answer is shown: metrics, alarms, scaling activities, stack events. It has none for the placement and state of
a single copy, which are read from the state of the embedded AWS.
"""

from __future__ import annotations

from typing import Any, Final

from moto.cloudformation.models import cloudformation_backends

from localcloud.aws.clock import clock
from localcloud.aws.console import actions, journal, load
from localcloud.aws.console.alarm_list import alarms, changes
from localcloud.aws.console.costs import usd_per_hour
from localcloud.aws.console.traffic import traffic
from localcloud.aws.hosting.instances import copies_by_instance
from localcloud.aws.hosting.records import Component, Endpoint, Instance, gpus_of
from localcloud.aws.hosting.store import LOCK, Store, store
from localcloud.aws.scaling.activities import Activity, activities

_EVENTS_MAX: Final = 40
_DECISIONS_MAX: Final = 20


def overview(account: str, region: str) -> dict[str, Any]:
    """State of an account and Region, with the time."""
    return {"now": clock().now()} | snapshot(account, region)


def snapshot(account: str, region: str) -> dict[str, Any]:
    """State of an account and Region, without the time, so that two states are equal if nothing has happened."""
    known, events = (
        alarms(account, region),
        _events(account, region),
    )  # first: alarms are evaluated once there is a state
    state = store(account, region)
    with LOCK:
        endpoints = [_endpoint(state, endpoint) for endpoint in state.endpoints.values()]
    names = [component["name"] for endpoint in endpoints for component in endpoint["components"]]
    return {
        "endpoints": endpoints,
        "traffic": traffic(account, region, names),
        "decisions": [_decision(one) for one in activities(account, region)[:_DECISIONS_MAX]],
        "alarms": known,
        "events": events,
        "faults": actions.active_faults(),
        "load": load.state(),
    }


def _endpoint(state: Store, endpoint: Endpoint) -> dict[str, Any]:
    name = str(endpoint.data["EndpointName"])
    components = [one for one in state.components.values() if one.data["EndpointName"] == name]
    copies = copies_by_instance(state)
    types = [instance.type for instances in endpoint.instances.values() for instance in instances]
    return {
        "name": name,
        "status": endpoint.status,
        "failure": str(endpoint.data.get("FailureReason", "")),
        "cost": usd_per_hour(types, state.region),
        "instances": [
            _instance(instance, variant, copies.get(instance.id, []))
            for variant, instances in endpoint.instances.items()
            for instance in instances
        ],
        "components": [_component(state, component) for component in components if not component.base],
    }


def _instance(instance: Instance, variant: str, copies: list[Any]) -> dict[str, Any]:
    """An instance, and which copy is on each of its GPUs; no GPU is measured on this machine, so occupied ones are counted."""
    gpus: list[dict[str, str] | None] = [None] * gpus_of(instance.type)
    taken = 0
    for copy in copies:
        for index in range(taken, min(taken + copy.gpus, len(gpus))):
            gpus[index] = {"component": copy.component, "copy": copy.id, "state": copy.state}
        taken += copy.gpus
    ready = instance.ready_at <= clock().now()
    status = "draining" if instance.draining else "ready" if ready else "starting"
    return {"id": instance.id, "type": instance.type, "variant": variant, "status": status, "gpus": gpus}


def _component(state: Store, component: Component) -> dict[str, Any]:
    kept = list(component.sessions.values())
    return {
        "name": component.name,
        "status": component.status,
        "failure": str(component.data.get("FailureReason", "")),
        "wanted": component.desired,
        "copies": [
            {
                "id": copy.id,
                "state": copy.state,
                "failure": copy.failure,
                "instance": copy.instance_id,
                "gpus": copy.gpus,
                "requests": copy.outstanding,
                "sessions": kept.count(copy),
                "outdated": copy.revision != component.revision,
            }
            for copy in component.copies
            if copy.state != "stopped"
        ],
        "adapters": [{"name": one.name, "status": one.status} for one in state.adapters_of(component.name)],
    }


def _decision(one: Activity) -> dict[str, Any]:
    """A scaling activity with the values that triggered it."""
    return {
        "time": one.began,
        "ended": one.ended,
        "component": one.resource_id.partition("/")[2],
        "before": one.before,
        "after": one.after,
        "cause": one.cause,
        "figures": one.figures,
        "status": one.not_scaled or one.status,
        "message": one.message,
    }


def _events(account: str, region: str) -> list[dict[str, Any]]:
    """The newest changes of alarms and steps of deployments."""
    backend = cloudformation_backends[account][region]
    stacks = [*backend.stacks.values(), *backend.deleted_stacks.values()]
    steps = [
        {
            "time": event.timestamp.timestamp(),
            "what": f"{event.stack_name} {event.logical_resource_id} ({event.resource_type})",
            "state": event.resource_status,
            "reason": event.resource_status_reason or "",
        }
        for stack in stacks
        for event in list(stack.events)[-_EVENTS_MAX:]
    ]
    return sorted([*steps, *changes(account, region), *journal.entries()], key=lambda one: -float(one["time"]))[
        :_EVENTS_MAX
    ]
