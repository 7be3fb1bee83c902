"""Guarded updates: valid deployment policies, batches of a rolling update, and rollbacks by alarms."""

from __future__ import annotations

import math
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends
from moto.sagemaker.exceptions import ValidationError

from localcloud.aws.clock import clock
from localcloud.aws.hosting.copies import Copy
from localcloud.aws.hosting.records import Component, Endpoint, Rollout
from localcloud.aws.hosting.store import Store

# Lowest and highest share of a fleet in a policy, in percent (botocore 1.44.5: RollingUpdatePolicy, TrafficRoutingConfig).
_ROLLING, _CANARY, _LINEAR = (5, 50), (0, 50), (10, 50)
_WHOLE = 100


def for_component(state: Store, request: dict[str, Any], copies: int) -> Rollout | None:
    """Rolling update of an UpdateInferenceComponent request, checked against the number of copies; None if it has no policy."""
    deployment = request.get("DeploymentConfig")
    if not deployment:
        return None
    policy = deployment["RollingUpdatePolicy"]
    batch = _size(policy["MaximumBatchSize"], copies, _ROLLING, "RollingUpdatePolicy.MaximumBatchSize")
    back = policy.get("RollbackMaximumBatchSize", {"Type": "CAPACITY_PERCENT", "Value": _WHOLE})
    return Rollout(
        alarms=_alarms(state, deployment),
        deadline=clock().now() + policy.get("MaximumExecutionTimeoutInSeconds", math.inf),
        batch=batch,
        rollback_batch=_size(back, copies, (0, _WHOLE), "RollingUpdatePolicy.RollbackMaximumBatchSize"),
        wait_s=policy["WaitIntervalInSeconds"],
        goal=batch,
    )


def for_endpoint(
    state: Store, endpoint: Endpoint, deployment: dict[str, Any] | None, variants: list[dict[str, Any]]
) -> tuple[Rollout | None, float]:
    """Guarded update of an UpdateEndpoint request, None if it has no policy; and the seconds that its policy waits."""
    if not deployment:
        return None, 0
    blue_green, rolling = deployment.get("BlueGreenUpdatePolicy"), deployment.get("RollingUpdatePolicy")
    if blue_green and rolling:
        raise ValidationError("Only one of BlueGreenUpdatePolicy and RollingUpdatePolicy may be provided.")
    present = state.config_of(endpoint).get("ProductionVariants", [])
    count = max((len(endpoint.instances.get(variant["VariantName"], [])) for variant in present), default=1)
    if rolling:
        before, after = ({variant["VariantName"] for variant in side} for side in (present, variants))
        if len(variants) > 1 or before != after:
            raise ValidationError(
                "RollingUpdatePolicy needs one production variant whose name does not change: "
                f"{sorted(before)} -> {sorted(after)}"
            )
        size = _size(rolling["MaximumBatchSize"], count, _ROLLING, "RollingUpdatePolicy.MaximumBatchSize")
        waits = math.ceil(max(count, 1) / size) * rolling["WaitIntervalInSeconds"]
    else:
        waits = _blue_green_waits(blue_green, count) if blue_green else 0
    limit = (rolling or blue_green or {}).get("MaximumExecutionTimeoutInSeconds", math.inf)
    if blue_green and waits >= limit:
        raise ValidationError(
            f"MaximumExecutionTimeoutInSeconds is {limit}; it must be larger than the total waiting time, {waits} s"
        )
    return Rollout(alarms=_alarms(state, deployment), deadline=clock().now() + limit), waits


def _blue_green_waits(policy: dict[str, Any], count: int) -> float:
    routing = policy["TrafficRoutingConfiguration"]
    kind, wait = routing["Type"], routing["WaitIntervalInSeconds"]
    size_key = {"CANARY": "CanarySize", "LINEAR": "LinearStepSize"}.get(kind)
    for key in ("CanarySize", "LinearStepSize"):
        if (key in routing) != (key == size_key):
            raise ValidationError(
                f"TrafficRoutingConfiguration.{key} is {'required' if key == size_key else 'not allowed'} for {kind}"
            )
    steps = 1
    if size_key:
        limits = _CANARY if kind == "CANARY" else _LINEAR
        size = _size(routing[size_key], count, limits, f"TrafficRoutingConfiguration.{size_key}")
        steps = 2 if kind == "CANARY" else math.ceil(_WHOLE / _percent(routing[size_key], size, count))
    return float(steps * wait + policy.get("TerminationWaitInSeconds", 0))


def _percent(size: dict[str, Any], units: int, total: int) -> float:
    return float(size["Value"]) if size["Type"] == "CAPACITY_PERCENT" else _WHOLE * units / max(total, 1)


def _size(size: dict[str, Any], total: int, percent: tuple[float, float], path: str) -> int:
    """Convert a batch to a number of copies or instances, at least one, which is valid for a fleet of one too."""
    low, high = percent
    value = int(size["Value"])
    counted = size["Type"] != "CAPACITY_PERCENT"
    share = _WHOLE * value / max(total, 1) if counted else value
    if not low <= share <= high and not (counted and value == 1 and total <= 1):
        raise ValidationError(
            f"Value {value} ({size['Type']}) at '{path}' is {share:.0f}% of {total}; "
            f"it must be between {low}% and {high}%"
        )
    return value if counted else max(1, total * value // _WHOLE)


def _alarms(state: Store, deployment: dict[str, Any]) -> list[str]:
    names = [alarm["AlarmName"] for alarm in deployment.get("AutoRollbackConfiguration", {}).get("Alarms", [])]
    known = cloudwatch_backends[state.account][state.region].alarms
    if absent := [name for name in names if name not in known]:
        raise ValidationError(f"Could not find CloudWatch alarms {absent} of AutoRollbackConfiguration")
    return names


def tripped(state: Store, rollout: Rollout | None) -> str | None:
    """Reason for rolling back an update now; None if there is none."""
    if rollout is None or rollout.reason:
        return None
    alarms = cloudwatch_backends[state.account][state.region].alarms
    for name in rollout.alarms:
        alarm = alarms.get(name)  # a state that was set by hand may have been corrected in the meantime
        if alarm and (alarm.state_value == "ALARM" or alarm.__dict__.get("alarmed_at", -math.inf) >= rollout.began):
            return f"The update was rolled back: CloudWatch alarm {name} went into ALARM ({alarm.state_reason})"
    if clock().now() > rollout.deadline:
        return "The update was rolled back: it did not end within MaximumExecutionTimeoutInSeconds"
    return None


def due(component: Component) -> int:
    """Copies of the desired revision that are due at this step."""
    return min(component.desired, component.rollout.goal) if component.rollout else component.desired


def step(component: Component, outdated: list[Copy]) -> bool:
    """Continue an update whose due copies are healthy: stop old ones, bake, begin the next step; return whether it is done."""
    rollout = component.rollout
    if rollout is None:
        return True
    serving = [copy for copy in outdated if copy.state not in ("stopping", "stopped")]
    for copy in serving[max(0, component.desired - rollout.goal) :]:
        copy.stop()
    rollout.baking_since = clock().now() if rollout.baking_since is None else rollout.baking_since
    if not rollout.reason and clock().now() - rollout.baking_since < rollout.wait_s:
        return False
    if rollout.goal >= component.desired:
        return True
    rollout.goal += rollout.rollback_batch if rollout.reason else rollout.batch
    rollout.baking_since = None
    return False


def turn_back(component: Component, failed_revision: int, reason: str) -> None:
    """Roll a component back: new copies that serve keep running until the old ones serve, the others stop at once."""
    rollout = component.rollout
    assert rollout is not None
    for copy in component.copies:
        if copy.revision == failed_revision and copy.state not in ("healthy", "stopping", "stopped"):
            copy.stop()
    serving = [
        c for c in component.copies if c.revision == component.revision and c.state not in ("stopping", "stopped")
    ]
    rollout.reason, rollout.baking_since = reason, None
    rollout.goal = len(serving) + rollout.rollback_batch
